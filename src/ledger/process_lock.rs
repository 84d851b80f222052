//! The lock file that makes one process the only one that sequences on a data folder.
//!
//! Held by the operating system, so it ends with the process however that ends. Never deleted: a lock on a deleted file
//! would keep nobody out.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::domain::refusal::Fault;

/// Held while it lives.
pub(super) struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock; `None` when another process has it.
    #[allow(clippy::disallowed_methods, reason = "a lock file")]
    pub(super) fn take(data_dir: &Path) -> Result<Option<Self>, Fault> {
        let path = data_dir.join("serve.lock");
        let failed = |error: std::io::Error| Fault::because(format!("taking the lock {}", path.display()), error);
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
