//! What commands write: answers on stdout, everything else on stderr, nothing that could play with a terminal.
//!
//! A pipe that nobody reads any more is no error.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::domain::file::deceptive;

/// A line of the answer.
pub fn say(line: impl AsRef<str>) {
    let _ = writeln!(io::stdout(), "{}", harmless(line.as_ref()));
}

/// A line beside the answer: progress, hints, what went wrong.
pub fn tell(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", harmless(line.as_ref()));
}

/// The answer for scripts.
pub fn say_json(value: &serde_json::Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let _ = writeln!(io::stdout(), "{text}");
}

/// Whether there is somebody who can be asked.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; only `y` and `yes` mean yes.
pub fn ask(question: &str) -> bool {
    let _ = write!(io::stderr(), "{} [y/N] ", harmless(question));
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Rows under a head, as wide as they need to be.
pub fn say_table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    say(line(head.to_vec()));
    for row in rows {
        say(line(row.iter().map(String::as_str).collect()));
    }
}

/// `4.9 GB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS.get(unit).copied().unwrap_or_default())
}

/// Text of others with nothing in it that moves a cursor or turns letters round; lines stay lines.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if (c.is_control() && c != '\n') || deceptive(c) { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{harmless, size};

    #[test]
    fn a_terminal_cannot_be_played_with() {
        assert_eq!(harmless("a\u{1b}[31mb\rc\u{202e}d é\n"), "a?[31mb?c?d é\n");
    }

    #[test]
    fn sizes_are_read_by_people() {
        let cases =
            [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (4_930_000_000, "4.9 GB"), (999_999, "999.9 kB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
