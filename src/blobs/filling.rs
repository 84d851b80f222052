//! A file that is being fetched, for those who may have its bytes before all of it is verified.
//!
//! What the scanner has judged comes from its own copies, the rest from the spool as it is written; the last block
//! leaves only when the whole file was found right, and then from the store. A reader reads from the disk, so a slow
//! one holds nothing back and nothing in memory. Never decides who may read, and never asks the database.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{OnceCell, watch};

use crate::domain::{digest::Sha256, refusal::Fault};

use super::{
    Blobs,
    keep::Copies,
    pool::Reading,
    read::BlobReader,
    seal::Seal,
    trouble::{ReadTrouble, blocking, io_fault},
};

/// Which file is being fetched, and in whose name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub revision_id: String,
    pub path: String,
    pub etag: String,
    pub size: u64,
}

/// The fetches of this process whose bytes may be seen early, by the keys of their spools.
#[derive(Default)]
pub(super) struct Offers(Mutex<HashMap<String, Arc<Offered>>>);

pub(super) struct Offered {
    of: Fetched,
    id: String,
    filling: Mutex<Option<Arc<Filling>>>,
}

/// Held by the fetch; whoever still reads when it is dropped is cut, unless the file was found right.
pub struct Offer {
    blobs: Blobs,
    key: String,
    offered: Arc<Offered>,
}

/// One spool, from its first byte to the verdict on all of them.
pub struct Filling {
    id: String,
    of: Fetched,
    /// Opened by itself: the spool's own descriptor carries its lock, which must end with the fetch.
    file: File,
    now: watch::Sender<Now>,
    marked: OnceCell<()>,
}

#[derive(Clone, Debug)]
struct Now {
    written: u64,
    /// Somebody reads, or has.
    watched: bool,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// The source has not even said that it has this file.
    Closed,
    Open,
    /// All of it is right, and stored.
    Agreed(Sha256, Seal),
    Over,
}

impl Blobs {
    /// From now on, what is fetched under this spool's key may be read early. `id` is unlike any other's.
    pub fn offer(&self, key: &str, of: Fetched, id: String) -> Offer {
        let offered = Arc::new(Offered { of, id, filling: Mutex::default() });
        self.0.offers.all().insert(key.to_owned(), Arc::clone(&offered));
        Offer { blobs: self.clone(), key: key.to_owned(), offered }
    }

    /// The fetch under this key, while it goes on in this process and in this file's name.
    pub fn filling(&self, key: &str, of: &Fetched) -> Option<Arc<Filling>> {
        let offered = self.0.offers.find(key).filter(|offered| offered.of == *of)?;
        let filling = offered.filling().clone();
        filling.filter(|filling| filling.is_open())
    }

    /// Whether the fetch under this key may be read along now, in whatever name.
    pub fn may_be_read_along(&self, key: &str) -> bool {
        let filling = self.0.offers.find(key).and_then(|offered| offered.filling().clone());
        filling.is_some_and(|filling| filling.is_open())
    }
}

impl Blobs {
    /// Whether a fetch of this process may break off: nobody reads it along, and from now on nobody begins to.
    pub fn may_break_off(&self, key: &str) -> bool {
        let filling = self.0.offers.find(key).and_then(|offered| offered.filling().clone());
        filling.is_none_or(|filling| !filling.is_watched_or_closed())
    }
}

