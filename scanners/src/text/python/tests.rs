//! What is seen in small programs: ways to name the same thing, what is ordinary, and input that is made to break readers.

#![allow(clippy::panic, clippy::format_collect, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, Neighbours, Outcome, Report, Verdict, scan};

fn judged(name: &str, text: &str) -> Report {
    let bytes = Arc::new(Bytes::copy_from_slice(text.as_bytes()));
    match scan(name, bytes, &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(ranges) => panic!("all of it is here, and yet {ranges:?}"),
    }
}

fn verdict(text: &str) -> Verdict {
    judged("modeling.py", text).verdict
}

#[test]
fn a_command_at_import_is_seen_however_it_is_named() {
    let ways = include_str!("ways.txt");
    for way in ways.split("\n---\n").map(str::trim).filter(|way| !way.is_empty()) {
        assert_eq!(verdict(way), Verdict::Malicious, "{way}");
    }
}

#[test]
fn detours_and_tampering_are_flagged() {
    let ways = include_str!("detours.txt");
    for way in ways.split("\n---\n").map(str::trim).filter(|way| !way.is_empty()) {
        assert!(verdict(way) >= Verdict::Suspicious, "{way}");
    }
}

#[test]
fn zero_bytes_are_no_way_to_be_unread() {
    let late = format!("{}\0\nimport os\nos.system('id')\n{}", "x = 1\n".repeat(2000), "y = 1\n".repeat(2000));
    for text in ["import json\0\nimport os\nos.system('id')\n", &late] {
        let report = judged("modeling.py", text);
        assert_eq!(report.verdict, Verdict::Malicious, "{:?}", report.findings);
    }
    assert_eq!(judged("modeling.py", "import json\0").verdict, Verdict::Suspicious);
}

#[test]
fn a_native_module_beside_the_file_is_told_of() {
    let bytes = || Arc::new(Bytes::from_static(b"from ._ops import forward\nfrom . import layers\n"));
    let with = |beside: &str| {
        let neighbours = Neighbours::from([("net/a.py".to_owned(), 1), (beside.to_owned(), 1)]);
        match scan("net/a.py", bytes(), &Limits::default(), Some(&neighbours)) {
            Outcome::Judged(report) => report.verdict,
            Outcome::Needs(ranges) => panic!("all of it is here, and yet {ranges:?}"),
        }
    };
    assert_eq!(with("net/_ops.cpython-311-x86_64-linux-gnu.so"), Verdict::Suspicious);
    assert_eq!(with("net/layers.pyd"), Verdict::Suspicious);
    for other in ["net/_ops.py", "_ops.so", "net/_ops/a.so", "net/_opsx.so"] {
        assert_eq!(with(other), Verdict::Clean, "{other}");
    }
}

#[test]
fn a_python_file_that_is_run_has_to_lie_in_the_repository() {
    let text = b"exec(open('net/version.py').read())";
    let with = |beside: &str| {
        let neighbours = Neighbours::from([("setup.py".to_owned(), 1), (beside.to_owned(), 1)]);
        match scan("setup.py", Arc::new(Bytes::from_static(text)), &Limits::default(), Some(&neighbours)) {
            Outcome::Judged(report) => report.verdict,
            Outcome::Needs(ranges) => panic!("all of it is here, and yet {ranges:?}"),
        }
    };
    assert_eq!(with("net/version.py"), Verdict::Clean);
    assert_eq!(with("net/subversion.py"), Verdict::Suspicious);
    assert_eq!(with("weights.zip"), Verdict::Suspicious);
}

#[test]
fn ordinary_code_is_silent() {
    let ways = include_str!("ordinary.txt");
    for way in ways.split("\n---\n").map(str::trim).filter(|way| !way.is_empty()) {
        let report = judged("modeling.py", way);
        assert_eq!((report.verdict, report.findings.len()), (Verdict::Clean, 0), "{way}\n{:?}", report.findings);
    }
}

