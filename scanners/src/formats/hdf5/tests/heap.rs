//! Texts and bytes in global heaps, in files that are put together here message by message.

use std::sync::Arc;

use bytes::Bytes;

use super::judge;
use crate::{Limits, Outcome, Report, Verdict, scan};

const PICKLE: &[u8] = b"cos\nsystem\n(S'true'\ntR.";
const HARMLESS: &[u8] = b"(lp0\nI1\naI2\na.";
/// Where the heap is.
const HEAP: u64 = 65536;
/// Where the dataset is.
const DATASET: u64 = 49152;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or_default();
    [&[kind][..], &length.to_le_bytes(), &[0], body].concat()
}

fn object(messages: &[Vec<u8>]) -> Vec<u8> {
    let all = messages.concat();
    let length = u32::try_from(all.len()).unwrap_or_default();
    [b"OHDR\x02\x02", &length.to_le_bytes()[..], &all, &[0; 4]].concat()
}

fn link(name: &str, address: u64) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap_or_default();
    message(6, &[&[1, 0, length], name.as_bytes(), &address.to_le_bytes()].concat())
}

fn space(count: u64) -> Vec<u8> {
    [&[2, 1, 0, 1][..], &count.to_le_bytes()].concat()
}

/// Lists of bytes of any length.
fn lists() -> Vec<u8> {
    [&[0x19, 0, 0, 0, 16, 0, 0, 0][..], &[0x10, 8, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0]].concat()
}

/// A structure with one member, which is such a list.
fn structure() -> Vec<u8> {
    [&[0x36, 1, 0, 0, 16, 0, 0, 0][..], b"m\0\0", &lists()].concat()
}

fn pointer(length: usize, number: u32) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or_default();
    [&length.to_le_bytes()[..], &HEAP.to_le_bytes(), &number.to_le_bytes()].concat()
}

fn attribute(name: &str, kind: &[u8], count: u64, data: &[u8]) -> Vec<u8> {
    let space = space(count);
    let sizes: Vec<u8> = [name.len() + 1, kind.len(), space.len()]
        .iter()
        .flat_map(|size| u16::try_from(*size).unwrap_or_default().to_le_bytes())
        .collect();
    message(0x0c, &[&[3, 0][..], &sizes, &[0], name.as_bytes(), &[0], kind, &space, data].concat())
}

fn dataset(kind: &[u8], count: u64, layout: &[u8]) -> Vec<u8> {
    object(&[message(1, &space(count)), message(3, kind), message(8, layout)])
}

/// A dataset in chunks that nobody here can find.
fn chunked(kind: &[u8]) -> Vec<u8> {
    dataset(kind, 4, &[&[3, 2, 2][..], &1024_u64.to_le_bytes(), &[4, 0, 0, 0, 16, 0, 0, 0]].concat())
}

fn heap(objects: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = b"GCOL\x01\0\0\0".to_vec();
    out.extend(4096_u64.to_le_bytes());
    for (number, bytes) in objects {
        out.extend(number.to_le_bytes());
        out.extend([1, 0, 0, 0, 0, 0]);
        // Free space counts its own head.
        let length = if *number == 0 { bytes.len() + 16 } else { bytes.len() };
        out.extend((length as u64).to_le_bytes());
        out.extend(*bytes);
        out.resize(out.len().next_multiple_of(8), 0);
    }
    out.extend([0; 8]);
    out.extend(((4096 - out.len() - 8) as u64 + 16).to_le_bytes());
    out.resize(4096, 0);
    out
}

/// A file of a root with these attributes, one dataset, and a heap.
fn file(attributes: &[Vec<u8>], dataset: &[u8], heap: &[u8]) -> Vec<u8> {
    let mut out = b"\x89HDF\r\n\x1a\n\x02\x08\x08\0".to_vec();
    for number in [0, u64::MAX, HEAP + heap.len() as u64, 48] {
        out.extend(number.to_le_bytes());
    }
    out.extend([0; 4]);
    out.extend(object(&[attributes.concat(), link("d", DATASET)]));
    out.resize(49152, 0);
    out.extend(dataset);
    out.resize(65536, 0);
    out.extend(heap);
    out
}

