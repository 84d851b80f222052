//! How much may be stored and what may go when it is more; and what was read just now, until that is written down.
//!
//! Never removes anything: that is `intake/evict.rs`.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use crate::domain::digest::Sha256;

/// What the configuration says. Cheap to clone.
#[derive(Clone, Default)]
pub struct Storage {
    pub rules: StorageRules,
    used: Arc<Mutex<HashSet<Sha256>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageRules {
    /// Bytes that blobs may take together; `None` is no limit.
    pub quota: Option<u64>,
    /// Bytes that stay free on the disk; 0 is no reserve.
    pub keep_free: u64,
    pub evict: Evict,
}

/// What may go when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evict {
    /// Only what no approved revision needs.
    #[default]
    Unapproved,
    /// That first, and then what was not used for longest, unless it is pinned.
    LeastUsed,
}

impl Evict {
    pub const ALL: [Self; 2] = [Self::Unapproved, Self::LeastUsed];

    pub fn word(self) -> &'static str {
        match self {
            Self::Unapproved => "unapproved",
            Self::LeastUsed => "least-used",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|evict| evict.word() == word)
    }
}

impl Storage {
    pub fn new(rules: StorageRules) -> Self {
        Self { rules, used: Arc::default() }
    }

    /// Somebody reads this blob.
    pub fn used(&self, sha256: Sha256) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256);
    }

    /// What was read since this was asked last.
    pub fn take_used(&self) -> HashSet<Sha256> {
        std::mem::take(&mut self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
