//! The machine and its judge on pickles that people write and on those that no writer writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{Limits, Neighbours, Outcome, Ranges, ReadAt, Report, Verdict, scan};

fn whole(name: &str, bytes: &[u8]) -> Report {
    match scan(name, Arc::new(Bytes::copy_from_slice(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(ranges) => panic!("all is here, and yet {ranges:?} is asked for"),
    }
}

fn from_ranges(name: &str, bytes: &Bytes) -> (Report, u64) {
    let mut held = Ranges::new(bytes.len() as u64);
    for _ in 0..100 {
        let shared = Arc::new(held);
        let outcome = scan(name, shared.clone(), &Limits::default(), None);
        held = Arc::into_inner(shared).expect("nobody keeps it");
        match outcome {
            Outcome::Judged(report) => return (*report, held.held()),
            Outcome::Needs(ranges) => {
                for range in ranges {
                    held.hold(range.start, &bytes.read_at(range).expect("it is within"));
                }
            }
        }
    }
    panic!("{name} asks without end");
}

fn said(report: &Report) -> Vec<String> {
    report.findings.iter().map(|finding| format!("{} {}", finding.rule.id, finding.message)).collect()
}

fn rules_of(bytes: &[u8]) -> Vec<&'static str> {
    whole("model.pkl", bytes).findings.iter().map(|finding| finding.rule.id).collect()
}

fn two(body: &[u8]) -> Vec<u8> {
    [b"\x80\x02", body, b"."].concat()
}

fn text(value: &str) -> Vec<u8> {
    let len = u32::try_from(value.len()).expect("it is short");
    [b"X", len.to_le_bytes().as_slice(), value.as_bytes()].concat()
}

const SHELL: &[u8] = b"cos\nsystem\n(U\x04echotR";

#[test]
fn every_way_to_spell_a_call_is_seen() {
    let ways: &[&[u8]] = &[
        b"(U\x04echoios\nsystem\n",
        b"(cos\nsystem\nU\x04echoo",
        b"csubprocess\nPopen\n(U\x04echot\x81",
        b"\x8c\x02os\x8c\x06system\x93(U\x04echotR",
        b"V\\u006f\\u0073\nS'\\x73ystem'\n\x93(U\x04echotR",
        b"\x8c\x02os\x940\x8c\x06system\x94h\0h\x01\x93(U\x04echotR",
        b"\x8c\x02os(0q\0\x8c\x06system\x93(U\x04echotR",
        b"ccopyreg\nadd_extension\n(U\x02osU\x06systemK\xc8tR0\x82\xc8(U\x04echotR",
        b"ctorch\nserialization.os.system\n(U\x04echotR",
        b"cos\r\nsystem\r\n(U\x04echotR",
    ];
    for body in ways {
        let report = whole("model.pkl", &two(body));
        assert_eq!(report.verdict, Verdict::Malicious, "{:?}: {:?}", body.escape_ascii().to_string(), said(&report));
    }
}

#[test]
fn text_that_is_no_pickle_is_left_alone() {
    let texts = [
        "import os\nos.system('ls')\n",
        "cos\nsystem\nare two words on lines of their own\n",
        "class Net:\n    pass\n",
        "{\"a\": [1, 2, {\"b\": null}]}",
        "id,name\n1,cat\n2,dog\n",
        "Verse one\nNo more\n(I think) so it goes.\n",
        "I1\nF2.5\n",
        "(dog\nand cat)\n.\n",
        "]} a b c",
        "N.\n",
        "0.5 0.25\n1.5 2.5\n",
    ];
    for name in ["notes.txt", "model.bin", "data.dat", "x.pkl"] {
        for text in texts {
            let report = whole(name, text.as_bytes());
            assert!(report.findings.is_empty(), "{name} {text:?}: {:?}", said(&report));
        }
    }
}

#[test]
fn a_cut_file_is_never_called_clean() {
    let mut body = text("weights");
    body.extend_from_slice(b"]q\0(K\x01K\x02e\x86ccollections\nOrderedDict\n)R\x86");
    let bytes = two(&body);
    assert_eq!(whole("model.pkl", &bytes).verdict, Verdict::Clean);
    for end in 1..bytes.len() {
        let report = whole("model.pkl", &bytes[..end]);
        assert_eq!(report.verdict, Verdict::Unjudged, "cut at {end}: {:?}", said(&report));
    }
    let evil = two(&[SHELL, b"0N"].concat());
    for end in 0..evil.len() {
        let report = whole("model.pkl", &evil[..end]);
        let ran = end >= 2 + SHELL.len();
        assert!(!ran || report.verdict == Verdict::Malicious, "cut at {end}: {:?}", said(&report));
        assert!(end == 0 || report.verdict != Verdict::Clean, "cut at {end}");
    }
}

#[test]
fn frames_pops_and_marks_mean_what_they_mean_to_cpython() {
    assert!(rules_of(b"\x80\x02K\x01(K\x02K\x031.").is_empty());
    assert!(rules_of(b"]p0\n0g0\n.").is_empty());
    assert!(rules_of(b"\x80\x04\x95\x01\0\0\0\0\0\0\0].").is_empty());
    let broken = whole("model.pkl", b"\x80\x02K\x01(\x85.");
    assert_eq!(broken.verdict, Verdict::Unjudged, "TUPLE1 does not reach below a mark");
}

#[test]
fn arrays_of_joblib_are_stepped_over_and_what_follows_is_not() {
    let state = |end: &[u8]| {
        let mut out = b"}(".to_vec();
        out.extend(text("shape"));
        out.extend(b"K\x04\x85");
        out.extend(text("dtype"));
        out.extend(b"cnumpy\ndtype\n(U\x02f8\x89\x88tRu");
        [b"\x80\x02](cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81".as_slice(), &out, b"b", end].concat()
    };
    let mut data = *b"\0cos\nsystem\n(U\x04echotR.0000000000";
    assert_eq!(data.len(), 32);
    let benign = whole("model.joblib", &state(&[data.as_slice(), b"e."].concat()));
    assert_eq!((benign.verdict, benign.coverage.inert), (Verdict::Clean, 32), "{:?}", said(&benign));
    let evil = whole("model.joblib", &state(&[data.as_slice(), SHELL, b"e."].concat()));
    assert_eq!(evil.verdict, Verdict::Malicious);
    // What pickle.load would go on to, though joblib does not.
    data.rotate_left(1);
    let other = whole("model.joblib", &state(&[data.as_slice(), b"e."].concat()));
    assert_eq!((other.verdict, other.coverage.inert), (Verdict::Malicious, 32), "{:?}", said(&other));
}

#[test]
fn long_strings_are_not_fetched_and_the_report_is_the_same() {
    let mut bytes = b"\x80\x04](".to_vec();
    for _ in 0..3 {
        bytes.extend(b"B\x00\x00\x80\x00");
        bytes.resize(bytes.len() + (8 << 20), 7);
    }
    bytes.extend(SHELL);
    bytes.extend(b"e.");
    let bytes = Bytes::from(bytes);
    let (report, held) = from_ranges("model.pkl", &bytes);
    let at_once = whole("model.pkl", &bytes);
    assert_eq!((said(&report), report.verdict), (said(&at_once), Verdict::Malicious));
    assert_eq!(report.coverage.inert, at_once.coverage.inert);
    assert!(held < 1 << 20, "{held} bytes were fetched");
}

#[test]
fn a_module_beside_the_file_is_said() {
    let neighbours = Neighbours::from([("a/model.pkl".into(), 9), ("a/net/__init__.py".into(), 9)]);
    let bytes = Bytes::from(two(b"cnet\nNet\n)\x81"));
    let Outcome::Judged(report) = scan("a/model.pkl", Arc::new(bytes), &Limits::default(), Some(&neighbours)) else {
        panic!("all is here")
    };
    assert!(said(&report).iter().any(|line| line.contains("a/net/__init__.py")), "{:?}", said(&report));
}

/// Runs on a stack so small that recursion by depth would end it.
fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).expect("a thread").join().expect("it does not panic")
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(b"N".to_vec()),
        any::<u8>().prop_map(|n| vec![b'K', n]),
        "[a-z ]{0,12}".prop_map(|word| text(&word)),
        Just(b"ccollections\nOrderedDict\n)R".to_vec()),
    ];
    leaf.prop_recursive(6, 60, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|all| [b"](".to_vec(), all.concat(), b"e".to_vec()].concat()),
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|all| [b"(".to_vec(), all.concat(), b"t".to_vec()].concat()),
            (inner.clone(), inner).prop_map(|(a, b)| [
                b"}".to_vec(),
                text("k"),
                a,
                b"sq\x05".to_vec(),
                b"0".to_vec(),
                b
            ]
            .concat()),
        ]
    })
}

