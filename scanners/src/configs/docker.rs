//! Recipes of containers: what they would install, and what they run straight from the network.

use super::requirements;
use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
    text::shell::{self, Command},
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
    let shown = || line.chars().take(160).collect::<String>();
    match shell::judge(commands(line)) {
        Command::Harmful(shell::RUNS_DOWNLOADED | shell::RUNS_UNPROTECTED) => {
            let message = format!("What this downloads is run without being looked at: `{}`.", shown());
            scan.found(&rules::CODE_SETTING, source, at, message);
        }
        Command::Harmful(how) => {
            scan.found(&rules::SHELL_HARM, source, at, format!("A command in this recipe {how}: `{}`.", shown()));
        }
        _ => {}
    }
    for part in line.split("&&").flat_map(|part| part.split(';')) {
        if part.contains("pip") && part.contains("install") || part.contains("uv ") {
            requirements::judge(scan, source, at, part);
        }
    }
}

/// What the shell gets of an instruction: `RUN --mount=… command`, and the command alone elsewhere.
fn commands(line: &str) -> &str {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if !matches!(word.to_ascii_lowercase().as_str(), "run" | "cmd" | "entrypoint" | "onbuild" | "shell" | "healthcheck")
    {
        return line;
    }
    let mut rest = rest.trim_start();
    while rest.starts_with("--") {
        rest = rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    }
    rest
}
