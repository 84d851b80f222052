//! What acts is told however it is written, attached files are looked at, and no file takes long.

#![allow(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use std::{io::Write, sync::Arc, time::Instant};

use bytes::Bytes;

use crate::{Limits, Outcome, Report, Verdict, scan};

fn judge(bytes: Vec<u8>) -> Report {
    match scan("paper.pdf", Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn pdf(body: &str) -> Vec<u8> {
    format!("%PDF-1.7\n{body}\nstartxref\n0\n%%EOF\n").into_bytes()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut out = pdf("");
    out.truncate(9);
    out.extend(format!("5 0 obj\n<< {dictionary} /Length {} >>\nstream\n", data.len()).bytes());
    out.extend(data);
    out.extend(b"\nendstream\nendobj\nstartxref\n0\n%%EOF\n");
    out
}

#[test]
fn what_acts_is_told_however_its_name_is_written() {
    for body in [
        "<< /S /JavaScript /JS (app.alert) >>",
        "<< /S /#4aavaScript >>",
        "<< /S /J#61v#61Script >>",
        "<< /J#53 (app.alert) >>",
        "<< /JS\t12 0 R >>",
        "<< /S /L#61unch /F (cmd.exe) >>",
        "<< /AcroForm << /XFA [ (a) 3 0 R ] >> >>",
        "<< /Type /Page /AA << /O 4 0 R >> >>",
        "<< /OpenAction << /S /URI /URI (http://x.example) >> >>",
        "1 0 obj << /OpenAction 2 0 R >> endobj\n2 0 obj << /S /URI /URI (http://x.example) >> endobj",
    ] {
        let report = judge(pdf(body));
        assert_eq!(report.verdict, Verdict::Suspicious, "{body}: {report:?}");
    }
    let late = [b"\x00\xfe words\n".to_vec(), pdf("<< /S /JavaScript >>")].concat();
    assert_eq!(judge(late).verdict, Verdict::Suspicious, "the mark may stand later");
    let words = [b"words\n".to_vec(), pdf("<< /S /GoTo >>")].concat();
    let report = judge(words);
    assert_eq!((report.verdict, report.format.as_str()), (Verdict::Clean, "text"), "{report:?}");
}

#[test]
fn what_papers_have_is_no_finding() {
    for body in [
        "<< /OpenAction [ 3 0 R /FitH null ] /Type /Catalog >>",
        "1 0 obj << /OpenAction 2 0 R >> endobj\n2 0 obj << /S /GoTo /D [ 3 0 R /Fit ] >> endobj",
        "<< /Type /Annot /A << /S /URI /URI (https://arxiv.example) >> >>",
        "<< /JSON 1 /AAPL 2 /XFAX 3 >> /JS\u{1}x /AA\u{1}",
    ] {
        let report = judge(pdf(body));
        assert_eq!(report.verdict, Verdict::Clean, "{body}: {report:?}");
    }
}

#[test]
fn packed_objects_are_read_however_they_are_named() {
    let packed = zlib(b"1 0 << /S /JavaScript /JS (x) >>");
    for kind in ["/Type /ObjStm", "/Type /Obj#53tm"] {
        let report = judge(stream(&format!("{kind} /Filter /FlateDecode"), &packed));
        assert_eq!(report.verdict, Verdict::Suspicious, "{kind}: {report:?}");
    }
}

#[test]
fn attached_files_are_looked_at() {
    let evil = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";
    for (dictionary, data) in [
        ("/Type /EmbeddedFile /Filter /FlateDecode", zlib(evil)),
        ("/Type /Embedded#46ile", evil.to_vec()),
        ("/Subtype /x /Params << /EF << /F 5 0 R >> >>", evil.to_vec()),
    ] {
        let report = judge(stream(dictionary, &data));
        assert_eq!(report.verdict, Verdict::Malicious, "{dictionary}: {report:?}");
    }
    let report = judge(stream("/Type /EmbeddedFile /Filter /LZWDecode", evil));
    assert_eq!(report.verdict, Verdict::Unjudged, "what cannot be unpacked is left out: {report:?}");
    let report = judge(stream("/Type /EmbeddedFile", b"x,y\n1,2\n"));
    assert_eq!(report.verdict, Verdict::Clean, "{report:?}");
}

#[test]
fn no_file_takes_long() {
    let began = Instant::now();
    for piece in [
        "/ObjStm stream ",
        "/ObjStm",
        "/EF << /F 7 0 R >> 7 0 ",
        "/ObjStm stream endstream ",
        "/EmbeddedFile stream x\u{1}",
    ] {
        let report = judge(pdf(&piece.repeat((2 << 20) / piece.len())));
        assert_ne!(report.verdict, Verdict::Malicious, "{piece}");
    }
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}
