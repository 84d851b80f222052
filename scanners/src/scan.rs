//! One scan: what is recognised is inspected, what is found is noted, and every byte is accounted for.
//!
//! Nothing here knows a format; `formats` lists them. No error becomes "clean": whatever stops a reader leaves a reason in
//! the coverage. Bytes that are not here yet do not stop the others: all that is missing is asked for at once.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    coverage::{Seen, Sheet},
    facts::{Facts, InStorage, TensorPlace},
    formats,
    limits::{Limits, Spent},
    report::{Finding, Place, Report, Verdict},
    rules::{self, Rule, Weight},
    source::{ReadAt, Source},
};

/// What a reader answers: something, or why it had to stop.
pub(crate) type Scanned<T> = Result<T, Stop>;

/// Why a reader had to stop. None of these is ever the same as "nothing found".
#[derive(Debug)]
pub(crate) enum Stop {
    /// Bytes have to be fetched first; the source knows which.
    NotHere,
    /// The bytes could not be read.
    Unreadable(String),
    /// A limit was reached.
    Spent(String),
    /// The bytes are not what the format says they have to be.
    Broken { at: u64, what: String },
}

impl Stop {
    pub(crate) fn broken(at: u64, what: impl Into<String>) -> Self {
        Stop::Broken { at, what: what.into() }
    }
}

/// What a scan comes to.
#[derive(Debug)]
pub enum Outcome {
    /// The file is judged.
    Judged(Box<Report>),
    /// These ranges have to be fetched; then scan again.
    Needs(Vec<Range<u64>>),
}

/// The other files of the same folder or revision, by path from its root, with their sizes.
pub type Neighbours = BTreeMap<String, u64>;

/// Reads one file and says what it saw. `name` is its path in the repository; `neighbours` are the other files there, if known.
pub fn scan(name: &str, bytes: Arc<dyn ReadAt>, limits: &Limits, neighbours: Option<&Neighbours>) -> Outcome {
    let source = Source::new(name, bytes, 0);
    let mut scan = Scan::new(source.len(), limits, neighbours);
    let wanted = source.wanted();
    let format = scan.inner(&source);
    if scan.missing {
        return Outcome::Needs(wanted.take());
    }
    Outcome::Judged(Box::new(scan.finish(name, format)))
}

/// Reads the bytes as one format, if it recognises them, or as `any` that does: for the fuzzer. Where a reader looks for other
/// files, it finds a few.
#[cfg(fuzzing)]
pub fn scan_as(format: &str, name: &str, bytes: Arc<dyn ReadAt>, limits: &Limits) -> Report {
    let source = Source::new(name, bytes, 0);
    let beside = ["a.xml", "model.onnx", "model.py", "vocab.txt"].map(|name| (name.to_owned(), 100));
    let beside = Neighbours::from(beside);
    let mut scan = Scan::new(source.len(), limits, Some(&beside));
    if format == "any" {
        scan.inner(&source);
    } else {
        scan.depth = 1;
        formats::inspect_only(&mut scan, &source, format);
    }
    scan.finish(name, "fuzzed")
}

/// What one scan knows so far. Every reader gets it, and the bytes to read.
pub(crate) struct Scan<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) neighbours: Option<&'a Neighbours>,
    pub(crate) facts: Facts,
    /// Tensors whose storages the reader around the pickle has to find.
    pub(crate) in_storages: Vec<InStorage>,
    /// How many archives we are in.
    archives: u32,
    spent: Spent,
    sheets: Vec<Sheet>,
    findings: Vec<Finding>,
    told: HashSet<(&'static str, String, String)>,
    /// The rules among them.
    rules: HashSet<&'static str>,
    worst: Option<Weight>,
    depth: u32,
    format: &'static str,
    missing: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(size: u64, limits: &'a Limits, neighbours: Option<&'a Neighbours>) -> Self {
        Scan {
            limits,
            neighbours,
            facts: Facts::default(),
            in_storages: Vec::new(),
            archives: 0,
            spent: Spent::default(),
            sheets: vec![Sheet::new(size)],
            findings: Vec::new(),
            told: HashSet::new(),
            rules: HashSet::new(),
            worst: None,
            depth: 0,
            format: "unknown",
            missing: false,
        }
    }
}

