//! Hashing as bytes pass: always sha256, and the git id when it is asked for.
//!
//! Never on a thread that serves: one core hashes under 2 GB/s, so callers hand batches to blocking threads.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::domain::digest::{GitId, Sha256};

pub(super) struct Hasher {
    sha: Context,
    git: Option<Context>,
}

pub(super) struct Hashes {
    pub(super) sha256: Sha256,
    pub(super) git: Option<GitId>,
}

impl Hasher {
    /// A git id starts with the size of what follows, so it needs that up front.
    pub(super) fn new(git_size: Option<u64>) -> Self {
        let git = git_size.map(|size| {
            let mut git = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
            git.update(format!("blob {size}\0").as_bytes());
            git
        });
        Self { sha: Context::new(&SHA256), git }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha.update(bytes);
        if let Some(git) = &mut self.git {
            git.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Hashes {
        let mut sha = [0; 32];
        sha.copy_from_slice(self.sha.finish().as_ref());
        let git = self.git.map(|git| {
            let mut id = [0; 20];
            id.copy_from_slice(git.finish().as_ref());
            GitId(id)
        });
        Hashes { sha256: Sha256(sha), git }
    }
}
