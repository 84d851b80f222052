//! The handles a feature may hold: the gate, the stores, the hub, and two bells.
//!
//! Never a `Store` or a `Ledger`: reading goes through a grant, changing through a grant's transaction.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, watch};

use crate::{blobs::Blobs, gate::Gate, store::chores::Chores, upstream::Upstream};

/// Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub gate: Gate,
    pub blobs: Blobs,
    pub upstream: Upstream,
    pub chores: Chores,
    pub bells: Arc<Bells>,
    pub face: Arc<Face>,
    pub stopping: Stopping,
}

/// How clients reach us.
#[derive(Clone, Debug)]
pub struct Face {
    /// Without a trailing slash.
    pub public_url: String,
    /// The path part of `public_url`: empty, or `/prefix`.
    pub prefix: String,
    /// How long a request is held for something that is under way.
    pub hold: Duration,
}

/// Wakes workers for new jobs, and waiters for finished ones, within this process; other replicas look every second.
pub struct Bells {
    jobs: Notify,
    news: watch::Sender<u64>,
}

impl Default for Bells {
    fn default() -> Self {
        Self { jobs: Notify::new(), news: watch::Sender::new(0) }
    }
}

impl Bells {
    pub fn ring_for_work(&self) {
        self.jobs.notify_one();
    }

    pub async fn work_rang(&self) {
        self.jobs.notified().await;
    }

    pub fn tell_news(&self) {
        self.news.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

/// Whether the gateway has been told to stop: health answers say so, and listeners close.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Sender<bool>);

impl Default for Stopping {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stopping {
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    pub fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut told = self.0.subscribe();
        async move {
            let _ = told.wait_for(|stop| *stop).await;
        }
    }
}
