//! Code that lies in data is told by what it reaches; data that only has such names is not.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, Outcome, Report, Verdict, scan};

fn judge(value: &[u8]) -> Report {
    let bytes = [b"X\n\0\0\0\x02\0\x04\x03\x01\0\x02\x03\0", value].concat();
    match scan("model.rds", Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn int(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn letters(text: &str) -> Vec<u8> {
    [int(0x4_0009), int(u32::try_from(text.len()).unwrap_or(0)), text.into()].concat()
}

fn symbol(name: &str) -> Vec<u8> {
    [int(1), letters(name)].concat()
}

fn text(text: &str) -> Vec<u8> {
    [int(16), int(1), letters(text)].concat()
}

fn list(values: &[Vec<u8>]) -> Vec<u8> {
    [values.iter().flat_map(|value| [int(2), value.clone()].concat()).collect(), int(254)].concat()
}

/// A call of `head` with these arguments: language, which nobody has run.
fn call(head: &[u8], arguments: &[Vec<u8>]) -> Vec<u8> {
    [int(6), head.to_vec(), list(arguments)].concat()
}

#[test]
fn code_is_told_by_what_it_reaches() {
    for name in ["system", "system2", "shell", "pipe", "dyn.load", "library.dynam", "download.file", "source"] {
        let report = judge(&call(&symbol(name), &[text("x")]));
        assert_eq!(report.verdict, Verdict::Malicious, "{name}: {report:?}");
        let named = call(&symbol("::"), &[symbol("base"), symbol(name)]);
        assert_eq!(judge(&call(&named, &[text("x")])).verdict, Verdict::Malicious, "base::{name}");
    }
    for name in [
        "file.remove",
        "unlink",
        "file.copy",
        "writeLines",
        "Sys.setenv",
        "makeActiveBinding",
        "reg.finalizer",
        "eval",
        "url",
        "unserialize",
        "parse",
        ".Call",
        ".External",
        ".C",
    ] {
        let report = judge(&call(&symbol(name), &[text("x")]));
        assert_eq!(report.verdict, Verdict::Suspicious, "{name}: {report:?}");
    }
    let profile = call(&symbol("writeLines"), &[text("system('id')"), text("~/.Rprofile")]);
    assert_eq!(judge(&profile).verdict, Verdict::Malicious);
    let found = call(&symbol("f"), &[text("system2")]);
    assert_eq!(judge(&found).verdict, Verdict::Suspicious);
}

#[test]
fn names_of_columns_are_no_code() {
    for value in [
        call(&symbol("lm"), &[call(&symbol("~"), &[symbol("y"), symbol("source")])]),
        call(&symbol("lm"), &[call(&symbol("~"), &[symbol("url"), symbol("load")])]),
        list(&[text("system"), text("~/.Rprofile")]),
    ] {
        let report = judge(&value);
        assert_eq!(report.verdict, Verdict::Clean, "{report:?}");
    }
}

#[test]
fn a_promise_and_a_name_that_calls_are_told() {
    // Environment, value that is not there yet, expression.
    let promise = [int(5), int(252), call(&symbol("f"), &[])].concat();
    assert_eq!(judge(&promise).verdict, Verdict::Malicious);
    let frame = [int(2 | 0x400 | 1 << 27), symbol("x"), int(254), int(254)].concat();
    let environment = [int(4), int(0), int(253), frame, int(254), int(254)].concat();
    let report = judge(&environment);
    assert_eq!(report.verdict, Verdict::Suspicious, "{report:?}");
    let frame = [int(2 | 0x400), symbol("x"), int(254), int(254)].concat();
    let environment = [int(4), int(0), int(253), frame, int(254), int(254)].concat();
    assert_eq!(judge(&environment).verdict, Verdict::Clean);
}
