//! Where the bytes come from: a file, a buffer, or ranges that somebody fetched, and views into them.
//!
//! A [`Source`] never copies and never reads ahead of what its reader asks for. Bytes that are not here yet stop the scan;
//! the caller fetches what was asked for and scans again. Nothing in this file knows a format.

use std::{
    collections::BTreeMap,
    fs::File,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};

use crate::{
    reuse::{Room, SMALL},
    scan::{Scanned, Stop},
};

/// Bytes that can be read at any place.
pub trait ReadAt: Send + Sync {
    /// How many bytes there are.
    fn size(&self) -> u64;
    /// Exactly the bytes of `range`, which lies within `size`.
    fn read_at(&self, range: Range<u64>) -> Result<Bytes, Unread>;
    /// Whether `range` can be read without fetching anything.
    fn has(&self, _range: &Range<u64>) -> bool {
        true
    }
}

/// Why bytes could not be read.
#[derive(Debug)]
pub enum Unread {
    /// They have to be fetched first.
    NotHere,
    /// They cannot be read; the sentence says why.
    Failed(String),
}

impl ReadAt for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, range: Range<u64>) -> Result<Bytes, Unread> {
        let outside = || Unread::Failed("asked for bytes past the end".into());
        let (start, end) =
            (usize::try_from(range.start).map_err(|_| outside())?, usize::try_from(range.end).map_err(|_| outside())?);
        if start > end || end > self.len() {
            return Err(outside());
        }
        Ok(self.slice(start..end))
    }
}

/// A file on this machine. A small one is read whole at once; of a large one only what is asked for is read.
pub struct FileSource {
    file: File,
    size: u64,
    whole: Option<Bytes>,
}

/// Below this a single read is cheaper than many.
const READ_WHOLE: u64 = 8 << 20;

impl FileSource {
    /// Opens the file for reading.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut opened = Self { file, size, whole: None };
        if size <= READ_WHOLE {
            opened.whole = Some(opened.pread(0..size)?);
        }
        Ok(opened)
    }

    fn pread(&self, range: Range<u64>) -> std::io::Result<Bytes> {
        use std::os::unix::fs::FileExt;
        let length = usize::try_from(range.end - range.start).map_err(std::io::Error::other)?;
        if length < SMALL {
            let mut into = vec![0; length];
            self.file.read_exact_at(&mut into, range.start)?;
            return Ok(into.into());
        }
        let mut into = Room::to_write(length);
        self.file.read_exact_at(&mut into.0, range.start)?;
        Ok(into.freeze())
    }
}

impl ReadAt for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, range: Range<u64>) -> Result<Bytes, Unread> {
        match &self.whole {
            Some(whole) => whole.read_at(range),
            None => self.pread(range).map_err(|why| Unread::Failed(format!("the file could not be read: {why}"))),
        }
    }
}

/// A file of which only some ranges are here; the others have to be fetched.
#[derive(Clone)]
pub struct Ranges {
    size: u64,
    held: BTreeMap<u64, Bytes>,
}

impl Ranges {
    /// A file of `size` bytes of which nothing is here yet.
    pub fn new(size: u64) -> Self {
        Self { size, held: BTreeMap::new() }
    }

    /// Keeps bytes that were fetched. What is already held is not replaced: the first answer is the one judged.
    pub fn hold(&mut self, start: u64, bytes: &Bytes) {
        let end = (start + bytes.len() as u64).min(self.size);
        let mut at = start;
        while at < end {
            let covered =
                self.held.range(..=at).next_back().map(|(from, b)| from + b.len() as u64).filter(|to| *to > at);
            if let Some(to) = covered {
                at = to;
                continue;
            }
            let until = self.held.range(at..end).next().map_or(end, |(from, _)| *from);
            let (from, to) = (usize::try_from(at - start), usize::try_from(until - start));
            if let (Ok(from), Ok(to)) = (from, to) {
                self.held.insert(at, bytes.slice(from..to));
            }
            at = until;
        }
    }

    /// How many bytes are held.
    pub fn held(&self) -> u64 {
        self.held.values().map(|bytes| bytes.len() as u64).sum()
    }
}

