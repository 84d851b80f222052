//! Names that make a shell, an interpreter or a browser read whatever bytes the file has: a picture called `.bat` is a script
//! with a strange first line. Reads the letters among the bytes as that program would.
//!
//! What is text from its first byte to its last is not for here; its own reader takes the same names. Nothing is marked as seen: the bytes are for the reader who
//! knows them.

use crate::{
    formats::{Format, Match, Probe},
    rules,
    scan::{Scan, Scanned},
    source::Source,
    text::{self, page, python, scripts, scripts::Language, shell},
};

pub(crate) const FORMAT: Format = Format { name: "script by name", recognise, inspect };

/// Who reads the file because of its name.
#[derive(Clone, Copy, PartialEq)]
enum Program {
    Shell,
    Python,
    Interpreter(Language),
    Browser,
}

fn program(name: &str) -> Option<Program> {
    let name = name.to_ascii_lowercase();
    let (_, end) = name.rsplit_once('.')?;
    Some(match end {
        "sh" | "bash" | "zsh" | "ksh" | "command" | "bat" | "cmd" | "ps1" | "psm1" => Program::Shell,
        "py" | "pyw" => Program::Python,
        "html" | "htm" | "xhtml" | "svg" | "shtml" | "mht" => Program::Browser,
        // The others of these languages are also the names of films and of compiled files.
        "js" | "mjs" | "cjs" | "vbs" | "vbe" | "wsf" | "jse" | "hta" | "pl" | "rb" | "php" | "phtml" | "lua" => {
            Program::Interpreter(Language::of(&name)?)
        }
        _ => return None,
    })
}

fn recognise(probe: &Probe<'_>) -> Match {
    if program(probe.source.file_name()).is_some() { Match::Name } else { Match::No }
}

fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let Some(program) = program(source.file_name()) else { return Ok(()) };
    let bytes = source.read_all(scan.limits.text_bytes)?;
    if text::is_text(&bytes) {
        return Ok(());
    }
    scan.steps(bytes.len() as u64 / 16)?;
    let text = letters(&bytes);
    // What nobody knows stays unscanned, and that says enough.
    if scan.is_named() && program != Program::Browser {
        let message = format!(
            "The name `{}` makes {} run the file, and not all of it is text. What of it can be a script was read as one.",
            source.file_name(),
            program.word()
        );
        scan.found(&rules::NAME_MISMATCH, source, 0, message);
    }
    match program {
        Program::Shell => shell::inspect(scan, source, &text),
        Program::Python => python::inspect(scan, source, 0, &text),
        Program::Interpreter(language) => {
            if language == Language::WindowsHost {
                page::html(scan, source, &text)?;
            }
            scripts::inspect(scan, source, language, &text)
        }
        Program::Browser => {
            if scan.is_named() && has_markup(&text) {
                let message = format!(
                    "The name `{}` makes a browser show the file as a page, and there is markup among bytes that are no \
                     page.",
                    source.file_name()
                );
                scan.found(&rules::POLYGLOT, source, 0, message);
            }
            page::html(scan, source, &text)
        }
    }
}

impl Program {
    fn word(self) -> &'static str {
        match self {
            Program::Shell => "a shell",
            Program::Python => "Python",
            Program::Interpreter(_) => "an interpreter",
            Program::Browser => "a browser",
        }
    }
}

/// Whether there is what makes a page act.
fn has_markup(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["<script", "<svg", "<iframe", "<html", "<body", "<object", "<embed", "javascript:"]
        .iter()
        .any(|tag| text.contains(tag))
}

/// The letters of either width, with an end of line in place of each run of bytes that no text has.
fn letters(bytes: &[u8]) -> String {
    let wide = |low: usize| {
        let zeros = bytes.iter().skip(1 - low).step_by(2).filter(|byte| **byte == 0).count();
        zeros * 4 > bytes.len() && zeros > 8
    };
    // Letters of two bytes, as Windows writes its scripts.
    let (low_first, high_first) = (wide(0), wide(1));
    let step = if low_first == high_first { 1 } else { 2 };
    let first = usize::from(step == 2 && high_first);
    let mut text = String::with_capacity(bytes.len() / step);
    for byte in bytes.iter().skip(first).step_by(step) {
        match byte {
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => text.push(char::from(*byte)),
            0x80.. => text.push('\u{fffd}'),
            _ if !text.ends_with('\n') => text.push('\n'),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests;
