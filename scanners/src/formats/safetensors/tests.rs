//! Headers that lie, headers that are cut, and headers that are fine.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, Outcome, Report, Verdict, scan};

fn judge(name: &str, bytes: Vec<u8>) -> Report {
    match scan(name, Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn rules(header: &str, data: &[u8]) -> Vec<&'static str> {
    let report = judge("model.safetensors", file(header, data));
    assert_eq!(report.format, "safetensors");
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

const GOOD: &str = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[8,11]}}"#;

#[test]
fn what_the_library_writes_is_clean_and_its_tensors_are_facts() {
    let report = judge("model.safetensors", file(&format!("{GOOD}     "), &[0x80; 11]));
    assert_eq!((report.verdict, report.coverage.inert), (Verdict::Clean, 11), "{report:?}");
    assert_eq!(report.facts.tensors.len(), 2);
    assert_eq!(rules("{}", b""), [""; 0]);
    assert_eq!(judge("a", file(GOOD, &[0; 11])).format, "safetensors", "whatever its name is");
}

#[test]
fn a_cut_file_is_never_clean() {
    let whole = file(GOOD, &[7; 11]);
    for length in 1..whole.len() {
        let report = judge("model.safetensors", whole[..length].to_vec());
        assert_ne!(report.verdict, Verdict::Clean, "{length}");
    }
}

#[test]
fn no_byte_of_a_header_makes_it_panic_or_hides_data() {
    let whole = file(GOOD, &[7; 11]);
    for at in 0..whole.len() - 11 {
        for byte in [0, b'"', b'9', b'{', b'}', b',', 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            let report = judge("model.safetensors", changed);
            assert!(report.verdict != Verdict::Clean || report.coverage.unscanned == 0);
        }
    }
}

#[test]
fn lies_of_every_kind_are_seen() {
    let t = |inner: &str| format!(r#"{{"a":{{{inner}}}}}"#);
    for (header, rule) in [
        (t(r#""dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1"#), "WB-STS-001"),
        (t(r#""dtype":"F32","shape":[2]"#), "WB-STS-001"),
        (t(r#""dtype":"F32","shape":[-2],"data_offsets":[0,8]"#), "WB-STS-001"),
        (t(r#""dtype":"F32","shape":[2.0],"data_offsets":[0,8]"#), "WB-STS-001"),
        (t(r#""dtype":"F32","shape":[2],"data_offsets":[0,8,9]"#), "WB-STS-001"),
        (t(r#""dtype":"F32","shape":[2],"data_offsets":[8,0]"#), "WB-STS-002"),
        (t(r#""dtype":"F32","shape":[3],"data_offsets":[0,8]"#), "WB-STS-002"),
        (t(r#""dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]"#), "WB-STS-002"),
        (t(r#""dtype":"F4","shape":[17],"data_offsets":[0,8]"#), "WB-STS-002"),
        (t(r#""dtype":"F32","shape":[1],"data_offsets":[4,8]"#), "WB-STS-002"),
        (t(r#""dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]"#), "WB-STS-003"),
        (r#"{"__metadata__":{"x":"1","\u0078":"2"}}"#.into(), "WB-STS-003"),
        (r#"{"__metadata__":{"x":1}}"#.into(), "WB-STS-001"),
        (r#"{"__metadata__":{"x":"<img src=x onerror=alert(1)>"}}"#.into(), "WB-STS-005"),
        (r#"{"__metadata__":{"x":"gASVHwAAAAAAAACMAm9zlIwGc3lzdGVtlJOU"}}"#.into(), "WB-STS-005"),
        (format!("{GOOD}\n"), "WB-STS-001"),
        (format!("{GOOD}x"), "WB-STS-001"),
    ] {
        assert!(rules(&header, &[0; 8]).contains(&rule), "{header}");
    }
}

#[test]
fn ordinary_metadata_is_not_active() {
    for value in
        ["https://a/b?c=d&e", "{\\\"tag <script>\\\": 3}", "a < b, onerror is a word", "<b>bold</b>", "{{ wildcard }}"]
    {
        let header = format!(r#"{{"__metadata__":{{"x":"{value}"}}}}"#);
        assert_eq!(rules(&header, b""), [""; 0], "{value}");
    }
}

#[test]
fn many_empty_tensors_are_out_of_proportion() {
    let entries: Vec<String> =
        (0..10_001).map(|n| format!(r#""{n}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)).collect();
    assert_eq!(rules(&format!("{{{}}}", entries.join(",")), b""), ["WB-STS-004"]);
}
