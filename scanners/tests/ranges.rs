//! What is asked for when a file is not here: little, in few rounds, and with the same report as from the whole file.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bytes::Bytes;
use weighbridge_scanners::{FileSource, Limits, Neighbours, Outcome, Ranges, ReadAt, Report, Unread, scan};

use crate::cases;

/// A file that can be fetched from in ranges.
struct Far<'a> {
    bytes: &'a dyn ReadAt,
    held: Ranges,
    rounds: usize,
    asked: Vec<Range<u64>>,
}

impl Far<'_> {
    /// Fetches what is asked for until the file is judged.
    fn judge(&mut self, name: &str, neighbours: Option<&Neighbours>) -> Report {
        loop {
            assert!(self.rounds < 200, "{name}: still asking after 200 rounds: {:?}", self.asked.last());
            let held = std::mem::replace(&mut self.held, Ranges::new(0));
            let shared = Arc::new(held);
            let outcome = scan(name, shared.clone(), &Limits::default(), neighbours);
            self.held = Arc::into_inner(shared).expect("a scan keeps nothing");
            match outcome {
                Outcome::Judged(report) => return *report,
                Outcome::Needs(ranges) => {
                    let before = self.held.held();
                    for range in ranges {
                        self.held.hold(range.start, &self.bytes.read_at(range.clone()).expect("the file is there"));
                        self.asked.push(range);
                    }
                    assert!(self.held.held() > before, "{name}: asked for nothing new: {:?}", self.asked.last());
                    self.rounds += 1;
                }
            }
        }
    }
}

fn far(bytes: &dyn ReadAt) -> Far<'_> {
    Far { bytes, held: Ranges::new(bytes.size()), rounds: 0, asked: Vec::new() }
}

#[test]
fn the_report_from_ranges_is_the_report_from_the_whole_file() {
    let mut by_format = BTreeMap::<String, (usize, u64, u64, usize)>::new();
    // What has to be read whole anyway is fetched in windows: nothing is learnt from doing that with the large ones.
    let small = |case: &cases::Case| std::fs::metadata(&case.file).is_ok_and(|about| about.len() < 4 << 20);
    for case in cases::all().into_iter().filter(small) {
        let whole = cases::report(&case);
        let (name, neighbours) = cases::repository(&case);
        let file = FileSource::open(&case.file).unwrap();
        let mut far = far(&file);
        let ranged = far.judge(&name, Some(&neighbours));
        assert_eq!(
            serde_json::to_value(&ranged).unwrap(),
            serde_json::to_value(&whole).unwrap(),
            "{}: ranges and whole differ",
            case.path
        );
        assert_eq!(ranged.coverage.extents, whole.coverage.extents, "{}", case.path);
        let row = by_format.entry(whole.format).or_default();
        *row = (row.0 + 1, row.1 + file.size(), row.2 + far.held.held(), row.3.max(far.rounds));
    }
    println!("{:<28} {:>6} {:>12} {:>12} {:>7}", "format", "files", "bytes", "fetched", "rounds");
    for (format, (files, bytes, fetched, rounds)) in by_format {
        println!("{format:<28} {files:>6} {bytes:>12} {fetched:>12} {rounds:>7}");
    }
}

/// Mostly zeros: pieces at their places in a file of any size.
struct Sparse {
    size: u64,
    pieces: Vec<(u64, Bytes)>,
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, range: Range<u64>) -> Result<Bytes, Unread> {
        assert!(range.end - range.start < 256 << 20, "one read of {} bytes", range.end - range.start);
        let mut out = vec![0; usize::try_from(range.end - range.start).unwrap()];
        for (start, piece) in &self.pieces {
            let (from, to) = (range.start.max(*start), range.end.min(start + piece.len() as u64));
            if from < to {
                let into = usize::try_from(from - range.start).unwrap()..usize::try_from(to - range.start).unwrap();
                let of = usize::try_from(from - start).unwrap()..usize::try_from(to - start).unwrap();
                out[into].copy_from_slice(&piece[of]);
            }
        }
        Ok(out.into())
    }
}

