//! The hub door's questions to the database: files, refs, history and catalogue of what is served.
//!
//! Reads only. Revoked files are left out of every listing.

use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
};

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};

use crate::{
    clock,
    domain::{digest::Sha256, name::RepoKind, refusal::Fault, role::Environment},
    gate::{act::Act, grant::Granted, object::Revision},
    store::{
        fault,
        tables::{
            blob, denied_digest, file, hidden_file, history, pointer, report, repository, revision, revoked_file,
            standing, token,
        },
    },
};

/// A file of a served revision, as listings tell of it.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Listed {
    pub path: String,
    pub size: i64,
    pub git_id: String,
    pub lfs: Option<String>,
}

/// What its owner called a token.
pub async fn find_token_name<A: Act>(may: &Granted<A>, id: &str) -> Result<Option<String>, Fault> {
    let row = token::Entity::find_by_id(id).one(may.reader()).await.map_err(fault("looking a token up"))?;
    Ok(row.map(|row| row.name))
}

/// The paths of a served revision that are not served: revoked by themselves, or hidden behind a safer file.
pub async fn list_revoked<A: Act>(may: &Granted<A>, at: &Revision) -> Result<HashSet<String>, Fault> {
    let rows = revoked_file::Entity::find()
        .filter(revoked_file::Column::RevisionId.eq(&at.id))
        .filter(revoked_file::Column::Environment.eq(may.environment().as_str()))
        .all(may.reader())
        .await
        .map_err(fault("reading revoked files"))?;
    let mut paths: HashSet<String> = rows.into_iter().map(|row| row.path).collect();
    let hidden = hidden_file::Entity::find()
        .filter(hidden_file::Column::RevisionId.eq(&at.id))
        .filter(hidden_file::Column::Environment.eq(may.environment().as_str()))
        .all(may.reader())
        .await
        .map_err(fault("reading hidden files"))?;
    paths.extend(hidden.into_iter().map(|row| row.path));
    Ok(paths)
}

/// Whether the scanner has read the stored bytes of this very file: until then nothing leaves of what is stored.
pub async fn is_verified<A: Act>(may: &Granted<A>, revision_id: &str, path: &str) -> Result<bool, Fault> {
    Ok(find_report(may, revision_id, path).await?.is_some_and(|row| row.stage == "verified"))
}

/// What the scanner said of a file.
pub async fn find_report<A: Act>(
    may: &Granted<A>,
    revision_id: &str,
    path: &str,
) -> Result<Option<report::Model>, Fault> {
    let id = (revision_id.to_owned(), path.to_owned());
    report::Entity::find_by_id(id).one(may.reader()).await.map_err(fault("reading a report"))
}

/// Every file of a served revision, by path, revoked ones too.
pub async fn list_files<A: Act>(may: &Granted<A>, at: &Revision) -> Result<Vec<Listed>, Fault> {
    list_stretch(may, at, &Stretch::whole(), u64::MAX).await
}

/// A stretch of paths, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub from: Bound<String>,
    /// Not part of it any more.
    pub until: Option<String>,
}

impl Stretch {
    pub fn whole() -> Self {
        Self { from: Bound::Unbounded, until: None }
    }

    /// What lies below a folder.
    pub fn below(folder: &str) -> Self {
        if folder.is_empty() {
            return Self::whole();
        }
        Self { from: Bound::Excluded(format!("{folder}/")), until: Some(after_folder(folder)) }
    }
}

/// The first path that can follow everything below a folder: `0` is the sign after `/`.
pub fn after_folder(folder: &str) -> String {
    format!("{folder}0")
}

