//! Reading forward through a source, a window at a time.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    scan::{Scanned, Stop},
    source::Source,
};

/// The first window; each later one is twice as long, up to the longest. A jump starts small again.
const FIRST: u64 = 64 << 10;
/// The first window within a message: what is wanted of it often stands at its beginning.
pub(crate) const FIRST_OF_PART: u64 = 4 << 10;
const LONGEST: u64 = 1 << 20;

/// A place in a source that moves forward.
pub(crate) struct Cursor<'a> {
    source: &'a Source,
    window: Bytes,
    /// Where in the window the cursor stands.
    at: usize,
    /// Where the window ends in the source.
    ahead: u64,
    next: u64,
    first: u64,
    /// Nothing behind this is read ahead: a small message costs its own bytes and no more.
    until: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn at(source: &'a Source, start: u64) -> Self {
        Self { source, window: Bytes::new(), at: 0, ahead: start, next: FIRST, first: FIRST, until: u64::MAX }
    }

    /// The same for a part: what lies behind `range` is not read ahead.
    pub(crate) fn within(source: &'a Source, range: &Range<u64>) -> Self {
        Self { until: range.end, next: FIRST_OF_PART, first: FIRST_OF_PART, ..Self::at(source, range.start) }
    }

    /// Where the next byte is read.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.ahead - (self.window.len() - self.at) as u64
    }

    /// What the window holds from here on.
    #[inline]
    fn rest(&self) -> &[u8] {
        self.window.get(self.at..).unwrap_or_default()
    }

    /// How many bytes are left.
    #[inline]
    pub(crate) fn left(&self) -> u64 {
        self.source.len().saturating_sub(self.position())
    }

    pub(crate) fn at_end(&self) -> bool {
        self.left() == 0
    }

    /// Goes to `position`, forward or back. Nothing is read.
    #[inline]
    pub(crate) fn go(&mut self, position: u64) {
        let here = self.position();
        if position >= here && position <= self.ahead {
            self.at += usize::try_from(position - here).unwrap_or(0);
        } else {
            (self.window, self.at) = (Bytes::new(), 0);
            self.ahead = position;
            self.next = self.first;
        }
    }

    /// Leaves out `count` bytes, which have to be there. Nothing is read.
    #[inline]
    pub(crate) fn skip(&mut self, count: u64) -> Scanned<Range<u64>> {
        let here = self.position();
        if count > self.left() {
            return Err(self.short(count));
        }
        self.go(here + count);
        Ok(here..here + count)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Scanned<u8> {
        if self.at == self.window.len() {
            self.fill(1)?;
        }
        let byte = self.window.get(self.at).copied().ok_or_else(|| self.short(1))?;
        self.at += 1;
        Ok(byte)
    }

    /// The next byte, without going on.
    pub(crate) fn peek(&mut self) -> Scanned<Option<u8>> {
        if self.rest().is_empty() {
            if self.at_end() {
                return Ok(None);
            }
            self.fill(1)?;
        }
        Ok(self.rest().first().copied())
    }

    pub(crate) fn u16_le(&mut self) -> Scanned<u16> {
        self.some().map(u16::from_le_bytes)
    }

    pub(crate) fn u32_le(&mut self) -> Scanned<u32> {
        self.some().map(u32::from_le_bytes)
    }

    pub(crate) fn u64_le(&mut self) -> Scanned<u64> {
        self.some().map(u64::from_le_bytes)
    }

    pub(crate) fn u16_be(&mut self) -> Scanned<u16> {
        self.some().map(u16::from_be_bytes)
    }

    pub(crate) fn u32_be(&mut self) -> Scanned<u32> {
        self.some().map(u32::from_be_bytes)
    }

    pub(crate) fn u64_be(&mut self) -> Scanned<u64> {
        self.some().map(u64::from_be_bytes)
    }

    /// The next few bytes.
    #[inline]
    fn some<const COUNT: usize>(&mut self) -> Scanned<[u8; COUNT]> {
        if self.rest().len() < COUNT {
            self.fill(COUNT as u64)?;
        }
        let bytes = self.rest().first_chunk().copied().ok_or_else(|| self.short(COUNT as u64))?;
        self.at += COUNT;
        Ok(bytes)
    }

    /// The next `count` bytes. The caller has bounded `count`; a count past the end is refused before anything is allocated.
    pub(crate) fn bytes(&mut self, count: u64) -> Scanned<Bytes> {
        self.fill(count)?;
        let to = usize::try_from(count).map_or(self.window.len(), |count| self.at + count);
        let bytes = self.window.slice(self.at..to);
        self.at = to;
        Ok(bytes)
    }

    /// The bytes up to the next newline, which is read too and not given back. Longer than `most` is broken.
    pub(crate) fn line(&mut self, most: u64) -> Scanned<Bytes> {
        let mut looked = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', self.rest().get(looked..).unwrap_or_default()) {
                let line = self.window.slice(self.at..self.at + looked + at);
                self.at += looked + at + 1;
                return Ok(line);
            }
            looked = self.rest().len();
            if looked as u64 >= most || looked as u64 >= self.left() {
                return Err(Stop::broken(self.position(), "a line has no end"));
            }
            // Twice as much each time, so that a long line is not read again for each of its bytes.
            self.fill((looked as u64).saturating_mul(2).min(self.left()).max(looked as u64 + 1))?;
        }
    }

    fn short(&self, count: u64) -> Stop {
        let (here, left) = (self.position(), self.left());
        Stop::broken(here, format!("{count} bytes are announced at {here} and only {left} are left"))
    }

    /// Makes the window hold at least `count` bytes.
    fn fill(&mut self, count: u64) -> Scanned<()> {
        if self.rest().len() as u64 >= count {
            return Ok(());
        }
        if count > self.left() {
            return Err(self.short(count));
        }
        let here = self.position();
        let ahead = self.next.min(self.until.saturating_sub(here));
        (self.window, self.at) = (self.source.read_up_to(here, count.max(ahead))?, 0);
        self.ahead = here + self.window.len() as u64;
        self.next = (self.next * 2).min(LONGEST);
        Ok(())
    }
}
