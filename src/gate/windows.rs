//! What is written once a minute instead of once a request: leases of granted files, and counted events.
//!
//! Never decides anything and loses nothing. Memory is bounded: a full table is taken out whole, and what comes before
//! that is counted in one row for its actor and kind.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering, fence},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::sync::OnceCell;

use crate::{
    clock,
    domain::{
        event::{ActorFact, CountFact, EndFact, Event, Kind, ObjectFact, Outcome, SourceFact},
        time::Micros,
    },
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
            aborted: AtomicU64::new(0),
        }
    }

    pub(super) fn stream_began(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stream_ended(&self, bytes: u64, whole: bool) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if !whole {
            self.aborted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the ledger is told at the end; nothing about a grant that it never had.
    fn end(&self) -> Option<Event> {
        let Granting { id, actor, source, object } = self.recorded.get()?.clone();
        let end = EndFact {
            grant_id: id,
            bytes: self.bytes.load(Ordering::Relaxed),
            streams: self.streams.load(Ordering::Relaxed),
            aborted: self.aborted.load(Ordering::Relaxed),
        };
        let outcome = if end.aborted == 0 { Outcome::Done } else { Outcome::Failed };
        let mut event = Event::new(clock::new_id(), Kind::FileEnded, outcome, actor);
        event.source = source;
        event.object = Some(object);
        event.end = Some(end);
        Some(event)
    }
}

/// Every lease of this replica.
#[derive(Debug)]
pub(super) struct Leases {
    map: Mutex<HashMap<LeaseKey, Arc<Lease>>>,
    most: usize,
}

impl Leases {
    pub(super) fn new() -> Self {
        Self { map: Mutex::default(), most: MOST }
    }

    /// The running lease for this key, or a new one that still has to be recorded; and whether the table is full.
    pub(super) fn of(&self, key: LeaseKey) -> (Arc<Lease>, bool) {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = map.entry(key).or_insert_with(|| Arc::new(Lease::new()));
        // Its minute is over, though streams may still run on it: it waits under a key nobody asks for, and whoever
        // comes now gets a grant of their own.
        let over = lease.opened.elapsed() >= WINDOW;
        let old = over.then(|| std::mem::replace(lease, Arc::new(Lease::new())));
        let lease = lease.clone();
        if let Some(old) = old {
            map.insert(LeaseKey::over(format!("{:p}", Arc::as_ptr(&old))), old);
        }
        let full = map.len() >= self.most;
        (lease, full)
    }

    /// Takes out the leases that are over, as the events they end with: their minute is, or the table is full, and
    /// nobody sends on them. `all` takes running ones too, at the very end.
    pub(super) fn take_ended(&self, all: bool) -> Vec<Event> {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        let full = map.len() >= self.most;
        let mut ended = Vec::new();
        map.retain(|_, lease| {
            // Whoever sends on it, or is about to, holds it as well; and new holders come through this lock.
            let free = Arc::strong_count(lease) == 1;
            let over = all || (free && (full || lease.opened.elapsed() >= WINDOW));
            if over {
                // What its last holder counted before letting go is seen after this.
                fence(Ordering::Acquire);
                ended.extend(lease.end());
            }
            !over
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
pub(super) struct Counted<K> {
    table: Mutex<Table<K>>,
    most: usize,
    window: Duration,
}

#[derive(Debug)]
struct Table<K> {
    rows: HashMap<K, Row>,
    /// What found no place in the rows, by actor and kind: as many as there are credentials, at most.
    folded: HashMap<(String, Kind), Row>,
    /// Rows that are over and made room for their successors.
    over: Vec<Event>,
}

#[derive(Debug)]
struct Row {
    event: Event,
    opened: Instant,
    times: u64,
    first: Micros,
    last: Micros,
}

impl Row {
    fn new(event: Event, at: Micros) -> Self {
        Self { event, opened: Instant::now(), times: 0, first: at, last: at }
    }

    fn count(&mut self, at: Micros) {
        self.times += 1;
        self.last = at;
    }

    /// With its number; nothing when nothing was counted.
    fn event(&self) -> Option<Event> {
        let count = CountFact { times: self.times, first: self.first.to_string(), last: self.last.to_string() };
        (self.times > 0).then(|| Event { id: clock::new_id(), count: Some(count), ..self.event.clone() })
    }
}

impl<K> Table<K> {
    /// The row of everything that this actor did of this kind and that found no place of its own.
    fn fold(&mut self, event: Event, at: Micros) -> &mut Row {
        let actor = event.actor.reference.clone().unwrap_or_else(|| event.actor.kind.to_owned());
        let kind = event.kind;
        self.folded.entry((actor, kind)).or_insert_with(|| {
            let mut folded = Event::new(String::new(), kind, event.outcome, event.actor);
            folded.detail = Some(json!({"folded": true}));
            Row::new(folded, at)
        })
    }
}

impl<K: Hash + Eq> Counted<K> {
    pub(super) fn new() -> Self {
        Self::with(MOST, WINDOW)
    }

    fn with(most: usize, window: Duration) -> Self {
        let table = Table { rows: HashMap::new(), folded: HashMap::new(), over: Vec::new() };
        Self { table: Mutex::new(table), most, window }
    }

    /// Counts one more; `event` is made only for the first. Returns whether the table is full and should be taken.
    pub(super) fn add(&self, key: K, at: Micros, event: impl FnOnce() -> Event) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.rows.len() < self.most || table.rows.contains_key(&key) {
            table.rows.entry(key).or_insert_with(|| Row::new(event(), at)).count(at);
        } else {
            table.fold(event(), at).count(at);
        }
        table.rows.len() >= self.most
    }

    /// Counts one more of what is counted already; false when it is not.
    pub(super) fn more(&self, key: &K, at: Micros) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.rows.get_mut(key).map(|row| row.count(at)).is_some()
    }

    /// Counts one more of something whose first was written; `None` when there is no such first within the minute.
    pub(super) fn again(&self, key: &K, at: Micros) -> Option<String> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let row = table.rows.get_mut(key).filter(|row| row.opened.elapsed() < self.window)?;
        row.count(at);
        row.event.decision.as_ref().and_then(|d| d.id.clone())
    }

    /// Takes out what a minute is over for; everything when the table is full, or all of it is wanted.
    pub(super) fn take(&self, all: bool) -> Vec<Event> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all || table.rows.len() >= self.most;
        let mut out = std::mem::take(&mut table.over);
        out.extend(table.folded.drain().filter_map(|(_, row)| row.event()));
        table.rows.retain(|_, row| {
            let over = all || row.opened.elapsed() >= self.window;
            if over {
                out.extend(row.event());
            }
            !over
        });
        out
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).rows.len()
    }

    /// Opens a minute for something whose first has just been written by itself. In a full table it is not
    /// remembered: the next one is then written by itself too. Returns whether the table is full.
    pub(super) fn opened(&self, key: K, at: Micros, event: Event) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = table.rows.remove(&key) {
            if table.over.len() < self.most {
                table.over.extend(old.event());
            } else if old.times > 0 {
                let row = table.fold(old.event, old.first);
                row.times += old.times;
                row.last = row.last.max(old.last);
            }
        }
        if table.rows.len() < self.most {
            table.rows.insert(key, Row::new(event, at));
        }
        table.rows.len() >= self.most
    }
}