/// Ways to call something harmful, each leaving one value.
fn harmful() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        SHELL,
        b"(U\x04echoios\nsystem\n".as_slice(),
        b"(csubprocess\nPopen\nU\x04echoo",
        b"\x8c\x08builtins\x8c\x04eval\x93(U\x011tR",
        b"cposix\nsystem\n(U\x04echotR",
        b"cnumpy\nf2py.os.system\n(U\x04echotR",
        b"cimportlib\nimport_module\n(U\x02ostR",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_soup_of_opcodes_ends_the_reader(soup in prop::collection::vec(
        prop::sample::select(b"(.0123NKGIFLSVXUTBC)]}[tlduaseRbocipqrghjPQ\x80\x81\x82\x85\x86\x87\x88\x8a\x8c\x8f\x90\x91\x92\x93\x94\x95\x96\n\x01\x00os".to_vec()), 0..600,
    )) {
        let report = on_a_small_stack(move || {
            let source = Source::new("soup", in_memory(soup.clone()), 0);
            let mut machine = Machine::new(&source, 0, Mode::Sure, 1 << 20).with_arrays();
            let end = machine.run();
            let (nodes, values) = machine.arena().size();
            assert!(nodes as u64 <= 2 * end.ops + 8 && values as u64 <= 2 * end.ops + 8, "{nodes} {values} {}", end.ops);
            whole("model.pkl", &two(&soup))
        });
        prop_assert!(report.coverage.inspected + report.coverage.inert + report.coverage.unscanned > 0);
    }

    #[test]
    fn what_is_harmless_stays_clean(value in value()) {
        let report = whole("model.pkl", &two(&value));
        prop_assert_eq!(report.verdict, Verdict::Clean, "{:?}", said(&report));
    }

    #[test]
    fn a_planted_call_is_always_malicious(values in prop::collection::vec(value(), 1..6), evil in harmful(), place in any::<prop::sample::Index>()) {
        let mut parts = values;
        parts.insert(place.index(parts.len() + 1), evil.to_vec());
        let bytes = Bytes::from(two(&[b"(".to_vec(), parts.concat(), b"t".to_vec()].concat()));
        let report = whole("model.pkl", &bytes);
        prop_assert_eq!(report.verdict, Verdict::Malicious, "{:?}", said(&report));
        prop_assert_eq!(said(&from_ranges("model.pkl", &bytes).0), said(&report));
    }
}

