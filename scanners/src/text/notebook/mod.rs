//! Notebooks: each cell as what would read it, the stored outputs as pages. Nothing in them is run.
//!
//! Cells of Python share their names, but each is a program of its own: what is no Python in one hides nothing of the next.

mod kernels;
mod lines;
mod logical;
mod magics;
#[cfg(test)]
mod tests;

use self::{
    kernels::Written,
    lines::Way,
    magics::{Magic, Use},
};
use crate::{
    configs::requirements,
    formats::r_script,
    read::json::{Kind, Tree},
    rules,
    scan::{Scan, Scanned, in_memory},
    source::Source,
    text::{
        page::{self, Markup},
        python,
        python::cells::Readings,
        scripts, shell,
        shell::{Command, shortened},
    },
};

const MOST_VALUES: usize = 2_000_000;
/// Libraries that draw put themselves into outputs; only what reaches for the notebook is looked for in these.
const LIBRARY: usize = 200 << 10;
/// Cells within cells: `%%capture` around `%%time` around ….
const MOST_NESTED: usize = 8;

/// Inspects the text.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let tree = Tree::parse(text.as_bytes(), MOST_VALUES)?;
    scan.steps(tree.all().count() as u64)?;
    let written = kernels::of_notebook(&tree);
    let mut code = Code::default();
    for cell in cells(&tree) {
        if let Some(key) = tree.duplicate(cell) {
            let message =
                format!("A cell has `{}` twice: readers differ in which one they show and run.", shortened(key));
            scan.found(&rules::CONFIG_DUPLICATE, source, tree.at(cell), message);
        }
        let kind = tree.get(cell, "cell_type").and_then(|id| tree.text(id)).unwrap_or("code");
        let written = kernels::of_cell(&tree, cell, &written);
        // A key that is there twice: readers differ in which one they take.
        for id in tree.get_all(cell, "source").chain(tree.get_all(cell, "input")) {
            let (at, content) = (tree.at(id), joined(&tree, id));
            scan.steps(content.len() as u64 / 4)?;
            if kind.eq_ignore_ascii_case("code") {
                for written in &written {
                    code.add(scan, source, at, &content, written);
                }
            } else if !kind.eq_ignore_ascii_case("raw") {
                for (_, message) in page::active(&page::without_code(&content), Markup::Still).into_iter().take(5) {
                    scan.found(&rules::NOTEBOOK_OUTPUT, source, at, message);
                }
            }
        }
        outputs(scan, source, &tree, cell);
    }
    code.judge(scan, source)
}

/// The code of a notebook, put together from its cells.
#[derive(Default)]
struct Code {
    cells: Vec<(u64, Readings)>,
    /// Programs of their own, which share nothing.
    alone: Vec<(u64, String)>,
    /// Texts in other languages, each as one.
    others: Vec<(Written, String)>,
    /// Everything that is handed to the shell, and where its cell stands.
    commands: Vec<(u64, String)>,
}

impl Code {
    /// Adds a cell, or hands it to whoever reads what it is written in.
    fn add(&mut self, scan: &mut Scan<'_>, source: &Source, at: u64, content: &str, written: &Written) {
        if *written != Written::Python {
            self.program(scan, source, at, content, written);
            return;
        }
        let mut cell = lines::cleaned(content);
        let mut setup = String::new();
        for _ in 0..MOST_NESTED {
            let Some(magic) = magics::of_cell(&cell) else {
                self.cell(scan, source, at, &setup, &cell);
                return;
            };
            let next = self.magic(scan, source, at, &magic);
            let Some((statement, body)) = next else { return };
            setup.push_str(&statement);
            cell = body;
        }
        let message = "Magic words stand in magic words, deeper than they are followed.";
        scan.found(&rules::LIMIT_REACHED, source, at, message);
        scan.left_out(source, "magic words in magic words");
    }

    /// A cell of Python and its lines for the shell. What stands behind a magic word before it is Python as well.
    fn cell(&mut self, scan: &mut Scan<'_>, source: &Source, at: u64, setup: &str, cell: &str) {
        let mut readings = Readings::new();
        if setup.is_empty()
            && let Some(plain) = lines::without_sign(cell)
        {
            // What is Python without the magic is Python where somebody took the word for a name of their own.
            for command in &plain.commands {
                shell_line(scan, source, at, command);
            }
            readings.push((format!("{cell}\n"), Vec::new()));
            readings.push((plain.text, plain.made));
            self.cells.push((at, readings));
            return;
        }
        for way in [Way::Filled, Way::Bare] {
            let plain = lines::plain(cell, way);
            if way == Way::Filled {
                for command in plain.commands {
                    shell_line(scan, source, at, &command);
                    self.commands.push((at, command));
                }
                for word in &plain.unknown {
                    let message = format!("What the magic word `%{word}` does is not known.");
                    scan.found(&rules::UNREADABLE, source, at, message);
                    scan.left_out(source, format!("the magic word `%{word}` is not known"));
                }
            }
            let made = plain.made.iter().map(|place| place + setup.len()).collect();
            readings.push((format!("{setup}{}\n", plain.text), made));
        }
        if readings.first().map(|(text, _)| text) == readings.get(1).map(|(text, _)| text) {
            readings.truncate(1);
        }
        self.cells.push((at, readings));
    }

