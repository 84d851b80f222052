//! Notebooks: their cells as Python and shell, their stored outputs as pages. Nothing in them is run.

use crate::{
    read::json::{Kind, Tree},
    rules,
    scan::{Scan, Scanned},
    source::Source,
    text::{
        page::{self, Markup},
        python, shell,
        shell::{Command, shortened},
    },
};

const MOST_VALUES: usize = 2_000_000;
/// Libraries that draw put themselves into outputs; only what reaches for the notebook is looked for in these.
const LIBRARY: usize = 200 << 10;

/// Inspects the text.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let tree = Tree::parse(text.as_bytes(), MOST_VALUES)?;
    scan.steps(tree.all().count() as u64)?;
    let mut code = String::new();
    // Where in the code a cell begins, and where that cell stands in the file.
    let mut places: Vec<(usize, u64)> = Vec::new();
    for cell in cells(&tree) {
        if let Some(key) = tree.duplicate(cell) {
            let message =
                format!("A cell has `{}` twice: readers differ in which one they show and run.", shortened(key));
            scan.found(&rules::CONFIG_DUPLICATE, source, tree.at(cell), message);
        }
        let kind = tree.get(cell, "cell_type").and_then(|id| tree.text(id)).unwrap_or("code");
        // A key that is there twice: readers differ in which one they take.
        for id in tree.get_all(cell, "source").chain(tree.get_all(cell, "input")) {
            let (at, content) = (tree.at(id), joined(&tree, id));
            if kind == "code" {
                places.push((code.len(), at));
                code_cell(scan, source, at, &content, &mut code);
            } else if kind != "raw" {
                for (_, message) in page::active(&page::without_code(&content), Markup::Still).into_iter().take(5) {
                    scan.found(&rules::NOTEBOOK_OUTPUT, source, at, message);
                }
            }
        }
        outputs(scan, source, &tree, cell);
    }
    python::inspect_cells(scan, source, &code, &|offset| {
        let cell = places.iter().rev().find(|(start, _)| *start as u64 <= offset);
        cell.map_or(0, |(_, at)| *at)
    })
}

/// The cells, as format 4 and format 3 keep them.
fn cells(tree: &Tree) -> Vec<usize> {
    let of = |id: usize| tree.get_all(id, "cells").flat_map(|cells| tree.items(cells).to_vec()).collect::<Vec<_>>();
    let mut all = of(tree.root());
    for sheets in tree.get_all(tree.root(), "worksheets") {
        for sheet in tree.items(sheets) {
            all.extend(of(*sheet));
        }
    }
    all
}

/// A text that is kept as one string or as lines.
fn joined(tree: &Tree, id: usize) -> String {
    match tree.text(id) {
        Some(text) => text.to_owned(),
        None => tree.items(id).iter().filter_map(|line| tree.text(*line)).collect(),
    }
}

/// Adds a cell to the code, or hands it to whoever reads what it is written in.
fn code_cell(scan: &mut Scan<'_>, source: &Source, at: u64, content: &str, code: &mut String) {
    let content = content.trim_start_matches(['\n', ' ']);
    let Some(magic) = content.strip_prefix("%%") else {
        code.push_str(content);
        code.push('\n');
        return;
    };
    let (line, body) = magic.split_once('\n').unwrap_or((magic, ""));
    let name = line.split_whitespace().next().unwrap_or_default();
    match name {
        "bash" | "sh" | "script" | "system" | "sx" | "!" | "cmd" | "powershell" | "zsh" | "perl" | "ruby" | "R" => {
            let lines: Vec<&str> = body.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
            let told = lines.iter().any(|line| shell_line(scan, source, at, line));
            if !told {
                shell_line(scan, source, at, &lines.join("\n"));
            }
        }
        "html" | "HTML" | "svg" | "SVG" | "markdown" => {
            for (_, message) in page::active(body, Markup::Still).into_iter().take(5) {
                scan.found(&rules::NOTEBOOK_OUTPUT, source, at, message);
            }
        }
        "javascript" | "js" => {
            if let Some(word) = page::reaches(body) {
                scan.found(&rules::NOTEBOOK_OUTPUT, source, at, format!("A cell's script uses `{word}`."));
            }
        }
        "capture" | "time" | "timeit" | "prun" | "python" | "python3" | "pypy" | "debug" => {
            code.push_str(body);
            code.push('\n');
        }
        "writefile" | "file" if named(line, "sh") => {
            for line in body.lines() {
                shell_line(scan, source, at, line);
            }
        }
        "writefile" | "file" if named(line, "py") => {
            // What it writes is looked at as code of the notebook: somebody runs it from there.
            code.push_str(body);
            code.push('\n');
        }
        _ => {}
    }
}

/// Whether the line ends in a file name with this ending.
fn named(line: &str, ending: &str) -> bool {
    line.trim_end().rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case(ending))
}

fn shell_line(scan: &mut Scan<'_>, source: &Source, at: u64, line: &str) -> bool {
    let Some((rule, message)) = shell_message(line) else { return false };
    scan.found(rule, source, at, format!("{message}."));
    true
}

/// What is to be said of a line that a notebook hands to the shell. Installing packages and looking around is ordinary.
pub(crate) fn shell_message(line: &str) -> Option<(&'static rules::Rule, String)> {
    match shell::judge(line) {
        Command::Harmful(how) if how == shell::RUNS_DOWNLOADED => {
            Some((&rules::NOTEBOOK_SHELL, format!("A cell {how}: `{}`", shortened(line))))
        }
        Command::Harmful(how) => Some((&rules::SHELL_HARM, format!("A cell's command {how}: `{}`", shortened(line)))),
        Command::ForeignPackages => {
            Some((&rules::NOTEBOOK_SHELL, format!("A cell installs packages from elsewhere: `{}`", shortened(line))))
        }
        Command::Installs | Command::Ordinary | Command::Other => None,
    }
}

/// Stored outputs act as soon as the notebook is opened and trusted.
fn outputs(scan: &mut Scan<'_>, source: &Source, tree: &Tree, cell: usize) {
    for list in tree.get_all(cell, "outputs") {
        for output in tree.items(list) {
            let inner = tree.get(*output, "data").unwrap_or(*output);
            for (kind, id) in tree.entries(inner) {
                let markup = matches!(kind.as_str(), "text/html" | "html" | "image/svg+xml" | "svg" | "text/markdown");
                let script = matches!(kind.as_str(), "application/javascript" | "text/javascript" | "javascript");
                if !(markup || script) || matches!(tree.value(*id).map(|v| &v.kind), Some(Kind::Object(_))) {
                    continue;
                }
                let content = joined(tree, *id);
                let mut messages: Vec<String> = Vec::new();
                if markup && content.len() <= LIBRARY {
                    messages.extend(page::active(&content, Markup::Page).into_iter().map(|(_, message)| message));
                }
                if messages.is_empty() && content.len() <= LIBRARY || content.contains("kernel.execute") {
                    messages.extend(page::reaches(&content).map(|word| format!("A stored output uses `{word}`.")));
                    if script && content.len() <= LIBRARY {
                        messages
                            .extend(page::calls_out(&content).map(|to| format!("A stored output connects to `{to}`.")));
                    }
                }
                for message in messages.into_iter().take(3) {
                    scan.found(&rules::NOTEBOOK_OUTPUT, source, tree.at(*id), format!("Stored output: {message}"));
                }
            }
        }
    }
}
