//! Scripts of other languages than Python and the shell: what commands they hand to the system, told from their words.
//!
//! No language is parsed and nothing is run. A script that starts programs is told; where the command itself harms, it is
//! told as an attack.

use super::shell::{self, Command, RUNS_DOWNLOADED, shortened};
use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// What a script is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    JavaScript,
    Perl,
    Ruby,
    Php,
    Lua,
    /// What Windows starts by itself: Visual Basic, its relatives, and pages that are programs.
    WindowsHost,
    AppleScript,
    /// An entry of a desktop, which starts what it names.
    Desktop,
    /// Rules of `make` and its relatives.
    Make,
}

/// A script longer than this is a library, and is looked at by its beginning.
const LONGEST: usize = 4 << 20;

impl Language {
    /// By the name of a file, in lower case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (_, end) = name.rsplit_once('.').unwrap_or((name, ""));
        Some(match end {
            "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "jsx" | "tsx" => Language::JavaScript,
            "pl" | "pm" | "plx" => Language::Perl,
            "rb" | "gemspec" | "rake" => Language::Ruby,
            "php" | "phtml" | "phar" => Language::Php,
            "lua" => Language::Lua,
            "vbs" | "vbe" | "wsf" | "wsc" | "wsh" | "hta" | "jse" | "sct" => Language::WindowsHost,
            "applescript" | "scpt" => Language::AppleScript,
            "desktop" | "url" => Language::Desktop,
            "mk" | "mak" => Language::Make,
            _ => match name {
                "makefile" | "gnumakefile" | "justfile" | "rakefile" => Language::Make,
                "gemfile" => Language::Ruby,
                _ => return None,
            },
        })
    }

    /// By the first line, behind its `#!`.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let program = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
        let program = program.into_iter().find(|word| *word != "env" && !word.starts_with('-'))?;
        Some(match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
            "node" | "nodejs" | "deno" | "bun" => Language::JavaScript,
            "perl" => Language::Perl,
            "ruby" => Language::Ruby,
            "php" => Language::Php,
            "lua" | "luajit" => Language::Lua,
            "osascript" => Language::AppleScript,
            "make" => Language::Make,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Language::JavaScript => "JavaScript",
            Language::Perl => "Perl script",
            Language::Ruby => "Ruby script",
            Language::Php => "PHP script",
            Language::Lua => "Lua script",
            Language::WindowsHost => "Windows script",
            Language::AppleScript => "AppleScript",
            Language::Desktop => "desktop entry",
            Language::Make => "makefile",
        }
    }

    /// Words behind which a command stands, and the words that have to be in the script for them to mean that.
    #[rustfmt::skip]
    fn calls(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Language::JavaScript => (
                &["exec(", "execsync(", "spawn(", "spawnsync(", "execfile(", "execfilesync(", "fork(", ".run(", ".exec(", "deno.command(", "shellexecute("],
                &["child_process", "activexobject", "deno.command", "bun.spawn", "wscript."],
            ),
            Language::Perl => (&["system(", "system ", "exec(", "exec ", "`", "qx(", "qx{", "qx/", "open(", "ipc::open"], &[]),
            Language::Ruby => (&["system(", "system ", "exec(", "exec ", "`", "%x(", "%x{", "io.popen", "open3.", "spawn(", "spawn ", "kernel.open"], &[]),
            Language::Php => (&["system(", "exec(", "shell_exec(", "passthru(", "popen(", "proc_open(", "`", "eval(", "assert("], &[]),
            Language::Lua => (&["os.execute(", "io.popen(", "os.execute ", "io.popen "], &[]),
            Language::WindowsHost => (
                &[".run", ".exec", "shellexecute", "execute(", "execute ", "eval("],
                &["wscript.shell", "shell.application", "execute", "eval(", "winmgmts"],
            ),
            Language::AppleScript => (&["do shell script"], &[]),
            Language::Desktop => (&["\nexec=", "\ntryexec=", "\niconfile=", "\nurl=file:"], &[]),
            Language::Make => (&[], &[]),
        }
    }
}

