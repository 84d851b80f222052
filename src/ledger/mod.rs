//! The ledger: every change and every file handed out is an entry in one signed, append-only tree.
//!
//! Two ways in. A change goes through `RawTx`: its events become pending rows in the change's own transaction, so there
//! is no change without an entry. What changes nothing (a grant, a refusal) goes through `record`, which returns once
//! the entry is durable under a signed checkpoint. One task a process, the sequencer, gives entries their places.
//!
//! Never decides anything, never forgets an entry, and has no switch that turns it off.
//!
//! Two rules for callers that no type can hold, both because SQLite has one write connection: await nothing but SQL
//! while a `RawTx` lives, and least of all `record`, `reference` or a second `begin`.

mod batch;
mod entry;
mod feed;
mod note;
mod opening;
mod process_lock;
mod sequencer;
mod sql;
mod subjects;
mod tail;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    reason = "tests"
)]
mod tests;
mod tree;
mod tx;
pub mod verify;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use self::{
    entry::Body,
    feed::Feed,
    opening::Identity,
    process_lock::ProcessLock,
    sequencer::{Inbox, Waiting},
    subjects::Subjects,
};
pub use self::{subjects::About, tx::RawTx};
use crate::{
    clock,
    domain::{event::Event, refusal::Fault, time::Micros},
    store::Store,
};

/// The open ledger. Cheap to clone.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

pub struct Settings {
    /// Where the key and the process lock are.
    pub data_dir: PathBuf,
    /// What entries call this process.
    pub replica: String,
}

/// Where an event stands in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub shard: i64,
    pub seq: u64,
    pub id: String,
}

impl Ledger {
    /// Opens the ledger. The first start of all makes the installation's id, the key and the first entry; a replica
    /// that holds another key than the ledger was begun with is refused.
    pub async fn open(store: Store, settings: Settings) -> Result<Self, Fault> {
        Self::open_at(store, settings, Arc::new(clock::now)).await
    }

    async fn open_at(store: Store, settings: Settings, clock: Clock) -> Result<Self, Fault> {
        let (identity, head) = opening::open(&store, &settings, &clock).await?;
        let (grants, grants_in) = mpsc::channel(4096);
        let (notes, notes_in) = mpsc::channel(1024);
        Ok(Self(Arc::new(Inner {
            subjects: Subjects::new(store.clone(), clock.clone()),
            feed: Feed::new(&head),
            store,
            settings,
            clock,
            identity,
            grants,
            notes,
            inbox: Mutex::new(Some(Inbox { grants: grants_in, notes: notes_in })),
            wake: Notify::new(),
            phase: watch::Sender::new(Phase::Idle),
            failing: Mutex::new(false),
        })))
    }

    /// Starts the sequencer and the feed. On SQLite a second process is refused: each would think it is the only one.
    #[allow(clippy::disallowed_methods, reason = "the task is awaited by `stop`, and ends with the handle's owner")]
    pub fn start(&self) -> Result<JoinHandle<()>, Fault> {
        let mut inbox = self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.is_none() || self.phase() != Phase::Idle {
            return Err(Fault::new("starting the ledger: it was started or stopped before"));
        }
        let process = if self.0.store.is_sqlite() {
            let folder = self.0.settings.data_dir.display();
            let taken =
                || Fault::new(format!("another weighbridge already runs on the data folder {folder}: stop it first"));
            Some(ProcessLock::take(&self.0.settings.data_dir)?.ok_or_else(taken)?)
        } else {
            None
        };
        let inbox = inbox.take().ok_or_else(stopped)?;
        self.0.phase.send_replace(Phase::Running);
        Ok(tokio::spawn(sequencer::run(self.0.clone(), inbox, process)))
    }

    /// Begins a change. It becomes real only by `commit`, with its events; dropped, it never was.
    pub async fn begin(&self) -> Result<RawTx, Fault> {
        if matches!(self.phase(), Phase::Stopping | Phase::Stopped) {
            return Err(stopped());
        }
        RawTx::begin(self.0.clone()).await
    }

    /// Records an event that comes with no change; returns when it is durable under a signed checkpoint.
    ///
    /// After an error the event may still become an entry, if the ledger was just writing it: the caller refuses, and
    /// an entry about something that was then refused does no harm.
    pub async fn record(&self, event: Event) -> Result<Recorded, Fault> {
        let body = Body::new(&event, &self.0.settings.replica)?;
        if self.phase() != Phase::Running {
            return Err(stopped());
        }
        let (answer, recorded) = oneshot::channel();
        let wait = async {
            self.0.grants.send(Waiting { body, answer: Some(answer) }).await.map_err(|_| stopped())?;
            recorded.await.map_err(|_| stopped())
        };
        let late = |_| Fault::new("recording an event: the ledger did not answer in time").passing();
        timeout(PATIENCE, wait).await.map_err(late)?
    }

