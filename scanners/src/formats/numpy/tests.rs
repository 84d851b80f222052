//! Arrays as they are and as they should not be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, Outcome, Report, Verdict, scan};

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

fn judged(bytes: Vec<u8>) -> Report {
    match scan("a.npy", Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

fn rules_of(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn ordinary_arrays_are_clean_and_complete() {
    for (kind, shape, bytes) in [
        ("'<f4'", "(3, 2)", 24),
        ("'|S8'", "(2,)", 16),
        ("'<U5'", "()", 20),
        ("'<M8[ns]'", "(2,)", 16),
        ("[('x', '<f4'), ('box', '<i4', (4,)), ('in', [('a', '|u1'), ('b', '<c16')])]", "(2,)", 2 * (4 + 16 + 17)),
        ("'|b1'", "(0, 18446744073709551615, 9)", 0),
        ("'<f8'", "(2L, 3L)", 48),
        ("('<f4', (2,))", "(3,)", 24),
    ] {
        let text = format!("{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}   \n");
        let report = judged(npy(&text, &vec![0; bytes]));
        assert_eq!(report.verdict, Verdict::Clean, "{kind} {shape}: {:?} {:?}", report.findings, report.coverage);
        assert_eq!(report.format, "numpy array");
    }
}

#[test]
fn code_in_a_header_is_code_and_a_torn_header_is_torn() {
    for code in [
        "__import__('os').system('true')",
        "{'descr': f('<f4'), 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} or x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1+1,)}",
    ] {
        assert_eq!(rules_of(&judged(npy(code, &[0; 8]))), ["WB-NPY-002"], "{code}");
    }
    for torn in ["{'descr': '<f4', 'fortran_order': False, 'sha", "{'descr': '<f4'}", "()", "", "[(['a'])"] {
        let report = judged(npy(torn, &[0; 8]));
        assert_eq!(rules_of(&report)[0], "WB-NPY-003", "{torn}");
    }
}

#[test]
fn objects_are_seen_at_any_depth_and_shapes_have_to_fit() {
    for kind in [
        "'|O'",
        "[('a', '<f4'), ('b', [('c', '|O8')])]",
        "('O', (2,))",
        "[('a', 'O', (3,))]",
        "'|\\x4f'",
        "'object_'",
        "'f4,O'",
    ] {
        let text = format!("{{'descr': {kind}, 'fortran_order': False, 'shape': (1,)}}");
        assert!(rules_of(&judged(npy(&text, b"\x80\x04N."))).contains(&"WB-NPY-001"), "{kind}");
    }
    for (shape, there) in [("(3,)", 8), ("(4611686018427387904, 16)", 8), ("(-1,)", 8), ("(1,)", 5)] {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}");
        assert!(rules_of(&judged(npy(&text, &vec![1; there]))).contains(&"WB-NPY-003"), "{shape}");
    }
}

#[test]
fn two_arrays_may_follow_each_other_and_a_cut_one_is_never_clean() {
    let one = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", &[0; 8]);
    assert_eq!(judged([one.clone(), one.clone()].concat()).verdict, Verdict::Clean);
    // Less than the six bytes of the name that arrays begin with is a word of text.
    for end in 6..one.len() {
        assert_ne!(judged(one[..end].to_vec()).verdict, Verdict::Clean, "{end}");
    }
}