/// Inspects a script.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, language: Language, text: &str) -> Scanned<()> {
    scan.steps(text.len() as u64 / 8)?;
    if language == Language::Make {
        // Its lines are a shell's.
        shell::inspect_lines(scan, source, text, |_| false);
        return Ok(());
    }
    let text = text.get(..LONGEST).unwrap_or(text);
    // What stands behind the end of Perl is its manual.
    let end = if language == Language::Perl { text.find("\n__END__").unwrap_or(text.len()) } else { text.len() };
    let text = text.get(..end).unwrap_or(text);
    let lower = format!("\n{}", text.to_ascii_lowercase());
    if takes_code(language, &lower) {
        let message = format!("This {} takes code from the network or from a visitor and runs it.", language.name());
        scan.found(&rules::SCRIPT_FILE, source, 0, message);
    }
    let (calls, needed) = language.calls();
    if !needed.is_empty() && !needed.iter().any(|word| lower.contains(word)) {
        return Ok(());
    }
    let mut told = 0;
    for (at, call) in calls.iter().flat_map(|call| lower.match_indices(call).take(20)) {
        if told == 5 {
            break;
        }
        // From the last letter of the call on; `lower` has one letter more in front.
        let original = text.get((at + call.len()).saturating_sub(2)..).unwrap_or_default();
        if !begins_word(&lower, at, call) || commented(language, &lower, at) {
            continue;
        }
        let Some(command) = argument(language, call, original) else { continue };
        let place = at.saturating_sub(1) as u64;
        told += 1;
        match shell::judge(&command) {
            Command::Harmful(how) if how != RUNS_DOWNLOADED => {
                let message = format!("This {} {how}: `{}`.", language.name(), shortened(&command));
                scan.found(&rules::SHELL_HARM, source, place, message);
            }
            _ => {
                let message = format!("This {} starts programs: `{}`.", language.name(), shortened(&command));
                scan.found(&rules::SCRIPT_FILE, source, place, message);
            }
        }
    }
    if told == 0 && language == Language::JavaScript && lower.contains("child_process") {
        let message = "This JavaScript takes the means to start programs (`child_process`).";
        scan.found(&rules::SCRIPT_FILE, source, 0, message);
    }
    Ok(())
}

/// Whether a script has both what fetches and what runs text as code. Large scripts of pages hold words of everything.
fn takes_code(language: Language, lower: &str) -> bool {
    const SMALL: usize = 64 << 10;
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // `model.eval(` and `retrieval(` are other functions.
    let called = |words: &[&str]| {
        let places = words.iter().flat_map(|word| lower.match_indices(word));
        places.into_iter().any(|(at, word)| {
            let before = lower.get(..at).and_then(|before| before.chars().next_back());
            word.starts_with('.') || before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '$' | '.' | ':'))
        })
    };
    match language {
        Language::JavaScript => {
            let node = [
                "require('http",
                "require(\"http",
                "require('node:http",
                "require(\"node:http",
                "from 'node:http",
                "from \"node:http",
            ];
            lower.len() < SMALL
                && any(&node)
                && called(&["eval(", "new function(", "vm.run", "vm.script", "._compile("])
        }
        Language::Perl => {
            any(&["lwp::", "http::tiny", "io::socket"])
                && called(&["eval(", "eval get", "eval $", "eval lwp", "eval qx"])
        }
        Language::Ruby => {
            any(&["open-uri", "net/http", "uri.open", "httparty"])
                && called(&["eval(", "eval uri", "eval open", "eval net"])
        }
        Language::Lua => any(&["socket.http", "ssl.https", "luasocket"]) && called(&["load(", "loadstring("]),
        Language::Php => {
            let visitor = ["$_get", "$_post", "$_request", "$_cookie"]
                .iter()
                .flat_map(|from| lower.match_indices(from))
                .any(|(at, from)| {
                    let before = lower.get(..at).unwrap_or_default().trim_end_matches(['@', ' ']);
                    let after = lower.get(at + from.len()..).unwrap_or_default();
                    let called = after.starts_with('[')
                        && after
                            .find(']')
                            .and_then(|end| after.get(end + 1..))
                            .is_some_and(|rest| rest.starts_with('('));
                    called
                        || ["eval(", "assert(", "create_function(", "include(", "require(", "unserialize("]
                            .iter()
                            .any(|call| before.ends_with(call))
                });
            let fetched = ["include", "include_once", "require", "require_once"]
                .iter()
                .flat_map(|call| lower.match_indices(call))
                .any(|(at, call)| {
                    let after =
                        lower.get(at + call.len()..).unwrap_or_default().trim_start_matches(['(', ' ', '\'', '"']);
                    ["http://", "https://", "ftp://", "data:", "php://input"]
                        .iter()
                        .any(|scheme| after.starts_with(scheme))
                });
            visitor || fetched || any(&["eval(file_get_contents(", "eval(base64_decode(", "eval(gzinflate("])
        }
        _ => false,
    }
}