#[test]
fn depth_and_width_cost_nothing() {
    on_a_small_stack(|| {
        let deep = [b"\x80\x02".to_vec(), vec![b']'; 200_000], vec![b'a'; 199_999], b".".to_vec()].concat();
        assert!(whole("deep.pkl", &deep).findings.iter().any(|finding| finding.rule.id == "WB-PKL-022"));
        let doubled = [b"\x80\x02)".to_vec(), b"2\x86".repeat(200), b".".to_vec()].concat();
        assert!(whole("doubled.pkl", &doubled).findings.iter().any(|finding| finding.rule.id == "WB-PKL-022"));
        let cycle = whole("cycle.pkl", b"\x80\x02]q\0(h\0h\0e.");
        assert_eq!(cycle.verdict, Verdict::Clean);
    });
}

// --- What reviewers found: each of these runs in CPython ---

/// `os.system` by names from the stack, so that no search for opcodes finds it.
const STACKED: &[u8] = b"\x8c\x02os\x8c\x06system\x93\x8c\x04echo\x85R";

#[test]
fn what_cpython_does_not_stop_at_does_not_stop_the_machine() {
    let first: &[&[u8]] = &[
        b"K\x01Nb0",
        b"K\x01NN\x86b0",
        b"K\x01(e0",
        b"\x8c\x01x(u0",
        b")(\x900",
        b"(\x91(\x900",
        b"\x96\x03\0\0\0\0\0\0\0abcK\x05a0",
        b"\x96\x03\0\0\0\0\0\0\0abcK\x01K\x05s0",
        b"I5\0zz\n0",
        b"I\0\n0",
        b"L5\0zz\n0",
        b"L0x_10\n0",
        b"F1.5\0zz\n0",
        b"Np5\0zz\n0g5\n0",
    ];
    for first in first {
        let bytes = [b"\x80\x05", *first, STACKED, b"."].concat();
        assert_eq!(whole("model.pkl", &bytes).verdict, Verdict::Malicious, "{}", first.escape_ascii());
    }
}

