//! Which bytes of a file were looked at: inspected, inert by format, or unscanned. The three always sum to the file's size.
//!
//! What nobody marked is unscanned. Bytes that were made (decompressed) have a sheet of their own, which is folded into the
//! sheet of the bytes they were made from: one unscanned made byte leaves the packed bytes unscanned.

use std::ops::Range;

use serde::Serialize;

/// What was done with a stretch of bytes. The order is the precedence where marks overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// Nobody looked.
    Unscanned,
    /// The format says that no loader runs these bytes (tensor data, pixels, text).
    Inert,
    /// Read and judged.
    Inspected,
}

/// One stretch of bytes and what was done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// What was done.
    pub seen: Seen,
}

/// Whether everything was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CoverageState {
    /// Every byte is inspected or inert.
    Complete,
    /// Some bytes were not looked at; the reason says why.
    Incomplete,
    /// No reader knows this format.
    Unsupported,
}

/// Which bytes were looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// Whether that was everything.
    pub state: CoverageState,
    /// Bytes read and judged.
    pub inspected: u64,
    /// Bytes that no loader runs.
    pub inert: u64,
    /// Bytes nobody looked at.
    pub unscanned: u64,
    /// Why not everything was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The stretches, in order, without gaps or overlaps.
    #[serde(skip)]
    pub extents: Vec<Extent>,
}

impl Coverage {
    /// Of a file that could not be read.
    pub(crate) fn none(why: &str) -> Self {
        let reason = Some(why.to_owned());
        Self { state: CoverageState::Incomplete, inspected: 0, inert: 0, unscanned: 0, reason, extents: Vec::new() }
    }
}

/// The marks made on one run of bytes: the file itself, or bytes made from a part of it.
pub(crate) struct Sheet {
    size: u64,
    marks: Vec<(Range<u64>, Seen)>,
    /// Why something was left out: the first reason is the one told.
    pub(crate) reason: Option<String>,
    pub(crate) unsupported: bool,
}

impl Sheet {
    pub(crate) fn new(size: u64) -> Self {
        Self { size, marks: Vec::new(), reason: None, unsupported: false }
    }

    pub(crate) fn mark(&mut self, range: Range<u64>, seen: Seen) {
        let range = range.start.min(self.size)..range.end.min(self.size);
        if range.start >= range.end {
            return;
        }
        // Readers go forward: most marks lengthen the last one.
        if let Some((last, was)) = self.marks.last_mut()
            && *was == seen
            && range.start <= last.end
            && range.start >= last.start
        {
            last.end = last.end.max(range.end);
            return;
        }
        self.marks.push((range, seen));
    }

    /// Whether every byte was looked at and nothing was left out.
    pub(crate) fn complete(&self) -> bool {
        self.reason.is_none() && !self.unsupported && self.extents().iter().all(|e| e.seen != Seen::Unscanned)
    }

    /// The stretches in order, the highest mark winning, gaps unscanned.
    pub(crate) fn extents(&self) -> Vec<Extent> {
        let mut edges: Vec<(u64, i32, Seen)> = Vec::with_capacity(self.marks.len() * 2);
        for (range, seen) in &self.marks {
            edges.push((range.start, 1, *seen));
            edges.push((range.end, -1, *seen));
        }
        edges.sort_unstable_by_key(|(at, _, _)| *at);
        let mut out: Vec<Extent> = Vec::new();
        let mut push = |start: u64, end: u64, seen: Seen| {
            if start < end {
                match out.last_mut() {
                    Some(last) if last.seen == seen && last.end == start => last.end = end,
                    _ => out.push(Extent { start, end, seen }),
                }
            }
        };
        let (mut inert, mut inspected, mut from) = (0_i32, 0_i32, 0_u64);
        for (at, step, seen) in edges {
            let now = if inspected > 0 {
                Seen::Inspected
            } else if inert > 0 {
                Seen::Inert
            } else {
                Seen::Unscanned
            };
            push(from, at, now);
            from = at;
            match seen {
                Seen::Inspected => inspected += step,
                Seen::Inert => inert += step,
                Seen::Unscanned => {}
            }
        }
        push(from, self.size, Seen::Unscanned);
        out
    }

    pub(crate) fn finish(self) -> Coverage {
        let extents = self.extents();
        let sum = |seen: Seen| extents.iter().filter(|e| e.seen == seen).map(|e| e.end - e.start).sum::<u64>();
        let unscanned = sum(Seen::Unscanned);
        let state = if self.unsupported {
            CoverageState::Unsupported
        } else if unscanned > 0 || self.reason.is_some() {
            CoverageState::Incomplete
        } else {
            CoverageState::Complete
        };
        let reason = match state {
            CoverageState::Complete => None,
            _ => {
                Some(self.reason.unwrap_or_else(|| format!("{unscanned} bytes belong to nothing that was recognised")))
            }
        };
        Coverage { state, inspected: sum(Seen::Inspected), inert: sum(Seen::Inert), unscanned, reason, extents }
    }
}