fn nothing() -> Vec<u8> {
    object(&[])
}

fn rules(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

#[track_caller]
fn harmful(bytes: Vec<u8>) -> Report {
    let report = judge("table.h5", bytes);
    assert_eq!(report.verdict, Verdict::Malicious, "{:?}", report.findings);
    report
}

#[track_caller]
fn clean(bytes: Vec<u8>) {
    let report = judge("table.h5", bytes);
    assert_eq!(report.verdict, Verdict::Clean, "{:?} {:?}", report.findings, report.coverage);
}

#[test]
fn a_pickle_in_the_heap_is_found_whoever_points_there() {
    let (one, two) = (heap(&[(1, PICKLE)]), heap(&[(1, HARMLESS), (2, b"a text")]));
    for kind in [lists(), structure()] {
        harmful(file(&[], &chunked(&kind), &one));
        clean(file(&[], &chunked(&kind), &two));
    }
    let compact = |pointers: &[u8]| [&[3, 0][..], &[u8::try_from(pointers.len()).unwrap_or(0), 0], pointers].concat();
    let pointer = pointer(PICKLE.len(), 1);
    harmful(file(&[], &dataset(&lists(), 1, &compact(&pointer)), &one));
    harmful(file(&[], &dataset(&structure(), 1, &compact(&pointer)), &one));
    harmful(file(&[attribute("a", &lists(), 1, &pointer)], &nothing(), &one));
    harmful(file(&[attribute("a", &structure(), 1, &pointer)], &nothing(), &one));
}

#[test]
fn the_hundredth_text_counts_as_much_as_the_first() {
    let mut objects: Vec<(u16, &[u8])> = (1..100).map(|number| (number, &b"a text"[..])).collect();
    let pointers: Vec<u8> = (1..=100).flat_map(|number| pointer(6, number)).collect();
    objects.push((100, PICKLE));
    harmful(file(&[attribute("a", &lists(), 100, &pointers)], &nothing(), &heap(&objects)));
    objects.pop();
    objects.push((100, HARMLESS));
    clean(file(&[attribute("a", &lists(), 100, &pointers)], &nothing(), &heap(&objects)));
}

#[test]
fn two_objects_of_one_number_are_both_judged() {
    for objects in [[(1, PICKLE), (1, HARMLESS)], [(1, HARMLESS), (1, PICKLE)]] {
        let bytes = file(&[attribute("a", &lists(), 1, &pointer(9, 1))], &nothing(), &heap(&objects));
        assert!(rules(&harmful(bytes)).contains(&"WB-H5-002"));
    }
    let config = br#"{"class_name":"Lambda","config":{}}"#;
    for objects in [[(1, &config[..]), (1, b"{}")], [(1, b"{}"), (1, config)]] {
        let bytes = file(&[attribute("model_config", &lists(), 1, &pointer(9, 1))], &nothing(), &heap(&objects));
        assert!(rules(&harmful(bytes)).contains(&"WB-KER-001"));
    }
}

#[test]
fn free_space_does_not_end_a_heap() {
    let objects: [(u16, &[u8]); 3] = [(1, HARMLESS), (0, &[0; 16]), (2, PICKLE)];
    harmful(file(&[attribute("a", &lists(), 1, &pointer(9, 2))], &nothing(), &heap(&objects)));
}

#[test]
fn the_oldest_pickles_are_known_by_what_they_do() {
    let text = |length: usize| [&[0x13, 0, 0, 0][..], &u32::try_from(length).unwrap_or(0).to_le_bytes()].concat();
    for front in ["", "N0", "]0", "}0", "(0", "I1\n0", "\u{88}0"] {
        let mut pickle: Vec<u8> = front.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(0)).collect();
        pickle.extend(PICKLE);
        pickle.extend([0, 0]);
        harmful(file(&[attribute("a", &text(pickle.len()), 1, &pickle)], &nothing(), &heap(&[])));
    }
    for words in ["Counts of cells.", "cat", "(see below).", "I1\n.", "N.", "VLSPADKTNVKAAW", "no\nlines\nat all."] {
        clean(file(&[attribute("a", &text(words.len()), 1, words.as_bytes())], &nothing(), &heap(&[])));
    }
}

