//! Where a tensor can sit, and how its path can be written.

#![allow(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use crate::{Limits, Neighbours, Outcome, Report, scan};

fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    let mut varint = |mut value: u64| {
        while value > 0x7f {
            out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        out.push(u8::try_from(value).unwrap());
    };
    varint(number << 3 | 2);
    varint(content.len() as u64);
    out.extend_from_slice(content);
    out
}

fn tensor(location: &str) -> Vec<u8> {
    let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
    [b"\x08\x04\x10\x01".to_vec(), field(8, b"w"), field(13, &entry)].concat()
}

fn model(graph: &[u8], more: &[u8]) -> Vec<u8> {
    let graph = [graph.to_vec(), field(2, b"g")].concat();
    [b"\x08\x09".to_vec(), field(7, &graph), field(8, b"\x0a\x00\x10\x12"), more.to_vec()].concat()
}

fn judge(bytes: Vec<u8>) -> Report {
    let neighbours = Neighbours::from([("w.bin".to_owned(), 16)]);
    match scan("model.onnx", Arc::new(bytes::Bytes::from(bytes)), &Limits::default(), Some(&neighbours)) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn escapes(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.rule.id == "WB-ONX-001")
}

#[test]
fn a_tensor_is_found_wherever_it_sits() {
    let bad = tensor("../secret");
    let node = |attribute: &[u8]| field(1, &[field(4, b"Op"), field(5, attribute)].concat());
    let sub = |graph: &[u8]| [field(1, b"a"), field(6, graph)].concat();
    let in_sparse = [field(1, &tensor("w.bin")), field(2, &bad)].concat();
    let places = [
        ("an initializer", model(&field(5, &bad), &[])),
        ("a sparse initializer", model(&field(15, &in_sparse), &[])),
        ("an attribute", model(&node(&field(5, &bad)), &[])),
        ("a list of tensors", model(&node(&field(10, &bad)), &[])),
        ("a sparse attribute", model(&node(&field(22, &in_sparse)), &[])),
        ("sparse attributes", model(&node(&field(23, &in_sparse)), &[])),
        ("a subgraph", model(&node(&sub(&field(5, &bad))), &[])),
        ("a subgraph's node", model(&node(&sub(&node(&field(5, &bad)))), &[])),
        ("subgraphs", model(&node(&field(11, &field(5, &bad))), &[])),
        ("a function", model(&[], &field(25, &field(7, &[field(4, b"Op"), field(5, &field(5, &bad))].concat())))),
        ("a function's default", model(&[], &field(25, &field(11, &field(5, &bad))))),
        ("training", model(&[], &field(20, &field(2, &field(5, &bad))))),
        ("a second graph", model(&[], &field(7, &field(5, &bad)))),
    ];
    for (place, bytes) in places {
        assert!(escapes(&judge(bytes)), "{place}");
    }
}

#[test]
fn a_path_is_judged_by_its_text() {
    for bad in ["/etc/passwd", "a/../../b", "C:\\x", "a\\b", "w.bin\0", "file://x", "~/x", "d:", ".. "] {
        assert!(escapes(&judge(model(&field(5, &tensor(bad)), &[]))), "{bad:?}");
    }
    for fine in ["w.bin", "./w.bin"] {
        let report = judge(model(&field(5, &tensor(fine)), &[]));
        assert!(report.findings.is_empty(), "{fine}: {:?}", report.findings);
    }
}

#[test]
fn deep_graphs_cost_no_stack() {
    let mut graph = field(2, b"g");
    for _ in 0..3000 {
        let attribute = field(6, &graph);
        graph = field(1, &[field(4, b"If"), field(5, &attribute)].concat());
    }
    assert!(!escapes(&judge(model(&graph, &[]))));
}

#[test]
fn a_function_of_the_model_stands_for_itself_and_no_other_operation_of_its_domain() {
    let node = |name: &str, overload: &str| {
        let overload = if overload.is_empty() { vec![] } else { field(8, overload.as_bytes()) };
        field(1, &[field(4, name.as_bytes()), field(7, b"x.example"), overload].concat())
    };
    let function = |name: &str| field(25, &[field(1, name.as_bytes()), field(10, b"x.example")].concat());
    let unknown = |report: &Report| report.findings.iter().any(|finding| finding.rule.id == "WB-ONX-004");
    assert!(!unknown(&judge(model(&node("Own", ""), &function("Own")))));
    assert!(unknown(&judge(model(&[node("Own", ""), node("Native", "")].concat(), &function("Own")))));
    assert!(unknown(&judge(model(&node("Own", "other"), &function("Own")))), "another overload is another function");
}
