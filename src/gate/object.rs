//! What acts are done to: as a URL names it, and as it is once found.
//!
//! After the gate nobody takes any other identity of an object than the found one: names, cases and branches have been
//! resolved to a repository id, a commit, a path and a sha256 exactly once.

mod plain;

use std::{fmt::Debug, future::Future};

pub use self::plain::{
    Account, BlobObject, Catalogue, CredentialId, Credentials, DecisionId, Gateway, Group, Groups, JobId, Jobs, People,
    PersonId, RepoNamed, RequestId, Requests, Storage, TokenId, Tokens, Workloads,
};

use super::{
    Gate,
    identity::Actor,
    resolve::{self, Asker},
};
use crate::domain::{
    digest::{FileId, Sha256},
    event::ObjectFact,
    file::FilePath,
    name::{RepoKind, RepoName},
    pattern::Keys,
    refusal::Refusal,
    rev::{Commit, Rev},
    role::Environment,
    time::Micros,
};

/// Where an act happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// In the environment of the credential: every pull.
    Credential,
    /// In the environment that the URL names.
    Named(Environment),
    /// In every configured environment: `all` in the URL.
    Everywhere,
}

/// An object as a URL names it.
pub trait Object: Sized + Clone + Debug + Send + Sync + 'static {
    /// The keys that a pattern for this object has, no more and no fewer.
    const KEYS: &'static [&'static str];
    type Found: Found;

    fn from_keys(keys: &Keys) -> Option<Self>;
    fn to_keys(&self) -> Keys;
    /// One of them, for the test that walks every endpoint.
    fn sample() -> Self;
    /// The path that policy rows match: `/models/org/name`, `/requests/…`.
    fn place(&self) -> String;
    fn fact(&self) -> ObjectFact;
    fn at(&self) -> Where {
        Where::Credential
    }
    /// Looks the object up, once. What an actor may not know of is not found.
    fn find(
        self,
        gate: &Gate,
        actor: &Actor,
        environment: &Environment,
    ) -> impl Future<Output = Result<Self::Found, Refusal>> + Send;
}

/// An object once found.
pub trait Found: Clone + Debug + Send + Sync + 'static {
    fn place(&self) -> String;
    fn fact(&self) -> ObjectFact;
}

/// A repository as named.
#[derive(Clone, Debug)]
pub struct RepoAsked(pub RepoName);

/// A repository we hold something of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    pub id: String,
    /// The name it was first approved under: what the hub does with names changes no answer of ours.
    pub name: RepoName,
    /// What the hub calls it now: where its bytes are fetched.
    pub hub_name: RepoName,
}

/// A revision as named; without a name it is `main`.
#[derive(Clone, Debug)]
pub struct RevisionAsked {
    pub repo: RepoName,
    pub rev: Rev,
}

/// `main` of a repository, where the URL names no revision.
#[derive(Clone, Debug)]
pub struct MainAsked(pub RepoName);

/// A folder of a revision as named.
#[derive(Clone, Debug)]
pub struct FolderAsked(pub FileAsked);

/// A folder of a served revision: whether it holds anything is the handler's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub revision: Revision,
    pub path: FilePath,
}

/// A revision that is served in this environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub repo: Repo,
    pub id: String,
    pub commit: Commit,
    pub approval: String,
    /// When that approval ends by itself.
    pub expires_at: Option<Micros>,
    /// The newest commit that the hub had when we last looked, when it is another one.
    pub upstream_commit: Option<Commit>,
    /// When we last looked, for a revision that was asked for by a branch or tag.
    pub upstream_checked: Option<Micros>,
    /// How the repository stands at the hub, when it is not simply there.
    pub upstream_state: Option<String>,
}