impl Scan<'_> {
    /// Recognises the bytes and inspects them as everything that they are. Never fails: what went wrong is in the coverage.
    /// Answers the name of the format.
    pub(crate) fn inner(&mut self, source: &Source) -> &'static str {
        if self.depth >= self.limits.depth {
            let depth = self.limits.depth;
            let message = format!("Files lie within files more than {depth} deep; what lies deeper was not looked at.");
            self.found(&rules::ZIP_NESTING, source, 0, message);
            self.stopped(source, Stop::Spent(format!("files within files deeper than {depth}")));
            return "unknown";
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.format, "unknown");
        if let Err(stop) = formats::inspect(self, source) {
            self.stopped(source, stop);
        }
        self.depth -= 1;
        std::mem::replace(&mut self.format, outer)
    }

    /// Reads a member of an archive, and counts how deep archives stand in each other.
    pub(crate) fn in_an_archive<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.archives += 1;
        self.facts.archive_depth = self.facts.archive_depth.max(self.archives);
        let read = read(self);
        self.archives -= 1;
        read
    }

    /// The same for bytes that were made from `packed`, a range of `from`: the packed bytes count as seen only if every made
    /// byte was.
    pub(crate) fn inner_made(
        &mut self,
        from: &Source,
        packed: Range<u64>,
        name: &str,
        made: Arc<dyn ReadAt>,
    ) -> &'static str {
        let child = self.made(from, name, made);
        let format = self.inner(&child);
        self.fold(&child, from, packed);
        format
    }

    /// Bytes that were made from others, with a sheet of their own. Whoever makes them calls [`Scan::fold`] when done.
    pub(crate) fn made(&mut self, from: &Source, name: &str, made: Arc<dyn ReadAt>) -> Source {
        self.sheets.push(Sheet::new(made.size()));
        from.made(name, made, self.sheets.len() - 1)
    }

    /// Accounts for the packed bytes from which `child` was made.
    pub(crate) fn fold(&mut self, child: &Source, from: &Source, packed: Range<u64>) {
        let sheet = &self.sheets[child.sheet];
        if sheet.complete() {
            // The lesser claim: where some made bytes are inert, nobody can say that the packed ones were judged.
            let seen = sheet.extents().iter().map(|e| e.seen).min().unwrap_or(Seen::Inspected);
            self.mark(from, packed, seen);
        } else {
            let reason = sheet.reason.clone().unwrap_or_else(|| format!("not all of {} was recognised", child.path()));
            let unsupported = sheet.unsupported;
            let outer = &mut self.sheets[from.sheet];
            outer.unsupported |= unsupported;
            outer.reason.get_or_insert(reason);
        }
    }

    /// The numbers of a tensor lie here, if `source` is a part of the file itself and not of what was unpacked from it.
    pub(crate) fn placed(&mut self, tensor: usize, source: &Source, range: Range<u64>) {
        if source.sheet == 0 && range.start <= range.end && range.end <= source.len() {
            let (start, end) = (source.sheet_start + range.start, source.sheet_start + range.end);
            self.facts.places.push(TensorPlace { tensor, start, end });
        }
    }

    /// Whether all of these bytes were looked at, and all that belongs with them.
    pub(crate) fn is_complete(&self, made: &Source) -> bool {
        self.sheets[made.sheet].complete()
    }

    /// Notes what was seen.
    pub(crate) fn found(&mut self, rule: &'static Rule, source: &Source, offset: u64, message: impl Into<String>) {
        let message = readable(&message.into());
        self.worst = self.worst.max(Some(rule.weight));
        // What is remembered to be told once must not grow with what a file makes up. A rule not told yet always is.
        let full = self.told.len() >= self.limits.findings.saturating_mul(TOLD);
        if (full && self.has_found(rule)) || !self.told.insert((rule.id, source.path().to_owned(), message.clone())) {
            return;
        }
        self.rules.insert(rule.id);
        let place = Place { path: source.path().to_owned(), offset };
        self.findings.push(Finding { rule, severity: rule.severity, place, message });
        if self.findings.len() > self.limits.findings.saturating_mul(2) {
            self.keep_the_worst();
        }
    }

    /// Whether this rule has been noted, anywhere in the file.
    pub(crate) fn has_found(&self, rule: &'static Rule) -> bool {
        self.rules.contains(rule.id)
    }

    /// These bytes were read and judged.
    pub(crate) fn inspected(&mut self, source: &Source, range: Range<u64>) {
        self.mark(source, range, Seen::Inspected);
    }

    /// No loader of this format runs these bytes.
    pub(crate) fn inert(&mut self, source: &Source, range: Range<u64>) {
        self.mark(source, range, Seen::Inert);
    }

    fn mark(&mut self, source: &Source, range: Range<u64>, seen: Seen) {
        let (start, end) = (range.start.min(source.len()), range.end.min(source.len()));
        self.sheets[source.sheet].mark(source.sheet_start + start..source.sheet_start + end, seen);
    }

    /// Something was not looked at, and why. Coverage cannot be complete after this.
    pub(crate) fn left_out(&mut self, source: &Source, why: impl Into<String>) {
        self.sheets[source.sheet].reason.get_or_insert_with(|| why.into());
    }

    /// No reader knows these bytes.
    pub(crate) fn unsupported(&mut self, source: &Source, why: impl Into<String>) {
        self.sheets[source.sheet].unsupported = true;
        self.left_out(source, why);
    }

    /// What the bytes are called in the report.
    pub(crate) fn is(&mut self, format: &'static str) {
        self.format = format;
    }

    /// The same, unless a reader already said something more exact.
    pub(crate) fn is_unless_named(&mut self, format: &'static str) {
        if self.format == "unknown" {
            self.format = format;
        }
    }

    /// Whether a reader has already said what the bytes are.
    pub(crate) fn is_named(&self) -> bool {
        self.format != "unknown"
    }

    /// Turns the reason why a reader stopped into a note and a gap in the coverage. A reader calls this itself when it can
    /// go on after a part that it could not read.
    pub(crate) fn stopped(&mut self, source: &Source, stop: Stop) {
        match stop {
            Stop::NotHere => self.missing = true,
            Stop::Unreadable(why) => {
                self.found(&rules::UNREADABLE, source, 0, format!("It could not be read: {why}."));
                self.left_out(source, why);
            }
            Stop::Spent(what) => {
                let message = format!("The scan stopped at a limit ({what}), so that the rest was not looked at.");
                self.found(&rules::LIMIT_REACHED, source, 0, message);
                self.left_out(source, format!("a limit was reached: {what}"));
            }
            Stop::Broken { at, what } => {
                self.found(&rules::UNREADABLE, source, at, format!("It does not follow its own format: {what}."));
                self.left_out(source, format!("{}: {what}", source.path()));
            }
        }
    }

    /// Spends steps of work: opcodes, fields, records, tokens.
    pub(crate) fn steps(&mut self, more: u64) -> Scanned<()> {
        self.spent.steps(self.limits, more)
    }

    /// Spends members of archives.
    pub(crate) fn members(&mut self, more: u64) -> Scanned<()> {
        self.spent.members(self.limits, more)
    }

    /// Spends decompressed bytes.
    pub(crate) fn unpacked(&mut self, more: u64) -> Scanned<()> {
        self.spent.unpacked(self.limits, more)
    }

    fn keep_the_worst(&mut self) {
        self.findings.sort_by(|a, b| b.rule.weight.cmp(&a.rule.weight).then(b.severity.cmp(&a.severity)));
        self.findings.truncate(self.limits.findings);
    }

    fn finish(mut self, name: &str, format: &'static str) -> Report {
        self.keep_the_worst();
        let coverage = self.sheets.swap_remove(0).finish();
        let verdict = Verdict::of(self.worst, coverage.state);
        let (findings, mut facts) = (self.findings, self.facts);
        facts.places.sort_unstable_by_key(|place| (place.tensor, place.start, place.end));
        facts.places.dedup_by_key(|place| place.tensor);
        Report { path: name.to_owned(), format: format.to_owned(), verdict, findings, coverage, facts, raw_path: None }
    }
}

