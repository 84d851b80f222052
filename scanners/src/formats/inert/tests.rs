//! Ordinary files are clean whole, and nothing hides behind their ends.

#![allow(clippy::cast_possible_truncation, reason = "the numbers of a test are small")]

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, Outcome, Report, Verdict, scan};

fn judge(name: &str, bytes: Vec<u8>) -> Report {
    match scan(name, Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes(), kind, data, &[0; 4]].concat()
}

fn riff(kind: &[u8], body: &[u8]) -> Vec<u8> {
    [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], kind, body].concat()
}

/// One small file of each kind.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let png = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &[1; 13]), chunk(b"IDAT", &[0; 9]), chunk(b"IEND", b"")]
        .concat();
    let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xda\0\x03xdata\xff\0more\xff\xd0more\xff\xd9".to_vec();
    let gif = b"GIF89a\x01\0\x01\0\0\0\0\x21\xf9\x01a\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02ab\0\x3b".to_vec();
    let ogg = [&b"OggS\0\x02"[..], &[0; 20], &[1, 5], b"hello"].concat();
    let flac = [&b"fLaC\x80\0\0\x22"[..], &[0; 34], &[0xff, 0xf8, 0, 0]].concat();
    let mp4 = [&b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x0cmdat"[..], b"film"].concat();
    let glb = [&b"glTF\x02\0\0\0\x18\0\0\0"[..], &[0; 12]].concat();
    vec![
        ("png", png),
        ("jpg", jpeg),
        ("gif", gif),
        ("wav", riff(b"WAVE", b"fmt \x02\0\0\0abdata\x03\0\0\0abc\0")),
        ("ogg", ogg),
        ("flac", flac),
        ("mp4", mp4),
        ("glb", glb),
        ("ppm", b"P6\n1 2\n255\nabcdef".to_vec()),
    ]
}

#[test]
fn whole_files_are_clean_and_cut_ones_are_not_called_so_for_what_is_missing() {
    for (kind, bytes) in samples() {
        let report = judge(&format!("a.{kind}"), bytes.clone());
        assert_eq!(report.verdict, Verdict::Clean, "{kind}: {report:?}");
        for length in 1..bytes.len() {
            let report = judge(&format!("a.{kind}"), bytes[..length].to_vec());
            assert!(report.verdict != Verdict::Clean || report.coverage.unscanned == 0, "{kind} {length}");
        }
    }
}

#[test]
fn no_changed_byte_makes_a_walk_panic() {
    for (kind, bytes) in samples() {
        for at in 0..bytes.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                judge(&format!("a.{kind}"), changed);
            }
        }
    }
}

#[test]
fn what_follows_the_end_is_told() {
    for (kind, bytes) in samples().into_iter().filter(|(kind, _)| *kind != "flac") {
        let pickle = b"\x80\x04\x95\x0a\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93.";
        let report = judge(&format!("a.{kind}"), [&bytes[..], pickle].concat());
        assert!(report.verdict >= Verdict::Suspicious, "{kind}: {report:?}");
        let padded = judge(&format!("a.{kind}"), [&bytes[..], &[0; 40]].concat());
        assert_eq!(padded.verdict, Verdict::Clean, "{kind}: {padded:?}");
        let unknown = judge(&format!("a.{kind}"), [&bytes[..], b"\xf3\x01\xfe\x9d\xc7\x02\xfb"].concat());
        assert_ne!(unknown.verdict, Verdict::Clean, "{kind}");
    }
}