fn ten_gigabytes_of_safetensors() -> Sparse {
    const TENSOR: u64 = 50 << 20;
    let entries: Vec<String> = (0..200)
        .map(|n| {
            format!(
                r#""layers.{n}.weight":{{"dtype":"F16","shape":[25600,1024],"data_offsets":[{},{}]}}"#,
                n * TENSOR,
                (n + 1) * TENSOR
            )
        })
        .collect();
    let mut header = format!("{{\"__metadata__\":{{\"format\":\"pt\"}},{}}}", entries.join(","));
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let mut start = (header.len() as u64).to_le_bytes().to_vec();
    start.extend_from_slice(header.as_bytes());
    Sparse { size: start.len() as u64 + 200 * TENSOR, pieces: vec![(0, start.into())] }
}

#[test]
fn ten_gigabytes_of_safetensors_are_judged_by_their_header() {
    let file = ten_gigabytes_of_safetensors();
    let mut far = far(&file);
    let report = far.judge("model.safetensors", None);
    assert_eq!(report.verdict.word(), "clean", "{:?}", report.findings);
    assert_eq!(report.facts.tensors.len(), 200);
    assert!(far.held.held() * 1000 < file.size, "{} bytes were fetched", far.held.held());
    assert!(far.rounds <= 3, "{} rounds", far.rounds);
}

const TEN_GIGABYTES: u64 = 10_000_000_000;

/// A file that begins and ends with these bytes, with ten gigabytes of zeros between.
fn around(start: &[u8], end: &[u8]) -> Sparse {
    let pieces = vec![(0, start.to_vec().into()), (start.len() as u64 + TEN_GIGABYTES, end.to_vec().into())];
    Sparse { size: (start.len() + end.len()) as u64 + TEN_GIGABYTES, pieces }
}

fn gguf() -> Sparse {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let mut out = b"GGUF".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend(1_u64.to_le_bytes());
    out.extend(1_u64.to_le_bytes());
    text(&mut out, "general.architecture");
    out.extend(8_u32.to_le_bytes());
    text(&mut out, "llama");
    text(&mut out, "token_embd.weight");
    out.extend(1_u32.to_le_bytes());
    out.extend((TEN_GIGABYTES / 4).to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    out.extend(0_u64.to_le_bytes());
    out.resize(out.len().next_multiple_of(32), 0);
    around(&out, b"")
}

fn array() -> Sparse {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", TEN_GIGABYTES / 4);
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    out.extend(header.as_bytes());
    around(&out, b"")
}

fn pickled_bytes() -> Sparse {
    let mut out = b"\x80\x04\x8e".to_vec();
    out.extend(TEN_GIGABYTES.to_le_bytes());
    around(&out, b"\x94.")
}

fn tar() -> Sparse {
    let mut header = vec![0; 512];
    header[..10].copy_from_slice(b"frames.bin");
    header[100..108].copy_from_slice(b"0000644\0");
    header[124] = 0x80;
    header[128..136].copy_from_slice(&TEN_GIGABYTES.to_be_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    around(&header, &[0; 1024])
}

/// Which ranges of ten gigabytes are asked for, format by format: a change here is a change of what a pull costs.
#[test]
fn little_is_asked_for_of_ten_gigabytes() {
    let mut seen = String::new();
    let files = [
        ("model.safetensors", ten_gigabytes_of_safetensors()),
        ("model.gguf", gguf()),
        ("array.npy", array()),
        ("blob.pkl", pickled_bytes()),
        ("frames.tar", tar()),
    ];
    for (name, file) in files {
        let mut far = far(&file);
        let report = far.judge(name, None);
        assert!(far.held.held() * 100 < file.size, "{name}: {} bytes were fetched", far.held.held());
        let asked: Vec<String> =
            far.asked.iter().map(|range| format!("{}+{}", range.start, range.end - range.start)).collect();
        seen += &format!("{name} of {} bytes, {}: {}\n", file.size, report.verdict.word(), asked.join(" "));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ranges.golden.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &seen).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), seen, "other ranges are asked for now");
}
