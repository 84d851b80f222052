//! Which blobs are being read in this process: what is read is not removed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::domain::digest::Sha256;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct OpenBlobs(Arc<Mutex<HashMap<Sha256, usize>>>);

impl OpenBlobs {
    /// Counts one more reader, until what it answers is dropped.
    pub(super) fn begin(&self, sha: Sha256) -> Opened {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(sha).or_default() += 1;
        Opened { all: self.clone(), sha }
    }

    pub(super) fn list(&self) -> Vec<Sha256> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

/// One reader of one blob.
pub(super) struct Opened {
    all: OpenBlobs,
    sha: Sha256,
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(readers) = all.get_mut(&self.sha) {
            *readers -= 1;
            if *readers == 0 {
                all.remove(&self.sha);
            }
        }
    }
}
