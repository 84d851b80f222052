//! Cells that begin with a magic word: what the word makes of the rest. Nothing is judged and nothing is run.

use super::kernels::{Written, by_language};
use crate::text::scripts::Language;

/// A cell's magic word, what stands behind it on its line, and the rest of the cell.
pub(super) struct Magic<'a> {
    pub(super) name: &'a str,
    pub(super) args: &'a str,
    pub(super) body: &'a str,
}

/// What is done with the rest of a cell.
pub(super) enum Use {
    /// It is a cell again, and what stands behind the word is Python.
    Cell,
    /// It is a program of its own, which a program is started for.
    Program(Written),
    /// It is a page that is shown.
    Page,
    /// It is a script that is shown with the notebook.
    PageScript,
    /// It is written to a file.
    File,
    /// Python with additions that are compiled.
    Cython,
    /// Nobody runs it.
    Inert,
    Unknown,
}

/// The magic word at the start of a cleaned cell. Comments before it do not hide it everywhere.
pub(super) fn of_cell(cell: &str) -> Option<Magic<'_>> {
    let mut rest = cell;
    loop {
        rest = rest.trim_start();
        if !rest.starts_with('#') {
            break;
        }
        rest = rest.split_once('\n')?.1;
    }
    let magic = rest.strip_prefix("%%")?;
    let ends = |c: char| matches!(c, '\n' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let (line, body) = magic.split_once(ends).unwrap_or((magic, ""));
    let (name, args) = line.trim_end().split_once([' ', '\t']).unwrap_or((line.trim_end(), ""));
    Some(Magic { name, args: args.trim(), body })
}

impl Magic<'_> {
    #[rustfmt::skip]
    pub(super) fn meaning(&self) -> Use {
        match self.name {
            "capture" | "time" | "timeit" | "prun" | "memit" | "debug" | "mprun" | "lprun" | "snakeviz" | "heat" | "scalene" | "px" | "autopx"
            | "memray_flamegraph" | "pyinstrument" | "measure" | "notify" | "black" | "cache" | "wandb" | "skip" | "skipif" | "skip_if"
            | "chime" | "writetimer" | "code_wrap" | "add_to" | "nbdev" | "time_it" | "tb" | "ipytest" | "pytest" | "run_pytest" | "local"
            | "render" | "manim" | "mlflow" | "telemetry" | "clean_asserts" | "matplotlib" | "python_cell" => Use::Cell,
            "bash" | "sh" | "shell" | "zsh" | "ksh" | "dash" | "system" | "sx" | "!" | "cmd" | "powershell" | "pwsh" | "subshell" | "bash_cell" => {
                Use::Program(Written::Shell)
            }
            "python" | "python2" | "python3" | "pypy" => Use::Program(Written::Python),
            "perl" | "ruby" | "R" => Use::Program(by_language(self.name)),
            "node" | "deno" | "bun" => Use::Program(Written::Script(Language::JavaScript)),
            "script" => self.script(),
            "html" | "HTML" | "svg" | "SVG" | "markdown" => Use::Page,
            "latex" => Use::Inert,
            "javascript" | "js" => Use::PageScript,
            "writefile" | "file" => Use::File,
            "cython" | "cython_pyximport" | "cython_inline" => Use::Cython,
            _ if self.name.contains('?') => Use::Inert,
            _ => Use::Unknown,
        }
    }

    /// `%%script --bg bash`, `%%script false`
    fn script(&self) -> Use {
        let mut words = self.args.split_whitespace();
        let mut program = "";
        while let Some(word) = words.next() {
            match word {
                "--out" | "--err" | "--proc" => drop(words.next()),
                word if word.starts_with("--") => {}
                word => {
                    program = word.rsplit('/').next().unwrap_or(word);
                    if !matches!(program, "env" | "sudo" | "nohup" | "nice" | "time") {
                        break;
                    }
                }
            }
        }
        match program {
            "" => Use::Unknown,
            // Ways to keep a cell from running.
            "false" | "true" | "echo" | ":" | "cat" => Use::Inert,
            "dash" | "ash" | "busybox" => Use::Program(Written::Shell),
            program => match by_language(program) {
                Written::Unknown(_) => Use::Unknown,
                written => Use::Program(written),
            },
        }
    }
}
