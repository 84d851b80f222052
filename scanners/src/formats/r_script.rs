//! R source: what runs other programs, or code that comes from elsewhere.
//!
//! Looks for calls by their names; nothing is parsed and nothing is run.

use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Calls that leave R.
const RUNS: &[&str] = &[
    "system",
    "system2",
    "shell",
    "shell.exec",
    "pipe",
    "dyn.load",
    "download.file",
    "socketConnection",
    "source_url",
    "install.packages",
    "unserialize",
    "url",
    "socketConnect",
];

/// Whether the file is R source by its name.
pub(crate) fn is(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("r")) || is_profile(name)
}

/// What R runs at every start in this folder.
fn is_profile(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), ".rprofile" | "rprofile.site" | ".first.r")
}

/// Inspects R source.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.steps(text.len() as u64 / 16)?;
    if is_profile(source.file_name()) {
        let message = "R runs this file at every start in its folder, before anything else.";
        scan.found(&rules::SCRIPT_FILE, source, 0, message);
    }
    let mut at = 0_u64;
    for line in text.split_inclusive('\n') {
        let code = line.split('#').next().unwrap_or_default();
        for (place, _) in code.match_indices('(') {
            let before = code.get(..place).unwrap_or_default().trim_end();
            let start =
                before.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_'))).map_or(0, |last| last + 1);
            let name = before.get(start..).unwrap_or_default();
            let fetched = name == "source" && code.contains("://");
            let evaluated = name == "eval" && code.contains("parse");
            if RUNS.contains(&name) || fetched || evaluated {
                let message =
                    format!("The R script calls `{name}`: `{}`.", code.trim().chars().take(120).collect::<String>());
                scan.found(&rules::SCRIPT_FILE, source, at + place as u64, message);
            }
        }
        at += line.len() as u64;
    }
    scan.is("r script");
    scan.inspected(source, 0..source.len());
    Ok(())
}
