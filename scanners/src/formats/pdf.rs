//! PDF: no loader of models opens one, people do. Read for what acts when it is opened.
//!
//! Of the packed streams only those that hold objects are unpacked.

use crate::{
    formats::{Format, Match, Probe},
    rules,
    scan::{Scan, Scanned},
    source::Source,
    unpack::{Codec, unpack},
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
    let mut told = Vec::new();
    actions(scan, source, 0, &text, &mut told)?;
    // Objects, and actions with them, are also packed together in streams.
    let packed = memchr::memmem::find_iter(&text, b"ObjStm").count();
    if packed > 0 {
        scan.members(packed as u64)?;
        streams(scan, source, &text, &mut told)?;
    }
    // What viewers would run was looked for; everything else in it runs nowhere.
    scan.inert(source, 0..source.len());
    Ok(())
}

/// Unpacks the streams that hold objects and looks into them.
fn streams(scan: &mut Scan<'_>, source: &Source, text: &[u8], told: &mut Vec<&'static str>) -> Scanned<()> {
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(text.get(from..).unwrap_or_default(), b"ObjStm") {
        let rest = text.get(from + at..).unwrap_or_default();
        let Some(begins) = memchr::memmem::find(rest, b"stream") else { break };
        let ends = rest.iter().skip(begins + 6).position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(0);
        let start = (from + at + begins + 6 + ends) as u64;
        let length = memchr::memmem::find(text.get(from + at + begins + 6..).unwrap_or_default(), b"endstream");
        let end = length.map_or(source.len(), |length| (from + at + begins + 6 + length) as u64);
        let made = unpack(scan, source, start..end.max(start), Codec::Zlib)?;
        let size = made.bytes.size().min(scan.limits.text_bytes);
        let bytes = Source::new("", made.bytes, 0).read(0..size)?;
        actions(scan, source, start, &bytes, told)?;
        if let Some(stop) = made.stop {
            scan.stopped(source, stop);
        }
        from += at + begins + 6;
    }
    Ok(())
}

fn actions(scan: &mut Scan<'_>, source: &Source, start: u64, text: &[u8], told: &mut Vec<&'static str>) -> Scanned<()> {
    scan.steps(text.len() as u64 / 64)?;
    for at in memchr::memchr_iter(b'/', text) {
        let name = name(text.get(at + 1..).unwrap_or_default());
        let Some((_, does)) = ACTIVE.iter().find(|(active, _)| *active == name) else { continue };
        // In the middle of packed data any few letters come up by chance: the short name counts only as a key.
        let next = text.get(at + 1 + name.len());
        let chance = name == b"JS" && !next.is_some_and(|b| matches!(b, b' ' | b'(' | b'<' | b'\n' | b'\r'));
        if !chance && !told.contains(does) {
            told.push(does);
            let name = String::from_utf8_lossy(&name).into_owned();
            let message = format!("Opening this PDF {does}: it has an action `/{name}`.");
            scan.found(&rules::PAGE_ACTIVE, source, start, message);
        }
    }
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
