//! Reading a blob, chunk by chunk.
//!
//! From a disk every chunk is its own short job on a blocking thread, one chunk ahead of the client: a slow client
//! holds no thread, a fast one never waits for the disk. A body that cannot be finished ends in an error, never in a
//! clean end. Never reads past the seal, and never asks who is reading.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::domain::{digest::Sha256, refusal::Fault};

use super::{
    bucket::{Bucket, BucketReader},
    disk::Disk,
    filling::EarlyReader,
    open::Opened,
    pool::{Buffer, Pool, Reading},
    seal::Seal,
    trouble::{ReadTrouble, io_fault},
};

pub struct BlobReader {
    source: Source,
    remaining: u64,
    failed: bool,
    /// While it lives, its blob is one that is read.
    _opened: Option<Opened>,
}

enum Source {
    Disk(DiskReader),
    Bucket(Box<BucketReader>),
    /// What is still being fetched.
    Early(EarlyReader),
}

impl BlobReader {
    pub(super) async fn disk(
        disk: &Disk,
        sha: Sha256,
        seal: &Seal,
        range: Range<u64>,
        pool: Arc<Pool>,
    ) -> Result<Self, ReadTrouble> {
        let remaining = range.end - range.start;
        let reader = DiskReader::open(disk.clone(), sha, seal.clone(), range, pool).await?;
        Ok(Self { source: Source::Disk(reader), remaining, failed: false, _opened: None })
    }

    pub(super) async fn bucket(
        bucket: &Bucket,
        sha: Sha256,
        seal: &Seal,
        range: Range<u64>,
    ) -> Result<Self, ReadTrouble> {
        let remaining = range.end - range.start;
        let reader = Box::new(bucket.read(sha, seal, range).await?);
        Ok(Self { source: Source::Bucket(reader), remaining, failed: false, _opened: None })
    }

    pub(super) fn counted(self, opened: Opened) -> Self {
        Self { _opened: Some(opened), ..self }
    }

    pub(super) fn early(reader: EarlyReader, size: u64) -> Self {
        Self { source: Source::Early(reader), remaining: size, failed: false, _opened: None }
    }

    /// What is still to come: exact, so that a body can say its length.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The next chunk, never empty; `None` only after the last byte.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        if self.failed {
            return Poll::Ready(Some(Err(Fault::new("reading on in a blob after a failure"))));
        }
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let chunk = match &mut self.source {
            Source::Disk(reader) => ready!(reader.poll_chunk(cx)),
            Source::Bucket(reader) => ready!(reader.poll_chunk(cx)),
            Source::Early(reader) => ready!(reader.poll_chunk(cx)),
        };
        self.failed = chunk.is_err();
        if let Ok(chunk) = &chunk {
            self.remaining = self.remaining.saturating_sub(chunk.len() as u64);
        }
        Poll::Ready(Some(chunk))
    }

    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

struct DiskReader {
    open: Arc<Open>,
    /// Where the next read starts, and where the last one ends.
    next: u64,
    end: u64,
    ahead: Option<JoinHandle<Result<Buffer, Fault>>>,
    /// Came with the opening, so that a small file costs one trip to a blocking thread.
    first: Option<Buffer>,
    _reading: Reading,
}

struct Open {
    file: File,
    sha: Sha256,
    seal: Seal,
    pool: Arc<Pool>,
}

impl DiskReader {
    async fn open(
        disk: Disk,
        sha: Sha256,
        seal: Seal,
        range: Range<u64>,
        pool: Arc<Pool>,
    ) -> Result<Self, ReadTrouble> {
        let reading = pool.reading();
        let opened = tokio::task::spawn_blocking(move || {
            let file = disk.open_sealed(sha, &seal)?;
            let open = Open { file, sha, seal, pool };
            let first = open.length(&range).map(|len| open.chunk(range.start, len)).transpose()?;
            let next = range.start + first.as_ref().map_or(0, |buffer| buffer.as_ref().len() as u64);
            let open = Arc::new(open);
            Ok(Self { open, next, end: range.end, ahead: None, first, _reading: reading })
        });
        opened.await.unwrap_or_else(|error| Err(Fault::because("opening a blob", error).passing().into()))
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Fault>> {
        let buffer = if let Some(first) = self.first.take() {
            first
        } else {
            if self.ahead.is_none() {
                self.read_ahead();
            }
            let Some(ahead) = &mut self.ahead else {
                return Poll::Ready(Err(Fault::new("reading past the end of a blob")));
            };
            let read = ready!(Pin::new(ahead).poll(cx));
            self.ahead = None;
            match read {
                Ok(Ok(buffer)) => buffer,
                Ok(Err(fault)) => return Poll::Ready(Err(fault)),
                Err(error) => return Poll::Ready(Err(Fault::because("reading a blob", error).passing())),
            }
        };
        self.read_ahead();
        Poll::Ready(Ok(Bytes::from_owner(buffer)))
    }

    fn read_ahead(&mut self) {
        let Some(len) = self.open.length(&(self.next..self.end)) else { return };
        let (open, start) = (Arc::clone(&self.open), self.next);
        self.next += len as u64;
        self.ahead = Some(tokio::task::spawn_blocking(move || open.chunk(start, len)));
    }
}

impl Open {
    /// How much to read next, `None` at the end.
    fn length(&self, left: &Range<u64>) -> Option<usize> {
        let left = left.end.saturating_sub(left.start);
        let chunk = self.pool.chunk();
        (left > 0).then(|| usize::try_from(left).map_or(chunk, |left| left.min(chunk)))
    }

    fn chunk(&self, start: u64, len: usize) -> Result<Buffer, Fault> {
        let mut buffer = self.pool.take(len);
        let doing = || format!("reading blob {} at {start}", self.sha);
        self.file.read_exact_at(buffer.space(), start).map_err(|e| io_fault(doing(), e))?;
        // Looking again after each chunk costs well under a microsecond, and a blob that is overwritten under a stream
        // cuts it at once.
        let meta = self.file.metadata().map_err(|e| io_fault(doing(), e))?;
        if self.seal.holds_bytes_of(&meta) {
            Ok(buffer)
        } else {
            Err(Fault::because(doing(), io::Error::other("the blob was changed while it was read")))
        }
    }
}
