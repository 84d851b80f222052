//! Tables that somebody can read, compared with the ones that somebody has read.
//!
//! Never accepts a change by itself: the new table is laid beside, and a person puts it in.

use std::{fmt::Write, fs, path::Path};

pub fn compare(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/golden").join(name);
    let golden = fs::read_to_string(&path).unwrap_or_default();
    if golden == actual {
        return;
    }
    let aside = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&aside, actual).unwrap();
    let (before, after): (Vec<&str>, Vec<&str>) = (golden.lines().collect(), actual.lines().collect());
    let mut changes = String::new();
    for line in before.iter().filter(|line| !after.contains(line)) {
        let _ = writeln!(changes, "- {line}");
    }
    for line in after.iter().filter(|line| !before.contains(line)) {
        let _ = writeln!(changes, "+ {line}");
    }
    panic!("{name} is another one now; if that is right, copy {} there by hand:\n{changes}", aside.display());
}

/// Without what differs from run to run: given texts become given words, our ids `<id>`, commits `<commit>`, UUIDs
/// `<uuid>`.
pub fn normal(text: &str, known: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in known {
        text = text.replace(from, to);
    }
    let mut normal = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || (c == '-' && could_be_uuid(&word)) {
            word.push(c);
        } else {
            normal.push_str(stands_for(&word).unwrap_or(&word));
            word.clear();
            normal.push(c);
        }
    }
    normal.pop();
    normal
}

fn could_be_uuid(word: &str) -> bool {
    let groups = [8, 13, 18, 23];
    groups.contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn stands_for(word: &str) -> Option<&'static str> {
    let is = |len: usize, fits: fn(u8) -> bool| word.len() == len && word.bytes().all(fits);
    if is(26, |b| b.is_ascii_digit() || b.is_ascii_uppercase()) {
        Some("<id>")
    } else if is(40, |b| b.is_ascii_hexdigit()) {
        Some("<commit>")
    } else if is(36, |b| b.is_ascii_hexdigit() || b == b'-') {
        Some("<uuid>")
    } else {
        None
    }
}
