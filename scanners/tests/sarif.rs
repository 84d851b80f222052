//! The SARIF that is written is SARIF: it validates against the standard's own schema.

use std::sync::Arc;

use bytes::Bytes;
use weighbridge_scanners::{Limits, Outcome, Report, sarif, scan, unread};

fn judged(name: &str, bytes: &'static [u8]) -> Report {
    match scan(name, Arc::new(Bytes::from_static(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

#[test]
fn the_log_follows_the_standard() {
    // The standard's own pattern for languages has a bracket too many, which only lenient readers of patterns take.
    let text = include_str!("sarif-2.1.0.schema.json").replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}?$");
    let schema = serde_json::from_str(&text).unwrap();
    let schema = jsonschema::validator_for(&schema).expect("the schema is a schema");
    let reports = [
        judged("a folder/evil é.pkl", b"cos\nsystem\n(S'echo'\ntR."),
        judged("notes.txt", b"words and more words\n"),
        judged("blob.bin", &[0xfe, 0x13, 0x00, 0x9b, 0x44]),
        unread("locked.pt", "permission denied"),
    ];
    assert!(!reports[0].findings.is_empty());
    for some in [&reports[..], &reports[1..2], &[]] {
        let log = sarif(some);
        let wrong: Vec<String> =
            schema.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    let log = sarif(&reports);
    assert_eq!(
        log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "a%20folder/evil%20%C3%A9.pkl"
    );
    let rule = &log["runs"][0]["tool"]["driver"]["rules"][0];
    assert!(
        rule["help"]["markdown"].as_str().unwrap().contains(rule["id"].as_str().unwrap()),
        "each rule brings its page"
    );
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false, "a file could not be judged");
}

#[test]
fn a_name_that_is_no_text_is_written_byte_by_byte() {
    let report = judged("a\\xff\n.pkl", b"cos\nsystem\n(S'echo'\ntR.").with_raw_path(b"a\xff\n.pkl");
    let log = sarif(&[report]);
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(
        (place, &log["runs"][0]["artifacts"][0]["location"]["uri"]),
        (&"a%FF%0A.pkl".into(), &"a%FF%0A.pkl".into())
    );
}
