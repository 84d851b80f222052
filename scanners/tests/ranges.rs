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