/// The first files of a stretch, revoked ones too.
pub async fn list_stretch<A: Act>(
    may: &Granted<A>,
    at: &Revision,
    stretch: &Stretch,
    most: u64,
) -> Result<Vec<Listed>, Fault> {
    let mut query = of_revision(at).order_by_asc(file::Column::Path);
    match &stretch.from {
        Bound::Included(from) => query = query.filter(file::Column::Path.gte(from)),
        Bound::Excluded(from) => query = query.filter(file::Column::Path.gt(from)),
        Bound::Unbounded => {}
    }
    if let Some(until) = &stretch.until {
        query = query.filter(file::Column::Path.lt(until));
    }
    if most < u64::MAX {
        query = query.limit(most);
    }
    query.into_model().all(may.reader()).await.map_err(fault("reading a revision's files"))
}

/// The files of these paths, as far as there are any, revoked ones too.
pub async fn list_named<A: Act>(may: &Granted<A>, at: &Revision, paths: &[&str]) -> Result<Vec<Listed>, Fault> {
    let mut found = Vec::new();
    for some in paths.chunks(500) {
        let query = of_revision(at).filter(file::Column::Path.is_in(some.iter().copied()));
        let rows: Vec<Listed> =
            query.into_model().all(may.reader()).await.map_err(fault("reading a revision's files"))?;
        found.extend(rows);
    }
    Ok(found)
}

fn of_revision(at: &Revision) -> Select<file::Entity> {
    file::Entity::find()
        .select_only()
        .columns([file::Column::Path, file::Column::Size, file::Column::GitId, file::Column::Lfs])
        .filter(file::Column::RevisionId.eq(&at.id))
}

/// One file of a served revision, unless it was revoked.
pub async fn find_file<A: Act>(may: &Granted<A>, at: &Revision, path: &str) -> Result<Option<file::Model>, Fault> {
    let id = (at.id.clone(), path.to_owned());
    let row = file::Entity::find_by_id(id).one(may.reader()).await.map_err(fault("looking a file up"))?;
    if row.is_none() || list_revoked(may, at).await?.contains(path) { Ok(None) } else { Ok(row) }
}

pub async fn find_blob<A: Act>(may: &Granted<A>, sha256: &Sha256) -> Result<Option<blob::Model>, Fault> {
    blob::Entity::find_by_id(sha256.to_string()).one(may.reader()).await.map_err(fault("looking a blob up"))
}

pub async fn find_repository<A: Act>(may: &Granted<A>, id: &str) -> Result<Option<repository::Model>, Fault> {
    repository::Entity::find_by_id(id).one(may.reader()).await.map_err(fault("looking a repository up"))
}

pub async fn find_revision<A: Act>(may: &Granted<A>, id: &str) -> Result<Option<revision::Model>, Fault> {
    revision::Entity::find_by_id(id).one(may.reader()).await.map_err(fault("looking a revision up"))
}

/// The commits of a repository that are served in the grant's environment now.
async fn served_commits<A: Act>(
    may: &Granted<A>,
    repository_id: &str,
) -> Result<HashMap<String, revision::Model>, Fault> {
    let standings = standing::Entity::find()
        .filter(standing::Column::RepositoryId.eq(repository_id))
        .filter(served_in(may.environment()))
        .all(may.reader())
        .await
        .map_err(fault("reading standings"))?;
    let ids = standings.into_iter().map(|row| row.revision_id);
    let revisions = revision::Entity::find().filter(revision::Column::Id.is_in(ids)).all(may.reader()).await;
    Ok(revisions.map_err(fault("reading revisions"))?.into_iter().map(|row| (row.commit_id.clone(), row)).collect())
}

/// Our pointers of a repository that lead to something served.
pub async fn list_pointers<A: Act>(may: &Granted<A>, repository_id: &str) -> Result<Vec<pointer::Model>, Fault> {
    let served = served_commits(may, repository_id).await?;
    let rows = pointer::Entity::find()
        .filter(pointer::Column::RepositoryId.eq(repository_id))
        .filter(pointer::Column::Environment.eq(may.environment().as_str()))
        .order_by_asc(pointer::Column::Name)
        .all(may.reader())
        .await
        .map_err(fault("reading pointers"))?;
    Ok(rows.into_iter().filter(|row| served.contains_key(&row.commit_id)).collect())
}

