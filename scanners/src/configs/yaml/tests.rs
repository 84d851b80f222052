//! Odd streams, and what PyYAML 6 and libyaml make of them: each case was held against both.
#![allow(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use super::*;
use crate::{read::json::Kind, scan::Stop};

fn tags(text: &str) -> Vec<String> {
    readings(text, 10_000).unwrap().into_iter().flat_map(|document| document.tags).map(|tag| tag.name).collect()
}

fn text_of(text: &str, key: &str) -> Option<String> {
    let document = readings(text, 10_000).unwrap().into_iter().next().unwrap();
    let found = document.tree.all().find_map(|(id, _)| document.tree.get(id, key));
    found.and_then(|id| document.tree.text(id)).map(str::to_owned)
}

const SYSTEM: &str = "tag:yaml.org,2002:python/name:os.system";

#[test]
fn what_ends_a_line_for_pyyaml_ends_a_comment() {
    for mark in ['\u{85}', '\u{2028}', '\u{2029}'] {
        assert_eq!(tags(&format!("# a{mark}b: !!python/name:os.system\n")), [SYSTEM], "{mark:?}");
        assert_eq!(tags(&format!("a: 1 # x{mark}b: !!python/name:os.system\n")), [SYSTEM], "{mark:?}");
        assert_eq!(tags(&format!("a: |\n  text{mark}b: !!python/name:os.system\n")), [SYSTEM], "{mark:?}");
        assert_eq!(
            tags(&format!("%TAG !e! tag:yaml.org,2002:python/{mark}---{mark}!e!name:os.system x")).first().unwrap(),
            SYSTEM
        );
        // YAML 1.2 takes it for a letter.
        assert!(tags(&format!("? 'a{mark}'\n: !!python/name:os.system")).iter().all(|name| name == SYSTEM));
        assert!(tags(&format!("- x{mark}# c\n- !!python/name:os.system y")).contains(&SYSTEM.to_owned()));
    }
}

#[test]
fn handles_end_with_their_document_and_may_be_carried_on() {
    let two = "%TAG !! tag:example.org,1:\n---\n!!int 1\n---\n!!python/name:os.system x\n";
    assert!(tags(two).contains(&SYSTEM.to_owned()));
    let ended = "%TAG !! tag:example.org,1:\n--- !!a b\n...\n---\n- !!python/name:os.system x\n";
    assert!(tags(ended).contains(&SYSTEM.to_owned()));
    let after_content = "a: 1\n%TAG ! tag:yaml.org,2002:python/\n---\n!name:os.system x\n";
    assert!(tags(after_content).contains(&SYSTEM.to_owned()));
    let carried = "%TAG !e! tag:yaml.org,2002:python/\n--- 1\n--- !e!name:os.system x\n";
    assert!(tags(carried).contains(&SYSTEM.to_owned()));
    let escaped = "%TAG !e! tag:yaml.org,2002:%70ython/\n---\n!e!name%3aos.system x\n";
    assert!(tags(escaped).contains(&SYSTEM.to_owned()));
    // No directive: it goes on with the text above it.
    assert_eq!(tags("a\n%TAG ! tag:yaml.org,2002:python/"), Vec::<String>::new());
}

#[test]
fn a_tag_is_read_wherever_a_node_may_stand() {
    for text in [
        "!!python/name:os.system",
        "? !!python/name:os.system\n: 1",
        "!!python/name:os.system : 1",
        "!!python/name:os.system x: 1",
        "{a: 1, !!python/name:os.system b: 2}",
        "{? !!python/name:os.system b : 2}",
        "[a, !!python/name:os.system , b]",
        "[!!python/name:os.system]",
        "{a: !!python/name:os.system}",
        "{a: &x !!python/name:os.system }",
        "a: &x\n  !!python/name:os.system\n",
        "a: &x # c\n\n# d\n  !!python/name:os.system\n  b: 1",
        "<<: !!python/name:os.system {a: 1}",
        "a: |1\n x\nb: !!python/name:os.system",
        "a: >2-\n    x\n\n  y\nb: !!python/name:os.system",
        "a: |\n\nb: !!python/name:os.system",
        "a: |\n   \n  x\n y: !!python/name:os.system",
        "--- |\n x\ny: !!python/name:os.system",
        "a: \"---\"\nb: '...'\nc: !!python/name:os.system",
        "a: x\n---\n---\n... \n---\n!!python/name:os.system",
        "a:\tx\nb:\t!!python/name:os.system",
        "- - - !!python/name:os.system",
        "-\n  -\n   ? - !!python/name:os.system",
        "a: !<tag:yaml.org,2002:python/name:os.system> x",
        "a: !<tag:yaml.org,2002:python/name%3Aos.system> x",
        "a: 'x''\n\n  y' # '\nb: !!python/name:os.system",
        "a: \"\\\"\\\n  x\"\nb: !!python/name:os.system",
        "a: x:y#z\nb: !!python/name:os.system",
        "\"a\"#c\n: !!python/name:os.system",
        "a: [\n]\nb: !!python/name:os.system",
        "a: [x: y, {z}]\nb: !!python/name:os.system",
        "a: {\nb: c\n}\nd: !!python/name:os.system",
        "a\u{feff}: 1\nb: !!python/name:os.system",
        "# x\n\u{feff}b: !!python/name:os.system",
    ] {
        assert!(tags(text).contains(&SYSTEM.to_owned()), "{text:?}: {:?}", tags(text));
    }
    // A long first key is none, and the whole is an error to every reader but the most lenient.
    let long = format!("{}: !!python/name:os.system", "x".repeat(2000));
    assert!(tags(&long).contains(&SYSTEM.to_owned()));
    // A comma in a tag within brackets: PyYAML takes all of it.
    let comma = "%TAG ! tag:yaml.org\n---\n[!,2002:python/name:os.system x]";
    assert!(tags(comma).contains(&SYSTEM.to_owned()));
}