impl Offers {
    pub(super) fn find(&self, key: &str) -> Option<Arc<Offered>> {
        self.all().get(key).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Offered>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offered {
    /// A spool begins, with so many bytes in it. Only the first one is read early: bytes that come again come because
    /// something was wrong with them. `None` as well when it cannot be read.
    pub(super) fn begin(&self, path: &Path, written: u64) -> Option<Arc<Filling>> {
        let mut begun = self.filling();
        if begun.is_some() {
            return None;
        }
        let file = File::open(path).ok()?;
        let now = watch::Sender::new(Now { written, watched: false, state: State::Closed });
        let (id, of) = (self.id.clone(), self.of.clone());
        let filling = Arc::new(Filling { id, of, file, now, marked: OnceCell::new() });
        *begun = Some(Arc::clone(&filling));
        Some(filling)
    }

    fn filling(&self) -> MutexGuard<'_, Option<Arc<Filling>>> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offer {
    /// What was read early, if anything was. `None` closes it: from now on nobody can begin to.
    pub fn watched(&self) -> Option<Arc<Filling>> {
        let filling = self.offered.filling().clone()?;
        filling.is_watched_or_closed().then_some(filling)
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let mut all = self.blobs.0.offers.all();
        if all.get(&self.key).is_some_and(|offered| Arc::ptr_eq(offered, &self.offered)) {
            all.remove(&self.key);
        }
        drop(all);
        if let Some(filling) = self.offered.filling().as_ref() {
            filling.give_up();
        }
    }
}

impl Filling {
    /// Unlike any other's, in all processes and for ever.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn of(&self) -> &Fetched {
        &self.of
    }

    /// What has to be done once before anybody reads: that somebody will is written down here. True for whoever did it.
    pub async fn mark<F: Future<Output = Result<(), Fault>>>(&self, mark: impl FnOnce() -> F) -> Result<bool, Fault> {
        let mut did = false;
        let mark = async {
            mark().await?;
            did = true;
            Ok(())
        };
        self.marked.get_or_try_init(|| mark).await?;
        Ok(did)
    }

    /// Completes when somebody has begun to read, or when nobody can any more; true when nobody ever did.
    pub async fn was_read_by_nobody(&self) -> bool {
        let mut now = self.now.subscribe();
        let settled = now.wait_for(|now| now.watched || matches!(now.state, State::Agreed(..) | State::Over)).await;
        settled.is_ok_and(|now| !now.watched)
    }

    /// Begins to read. `None` when the fetch is over, one way or the other, or was never marked.
    pub fn read(self: &Arc<Self>, blobs: &Blobs, copies: Arc<Copies>) -> Option<BlobReader> {
        self.marked.get()?;
        let mut open = false;
        self.now.send_modify(|now| {
            open = matches!(now.state, State::Open);
            now.watched |= open;
        });
        let reading = blobs.0.pool.reading();
        let now = self.now.subscribe();
        let place = Place { blobs: blobs.clone(), filling: Arc::clone(self), copies, now, at: 0, _reading: reading };
        open.then(|| BlobReader::early(EarlyReader { step: Step::At(Box::new(place)) }, self.of.size))
    }

    /// All of it is what was promised and what was judged, and stored under this seal.
    pub fn agree(&self, sha256: Sha256, seal: Seal) {
        self.end(State::Agreed(sha256, seal));
    }

    fn is_open(&self) -> bool {
        matches!(self.now.borrow().state, State::Open)
    }

    /// Whether somebody has begun to read. If not, nobody can from now on.
    fn is_watched_or_closed(&self) -> bool {
        let mut watched = false;
        self.now.send_modify(|now| {
            watched = now.watched && matches!(now.state, State::Open);
            if !watched {
                now.state = State::Over;
            }
        });
        watched
    }

    /// These bytes are not what they should be, or will not be found to be.
    pub(super) fn give_up(&self) {
        self.end(State::Over);
    }

    /// True when nobody could read before.
    fn open(&self) -> bool {
        self.now.send_if_modified(|now| {
            let closed = matches!(now.state, State::Closed);
            if closed {
                now.state = State::Open;
            }
            closed
        })
    }

    pub(super) fn advance(&self, written: u64) {
        self.now.send_modify(|now| now.written = written);
    }

    fn end(&self, state: State) {
        self.now.send_if_modified(|now| {
            let goes_on = matches!(now.state, State::Closed | State::Open);
            if goes_on {
                now.state = state;
            }
            goes_on
        });
    }
}

/// The spool's own hold: it gives up what it does not bring to an end.
pub(super) struct Fill(Option<Arc<Filling>>);

impl Fill {
    pub(super) fn of(filling: Option<Arc<Filling>>) -> Self {
        Self(filling)
    }

    pub(super) fn filling(&self) -> Option<Arc<Filling>> {
        self.0.clone()
    }

    pub(super) fn open(&self) -> bool {
        self.0.as_ref().is_some_and(|filling| filling.open())
    }