impl ReadAt for Ranges {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, range: Range<u64>) -> Result<Bytes, Unread> {
        let mut whole = BytesMut::new();
        let mut at = range.start;
        while at < range.end {
            let (from, bytes) = self.held.range(..=at).next_back().ok_or(Unread::NotHere)?;
            let skip = usize::try_from(at - from).map_err(|_| Unread::NotHere)?;
            if skip >= bytes.len() {
                return Err(Unread::NotHere);
            }
            let take = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(bytes.len() - skip);
            let piece = bytes.slice(skip..skip + take);
            at += take as u64;
            if whole.is_empty() && at == range.end {
                return Ok(piece);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    fn has(&self, range: &Range<u64>) -> bool {
        let mut at = range.start;
        while at < range.end {
            match self.held.range(..=at).next_back() {
                Some((from, bytes)) if from + bytes.len() as u64 > at => at = from + bytes.len() as u64,
                _ => return false,
            }
        }
        true
    }
}

/// The bytes of one file, member or stream, with the name by which its findings are known. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Source {
    bytes: Arc<dyn ReadAt>,
    start: u64,
    len: u64,
    /// `model.pt!archive/data.pkl`
    path: Arc<str>,
    /// Which coverage map the bytes belong to, and where in it this view begins.
    pub(crate) sheet: usize,
    pub(crate) sheet_start: u64,
    wanted: Arc<Wanted>,
}

/// What a scan asked for and did not find here.
#[derive(Default)]
pub(crate) struct Wanted(Mutex<Vec<Range<u64>>>);

impl Wanted {
    fn add(&self, range: Range<u64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(range);
    }

    /// The ranges asked for, in order, joined where they are close together.
    pub(crate) fn take(&self) -> Vec<Range<u64>> {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in all {
            match joined.last_mut() {
                Some(last) if range.start <= last.end.saturating_add(JOIN) => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        joined
    }
}

/// Two ranges nearer than this are fetched as one: a request costs more than the bytes between.
const JOIN: u64 = 16 << 10;

impl Source {
    pub(crate) fn new(name: &str, bytes: Arc<dyn ReadAt>, sheet: usize) -> Self {
        let len = bytes.size();
        Self { bytes, start: 0, len, path: name.into(), sheet, sheet_start: 0, wanted: Arc::default() }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The name by which findings in these bytes are known: `file!member!member`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The innermost name: of `model.pt!archive/data.pkl` it is `archive/data.pkl`.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('!').next().unwrap_or(&self.path)
    }

    /// The innermost name without its folders.
    pub(crate) fn file_name(&self) -> &str {
        let name = self.name();
        name.rsplit(['/', '\\']).next().unwrap_or(name)
    }

    pub(crate) fn wanted(&self) -> Arc<Wanted> {
        self.wanted.clone()
    }

    /// The bytes of `range`; past the end is [`Stop::Broken`].
    pub(crate) fn read(&self, range: Range<u64>) -> Scanned<Bytes> {
        if range.start > range.end || range.end > self.len {
            return Err(Stop::broken(
                range.start,
                format!(
                    "{} bytes are said to be at {}, past the end",
                    range.end.saturating_sub(range.start),
                    range.start
                ),
            ));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let absolute = self.start + range.start..self.start + range.end;
        self.bytes.read_at(absolute.clone()).map_err(|unread| match unread {
            Unread::NotHere => {
                self.wanted.add(absolute);
                Stop::NotHere
            }
            Unread::Failed(why) => Stop::Unreadable(why),
        })
    }

    /// The bytes from `start` on, at most `most` of them; fewer only at the end.
    pub(crate) fn read_up_to(&self, start: u64, most: u64) -> Scanned<Bytes> {
        let start = start.min(self.len);
        self.read(start..start.saturating_add(most).min(self.len))
    }

    /// All the bytes, if there are no more than `most`.
    pub(crate) fn read_all(&self, most: u64) -> Scanned<Bytes> {
        if self.len > most {
            return Err(Stop::Spent(format!(
                "{} bytes are more than the {most} that are read of such a file",
                self.len
            )));
        }
        self.read(0..self.len)
    }

    /// Says which ranges will be read soon, so that they are fetched together. Nothing is read.
    pub(crate) fn will_read(&self, ranges: impl IntoIterator<Item = Range<u64>>) {
        for range in ranges {
            let absolute = self.start + range.start.min(self.len)..self.start + range.end.min(self.len);
            if absolute.start < absolute.end && !self.bytes.has(&absolute) {
                self.wanted.add(absolute);
            }
        }
    }

    /// A part of these bytes under the same name; `range` is cut to what is there.
    pub(crate) fn part(&self, range: Range<u64>) -> Self {
        let (start, end) = (range.start.min(self.len), range.end.min(self.len));
        let mut part = self.clone();
        part.start += start;
        part.sheet_start += start;
        part.len = end.saturating_sub(start);
        part
    }

    /// A part of these bytes under a name of its own: a stored member of an archive.
    pub(crate) fn member(&self, name: &str, range: Range<u64>) -> Self {
        let mut member = self.part(range);
        member.path = format!("{}!{name}", self.path).into();
        member
    }

    /// Other bytes that were made from these (a decompressed member), with a coverage map of their own.
    pub(crate) fn made(&self, name: &str, bytes: Arc<dyn ReadAt>, sheet: usize) -> Self {
        let len = bytes.size();
        let path = format!("{}!{name}", self.path).into();
        Self { bytes, start: 0, len, path, sheet, sheet_start: 0, wanted: Arc::default() }
    }
}
