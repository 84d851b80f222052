//! Hundreds of files made by the real libraries, benign and malicious: what is flagged, what is not, by family.
//!
//! The files are made by `tests/cases/make` (`tests/run` does it) and named by WEIGHBRIDGE_TEST_CASES.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use weighbridge_scanners::{CoverageState, FileSource, Limits, Neighbours, Outcome, Report, Verdict, scan};

/// One made file and what a person would say of it.
pub(crate) struct Case {
    pub(crate) path: String,
    pub(crate) file: PathBuf,
    pub(crate) family: String,
    pub(crate) expect: String,
    pub(crate) complete: bool,
    pub(crate) note: String,
}

/// Every made file.
pub(crate) fn all() -> Vec<Case> {
    let folder = std::env::var("WEIGHBRIDGE_TEST_CASES")
        .expect("WEIGHBRIDGE_TEST_CASES names the folder that scanners/tests/cases/make wrote; tests/run sets it");
    let folder = Path::new(&folder);
    let manifest = fs::read_to_string(folder.join("manifest.jsonl")).expect("the folder holds a manifest");
    let word = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let mut seen = BTreeSet::new();
    manifest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line of the manifest is JSON"))
        .map(|line| Case {
            file: folder.join(word(&line, "path")),
            path: word(&line, "path"),
            family: word(&line, "family"),
            expect: word(&line, "expect"),
            complete: line["complete"].as_bool().unwrap_or(false),
            note: word(&line, "note"),
        })
        .inspect(|case| assert!(seen.insert(case.path.clone()), "{} is there twice", case.path))
        .collect()
}

/// The case's own folder is the repository: `family/case/…`.
pub(crate) fn repository(case: &Case) -> (String, Neighbours) {
    let parts: Vec<&str> = case.path.splitn(3, '/').collect();
    let name = parts.last().map(|name| (*name).to_owned()).unwrap_or_default();
    let root = case.file.ancestors().nth(name.split('/').count()).expect("a case has a folder").to_owned();
    let (mut neighbours, mut folders) = (Neighbours::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match fs::metadata(&path) {
                Ok(about) if about.is_dir() => folders.push(path),
                Ok(about) => {
                    let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                    neighbours.insert(name, about.len());
                }
                Err(_) => {}
            }
        }
    }
    (name, neighbours)
}

/// What the scanner says of a case.
pub(crate) fn report(case: &Case) -> Report {
    let (name, neighbours) = repository(case);
    let source = FileSource::open(&case.file).unwrap_or_else(|error| panic!("{}: {error}", case.path));
    match scan(&name, Arc::new(source), &Limits::default(), Some(&neighbours)) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("{} is all here", case.path),
    }
}

#[derive(Default)]
struct Row {
    benign: usize,
    called_malicious: usize,
    flagged: usize,
    incomplete: usize,
    harmful: usize,
    caught: usize,
}

#[test]
fn what_harms_is_flagged_and_what_does_not_is_left_alone() {
    let cases = all();
    let (mut rows, mut wrong) = (BTreeMap::<String, Row>::new(), Vec::new());
    for case in &cases {
        let report = report(case);
        let row = rows.entry(case.family.clone()).or_default();
        let flagged = report.verdict >= Verdict::Suspicious;
        let seen: BTreeSet<&str> = report.findings.iter().map(|finding| finding.rule.id).collect();
        if case.expect == "benign" {
            row.benign += 1;
            row.called_malicious += usize::from(report.verdict == Verdict::Malicious);
            row.flagged += usize::from(flagged);
            let incomplete = case.complete && report.coverage.state != CoverageState::Complete;
            row.incomplete += usize::from(incomplete);
            if flagged || incomplete {
                let why = report.coverage.reason.unwrap_or_default();
                wrong.push(format!("{} is benign ({}): {:?} {seen:?} {why}", case.path, case.note, report.verdict));
            }
        } else {
            row.harmful += 1;
            row.caught += usize::from(flagged);
            if !flagged {
                wrong.push(format!("{} is {} ({}): {:?}", case.path, case.expect, case.note, report.verdict));
            }
        }
    }
    let sum = |what: fn(&Row) -> usize| rows.values().map(what).sum::<usize>();
    let (benign, harmful) = (sum(|row| row.benign), sum(|row| row.harmful));
    println!(
        "{:<22} {:>7} {:>10} {:>8} {:>11} {:>8} {:>7}",
        "family", "benign", "malicious!", "flagged", "incomplete", "harmful", "caught"
    );
    for (family, row) in &rows {
        println!(
            "{family:<22} {:>7} {:>10} {:>8} {:>11} {:>8} {:>7}",
            row.benign, row.called_malicious, row.flagged, row.incomplete, row.harmful, row.caught
        );
    }
    let (called, flagged, caught) = (sum(|r| r.called_malicious), sum(|r| r.flagged), sum(|r| r.caught));
    println!(
        "{:<22} {benign:>7} {called:>10} {flagged:>8} {:>11} {harmful:>8} {caught:>7}",
        "all",
        sum(|r| r.incomplete)
    );
    println!("{}", wrong.join("\n"));
    assert!(benign >= 300 && harmful >= 400, "too few cases: {benign} benign, {harmful} harmful");
    assert!(caught * 100 >= harmful * 99, "{caught} of {harmful} harmful files were flagged");
    assert_eq!(called, 0, "benign files were called malicious");
    assert!(flagged * 100 <= benign * 5, "{flagged} of {benign} benign files were flagged");
    assert_eq!(sum(|row| row.incomplete), 0, "ordinary files were not looked at completely");
}
