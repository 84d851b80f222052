//! The sandbox with real children: what comes back from them, and what becomes of those that misbehave.

#![allow(clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

mod attacks;
mod believing;
mod misbehaving;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use weighbridge_scanners::{CoverageState, Neighbours, Outcome, Report, Verdict, scan};

use super::{
    Child, Ended, Limits, ScanTrouble, Scanned, Subject,
    testing::{Given, sandbox},
};

/// Scans bytes that are in memory.
async fn scanned(child: &mut Child, name: &str, bytes: &[u8], here: bool) -> Scanned {
    let mut supply = Given::all(Bytes::copy_from_slice(bytes));
    let subject = Subject { name, size: bytes.len() as u64, here };
    may_move(child.scan(subject, &mut supply)).await.expect("nothing but the child can fail")
}

/// Workers scan in tasks that move between threads.
fn may_move<F: Future + Send>(scan: F) -> F {
    scan
}

const EVIL: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";

#[tokio::test]
async fn every_case_of_the_scanner_is_reported_as_without_a_child() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scanners/tests/rules");
    let mut folders: Vec<PathBuf> = vec![root];
    let (mut seen, mut formats) = (0, std::collections::BTreeSet::new());
    while let Some(folder) = folders.pop() {
        let entries: Vec<_> =
            std::fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
        folders.extend(entries.iter().filter(|path| path.is_dir()).cloned());
        let files: Vec<_> =
            entries.into_iter().filter(|path| path.is_file() && !path.ends_with("snapshot.txt")).collect();
        let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        let size = |path: &Path| std::fs::metadata(path).expect("it is there").len();
        let neighbours: Neighbours = files.iter().map(|path| (name(path), size(path))).collect();
        if files.is_empty() {
            continue;
        }
        let mut child = sandbox(Limits::default()).begin(Some(neighbours.clone())).await.expect("it begins");
        for file in files {
            let bytes = Bytes::from(std::fs::read(&file).expect("it can be read"));
            let expected = alone(&name(&file), &bytes, &neighbours);
            for here in [true, false] {
                let got = scanned(&mut child, &name(&file), &bytes, here).await;
                assert_eq!(got.ended, Ended::Judged, "{}", file.display());
                assert_eq!(json(&got.report), json(&expected), "{}", file.display());
                assert_eq!(got.report.coverage.extents, expected.coverage.extents, "{}", file.display());
            }
            formats.insert(expected.format);
            seen += 1;
        }
    }
    assert!(seen > 200 && formats.len() > 20, "{seen} files of {formats:?}");
}

fn alone(name: &str, bytes: &Bytes, neighbours: &Neighbours) -> Report {
    match scan(name, Arc::new(bytes.clone()), &weighbridge_scanners::Limits::default(), Some(neighbours)) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(ranges) => panic!("all of it is here, and it needs {ranges:?}"),
    }
}

fn json(report: &Report) -> serde_json::Value {
    serde_json::to_value(report).expect("a report is JSON")
}

#[tokio::test]
async fn only_what_the_child_asked_for_is_given_and_told() {
    let mut child = sandbox(Limits::default()).begin(None).await.expect("it begins");
    let header = br#"{"weight":{"dtype":"F32","shape":[4194304],"data_offsets":[0,16777216]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.resize(file.len() + (16 << 20), 7);
    let got = scanned(&mut child, "model.safetensors", &file, false).await;
    assert_eq!((got.ended, got.report.verdict), (Ended::Judged, Verdict::Clean), "{:?}", got.report);
    assert_eq!(got.report.coverage.state, CoverageState::Complete);
    assert_eq!(got.report.facts.tensors.len(), 1);
    let given: u64 = got.asked.iter().map(|range| range.end - range.start).sum();
    assert!(given < 1 << 20, "{:?}", got.asked);
    assert!(got.asked.first().is_some_and(|range| range.start == 0), "{:?}", got.asked);
    // A file of no bytes needs none.
    let nothing = scanned(&mut child, "empty.txt", b"", false).await;
    assert_eq!((nothing.ended, nothing.asked.len()), (Ended::Judged, 0));
}

