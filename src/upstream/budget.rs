//! The budget that everybody here shares with the hub: so many requests at once, and none while it asks us to wait.
//!
//! First come, first served. Never lets a caller wait without end: one whose turn is further away than its patience
//! is told so at once, and how long to stay away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};

use super::{Limits, trouble::Trouble};

/// Answers are short and files are long, and parts of files are what inspections read: a herd of one kind keeps none of the
/// others waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Answers,
    Downloads,
    Parts,
}

pub(super) struct Budget {
    answers: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    parts: Arc<Semaphore>,
    patience: Duration,
    born: Instant,
    /// Milliseconds after `born` until which nobody asks.
    closed_until: AtomicU64,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            answers: Arc::new(Semaphore::new(limits.answers_at_once)),
            downloads: Arc::new(Semaphore::new(limits.downloads_at_once)),
            parts: Arc::new(Semaphore::new(limits.parts_at_once)),
            patience: limits.patience,
            born: Instant::now(),
            closed_until: AtomicU64::new(0),
        }
    }

    /// Waits for a turn. It is over when the permit is dropped.
    pub(super) async fn enter(&self, lane: Lane) -> Result<OwnedSemaphorePermit, Trouble> {
        let deadline = Instant::now() + self.patience;
        self.closed_within(deadline)?;
        let lane = match lane {
            Lane::Answers => &self.answers,
            Lane::Downloads => &self.downloads,
            Lane::Parts => &self.parts,
        };
        let Ok(Ok(permit)) = timeout_at(deadline, Arc::clone(lane).acquire_owned()).await else {
            return Err(Trouble::Busy { retry_after: CROWDED });
        };
        // Waiting with the permit in hand keeps the order: whoever came first asks first when the gate opens.
        loop {
            let left = self.closed_within(deadline)?;
            if left.is_zero() {
                return Ok(permit);
            }
            sleep(left).await;
        }
    }

    /// Nobody asks for so long. A shorter wait never shortens a longer one.
    pub(super) fn close_for(&self, wait: Duration) {
        let until = self.born.elapsed().saturating_add(wait).as_millis();
        self.closed_until.fetch_max(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long the gate stays closed, or `Busy` when that is past the deadline.
    fn closed_within(&self, deadline: Instant) -> Result<Duration, Trouble> {
        let until = Duration::from_millis(self.closed_until.load(Ordering::Relaxed));
        let left = until.saturating_sub(self.born.elapsed());
        if Instant::now() + left > deadline { Err(Trouble::Busy { retry_after: left }) } else { Ok(left) }
    }
}

/// What a caller is told that found too many others before it.
const CROWDED: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(patience: u64, at_once: usize) -> Budget {
        let patience = Duration::from_millis(patience);
        let limits = Limits { answers_at_once: at_once, downloads_at_once: 1, parts_at_once: 1, ..Limits::default() };
        Budget::new(&Limits { patience, ..limits })
    }

    #[tokio::test]
    async fn a_wait_within_patience_is_waited_and_a_longer_one_is_told() {
        let budget = budget(200, 4);
        budget.close_for(Duration::from_millis(80));
        budget.close_for(Duration::from_millis(10));
        let began = Instant::now();
        assert!(budget.enter(Lane::Answers).await.is_ok());
        assert!(began.elapsed() >= Duration::from_millis(75));
        budget.close_for(Duration::from_mins(1));
        let Err(Trouble::Busy { retry_after }) = budget.enter(Lane::Downloads).await else { panic!("not busy") };
        assert!(retry_after > Duration::from_secs(50));
    }

    #[tokio::test]
    async fn a_full_lane_is_left_after_the_patience_and_blocks_no_other() {
        let budget = budget(50, 1);
        let all = [Lane::Answers, Lane::Downloads, Lane::Parts];
        for lane in all {
            let held = budget.enter(lane).await.unwrap();
            assert!(matches!(budget.enter(lane).await, Err(Trouble::Busy { .. })));
            for other in all.into_iter().filter(|other| *other != lane) {
                assert!(budget.enter(other).await.is_ok(), "{lane:?} keeps {other:?} waiting");
            }
            drop(held);
            assert!(budget.enter(lane).await.is_ok());
        }
    }
}