/// Attacker-made names in messages: no control characters, no bidirectional marks, and not endless.
fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(400));
    for c in text.chars() {
        if out.len() > 400 {
            out.push('…');
            break;
        }
        match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{feff}' => {
                out.extend(c.escape_unicode());
            }
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Bytes in memory as a thing to read from.
pub(crate) fn in_memory(bytes: impl Into<Bytes>) -> Arc<dyn ReadAt> {
    Arc::new(bytes.into())
}

/// So many times the findings that are kept are remembered, so that none is told twice.
const TOLD: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_does_not_grow_with_the_file() {
        let limits = Limits { findings: 10, ..Limits::default() };
        let mut scan = Scan::new(1, &limits, None);
        let source = Source::new("a", in_memory(Bytes::from_static(b"x")), 0);
        for number in 0..10_000 {
            scan.found(&rules::UNKNOWN_GLOBAL, &source, number, format!("{number}"));
        }
        assert!(scan.told.len() <= 10 * TOLD && scan.findings.len() <= 20);
        scan.found(&rules::DIRECT_EXECUTION, &source, 0, "the one that matters");
        let report = scan.finish("a", "x");
        assert_eq!(report.verdict, Verdict::Malicious);
        assert_eq!(report.findings.first().map(|finding| finding.rule.id), Some("WB-PKL-001"), "it comes first");
    }
}
