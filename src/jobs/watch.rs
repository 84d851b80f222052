//! Waiting for a job's next step: of all who wait for one job in this process, one looks once a second and tells the rest.
//!
//! A job that ends here rings a bell besides, so that nobody waits for that second. Never does the work, and never says
//! what a step means: whoever is woken looks at the row.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch::Receiver;

use super::{BACKGROUND, State, Work, concerns, sql, state};
use crate::{
    app::{
        App,
        vigils::{self, Vigil},
    },
    clock,
    domain::refusal::Fault,
    store::tables::job,
};

/// One who waits for a job.
pub struct Watch {
    app: App,
    key: String,
    vigil: Arc<Vigil>,
    told: Receiver<u64>,
    bell: Receiver<u64>,
    seen: Option<Stamp>,
    hurried: bool,
}

/// What is compared: progress is no step, but for the first byte, with which some can go on, and for what comes before it:
/// that the hub has begun to answer.
type Stamp = (String, String, i64, i64, bool);

impl Watch {
    pub fn new(app: &App, key: &str) -> Self {
        let vigil = app.vigils.at(&vigils::job(key));
        let (told, bell) = (vigil.told(), app.bells.end(key));
        Self { app: app.clone(), key: key.to_owned(), vigil, told, bell, seen: None, hurried: false }
    }

    /// What `jobs::look_for` says, and what `moved` goes by from here on.
    pub async fn look_for(&mut self, work: &Work) -> Result<Option<State>, Fault> {
        self.told.mark_unchanged();
        self.bell.mark_unchanged();
        let row = self.row().await?;
        self.seen = row.as_ref().map(|row| self.stamp(row));
        if let (false, Some(row)) = (self.app.in_background, &row)
            && row.lane == BACKGROUND
            && row.state == "waiting"
            && !self.hurried
        {
            // So far nobody waited for it.
            self.hurried = true;
            sql::hurry_one(&self.app.chores, &self.key).await?;
            self.app.bells.ring_for_work();
        }
        Ok(row.filter(|row| concerns(row, work, clock::now())).map(|row| state(&row)))
    }

    /// Completes when the job is no longer as `look_for` saw it, or the time is over.
    pub async fn moved(&mut self, until: Instant) -> Result<(), Fault> {
        let mut over = std::pin::pin!(tokio::time::sleep_until(until.into()));
        let looks = tokio::select! {
            looks = self.vigil.look() => looks,
            _ = self.told.changed() => return Ok(()),
            () = &mut over => return Ok(()),
        };
        loop {
            tokio::select! {
                _ = self.bell.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = &mut over => return Ok(()),
            }
            looks.count();
            // A question that failed is asked again: nobody is better off for a herd that hears of it.
            match self.row().await {
                Ok(row) if row.as_ref().map(|row| self.stamp(row)) != self.seen => {
                    looks.tell();
                    return Ok(());
                }
                Ok(_) => {}
                Err(fault) => tracing::debug!(%fault, "a job cannot be looked at"),
            }
        }
    }

    fn stamp(&self, row: &job::Model) -> Stamp {
        let begun = row.done_bytes > 0 || self.app.blobs.may_be_read_along(&self.key);
        (row.state.clone(), row.outcome.clone(), row.attempts, row.made_at, begun)
    }

    async fn row(&self) -> Result<Option<job::Model>, Fault> {
        sql::find(&self.app.chores, &self.key).await
    }
}

/// How often one of those who wait looks: jobs that end in another replica ring no bell here.
const LOOK: Duration = Duration::from_secs(1);