    /// What a magic word does with its cell; the Python behind the word and the cell within, where it holds one.
    fn magic(&mut self, scan: &mut Scan<'_>, source: &Source, at: u64, magic: &Magic<'_>) -> Option<(String, String)> {
        let Magic { name, args, body } = *magic;
        match magic.meaning() {
            Use::Cell => {
                let setup = if matches!(name, "timeit" | "prun" | "memit" | "time") {
                    lines::plain(&format!("%{name} {args}\n"), Way::Bare).text
                } else {
                    String::new()
                };
                return Some((setup, lines::cleaned(body)));
            }
            Use::Program(written) => {
                if !args.is_empty() {
                    shell_line(scan, source, at, &format!("{} {args}", if name == "script" { "" } else { name }));
                }
                self.program(scan, source, at, body, &written);
            }
            Use::Page => {
                for (_, message) in page::active(body, Markup::Still).into_iter().take(5) {
                    scan.found(&rules::NOTEBOOK_OUTPUT, source, at, message);
                }
            }
            Use::PageScript => {
                if let Some(word) = page::reaches(body) {
                    scan.found(&rules::NOTEBOOK_OUTPUT, source, at, format!("A cell's script uses `{word}`."));
                }
            }
            Use::File => self.file(scan, source, at, args, body),
            Use::Cython => self.alone.push((at, body.to_owned())),
            Use::Inert => {}
            Use::Unknown => {
                let word = shortened(name);
                shell_text(scan, source, at, body);
                let message = format!("What the magic word `%%{word}` makes of its cell is not known.");
                scan.found(&rules::UNREADABLE, source, at, message);
                scan.left_out(source, format!("a cell belongs to the magic word `%%{word}`, which is not known"));
            }
        }
        None
    }

    /// What a cell writes is looked at as what it will be: somebody runs it from there.
    fn file(&mut self, scan: &mut Scan<'_>, source: &Source, at: u64, args: &str, body: &str) {
        let name = args.split_whitespace().find(|word| !word.starts_with('-')).unwrap_or_default();
        let name = name.trim_matches(['"', '\'']);
        shell_line(scan, source, at, &format!("cat >> {name}"));
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
        match ending.as_str() {
            "py" | "pyx" | "pyw" => self.alone.push((at, body.to_owned())),
            "sh" | "bash" | "zsh" | "bat" | "cmd" | "ps1" | "bashrc" | "profile" => shell_text(scan, source, at, body),
            _ if scripts::Language::of(&name.to_ascii_lowercase()).is_some() || body.starts_with("#!") => {
                shell_text(scan, source, at, body);
            }
            _ => {}
        }
    }

    /// A program of its own.
    fn program(&mut self, scan: &mut Scan<'_>, source: &Source, at: u64, body: &str, written: &Written) {
        match written {
            Written::Shell => {
                shell_text(scan, source, at, body);
                self.commands.push((at, body.to_owned()));
            }
            Written::Python => self.alone.push((at, body.to_owned())),
            other => {
                let place = self.others.iter().position(|(known, _)| known == other).unwrap_or(self.others.len());
                if place == self.others.len() {
                    self.others.push((other.clone(), String::new()));
                }
                if let Some((_, text)) = self.others.get_mut(place) {
                    text.push_str(body);
                    text.push('\n');
                }
            }
        }
    }

    /// What one cell fetches and another runs. That people do so with what they know is ordinary.
    fn together(&self, scan: &mut Scan<'_>, source: &Source) {
        let (mut text, mut places) = (String::new(), Vec::new());
        for (at, command) in &self.commands {
            places.push((text.len(), *at));
            text.push_str(command);
            text.push('\n');
        }
        for harm in shell::harms(&text, |_| false)
            .into_iter()
            .filter(|harm| harm.how != shell::RUNS_DOWNLOADED && !harm.line.is_empty())
        {
            let at = places.iter().rev().find(|(start, _)| *start <= harm.at).map_or(0, |(_, at)| *at);
            let message = format!("A cell's command {}: `{}`.", harm.how, shortened(&harm.line));
            scan.found(&rules::SHELL_HARM, source, at, message);
        }
    }

