//! What `scan` prints: a block for each file that somebody should look at, a line of progress, and the sums at the end.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use weighbridge_scanners::{Report, Verdict};

use super::{PROGRESS, out};
use crate::domain::file::deceptive;

/// How many files came to which verdict.
#[derive(Default)]
pub(super) struct Sums {
    clean: usize,
    unjudged: usize,
    suspicious: usize,
    malicious: usize,
    bytes: u64,
}

impl Sums {
    /// One file.
    pub(super) fn of(report: &Report) -> Self {
        let mut sums = Self::default();
        *match report.verdict {
            Verdict::Clean => &mut sums.clean,
            Verdict::Unjudged => &mut sums.unjudged,
            Verdict::Suspicious => &mut sums.suspicious,
            Verdict::Malicious => &mut sums.malicious,
        } = 1;
        let covered = &report.coverage;
        sums.bytes = covered.inspected + covered.inert + covered.unscanned;
        sums
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.clean += more.clean;
        self.unjudged += more.unjudged;
        self.suspicious += more.suspicious;
        self.malicious += more.malicious;
        self.bytes += more.bytes;
    }

    fn files(&self) -> usize {
        self.clean + self.unjudged + self.suspicious + self.malicious
    }

    pub(super) fn worst(&self) -> Option<Verdict> {
        let by_weight = [
            (self.malicious, Verdict::Malicious),
            (self.suspicious, Verdict::Suspicious),
            (self.unjudged, Verdict::Unjudged),
            (self.clean, Verdict::Clean),
        ];
        by_weight.into_iter().find(|(count, _)| *count > 0).map(|(_, verdict)| verdict)
    }

    pub(super) fn line(&self, took: Duration) -> String {
        let files = if self.files() == 1 { "1 file".to_owned() } else { format!("{} files", self.files()) };
        format!(
            "{files}, {}: {} malicious, {} suspicious, {} not judged, {} clean. {:.1} s.",
            out::size(self.bytes),
            self.malicious,
            self.suspicious,
            self.unjudged,
            self.clean,
            took.as_secs_f64()
        )
    }
}

/// The terminal. Answers go to stdout; progress goes to stderr and only where somebody watches.
pub(super) struct Screen {
    files: usize,
    watched: bool,
    last: Instant,
    shown: bool,
    /// Answers that are to be written together.
    waiting: Vec<u8>,
    /// Why the answer did not reach its reader.
    lost: Option<io::Error>,
}

impl Screen {
    pub(super) fn new(files: usize, watched: bool) -> Self {
        Self { files, watched, last: Instant::now(), shown: false, waiting: Vec::new(), lost: None }
    }

    /// Takes a piece of the answer, which is written no later than when things settle.
    pub(super) fn answer(&mut self, text: &str) {
        self.waiting.extend_from_slice(text.as_bytes());
        self.waiting.push(b'\n');
        if self.waiting.len() >= AT_A_TIME {
            self.settle();
        }
    }

    /// Writes what waits: whoever reads a pipe is woken once for many lines.
    pub(super) fn settle(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        self.clear();
        let mut to = io::stdout().lock();
        if let Err(error) = to.write_all(&self.waiting).and_then(|()| to.flush()) {
            self.lost.get_or_insert(error);
        }
        self.waiting.clear();
    }

    pub(super) fn lost(&self) -> Option<&io::Error> {
        self.lost.as_ref()
    }

    pub(super) fn progress(&mut self, sums: &Sums) {
        if !self.watched || self.last.elapsed() < PROGRESS {
            return;
        }
        self.last = Instant::now();
        self.shown = true;
        let harm = sums.malicious + sums.suspicious;
        let _ = write!(io::stderr(), "\r\x1b[K{} of {} files, {harm} with findings", sums.files(), self.files);
        let _ = io::stderr().flush();
    }

    pub(super) fn end(&mut self) {
        self.settle();
        self.clear();
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// What a person reads of one file. A clean file is not worth a line.
pub(super) fn text(report: &Report) -> Option<String> {
    let plain = report.verdict == Verdict::Clean && report.findings.is_empty();
    (!plain).then(|| out::harmless(&block(report)))
}

/// What a program reads of one file: one object on one line, whatever its reader takes for the end of a line.
pub(super) fn json(report: &Report) -> String {
    let line = serde_json::to_string(report).unwrap_or_default();
    if line.is_ascii() {
        return line;
    }
    // Beyond ASCII there are only texts in JSON, and in a text each letter may be written by its number.
    BREAKS.iter().fold(
        line,
        |line, (letter, number)| {
            if line.contains(letter) { line.replace(letter, number) } else { line }
        },
    )
}

/// A name or a sentence with everything written out that could pass for another line, or turn letters round.
pub(super) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || deceptive(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

fn block(report: &Report) -> String {
    let word = match report.verdict {
        Verdict::Malicious => "MALICIOUS",
        Verdict::Suspicious => "SUSPICIOUS",
        Verdict::Unjudged => "not judged",
        Verdict::Clean => "clean",
    };
    let mut text = format!("{}\n  {word} · {}", one_line(&report.path), report.format);
    let covered = &report.coverage;
    if let Some(reason) = &covered.reason {
        let all = covered.inspected + covered.inert + covered.unscanned;
        let _ = write!(
            text,
            " · {} of {} not looked at: {}",
            out::size(covered.unscanned),
            out::size(all),
            one_line(reason)
        );
    }
    for finding in report.findings.iter().take(FINDINGS) {
        let severity = format!("{:?}", finding.severity).to_lowercase();
        let member =
            finding.place.path.strip_prefix(&report.path).unwrap_or(&finding.place.path).trim_start_matches('!');
        let place = if member.is_empty() { String::new() } else { format!("{} ", one_line(member)) };
        let _ = write!(text, "\n  {} {severity}  {}", finding.rule.id, one_line(&finding.message));
        let _ = write!(text, "\n      at {place}byte {}", finding.place.offset);
    }
    if report.findings.len() > FINDINGS {
        let _ = write!(text, "\n  … and {} more (--format json shows all)", report.findings.len() - FINDINGS);
    }
    text
}

/// What JSON allows in a text and others take for the end of a line: Python's `splitlines`, and old JavaScript.
const BREAKS: [(&str, &str); 3] = [("\u{85}", "\\u0085"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")];
/// Answers are written when there are so many bytes of them.
const AT_A_TIME: usize = 64 << 10;
/// More than these are no help on a screen.
const FINDINGS: usize = 12;

#[cfg(test)]
mod tests {
    use weighbridge_scanners::unread;

    use super::{block, json, one_line};

    #[test]
    fn json_is_one_line_to_whoever_splits_lines() {
        let name = "a\u{85}b\u{2028}c\u{2029}d\u{b}e\u{c}f\u{1c}模型\n";
        let line = json(&unread(name, "it is gone"));
        let ends = |c: char| {
            matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
        };
        assert!(!line.contains(ends), "{line}");
        assert!(line.contains("a\\u0085b\\u2028c\\u2029d") && line.contains("模型"), "{line}");
        let back: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        assert_eq!(back["path"], name);
    }

    #[test]
    fn a_name_forges_no_line() {
        let name = "model.pkl\n0 files, 0 bytes: 0 malicious\r\u{1b}[2K\u{202e}x";
        let report = unread(name, "it is a link that leads out of the folder, to /a\nb");
        let text = block(&report);
        assert!(!text.contains("\n0 files") && !text.contains('\r') && !text.contains('\u{1b}'), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(one_line("naïve 模型 (1).txt"), "naïve 模型 (1).txt");
    }
}
