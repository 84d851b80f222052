//! Packed bytes as decoders want them: a forward reader over a range of a source, window by window.

use std::{
    io::{self, BufRead, Read},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, Bytes};

use crate::{scan::Stop, source::Source};

const WINDOW: u64 = 256 << 10;

/// Why the source could not be read, for whoever called the decoder: a decoder only passes on that something went wrong.
pub(super) type Trouble = Arc<Mutex<Option<Stop>>>;

/// A place in the packed bytes that moves forward.
pub(super) struct Packed {
    source: Source,
    /// Where the window ends.
    ahead: u64,
    end: u64,
    window: Bytes,
    trouble: Trouble,
}

impl Packed {
    pub(super) fn new(source: &Source, range: Range<u64>, trouble: Trouble) -> Self {
        let end = range.end.min(source.len());
        Self { source: source.clone(), ahead: range.start.min(end), end, window: Bytes::new(), trouble }
    }

    /// Where the next byte is read.
    pub(super) fn position(&self) -> u64 {
        self.ahead - self.window.len() as u64
    }

    /// The next bytes, without going on; fewer than `count` only at the end.
    pub(super) fn peek(&mut self, count: u64) -> io::Result<&[u8]> {
        if (self.window.len() as u64) < count && self.ahead < self.end {
            self.refill()?;
        }
        Ok(self.window.get(..usize::try_from(count).unwrap_or(usize::MAX).min(self.window.len())).unwrap_or_default())
    }

    /// Goes on by `count` bytes, or to the end.
    pub(super) fn skip(&mut self, count: u64) {
        let to = self.position().saturating_add(count).min(self.end);
        self.go(to);
    }

    /// Goes to a place, forward or back.
    pub(super) fn go(&mut self, to: u64) {
        let here = self.position();
        if to >= here && to <= self.ahead {
            self.window.advance(usize::try_from(to - here).unwrap_or(self.window.len()));
        } else {
            self.window = Bytes::new();
            self.ahead = to.min(self.end);
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let here = self.position();
        match self.source.read(here..here.saturating_add(WINDOW).min(self.end)) {
            Ok(window) => {
                self.ahead = here + window.len() as u64;
                self.window = window;
                Ok(())
            }
            Err(stop) => {
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
                Err(io::Error::other("the packed bytes could not be read"))
            }
        }
    }
}

impl Read for Packed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let window = self.fill_buf()?;
        let count = window.len().min(into.len());
        for (to, from) in into.iter_mut().zip(window) {
            *to = *from;
        }
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Packed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.window.is_empty() && self.ahead < self.end {
            self.refill()?;
        }
        Ok(&self.window)
    }

    fn consume(&mut self, count: usize) {
        self.window.advance(count.min(self.window.len()));
    }
}
