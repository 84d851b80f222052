//! PDF: no loader of models opens one, people do. Read for what acts when it is opened, and for the files attached to it.
//!
//! Of the packed streams only those that hold objects or attached files are unpacked. Objects are not resolved: what a name
//! says counts wherever it stands, as programs that repair broken files read it.

mod names;
mod streams;

use crate::{
    formats::{Format, Match, Probe},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

use names::{Name, names};

pub(crate) const FORMAT: Format = Format { name: "pdf", recognise, inspect };

fn recognise(probe: &Probe<'_>) -> Match {
    if is_first(&probe.head) {
        return Match::Content;
    }
    // Programs take the mark anywhere in the first kilobyte; there, an archive of such files has it too.
    let start = probe.head.get(..1024.min(probe.head.len())).unwrap_or_default();
    let within = |text: &[u8], mark: &[u8]| memchr::memmem::find(text, mark).is_some();
    if within(start, b"%PDF-") && within(&probe.tail, b"startxref") { Match::Name } else { Match::No }
}

fn is_first(head: &[u8]) -> bool {
    head.starts_with(b"%PDF-1.") || head.starts_with(b"%PDF-2.")
}

/// Names of things that act, what they do, and what has to follow the name for it to be one: in packed data any few letters
/// come up by chance.
const ACTIVE: &[(&str, &str, Follows)] = &[
    ("JavaScript", "runs JavaScript", Follows::Anything),
    ("JS", "runs JavaScript", Follows::Value),
    ("Launch", "starts a program", Follows::Anything),
    ("SubmitForm", "sends what is entered to an address", Follows::Anything),
    ("ImportData", "reads other files", Follows::Anything),
    ("RichMedia", "plays embedded programs", Follows::Anything),
    ("GoToE", "opens a file that is embedded in it", Follows::Anything),
    ("XFA", "shows a form with scripts of its own", Follows::Value),
    ("AA", "acts by itself when it, or a page of it, is opened", Follows::Dictionary),
    ("OpenAction", "goes to an address by itself", Follows::Address),
];

/// What stands behind a name.
#[derive(Clone, Copy, PartialEq)]
enum Follows {
    Anything,
    /// A text, a list, a dictionary or another object's number.
    Value,
    /// A dictionary or another object's number.
    Dictionary,
    /// A dictionary that names an address or another file.
    Address,
}

/// How far a dictionary is looked at.
const DICTIONARY: usize = 256;

/// What was noticed on the way through the names.
#[derive(Default)]
struct Noticed {
    told: Vec<&'static str>,
    /// Where a stream may be that holds objects.
    objects: Vec<usize>,
    /// Where a stream may be that is an attached file, by its own word.
    attached: Vec<usize>,
    /// Objects that are attached files by the word of another.
    numbers: Vec<u64>,
}

fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let text = source.read_all(scan.limits.text_bytes)?;
    let mut noticed = Noticed::default();
    actions(scan, source, 0, &text, &mut noticed)?;
    // Objects, and actions with them, are also packed together in streams.
    let (objects, attached) = (std::mem::take(&mut noticed.objects), std::mem::take(&mut noticed.attached));
    let mut streams = streams::Streams::of(&text);
    streams.objects(scan, source, &objects, |scan, at, bytes| actions(scan, source, at, bytes, &mut noticed))?;
    streams.attached(scan, source, &attached, &noticed.numbers)?;
    // What viewers would run was looked for; everything else in it runs nowhere. What is something else first is for others.
    if is_first(&text) {
        scan.inert(source, 0..source.len());
    }
    Ok(())
}

fn actions(scan: &mut Scan<'_>, source: &Source, start: u64, text: &[u8], noticed: &mut Noticed) -> Scanned<()> {
    scan.steps(text.len() as u64 / 64)?;
    for Name { at, end, letters } in names(text) {
        let behind = text.get(end..).unwrap_or_default();
        match &letters[..] {
            b"ObjStm" => noticed.objects.push(at),
            b"EmbeddedFile" => noticed.attached.push(at),
            b"EF" => noticed.numbers.extend(names::numbers(behind.get(..DICTIONARY).unwrap_or(behind))),
            _ => {}
        }
        let Some((word, does, follows)) = ACTIVE.iter().find(|(active, ..)| active.as_bytes() == letters) else {
            continue;
        };
        if *follows == Follows::Address {
            // Its object is searched for in the whole file.
            scan.steps(text.len() as u64 / 64 + 1)?;
        }
        if follows.holds(text, behind) && !noticed.told.contains(does) {
            noticed.told.push(does);
            let message = format!("Opening this PDF {does}: it has an action `/{word}`.");
            scan.found(&rules::PAGE_ACTIVE, source, start, message);
        }
    }
    Ok(())
}

impl Follows {
    fn holds(self, text: &[u8], behind: &[u8]) -> bool {
        let behind = behind.trim_ascii_start();
        let reference = names::numbers(behind.get(..32).unwrap_or(behind)).first().copied();
        let refers = behind.first().is_some_and(u8::is_ascii_digit) && reference.is_some();
        match self {
            Follows::Anything => true,
            Follows::Value => refers || matches!(behind.first(), Some(b'(' | b'<' | b'[' | b'%')),
            Follows::Dictionary => refers || behind.starts_with(b"<<"),
            Follows::Address => {
                let object = reference.filter(|_| refers).and_then(|number| names::object(text, number));
                let at = if behind.starts_with(b"<<") { Some(behind) } else { object.and_then(|at| text.get(at..)) };
                let dictionary = at.map(|at| at.get(..DICTIONARY).unwrap_or(at)).unwrap_or_default();
                let dictionary = memchr::memmem::find(dictionary, b"endobj")
                    .and_then(|end| dictionary.get(..end))
                    .unwrap_or(dictionary);
                names(dictionary).any(|name| matches!(&name.letters[..], b"URI" | b"GoToR"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