    fn judge(self, scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
        self.together(scan, source);
        for (written, text) in &self.others {
            other_language(scan, source, written, text)?;
        }
        let alone = self.alone.into_iter().map(|(at, text)| (at, vec![(text, Vec::new())]));
        let (own, cells): (Vec<(u64, Readings)>, _) = (alone.collect(), self.cells);
        let read = |cells: &[(u64, Readings)]| {
            python::cells::readable(&cells.iter().map(|(_, readings)| readings.clone()).collect::<Vec<_>>())
        };
        let mut code = String::new();
        // Where in the code a cell begins, and where that cell stands in the file.
        let mut places: Vec<(usize, u64)> = Vec::new();
        let (answers, answers_own) = (read(&cells)?, read(&own)?);
        let together = cells.len();
        for (number, ((at, mut readings), answer)) in
            cells.into_iter().chain(own).zip(answers.into_iter().chain(answers_own)).enumerate()
        {
            // A program of its own costs what starting it costs.
            if number >= together || answer.is_err() {
                scan.steps(10_000)?;
            }
            match answer {
                Ok(reading) if number < together => {
                    places.push((code.len(), at));
                    code.push_str(&readings.swap_remove(reading).0);
                    code.push('\n');
                }
                Ok(reading) => python::inspect_cells(scan, source, &readings.swap_remove(reading).0, &|_| at)?,
                Err(why) => {
                    let message = format!("A cell could not be read as Python 3: {why}.");
                    scan.found(&rules::UNREADABLE, source, at, message);
                    scan.left_out(source, format!("a cell is not Python 3: {why}"));
                    if let Some((text, _)) = readings.pop() {
                        python::inspect_cells(scan, source, &text, &|_| at)?;
                    }
                }
            }
        }
        python::inspect_cells(scan, source, &code, &|offset| {
            let after = places.partition_point(|(start, _)| *start as u64 <= offset);
            after.checked_sub(1).and_then(|cell| places.get(cell)).map_or(0, |(_, at)| *at)
        })
    }
}

/// All cells in one other language.
fn other_language(scan: &mut Scan<'_>, source: &Source, written: &Written, text: &str) -> Scanned<()> {
    let within = |scan: &mut Scan<'_>, name: &str| scan.made(source, name, in_memory(text.to_owned()));
    match written {
        Written::R => {
            let cells = within(scan, "cells.R");
            r_script::inspect(scan, &cells, text)?;
            scan.is("notebook");
        }
        Written::Script(language) => {
            let cells = within(scan, "cells");
            scripts::inspect(scan, &cells, *language, text)?;
        }
        Written::Unknown(name) => {
            shell_text(scan, source, 0, text);
            let message = format!("The cells are written in `{name}`, which no reader here knows.");
            scan.found(&rules::UNREADABLE, source, 0, message);
            scan.left_out(source, format!("cells are written in `{name}`"));
        }
        Written::Python | Written::Shell => {}
    }
    Ok(())
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

/// A program for the shell: its lines one by one, and all of them together.
fn shell_text(scan: &mut Scan<'_>, source: &Source, at: u64, text: &str) {
    for line in text.replace("\\\n", " ").lines().filter(|line| !line.trim_start().starts_with('#')) {
        if matches!(shell::judge(line), Command::ForeignPackages | Command::Installs) {
            shell_line(scan, source, at, line);
        }
    }
    for harm in shell::harms(text, |_| false) {
        let (rule, what) = said(harm.how);
        scan.found(rule, source, at, format!("A cell{what} {}: `{}`.", harm.how, shortened(&harm.line)));
    }
}

/// The rule for a command that does this, and how a message names it.
fn said(how: &'static str) -> (&'static rules::Rule, &'static str) {
    // People do install programs by running what they download.
    if how == shell::RUNS_DOWNLOADED { (&rules::NOTEBOOK_SHELL, "") } else { (&rules::SHELL_HARM, "'s command") }
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
        Command::Installs => {
            let address = line.split_whitespace().find_map(|word| word.find("git+").and_then(|at| word.get(at..)))?;
            let address = address.trim_matches(['"', '\'', ';', '&']);
            requirements::is_strangers(address).then(|| {
                let what =
                    format!("A cell installs a package from `{}`, whose owner nobody vouches for", shortened(address));
                (&rules::NOTEBOOK_INSTALLS, what)
            })
        }
        Command::Ordinary | Command::Other => None,
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
