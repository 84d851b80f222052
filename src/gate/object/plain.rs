//! Objects that are found by being named: they hold no key, or an id that the handler's own query looks up.
//!
//! Never resolves anything: what a name of a repository means is found in `object.rs`.

use super::{Found, Object, repo_place, sample_repo};
use crate::{
    domain::{
        digest::Sha256,
        event::ObjectFact,
        name::{RepoKind, RepoName},
        pattern::Keys,
        refusal::Refusal,
        role::Environment,
    },
    gate::{Gate, identity::Actor},
};

/// What is approved, of one kind.
#[derive(Clone, Debug)]
pub struct Catalogue(pub RepoKind);

#[derive(Clone, Debug)]
pub struct Account;

#[derive(Clone, Debug)]
pub struct Requests;

#[derive(Clone, Debug)]
pub struct RequestId(pub String);

#[derive(Clone, Debug)]
pub struct DecisionId(pub String);

#[derive(Clone, Debug)]
pub struct Tokens;

#[derive(Clone, Debug)]
pub struct TokenId(pub String);

#[derive(Clone, Debug)]
pub struct Gateway;

/// What the gateway is at work on.
#[derive(Clone, Debug)]
pub struct Jobs;

#[derive(Clone, Debug)]
pub struct JobId(pub String);

/// The store as a whole: how full it is, and what may go.
#[derive(Clone, Debug)]
pub struct Storage;

/// A repository that work is done for.
#[derive(Clone, Debug)]
pub struct RepoNamed(pub RepoName);

#[derive(Clone, Debug)]
pub struct BlobObject(pub Sha256, pub u64);

/// Everybody who is known here.
#[derive(Clone, Debug)]
pub struct People;

#[derive(Clone, Debug)]
pub struct PersonId(pub String);

/// The groups that a directory pushes.
#[derive(Clone, Debug)]
pub struct Groups;

#[derive(Clone, Debug)]
pub struct Group(pub String);

/// The tokens of other issuers.
#[derive(Clone, Debug)]
pub struct Workloads;

/// Credentials at the public hub.
#[derive(Clone, Debug)]
pub struct Credentials;

#[derive(Clone, Debug)]
pub struct CredentialId(pub String);

macro_rules! plain_object {
    ($name:ident, $kind:literal, keys $keys:expr, from $from:expr, to $to:expr, sample $sample:expr, place $place:expr, id $id:expr) => {
        impl Object for $name {
            const KEYS: &'static [&'static str] = $keys;
            type Found = Self;

            fn from_keys(keys: &Keys) -> Option<Self> {
                let from: fn(&Keys) -> Option<Self> = $from;
                from(keys)
            }
            fn to_keys(&self) -> Keys {
                let to: fn(&Self) -> Keys = $to;
                to(self)
            }
            fn sample() -> Self {
                $sample
            }
            fn place(&self) -> String {
                let place: fn(&Self) -> String = $place;
                place(self)
            }
            fn fact(&self) -> ObjectFact {
                let id: fn(&Self) -> Option<String> = $id;
                ObjectFact { kind: $kind, id: id(self), ..ObjectFact::default() }
            }
            async fn find(self, _: &Gate, _: &Actor, _: &Environment) -> Result<Self, Refusal> {
                Ok(self)
            }
        }

        impl Found for $name {
            fn place(&self) -> String {
                Object::place(self)
            }
            fn fact(&self) -> ObjectFact {
                Object::fact(self)
            }
        }
    };
}

/// An id of ours: what `clock::new_id` makes.
fn id_key(keys: &Keys) -> Option<String> {
    keys.get("id").filter(|id| id.len() <= 40 && id.bytes().all(|b| b.is_ascii_alphanumeric())).map(str::to_owned)
}

const SAMPLE_ID: &str = "01JD0000000000000000000000";

plain_object!(Catalogue, "catalogue", keys &["kind"],
    from |k| k.get("kind").and_then(RepoKind::from_word).map(Self), to |o| Keys::default().with("kind", o.0.word()),
    sample Self(RepoKind::Model), place |_| "/catalogue".to_owned(), id |o| Some(o.0.word().to_owned()));
plain_object!(Account, "account", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/account".to_owned(), id |_| None);
plain_object!(Requests, "requests", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/requests".to_owned(), id |_| None);
plain_object!(RequestId, "request", keys &["id"], from |k| id_key(k).map(Self), to |o| Keys::default().with("id", o.0.clone()),
    sample Self(SAMPLE_ID.to_owned()), place |o| format!("/requests/{}", o.0), id |o| Some(o.0.clone()));
plain_object!(DecisionId, "decision", keys &["id"], from |k| id_key(k).map(Self), to |o| Keys::default().with("id", o.0.clone()),
    sample Self(SAMPLE_ID.to_owned()), place |o| format!("/decisions/{}", o.0), id |o| Some(o.0.clone()));
plain_object!(Tokens, "tokens", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/tokens".to_owned(), id |_| None);
plain_object!(TokenId, "token", keys &["id"], from |k| id_key(k).map(Self), to |o| Keys::default().with("id", o.0.clone()),
    sample Self(SAMPLE_ID.to_owned()), place |o| format!("/tokens/{}", o.0), id |o| Some(o.0.clone()));
plain_object!(Gateway, "gateway", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/gateway".to_owned(), id |_| None);
plain_object!(Jobs, "jobs", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/jobs".to_owned(), id |_| None);
plain_object!(JobId, "job", keys &["id"], from |k| id_key(k).map(Self), to |o| Keys::default().with("id", o.0.clone()),
    sample Self(SAMPLE_ID.to_owned()), place |o| format!("/jobs/{}", o.0), id |o| Some(o.0.clone()));
plain_object!(Storage, "storage", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/storage".to_owned(), id |_| None);
plain_object!(RepoNamed, "repository", keys &["repo"], from |k| k.repo.clone().map(Self), to |o| Keys::of(o.0.clone()),
    sample Self(sample_repo()), place |o| repo_place(&o.0), id |o| Some(o.0.to_string()));
plain_object!(BlobObject, "blob", keys &[], from |_| None, to |_| Keys::default(),
    sample Self(Sha256([0; 32]), 0), place |o| format!("/blobs/{}", o.0), id |o| Some(o.0.to_string()));
plain_object!(People, "people", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/people".to_owned(), id |_| None);
plain_object!(PersonId, "person", keys &["id"], from |k| id_key(k).map(Self), to |o| Keys::default().with("id", o.0.clone()),
    sample Self(SAMPLE_ID.to_owned()), place |o| format!("/people/{}", o.0), id |o| Some(o.0.clone()));
plain_object!(Groups, "groups", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/groups".to_owned(), id |_| None);
plain_object!(Group, "group", keys &["id"], from |k| id_key(k).map(Self), to |o| Keys::default().with("id", o.0.clone()),
    sample Self(SAMPLE_ID.to_owned()), place |o| format!("/groups/{}", o.0), id |o| Some(o.0.clone()));
plain_object!(Workloads, "workloads", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/workloads".to_owned(), id |_| None);
plain_object!(Credentials, "credentials", keys &[], from |_| Some(Self), to |_| Keys::default(),
    sample Self, place |_| "/credentials".to_owned(), id |_| None);
plain_object!(CredentialId, "credential", keys &["id"], from |k| id_key(k).map(Self), to |o| Keys::default().with("id", o.0.clone()),
    sample Self(SAMPLE_ID.to_owned()), place |o| format!("/credentials/{}", o.0), id |o| Some(o.0.clone()));