impl Revision {
    /// What answers say of the hub, as headers: the commit it has moved on to, when we last looked, and how the
    /// repository stands there.
    pub fn upstream(&self) -> impl Iterator<Item = (&'static str, String)> {
        let commit = self.upstream_commit.as_ref().map(|commit| ("x-weighbridge-upstream-commit", commit.to_string()));
        let checked = self.upstream_checked.map(|at| ("x-weighbridge-upstream-checked", at.to_millis_text()));
        let state = self.upstream_state.clone().map(|state| ("x-weighbridge-upstream-state", state));
        [commit, checked, state].into_iter().flatten()
    }
}

/// A file as named.
#[derive(Clone, Debug)]
pub struct FileAsked {
    pub repo: RepoName,
    pub rev: Rev,
    pub path: FilePath,
}

/// A file of a served revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub revision: Revision,
    pub path: FilePath,
    pub size: u64,
    pub id: FileId,
    pub sha256: Sha256,
}

/// A revision in an environment that the URL names: what reviewers decide about.
#[derive(Clone, Debug)]
pub struct InEnvironment {
    pub at: Where,
    pub repo: RepoName,
    pub rev: Rev,
}

/// A whole repository in an environment that the URL names.
#[derive(Clone, Debug)]
pub struct RepoInEnvironment {
    pub at: Where,
    pub repo: RepoName,
}

/// A revision that work is done for, whether it is served or not.
#[derive(Clone, Debug)]
pub struct RevisionNamed {
    pub repo: RepoName,
    pub rev: Rev,
}

/// The policy path of a repository. A name without an owner stands under `_`.
pub fn repo_place(name: &RepoName) -> String {
    match name.owner() {
        Some(_) => format!("/{}/{}", name.kind().word(), name.path()),
        None => format!("/{}/_/{}", name.kind().word(), name.path()),
    }
}

fn repo_fact(kind: &'static str, name: &RepoName) -> ObjectFact {
    ObjectFact {
        kind,
        repo_type: Some(name.kind().singular()),
        repo: Some(name.path().to_owned()),
        ..ObjectFact::default()
    }
}

fn sample_repo() -> RepoName {
    RepoName::new(RepoKind::Model, "acme/tiny").unwrap_or_else(|| unreachable!("a good name"))
}

impl Object for RepoAsked {
    const KEYS: &'static [&'static str] = &["repo"];
    type Found = Repo;

    fn from_keys(keys: &Keys) -> Option<Self> {
        keys.repo.clone().map(Self)
    }
    fn to_keys(&self) -> Keys {
        Keys::of(self.0.clone())
    }
    fn sample() -> Self {
        Self(sample_repo())
    }
    fn place(&self) -> String {
        repo_place(&self.0)
    }
    fn fact(&self) -> ObjectFact {
        repo_fact("repository", &self.0)
    }
    async fn find(self, gate: &Gate, actor: &Actor, environment: &Environment) -> Result<Repo, Refusal> {
        resolve::served_repository(Asker { gate, actor, environment }, &self.0).await
    }
}

impl Found for Repo {
    fn place(&self) -> String {
        repo_place(&self.name)
    }
    fn fact(&self) -> ObjectFact {
        ObjectFact { repo_id: Some(self.id.clone()), ..repo_fact("repository", &self.name) }
    }
}

impl Object for RevisionAsked {
    const KEYS: &'static [&'static str] = &["repo", "rev"];
    type Found = Revision;

    fn from_keys(keys: &Keys) -> Option<Self> {
        Some(Self { repo: keys.repo.clone()?, rev: Rev::new(keys.get("rev")?)? })
    }
    fn to_keys(&self) -> Keys {
        Keys::of(self.repo.clone()).with("rev", self.rev.as_str())
    }
    fn sample() -> Self {
        Self { repo: sample_repo(), rev: Rev::main() }
    }
    fn place(&self) -> String {
        repo_place(&self.repo)
    }
    fn fact(&self) -> ObjectFact {
        ObjectFact { rev: Some(self.rev.to_string()), ..repo_fact("revision", &self.repo) }
    }
    async fn find(self, gate: &Gate, actor: &Actor, environment: &Environment) -> Result<Revision, Refusal> {
        resolve::served_revision(Asker { gate, actor, environment }, &self.repo, &self.rev).await
    }
}

