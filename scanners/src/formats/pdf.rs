//! PDF: no loader of models opens one, people do. Read for what acts when it is opened.
//!
//! Streams are not unpacked; objects that are packed in streams are left as not looked at.

use crate::{
    formats::{Format, Match, Probe},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

pub(crate) const FORMAT: Format = Format { name: "pdf", recognise, inspect };

fn recognise(probe: &Probe<'_>) -> Match {
    if probe.starts_with(b"%PDF-1.") || probe.starts_with(b"%PDF-2.") { Match::Content } else { Match::No }
}

/// Names of things that act, and what they do.
const ACTIVE: &[(&[u8], &str)] = &[
    (b"JavaScript", "runs JavaScript"),
    (b"JS", "runs JavaScript"),
    (b"Launch", "starts a program"),
    (b"SubmitForm", "sends what is entered to an address"),
    (b"ImportData", "reads other files"),
    (b"RichMedia", "plays embedded programs"),
];

fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let text = source.read_all(scan.limits.text_bytes)?;
    scan.steps(text.len() as u64 / 64)?;
    let mut told: Vec<&str> = Vec::new();
    for at in memchr::memchr_iter(b'/', &text) {
        let name = name(text.get(at + 1..).unwrap_or_default());
        let Some((_, does)) = ACTIVE.iter().find(|(active, _)| *active == name) else { continue };
        // In the middle of packed data any few letters come up by chance: the short name counts only as a key.
        let chance =
            name == b"JS" && !text.get(at + 3).is_some_and(|b| matches!(b, b' ' | b'(' | b'<' | b'\n' | b'\r'));
        if !chance && !told.contains(does) {
            told.push(does);
            let name = String::from_utf8_lossy(&name).into_owned();
            let message = format!("Opening this PDF {does}: it has an action `/{name}`.");
            scan.found(&rules::PAGE_ACTIVE, source, at as u64, message);
        }
    }
    scan.inspected(source, 0..source.len());
    Ok(())
}

/// The name behind a slash, with its escapes resolved.
fn name(text: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'#' => {
                let digits: Vec<u8> = rest.by_ref().take(2).copied().collect();
                let code = std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
                name.push(code.unwrap_or(b'#'));
            }
            byte if byte.is_ascii_alphanumeric() && name.len() < 32 => name.push(*byte),
            _ => break,
        }
    }
    name
}
