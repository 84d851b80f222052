//! Who owns repositories: a person or an organisation, as the hub's overview pages say it.
//!
//! An owner nobody described is an organisation that the hub has not verified.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

/// An owner of repositories.
#[derive(Clone, Debug)]
pub struct Owner {
    name: String,
    /// When the account was made; the hub says it of persons only.
    person_since: Option<String>,
    verified: bool,
}

impl Owner {
    pub fn organisation(name: impl Into<String>) -> Self {
        Self { name: name.into(), person_since: None, verified: false }
    }

    /// `since` is a time as the hub writes it: `2024-05-01T00:00:00.000Z`.
    pub fn person(name: impl Into<String>, since: impl Into<String>) -> Self {
        Self { name: name.into(), person_since: Some(since.into()), verified: false }
    }

    #[must_use]
    pub fn verified(mut self) -> Self {
        self.verified = true;
        self
    }

    pub(crate) fn is_person(&self) -> bool {
        self.person_since.is_some()
    }

    pub(crate) fn overview(&self, models: usize) -> Value {
        let id = format!("owner-{}", self.name.to_lowercase());
        match &self.person_since {
            Some(since) => json!({
                "_id": id, "user": self.name, "fullname": self.name, "type": "user", "isPro": false,
                "numModels": models, "createdAt": since,
            }),
            None => json!({
                "_id": id, "name": self.name, "fullname": self.name, "type": "org", "isVerified": self.verified,
                "numModels": models, "numUsers": 3,
            }),
        }
    }
}

/// The owners that somebody described, by their names in lower case.
#[derive(Default)]
pub(crate) struct Owners(Mutex<BTreeMap<String, Owner>>);

impl Owners {
    pub(crate) fn put(&self, owner: Owner) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.name.to_lowercase(), owner);
    }

    pub(crate) fn find(&self, name: &str) -> Option<Owner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name.to_lowercase()).cloned()
    }
}
