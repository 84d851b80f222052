//! Tests of 7z archives: members are judged, and nothing that a header claims makes the reader panic or allocate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::{
    limits::Limits,
    report::{Report, Verdict},
    scan::{Outcome, scan},
};

/// `a` and `folder/b`, each an archive without members; packed with LZMA2, as is the directory.
const PACKED: &[u8] = b"\x37\x7a\xbc\xaf\x27\x1c\x00\x04\xd7\x70\x15\x29\x81\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00\x3b\x8c\x57\x10\xe0\x00\x2b\x00\x0d\x5d\x00\x28\x12\xbc\xa0\x37\xd8\x05\xca\x61\xd5\x14\x00\x00\x00\xe0\x00\x6e\x00\x64\x5d\x00\x00\x81\x33\x07\xae\x0f\xcf\x4b\x6f\x8c\x07\xb0\xc3\xda\x2a\xd7\x58\x64\xac\xb3\x78\xce\x54\xdd\xda\x4f\x24\x89\xfc\x63\x02\x9c\x3b\xc0\x00\x42\xc6\x34\xde\x6b\xe6\x11\xa0\x75\x69\xd4\x53\xf7\xde\x75\x69\x2c\x7e\x48\x67\xde\x4f\x2f\x52\x24\xe3\x9e\x68\xf2\xce\x35\x6d\x6b\xf4\xbd\xf8\xe5\x84\xb2\x40\xa2\x25\x94\x18\x27\x0b\x99\x21\xe9\x77\x67\xa3\x61\x63\xf4\xf4\x66\x70\xd2\x5e\xf8\x3f\xa0\x00\x00\x00\x17\x06\x15\x01\x09\x6c\x00\x07\x0b\x01\x00\x01\x21\x21\x01\x18\x0c\x6f\x00\x00";
/// `a`, as it is.
const PLAIN: &[u8] = b"\x37\x7a\xbc\xaf\x27\x1c\x00\x04\x7b\x1d\x4f\x7b\x16\x00\x00\x00\x00\x00\x00\x00\x3f\x00\x00\x00\x00\x00\x00\x00\x23\x0e\xf4\x72\x50\x4b\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x04\x06\x00\x01\x09\x16\x00\x07\x0b\x01\x00\x01\x01\x00\x0c\x16\x00\x08\x0a\x01\x0e\xc5\xcb\xd7\x00\x00\x05\x01\x19\x03\x00\x00\x00\x11\x05\x00\x61\x00\x00\x00\x14\x0a\x01\x00\x70\x96\xb0\xc2\xb4\x79\xdd\x01\x15\x06\x01\x00\x20\x80\x80\x81\x00\x00";
/// `../a`, packed with bzip2.
const OUTSIDE: &[u8] = b"\x37\x7a\xbc\xaf\x27\x1c\x00\x04\xac\x25\x48\x06\x2d\x00\x00\x00\x00\x00\x00\x00\x42\x00\x00\x00\x00\x00\x00\x00\x57\x91\xbd\x56\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x1d\xe8\x93\x32\x00\x00\x04\x46\x00\x43\x01\x00\x08\x40\x00\x20\x00\x21\x80\x0c\x01\xa3\x63\xdb\x8b\xb9\x22\x9c\x28\x48\x0e\xf4\x49\x99\x00\x01\x04\x06\x00\x01\x09\x2d\x00\x07\x0b\x01\x00\x01\x03\x04\x02\x02\x0c\x16\x00\x08\x0a\x01\x0e\xc5\xcb\xd7\x00\x00\x05\x01\x11\x0b\x00\x2e\x00\x2e\x00\x2f\x00\x61\x00\x00\x00\x14\x0a\x01\x00\x30\xa1\xb0\xc2\xb4\x79\xdd\x01\x15\x06\x01\x00\x20\x80\x80\x81\x00\x00";

fn judge(name: &str, bytes: &[u8]) -> Report {
    match scan(name, Arc::new(Bytes::copy_from_slice(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

#[test]
fn members_are_judged_by_content_and_by_name() {
    for bytes in [PACKED, PLAIN] {
        let report = judge("data.7z", bytes);
        assert_eq!(report.verdict, Verdict::Clean, "{:?} {:?}", report.findings, report.coverage);
    }
    assert_eq!(judge("model.bin", PLAIN).findings.first().map(|f| f.rule.id), Some("WB-ARC-002"));
    assert_eq!(judge("data.7z", OUTSIDE).findings.first().map(|f| f.rule.id), Some("WB-ARC-001"));
    let behind = judge("data.7z", &[PLAIN, b"something"].concat());
    assert_eq!(behind.findings.first().map(|f| f.rule.id), Some("WB-ZIP-010"));
}

#[test]
fn an_archive_that_was_cut_is_never_clean() {
    for cut in 6..PACKED.len() {
        let report = judge("data.7z", &PACKED[..cut]);
        assert!(report.verdict != Verdict::Clean, "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn changed_bytes_never_panic_and_always_sum(plain in any::<bool>(), changes in prop::collection::vec((0..4096_usize, any::<u8>()), 1..4), fix in any::<bool>()) {
        let mut bytes = if plain { PLAIN } else { PACKED }.to_vec();
        for (at, value) in changes {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        if fix {
            sign(&mut bytes);
        }
        let report = judge("data.7z", &bytes);
        let coverage = &report.coverage;
        prop_assert_eq!(coverage.inspected + coverage.inert + coverage.unscanned, bytes.len() as u64);
    }
}

/// Makes the checksums of both headers right again, so that what they say is believed.
fn sign(bytes: &mut [u8]) {
    let number = |at: usize| usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap();
    let start = number(12).saturating_add(32);
    let Some(header) = bytes.get(start..start.saturating_add(number(20))) else { return };
    let crc = crate::unpack::checksum(header).to_le_bytes();
    bytes[28..32].copy_from_slice(&crc);
    let crc = crate::unpack::checksum(&bytes[12..32]).to_le_bytes();
    bytes[8..12].copy_from_slice(&crc);
}
