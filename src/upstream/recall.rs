//! What the hub said a moment ago: a crowd that asks the same question makes one request.
//!
//! Found things are kept a few seconds, absences a little longer. Never kept longer than that, never written down:
//! what is known for good is in the store.

use std::{sync::Arc, time::Duration};

use moka::{future, sync};

use super::{Limits, OwnerFacts, RepoFacts, Trouble};
use crate::domain::{
    file::FilePath,
    name::RepoName,
    rev::{Commit, Rev},
};

pub(super) struct Recall {
    /// Answers about a repository, or about one of its revisions.
    pub(super) found: future::Cache<(RepoName, Option<Rev>), Arc<RepoFacts>>,
    /// Who owns repositories, which changes seldom.
    pub(super) owners: future::Cache<String, Arc<Option<OwnerFacts>>>,
    absent: sync::Cache<Absent, Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Absent {
    Repository(RepoName),
    Revision(RepoName, Rev),
    File(RepoName, Commit, FilePath),
}

impl Recall {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            found: future::Cache::builder().max_capacity(500).time_to_live(limits.positive).build(),
            owners: future::Cache::builder().max_capacity(2000).time_to_live(OWNERS).build(),
            absent: sync::Cache::builder().max_capacity(10_000).time_to_live(limits.negative).build(),
        }
    }

    /// Fails with what the hub answered when it was asked for this last.
    pub(super) fn known_absent(&self, what: &Absent) -> Result<(), Trouble> {
        self.absent.get(what).map_or(Ok(()), Err)
    }

    pub(super) async fn forget(&self, name: &RepoName, rev: Option<&Rev>) {
        self.found.invalidate(&(name.clone(), rev.cloned())).await;
        self.absent.invalidate(&match rev {
            None => Absent::Repository(name.clone()),
            Some(rev) => Absent::Revision(name.clone(), rev.clone()),
        });
    }

    pub(super) fn note(&self, what: Absent, trouble: &Trouble) {
        let about_it = match what {
            Absent::Repository(_) => *trouble == Trouble::RepoNotFound,
            Absent::Revision(..) => matches!(trouble, Trouble::RepoNotFound | Trouble::RevisionNotFound),
            Absent::File(..) => trouble.is_absence(),
        };
        if about_it {
            self.absent.insert(what, trouble.clone());
        }
    }
}

const OWNERS: Duration = Duration::from_mins(10);