#[test]
fn a_long_line_of_text_in_front_hides_nothing() {
    let line = b"This is a readme. ".repeat(80_000);
    for name in ["model.pkl", "README.txt", "notes"] {
        let bytes = [b"V", line.as_slice(), b"\n0", SHELL, b"."].concat();
        assert_eq!(whole(name, &bytes).verdict, Verdict::Malicious, "{name}");
    }
}

#[test]
fn a_module_beside_the_pickle_may_have_any_name() {
    for name in ["my-module", "7z", "my module"] {
        let bytes = [b"c", name.as_bytes(), b"\nrun\n(S'x'\ntR."].concat();
        assert_eq!(whole("model.pkl", &bytes).verdict, Verdict::Suspicious, "{name}");
    }
}

#[test]
fn a_checkpoint_in_bytes_is_looked_at_however_they_are_made() {
    let loads = b"ctorch.storage\n_load_from_bytes\n";
    let inner = [b"N0", SHELL, b"."].concat();
    let inner = std::str::from_utf8(&inner).unwrap().replace("U\u{4}echo", "S'echo'\n");
    let encoded = [b"c_codecs\nencode\n", text(&inner).as_slice(), &text("latin1"), b"\x86R"].concat();
    let spelled = [b"cbuiltins\nbytes\n", text(&inner).as_slice(), &text("utf8"), b"\x86R"].concat();
    let numbers = [b"cbuiltins\nbytes\n(", b"K0".repeat(3).as_slice(), b"t\x85R"].concat();
    for (way, worst) in [(encoded, Verdict::Malicious), (spelled, Verdict::Suspicious), (numbers, Verdict::Suspicious)]
    {
        let report = whole("model.pkl", &two(&[loads, way.as_slice(), b"\x85R"].concat()));
        assert_eq!(report.verdict, worst, "{:?}", said(&report));
    }
}

#[test]
fn a_method_of_a_class_is_not_kept_because_the_class_is_vouched_for() {
    let get =
        |class: &[u8], name: &str| two(&[b"cbuiltins\ngetattr\n", class, text(name).as_slice(), b"\x86R"].concat());
    assert!(whole("m.pkl", &get(b"cpandas.core.frame\nDataFrame\n", "eval")).verdict >= Verdict::Suspicious);
    assert!(whole("m.pkl", &get(b"cpathlib\nPath\n", "unlink")).verdict >= Verdict::Suspicious);
    assert_eq!(whole("m.pkl", &get(b"cuuid\nSafeUUID\n", "unknown")).verdict, Verdict::Clean);
}

/// An array as joblib describes it; `more` comes last among what is said of it.
fn described(len: u8, more: &[u8]) -> Vec<u8> {
    let dtype = b"cnumpy\ndtype\nU\x02u1\x89\x88\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb";
    let kept = [b"(U\x05shapeK".as_slice(), &[len], b"\x85U\x05dtype", dtype, more, b"u"].concat();
    [b"}".as_slice(), &kept, b"b"].concat()
}

#[test]
fn what_joblib_would_skip_otherwise_is_no_array() {
    const WRAPPER: &[u8] = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81q\x01";
    let computed = b"cbuiltins\nstr\nC\x05shapeU\x05ascii\x86RK\0\x85";
    let hidden = [b"0", STACKED, b"."].concat();
    let len = u8::try_from(hidden.len()).unwrap();
    let report = whole("m.joblib", &[WRAPPER, &described(len, computed), &hidden, b"N."].concat());
    assert!(report.verdict >= Verdict::Suspicious, "{:?}", said(&report));
    let first = described(0, b"U\x1bnumpy_array_alignment_bytesK\x10");
    let second = [b"0h\x01".as_slice(), &described(1, b""), b"\x03C", &[len + 2], b"xx", &hidden].concat();
    let report = whole("m.joblib", &[WRAPPER, &first, b"\x01\xff", &second, b"."].concat());
    assert!(report.verdict >= Verdict::Suspicious, "{:?}", said(&report));
}

