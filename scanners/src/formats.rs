//! Every format there is a reader for, in one list, and what is done with bytes that several or none of them know.
//!
//! A format is recognised by content. A name only adds what a loader would try: a file can be read as several formats, and
//! is judged as all of them.

pub(crate) mod safetensors_index;
pub(crate) mod xml;

use bytes::Bytes;

use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
    text,
};

/// Why a reader wants these bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Match {
    /// It does not.
    No,
    /// Nothing in the bytes says so, but a loader would try because of the name.
    Name,
    /// The bytes say so.
    Content,
}

/// The first and last bytes, by which a format is recognised.
pub(crate) struct Probe<'a> {
    pub(crate) source: &'a Source,
    /// Up to [`HEAD`] bytes from the start.
    pub(crate) head: Bytes,
    /// Up to [`TAIL`] bytes up to the end.
    pub(crate) tail: Bytes,
}

pub(crate) const HEAD: u64 = 4096;
pub(crate) const TAIL: u64 = 1024;

impl Probe<'_> {
    /// Whether the file's name ends in one of these, ignoring case. Each with its dot.
    pub(crate) fn named(&self, ends: &[&str]) -> bool {
        let name = self.source.file_name().to_ascii_lowercase();
        ends.iter().any(|end| name.ends_with(end))
    }

    pub(crate) fn starts_with(&self, magic: &[u8]) -> bool {
        self.head.starts_with(magic)
    }

    /// Whether `magic` stands at `at`, within the first [`HEAD`] bytes.
    pub(crate) fn has_at(&self, at: usize, magic: &[u8]) -> bool {
        self.head.get(at..).is_some_and(|rest| rest.starts_with(magic))
    }

    pub(crate) fn len(&self) -> u64 {
        self.source.len()
    }
}

/// One format.
pub(crate) struct Format {
    /// The word in reports.
    pub(crate) name: &'static str,
    pub(crate) recognise: fn(&Probe<'_>) -> Match,
    pub(crate) inspect: fn(&mut Scan<'_>, &Source) -> Scanned<()>,
}

/// Every format. The first whose content matches gives the file its name.
const FORMATS: &[Format] = &[
    // The last: what another reader knows by its content is not only text.
    Format { name: TEXT, recognise: text::recognise, inspect: text::inspect },
];

/// Every format that consists of letters is text too, so that text beside another format is no polyglot.
const TEXT: &str = "text";

/// Inspects the bytes as everything that they are.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    if source.len() == 0 {
        scan.is("empty");
        return Ok(());
    }
    let len = source.len();
    source.will_read([0..HEAD, len.saturating_sub(TAIL)..len]);
    let head = source.read_up_to(0, HEAD)?;
    let tail = source.read(len.saturating_sub(TAIL)..len)?;
    let probe = Probe { source, head, tail };
    let matches: Vec<(&Format, Match)> =
        FORMATS.iter().map(|format| (format, (format.recognise)(&probe))).filter(|(_, m)| *m != Match::No).collect();
    let by_content: Vec<&Format> = matches.iter().filter(|(_, m)| *m == Match::Content).map(|(f, _)| *f).collect();
    if let [first, second, ..] = by_content[..]
        && second.name != TEXT
    {
        let message = format!(
            "The same bytes are a {} and a {}: what they do depends on who opens them.",
            first.name, second.name
        );
        scan.found(&rules::POLYGLOT, source, 0, message);
    }
    for format in &by_content {
        inspect_as(scan, source, format);
    }
    for (format, _) in matches.iter().filter(|(_, m)| *m == Match::Name) {
        inspect_as(scan, source, format);
    }
    match by_content.first() {
        Some(format) => scan.is_unless_named(format.name),
        None => scan.unsupported(source, "no reader knows these bytes"),
    }
    Ok(())
}

/// One reader's trouble is not another's: each is run to its own end.
fn inspect_as(scan: &mut Scan<'_>, source: &Source, format: &Format) {
    if let Err(stop) = (format.inspect)(scan, source) {
        scan.stopped(source, stop);
    }
}
