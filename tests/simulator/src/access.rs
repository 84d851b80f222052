//! Who is asking, and what the hub lets them see.
//!
//! Never tells a stranger whether a private repository exists.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::reply::Refusal;
use crate::store::{Gated, RepoState};

/// A token the hub accepts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    pub name: String,
    pub value: String,
    /// Private and gated repositories it opens, as `acme/gated` or `datasets/acme/rows`; `*` opens all.
    #[serde(default)]
    pub may_read: BTreeSet<String>,
}

impl Token {
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), may_read: BTreeSet::new() }
    }

    pub fn may_read(mut self, id: impl Into<String>) -> Self {
        self.may_read.insert(id.into());
        self
    }

    fn opens(&self, repo: &RepoState) -> bool {
        self.may_read.contains("*") || self.may_read.contains(&format!("{}{}", repo.kind.prefix(), repo.id))
    }
}

/// The one who asks; nobody when no token was shown.
pub(crate) struct Caller(pub(crate) Option<Token>);

impl Caller {
    /// The refusal for a name that leads nowhere.
    pub(crate) fn not_found(&self) -> Refusal {
        if self.0.is_some() { Refusal::RepoNotFound } else { Refusal::Unauthenticated }
    }

    pub(crate) fn sees(&self, repo: &RepoState) -> bool {
        !repo.meta.private || self.opens(repo)
    }

    /// Whether metadata may be told.
    pub(crate) fn may_look(&self, repo: &RepoState) -> Result<(), Refusal> {
        if !self.sees(repo) {
            return Err(self.not_found());
        }
        if repo.meta.disabled { Err(Refusal::Disabled) } else { Ok(()) }
    }

    /// Whether files may be downloaded.
    pub(crate) fn may_download(&self, repo: &RepoState) -> Result<(), Refusal> {
        self.may_look(repo)?;
        if repo.meta.gated == Gated::No || self.opens(repo) {
            return Ok(());
        }
        let kind = repo.kind.as_str().trim_end_matches('s');
        Err(Refusal::Gated { name: format!("{kind} {}", repo.id), known: self.0.is_some() })
    }

    fn opens(&self, repo: &RepoState) -> bool {
        self.0.as_ref().is_some_and(|token| token.opens(repo))
    }
}

/// The tokens the hub accepts, by their value.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Token>>);

impl Tokens {
    pub(crate) fn add(&self, token: Token) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token.value.clone(), token);
    }

    pub(crate) fn remove(&self, value: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(value);
    }

    pub(crate) fn find(&self, value: &str) -> Option<Token> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(value).cloned()
    }

    /// A header that names no token of ours is refused everywhere, also for what everybody may read.
    pub(crate) fn caller(&self, authorization: Option<&str>) -> Result<Caller, Refusal> {
        let Some(header) = authorization else { return Ok(Caller(None)) };
        let token = bearer(header).and_then(|value| self.find(value));
        token.map(|token| Caller(Some(token))).ok_or(Refusal::BadToken)
    }
}

pub(crate) fn bearer(header: &str) -> Option<&str> {
    header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")).map(str::trim)
}