#[test]
fn what_a_partial_is_bound_to_is_judged_when_it_is_called() {
    let load = b"ctorch.storage\n_load_from_bytes\n";
    let ctor =
        [b"cfunctools\npartial\ncnumpy.random._pickle\n__generator_ctor\nC\x04PK\x03\x04".as_slice(), load].concat();
    for body in [[&ctor, b"\x87R)R".as_slice()].concat(), [&ctor, b"\x87R".as_slice()].concat()] {
        let report = whole("m.pkl", &two(&body));
        assert!(report.verdict >= Verdict::Suspicious, "{:?}", said(&report));
    }
    let direct = [b"cnumpy.random._pickle\n__generator_ctor\nC\x04PK\x03\x04".as_slice(), load, b"\x86R"].concat();
    assert!(whole("m.pkl", &two(&direct)).verdict >= Verdict::Suspicious);
    let kept = two(b"cfunctools\npartial\ncbuiltins\nmax\nK\x01\x86R");
    assert_eq!(whole("m.pkl", &kept).verdict, Verdict::Clean);
}

#[test]
fn objects_that_are_described_as_plain_bytes_are_told() {
    let dtype = |flags: u8| {
        let state = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK";
        two(&[b"cnumpy\ndtype\nU\x02O8\x89\x88\x87R".as_slice(), state, &[flags], b"tb"].concat())
    };
    assert_eq!(whole("m.pkl", &dtype(63)).verdict, Verdict::Clean);
    assert_eq!(whole("m.pkl", &dtype(0)).verdict, Verdict::Suspicious);
}

#[test]
fn what_real_libraries_read_of_their_classes_stays_clean() {
    let zone = [
        b"cbuiltins\ngetattr\nczoneinfo\nZoneInfo\n".as_slice(),
        &text("_unpickle"),
        b"\x86R",
        &text("UTC"),
        b"\x88\x86R",
    ];
    assert_eq!(whole("m.pkl", &two(&zone.concat())).verdict, Verdict::Clean);
    let line = b"cscipy.interpolate._interpolate\ninterp1d\n";
    let linear = [b"cbuiltins\ngetattr\n".as_slice(), line, &text("_call_linear_np"), b"\x86R"];
    assert_eq!(whole("m.pkl", &two(&linear.concat())).verdict, Verdict::Clean);
}

#[test]
fn a_small_pickle_does_not_fill_memory() {
    let bytes = [b"\x80\x02N".as_slice(), &b"\x85".repeat(4 << 20), b"."].concat();
    let report = whole("m.pkl", &bytes);
    assert_ne!(report.verdict, Verdict::Clean);
}

/// A picture, or anything that begins with a length, may be a pickle whose first text steps over all that was looked at.
#[test]
fn a_first_text_that_is_longer_than_what_is_looked_at_hides_nothing() {
    let attack = b"0cos\nsystem\nX\x09\0\0\0echo gone\x85R.";
    let bmp = |length: u32| {
        let mut head = b"BM\0\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\x01\0\x01\0\x01\0\x18\0".to_vec();
        head[2..5].copy_from_slice(&length.to_le_bytes()[..3]);
        // As an opcode: `B` and the length `M`, and the first three bytes of the picture's size.
        let steps = 5 + (usize::try_from(length).unwrap() << 8 | 0x4d);
        head.resize(steps, 1);
        [head, attack.to_vec()].concat()
    };
    let text = |op: &[u8], length: &[u8], count: usize| [op, length, &vec![b'a'; count], attack].concat();
    for (name, bytes) in [
        ("picture.bmp", bmp(20)),
        ("picture.bmp", bmp(0x4000)),
        ("weights", text(b"X", &5000_u32.to_le_bytes(), 5000)),
        ("weights", text(b"B", &5000_u32.to_le_bytes(), 5000)),
        ("weights", text(b"(X", &5000_u32.to_le_bytes(), 5000)),
        ("weights", text(b"\x8d", &5000_u64.to_le_bytes(), 5000)),
        ("weights", text(b"\x8e", &70_000_u64.to_le_bytes(), 70_000)),
        ("weights", text(b"\x96", &70_000_u64.to_le_bytes(), 70_000)),
    ] {
        let report = whole(name, &bytes);
        assert_eq!(report.verdict, Verdict::Malicious, "{name}: {report:?}");
        let (fetched, _) = from_ranges(name, &Bytes::from(bytes));
        assert_eq!(serde_json::to_string(&fetched).unwrap(), serde_json::to_string(&report).unwrap(), "{name}");
    }
}
