//! Configs that are built to slip through, and configs that people really use.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;

use crate::{CoverageState, Limits, Outcome, Report, Verdict, scan};

fn report(name: &str, text: &str) -> Report {
    match scan(name, Arc::new(Bytes::from(text.to_owned())), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

fn saw(name: &str, text: &str, rule: &str) -> bool {
    report(name, text).findings.iter().any(|finding| finding.rule.id == rule)
}

#[test]
fn a_yaml_tag_is_found_however_it_is_written() {
    for text in [
        "a: !!python/object/apply:os.system [x]",
        "a: !<tag:yaml.org,2002:python/object/apply:os.system> [x]",
        "%TAG !e! tag:yaml.org,2002:python/\n---\na: !e!object/apply:os.system [x]",
        "%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.system [x]",
        "a: !!python/object/apply:os%2Esystem [x]",
        "- - !!python/object/apply:os.system [x]",
        "{a: [1, !!python/object/apply:os.system [x]]}",
        "? !!python/object/apply:os.system [x]\n: 1",
        "a: &b !!python/object/apply:os.system [x]",
        "a: \"x\ny\"\nb: !!python/object/apply:os.system [x]",
        "a: foo\n  \"bar\nb: !!python/object/apply:os.system [x]\nc: \"",
        "a: |\n  text\nb: !!python/object/apply:os.system [x]",
        "a: |2\n  text\nb: !!python/object/apply:os.system [x]",
        "a: 'it''s'\nb: !!python/object/apply:os.system [x]",
        "a: x # \"\nb: !!python/object/apply:os.system [x]",
        "---\na: 1\n---\n!!python/object/apply:os.system [x]",
        "!!python/object/apply:eval ['1']",
        "a: !!python/object/new:subprocess.Popen [[x]]",
        "a: !!python/name:os.system",
        "a: !!python/module:os",
        "a: !apply:os.system [x]",
        "\u{feff}a: !!python/object/apply:os.system [x]",
        "a: 1\r\nb: !!python/object/apply:os.system [x]\r\n",
    ] {
        assert!(saw("x.yaml", text, "WB-CFG-005"), "{text}");
    }
}

#[test]
fn text_and_comments_are_no_tags() {
    for text in [
        "a: |\n  !!python/tuple is a tag\n  b: 1\n",
        "# !!python/object/apply:os.system [x]\na: 1",
        "a: 1 # !!python/object/apply:os.system",
        "a: foo\n  !!python/tuple\nb: 1",
        "a: !!python/tuple [1, 2]\nb: !!float 1\nc: !!set {a, b}\nd: !ref <x>\ne: !vault |\n  3132",
        "!!python/object/apply:collections.OrderedDict\n- - - a\n    - 1",
        "!!python/object:argparse.Namespace\nlr: 0.1",
    ] {
        let report = report("x.yaml", text);
        assert_eq!(report.verdict, Verdict::Clean, "{text}: {:?}", report.findings);
    }
}

#[test]
fn a_target_is_found_in_every_form() {
    for (name, text) in [
        ("a.yaml", "a:\n  - b:\n      _target_: os.system"),
        ("a.yaml", "a: {\"_target_\": \"os.system\"}"),
        ("a.yaml", "\"\\x5ftarget_\": os.system"),
        ("a.yaml", "a: {'_target_' : 'os.\\\n  system'}\nb: {_target_: posix.system}"),
        ("a.yaml", "? _target_\n: os.system"),
        ("a.yaml", "_target_:\n  os.system"),
        ("a.yaml", "_target_: >-\n  os.system"),
        ("a.yaml", "x: &n os.system\ny:\n  _target_: *n"),
        ("a.json", "{\"a\": [{\"\\u005ftarget_\": \"os.system\"}]}"),
        ("a.json", "{\"_target_\": \"os.system\", \"_target_\": \"torch.nn.Linear\"}"),
        ("a.json", "// c\n{\"_target_\": \"os.system\",}"),
        ("a.toml", "[a.b]\n\"_target_\" = \"os.system\""),
        ("noname", "{\"_target_\": \"os.system\"}"),
        ("a.yaml", "class_path: torch.hub.load"),
        ("a.yaml", "target: builtins.exec\nparams: {}"),
        ("a.yaml", "_target_: torch.nn.modules.os.system"),
        ("a.yaml", "_target_: numpy.f2py.crackfortran.myeval"),
        ("a.yaml", "_target_: collections.abc.sys.modules.get"),
        ("a.yaml", "_target_: enum.bltns.exec"),
        ("a.yaml", "_target_: transformers.utils.os.system"),
        ("a.yaml", "_target_: operator.methodcaller\n_args_: [system, x]"),
        ("a.yaml", "_target_: hydra.utils.get_method\npath: os.system"),
        ("a.yaml", "_target_: hydra.utils.get_method\n_args_: [os.system]"),
        ("a.yaml", "_target_: hydra.utils.call\nconfig: {_target_: subprocess.run}"),
        ("a.yaml", "_target_: functools.partial\n_args_:\n- _target_: hydra.utils.get_object\n  path: os.system"),
        ("a.yaml", "_target_: ${x.y}\nx: {y: os.system}"),
        ("a.yaml", "m: {_target_: \"${.f}\", f: os.system}"),
        ("a.yaml", "_target_: ${oc.env:NOT_SET,os.system}"),
        ("a.yaml", "a: os.\nb: system\nc: {_target_: \"${a}${b}\"}"),
        ("a.yaml", "p: &p {params: {command: x}}\nm:\n  <<: *p\n  target: os.system"),
        ("a.yaml", "k: &k _target_\nm:\n  *k : os.system"),
        ("a.yaml", "# c\u{2028}_target_: os.system"),
    ] {
        assert!(saw(name, text, "WB-CFG-004"), "{name}: {text}: {:?}", report(name, text).findings);
    }
}

#[test]
fn ordinary_configs_are_clean() {
    for (name, text) in [
        ("v1.yaml", "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    a: 1"),
        ("x.yaml", "target: all\nparams: 3\nname: os.system"),
        ("vocab.txt", "[PAD]\n[unused0]\nos.system\n"),
        ("data.json", "{\"a\": 1}\n{\"a\": 2}\n"),
        ("data.jsonl", "{\"a\": 1}\n{\"a\": 2}\n"),
        ("config.json", "{\"license\": \"mit\", \"attn_implementation\": \"sdpa\", \"x\": NaN}"),
        (
            "requirements.txt",
            "torch\n-e .\ntransformers @ git+https://github.com/huggingface/transformers@main#egg=x\n",
        ),
        ("README.md", "---\nlicense: apache-2.0\ntags:\n- x\n---\n# Model\n"),
    ] {
        let report = report(name, text);
        assert_eq!(report.verdict, Verdict::Clean, "{name}: {:?} {:?}", report.findings, report.coverage.reason);
    }
    for target in [
        "_target_: datasets.load_dataset\npath: squad",
        "_target_: datasets.load_dataset\n_args_: [json]\ndata_files: a.json",
        "_target_: evaluate.load\npath: accuracy",
        "_target_: transformers.pipeline\ntask: text-generation",
        "_target_: pandas.read_csv\nfilepath_or_buffer: data/train.csv",
        "_target_: torch.utils.data.DataLoader\nbatch_size: 4\ndataset: {_target_: torchvision.datasets.CIFAR10}",
        "_target_: torch.optim.AdamW\n_partial_: true\nlr: 1e-3",
        "_target_: pytorch_lightning.Trainer\nmax_epochs: 3",
        "_target_: hydra.utils.get_method\npath: torch.nn.functional.relu",
        "_target_: hydra.utils.get_class\npath: ${model}\nmodel: torch.nn.ReLU",
        "_target_: ${model.class}\nmodel: {class: mine.Net}",
        "_target_: src.models.mnist_module.MNISTLitModule",
        "_target_: os.path.join\n_args_: [a, b]",
        "class_path: lightning.pytorch.callbacks.EarlyStopping\ninit_args: {monitor: loss}",
    ] {
        let report = report("x.yaml", target);
        assert_eq!(report.verdict, Verdict::Clean, "{target}: {:?}", report.findings);
    }
    let card = report("README.md", "---\nlicense: apache-2.0\n---\n# x");
    assert!(card.facts.licences.contains("apache-2.0"));
}

#[test]
fn every_beginning_of_a_config_is_safe_to_read() {
    let json = r#"{"auto_map": {"AutoModel": "a/b--c.D"}, "a": [1, "\u00e9", {"_target_": "os.system"}]}"#;
    for end in 1..json.len() {
        let part = report("config.json", json.get(..end).unwrap());
        assert_ne!(part.verdict, Verdict::Clean, "{end}");
        assert_ne!(part.coverage.state, CoverageState::Complete, "{end}");
    }
    let yaml = "%TAG !e! x:\n---\na: &b {c: [1, 'x''y', \"\\x41\"], ? d : *b}\ne: |2-\n    é\n  f\n- !e!g h\n\"q\": >\n z\n...\n";
    for end in (0..=yaml.len()).filter(|end| yaml.is_char_boundary(*end)) {
        assert_eq!(report("a.yaml", yaml.get(..end).unwrap()).coverage.unscanned, 0, "{end}");
    }
}

#[test]
fn depth_and_size_cost_little() {
    for text in
        ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(10_000), "? ".repeat(10_000), "[a, ".repeat(100_000)]
    {
        assert_ne!(report("a.yaml", &text).verdict, Verdict::Malicious);
    }
    let vocabulary: String = (0..60_000).map(|n| format!("\"word{n}\": {n},")).collect::<Vec<_>>().concat();
    let merges: String = (0..60_000).map(|n| format!("[\"a{n}\", \"b\"],")).collect::<Vec<_>>().concat();
    let last = "{\"_target_\": \"os.system\"}";
    let text = format!(
        "{{\"vocab\": {{{vocabulary}\"z\": 0}}, \"merges\": [{merges}{last}], \"chat_template\": \"{{{{ x.__class__ }}}}\"}}"
    );
    assert!(saw("tokenizer.json", &text, "WB-CFG-004"), "kept behind a long list");
    assert!(saw("tokenizer.json", &text, "WB-TPL-001"), "kept behind a vocabulary");
}

#[test]
fn scripts_of_others_are_told() {
    for text in [
        "_target_: datasets.load_dataset\npath: someone/data\ntrust_remote_code: true",
        "_target_: datasets.load_dataset\npath: https://example.net/script.py",
        "_target_: datasets.load_dataset\n_args_: [other/script.py]",
        "_target_: evaluate.load\npath: someone/metric",
        "_target_: transformers.pipeline\nmodel: a/b\ntrust_remote_code: yes",
        "t: &t {trust_remote_code: true}\nm:\n  <<: *t\n  _target_: transformers.AutoModel.from_pretrained",
    ] {
        assert!(saw("x.yaml", text, "WB-CFG-001"), "{text}");
        assert_eq!(report("x.yaml", text).verdict, Verdict::Suspicious, "{text}");
    }
}

#[test]
fn a_tag_is_found_in_every_encoding() {
    let text = "a: 1\nb: !!python/object/apply:os.system [x]\n";
    let wide = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect()
    };
    let marked = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
    for bytes in [wide([0xff, 0xfe], u16::to_le_bytes), wide([0xfe, 0xff], u16::to_be_bytes), marked] {
        let Outcome::Judged(report) = scan("x.yaml", Arc::new(Bytes::from(bytes)), &Limits::default(), None) else {
            panic!("all is here")
        };
        assert_eq!(report.verdict, Verdict::Malicious, "{:?}", report.findings);
    }
}
