//! What IPython makes of a cell before Python sees it: lines for the shell, magic lines and questions become plain Python
//! with as many lines. Nothing is judged and nothing is run.

use super::logical;

/// A cell as plain Python, and what stood in it besides.
#[derive(Debug, Default)]
pub(super) struct Plain {
    pub(super) text: String,
    /// Where in the text lines begin that were not in the cell. None of them may turn out to stand in a string.
    pub(super) made: Vec<usize>,
    /// What it hands to the shell.
    pub(super) commands: Vec<String>,
    /// Magic words that nobody knows.
    pub(super) unknown: Vec<String>,
}

/// How lines are read. Only one way is IPython's at a time, and which one depends on what the cell holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// What stands in braces of a command is looked up in the program.
    Filled,
    /// A command is only its letters.
    Bare,
}

/// The cell without what its editor shows around it: empty lines, the indentation of the first line, prompts.
pub(super) fn cleaned(cell: &str) -> String {
    let cell = cell.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = cell.split_inclusive('\n').skip_while(|line| line.trim().is_empty()).collect();
    let indent = lines.first().map_or("", |line| &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]);
    for line in &mut lines {
        *line = line.strip_prefix(indent).unwrap_or(line);
    }
    let second = lines.get(1).copied().unwrap_or_default();
    let begins = lines.first().is_some_and(|first| classic(first).is_some()) || second.starts_with("... ");
    let numbered = lines.first().is_some_and(|first| first.starts_with("In [") && prompt(first).is_some());
    for line in &mut lines {
        let bare = if begins { classic(line) } else { None }.or_else(|| if numbered { prompt(line) } else { None });
        *line = bare.unwrap_or(line);
    }
    lines.concat()
}

/// `>>> x`, `... x`
fn classic(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(">>>").or_else(|| line.strip_prefix("..."))?;
    rest.strip_prefix(' ').or_else(|| Some(rest).filter(|rest| rest.trim().is_empty()))
}

/// `In [1]: x`, `   ...: x`
fn prompt(line: &str) -> Option<&str> {
    if let Some(rest) = line.strip_prefix("In [") {
        return rest.split_once("]: ").filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit())).map(|(_, x)| x);
    }
    let rest = line.trim_start_matches(' ').trim_start_matches('.').strip_prefix(':')?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

/// Turns a cleaned cell into plain Python.
pub(super) fn plain(cell: &str, way: Way) -> Plain {
    let mut out = Plain::default();
    let mut at = 0;
    while at < cell.len() {
        let rest = cell.get(at..).unwrap_or_default();
        let code = rest.trim_start_matches([' ', '\t', '\x0c']);
        let indent = &rest[..rest.len() - code.len()];
        if code.starts_with(['!', '%', '?', ',', ';', '/']) {
            let end = logical::carried_on(cell, at);
            let whole = cell.get(at + indent.len()..end).unwrap_or_default();
            out.text.push_str(indent);
            out.escaped(&joined(whole), way, 0);
            out.lines(whole);
            at = end;
            continue;
        }
        let logical = logical::line(cell, at);
        let whole = cell.get(at..logical.end).unwrap_or_default();
        if let Some(escape) = logical.escape {
            let before = cell.get(at..escape).unwrap_or_default();
            let command = cell.get(escape..logical.end).unwrap_or_default();
            out.text.push_str(before);
            out.assigned(&joined(command), way);
            out.lines(command);
        } else if logical.asks && help(whole) {
            out.text.push_str(indent);
            out.make("pass");
            out.lines(whole);
        } else {
            out.text.push_str(whole);
        }
        at = logical.end.max(at + 1);
    }
    out
}

