//! Many who wait for one thing, and one of them who looks: five hundred waiters cost as many questions as one.
//!
//! Whoever looks may leave at any moment; then another of them looks. Never asks anything itself.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::{MutexGuard, watch};

use crate::domain::{name::RepoName, rev::Rev};

/// What is waited for in this process, by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Vigils(Arc<Mutex<HashMap<String, Weak<Vigil>>>>);

impl Vigils {
    /// The wait of this name, begun by whoever is first.
    pub fn at(&self, name: &str) -> Arc<Vigil> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vigil) = all.get(name).and_then(Weak::upgrade) {
            return vigil;
        }
        if all.len() >= SWEPT_AT {
            all.retain(|_, vigil| vigil.strong_count() > 0);
        }
        let vigil = Arc::new(Vigil::default());
        all.insert(name.to_owned(), Arc::downgrade(&vigil));
        vigil
    }

    /// How many wait for it in this process.
    pub fn waiting(&self, name: &str) -> usize {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).and_then(Weak::upgrade).map_or(0, |vigil| vigil.waiting.load(Ordering::Relaxed))
    }
}

/// The name under which callers wait for a revision in an environment.
pub fn door(environment: &str, repo: &RepoName, rev: &Rev) -> String {
    format!("door {environment} {repo}@{rev}")
}

/// The name under which they wait for a job.
pub fn job(key: &str) -> String {
    format!("job {key}")
}

/// One wait, shared by all who wait for the same.
pub struct Vigil {
    eyes: tokio::sync::Mutex<()>,
    told: watch::Sender<u64>,
    waiting: AtomicUsize,
    looked: AtomicU64,
}

impl Default for Vigil {
    fn default() -> Self {
        Self {
            eyes: tokio::sync::Mutex::default(),
            told: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            looked: AtomicU64::new(0),
        }
    }
}

impl Vigil {
    /// Rings when the one who looks has seen something.
    pub fn told(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// One's turn to look: at once for the first, for another one when that one has left.
    pub async fn look(&self) -> Looks<'_> {
        let _waits = Waits::new(&self.waiting);
        let eyes = self.eyes.lock().await;
        Looks { _waits: Waits::new(&self.waiting), vigil: self, _eyes: eyes }
    }

    /// The same, if nobody looks now.
    pub fn try_look(&self) -> Option<Looks<'_>> {
        let eyes = self.eyes.try_lock().ok()?;
        Some(Looks { _waits: Waits::new(&self.waiting), vigil: self, _eyes: eyes })
    }

    /// How often anybody has looked.
    pub fn looked(&self) -> u64 {
        self.looked.load(Ordering::Relaxed)
    }
}

/// The turn of the one who looks. Ends when it is dropped.
pub struct Looks<'a> {
    _waits: Waits<'a>,
    vigil: &'a Vigil,
    _eyes: MutexGuard<'a, ()>,
}

impl Looks<'_> {
    /// Wakes all the others.
    pub fn tell(&self) {
        self.vigil.told.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub fn count(&self) {
        self.vigil.looked.fetch_add(1, Ordering::Relaxed);
    }
}

struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Names of waits that are over are forgotten when there are so many.
const SWEPT_AT: usize = 1024;