#[test]
fn text_is_no_tag() {
    for text in [
        "a: x !!python/name:os.system",
        "a: x\n  !!python/name:os.system",
        "a: |\n  # c\n  !!python/name:os.system\n\n  b: !!python/name:os.system\n",
        "a: |2\n    x\n  !!python/name:os.system\n",
        "a: 'x\n\n!!python/name:os.system'",
        "a: \"\\\"\n!!python/name:os.system\"",
        "# !!python/name:os.system",
        "a: 1 # !!python/name:os.system",
    ] {
        assert_eq!(tags(text), Vec::<String>::new(), "{text:?}");
    }
}

#[test]
fn keys_and_values_meet_as_the_loader_has_them() {
    for text in [
        "k: v",
        "? k\n: v",
        "{k: v}",
        "{\"k\":v}",
        "{? k : v}",
        "[k: v]",
        "\"\\x6b\": v",
        "x: &a k\n*a : v",
        "x: &a v\nk: *a",
        "&a k: v",
        "!!str k: !!str v",
        "a: &b {k: v}\nc:\n  <<: *b",
        "a: {k: v}\nb:\n- 1\n- 2\n",
        "k:\n  v",
        "k: >-\n  v\n",
        "k: |-\n  v",
        "k: # c\n  v\nl: 1",
        "- x\n-\n  k: v",
        "a:\n- b\n- c\nk: v",
        "k: \"\\\n   v\"",
    ] {
        assert_eq!(text_of(text, "k").as_deref(), Some("v"), "{text:?}");
    }
    let merged = readings("p: &p {params: {a: 1}}\nm:\n  <<: [*p]\n  target: x", 1000).unwrap();
    let tree = &merged.first().unwrap().tree;
    let with = tree.all().filter(|(id, _)| tree.get(*id, "params").is_some() && tree.get(*id, "target").is_some());
    assert_eq!(with.count(), 1);
    let own = "p: &p {k: w}\nm:\n  k: v\n  <<: *p";
    let tree = &readings(own, 1000).unwrap()[0].tree;
    let last = tree.all().filter_map(|(id, _)| tree.get(id, "k")).last().unwrap();
    assert_eq!(tree.text(last), Some("v"));
}

#[test]
fn aliases_neither_loop_nor_copy_without_end() {
    for text in
        ["a: &a\n  <<: *a\n  b: 1", "a: &a {k: &b {<<: *a, c: {<<: *a}}}", "&a [*a]", "<<: *x", "<<: [*x, {<<: 1}]"]
    {
        let documents = readings(text, 1000).unwrap();
        for (id, value) in documents[0].tree.all() {
            let Kind::Object(entries) = &value.kind else { continue };
            assert!(entries.iter().all(|(_, inner)| *inner != id), "{text}");
        }
    }
    let long = format!("a: &a {}\n{}", "x".repeat(1 << 20), "b: *a\n".repeat(100));
    assert!(matches!(readings(&long, 1000), Err(Stop::Spent(_))));
    let keys: String = (0..5000).map(|n| format!("  k{n}: 1\n")).collect::<Vec<_>>().concat();
    let merges = format!("a: &a\n{keys}{}", "b:\n  <<: *a\n".repeat(5000));
    assert!(matches!(readings(&merges, 1_000_000), Err(Stop::Spent(_))));
}