/// `filesystem(` is no `system(`, and `regex.exec(` runs nothing.
fn begins_word(lower: &str, at: usize, call: &str) -> bool {
    let first = call.chars().next().unwrap_or(' ');
    let before = lower.get(..at).and_then(|before| before.chars().next_back());
    !first.is_alphabetic() || before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '$')
}

fn own_comment(language: Language, line: &str) -> bool {
    let line = line.trim_start();
    match language {
        Language::JavaScript => line.starts_with("//") || line.starts_with('*') || line.starts_with("/*"),
        Language::Php => line.starts_with("//") || line.starts_with('*') || line.starts_with('#'),
        Language::Lua | Language::AppleScript => line.starts_with("--"),
        Language::WindowsHost => line.starts_with('\'') || line.to_ascii_lowercase().starts_with("rem "),
        _ => line.starts_with('#'),
    }
}

fn commented(language: Language, lower: &str, at: usize) -> bool {
    let before = lower.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |found| found + 1);
    let line = before.get(start..).unwrap_or_default();
    let ruby_comment = matches!(language, Language::Perl | Language::Ruby) && line.contains("# ");
    own_comment(language, line) && !line.trim().is_empty() || ruby_comment
}

/// The command that is handed over: what stands in the next quotes, or the rest of the line. Nothing where what follows
/// is no call after all.
fn argument(language: Language, call: &str, rest: &str) -> Option<String> {
    let line = rest.lines().next().unwrap_or_default();
    if language == Language::Desktop {
        return Some(line.trim_start_matches('=').to_owned()).filter(|line| !line.is_empty());
    }
    let open = call.chars().next_back().unwrap_or(' ');
    if open == '`' {
        let inner = rest.get(1..)?;
        let command = inner.get(..inner.find('`')?)?;
        // A comment or a text can hold a single mark; a command is one line of words.
        let first = command.split_whitespace().next().unwrap_or_default();
        let program = first.len() > 1
            && first.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.' | '~'))
            && first.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'~' | b'+'));
        return Some(command.to_owned()).filter(|command| program && !command.contains('\n'));
    }
    let after = rest.get(1..).unwrap_or_default();
    let after = after.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == '[');
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
    if let Some(quote) = quote {
        let inner = after.get(1..)?;
        let text = inner.get(..inner.find(quote).unwrap_or(inner.len().min(400)))?;
        if call == "open(" && !text.trim_start().starts_with('|') && !text.trim_end().ends_with('|') {
            return None;
        }
        return Some(text.to_owned());
    }
    // `system $x`, `exec $command`: a command that is known only when it runs. Words of prose are no call.
    let called = call.ends_with('(') || after.starts_with(['$', '@', '%']);
    (called && !matches!(call, "open(" | "exec(" | ".exec(" | ".run(" | "fork(" | "eval(" | "execute(" | "assert("))
        .then(|| line.get(1..).unwrap_or_default().to_owned())
        .filter(|line| !line.trim().is_empty())
}

/// Text without an extension can be a shell's: it is told only where its commands harm.
pub(crate) fn without_a_name(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    const WORDS: [&str; 10] =
        ["readme", "license", "licence", "copying", "notice", "changelog", "authors", "news", "todo", "history"];
    let name = source.file_name().to_ascii_lowercase();
    if name.trim_start_matches('.').contains('.') || text.len() > 64 << 10 || WORDS.iter().any(|w| name.contains(w)) {
        return Ok(());
    }
    scan.steps(text.len() as u64 / 8)?;
    // Prose quotes commands in the middle of its sentences; a script's lines begin with them.
    shell::inspect_lines(scan, source, text, |line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        line.trim_start().starts_with('#') || !shell::is_program(first)
    });
    Ok(())
}
