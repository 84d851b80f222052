//! Texts that other programs take for settings: orders to assistants, recipes for local servers, Python's path files, and
//! tables whose cells are formulas. What they would start is said; nothing is started or fetched.

use super::{
    page, python,
    shell::{self, Command, RUNS_DOWNLOADED, shortened},
};
use crate::{
    configs, rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Whether an assistant that works in this folder reads the file as its orders. The name is in lower case.
pub(crate) fn is_orders(name: &str, path: &str) -> bool {
    matches!(
        name,
        "agents.md"
            | "agent.md"
            | "claude.md"
            | "claude.local.md"
            | "gemini.md"
            | "skill.md"
            | "copilot-instructions.md"
            | ".cursorrules"
            | ".windsurfrules"
            | ".clinerules"
            | ".goosehints"
            | "conventions.md"
    ) || ending(name) == "mdc"
        || [".claude/", ".cursor/rules/", ".github/instructions/", ".github/prompts/"]
            .iter()
            .any(|folder| path.contains(folder) && ending(name) == "md")
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, end)| end)
}

/// Inspects what an assistant is told: commands that harm, and to keep something from its user.
pub(crate) fn orders(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.steps(text.len() as u64 / 8)?;
    // Such a text may well say that its reader is a program; to hide something or to drop other orders is another thing.
    let against = |order: &&str| ["ignore", "disregard", "the user"].iter().any(|word| order.contains(word));
    if let Some(order) = page::ordered(text).find(against) {
        let message = format!("The text tells an assistant to work against its user (\"{order}\").");
        scan.found(&rules::PAGE_ACTIVE, source, 0, message);
    }
    let mut at = 0_u64;
    for line in text.split_inclusive('\n') {
        let quoted = line.split('`').skip(1).step_by(2);
        for command in quoted.chain(std::iter::once(line)) {
            if let Command::Harmful(how) = shell::judge(command)
                && how != RUNS_DOWNLOADED
            {
                let message = format!("The text tells an assistant to run what {how}: `{}`.", shortened(command));
                scan.found(&rules::PAGE_ACTIVE, source, at, message);
                break;
            }
        }
        at += line.len() as u64;
    }
    Ok(())
}

/// Inspects a recipe for a local server: which files it opens.
pub(crate) fn modelfile(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.steps(text.len() as u64 / 16)?;
    let (mut at, mut quoted) = (0_u64, false);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len() as u64;
        let within = quoted;
        quoted ^= line.matches("\"\"\"").count() % 2 == 1;
        let Some((word, value)) = line.trim().split_once(char::is_whitespace).filter(|_| !within) else { continue };
        if matches!(word.to_ascii_lowercase().as_str(), "from" | "adapter") {
            configs::opened(scan, source, start, word, value.trim().trim_matches('"'));
        }
    }
    Ok(())
}

/// Inspects a `.pth` file of Python's: each line is a folder, but one that begins with `import` is run at every start.
pub(crate) fn python_paths(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let mut at = 0_u64;
    for line in text.split_inclusive('\n') {
        scan.steps(1)?;
        if line.starts_with("import ") || line.starts_with("import\t") {
            let message =
                format!("Python runs this line at every start, whatever it is started for: `{}`.", shortened(line));
            scan.found(&rules::CODE_SETTING, source, at, message);
            python::inspect(scan, source, at, line)?;
        }
        at += line.len() as u64;
    }
    Ok(())
}

/// Inspects a table of text: cells that make a spreadsheet start programs or send what it holds.
pub(crate) fn table(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let name = source.file_name().to_ascii_lowercase();
    if !matches!(ending(&name), "csv" | "tsv") {
        return Ok(());
    }
    scan.steps(text.len() as u64 / 16)?;
    let bytes = text.as_bytes();
    for pipe in memchr::memchr2_iter(b'|', b'(', bytes).take(1 << 20) {
        let before = bytes.get(pipe.saturating_sub(48)..pipe).unwrap_or_default();
        let cell = before.rsplit(|b| matches!(b, b',' | b'\t' | b'\n' | b';')).next().unwrap_or_default();
        let cell = String::from_utf8_lossy(cell).to_ascii_lowercase();
        let cell = cell.trim_start_matches(['"', ' ', '\'']);
        let Some(formula) = cell.strip_prefix(['=', '+', '-', '@']) else { continue };
        let starts = bytes.get(pipe) == Some(&b'|')
            && bytes.get(pipe + 1).is_some_and(|b| matches!(b, b'\'' | b'"'))
            && formula.rsplit(['(', '+']).next().is_some_and(|word| word.bytes().all(|b| b.is_ascii_alphanumeric()));
        let sends = bytes.get(pipe) == Some(&b'(')
            && [
                "webservice",
                "dde",
                "importxml",
                "importdata",
                "importhtml",
                "importfeed",
                "register.id",
                "call",
                "exec",
            ]
            .contains(&formula.rsplit(['(', '+', '&']).next().unwrap_or_default());
        if starts || sends {
            let line: String =
                text.get(pipe.saturating_sub(cell.len())..).unwrap_or_default().chars().take(80).collect();
            let message = format!(
                "A cell is a formula by which a spreadsheet starts a program or connects: `{}`.",
                shortened(line.lines().next().unwrap_or_default())
            );
            scan.found(&rules::PAGE_ACTIVE, source, pipe as u64, message);
            return Ok(());
        }
    }
    Ok(())
}