#[test]
fn what_depends_on_somebody_else_is_suspicious() {
    for text in [
        "exec(open('payload.txt').read())",
        "import runpy\nrunpy.run_path('x.bin')",
        "def f(c):\n    return eval(c)",
        "import subprocess\nsubprocess.run(['git', 'rev-parse', 'HEAD'])",
        "import subprocess\nsubprocess.run('pip install flash-attn --no-build-isolation', shell=True)",
        "import requests, sys\nprint(requests.get(sys.argv[1]).text)",
        "print 'two'\nimport os\ndef f():\n    os.system('id')",
    ] {
        assert_eq!(verdict(text), Verdict::Suspicious, "{text}");
    }
}

#[test]
fn depth_costs_no_more_than_is_there() {
    let n = 200_000;
    let deep = [
        format!("x = {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("x = {}1{}", "[".repeat(n), "]".repeat(n)),
        format!("x = {}1", "-".repeat(n)),
        format!("x = {}1", "not ".repeat(n)),
        format!("x = {}1", "lambda: ".repeat(n)),
        format!("x = {}1", "2**".repeat(n)),
        format!("x = a{}", ".a".repeat(n)),
        format!("x = a{}", "()".repeat(n)),
        format!("x = 1{}", "+1".repeat(n)),
        format!("x = {}1", "1 if 1 else ".repeat(n)),
        format!("x = {}", "f'{".repeat(n)),
        format!("x = {}1", "await ".repeat(n)),
        format!("{}1", "x = ".repeat(n)),
        (0..2000).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect::<String>(),
        format!("match x:\n case {}1{}: pass", "[".repeat(n), "]".repeat(n)),
        format!("if x: pass\n{}", "elif x: pass\n".repeat(n / 10)),
        format!("x = {}", "(a for a in ".repeat(n)),
        format!("x: {}", "yield ".repeat(n)),
        format!("@{}\ndef f(): pass", "a[".repeat(n)),
        format!("x = {}1", "y := ".repeat(n)),
        "(lambda x: ".repeat(2000) + "x" + &")".repeat(2000),
    ];
    for text in deep {
        let report = judged("modeling.py", &text);
        assert!(report.verdict != Verdict::Malicious, "{:?}", report.findings);
    }
    // Just within what is followed.
    let within = format!("x = {}1{}\nimport os\nos.system('id')", "(".repeat(900), ")".repeat(900));
    assert_eq!(verdict(&within), Verdict::Malicious);
}

#[test]
fn work_is_bounded() {
    let doubling = format!(
        "def f0(x): return x\n{}",
        (1..200)
            .map(|n| format!("def f{n}(x):\n    return f{0}(x) + f{0}(x) + f{0}(print)\n", n - 1))
            .collect::<String>()
    );
    let growing = format!("s = 'a' * 1000\n{}", "s = s + s\n".repeat(2000));
    let listing = format!("s = [1]\n{}", "s = [s, s]\n".repeat(2000));
    let loops = "for a in range(2000):\n  for b in range(2000):\n    for c in range(2000):\n      x = a\n".to_owned();
    let recursion =
        "def f(x): return f(f(x))\nf(f)\nx = lambda y: y(y)\nx(x)\nclass A:\n    def __init__(s): A()\nA()\n"
            .to_owned();
    let code = "exec('exec(\"exec(\\'exec(1)\\')\")')".to_owned();
    // Work that is put in front hides nothing.
    let hidden = format!("{loops}\nimport os\nos.system('id')");
    assert_eq!(verdict(&hidden), Verdict::Malicious);
    for text in [doubling, growing, listing, loops, recursion, code] {
        judged("modeling.py", &text);
    }
}

#[test]
fn torn_files_are_never_clean_by_panicking() {
    let text = "import os\nclass A(object):\n    def f(self, x={'a': [1, (2, f\"{x!r:>{w}}\")]}):\n        return os.popen(b'\\x41' % (x,), *a, **k)\nA().f()\n";
    for cut in 0..text.len() {
        judged("modeling.py", text.get(..cut).unwrap_or_default());
    }
    assert_eq!(verdict(text), Verdict::Malicious);
    for cut in [" 'abc", " \"\"\"abc", " (1,", "é\u{0}", "\u{feff}import os"] {
        judged("modeling.py", cut);
    }
}