impl Found for Revision {
    fn place(&self) -> String {
        repo_place(&self.repo.name)
    }
    fn fact(&self) -> ObjectFact {
        ObjectFact { kind: "revision", commit: Some(self.commit.to_string()), ..Found::fact(&self.repo) }
    }
}

impl Object for FileAsked {
    const KEYS: &'static [&'static str] = &["repo", "rev", "path"];
    type Found = File;

    fn from_keys(keys: &Keys) -> Option<Self> {
        Some(Self {
            repo: keys.repo.clone()?,
            rev: Rev::new(keys.get("rev")?)?,
            path: FilePath::new(keys.get("path")?)?,
        })
    }
    fn to_keys(&self) -> Keys {
        Keys::of(self.repo.clone()).with("rev", self.rev.as_str()).with("path", self.path.as_str())
    }
    fn sample() -> Self {
        let path = FilePath::new("config.json").unwrap_or_else(|| unreachable!("a good path"));
        Self { repo: sample_repo(), rev: Rev::main(), path }
    }
    fn place(&self) -> String {
        repo_place(&self.repo)
    }
    fn fact(&self) -> ObjectFact {
        let path = Some(self.path.to_string());
        ObjectFact { rev: Some(self.rev.to_string()), path, ..repo_fact("file", &self.repo) }
    }
    async fn find(self, gate: &Gate, actor: &Actor, environment: &Environment) -> Result<File, Refusal> {
        resolve::served_file(Asker { gate, actor, environment }, &self).await
    }
}

impl Found for File {
    fn place(&self) -> String {
        repo_place(&self.revision.repo.name)
    }
    fn fact(&self) -> ObjectFact {
        ObjectFact {
            kind: "file",
            path: Some(self.path.to_string()),
            sha256: Some(self.sha256.to_string()),
            size: Some(self.size),
            etag: Some(self.id.etag()),
            ..Found::fact(&self.revision)
        }
    }
}

impl Object for InEnvironment {
    const KEYS: &'static [&'static str] = &["environment", "repo", "rev"];
    type Found = Self;

    fn from_keys(keys: &Keys) -> Option<Self> {
        Some(Self { at: where_of(keys)?, repo: keys.repo.clone()?, rev: Rev::new(keys.get("rev")?)? })
    }
    fn to_keys(&self) -> Keys {
        Keys::of(self.repo.clone()).with("environment", where_word(&self.at)).with("rev", self.rev.as_str())
    }
    fn sample() -> Self {
        let at = Environment::new("research").map_or(Where::Everywhere, Where::Named);
        Self { at, repo: sample_repo(), rev: Rev::main() }
    }
    fn place(&self) -> String {
        repo_place(&self.repo)
    }
    fn fact(&self) -> ObjectFact {
        let environment = Some(where_word(&self.at));
        ObjectFact { rev: Some(self.rev.to_string()), environment, ..repo_fact("revision", &self.repo) }
    }
    fn at(&self) -> Where {
        self.at.clone()
    }
    async fn find(self, _: &Gate, _: &Actor, _: &Environment) -> Result<Self, Refusal> {
        Ok(self)
    }
}

impl Object for MainAsked {
    const KEYS: &'static [&'static str] = &["repo"];
    type Found = Revision;

    fn from_keys(keys: &Keys) -> Option<Self> {
        keys.repo.clone().map(Self)
    }
    fn to_keys(&self) -> Keys {
        Keys::of(self.0.clone())
    }
    fn sample() -> Self {
        Self(sample_repo())
    }
    fn place(&self) -> String {
        repo_place(&self.0)
    }
    fn fact(&self) -> ObjectFact {
        ObjectFact { rev: Some(Rev::main().to_string()), ..repo_fact("revision", &self.0) }
    }
    async fn find(self, gate: &Gate, actor: &Actor, environment: &Environment) -> Result<Revision, Refusal> {
        resolve::served_revision(Asker { gate, actor, environment }, &self.0, &Rev::main()).await
    }
}

