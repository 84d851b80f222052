//! Which program a command starts, behind `sudo`, `env` and their like, and where that program takes its own program from.
//! Nothing is run.

use super::{
    spelling::{assignment, unescaped},
    words::{Input, Simple, Text, Word},
};

/// Programs that run what they are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// A shell.
    Shell,
    /// `eval`, `iex`: their words are commands.
    Words,
    /// `source`: a file, in this shell.
    Source,
    /// Another language.
    Language,
}

/// Where a program that runs programs takes one from.
#[derive(Debug)]
pub(super) enum From<'a> {
    Input,
    File(&'a Word),
    Said(&'a Word),
    /// It has a program of its own.
    Own,
}

/// The name of the program in lower case, and its arguments.
pub(super) fn started(simple: &Simple) -> (String, &[Word]) {
    let mut words = simple.words.as_slice();
    // Each of them is left behind in turn; what is left is shorter each time.
    while let Some((first, rest)) = words.split_first() {
        if assignment(&first.text).is_some() && first.inner.is_empty() {
            words = rest;
            continue;
        }
        let name = base(&first.text);
        let (taking, operands): (&str, usize) = match name.as_str() {
            "sudo" => ("ugChprtTD", 0),
            "doas" | "su-exec" | "gosu" => ("uC", usize::from(name != "doas")),
            "env" => ("uC", 0),
            "nice" | "ionice" => ("ncp", 0),
            "stdbuf" => ("ioe", 0),
            "timeout" => ("sk", 1),
            "exec" => ("a", 0),
            "nohup" | "command" | "start" | "builtin" | "time" | "setsid" | "busybox" | "toybox" | "unbuffer"
            | "chronic" | "torsocks" | "catchsegv" => ("", 0),
            "xargs" => ("IiLnPsdaE", 0),
            "flock" | "chroot" => ("wE", 1),
            _ => return (name, rest),
        };
        words = behind_options(rest, taking, operands);
        if words.is_empty() {
            return (name, words);
        }
    }
    (String::new(), words)
}

/// Whether the program is started for each line of its input.
pub(super) fn is_for_each(simple: &Simple) -> bool {
    simple.words.iter().take(6).any(|word| matches!(base(&word.text).as_str(), "xargs" | "parallel"))
}

fn behind_options<'a>(words: &'a [Word], taking: &str, mut operands: usize) -> &'a [Word] {
    let mut rest = words;
    while let Some((first, after)) = rest.split_first() {
        if let Some(option) = first.text.strip_prefix('-').filter(|option| !option.is_empty()) {
            let one = option.len() == 1 && taking.contains(option);
            // `env -S 'bash -c x'` is a line of its own.
            rest = if one { after.get(1..).unwrap_or_default() } else { after };
            if option == "-" {
                break;
            }
        } else if operands > 0 {
            operands -= 1;
            rest = after;
        } else {
            break;
        }
    }
    rest
}

/// `/usr/bin/bash.exe` as `bash`.
pub(super) fn base(word: &str) -> String {
    let last = word.rsplit('/').next().unwrap_or(word);
    last.to_ascii_lowercase().trim_end_matches(".exe").trim_matches([';', '@']).to_owned()
}

/// What kind of program this is, if it runs programs.
pub(super) fn runs(name: &str) -> Option<Runs> {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match if bare.is_empty() { name } else { bare } {
        "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" | "fish" | "csh" | "tcsh" | "mksh" | "rbash" | "su" | "cmd"
        | "pwsh" | "powershell" | "$shell" | "${shell}" | "$bash" | "${bash}" => Runs::Shell,
        "eval" | "iex" | "invoke-expression" => Runs::Words,
        _ if matches!(name, "source" | ".") => Runs::Source,
        "python" | "pypy" | "perl" | "ruby" | "node" | "nodejs" | "deno" | "bun" | "php" | "lua" | "luajit"
        | "osascript" | "rscript" | "tclsh" | "expect" | "julia" | "groovy" => Runs::Language,
        _ => return None,
    })
}

