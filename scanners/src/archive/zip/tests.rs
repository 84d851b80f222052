//! Tests of zips: a payload in any place is found or leaves the coverage incomplete, and nothing makes the reader panic.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::{
    coverage::CoverageState,
    limits::Limits,
    report::{Report, Verdict},
    scan::{Outcome, scan},
    source::Ranges,
    unpack::checksum,
};

/// An archive without members: the smallest file that is known to the last byte.
const HARMLESS: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// `os.system("true")`, in protocol 4.
const PAYLOAD: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.";

fn judge(name: &str, bytes: &[u8]) -> Report {
    match scan(name, Arc::new(Bytes::copy_from_slice(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

fn fields(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    [&checksum(data).to_le_bytes()[..], &length, &length].concat()
}

fn local(name: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(name.len()).unwrap().to_le_bytes();
    [&b"PK\x03\x04\x14\0\0\0\0\0\0\0\x21\0"[..], &fields(data), &length, &[0; 2], name.as_bytes(), data].concat()
}

fn central(name: &str, data: &[u8], at: usize) -> Vec<u8> {
    let (length, at) = (u16::try_from(name.len()).unwrap().to_le_bytes(), u32::try_from(at).unwrap().to_le_bytes());
    let head = &b"PK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0\x21\0"[..];
    [head, &fields(data), &length, &[0; 12], &at, name.as_bytes()].concat()
}

fn end(count: u16, size: usize, at: usize, comment: &[u8]) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let (count, length) = (count.to_le_bytes(), u16::try_from(comment.len()).unwrap().to_le_bytes());
    [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &number(size), &number(at), &length, comment].concat()
}

/// An ordinary archive of these members, stored.
pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        directory.extend(central(name, data, out.len()));
        out.extend(local(name, data));
    }
    let ends = end(u16::try_from(members.len()).unwrap(), directory.len(), out.len(), b"");
    [out, directory, ends].concat()
}

fn sums(report: &Report, size: usize) -> bool {
    let coverage = &report.coverage;
    coverage.inspected + coverage.inert + coverage.unscanned == size as u64
        && (report.verdict != Verdict::Clean || coverage.state == CoverageState::Complete)
}

#[test]
fn an_ordinary_archive_is_clean_to_the_last_byte() {
    for members in [&[][..], &[("a", HARMLESS)], &[("a/", b""), ("a/b", HARMLESS), ("a/c", HARMLESS)]] {
        let report = judge("data.zip", &archive(members));
        assert_eq!((report.verdict, report.findings.len()), (Verdict::Clean, 0), "{:?}", report.findings);
    }
}

#[test]
fn a_payload_is_not_clean_wherever_it_lies() {
    let good = archive(&[("a", HARMLESS)]);
    let one = local("a", HARMLESS);
    let (listed, hidden) = (central("a", HARMLESS, 0), local("b", PAYLOAD));
    let at = one.len() + hidden.len();
    let mut lie = archive(&[("a", PAYLOAD)]);
    lie[18..26].fill(0);
    let mut short = archive(&[("a", &[HARMLESS, PAYLOAD].concat())]);
    let size = short.len() - 22 - 47 + 20;
    short[size] = 22;
    let twice = [&local("a", HARMLESS)[..], &local("a", PAYLOAD)].concat();
    let two = [central("a", HARMLESS, 0), central("a", PAYLOAD, one.len())].concat();
    let places = [
        ("before", [PAYLOAD, &good].concat()),
        ("behind", [&good, PAYLOAD].concat()),
        ("as a member", archive(&[("a", PAYLOAD)])),
        ("unlisted", [&one[..], &hidden, &listed, &end(1, listed.len(), at, b"")].concat()),
        ("in a gap", [&one[..], PAYLOAD, &listed, &end(1, listed.len(), one.len() + PAYLOAD.len(), b"")].concat()),
        ("in the comment", [&one[..], &listed, &end(1, listed.len(), one.len(), PAYLOAD)].concat()),
        ("twice", [&twice[..], &two, &end(2, two.len(), twice.len(), b"")].concat()),
        ("behind a size of zero", lie),
        ("behind a size that is too short", short),
        ("without a directory", local("a", PAYLOAD)),
    ];
    for (place, bytes) in places {
        for name in ["model.pt", "data.zip", "photo.jpg"] {
            let report = judge(name, &bytes);
            assert!(report.verdict != Verdict::Clean, "{place} in {name}");
            assert!(sums(&report, bytes.len()), "{place} in {name}");
            assert!(place == "as a member" || report.verdict >= Verdict::Suspicious, "{place} in {name}");
        }
    }
}

#[test]
fn an_archive_that_was_cut_is_never_clean() {
    let whole = archive(&[("a", HARMLESS), ("folder/b", HARMLESS)]);
    for cut in 4..whole.len() {
        let report = judge("data.zip", &whole[..cut]);
        assert!(report.verdict != Verdict::Clean && sums(&report, cut), "cut at {cut}");
    }
}

#[test]
fn ranges_say_the_same_and_bodies_are_not_read() {
    let body = [b"\x7fnothing that is known".repeat(40_000), vec![1; 4096]].concat();
    let names: Vec<String> = (0..40).map(|n| format!("archive/data/{n}")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &body[..])).collect();
    let whole = archive(&members);
    let mut ranges = Ranges::new(whole.len() as u64);
    let mut rounds = 0;
    let report = loop {
        rounds += 1;
        let held = ranges.clone();
        match scan("data.zip", Arc::new(held), &Limits::default(), None) {
            Outcome::Judged(report) => break *report,
            Outcome::Needs(wanted) => {
                for range in wanted {
                    let (from, to) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
                    ranges.hold(range.start, &Bytes::copy_from_slice(&whole[from..to]));
                }
            }
        }
        assert!(rounds < 10, "too many rounds");
    };
    let other = judge("data.zip", &whole);
    assert_eq!(format!("{:?}", report.findings), format!("{:?}", other.findings));
    assert_eq!((report.verdict, report.coverage.extents), (other.verdict, other.coverage.extents));
    assert!(ranges.held() < whole.len() as u64 / 20, "{} of {} bytes were read", ranges.held(), whole.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn changed_bytes_never_panic_and_always_sum(changes in prop::collection::vec((0..4096_usize, any::<u8>()), 1..6), cut in 0..400_usize) {
        let mut bytes = archive(&[("a", HARMLESS), ("b/c", PAYLOAD), ("b/", b""), ("d", &archive(&[("e", HARMLESS)]))]);
        for (at, value) in changes {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len() / 2) * usize::from(cut % 3 == 0));
        let report = judge("model.pt", &bytes);
        prop_assert!(sums(&report, bytes.len()));
        prop_assert!(report.verdict != Verdict::Clean);
    }
}