impl Object for FolderAsked {
    const KEYS: &'static [&'static str] = FileAsked::KEYS;
    type Found = Folder;

    fn from_keys(keys: &Keys) -> Option<Self> {
        FileAsked::from_keys(keys).map(Self)
    }
    fn to_keys(&self) -> Keys {
        self.0.to_keys()
    }
    fn sample() -> Self {
        Self(FileAsked::sample())
    }
    fn place(&self) -> String {
        Object::place(&self.0)
    }
    fn fact(&self) -> ObjectFact {
        ObjectFact { kind: "revision", ..Object::fact(&self.0) }
    }
    async fn find(self, gate: &Gate, actor: &Actor, environment: &Environment) -> Result<Folder, Refusal> {
        let revision = resolve::served_revision(Asker { gate, actor, environment }, &self.0.repo, &self.0.rev).await?;
        Ok(Folder { revision, path: self.0.path })
    }
}

impl Found for Folder {
    fn place(&self) -> String {
        Found::place(&self.revision)
    }
    fn fact(&self) -> ObjectFact {
        Found::fact(&self.revision)
    }
}

impl Object for RepoInEnvironment {
    const KEYS: &'static [&'static str] = &["environment", "repo"];
    type Found = Self;

    fn from_keys(keys: &Keys) -> Option<Self> {
        Some(Self { at: where_of(keys)?, repo: keys.repo.clone()? })
    }
    fn to_keys(&self) -> Keys {
        Keys::of(self.repo.clone()).with("environment", where_word(&self.at))
    }
    fn sample() -> Self {
        Self { at: Where::Everywhere, repo: sample_repo() }
    }
    fn place(&self) -> String {
        repo_place(&self.repo)
    }
    fn fact(&self) -> ObjectFact {
        ObjectFact { environment: Some(where_word(&self.at)), ..repo_fact("repository", &self.repo) }
    }
    fn at(&self) -> Where {
        self.at.clone()
    }
    async fn find(self, _: &Gate, _: &Actor, _: &Environment) -> Result<Self, Refusal> {
        Ok(self)
    }
}

impl Found for RepoInEnvironment {
    fn place(&self) -> String {
        Object::place(self)
    }
    fn fact(&self) -> ObjectFact {
        Object::fact(self)
    }
}

/// The environment in a URL: a name, or `all`.
fn where_of(keys: &Keys) -> Option<Where> {
    match keys.get("environment")? {
        "all" => Some(Where::Everywhere),
        name => Environment::new(name).map(Where::Named),
    }
}

fn where_word(at: &Where) -> String {
    match at {
        Where::Named(name) => name.to_string(),
        Where::Credential | Where::Everywhere => "all".to_owned(),
    }
}

impl Object for RevisionNamed {
    const KEYS: &'static [&'static str] = &["repo", "rev"];
    type Found = Self;

    fn from_keys(keys: &Keys) -> Option<Self> {
        Some(Self { repo: keys.repo.clone()?, rev: Rev::new(keys.get("rev")?)? })
    }
    fn to_keys(&self) -> Keys {
        Keys::of(self.repo.clone()).with("rev", self.rev.as_str())
    }
    fn sample() -> Self {
        Self { repo: sample_repo(), rev: Rev::main() }
    }
    fn place(&self) -> String {
        repo_place(&self.repo)
    }
    fn fact(&self) -> ObjectFact {
        ObjectFact { rev: Some(self.rev.to_string()), ..repo_fact("revision", &self.repo) }
    }
    async fn find(self, _: &Gate, _: &Actor, _: &Environment) -> Result<Self, Refusal> {
        Ok(self)
    }
}

impl Found for InEnvironment {
    fn place(&self) -> String {
        Object::place(self)
    }
    fn fact(&self) -> ObjectFact {
        Object::fact(self)
    }
}

impl Found for RevisionNamed {
    fn place(&self) -> String {
        Object::place(self)
    }
    fn fact(&self) -> ObjectFact {
        Object::fact(self)
    }
}