const WINDOW: Duration = Duration::from_mins(1);
const MOST: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(actor: &str) -> Event {
        let actor = ActorFact { kind: "service", reference: Some(actor.to_owned()), ..ActorFact::default() };
        Event::new("FIRST".to_owned(), Kind::RevisionViewed, Outcome::Allow, actor)
    }

    fn times(events: &[Event]) -> Vec<u64> {
        let mut all: Vec<_> = events.iter().filter_map(|e| e.count.as_ref()).map(|c| c.times).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_flood_beyond_a_full_table_is_folded_by_actor_and_a_full_table_is_taken_whole() {
        let counted = Counted::with(3, WINDOW);
        for n in 0..3 {
            assert_eq!(counted.add(n, Micros(n), || event("a")), n == 2);
        }
        for n in 0..1000 {
            assert!(counted.add(n, Micros(n), || event(if n % 2 == 0 { "a" } else { "b" })));
        }
        // 3 rows that were counted twice; 997 in two rows for two actors.
        let taken = counted.take(false);
        assert_eq!(times(&taken), [2, 2, 2, 498, 499]);
        assert!(taken.iter().all(|e| e.id != "FIRST"));
        assert_eq!(taken.iter().filter(|e| e.detail == Some(json!({"folded": true}))).count(), 2);
        assert!(!counted.add(7, Micros(7), || event("a")) && counted.take(false).is_empty());
        assert_eq!(times(&counted.take(true)), [1]);
    }

    #[test]
    fn a_row_that_is_over_is_kept_when_its_successor_opens() {
        let counted = Counted::with(2, Duration::ZERO);
        counted.opened(1, Micros(1), event("a"));
        assert!(counted.more(&1, Micros(2)) && counted.more(&1, Micros(3)));
        // As `deny` does: not the same minute any more, and so a new first.
        assert_eq!(counted.again(&1, Micros(4)), None);
        counted.opened(1, Micros(5), event("a"));
        assert_eq!(times(&counted.take(true)), [2]);
        // Even when very many are over and nobody takes them.
        for n in 0..10 {
            counted.opened(1, Micros(n), event("a"));
            counted.more(&1, Micros(n));
        }
        assert_eq!(times(&counted.take(true)).iter().sum::<u64>(), 10);
    }

    fn key(path: usize) -> LeaseKey {
        LeaseKey { path: path.to_string(), ..LeaseKey::over(String::new()) }
    }

    fn recorded(lease: &Lease) {
        let (actor, object) = (ActorFact::default(), ObjectFact::default());
        let _ = lease.recorded.set(Granting { id: "G".to_owned(), actor, source: None, object });
    }

    #[test]
    fn a_full_table_of_leases_gives_up_those_that_nobody_holds() {
        let leases = Leases { map: Mutex::default(), most: 3 };
        let (held, _) = leases.of(key(0));
        recorded(&held);
        for n in 1..3 {
            let (lease, full) = leases.of(key(n));
            recorded(&lease);
            lease.stream_began();
            lease.stream_ended(10, true);
            assert_eq!(full, n == 2);
        }
        let ends = |events: Vec<Event>| events.into_iter().filter_map(|e| e.end).map(|e| e.bytes).collect::<Vec<_>>();
        assert_eq!(ends(leases.take_ended(false)), [10, 10]);
        held.stream_began();
        held.stream_ended(5, false);
        assert!(leases.take_ended(false).is_empty(), "its minute is not over, and there is room");
        drop(held);
        assert_eq!(ends(leases.take_ended(true)), [5]);
    }
}
