//! The bytes a child asks for: who gives them, and what a child may ask.
//!
//! A child may be owned by the file it reads: what it asks for is measured before anything is fetched. Never fetches.

use std::ops::Range;

use bytes::Bytes;

use super::{frame::PIECE, limits::Limits};

/// Whoever has the bytes of a file, or can fetch them.
pub trait Supply: Send {
    /// Why bytes do not come: the upstream broke, the bytes are not those that were seen before.
    type Trouble: Send;

    /// The bytes of each of these ranges, in their order and of their length. Together they are at most 8 MiB.
    fn ranges(&mut self, ranges: &[Range<u64>]) -> impl Future<Output = Result<Vec<Bytes>, Self::Trouble>> + Send;
}

/// What a child has asked for of one file.
#[derive(Debug, Default)]
pub(super) struct Asked {
    ranges: Vec<Range<u64>>,
    bytes: u64,
    requests: u32,
}

/// Why a request is not fulfilled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unasked {
    /// It is no request.
    Nonsense(String),
    /// It is more than one file may cost.
    TooMuch(String),
}

impl Asked {
    /// Reads a request and adds it to the others.
    pub(super) fn take(
        &mut self,
        payload: &[u8],
        size: u64,
        here: bool,
        limits: &Limits,
    ) -> Result<Vec<Range<u64>>, Unasked> {
        let ranges =
            parse(payload, size).ok_or_else(|| Unasked::Nonsense("a request for no ranges of this file".into()))?;
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.bytes = self.bytes.saturating_add(bytes);
        self.requests = self.requests.saturating_add(1);
        if here {
            // Readers look at some bytes more than once; nobody reads a whole file over and over.
            let most = size.saturating_mul(REREAD).saturating_add(64 << 20);
            if self.bytes > most {
                return Err(Unasked::TooMuch(format!("the scan read more than {most} bytes of a file of {size}")));
            }
        } else if self.bytes > limits.fetched_bytes {
            let most = limits.fetched_bytes;
            return Err(Unasked::TooMuch(format!("judging it takes more than {most} bytes of it, and it is not here")));
        } else if self.requests > limits.requests {
            let most = limits.requests;
            return Err(Unasked::TooMuch(format!("judging it takes more than {most} requests, and it is not here")));
        }
        self.ranges.extend(ranges.iter().cloned());
        if self.ranges.len() > COMPACT {
            self.join();
        }
        Ok(ranges)
    }

    /// So many bytes were asked for so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All that was asked for, in order, joined.
    pub(super) fn ranges(mut self) -> Vec<Range<u64>> {
        self.join();
        self.ranges
    }

    fn join(&mut self) {
        self.ranges.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in self.ranges.drain(..) {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        self.ranges = joined;
    }
}

/// A request: pairs of little-endian places, in order, none empty, none touching another, all within the file.
fn parse(payload: &[u8], size: u64) -> Option<Vec<Range<u64>>> {
    let (pairs, rest) = payload.as_chunks::<16>();
    if !rest.is_empty() || pairs.is_empty() {
        return None;
    }
    let mut at = 0;
    let mut ranges = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let [start, end] = [0, 8].map(|from| pair[from..from + 8].try_into().map(u64::from_le_bytes));
        let range = start.ok()?..end.ok()?;
        if range.start < at || range.start >= range.end || range.end > size {
            return None;
        }
        at = range.end;
        ranges.push(range);
    }
    Some(ranges)
}

/// The same ranges in batches of at most 8 MiB, so that the gateway never holds more than that for one child.
pub(super) fn batches(ranges: &[Range<u64>]) -> Vec<Vec<Range<u64>>> {
    let mut all: Vec<Vec<Range<u64>>> = Vec::new();
    let mut room = 0;
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            if room == 0 {
                all.push(Vec::new());
                room = PIECE as u64;
            }
            let end = range.end.min(at + room);
            room -= end - at;
            if let Some(last) = all.last_mut() {
                last.push(at..end);
            }
            at = end;
        }
    }
    all
}

/// A file that is here may be read this often over.
const REREAD: u64 = 8;

/// So many ranges are kept before they are joined.
const COMPACT: usize = 100_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests say what went wrong by panicking")]

    use super::*;

    fn payload(ranges: &[(u64, u64)]) -> Vec<u8> {
        ranges.iter().flat_map(|(start, end)| [start.to_le_bytes(), end.to_le_bytes()].concat()).collect()
    }

    #[test]
    fn only_a_request_is_one() {
        assert_eq!(parse(&payload(&[(0, 4), (4, 10)]), 10), Some(vec![0..4, 4..10]));
        for wrong in [&[(0, 11)][..], &[(4, 4)], &[(5, 3)], &[(4, 8), (0, 2)], &[(0, 5), (4, 8)], &[], &[(u64::MAX, 0)]]
        {
            assert_eq!(parse(&payload(wrong), 10), None, "{wrong:?}");
        }
        assert_eq!(parse(&[0; 17], 10), None);
    }

    #[test]
    fn what_is_not_here_is_not_fetched_without_measure() {
        let limits = Limits { fetched_bytes: 100, requests: 3, ..Limits::default() };
        let mut asked = Asked::default();
        assert!(asked.take(&payload(&[(0, 60)]), 1000, false, &limits).is_ok());
        assert!(asked.take(&payload(&[(20, 60)]), 1000, false, &limits).is_ok());
        let Err(Unasked::TooMuch(why)) = asked.take(&payload(&[(0, 1)]), 1000, false, &limits) else {
            panic!("it is one byte too many")
        };
        assert!(why.contains("more than 100 bytes"), "{why}");
        assert_eq!(asked.ranges().first(), Some(&(0..60)));
        let mut often = Asked::default();
        for _ in 0..3 {
            assert!(often.take(&payload(&[(0, 1)]), 1000, false, &limits).is_ok());
        }
        assert!(matches!(often.take(&payload(&[(0, 1)]), 1000, false, &limits), Err(Unasked::TooMuch(_))));
        // A file that is here costs no way to the hub, and still is not read without end.
        let mut again = Asked::default();
        let reads = (0..1_000_000).take_while(|_| again.take(&payload(&[(0, 1000)]), 1000, true, &limits).is_ok());
        assert_eq!(reads.count(), (8 * 1000 + (64 << 20)) / 1000);
    }

    #[test]
    fn a_batch_is_never_more_than_a_piece() {
        let piece = PIECE as u64;
        let ranges = [0..10, 20..20 + 2 * piece, 5 * piece..5 * piece + 3];
        let batches = batches(&ranges);
        let sum = |batch: &Vec<Range<u64>>| batch.iter().map(|range| range.end - range.start).sum::<u64>();
        assert!(batches.iter().all(|batch| sum(batch) <= piece));
        let mut asked = Asked { ranges: batches.concat(), ..Asked::default() };
        asked.join();
        assert_eq!(asked.ranges, ranges, "nothing is lost and nothing is asked twice");
        assert_eq!(batches.concat().iter().map(|range| range.end - range.start).sum::<u64>(), 13 + 2 * piece);
    }
}
