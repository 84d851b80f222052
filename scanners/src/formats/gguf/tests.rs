//! Headers put together by hand, in every version and byte order, and what becomes of them when they are changed.

#![allow(clippy::cast_possible_truncation, reason = "the numbers of a test are small")]

use std::sync::Arc;

use bytes::Bytes;

use super::types;
use crate::{Limits, Outcome, Report, Verdict, scan};

fn judge(bytes: Vec<u8>) -> Report {
    match scan("model.gguf", Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn ids(bytes: Vec<u8>) -> Vec<&'static str> {
    judge(bytes).findings.iter().map(|finding| finding.rule.id).collect()
}

fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes(), value.as_bytes()].concat()
}

fn pair(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(key), &kind.to_le_bytes()[..], value].concat()
}

fn tensor(name: &str, dims: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut out = [text(name), (dims.len() as u32).to_le_bytes().to_vec()].concat();
    for d in dims {
        out.extend(d.to_le_bytes());
    }
    out.extend(kind.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out
}

fn file(pairs: &[Vec<u8>], tensors: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((pairs.len() as u64).to_le_bytes());
    out.extend(pairs.concat());
    out.extend(tensors.concat());
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    out
}

fn good() -> Vec<u8> {
    let words = [&8_u32.to_le_bytes()[..], &2_u64.to_le_bytes(), &text("a"), &text("b")].concat();
    let pairs = [pair("general.architecture", 8, &text("llama")), pair("tokenizer.ggml.tokens", 9, &words)];
    file(&pairs, &[tensor("a", &[32, 2], 2, 0), tensor("b", &[2], 0, 64)], &[7; 72])
}

#[test]
fn what_tools_write_is_clean() {
    let report = judge(good());
    assert_eq!(report.verdict, Verdict::Clean, "{report:?}");
    assert_eq!(report.facts.tensors[0].dtype, "Q4_0");
}

#[test]
fn the_first_version_and_the_other_byte_order_are_read() {
    let first = [&b"GGUF\x01\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0k"[..], &[4, 0, 0, 0], &[1, 0, 0, 0]].concat();
    assert_eq!(judge([first, vec![0; 3]].concat()).verdict, Verdict::Clean);
    let mut big = b"GGUF\0\0\0\x03".to_vec();
    big.extend([0_u64, 1].map(u64::to_be_bytes).concat());
    big.extend([&1_u64.to_be_bytes()[..], b"k", &4_u32.to_be_bytes(), &1_u32.to_be_bytes()].concat());
    assert_eq!(judge(big).verdict, Verdict::Clean);
}

#[test]
fn a_cut_or_changed_file_is_never_clean_by_accident_and_never_panics() {
    let whole = good();
    for length in 5..whole.len() {
        assert_ne!(judge(whole[..length].to_vec()).verdict, Verdict::Clean, "{length}");
    }
    for at in 4..whole.len() - 72 {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            let report = judge(changed);
            assert!(report.verdict != Verdict::Clean || report.coverage.unscanned == 0, "{at}");
        }
    }
}

#[test]
fn numbers_that_cannot_be_true_are_seen() {
    let one = [tensor("a", &[8], 0, 0)];
    let number = |n: u32| n.to_le_bytes().to_vec();
    let list = |kind: u32, count: u64| [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat();
    for (bytes, rule) in [
        (file(&[pair("k", 9, &list(4, u64::MAX / 2))], &[], b""), "WB-GGU-001"),
        (file(&[pair("k", 9, &list(8, 1 << 40))], &[], b""), "WB-GGU-001"),
        (file(&[pair("k", 9, &list(9, 1))], &[], b""), "WB-GGU-007"),
        (file(&[pair("k", 99, b"")], &[], b""), "WB-GGU-003"),
        (file(&[pair("k", 7, &[2])], &[], b""), "WB-GGU-007"),
        (file(&[pair("general.alignment", 4, &number(0))], &one, &[0; 32]), "WB-GGU-004"),
        (file(&[pair("general.alignment", 5, &number(32))], &one, &[0; 32]), "WB-GGU-004"),
        (file(&[], &[tensor("a", &[8], 0, 8)], &[0; 40]), "WB-GGU-004"),
        (file(&[], &[tensor("a", &[u64::MAX, 2], 0, 0)], &[0; 32]), "WB-GGU-001"),
        (file(&[], &[tensor("a", &[8], 0, u64::MAX - 31)], &[0; 32]), "WB-GGU-002"),
        (file(&[], &[tensor("a", &[31], 2, 0)], &[0; 32]), "WB-GGU-003"),
        (file(&[], &[tensor("a", &[8], 4, 0)], &[0; 32]), "WB-GGU-003"),
        (file(&[], &[one[0].clone(), one[0].clone()], &[0; 32]), "WB-GGU-005"),
        (file(&[], &one, &[1; 65]), "WB-GGU-006"),
    ] {
        assert!(ids(bytes.clone()).contains(&rule), "{rule}: {:?}", ids(bytes));
    }
}

#[test]
fn sizes_of_rows_are_those_of_the_library() {
    let bytes = |id: u32, dims: &[u64]| types::layout(id).and_then(|(_, layout)| layout.bytes(dims));
    assert_eq!(bytes(14, &[512, 3]), Some(2 * 210 * 3));
    assert_eq!(bytes(39, &[64]), Some(34));
    assert_eq!(bytes(14, &[255]), None);
    assert_eq!(bytes(0, &[u64::MAX, 8]), None);
    assert!(types::layout(5).is_none() && types::layout(144).is_some());
}