/// The served commits from one on backwards, newest first, along a branch that holds it; `main` before others.
pub async fn list_history<A: Act>(may: &Granted<A>, at: &Revision) -> Result<Vec<revision::Model>, Fault> {
    let mut served = served_commits(may, &at.repo.id).await?;
    let walks = history::Entity::find().filter(history::Column::RepositoryId.eq(&at.repo.id)).all(may.reader()).await;
    let mut walks = walks.map_err(fault("reading a branch's history"))?;
    walks.sort_by_key(|row| row.ref_name != "refs/heads/main");
    let holds = |row: &&history::Model| row.commits.split(' ').any(|c| c == at.commit.as_str());
    let Some(walk) = walks.iter().find(holds) else {
        return Ok(served.remove(at.commit.as_str()).into_iter().collect());
    };
    let from = walk.commits.split(' ').skip_while(|c| *c != at.commit.as_str());
    Ok(from.filter_map(|commit| served.remove(commit)).collect())
}

/// One repository in the catalogue: itself and its newest served revision.
pub struct Offered {
    pub repository: repository::Model,
    pub commit: String,
    pub committed_at: Option<i64>,
}

/// What a listing is narrowed to.
pub struct Wish {
    pub kind: RepoKind,
    pub search: Option<String>,
    pub author: Option<String>,
    pub after: Option<String>,
    pub limit: u64,
}

/// The repositories whose `main` is served in the grant's environment, by name.
pub async fn list_catalogue<A: Act>(may: &Granted<A>, wish: &Wish) -> Result<Vec<Offered>, Fault> {
    let environment = may.environment();
    let mut query = repository::Entity::find().filter(repository::Column::Kind.eq(wish.kind.word()));
    if let Some(author) = &wish.author {
        query = query.filter(repository::Column::Name.starts_with(format!("{author}/")));
    }
    if let Some(text) = &wish.search {
        query = query.filter(repository::Column::Name.contains(text));
    }
    if let Some(after) = &wish.after {
        query = query.filter(repository::Column::Name.gt(after));
    }
    let served =
        standing::Entity::find().select_only().column(standing::Column::RepositoryId).filter(served_in(environment));
    let query = query.filter(repository::Column::Id.in_subquery(served.into_query()));
    let rows = query.order_by_asc(repository::Column::Name).limit(wish.limit).all(may.reader()).await;
    let mut listed = Vec::new();
    for repository in rows.map_err(fault("reading the catalogue"))? {
        let pointers = list_pointers(may, &repository.id).await?;
        let main = pointers.iter().find(|p| p.name == "refs/heads/main").or(pointers.first());
        let commit = match main {
            Some(pointer) => pointer.commit_id.clone(),
            None => served_commits(may, &repository.id).await?.into_keys().next().unwrap_or_default(),
        };
        let served = served_commits(may, &repository.id).await?;
        let committed_at = served.get(&commit).and_then(|row| row.committed_at);
        listed.push(Offered { repository, commit, committed_at });
    }
    Ok(listed)
}

fn served_in(environment: &Environment) -> Condition {
    let open =
        Condition::any().add(standing::Column::ExpiresAt.is_null()).add(standing::Column::ExpiresAt.gt(clock::now().0));
    // A revision with denied bytes is refused as a whole, so it stands in no listing either.
    let denied = denied_digest::Entity::find().select_only().column(denied_digest::Column::Sha256).into_query();
    let holders = file::Entity::find()
        .select_only()
        .column(file::Column::RevisionId)
        .filter(file::Column::Sha256.in_subquery(denied))
        .into_query();
    Condition::all()
        .add(standing::Column::Environment.eq(environment.as_str()))
        .add(standing::Column::State.eq("approved"))
        .add(standing::Column::RevisionId.not_in_subquery(holders))
        .add(open)
}
