//! What this process knows of the others: whether anything that moves the gate was written, and how old that is.
//!
//! The head row counts such entries, so one row a second tells of all of them. Never reads an entry.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Inner, sql};
use crate::store::tables::ledger_head;

pub(super) struct Feed {
    changes: watch::Sender<u64>,
    moves: AtomicI64,
    shard: AtomicI64,
    opened: Instant,
    /// Milliseconds after `opened`.
    fresh: AtomicU64,
}

impl Feed {
    pub(super) fn new(head: &ledger_head::Model) -> Self {
        Self {
            changes: watch::Sender::new(0),
            moves: AtomicI64::new(head.moves),
            shard: AtomicI64::new(head.shard),
            opened: Instant::now(),
            fresh: AtomicU64::new(0),
        }
    }

    /// The head was seen as it was at `since` or later.
    pub(super) fn saw(&self, shard: i64, moves: i64, since: Instant) {
        self.shard.fetch_max(shard, Ordering::AcqRel);
        let fresh = u64::try_from(since.duration_since(self.opened).as_millis()).unwrap_or(u64::MAX);
        self.fresh.fetch_max(fresh, Ordering::AcqRel);
        if self.moves.fetch_max(moves, Ordering::AcqRel) < moves {
            self.bump();
        }
    }

    pub(super) fn bump(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.fresh.load(Ordering::Acquire)))
    }

    pub(super) fn shard(&self) -> i64 {
        self.shard.load(Ordering::Acquire)
    }
}

/// Reads the head once a second, until the task that runs it ends.
pub(super) async fn follow(inner: Arc<Inner>) {
    loop {
        let since = Instant::now();
        match timeout(LOOK, sql::find_head(inner.store.reader())).await {
            Ok(Ok(Some(head))) => inner.feed.saw(head.shard, head.moves, since),
            Ok(Ok(None)) => tracing::error!("the ledger has no open shard"),
            Ok(Err(fault)) => tracing::warn!(%fault, "the ledger cannot be read"),
            Err(_) => tracing::warn!("the database did not answer in time"),
        }
        sleep(LOOK).await;
    }
}

const LOOK: Duration = Duration::from_secs(1);
