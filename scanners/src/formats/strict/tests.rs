//! Cut models: no reader falls over, and what has a beginning and an end of its own is never clean when it is cut.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;

use crate::{CoverageState, Limits, Outcome, Report, Verdict, scan};

fn judge(name: &str, bytes: impl Into<Bytes>) -> Report {
    match scan(name, Arc::new(bytes.into()), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn good(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules").join(path)).unwrap()
}

#[test]
fn a_cut_model_is_never_clean() {
    for path in [
        "WB-TFL-001/good/model.tflite",
        "WB-RDS-001/good/frame.rds",
        "WB-RDS-002/good/formula.rds",
        "WB-MSG-001/good/flax_model.msgpack",
        "WB-TRE-001/good/model.ubj",
        "WB-TRE-001/good/xgboost.json",
        "WB-OVN-001/good/model.xml",
        "WB-XML-001/good/model.pmml",
    ] {
        let whole = good(path);
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(judge(name, whole.clone()).verdict, Verdict::Clean, "{path}");
        // Shorter it is recognised as nothing; a flatbuffer is filled up at its end.
        let filled = if name.ends_with(".tflite") { 16 } else { 1 };
        for cut in 12..whole.len() - filled {
            let report = judge(name, whole[..cut].to_vec());
            assert_ne!(report.verdict, Verdict::Clean, "{path} cut at {cut}");
        }
    }
}

/// A protobuf that is cut between two fields is whole; anywhere else it is broken.
#[test]
fn a_cut_protobuf_is_whole_or_broken() {
    for path in [
        "WB-TFM-001/good/saved_model.pb",
        "WB-TFM-003/good/frozen.pb",
        "WB-ONX-004/good/model.onnx",
        "WB-CML-001/good/model.mlmodel",
        "WB-PDL-001/good/model.pdmodel",
    ] {
        let whole = good(path);
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(judge(name, whole.clone()).verdict, Verdict::Clean, "{path}");
        for cut in 1..whole.len() {
            let report = judge(name, whole[..cut].to_vec());
            let complete = report.coverage.state == CoverageState::Complete;
            assert!(complete || report.verdict != Verdict::Clean, "{path} cut at {cut}");
        }
    }
}

#[test]
fn changed_bytes_cost_no_panic() {
    for path in ["WB-TFL-001/good/model.tflite", "WB-RDS-001/good/frame.rds", "WB-MSG-001/good/flax_model.msgpack"] {
        let whole = good(path);
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                judge(path.rsplit('/').next().unwrap(), changed);
            }
        }
    }
}
