//! Scripts of a shell: their commands one by one, and what they do together. Nothing is run.

use super::{
    Command, RUNS_DOWNLOADED,
    flow::{self, What},
    harm, judge, shortened,
};
use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Inspects a shell, batch or PowerShell script. That it is a script at all is for the one who calls to say.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.steps(text.len() as u64 / 16)?;
    inspect_lines(scan, source, text, |_| false);
    Ok(())
}

/// Looks at the commands of a text, one by one and together. Lines that are `skipped` are none.
pub(crate) fn inspect_lines(scan: &mut Scan<'_>, source: &Source, text: &str, skipped: impl Fn(&str) -> bool) {
    foreign(scan, source, text, &skipped);
    for Harm { at, how, line, together } in harms(text, skipped) {
        // People do install programs by running what they download: somebody should look, and it is no attack by itself.
        let rule = if how == RUNS_DOWNLOADED { &rules::SCRIPT_FILE } else { &rules::SHELL_HARM };
        let message = if together {
            format!("The commands of this script together do harm: it {how}.")
        } else {
            format!("A command in this script {how}: `{}`.", shortened(&line))
        };
        scan.found(rule, source, at as u64, message);
    }
}

/// Packages from where nobody vouches for them.
fn foreign(scan: &mut Scan<'_>, source: &Source, text: &str, skipped: &impl Fn(&str) -> bool) {
    let mut at = 0;
    for line in text.replace("\\\r\n", "   ").replace("\\\n", "  ").split_inclusive('\n') {
        let bare = line.trim();
        if !bare.starts_with('#')
            && bare.contains("install")
            && !skipped(bare)
            && judge(bare) == Command::ForeignPackages
        {
            let message = format!("A command in this script installs packages from elsewhere: `{}`.", shortened(bare));
            scan.found(&rules::FOREIGN_INDEX, source, at, message);
        }
        at += line.len() as u64;
    }
}

/// A command that harms.
pub(crate) struct Harm {
    /// Where its line begins.
    pub(crate) at: usize,
    pub(crate) how: &'static str,
    pub(crate) line: String,
    /// No single command does it.
    together: bool,
}

/// The commands of a text that harm.
pub(crate) fn harms(text: &str, skipped: impl Fn(&str) -> bool) -> Vec<Harm> {
    /// More text than this is looked at in parts.
    const LONGEST: usize = 1 << 20;
    /// More than this need not be told; what harms always is.
    const MOST: usize = 500;
    let joined = text.replace("\\\r\n", "   ").replace("\\\n", "  ");
    let comment = |line: &str| {
        let bare = line.trim_start();
        bare.starts_with('#') || bare.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("rem ")) || skipped(line)
    };
    let (mut at, mut found) = (0, Vec::new());
    // The same text with blanks in place of what is no command.
    let mut commands = String::with_capacity(joined.len());
    for whole in joined.split_inclusive('\n') {
        let (start, line) = (at, whole.trim_end_matches(['\n', '\r']));
        at += whole.len();
        if comment(line) {
            commands.push_str(&" ".repeat(line.len()));
            commands.push_str(whole.get(line.len()..).unwrap_or_default());
            continue;
        }
        commands.push_str(whole);
        if let Command::Harmful(how) = judge(line)
            && found.len() < if how == RUNS_DOWNLOADED { MOST } else { 2 * MOST }
        {
            found.push(Harm { at: start, how, line: line.to_owned(), together: false });
        }
    }
    let mut from = 0;
    while from < commands.len() {
        let rest = commands.get(from..).unwrap_or_default();
        let most = super::floor(rest, LONGEST);
        // Up to the end of a line, where there is one.
        let most = if most < rest.len() {
            rest.get(..most).and_then(|part| part.rfind('\n')).map_or(most, |end| end + 1)
        } else {
            most
        };
        let part = rest.get(..most).unwrap_or_default();
        // A long script may well hold more than is followed: its lines have been looked at.
        for flow in flow::look(part).0.into_iter().filter(|flow| flow.what != What::TooMany) {
            let Some(how) = flow.what.how() else { continue };
            let before = part.get(..flow.at).unwrap_or_default();
            let start = before.rfind('\n').map_or(0, |end| end + 1);
            let line = part.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
            if !found.iter().any(|harm| harm.at == from + start) {
                found.push(Harm { at: from + start, how, line: line.to_owned(), together: false });
            }
        }
        from += most.max(1);
    }
    // What is spread over lines.
    if !found.iter().any(|harm| harm.how != RUNS_DOWNLOADED)
        && let Some(how) = together(&commands)
        && (found.is_empty() || how != RUNS_DOWNLOADED)
    {
        found.push(Harm { at: 0, how, line: String::new(), together: true });
    }
    found
}

/// What commands do together that none of them does alone. Long scripts hold words of everything, and only what cannot be
/// meant otherwise is asked of them.
fn together(commands: &str) -> Option<&'static str> {
    const SHORT: usize = 4096;
    let text: String = commands.chars().take(1 << 16).collect::<String>().to_lowercase();
    let bare: String = text.chars().filter(|c| !matches!(c, '"' | '\'' | '\\' | '^' | '`')).collect();
    if let Some(how) = harm::fetched_and_run(&bare).filter(|how| bare.len() <= SHORT || *how != RUNS_DOWNLOADED) {
        return Some(how);
    }
    if harm::stands(&bare, "mkfifo") && bare.lines().any(|line| line.contains('|') && harm::stands(line, "nc ")) {
        return Some("opens a shell to another machine");
    }
    let lines = commands.lines().filter(|line| !line.trim().is_empty()).count();
    if commands.trim().len() > SHORT || lines > 40 {
        return None;
    }
    match judge(commands) {
        Command::Harmful(how) if how != RUNS_DOWNLOADED => Some(how),
        _ => None,
    }
}