    /// Hands over an event that nobody waits for, waiting a little while too many are under way. After an error it was
    /// not taken, and whoever has it keeps it; a fault that does not pass says that it never will be.
    pub async fn note(&self, event: &Event) -> Result<(), Fault> {
        let body = Body::new(event, &self.0.settings.replica)?;
        if self.phase() != Phase::Running {
            return Err(stopped());
        }
        let late = |_| Fault::new("noting an event: too many are waiting already").passing();
        let handed = timeout(PATIENCE, self.0.notes.send(Waiting { body, answer: None })).await.map_err(late)?;
        handed.map_err(|_| stopped())
    }

    /// The reference by which entries speak of a person or an address: keyed, so that it leads nowhere once the key is
    /// destroyed.
    pub async fn reference(&self, about: About, clear: &str) -> Result<String, Fault> {
        self.0.subjects.reference(about, clear).await
    }

    /// Bumped whenever something that may change an answer of the gate was committed here or sequenced anywhere.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.feed.changes()
    }

    /// How long ago this process last knew what the others have done.
    pub fn feed_age(&self) -> Duration {
        self.0.feed.age()
    }

    /// Whether entries can be written now, in a sentence that may be shown.
    pub fn healthy(&self) -> Result<(), String> {
        if self.phase() != Phase::Running {
            Err("the ledger is not running".to_owned())
        } else if *self.0.failing.lock().unwrap_or_else(PoisonError::into_inner) {
            Err("the ledger cannot write".to_owned())
        } else if self.feed_age() > STALE {
            Err("the ledger cannot be read".to_owned())
        } else {
            Ok(())
        }
    }

    /// For commands beside which no `serve` may be running: gives pending rows their places now. False when another
    /// process does that, within a second.
    pub async fn seal_pending(&self) -> Result<bool, Fault> {
        if self.phase() == Phase::Running {
            self.0.wake.notify_one();
            return Ok(false);
        }
        let mut process = None;
        if self.0.store.is_sqlite() {
            process = ProcessLock::take(&self.0.settings.data_dir)?;
            if process.is_none() {
                return Ok(false);
            }
        }
        let sealed = sequencer::seal_pending(&self.0).await;
        drop(process);
        sealed.map(|()| true)
    }

    /// Sequences what is pending and waiting under a last checkpoint, then refuses everything.
    pub async fn stop(&self) {
        self.0.phase.send_if_modified(|phase| {
            let next = match phase {
                Phase::Idle => Phase::Stopped,
                Phase::Running => Phase::Stopping,
                Phase::Stopping | Phase::Stopped => return false,
            };
            *phase = next;
            true
        });
        let mut phase = self.0.phase.subscribe();
        if timeout(sequencer::DRAIN * 2, phase.wait_for(|p| *p == Phase::Stopped)).await.is_err() {
            tracing::error!("the ledger did not stop in time; pending changes get their entries at the next start");
        }
    }

    /// The name of the shard that is written now, which is also the name of its key.
    pub fn origin(&self) -> String {
        self.0.identity.origin(self.0.feed.shard())
    }

    /// What a verifier needs to know to check the shard that is written now.
    pub fn vkey(&self) -> String {
        note::vkey(&self.origin(), self.0.identity.key.public())
    }

    fn phase(&self) -> Phase {
        *self.0.phase.borrow()
    }
}

struct Inner {
    store: Store,
    settings: Settings,
    clock: Clock,
    identity: Identity,
    feed: Feed,
    subjects: Subjects,
    grants: mpsc::Sender<Waiting>,
    notes: mpsc::Sender<Waiting>,
    /// The other ends, until the sequencer takes them.
    inbox: Mutex<Option<Inbox>>,
    wake: Notify,
    phase: watch::Sender<Phase>,
    failing: Mutex<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No sequencer: a host command.
    Idle,
    Running,
    Stopping,
    Stopped,
}

/// A test may live in another year.
type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// How long a caller waits for its entry. Longer, and a client would have given up.
const PATIENCE: Duration = Duration::from_secs(2);
/// A feed older than this no longer says what is true.
const STALE: Duration = Duration::from_secs(5);

fn stopped() -> Fault {
    Fault::new("recording an event: the ledger is not running in this process").passing()
}