/// Where the program comes from that this one runs.
pub(super) fn from<'a>(name: &str, kind: Runs, args: &'a [Word]) -> From<'a> {
    let own_input = |text: &str| matches!(text, "-" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0");
    if kind == Runs::Source {
        return match args.first() {
            Some(file) if !own_input(&file.text) => From::File(file),
            _ => From::Input,
        };
    }
    let python = name.starts_with("py");
    let mut rest = args;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let text = first.text.as_str();
        if own_input(text) {
            return From::Input;
        }
        let windows = matches!(name, "cmd" | "pwsh" | "powershell");
        let Some(option) = text.strip_prefix(['-', '+']).or_else(|| text.strip_prefix('/').filter(|_| windows)) else {
            // `su user` reads commands as that user.
            if name == "su" {
                continue;
            }
            return if matches!(name, "deno" | "bun") && text == "run" { continue } else { From::File(first) };
        };
        let long = option.starts_with('-') || windows;
        let says = if kind == Runs::Shell {
            !long && option.contains('c')
                || matches!(option.to_ascii_lowercase().as_str(), "-command" | "command" | "c" | "k")
        } else if python {
            !long && option.ends_with('c')
        } else if name.starts_with("node") {
            matches!(option, "e" | "p" | "-eval" | "-print" | "pe")
        } else if name == "php" {
            option == "r"
        } else {
            !long && option.ends_with(['e', 'E'])
        };
        if says {
            // More options can stand before what is said.
            let said = rest.iter().find(|word| !word.text.starts_with('-') || word.text.contains(' '));
            return said.map_or(From::Input, From::Said);
        }
        if kind == Runs::Shell && !long && option.contains('s') && !windows {
            return From::Input;
        }
        if python && option.starts_with('m') {
            return From::Own;
        }
        let value =
            matches!(option, "o" | "O" | "-rcfile" | "-init-file" | "W" | "X" | "I" | "r" | "-require" | "l" | "M");
        let set = kind == Runs::Shell && !long && option.ends_with(['o', 'O']);
        if (value || set) && !(name == "perl" && matches!(option, "W" | "X")) && !(name == "bash" && option == "l") {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    From::Input
}

/// The texts that a command runs itself: for `words::parse`.
pub(super) fn programs(text: &Text, number: usize) -> Vec<String> {
    let Some(simple) = text.commands.get(number) else { return Vec::new() };
    let (name, args) = started(simple);
    let joined = |words: &[Word]| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    if let Some(place) = simple.words.iter().position(|word| matches!(word.text.as_str(), "-S" | "--split-string"))
        && simple.words.first().is_some_and(|first| base(&first.text) == "env")
    {
        return vec![joined(simple.words.get(place + 1..).unwrap_or_default())];
    }
    if matches!(name.as_str(), "trap" | "watch" | "parallel") {
        return args.first().map(|word| word.text.clone()).into_iter().collect();
    }
    // What is put where a shell begins is run by the next one.
    if simple.writes.iter().any(|file| super::persist::is_start(file))
        && let Some((said, _)) = said(simple)
    {
        return vec![said];
    }
    let Some(kind) = runs(&name) else { return Vec::new() };
    if kind == Runs::Words {
        return vec![joined(args)];
    }
    match from(&name, kind, args) {
        From::Said(word) if kind == Runs::Shell => {
            // Where somebody left the quotes out, what stands behind it is more of the same.
            let from = args.iter().position(|other| std::ptr::eq(other, word)).unwrap_or(args.len());
            let all = joined(args.get(from..).unwrap_or_default());
            vec![word.text.clone(), all].into_iter().take(if args.len() > from + 1 { 2 } else { 1 }).collect()
        }
        From::Input if matches!(kind, Runs::Shell | Runs::Source) => match &simple.input {
            Some(Input::Text(text)) => vec![text.clone()],
            _ => echoed(text, simple).into_iter().map(|(text, _)| text).collect(),
        },
        _ => Vec::new(),
    }
}

/// What `echo` and its like put into the pipe that this command reads, and how many letters of it were hidden in escapes.
pub(super) fn echoed(text: &Text, simple: &Simple) -> Option<(String, usize)> {
    said(simple.feed.clone()?.next_back().and_then(|number| text.commands.get(number))?)
}

/// What a command says that only says something.
fn said(simple: &Simple) -> Option<(String, usize)> {
    let (name, args) = started(simple);
    match name.as_str() {
        "echo" | "printf" | "print" => {
            let words = args.iter().skip_while(|word| word.text.starts_with('-') && word.text.len() < 4);
            let said = words.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
            Some(unescaped(&said))
        }
        "cat" | "tee" => match &simple.input {
            Some(Input::Text(text)) => Some((text.clone(), 0)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a text puts out what flows into it: `$(cat)`.
pub(super) fn passes(text: &Text) -> bool {
    text.commands.iter().any(|simple| {
        let (name, args) = started(simple);
        let own = args.iter().all(|word| word.text.starts_with('-') || word.text == "/dev/stdin");
        matches!(name.as_str(), "cat" | "tee" | "head" | "tail" | "sed" | "grep")
            && own
            && simple.feed.is_none()
            && simple.input.is_none()
    })
}
