//! Unpacked bytes that are too many to hold: made again whenever they are read, going forward, and forgotten behind.
//!
//! A reader that goes forward pays for one more decoding. One that jumps back a long way pays for another from the start;
//! all of them together are bounded.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};

use crate::{
    limits::Limits,
    reuse::Room,
    scan::Stop,
    source::{ReadAt, Source, Unread},
    unpack::{Codec, stream::Stream},
};

const PIECE: usize = 256 << 10;
const EDGE: usize = 1 << 20;

/// The first and last bytes, which every recogniser asks for, and a few between.
#[derive(Default)]
pub(super) struct Edges {
    head: Vec<u8>,
    /// The last bytes, and as many before them: what is older is written over.
    tail: Vec<u8>,
    before: Vec<u8>,
    marks: Marks,
    /// How many bytes were taken.
    taken: u64,
}

/// A few bytes behind each power of two, with their places: whoever looks for HDF5 behind other bytes asks for them, and to
/// make everything again for that would take as long as to make it.
type Marks = Vec<(u64, Vec<u8>)>;

const MARK: u64 = 8;

impl Edges {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.mark(bytes);
        let missing = EDGE.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..missing).unwrap_or_default());
        let mut bytes = bytes;
        while !bytes.is_empty() {
            if self.tail.len() >= EDGE {
                std::mem::swap(&mut self.tail, &mut self.before);
                self.tail.clear();
            }
            let (now, later) = bytes.split_at((EDGE - self.tail.len()).min(bytes.len()));
            self.tail.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Keeps what stands behind powers of two. All that lies before the first is in the head.
    fn mark(&mut self, bytes: &[u8]) {
        let (start, end) = (self.taken, self.taken + bytes.len() as u64);
        self.taken = end;
        for place in std::iter::successors(Some(EDGE as u64), |place| place.checked_mul(2)).take_while(|at| *at < end) {
            let (from, to) = (place.max(start), (place + MARK).min(end));
            let (Ok(from), Ok(to)) = (usize::try_from(from - start), usize::try_from(to.saturating_sub(start))) else {
                continue;
            };
            let Some(here) = bytes.get(from..to).filter(|here| !here.is_empty()) else { continue };
            match self.marks.iter_mut().find(|(at, _)| *at == place) {
                Some((_, mark)) => mark.extend_from_slice(here),
                None => self.marks.push((place, here.to_vec())),
            }
        }
    }

    /// The first bytes, and the last.
    fn both(mut self) -> (Bytes, Bytes) {
        let from = self.tail.len().min(self.before.len());
        let mut tail = self.before.split_off(from);
        tail.append(&mut self.tail);
        (self.head.into(), tail.into())
    }
}

/// The bytes of one stream.
pub(super) struct Again {
    source: Source,
    packed: Range<u64>,
    codec: Codec,
    size: u64,
    /// Behind this the bytes are made one by one: the stream breaks soon.
    coarse: u64,
    head: Bytes,
    tail: Bytes,
    marks: Marks,
    memory: u64,
    forward: Mutex<Forward>,
}

struct Forward {
    stream: Option<Stream>,
    /// How far the bytes have been made.
    at: u64,
    /// The last of them.
    kept: VecDeque<Bytes>,
    kept_bytes: u64,
    /// How many may still be made.
    work: u64,
}

impl Again {
    pub(super) fn new(
        source: Source,
        packed: Range<u64>,
        codec: Codec,
        size: u64,
        coarse: u64,
        mut edges: Edges,
        limits: &Limits,
    ) -> Self {
        let forward =
            Forward { stream: None, at: 0, kept: VecDeque::new(), kept_bytes: 0, work: limits.unpacked_bytes };
        let memory = limits.memory_bytes;
        let marks = std::mem::take(&mut edges.marks);
        let (head, tail) = edges.both();
        Self { source, packed, codec, size, coarse, head, tail, marks, memory, forward: Mutex::new(forward) }
    }

