//! The sequencer: the one task of a process that makes batches, as long as there is something to write.
//!
//! No timer holds a batch back: it is made when the one before it is done, and so grows with the load. What could not
//! be written is kept and tried again; whoever waited too long has left by then, and his event is dropped.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{
    Inner, Phase, Recorded,
    batch::{self, Manner, Sealed},
    entry::Body,
    feed,
    process_lock::ProcessLock,
    sql,
};
use crate::domain::refusal::Fault;

/// An event on its way, and who waits for it.
pub(super) struct Waiting {
    pub(super) body: Body,
    pub(super) answer: Option<oneshot::Sender<Recorded>>,
}

impl Waiting {
    fn is_wanted(&self) -> bool {
        self.answer.as_ref().is_none_or(|answer| !answer.is_closed())
    }
}

/// The ends of the queues that the sequencer reads.
pub(super) struct Inbox {
    pub(super) grants: mpsc::Receiver<Waiting>,
    pub(super) notes: mpsc::Receiver<Waiting>,
}

impl Inbox {
    /// Takes what is there. Grants first: somebody waits for them.
    fn fill(&mut self, waiting: &mut Vec<Waiting>) {
        waiting.retain(Waiting::is_wanted);
        while waiting.len() < MOST
            && let Ok(one) = self.grants.try_recv()
        {
            if one.is_wanted() {
                waiting.push(one);
            }
        }
        for _ in 0..MOST_NOTES {
            match self.notes.try_recv() {
                Ok(one) if waiting.len() < MOST + MOST_NOTES => waiting.push(one),
                _ => break,
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.notes.is_empty()
    }
}

/// The most waiting events that one batch takes.
const MOST: usize = 1024;
const MOST_NOTES: usize = 256;
/// How often an idle sequencer looks for pending events of other processes.
const TICK: Duration = Duration::from_secs(1);
/// How long after a failure it tries again, when trying again at once has failed too.
const BACK_OFF: Duration = Duration::from_millis(250);
/// A batch that takes longer has lost its database.
const LIMIT: Duration = Duration::from_secs(6);
/// How long `stop` may take.
pub(super) const DRAIN: Duration = Duration::from_secs(10);

/// Runs until `stop`. The process lock, if any, is held that long.
pub(super) async fn run(inner: Arc<Inner>, inbox: Inbox, process: Option<ProcessLock>) {
    let end = End { inner: inner.clone(), _process: process };
    let sequencer = Sequencer { inner: inner.clone(), inbox, waiting: Vec::new(), failures: 0 };
    tokio::select! {
        () = sequencer.run() => {}
        () = feed::follow(inner) => {}
    }
    drop(end);
}

/// However the task ends, nobody shall wait for it any longer.
struct End {
    inner: Arc<Inner>,
    _process: Option<ProcessLock>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.inner.phase.send_replace(Phase::Stopped);
    }
}

struct Sequencer {
    inner: Arc<Inner>,
    inbox: Inbox,
    waiting: Vec<Waiting>,
    /// In a row.
    failures: u32,
}

impl Sequencer {
    async fn run(mut self) {
        // A process before us may have left some.
        let mut more = true;
        loop {
            if !more {
                self.something_to_do().await;
            }
            if self.stopping() {
                return self.drain().await;
            }
            more = self.batch().await;
        }
    }

    async fn something_to_do(&mut self) {
        let mut phase = self.inner.phase.subscribe();
        loop {
            tokio::select! {
                () = self.inner.wake.notified() => return,
                Some(one) = self.inbox.grants.recv() => return self.waiting.push(one),
                Some(one) = self.inbox.notes.recv() => return self.waiting.push(one),
                () = async { drop(phase.wait_for(|p| *p == Phase::Stopping).await) } => return,
                () = sleep(TICK) => {
                    // Only looked at: an idle sequencer must not hold the write lock up.
                    match timeout(LIMIT, sql::any_pending(self.inner.store.reader())).await {
                        Ok(Ok(false)) => {}
                        _ => return,
                    }
                }
            }
        }
    }

    /// Makes a batch; true when there is more to do at once.
    async fn batch(&mut self) -> bool {
        if self.failures > 1 {
            sleep(BACK_OFF).await;
        }
        let Self { inner, inbox, waiting, failures } = self;
        let manner = Manner { careful: *failures > 0, probe: *failures > 0 };
        let sealing = Box::pin(batch::seal(inner, waiting, |w| inbox.fill(w), manner));
        let late = Fault::new("writing entries: the database did not answer in time");
        match timeout(LIMIT, sealing).await.unwrap_or(Err(late)) {
            Ok(Sealed { places, more }) => {
                if self.failures > 1 {
                    tracing::info!("entries can be written again");
                }
                self.failed(0);
                for (one, place) in self.waiting.drain(..places.len()).zip(places) {
                    if let Some(answer) = one.answer {
                        let _ = answer.send(place);
                    }
                }
                more || !self.inbox.is_empty()
            }
            Err(fault) => {
                if self.failures < 2 {
                    tracing::error!(%fault, events = self.waiting.len(), "entries could not be written");
                }
                self.failed(self.failures.saturating_add(1));
                true
            }
        }
    }

    fn failed(&mut self, times: u32) {
        self.failures = times;
        // The first failure may be one bad moment; it is tried again at once.
        *self.inner.failing.lock().unwrap_or_else(PoisonError::into_inner) = times > 1;
    }

    fn stopping(&self) -> bool {
        *self.inner.phase.borrow() == Phase::Stopping
    }

    /// Writes what is still waiting. Closed first: so nothing comes after the last batch.
    async fn drain(mut self) {
        self.inbox.grants.close();
        self.inbox.notes.close();
        let all = async { while self.batch().await {} };
        if timeout(DRAIN, all).await.is_err() {
            tracing::error!("the ledger stopped before everything that waited was written");
        }
    }
}

/// The pending events of a process that has no sequencer.
pub(super) async fn seal_pending(inner: &Inner) -> Result<(), Fault> {
    let manner = Manner { careful: true, probe: false };
    while Box::pin(batch::seal(inner, &mut Vec::new(), |_| {}, manner)).await?.more {}
    Ok(())
}
