//! Where the scanner's bytes come from: the store, or the hub by ranges, pinned to the listed commit and size.
//!
//! Every range that came over the network is remembered by its hash, so that the stored file can be held against it, and
//! copied where it may be sent early. Where
//! the scanner wants much of a file, it is told so: then the file is fetched and verified first. Never judges anything.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::fetch::Wanted;
use crate::{
    app::App,
    blobs::{Kept, ReadTrouble, Seal},
    domain::{digest::Sha256, refusal::Fault},
    jobs::{self, Work},
    sandbox::Supply,
    upstream::Trouble,
};

/// Why the scanner did not get its bytes.
#[derive(Debug)]
pub enum NoBytes {
    Trouble(Trouble),
    /// So many are wanted that all of them should be fetched.
    Whole,
    /// The stored file is not as it was left; that it is read again has been asked for.
    Changed,
    Fault(Fault),
}

impl From<Fault> for NoBytes {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The bytes of one file.
pub enum FileBytes<'a> {
    Stored(StoredBytes<'a>),
    Hub(HubBytes<'a>),
}

impl<'a> FileBytes<'a> {
    pub fn stored(app: &'a App, sha256: Sha256, seal: Seal) -> Self {
        Self::Stored(StoredBytes { app, sha256, seal })
    }

    pub fn hub(app: &'a App, wanted: &'a Wanted) -> Self {
        Self::Hub(HubBytes { app, wanted, kept: Vec::new(), read: 0, asked: 0 })
    }

    /// Whether they lie in the store.
    pub fn here(&self) -> bool {
        matches!(self, Self::Stored(_))
    }

    /// What was read over the network.
    pub fn kept(self) -> Vec<Kept> {
        match self {
            Self::Hub(hub) => hub.kept,
            Self::Stored(_) => Vec::new(),
        }
    }
}

impl Supply for FileBytes<'_> {
    type Trouble = NoBytes;

    async fn ranges(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, NoBytes> {
        match self {
            Self::Stored(stored) => stored.ranges(ranges).await,
            Self::Hub(hub) => hub.ranges(ranges).await,
        }
    }
}

/// A stored blob.
pub struct StoredBytes<'a> {
    app: &'a App,
    sha256: Sha256,
    seal: Seal,
}

impl StoredBytes<'_> {
    async fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, NoBytes> {
        let mut all = Vec::with_capacity(ranges.len());
        for range in ranges {
            all.push(read_stored(self.app, self.sha256, &self.seal, range).await?);
        }
        Ok(all)
    }
}

/// One range of a stored blob.
pub async fn read_stored(app: &App, sha256: Sha256, seal: &Seal, range: &Range<u64>) -> Result<Bytes, NoBytes> {
    let mut reader = match app.blobs.read(sha256, seal, range.start, range.end).await {
        Ok(reader) => reader,
        Err(ReadTrouble::Fault(fault)) => return Err(fault.into()),
        Err(ReadTrouble::Absent | ReadTrouble::Changed) => {
            jobs::ask(app, &Work::Recheck { sha256: sha256.to_string(), size: seal.size() }).await?;
            return Err(NoBytes::Changed);
        }
    };
    let mut whole = BytesMut::new();
    while let Some(chunk) = reader.next().await {
        let chunk = chunk?;
        if whole.is_empty() && chunk.len() as u64 == range.end - range.start {
            return Ok(chunk);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// A file at the hub.
pub struct HubBytes<'a> {
    app: &'a App,
    wanted: &'a Wanted,
    kept: Vec<Kept>,
    read: u64,
    asked: u32,
}

impl HubBytes<'_> {
    async fn ranges(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, NoBytes> {
        self.read += ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        self.asked += 1;
        // Little would be left to save, and whoever pulls wants the rest too.
        let much = self.read > LITTLE && self.read > self.wanted.size / 4;
        if much || self.read > MOST_READ || self.asked > MOST_ASKED {
            return Err(NoBytes::Whole);
        }
        let wanted = self.wanted;
        let all = parts(self.app, wanted, ranges).await.map_err(|trouble| match trouble {
            // It may send files only whole.
            Trouble::Unexpected(why) => {
                tracing::info!(file = %wanted.path, why, "no ranges of a file come, so all of it is fetched");
                NoBytes::Whole
            }
            other => NoBytes::Trouble(other),
        })?;
        // What was judged may be sent while the rest is fetched, and then these very bytes are sent.
        let copied = wanted.id.lfs.is_some() && self.app.gate.environments().iter().any(|e| e.stream_unverified);
        for (range, bytes) in ranges.iter().zip(&all) {
            let kept = Kept::of(range.start, bytes);
            if copied {
                self.app.blobs.keep(&kept, bytes.clone()).await;
            }
            self.kept.push(kept);
        }
        Ok(all)
    }
}

/// These ranges of a file at the hub, some of them at a time.
pub async fn parts(app: &App, wanted: &Wanted, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Trouble> {
    let all = stream::iter(ranges.iter().cloned()).map(|range| part(app, wanted, range));
    all.buffered(AT_ONCE).try_collect().await
}

/// What a stored file holds otherwise than the ranges that were read of it over the network.
pub async fn differs(app: &App, sha256: Sha256, seal: &Seal, kept: &[Kept]) -> Result<Option<String>, NoBytes> {
    for one in kept {
        if one.end > seal.size() || !one.agrees(&read_stored(app, sha256, seal, &(one.start..one.end)).await?) {
            return Ok(Some(format!(
                "bytes {} to {} are not those that were inspected before",
                one.start,
                one.end.saturating_sub(1)
            )));
        }
    }
    Ok(None)
}

async fn part(app: &App, wanted: &Wanted, range: Range<u64>) -> Result<Bytes, Trouble> {
    let mut tries = 0;
    loop {
        match part_once(app, wanted, &range).await {
            Err(trouble) if trouble.is_passing() && tries < 2 => {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(250 << tries)).await;
            }
            other => return other,
        }
    }
}

async fn part_once(app: &App, wanted: &Wanted, range: &Range<u64>) -> Result<Bytes, Trouble> {
    let mut download = app.upstream.open_part(&wanted.repo, &wanted.commit, &wanted.path, range.clone()).await?;
    let odd = |what: String| Trouble::Unexpected(what);
    if download.size != wanted.size {
        return Err(odd(format!(
            "The hub had listed {} bytes of this file and announces {}.",
            wanted.size, download.size
        )));
    }
    // Told at every ask: bytes of another file must not be judged as a part of this one.
    if let (Some(said), Some(_)) = (&download.linked_etag, wanted.id.lfs)
        && *said != wanted.id.etag()
    {
        return Err(odd("The hub says that this is another file than the one it had listed.".to_owned()));
    }
    if download.from != range.start || download.until != range.end {
        return Err(odd("The hub sends another part than was asked for.".to_owned()));
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = download.next().await {
        let chunk = chunk?;
        if bytes.len() as u64 + chunk.len() as u64 > range.end - range.start {
            return Err(odd("The hub sends more than was asked for.".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() as u64 == range.end - range.start {
        Ok(bytes.freeze())
    } else {
        Err(Trouble::Unreachable("The hub ended a part too early.".to_owned()))
    }
}

/// Ranges fetched at once.
const AT_ONCE: usize = 6;
/// So much of a file is read by ranges whatever its size.
pub const LITTLE: u64 = 8 << 20;
/// More than this is not read of any file by ranges, nor in more steps than this.
const MOST_READ: u64 = 256 << 20;
const MOST_ASKED: u32 = 60;