#[test]
fn an_end_record_with_numbers_that_no_writer_writes_is_told() {
    let (member, listed) = (local("a.txt", b"words"), central("a.txt", b"words", 0));
    let long_end = |disks: u64, here: u64, length: u64| {
        let at = (member.len() + listed.len()) as u64;
        let numbers = [disks, here, 1, listed.len() as u64, member.len() as u64].map(u64::to_le_bytes).concat();
        let record = [&b"PK\x06\x06"[..], &length.to_le_bytes(), b"\x2d\0\x2d\0", &numbers].concat();
        let locator = [&b"PK\x06\x07\0\0\0\0"[..], &at.to_le_bytes(), b"\x01\0\0\0"].concat();
        [&member[..], &listed, &record, &locator, &end(1, listed.len(), member.len(), b"")].concat()
    };
    assert_eq!(judge("a.zip", &long_end(0, 1, 44)).verdict, Verdict::Clean);
    for odd in [long_end(7, 1, 44), long_end(0, 9, 44), long_end(0, 1, 0x8c04_8000)] {
        let report = judge("a.zip", &odd);
        assert!(report.findings.iter().any(|one| one.rule.id == "WB-ZIP-001"), "{:?}", report.findings);
    }
    let mut spanned = [&member[..], &listed, &end(1, listed.len(), member.len(), b"")].concat();
    let at = spanned.len() - 18;
    spanned[at] = 3;
    assert!(judge("a.zip", &spanned).findings.iter().any(|one| one.rule.id == "WB-ZIP-001"));
}