    /// All bytes are there and have their name.
    pub(super) fn whole(&mut self) {
        self.0 = None;
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        if let Some(filling) = &self.0 {
            filling.give_up();
        }
    }
}

/// Reads one such file from its start.
pub(super) struct EarlyReader {
    step: Step,
}

enum Step {
    At(Box<Place>),
    Reading(BoxFuture<'static, (Box<Place>, Result<Read, Fault>)>),
    Stored(Box<BlobReader>),
    Failed,
}

enum Read {
    Chunk(Bytes),
    /// It was found right: the rest comes from the store.
    Stored(Box<BlobReader>),
}

struct Place {
    blobs: Blobs,
    filling: Arc<Filling>,
    copies: Arc<Copies>,
    now: watch::Receiver<Now>,
    at: u64,
    _reading: Reading,
}

impl EarlyReader {
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Fault>> {
        loop {
            match &mut self.step {
                Step::Failed => return Poll::Ready(Err(Fault::new("reading on in a file after a failure"))),
                Step::Stored(reader) => {
                    let chunk = ready!(reader.poll_next(cx));
                    return Poll::Ready(chunk.unwrap_or_else(|| Err(Fault::new("reading past the end of a blob"))));
                }
                Step::Reading(reading) => {
                    let (place, read) = ready!(reading.as_mut().poll(cx));
                    match read {
                        Ok(Read::Stored(reader)) => self.step = Step::Stored(reader),
                        Ok(Read::Chunk(chunk)) => {
                            self.step = Step::At(place);
                            return Poll::Ready(Ok(chunk));
                        }
                        Err(fault) => {
                            self.step = Step::Failed;
                            return Poll::Ready(Err(fault));
                        }
                    }
                }
                Step::At(_) => {
                    let Step::At(mut place) = std::mem::replace(&mut self.step, Step::Failed) else { continue };
                    self.step = Step::Reading(Box::pin(async move {
                        let read = place.next().await;
                        (place, read)
                    }));
                }
            }
        }
    }
}

impl Place {
    async fn next(&mut self) -> Result<Read, Fault> {
        loop {
            let now = self.now.borrow_and_update().clone();
            match now.state {
                State::Over => return Err(given_up()),
                State::Agreed(sha256, seal) => return self.stored(sha256, &seal).await,
                State::Closed | State::Open => {
                    if let Some(chunk) = self.early(now.written).await? {
                        self.at += chunk.len() as u64;
                        return Ok(Read::Chunk(chunk));
                    }
                }
            }
            if self.now.changed().await.is_err() {
                return Err(given_up());
            }
        }
    }

    async fn stored(&self, sha256: Sha256, seal: &Seal) -> Result<Read, Fault> {
        match self.blobs.read(sha256, seal, self.at, self.filling.of.size).await {
            Ok(reader) => Ok(Read::Stored(Box::new(reader))),
            Err(ReadTrouble::Fault(fault)) => Err(fault),
            Err(ReadTrouble::Absent | ReadTrouble::Changed) => {
                Err(Fault::new("reading on in a file that was stored: it is not as it was left").passing())
            }
        }
    }

    /// The next bytes that may leave already, if there are any.
    async fn early(&self, written: u64) -> Result<Option<Bytes>, Fault> {
        let pool = &self.blobs.0.pool;
        let most = self.at.saturating_add(pool.chunk() as u64).min(self.filling.of.size.saturating_sub(HELD_BACK));
        let (end, copy) = match self.copies.at(self.at) {
            Some((end, copy)) => (end.min(most), Some(copy)),
            // What was judged is never taken from the second fetch.
            None => (most.min(written).min(self.copies.next_after(self.at)), None),
        };
        let Some(len) = end.checked_sub(self.at).filter(|len| *len > 0) else { return Ok(None) };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let (filling, mut buffer, at) = (Arc::clone(&self.filling), pool.take(len), self.at);
        let chunk = blocking("reading a file that is being fetched", move || {
            let read = match copy {
                Some((file, from)) => file.read_exact_at(buffer.space(), at - from),
                None => filling.file.read_exact_at(buffer.space(), at),
            };
            read.map_err(|e| io_fault("reading a file that is being fetched", e))?;
            Ok(Bytes::from_owner(buffer))
        })
        .await;
        // A spool that starts over says so first, so what was read before that is of the old one, and whole.
        if matches!(self.now.borrow().state, State::Over) { Err(given_up()) } else { chunk.map(Some) }
    }
}

fn given_up() -> Fault {
    Fault::because("sending a file while it is fetched", io::Error::other("the fetch was given up")).passing()
}

/// What is held back of every file until all of it was found right: no client takes a file for whole without it.
pub const HELD_BACK: u64 = 1 << 20;
