//! What is written once a minute instead of once a request: leases of granted files, and counted events.
//!
//! Never decides anything. Memory is bounded: when a table is full it is written out early, never dropped.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

use crate::domain::{
    event::{ActorFact, CountFact, EndFact, Event, ObjectFact, SourceFact},
    time::Micros,
};

/// One body grant: who may have which bytes, for a minute, over any number of streams.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LeaseKey {
    pub actor: String,
    pub token: Option<String>,
    pub address: Option<String>,
    pub revision: String,
    pub path: String,
    pub sha256: String,
    pub environment: String,
}

/// A lease on a file's bytes: recorded once, then counting what leaves on it.
#[derive(Debug)]
pub(super) struct Lease {
    opened: Instant,
    /// Set once the grant is durable in the ledger; who comes second waits for it.
    pub(super) recorded: OnceCell<Granting>,
    bytes: AtomicU64,
    streams: AtomicU64,
    running: AtomicU64,
    aborted: AtomicU64,
}

/// What the end of a lease has to repeat of its beginning.
#[derive(Clone, Debug)]
pub(super) struct Granting {
    pub id: String,
    pub actor: ActorFact,
    pub source: Option<SourceFact>,
    pub object: ObjectFact,
}

impl Lease {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            recorded: OnceCell::new(),
            bytes: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            running: AtomicU64::new(0),
            aborted: AtomicU64::new(0),
        }
    }

    pub(super) fn stream_began(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn stream_ended(&self, bytes: u64, whole: bool) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if !whole {
            self.aborted.fetch_add(1, Ordering::Relaxed);
        }
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    fn end(&self) -> Option<(Granting, EndFact)> {
        let granting = self.recorded.get()?.clone();
        let end = EndFact {
            grant_id: granting.id.clone(),
            bytes: self.bytes.load(Ordering::Relaxed),
            streams: self.streams.load(Ordering::Relaxed),
            aborted: self.aborted.load(Ordering::Relaxed),
        };
        Some((granting, end))
    }
}

/// Every lease of this replica.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<LeaseKey, Arc<Lease>>>);

impl Leases {
    /// The running lease for this key, or a new one that still has to be recorded.
    pub(super) fn of(&self, key: LeaseKey) -> Arc<Lease> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = map.entry(key).or_insert_with(|| Arc::new(Lease::new()));
        if lease.opened.elapsed() >= WINDOW {
            // Its minute is over, though streams may still run on it: it waits under a key nobody asks for, and whoever
            // comes now gets a grant of their own.
            let old = std::mem::replace(lease, Arc::new(Lease::new()));
            let fresh = lease.clone();
            map.insert(LeaseKey::over(format!("{:p}", Arc::as_ptr(&old))), old);
            return fresh;
        }
        lease.clone()
    }

    /// Takes out the leases that are over, with what they have to say. `all` takes running ones too, at the very end.
    pub(super) fn take_ended(&self, all: bool) -> Vec<(Granting, EndFact)> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended = Vec::new();
        map.retain(|_, lease| {
            let over = lease.opened.elapsed() >= WINDOW && lease.running.load(Ordering::Acquire) == 0;
            if over || all {
                ended.extend(lease.end());
            }
            !(over || all)
        });
        ended
    }
}

impl LeaseKey {
    fn over(id: String) -> Self {
        let empty = String::new;
        Self {
            actor: id,
            token: None,
            address: None,
            revision: empty(),
            path: empty(),
            sha256: empty(),
            environment: empty(),
        }
    }
}

/// Events that happen often and are written once a minute with their number.
#[derive(Debug)]
pub(super) struct Counted<K>(Mutex<HashMap<K, Row>>);

#[derive(Debug)]
struct Row {
    event: Event,
    opened: Instant,
    times: u64,
    first: Micros,
    last: Micros,
}

impl<K: Hash + Eq> Counted<K> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Counts one more; `event` is made only for the first. Returns whether the table is full and should be written out.
    pub(super) fn add(&self, key: K, at: Micros, event: impl FnOnce() -> Event) -> bool {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = map.entry(key).or_insert_with(|| Row {
            event: event(),
            opened: Instant::now(),
            times: 0,
            first: at,
            last: at,
        });
        row.times += 1;
        row.last = at;
        map.len() >= MOST
    }

    /// Counts one more of something whose first was written; false when there is no such first within the minute.
    pub(super) fn again(&self, key: &K, at: Micros) -> Option<String> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = map.get_mut(key).filter(|row| row.opened.elapsed() < WINDOW)?;
        row.times += 1;
        row.last = at;
        row.event.decision.as_ref().and_then(|d| d.id.clone())
    }

    /// Takes out what a minute is over for; `all` takes everything.
    pub(super) fn take_over(&self, all: bool) -> Vec<Event> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::new();
        map.retain(|_, row| {
            let over = all || row.opened.elapsed() >= WINDOW;
            if over && row.times > 0 {
                let count = CountFact { times: row.times, first: row.first.to_string(), last: row.last.to_string() };
                out.push(Event { count: Some(count), ..row.event.clone() });
            }
            !over
        });
        out
    }

    /// Opens a minute for something whose first has just been written by itself.
    pub(super) fn opened(&self, key: K, at: Micros, event: Event) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.insert(key, Row { event, opened: Instant::now(), times: 0, first: at, last: at });
    }
}

const WINDOW: Duration = Duration::from_mins(1);
const MOST: usize = 20_000;
