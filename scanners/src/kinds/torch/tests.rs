//! Torch's archives: what is a storage, what is code, and how little has to be read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};

use crate::{Limits, Outcome, Ranges, ReadAt, Report, Unread, Verdict, scan};

fn judged(name: &str, bytes: Arc<dyn ReadAt>) -> Report {
    match scan(name, bytes, &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, data) in members {
        writer.start_file(*name, stored).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn rules_of(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

/// A state dict of float tensors, one for each storage, as `torch.save` pickles it.
fn state_dict(counts: &[u64]) -> Vec<u8> {
    let mut out = b"\x80\x02}(".to_vec();
    for (key, count) in counts.iter().enumerate() {
        let text = |out: &mut Vec<u8>, text: &str| {
            out.push(b'X');
            out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
            out.extend(text.as_bytes());
        };
        let number = |out: &mut Vec<u8>, number: u64| {
            out.extend(b"\x8a\x08");
            out.extend(number.to_le_bytes());
        };
        text(&mut out, &format!("layer.{key}"));
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, &key.to_string());
        text(&mut out, "cpu");
        number(&mut out, *count);
        out.extend(b"tQK\0");
        number(&mut out, *count);
        out.extend(b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"u.");
    out
}

fn script(line: &str) -> Vec<u8> {
    let code = format!("class Net(Module):\n  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n    {line}\n");
    zipped(&[
        ("net/data.pkl", b"\x80\x02c__torch__\nNet\n)\x81."),
        ("net/constants.pkl", b"\x80\x02)."),
        ("net/code/__torch__.py", code.as_bytes()),
        ("net/version", b"3\n"),
    ])
}

#[test]
fn a_checkpoint_is_clean_and_its_storages_are_not_read() {
    let storage = [0x80, 2, b'c', b'o', b's', b'\n', b's', b'y', b's', b't', b'e', b'm', b'\n', b'.', 0, 0];
    for root in ["archive", "pytorch_model", "a.b"] {
        let name = |member: &str| format!("{root}/{member}");
        let bytes = zipped(&[
            (&name("data.pkl"), &state_dict(&[4])),
            (&name("byteorder"), b"little"),
            (&name("data/0"), &storage),
            (&name("version"), b"3\n"),
            (&name(".data/serialization_id"), b"0636067187115195431100004784611812170785"),
        ]);
        let report = judged("m.pt", Arc::new(Bytes::from(bytes)));
        assert_eq!(report.verdict, Verdict::Clean, "{:?} {:?}", report.findings, report.coverage);
        assert_eq!((report.format.as_str(), report.coverage.inert), ("torch checkpoint", 16));
    }
}

/// Whoever compares two files finds the numbers where the report says they are; packed or big-endian they are nowhere.
#[test]
fn the_numbers_of_a_tensor_lie_where_the_report_says() {
    let (first, second) = ([7_u8; 16], [9_u8; 8]);
    let pickle = state_dict(&[4, 2]);
    let members: Vec<(&str, &[u8])> = vec![("a/data.pkl", &pickle), ("a/data/0", &first), ("a/data/1", &second)];
    let bytes = Bytes::from(zipped(&members));
    let report = judged("m.pt", Arc::new(bytes.clone()));
    assert_eq!((report.facts.places.len(), report.facts.archive_depth), (2, 1));
    for place in &report.facts.places {
        let at = |place: u64| usize::try_from(place).unwrap();
        let expected: &[u8] = if report.facts.tensors[place.tensor].name == "layer.0" { &first } else { &second };
        assert_eq!(&bytes[at(place.start)..at(place.end)], expected);
    }
    for (order, places) in [("little", 2), ("big", 0)] {
        let members = [&members[..], &[("a/byteorder", order.as_bytes())]].concat();
        let report = judged("m.pt", Arc::new(Bytes::from(zipped(&members))));
        assert_eq!(report.facts.places.len(), places, "{order}");
    }
    // Within another archive it lies in the file all the same.
    let outer = Bytes::from(zipped(&[("inner.pt", &bytes)]));
    let report = judged("m.zip", Arc::new(outer.clone()));
    assert_eq!(report.facts.archive_depth, 2);
    let place = report.facts.places.first().unwrap();
    assert_eq!(outer[usize::try_from(place.start).unwrap()], 7);
}

#[test]
fn storages_have_to_be_there_and_long_enough() {
    for (count, member, size) in [(5, "archive/data/0", 16), (4, "archive/data/1", 16), (1 << 62, "archive/data/0", 16)]
    {
        let bytes = zipped(&[("archive/data.pkl", &state_dict(&[count])), (member, &vec![7; size])]);
        let report = judged("m.pt", Arc::new(Bytes::from(bytes)));
        assert!(rules_of(&report).contains(&"WB-TOR-006"), "{count} {member}: {:?}", report.findings);
        assert_ne!(report.verdict, Verdict::Clean);
    }
}

#[test]
fn what_follows_the_elements_of_a_storage_is_looked_at() {
    let pickle = b"\x80\x02cposix\nsystem\nU\x04true\x85R.";
    for (rest, verdict) in [(&pickle[..], Verdict::Malicious), (&[7; 9], Verdict::Clean)] {
        let bytes = zipped(&[("a/data.pkl", &state_dict(&[4])), ("a/data/0", &[&[1; 16][..], rest].concat())]);
        let report = judged("m.pt", Arc::new(Bytes::from(bytes)));
        assert_eq!(report.verdict, verdict, "{:?} {:?}", report.findings, report.coverage);
    }
}

#[test]
fn file_operations_are_seen_however_they_are_written() {
    for line in [
        "torch.save(x, \"/tmp/a\")",
        "torch . save(x, \"/tmp/a\")",
        "torch.\\\n  save(x, \"/tmp/a\")",
        "y = ops.aten.from_file(\"a\")",
        "y = ops.aten.save",
        "x.save(\"/tmp/a\")",
        "torch.neg(x).save(\"/tmp/a\")",
        "y = \"a\\\"\"; torch.save(x, \"/tmp/a\")",
        "y = '''a\n'''; torch.save(x, \"/tmp/a\")",
    ] {
        let report = judged("m.pt", Arc::new(Bytes::from(script(line))));
        assert!(rules_of(&report).contains(&"WB-TOR-001"), "{line}: {:?}", report.findings);
    }
}

#[test]
fn operations_of_known_libraries_are_no_finding_and_others_are() {
    for line in ["y = ops.torchvision.nms(x)", "y = \"torch.save(x)\"  # torch.save(x)", "saved = torch.relu(x.load)"] {
        let report = judged("m.pt", Arc::new(Bytes::from(script(line))));
        assert_eq!(report.verdict, Verdict::Clean, "{line}: {:?} {:?}", report.findings, report.coverage);
    }
    for line in ["y = ops.company.fused(x)", "y : __torch__.torch.classes.tensorrt.Engine = x", "ops.prim.rpc_async(x)"]
    {
        let report = judged("m.pt", Arc::new(Bytes::from(script(line))));
        assert_eq!(rules_of(&report).first(), Some(&"WB-TOR-002"), "{line}");
        assert_eq!(report.verdict, Verdict::Suspicious);
    }
}

#[test]
fn bytecode_of_mobile_models_is_looked_at() {
    for (operation, rule) in
        [("aten::save", Some("WB-TOR-001")), ("company::op", Some("WB-TOR-002")), ("aten::relu", None)]
    {
        let mut pickle = b"\x80\x02X".to_vec();
        pickle.extend(u32::try_from(operation.len()).unwrap().to_le_bytes());
        pickle.extend(operation.as_bytes());
        pickle.extend(b"X\0\0\0\0\x86.");
        let bytes = zipped(&[("n/data.pkl", b"\x80\x02N."), ("n/bytecode.pkl", &pickle), ("n/version", b"3\n")]);
        let report = judged("m.ptl", Arc::new(Bytes::from(bytes)));
        assert_eq!(rules_of(&report), rule.into_iter().collect::<Vec<_>>(), "{operation}: {:?}", report.findings);
    }
}

#[test]
fn a_cut_file_is_never_clean() {
    let whole = zipped(&[("archive/data.pkl", &state_dict(&[4])), ("archive/data/0", &[1; 16])]);
    for end in 4..whole.len() {
        let report = judged("m.pt", Arc::new(Bytes::from(whole[..end].to_vec())));
        assert_ne!(report.verdict, Verdict::Clean, "cut at {end}");
    }
}

#[test]
fn no_changed_byte_stops_the_scan() {
    let whole = zipped(&[("a/data.pkl", &state_dict(&[4])), ("a/data/0", &[1; 16]), ("a/code/x.py", b"ops.a.b(x)")]);
    for at in 0..whole.len() {
        for byte in [0, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            judged("m.pt", Arc::new(Bytes::from(changed)));
        }
    }
}

/// A file that is mostly not there: stretches of bytes, and between them numbers that nobody has to read.
struct Sparse {
    size: u64,
    parts: Vec<(u64, Bytes)>,
    read: AtomicU64,
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, range: std::ops::Range<u64>) -> Result<Bytes, Unread> {
        self.read.fetch_add(range.end - range.start, Ordering::Relaxed);
        let mut out = BytesMut::zeroed(usize::try_from(range.end - range.start).unwrap());
        out.fill(0xa5);
        for (start, bytes) in &self.parts {
            let (from, to) = (range.start.max(*start), range.end.min(start + bytes.len() as u64));
            if from < to {
                let at = |place: u64, base: u64| usize::try_from(place - base).unwrap();
                out[at(from, range.start)..at(to, range.start)]
                    .copy_from_slice(&bytes[at(from, *start)..at(to, *start)]);
            }
        }
        Ok(out.freeze())
    }
}

/// A torch zip with zip64 records around storages of a gigabyte each.
fn large(storages: usize) -> Sparse {
    const SIZE: u64 = 1 << 30;
    let mut members: Vec<(String, Option<Vec<u8>>)> =
        vec![("archive/data.pkl".into(), Some(state_dict(&vec![SIZE / 4; storages])))];
    members.extend((0..storages).map(|key| (format!("archive/data/{key}"), None)));
    members.push(("archive/version".into(), Some(b"3\n".to_vec())));
    let (mut at, mut parts, mut directory, count) = (0_u64, Vec::new(), Vec::new(), members.len() as u64);
    for (name, data) in members {
        let size = data.as_ref().map_or(SIZE, |data| data.len() as u64);
        let crc = data.as_ref().map_or(0, |data| crate::unpack::checksum(data));
        let pad = (64 - (at + 30 + name.len() as u64 + 4) % 64) % 64;
        let lengths = |extra: u64| [u16::try_from(name.len()).unwrap(), u16::try_from(extra).unwrap()];
        let fixed = |out: &mut Vec<u8>, lengths: [u16; 2]| {
            out.extend([0; 8]);
            out.extend(crc.to_le_bytes());
            out.extend(u32::try_from(size).unwrap().to_le_bytes());
            out.extend(u32::try_from(size).unwrap().to_le_bytes());
            out.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
        };
        let mut local = b"PK\x03\x04\x00\x00".to_vec();
        fixed(&mut local, lengths(pad + 4));
        local.extend(name.as_bytes());
        local.extend(b"FB");
        local.extend(u16::try_from(pad).unwrap().to_le_bytes());
        local.extend(vec![b'Z'; usize::try_from(pad).unwrap()]);
        directory.extend(b"PK\x01\x02\x00\x00\x00\x00");
        fixed(&mut directory, lengths(12));
        directory.extend([0; 10]);
        directory.extend(u32::MAX.to_le_bytes());
        directory.extend(name.as_bytes());
        directory.extend(b"\x01\x00\x08\x00");
        directory.extend(at.to_le_bytes());
        let start = at;
        at += local.len() as u64;
        local.extend(data.unwrap_or_default());
        parts.push((start, Bytes::from(local)));
        at += size;
    }
    let (start, length) = (at, directory.len() as u64);
    directory.extend(b"PK\x06\x06");
    directory.extend(44_u64.to_le_bytes());
    directory.extend([0; 12]);
    directory.extend([count, count, length, start].iter().flat_map(|number| number.to_le_bytes()));
    directory.extend(b"PK\x06\x07\x00\x00\x00\x00");
    directory.extend((start + length).to_le_bytes());
    directory.extend(1_u32.to_le_bytes());
    directory.extend(b"PK\x05\x06\x00\x00\x00\x00");
    directory.extend([0xff; 12]);
    directory.extend([0; 2]);
    at += directory.len() as u64;
    parts.push((start, Bytes::from(directory)));
    Sparse { size: at, parts, read: AtomicU64::new(0) }
}

#[test]
fn ten_gigabytes_are_judged_from_less_than_a_hundredth() {
    let whole = Arc::new(large(10));
    let report = judged("m.pt", whole.clone());
    assert_eq!(report.verdict, Verdict::Clean, "{:?} {:?}", report.findings, report.coverage);
    assert!(whole.read.load(Ordering::Relaxed) < whole.size / 100);
    let (mut held, mut rounds) = (Ranges::new(whole.size), 0);
    let from_ranges = loop {
        let source = Arc::new(std::mem::replace(&mut held, Ranges::new(0)));
        let outcome = scan("m.pt", source.clone(), &Limits::default(), None);
        held = Arc::into_inner(source).unwrap();
        match outcome {
            Outcome::Judged(report) => break report,
            Outcome::Needs(ranges) => {
                rounds += 1;
                assert!(rounds < 9, "asked again and again: {ranges:?}");
                for range in ranges {
                    held.hold(range.start, &whole.read_at(range).unwrap());
                }
            }
        }
    };
    assert!(held.held() < whole.size / 1000, "{} bytes in {rounds} rounds", held.held());
    assert_eq!(format!("{report:?}"), format!("{from_ranges:?}"));
}
