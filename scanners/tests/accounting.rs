//! Every byte is accounted for, whatever the bytes are: the sums hold, nothing truncated is clean by accident, and what is
//! planted is found or lies where the report itself says that nobody looked or nothing runs.

use std::{fs, sync::Arc};

use bytes::Bytes;
use weighbridge_scanners::{CoverageState, Limits, Outcome, Report, Seen, Verdict, scan};

use crate::cases::{self, Case};

/// `os.system("true")`, in protocol 4.
const PAYLOAD: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.";

/// A generator that gives the same numbers every time.
struct Dice(u64);

impl Dice {
    /// One for each case and round, so that a new case moves nobody else's numbers.
    fn of(case: &Case, round: u64) -> Self {
        let mixed = case.path.bytes().fold(0xcbf2_9ce4_8422_2325 ^ round, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mixed | 1)
    }

    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (below.max(1) as u64)).unwrap()
    }
}

/// Small enough for a debug build to go through hundreds of files many times.
fn limits() -> Limits {
    Limits { unpacked_bytes: 256 << 20, memory_bytes: 32 << 20, steps: 20_000_000, ..Limits::default() }
}

fn judge(name: &str, bytes: impl Into<Bytes>) -> Report {
    match scan(name, Arc::new(bytes.into()), &limits(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("{name} is all here"),
    }
}

/// The sums, the stretches, and that nothing is clean which was not looked at.
fn check(name: &str, size: usize, report: &Report) {
    let coverage = &report.coverage;
    assert_eq!(coverage.inspected + coverage.inert + coverage.unscanned, size as u64, "{name}: the sum is the size");
    let mut at = 0;
    for extent in &coverage.extents {
        assert!(extent.start == at && extent.end > at, "{name}: {:?}", coverage.extents);
        at = extent.end;
    }
    assert_eq!(at, size as u64, "{name}: the stretches end where the file ends");
    let complete = coverage.state == CoverageState::Complete;
    assert!(
        report.verdict != Verdict::Clean || (complete && coverage.unscanned == 0),
        "{name}: clean and not complete"
    );
    assert!(complete == coverage.reason.is_none(), "{name}: what is not complete has a reason");
}

fn small(most: u64) -> impl Iterator<Item = (Case, Vec<u8>)> {
    cases::all().into_iter().filter(move |case| fs::metadata(&case.file).is_ok_and(|about| about.len() <= most)).map(
        |case| {
            let bytes = fs::read(&case.file).unwrap();
            (case, bytes)
        },
    )
}

fn file_name(case: &Case) -> &str {
    case.path.rsplit('/').next().unwrap()
}

#[test]
fn the_account_holds_for_whole_cut_and_changed_files() {
    for (case, bytes) in small(256 << 10) {
        let mut dice = Dice::of(&case, 0x5eed);
        let name = file_name(&case);
        check(&case.path, bytes.len(), &judge(name, bytes.clone()));
        for _ in 0..3 {
            let cut = dice.roll(bytes.len());
            check(&format!("{} cut at {cut}", case.path), cut, &judge(name, bytes[..cut].to_vec()));
        }
        for _ in 0..5 {
            let mut changed = bytes.clone();
            for _ in 0..=dice.roll(4) {
                if !changed.is_empty() {
                    let at = dice.roll(changed.len());
                    changed[at] = u8::try_from(dice.roll(256)).unwrap();
                }
            }
            check(&format!("{} changed", case.path), changed.len(), &judge(name, changed));
        }
    }
}

#[test]
fn what_is_planted_anywhere_is_found_or_lies_where_the_report_says_nobody_runs_it() {
    let (mut planted, mut found, mut missed) = (0, 0, Vec::new());
    for (case, bytes) in small(256 << 10).filter(|(case, bytes)| case.expect == "benign" && bytes.len() > PAYLOAD.len())
    {
        let mut dice = Dice::of(&case, 0xbad);
        for insert in [false, true] {
            for _ in 0..plantings() {
                let at = dice.roll(bytes.len() - PAYLOAD.len());
                let mut with = bytes.clone();
                let replaced = if insert { at..at } else { at..at + PAYLOAD.len() };
                with.splice(replaced, PAYLOAD.iter().copied());
                let report = judge(file_name(&case), with);
                planted += 1;
                if report.verdict >= Verdict::Suspicious {
                    found += 1;
                    continue;
                }
                let (start, end) = (at as u64, (at + PAYLOAD.len()) as u64);
                let looked_at_in_full = report
                    .coverage
                    .extents
                    .iter()
                    .any(|extent| extent.seen == Seen::Inspected && extent.start <= start && end <= extent.end);
                if looked_at_in_full && report.verdict == Verdict::Clean && !is_text(&bytes) && report.format != "text"
                {
                    missed.push(format!("{} ({}) at {at}", case.path, report.format));
                }
            }
        }
    }
    println!("{planted} planted, {found} found; the others lie in bytes reported inert or unscanned");
    assert!(missed.is_empty(), "looked at, not found, and called clean:\n{}", missed.join("\n"));
}

/// How often it is planted in each file, each way: `tests/run --long` does it more often.
fn plantings() -> usize {
    if std::env::var_os("WEIGHBRIDGE_TEST_LONG").is_some() { 60 } else { 3 }
}

/// A text can hold any letters, a pickle's too, and whoever loads it as the text that it is runs none of them.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| *byte < 9)
}