/// A cell of one line that begins with a magic word is a magic line, with or without its sign.
pub(super) fn without_sign(cell: &str) -> Option<Plain> {
    let line = cell.trim_end();
    if line.contains('\n') {
        return None;
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let known = !matches!(kind(name), Kind::Unknown) && name != "!";
    if !known || rest.trim_start().starts_with(['=', ',', '.', '(', '[', ')']) {
        return None;
    }
    let mut out = Plain::default();
    out.magic(line, Way::Bare, 0);
    out.text.push('\n');
    Some(out)
}

/// Lines that a backslash carries on are one.
fn joined(whole: &str) -> String {
    whole.trim_end_matches('\n').replace("\\\n", " ")
}

/// `x?`, `x.y??`, `%magic?`: anything else with a question mark is no Python and no help either.
fn help(line: &str) -> bool {
    let name = line.trim().trim_end_matches('?');
    let last = name.rsplit([' ', '=', ';', '(']).next().unwrap_or_default();
    !last.is_empty() && last.chars().all(|c| c.is_alphanumeric() || "_.%*[]-".contains(c))
}

impl Plain {
    fn make(&mut self, text: &str) {
        self.made.push(self.text.len());
        self.text.push_str(text);
    }

    /// As many ends of lines as stood there.
    fn lines(&mut self, whole: &str) {
        self.text.extend(whole.bytes().filter(|b| *b == b'\n').map(char::from));
    }

    fn escaped(&mut self, line: &str, way: Way, depth: u32) {
        let call = |name: &str, args: String| format!("{name}({args})");
        let rest = line.get(1..).unwrap_or_default();
        let (name, args) = rest.split_once(' ').unwrap_or((rest, ""));
        let words = || args.split_whitespace();
        if let Some(command) = line.strip_prefix('!') {
            self.command(command.strip_prefix('!').unwrap_or(command), way);
        } else if line.starts_with('%') {
            self.magic(rest, way, depth);
        } else if line.starts_with('?') {
            self.make("pass");
        } else if line.starts_with(',') {
            self.make(&call(name, format!("\"{}\"", words().collect::<Vec<_>>().join("\", \""))));
        } else if line.starts_with(';') {
            self.make(&call(name, format!("\"{args}\"")));
        } else {
            self.make(&call(name, words().collect::<Vec<_>>().join(", ")));
        }
    }

    /// `x = !command`, `x = %magic`
    fn assigned(&mut self, line: &str, way: Way) {
        if let Some(command) = line.strip_prefix('!') {
            self.command(command.strip_prefix('!').unwrap_or(command), way);
            return;
        }
        let rest = line.get(1..).unwrap_or_default();
        let before = self.text.len();
        self.magic(rest, way, 0);
        // What a magic line makes can be a statement, which stands behind no `=`.
        if self.text.get(before..).is_some_and(|made| matches!(made, "pass") || made.starts_with("import ")) {
            self.text.truncate(before);
            self.text.push_str("None");
        }
    }

    /// A line for the shell.
    fn command(&mut self, command: &str, way: Way) {
        self.commands.push(command.trim().to_owned());
        match filled(command).filter(|_| way == Way::Filled) {
            Some(text) => self.make(&format!("get_ipython().cell_line(f\"{text}\")")),
            None => self.make("get_ipython().line()"),
        }
    }

    /// A magic line, without its sign.
    fn magic(&mut self, line: &str, way: Way, depth: u32) {
        let (name, args) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let args = args.trim();
        if args.is_empty() && name.ends_with('?') {
            self.make("pass");
            return;
        }
        match kind(name) {
            Kind::Command => self.command(args, way),
            Kind::Program => self.command(line, way),
            Kind::Named => self.command(args.split_once([' ', '=']).map_or("", |(_, command)| command), way),
            Kind::Statement(taking) => {
                let statement = behind_options(args, taking);
                if statement.starts_with(['!', '%']) && depth < 4 {
                    self.escaped(statement, way, depth + 1);
                } else if statement.is_empty() {
                    self.make("pass");
                } else {
                    self.make(statement);
                }
            }
            Kind::Setting if args.contains('=') => self.make(&format!("get_ipython().config.{args}")),
            Kind::Module if is_dotted(args) => self.make(&format!("import {args}")),
            Kind::Silent | Kind::Setting | Kind::Module => self.make("pass"),
            Kind::Unknown => {
                self.commands.push(args.to_owned());
                self.unknown.push(name.chars().take(40).collect());
                self.make("pass");
            }
        }
    }
}

/// What a magic line does with what stands behind it.
#[derive(Clone, Copy)]
enum Kind {
    /// Hands it to the shell.
    Command,
    /// Is a program itself.
    Program,
    /// Gives a command a name, or its output.
    Named,
    /// Runs it as Python, behind options; the letters are those that take a value.
    Statement(&'static str),
    /// Sets it, and works out its value as Python.
    Setting,
    /// Imports it.
    Module,
    /// Nothing that matters here.
    Silent,
    Unknown,
}

#[rustfmt::skip]
fn kind(name: &str) -> Kind {
    match name {
        "!" | "sx" | "system" | "shell" | "bash" | "sh" | "cmd" | "killbgscripts" => Kind::Command,
        "pip" | "pip3" | "conda" | "mamba" | "micromamba" | "uv" | "poetry" | "ls" | "cat" | "cp" | "mv" | "rm" | "mkdir" | "rmdir" | "less"
        | "more" | "man" | "ldir" | "lf" | "lk" | "ll" | "lx" => Kind::Program,
        "sc" | "alias" => Kind::Named,
        "time" | "px" | "cython_inline" | "measure" => Kind::Statement(""),
        "timeit" => Kind::Statement("nrpt"),
        "prun" => Kind::Statement("lsTD"),
        "memit" | "mprun" | "lprun" | "snakeviz" | "heat" | "scalene" | "pyinstrument" => Kind::Statement("rticfmTDuso"),
        "config" => Kind::Setting,
        "load_ext" | "reload_ext" => Kind::Module,
        "matplotlib" | "pylab" | "gui" | "autoreload" | "cd" | "pwd" | "pushd" | "popd" | "dirs" | "dhist" | "bookmark" | "env" | "set_env"
        | "who" | "who_ls" | "whos" | "psearch" | "psource" | "pdoc" | "pdef" | "pfile" | "pinfo" | "pinfo2" | "page" | "pprint" | "precision"
        | "reset" | "reset_selective" | "xdel" | "history" | "hist" | "recall" | "rep" | "rerun" | "macro" | "edit" | "save" | "load" | "loadpy"
        | "pastebin" | "pycat" | "run" | "store" | "debug" | "pdb" | "tb" | "xmode" | "colors" | "color_info" | "logstart" | "logstop" | "logon"
        | "logoff" | "logstate" | "magic" | "lsmagic" | "quickref" | "profile" | "automagic" | "autocall" | "autoawait" | "autosave"
        | "autoindent" | "doctest_mode" | "notebook" | "connect_info" | "qtconsole" | "clear" | "cls" | "unalias" | "unload_ext" | "rehashx" | "aimport"
        | "subshell" | "code_wrap" | "watermark" | "tensorboard" | "tensorflow_version" | "wandb" | "sql" | "bigquery" | "mlflow" | "flow"
        | "nbdev_export" | "nbdev_default_export" | "colabx" | "memray_flamegraph" | "skip" | "pip_logo" | "ai" | "config_inline" => Kind::Silent,
        _ => Kind::Unknown,
    }
}

fn is_dotted(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    name.split('.').all(part)
}

/// `-n 10 -r3 x = 1` without its options.
fn behind_options<'a>(args: &'a str, taking: &str) -> &'a str {
    let mut rest = args;
    while let Some(option) = rest.strip_prefix('-') {
        let (word, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        let letter = word.chars().next().unwrap_or(' ');
        // `-x` can be a number's sign as well: options are letters.
        if !letter.is_ascii_alphabetic() && letter != '-' {
            break;
        }
        rest = after.trim_start();
        if word.len() == 1 && taking.contains(letter) {
            rest = rest.split_once(char::is_whitespace).map_or("", |(_, after)| after.trim_start());
        }
    }
    rest
}

/// The inside of an f-string that is this command, where it has names in braces or behind `$`.
fn filled(command: &str) -> Option<String> {
    let (mut out, mut any) = (String::new(), false);
    let mut rest = command;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let name = after.len() - after.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
        if let Some(after) = after.strip_prefix(c).filter(|_| matches!(c, '{' | '}')) {
            out.extend([c, c]);
            rest = after;
            continue;
        }
        if c == '{'
            && let Some(inner) = braced(after)
        {
            out.extend(['{', ' ']);
            out.push_str(inner);
            out.push('}');
            any = true;
            rest = after.get(inner.len() + 1..).unwrap_or_default();
            continue;
        }
        if c == '$' && after.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            out.push('{');
            out.push_str(after.get(..name).unwrap_or_default());
            out.push('}');
            any = true;
            rest = after.get(name..).unwrap_or_default();
            continue;
        }
        match c {
            '{' | '}' => out.extend([c, c]),
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
        rest = after;
    }
    any.then_some(out)
}

/// The expression in braces that are open, if it can be one: `awk '{print $1}'` has none.
fn braced(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices().take(400) {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' if depth == 0 => {
                let inner = text.get(..at)?;
                let begins = inner.trim_start().starts_with(|c: char| c.is_alphabetic() || "_('\"[".contains(c));
                let ends = inner.trim_end().ends_with(|c: char| c.is_alphanumeric() || "_)'\"]".contains(c));
                let words = inner.trim().contains(char::is_whitespace) && !inner.contains(['(', '[', '+', '"', '\'']);
                return Some(inner)
                    .filter(|inner| begins && ends && !words && !inner.contains([';', '\\', '$', '|', '`', '#']));
            }
            '}' | ']' | ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}
