//! Every rule has a page, a bad case, a good case and a snapshot of what is said of the bad one.
//!
//! `docs/WB-….md`, `tests/rules/WB-…/bad/`, `…/good/`, `…/snapshot.txt`. UPDATE_SNAPSHOTS=1 writes the snapshots; read them
//! before they are committed, as the people will who get to see them.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use weighbridge_scanners::{FileSource, Limits, Neighbours, Outcome, Report, Rule, rules, scan};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn reports(folder: &Path) -> Vec<Report> {
    let all = files(folder);
    let name = |path: &Path| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
    let neighbours: Neighbours = all.iter().map(|path| (name(path), fs::metadata(path).unwrap().len())).collect();
    let limits = Limits::default();
    all.iter()
        .map(|path| match scan(&name(path), Arc::new(FileSource::open(path).unwrap()), &limits, Some(&neighbours)) {
            Outcome::Judged(report) => *report,
            Outcome::Needs(_) => panic!("{} is all here", path.display()),
        })
        .collect()
}

fn snapshot(reports: &[Report]) -> String {
    reports.iter().fold(String::new(), |mut text, report| {
        writeln!(text, "{} · {} · {}", report.path, report.format, report.verdict.word()).unwrap();
        for finding in &report.findings {
            writeln!(text, "  {} {}\n    {}", finding.rule.id, finding.place, finding.message).unwrap();
        }
        text
    })
}

fn saw(reports: &[Report], rule: &Rule) -> bool {
    reports.iter().flat_map(|report| &report.findings).any(|finding| finding.rule.id == rule.id)
}

/// What is missing or wrong of one rule's four things.
fn faults(rule: &'static Rule) -> Vec<String> {
    let mut wrong = page_faults(rule);
    let folder = here().join("tests/rules").join(rule.id);
    let (bad, good) = (reports(&folder.join("bad")), reports(&folder.join("good")));
    if bad.is_empty() || !saw(&bad, rule) {
        wrong.push(format!("{}: no bad case that it finds", rule.id));
    }
    if good.is_empty() || saw(&good, rule) {
        wrong.push(format!("{}: no good case that it leaves alone", rule.id));
    }
    let (path, now) = (folder.join("snapshot.txt"), snapshot(&bad));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() && !bad.is_empty() {
        fs::write(&path, &now).unwrap();
    }
    if fs::read_to_string(&path).unwrap_or_default() != now || now.is_empty() {
        wrong.push(format!("{}: the snapshot says something else. Now:\n{now}", rule.id));
    }
    wrong
}

fn page_faults(rule: &Rule) -> Vec<String> {
    let page = fs::read_to_string(here().join("docs").join(format!("{}.md", rule.id))).unwrap_or_default();
    let severity = format!("{:?}", rule.severity).to_lowercase();
    let cwes: Vec<String> = rule.cwe.iter().map(|number| format!("CWE-{number}")).collect();
    let atlas = if rule.atlas.is_empty() { String::new() } else { format!(" · {}", rule.atlas) };
    let wanted = [
        format!("# {} · {}\n", rule.id, rule.title),
        format!("\nSeverity: {severity} · {}{atlas}\n", cwes.join(", ")),
        "\n## What we saw\n".into(),
        "\n## Why it matters\n".into(),
        "\n## Example\n".into(),
        "\n## What to do\n".into(),
    ];
    let lacking = wanted.iter().filter(|part| !page.contains(part.as_str()));
    lacking.map(|part| format!("{}: its page lacks {:?}", rule.id, part.trim())).collect()
}

#[test]
fn every_rule_has_a_page_a_bad_case_a_good_case_and_a_snapshot() {
    let only = std::env::var("ONLY_RULES").unwrap_or_default();
    let wrong: Vec<String> =
        rules::ALL.iter().filter(|rule| rule.id.contains(&only)).flat_map(|rule| faults(rule)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The list of pages, as people find it.
fn index() -> String {
    let mut text = String::from(
        "# Rules\n\nWhat the scanner looks for, a page each. The severity is how bad it is where it is true; the verdict is what it\n\
         makes of a file by itself: a note changes nothing. This list is written by a test (`UPDATE_SNAPSHOTS=1`).\n\n\
         | Rule | What was seen | Severity | Verdict |\n|---|---|---|---|\n",
    );
    for rule in rules::ALL {
        let words = [format!("{:?}", rule.severity), format!("{:?}", rule.weight)].map(|word| word.to_lowercase());
        writeln!(text, "| [{0}]({0}.md) | {1} | {2} | {3} |", rule.id, rule.title, words[0], words[1]).unwrap();
    }
    text
}

#[test]
fn the_list_of_pages_is_whole() {
    let path = here().join("docs/README.md");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, index()).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), index(), "docs/README.md is not what the table says");
}

#[test]
fn every_page_and_case_belongs_to_a_rule() {
    let known = |id: &str| id == "README.md" || rules::ALL.iter().any(|rule| rule.id == id.trim_end_matches(".md"));
    let strays: Vec<_> = ["docs", "tests/rules"]
        .iter()
        .flat_map(|folder| fs::read_dir(here().join(folder)).into_iter().flatten())
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !known(name))
        .collect();
    assert!(strays.is_empty(), "belongs to no rule: {strays:?}");
}

/// A reader that nobody fuzzes would be the one that breaks.
#[test]
fn every_reader_is_fuzzed() {
    let listed = fs::read_to_string(here().join("fuzz/readers.txt")).unwrap();
    let listed: Vec<&str> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(format, _)| format)
        .collect();
    let missing: Vec<_> = weighbridge_scanners::formats().filter(|format| !listed.contains(format)).collect();
    assert!(missing.is_empty(), "not in fuzz/readers.txt: {missing:?}");
    let strays: Vec<_> =
        listed.iter().filter(|name| **name != "any" && !weighbridge_scanners::formats().any(|f| f == **name)).collect();
    assert!(strays.is_empty(), "in fuzz/readers.txt, and no format: {strays:?}");
}
