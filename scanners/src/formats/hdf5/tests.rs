//! The smallest files of the old form, whole, cut and changed. Those of the library itself are made by `tests/cases`.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;

use crate::{Limits, Outcome, Ranges, ReadAt, Report, Verdict, scan};

fn judge(name: &str, bytes: Vec<u8>) -> Report {
    match scan(name, Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn case(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules").join(path)).unwrap_or_default()
}

#[test]
fn a_cut_file_is_never_clean() {
    let whole = case("WB-H5-001/good/model.h5");
    assert_eq!(judge("model.h5", whole.clone()).verdict, Verdict::Clean);
    for length in 1..whole.len() {
        assert_ne!(judge("model.h5", whole[..length].to_vec()).verdict, Verdict::Clean, "{length}");
    }
}

#[test]
fn no_changed_byte_makes_it_panic_or_go_on_without_end() {
    for path in ["WB-H5-001/good/model.h5", "WB-H5-001/bad/model.h5", "WB-KER-001/bad/legacy.h5"] {
        let whole = case(path);
        for at in 0..whole.len() {
            for byte in [0, 1, 0x60, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let report = judge("model.h5", changed);
                assert!(report.verdict != Verdict::Clean || report.coverage.unscanned == 0, "{path} {at}");
            }
        }
    }
}

#[test]
fn a_file_behind_a_block_of_the_user_is_found_wherever_it_may_be() {
    let inner = case("WB-H5-001/bad/model.h5");
    for before in [512_usize, 1024, 2048, 4096, 8192, 65536] {
        for (name, front) in [("model.h5", &b""[..]), ("model.dat", b""), ("model.bin", b"words and more words")] {
            let mut bytes = front.to_vec();
            bytes.resize(before, 0);
            bytes.extend(&inner);
            let report = judge(name, bytes);
            assert!(report.findings.iter().any(|finding| finding.rule.id == "WB-H5-001"), "{name} {before}");
        }
    }
    let mut elsewhere = vec![0; 700];
    elsewhere.extend(&inner);
    assert_ne!(
        judge("model.h5", elsewhere).verdict,
        Verdict::Clean,
        "no reader looks there, and nobody knows what it is"
    );
}

#[test]
fn the_places_of_a_superblock_are_fetched_before_anybody_says_what_the_file_is() {
    // An array, of whose numbers nobody else reads any.
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(b"{'descr': '|u1', 'fortran_order': False, 'shape': (199872,), }");
    bytes.resize(127, b' ');
    bytes.push(b'\n');
    bytes.resize(8192, 0);
    bytes.extend(case("WB-H5-001/bad/model.h5"));
    bytes.resize(200_000, 0);
    let bytes = Bytes::from(bytes);
    let mut held = Ranges::new(bytes.len() as u64);
    for _ in 0..20 {
        match scan("array.npy", Arc::new(held.clone()), &Limits::default(), None) {
            Outcome::Judged(report) => {
                assert!(report.findings.iter().any(|finding| finding.rule.id == "WB-H5-001"));
                return;
            }
            Outcome::Needs(ranges) => {
                for range in ranges {
                    held.hold(range.start, &bytes.read_at(range.clone()).unwrap_or_default());
                }
            }
        }
    }
    unreachable!("it still asks");
}

#[test]
fn what_lies_before_and_behind_is_looked_at() {
    let inner = case("WB-H5-001/good/model.h5");
    let tail = [inner.clone(), b"PK\x03\x04 and so on".to_vec()].concat();
    assert!(judge("model.h5", tail).verdict >= Verdict::Suspicious);
    let mut user = b"\x7fELF\x02\x01\x01".to_vec();
    user.resize(512, 0);
    assert!(judge("model.h5", [user, inner].concat()).verdict >= Verdict::Suspicious);
}

mod heap;
