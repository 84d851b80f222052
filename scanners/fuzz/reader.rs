//! Feeds one reader with whatever the fuzzer thinks of: FUZZ_READER says which (`run` lists them).
//!
//! A crash is a panic, a timeout, too much memory, or an account of bytes that does not sum to the size.

#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weighbridge_scanners::{CoverageState, Limits, Verdict, scan_as};

/// `format:name`, as in `pickle:model.pkl` or `text:modeling.py`.
static READER: LazyLock<(String, String)> = LazyLock::new(|| {
    let reader = std::env::var("FUZZ_READER").expect("FUZZ_READER names a reader: format:name");
    let (format, name) = reader.split_once(':').expect("FUZZ_READER is format:name");
    (format.to_owned(), name.to_owned())
});

/// Small enough that a single input takes no minute, large enough that no reader stops before its own end.
static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
    unpacked_bytes: 64 << 20,
    memory_bytes: 16 << 20,
    steps: 2_000_000,
    members: 1_000,
    tensors: 10_000,
    ..Limits::default()
});

fuzz_target!(|input: &[u8]| {
    let report = scan_as(&READER.0, &READER.1, Arc::new(Bytes::copy_from_slice(input)), &LIMITS);
    let coverage = &report.coverage;
    assert_eq!(coverage.inspected + coverage.inert + coverage.unscanned, input.len() as u64);
    let mut at = 0;
    for extent in &coverage.extents {
        assert!(extent.start == at && extent.end > at, "gaps and overlaps: {:?}", coverage.extents);
        at = extent.end;
    }
    assert_eq!(at, input.len() as u64);
    if report.verdict == Verdict::Clean {
        assert!(coverage.state == CoverageState::Complete && coverage.unscanned == 0);
    }
});
