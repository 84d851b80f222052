//! Recipes of containers: what they would install, and what they run straight from the network.

use super::requirements;
use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let mut at = 0_u64;
    let mut whole = String::new();
    for line in text.split_inclusive('\n') {
        scan.steps(1)?;
        let start = at;
        at += line.len() as u64;
        let bare = line.trim();
        if bare.starts_with('#') {
            continue;
        }
        whole.push(' ');
        if let Some(more) = bare.strip_suffix('\\') {
            whole.push_str(more);
            continue;
        }
        whole.push_str(bare);
        let instruction = std::mem::take(&mut whole);
        command(scan, source, start, instruction.trim());
    }
    Ok(())
}

/// One command line of a recipe.
pub(crate) fn command(scan: &mut Scan<'_>, source: &Source, at: u64, line: &str) {
    if piped(line) {
        let shown: String = line.chars().take(160).collect();
        let message = format!("What this downloads is run without being looked at: `{shown}`.");
        scan.found(&rules::CODE_SETTING, source, at, message);
    }
    for part in line.split("&&").flat_map(|part| part.split(';')) {
        if part.contains("pip") && part.contains("install") || part.contains("uv ") {
            requirements::judge(scan, source, at, part);
        }
    }
}

/// `curl … | sh`, `wget -O- … | python`, `bash -c "$(curl …)"`, `bash <(curl …)`.
pub(crate) fn piped(line: &str) -> bool {
    const FETCH: [&str; 5] = ["curl ", "wget ", "fetch ", "iwr ", "invoke-webrequest "];
    // Installers of well-known tools are ordinary.
    const KNOWN: [&str; 7] = [
        "astral.sh/uv",
        "sh.rustup.rs",
        "deb.nodesource.com",
        "get.docker.com",
        "raw.githubusercontent.com/homebrew",
        "bootstrap.pypa.io",
        "install.python-poetry.org",
    ];
    const RUN: [&str; 8] = ["sh", "bash", "zsh", "dash", "python", "python3", "perl", "iex"];
    let lower = line.to_ascii_lowercase();
    let Some(fetch) = FETCH.iter().filter_map(|word| lower.find(word)).min() else { return false };
    let after = lower.get(fetch..).unwrap_or_default();
    let runs = |part: &str| {
        let mut words = part.split_whitespace().skip_while(|w| matches!(*w, "sudo" | "env" | "-e" | "exec"));
        words.next().is_some_and(|word| RUN.contains(&word.rsplit('/').next().unwrap_or(word)))
    };
    let known = KNOWN.iter().any(|place| after.contains(place));
    let piped = after.split('|').skip(1).any(runs);
    let inside =
        ["$(", "<(", "`"].iter().any(|open| lower.get(..fetch).is_some_and(|before| before.trim_end().ends_with(open)))
            && RUN.iter().any(|run| lower.get(..fetch).is_some_and(|before| before.contains(&format!("{run} "))));
    (piped || inside) && !known
}