#[test]
fn a_heap_is_read_once_for_many_pointers() {
    let objects: Vec<(u16, &[u8])> = (1..120).map(|number| (number, &b"a text"[..])).collect();
    let pointers: Vec<u8> = (60..120).flat_map(|number| pointer(6, number)).collect();
    let many = vec![attribute("a", &lists(), 60, &pointers); 25];
    let bytes = file(&many, &nothing(), &heap(&objects));
    let limits = Limits { steps: 20_000, ..Limits::default() };
    let outcome = scan("table.h5", Arc::new(Bytes::from(bytes)), &limits, None);
    let Outcome::Judged(report) = outcome else { unreachable!("all of it is here") };
    assert_eq!(report.verdict, Verdict::Clean, "{:?}", report.findings);
}

#[test]
fn a_pickle_written_as_numbers_or_too_large_to_be_held_is_one_all_the_same() {
    let bytes_kind = [0x10, 8, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0];
    let compact = |data: &[u8]| [&[3, 0][..], &[u8::try_from(data.len()).unwrap_or(0), 0], data].concat();
    let count = PICKLE.len() as u64;
    harmful(file(&[], &dataset(&bytes_kind, count, &compact(PICKLE)), &heap(&[])));
    harmful(file(&[attribute("a", &bytes_kind, count, PICKLE)], &nothing(), &heap(&[])));
    clean(file(&[], &dataset(&bytes_kind, 9, &compact(b"\x80\x02pixels.")), &heap(&[])));
    // Five million bytes in one.
    let size = 5_000_000_u32;
    let opaque = [&[0x15, 0, 0, 0][..], &size.to_le_bytes()].concat();
    let layout = [&[3, 1][..], &(HEAP + 4096).to_le_bytes(), &u64::from(size).to_le_bytes()].concat();
    let mut bytes = file(&[], &dataset(&opaque, 1, &layout), &heap(&[]));
    bytes.extend(b"\x80\x02B");
    bytes.extend((size - 40).to_le_bytes());
    bytes.resize(bytes.len() + 4_999_960, 1);
    bytes.extend(b"0");
    bytes.extend(PICKLE);
    bytes.resize(65536 + 4096 + 5_000_000, 0);
    let end = bytes.len() as u64;
    bytes[28..36].copy_from_slice(&end.to_le_bytes());
    harmful(bytes);
}

#[test]
fn an_attribute_of_nothing_is_nothing() {
    let mut none = attribute("a", &lists(), 1, &[]);
    // The space's last kind: there is no element. Its dimensions are gone with it.
    let at = none.len() - 9;
    none[at] = 2;
    none[at - 2] = 0;
    clean(file(&[none], &nothing(), &heap(&[])));
}

#[test]
fn a_text_is_a_config_by_what_it_says() {
    let lambda = br#"[{"class_name":"Lambda","config":{"function":["4wEA",null,null]}}]"#;
    assert!(rules(&harmful(file(&[], &chunked(&lists()), &heap(&[(1, lambda)])))).contains(&"WB-KER-001"));
    let texts: [&[u8]; 4] = [
        br#"{"nodes":[{"class_name":"TextNode","config":{}}]}"#,
        b"[a list of class_name, but no JSON]",
        br"{no JSON \u00e9}",
        br#"{"class_name":"cat"}"#,
    ];
    for text in texts {
        clean(file(&[], &chunked(&lists()), &heap(&[(1, text)])));
    }
}