/// A pickle goes through its file window by window, and each round reads all before it again.
#[tokio::test]
async fn what_is_read_from_end_to_end_is_not_asked_for_in_small_steps() {
    let list = [b"](".as_slice(), &b"G@\x00\x00\x00\x00\x00\x00\x00".repeat(1000), b"e0"].concat();
    let pickle = Bytes::from([b"\x80\x04".as_slice(), &list.repeat(1100), b"N."].concat());
    let expected = alone("model.pkl", &pickle, &Neighbours::new());
    assert_eq!(expected.coverage.state, CoverageState::Complete);
    let mut child = sandbox(Limits::default()).begin(Some(Neighbours::new())).await.expect("it begins");
    for here in [true, false] {
        let mut supply = Given::all(pickle.clone());
        let subject = Subject { name: "model.pkl", size: pickle.len() as u64, here };
        let got = child.scan(subject, &mut supply).await.expect("nothing but the child can fail");
        assert_eq!((got.ended, json(&got.report)), (Ended::Judged, json(&expected)), "{here}");
        assert!(supply.requests < 50, "{here}: {} requests", supply.requests);
    }
}

#[tokio::test]
async fn hostile_files_are_judged_or_stopped_and_the_next_file_is_read() {
    let mut child = sandbox(Limits::default()).begin(None).await.expect("it begins");
    let mut lying = (1_u64 << 63).to_le_bytes().to_vec();
    lying.extend_from_slice(b"{}");
    let deep = [b"\x80\x04".as_slice(), &b"]".repeat(1 << 20), &b"a".repeat((1 << 20) - 1), b"."].concat();
    let nested = [b"{\"a\":".repeat(200_000), b"1".to_vec(), b"}".repeat(200_000)].concat();
    let python = [b"x = ".to_vec(), b"(".repeat(100_000), b")".repeat(100_000)].concat();
    let bomb = std::fs::read(bomb()).expect("the scanner's own case");
    for (name, bytes, clean) in [
        ("model.safetensors", lying, false),
        ("deep.pkl", deep, false),
        ("config.json", nested, false),
        ("modeling.py", python, false),
        ("bomb.zip", bomb, false),
        ("plain.txt", b"plain words\n".to_vec(), true),
    ] {
        for here in [true, false] {
            let got = scanned(&mut child, name, &bytes, here).await;
            assert_eq!(got.ended, Ended::Judged, "{name}: {:?}", got.report.coverage.reason);
            assert_eq!(got.report.verdict == Verdict::Clean, clean, "{name}: {:?}", got.report.verdict);
        }
    }
    let evil = scanned(&mut child, "evil.pkl", EVIL, true).await;
    assert_eq!(evil.report.verdict, Verdict::Malicious);
}

fn bomb() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scanners/tests/rules/WB-ZIP-009/bad");
    let mut files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    files.find(|path| path.is_file()).expect("a bad case")
}

#[tokio::test]
async fn trouble_with_the_supply_is_handed_back_and_the_next_file_is_read() {
    let mut child = sandbox(Limits::default()).begin(None).await.expect("it begins");
    for here in [true, false] {
        let subject = Subject { name: "model.pkl", size: EVIL.len() as u64, here };
        let mut supply = Given { most: 0, ..Given::all(EVIL) };
        let Err(ScanTrouble::Supply(trouble)) = child.scan(subject, &mut supply).await else {
            panic!("it has no bytes")
        };
        assert_eq!(trouble, "the hub is gone");
        // Bytes that were not asked for are no bytes of this file.
        let mut short = Given::all(EVIL);
        let Err(ScanTrouble::Broken(fault)) = child.scan(subject, &mut Short(&mut short)).await else {
            panic!("it has the wrong bytes")
        };
        assert!(fault.to_string().contains("other bytes came than were asked for"), "{fault}");
        assert_eq!(scanned(&mut child, "model.pkl", EVIL, here).await.report.verdict, Verdict::Malicious);
    }
}

/// Gives one byte less than is asked for.
struct Short<'a>(&'a mut Given);

impl super::Supply for Short<'_> {
    type Trouble = String;

    async fn ranges(&mut self, ranges: &[std::ops::Range<u64>]) -> Result<Vec<Bytes>, String> {
        let pieces = self.0.ranges(ranges).await?;
        Ok(pieces.into_iter().map(|piece| piece.slice(..piece.len() - 1)).collect())
    }
}