    /// Makes bytes until those up to `end` are there, and keeps those from `start` on.
    fn go_to(&self, forward: &mut Forward, start: u64, end: u64) -> Result<(), Unread> {
        // What was forgotten is made again from the start, and so is everything after a stream that broke.
        if start < forward.at - forward.kept_bytes || forward.stream.is_none() {
            *forward = Forward { at: 0, kept: VecDeque::new(), kept_bytes: 0, stream: None, work: forward.work };
        }
        while forward.at < end {
            let piece = self.next_piece(forward)?;
            forward.at += piece.len() as u64;
            forward.work = forward.work.saturating_sub(piece.len() as u64);
            forward.kept_bytes += piece.len() as u64;
            forward.kept.push_back(piece);
            let first = forward.kept.front().map_or(0, |piece| piece.len() as u64);
            if forward.kept_bytes > self.memory && forward.at - forward.kept_bytes + first <= start {
                forward.kept.pop_front();
                forward.kept_bytes -= first;
            }
        }
        Ok(())
    }

    fn next_piece(&self, forward: &mut Forward) -> Result<Bytes, Unread> {
        if forward.work == 0 {
            return Err(Unread::Failed("it would have to be unpacked too often to be read whole".into()));
        }
        let stream = forward
            .stream
            .get_or_insert_with(|| Stream::new(&self.source, self.packed.clone(), self.codec, self.memory));
        let mut room = Room::to_write(PIECE);
        let piece = &mut room.0;
        let mut full = 0;
        while full < PIECE {
            let here = forward.at + full as u64;
            let most = usize::try_from(self.coarse.saturating_sub(here)).unwrap_or(PIECE).clamp(1, PIECE - full);
            match stream.read(piece.get_mut(full..full + most).unwrap_or_default()) {
                Ok(0) | Err(Stop::Broken { .. } | Stop::Spent(_)) => break,
                Ok(count) => full += count,
                Err(Stop::NotHere) => return Err(Unread::NotHere),
                Err(Stop::Unreadable(why)) => return Err(Unread::Failed(why)),
            }
        }
        if full == 0 {
            return Err(Unread::Failed("unpacked a second time, the stream ended early".into()));
        }
        piece.truncate(full);
        Ok(room.freeze())
    }
}

impl ReadAt for Again {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, range: Range<u64>) -> Result<Bytes, Unread> {
        let tail_start = self.size - self.tail.len() as u64;
        if range.end <= self.head.len() as u64 {
            return self.head.read_at(range);
        }
        if range.start >= tail_start {
            return self.tail.read_at(range.start - tail_start..range.end - tail_start);
        }
        for (place, mark) in &self.marks {
            if range.start >= *place && range.end <= place + mark.len() as u64 {
                return Bytes::copy_from_slice(mark).read_at(range.start - place..range.end - place);
            }
        }
        let mut forward = self.forward.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(unread) = self.go_to(&mut forward, range.start, range.end) {
            forward.stream = None;
            return Err(unread);
        }
        let mut at = forward.at - forward.kept_bytes;
        let mut out = BytesMut::new();
        for piece in &forward.kept {
            let end = at + piece.len() as u64;
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                let bytes = piece.read_at(from - at..to - at)?;
                if out.is_empty() && to == range.end {
                    return Ok(bytes);
                }
                out.extend_from_slice(&bytes);
            }
            at = end;
        }
        Ok(out.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_powers_of_two_is_kept_however_it_comes() {
        let all: Vec<u8> = (0..5 * EDGE).map(|at| u8::try_from(at * 7 % 251).unwrap_or_default()).collect();
        for step in [all.len(), EDGE, EDGE - 3, 64 << 10, 1001] {
            let mut edges = Edges::default();
            all.chunks(step).for_each(|piece| edges.take(piece));
            let places = [EDGE, 2 * EDGE, 4 * EDGE];
            let expected: Marks = places.map(|at| (at as u64, all[at..at + 8].to_vec())).into();
            assert_eq!(edges.marks, expected, "{step}");
        }
    }
}
