//! What the gateway believes of a report, and what it does not.

use serde_json::{Value, json};
use weighbridge_scanners::{CoverageState, TensorFact, Verdict};

use crate::sandbox::{child::written, frame::Kind, unjudged, wire};

/// A report that holds together: three bytes, all inspected, nothing found.
fn clean() -> Value {
    json!({
        "report": {
            "path": "a.bin", "format": "text", "verdict": "clean", "findings": [],
            "coverage": { "state": "complete", "inspected": 3, "inert": 0, "unscanned": 0 },
            "facts": {},
        },
        "extents": [[0, 3, "inspected"]],
        "places": [],
    })
}

fn read(told: &Value) -> Result<weighbridge_scanners::Report, String> {
    wire::read(told.to_string().as_bytes(), "a.bin", 3)
}

#[test]
fn a_report_that_holds_together_is_read() {
    assert_eq!(read(&clean()).expect("it holds").verdict, Verdict::Clean);
    let written = wire::write(&unjudged("a.bin", 3, "nobody looked")).expect("it is JSON");
    let back = wire::read(&written, "a.bin", 3).expect("it is ours");
    assert_eq!((back.verdict, back.coverage.unscanned), (Verdict::Unjudged, 3));
}

#[test]
fn a_report_that_does_not_is_none() {
    let finding = |rule: &str, place: &str, message: &str| json!([{ "rule": rule, "severity": "info", "place": place, "message": message }]);
    let evil = "WB-PKL-001";
    for (at, value) in [
        // A clean word over a finding that is none, over bytes that nobody saw, over another size, over another file.
        ("/report/findings", finding(evil, "a.bin@0", "it runs")),
        ("/extents", json!([[0, 3, "unscanned"]])),
        ("/extents", json!([[0, 2, "inspected"]])),
        ("/extents", json!([[0, 4, "inspected"]])),
        ("/extents", json!([[0, 2, "inspected"], [1, 3, "inspected"]])),
        ("/extents", json!([[2, 1, "inspected"]])),
        ("/extents", json!([])),
        ("/report/coverage/inspected", json!(4)),
        ("/report/coverage/unscanned", json!(u64::MAX)),
        ("/report/coverage/reason", json!("but not all")),
        ("/report/coverage/state", json!("incomplete")),
        ("/report/path", json!("b.bin")),
        ("/report/verdict", json!("malicious")),
        ("/report/verdict", json!("blessed")),
        ("/report/format", json!("")),
        ("/report/format", json!("text\u{1b}[31m")),
        ("/report/facts/made_up", json!(1)),
        ("/report/facts/globals", json!([{ "module": "os", "name": "system", "tier": "kind", "package": "os" }])),
        ("/made_up", json!(1)),
        ("/report/facts/archive_depth", json!(1000)),
        // A place of no tensor, and places that lie outside of the file or are told out of order.
        ("/places", json!([[0, 0, 1]])),
        ("/places", json!([[7, 3, 2]])),
    ] {
        let mut told = clean();
        let (parent, key) = at.rsplit_once('/').expect("a pointer");
        told.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").insert(key.into(), value.clone());
        assert!(read(&told).is_err(), "{at} = {value} was believed");
    }
    for (rule, place, message) in [
        ("WB-XXX-999", "a.bin@0", "no such rule"),
        (evil, "b.bin@0", "another file"),
        (evil, "a.bin.evil@0", "another file"),
        (evil, "a.bin", "no place"),
        (evil, "a.bin@-1", "no place"),
        (evil, "a.bin@0", "red \u{1b}[31m text"),
        (evil, "a.bin@0", &"long ".repeat(200)),
    ] {
        let mut told = clean();
        *told.pointer_mut("/report/verdict").expect("it is there") = json!("malicious");
        *told.pointer_mut("/report/findings").expect("it is there") = finding(rule, place, message);
        assert!(read(&told).is_err(), "{rule} at {place} was believed");
    }
    // Sums that fit stretches which do not fit the file.
    let mut told = clean();
    *told.pointer_mut("/extents").expect("it is there") = json!([[0, 2, "inspected"]]);
    *told.pointer_mut("/report/coverage/inspected").expect("it is there") = json!(2);
    assert!(read(&told).is_err(), "a file of three bytes is not two");
    assert!(wire::read(b"[[[[", "a.bin", 3).is_err());
}

#[test]
fn severity_is_the_tables_and_not_the_childs() {
    let mut told = clean();
    *told.pointer_mut("/report/verdict").expect("it is there") = json!("malicious");
    *told.pointer_mut("/report/findings").expect("it is there") =
        json!([{ "rule": "WB-PKL-001", "severity": "info", "place": "a.bin!b@7", "message": "it runs" }]);
    let report = read(&told).expect("it holds");
    let finding = report.findings.first().expect("a finding");
    assert_eq!(finding.severity, finding.rule.severity);
    assert_eq!((finding.place.path.as_str(), finding.place.offset), ("a.bin!b", 7));
}

#[test]
fn a_report_that_is_too_long_keeps_its_verdict() {
    let mut told = clean();
    *told.pointer_mut("/report/verdict").expect("it is there") = json!("malicious");
    *told.pointer_mut("/report/findings").expect("it is there") =
        json!([{ "rule": "WB-PKL-001", "severity": "critical", "place": "a.bin@7", "message": "it runs" }]);
    let mut malicious = read(&told).expect("it holds");
    let mut harmless = read(&clean()).expect("it holds");
    let tensor = TensorFact { name: "n".repeat(1000), dtype: "F32".into(), shape: Vec::new() };
    for (report, verdict) in [(&mut malicious, Verdict::Malicious), (&mut harmless, Verdict::Unjudged)] {
        report.facts.tensors = vec![tensor.clone(); 40_000];
        let written = written(report.clone(), 3).expect("it is JSON");
        assert!(written.len() <= Kind::Report.most());
        let back = wire::read(&written, "a.bin", 3).expect("it holds");
        assert_eq!((back.verdict, back.coverage.state), (verdict, CoverageState::Incomplete));
        assert!(back.coverage.reason.is_some_and(|why| why.contains("longer than 32 MiB")));
    }
}
