//! The intake's rows: what the hub said of repositories, revisions and files, and the blobs that were stored.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, TryInsertResult,
    sea_query::{Expr, OnConflict},
};

use crate::{
    domain::{digest::Sha256, refusal::Fault, time::Micros},
    gate::{
        act::{CloseBlob, ListRevision, StoreBlob, SuspendRevision},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{blob, file, history, repository, repository_name, revision, standing},
    },
};

/// A stored blob's row.
pub async fn find_blob(db: &impl ConnectionTrait, sha256: &Sha256) -> Result<Option<blob::Model>, Fault> {
    blob::Entity::find_by_id(sha256.to_string()).one(db).await.map_err(fault("looking a blob up"))
}

pub async fn find_repository_by_id(db: &Reader, id: &str) -> Result<Option<repository::Model>, Fault> {
    repository::Entity::find_by_id(id).one(db).await.map_err(fault("looking a repository up"))
}

pub async fn find_repository_id_of_name(db: &Reader, kind: &str, key: &str) -> Result<Option<String>, Fault> {
    let id = (kind.to_owned(), key.to_owned());
    let row = repository_name::Entity::find_by_id(id).one(db).await.map_err(fault("looking a name up"))?;
    Ok(row.map(|row| row.repository_id))
}

pub async fn find_repository_by_upstream(db: &Reader, kind: &str, upstream_id: &str) -> Result<Option<String>, Fault> {
    let query = repository::Entity::find()
        .filter(repository::Column::Kind.eq(kind))
        .filter(repository::Column::UpstreamId.eq(upstream_id));
    Ok(query.one(db).await.map_err(fault("looking a repository up"))?.map(|row| row.id))
}

pub async fn find_revision(db: &Reader, repository_id: &str, commit: &str) -> Result<Option<revision::Model>, Fault> {
    let query = revision::Entity::find()
        .filter(revision::Column::RepositoryId.eq(repository_id))
        .filter(revision::Column::CommitId.eq(commit));
    query.one(db).await.map_err(fault("looking a revision up"))
}

pub async fn list_files(db: &Reader, revision_id: &str) -> Result<Vec<file::Model>, Fault> {
    let query = file::Entity::find().filter(file::Column::RevisionId.eq(revision_id)).order_by_asc(file::Column::Path);
    query.all(db).await.map_err(fault("reading a revision's files"))
}

/// Digests that are known for git ids already, from other files with the same bytes that we have stored.
pub async fn find_digest_of_git_id(db: &Reader, git_id: &str, size: i64) -> Result<Option<String>, Fault> {
    let query = file::Entity::find()
        .filter(file::Column::GitId.eq(git_id))
        .filter(file::Column::Size.eq(size))
        .filter(file::Column::Lfs.is_null())
        .filter(file::Column::Sha256.is_not_null())
        .limit(1);
    Ok(query.one(db).await.map_err(fault("looking a digest up"))?.and_then(|row| row.sha256))
}

/// What the hub said of one revision, as rows.
pub struct Listing {
    pub repository: repository::Model,
    pub names: Vec<String>,
    pub revision: revision::Model,
    pub files: Vec<file::Model>,
    pub histories: Vec<history::Model>,
}

/// Writes a listing down. A revision that is listed already keeps its files: a commit does not change.
pub async fn save_listing(db: &Tx, _: &Granted<ListRevision>, listing: Listing) -> Result<(), Fault> {
    let Listing { repository, names, revision, files, histories } = listing;
    let kind = repository.kind.clone();
    let (repository_id, at) = (repository.id.clone(), revision.listed_at);
    let update = [repository::Column::Name, repository::Column::Facts, repository::Column::SeenAt];
    repository::Entity::insert(all_set(repository))
        .on_conflict(OnConflict::column(repository::Column::Id).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing a repository"))?;
    for key in names {
        let row =
            repository_name::Model { kind: kind.clone(), key, repository_id: repository_id.clone(), first_seen_at: at };
        repository_name::Entity::insert(all_set(row))
            .on_conflict_do_nothing()
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a name"))?;
    }
    let fresh = revision::Entity::insert(all_set(revision))
        .on_conflict_do_nothing()
        .exec_without_returning(db)
        .await
        .map_err(fault("writing a revision"))?;
    if matches!(fresh, TryInsertResult::Inserted(1..)) {
        // 500 rows of six values stay under every database's limit of bound values.
        for some in files.chunks(500) {
            let rows = some.iter().cloned().map(all_set);
            file::Entity::insert_many(rows).exec_without_returning(db).await.map_err(fault("writing files"))?;
        }
    }
    for row in histories {
        let update = [history::Column::Commits, history::Column::SeenAt, history::Column::RefKind];
        history::Entity::insert(all_set(row))
            .on_conflict(
                OnConflict::columns([history::Column::RepositoryId, history::Column::RefName])
                    .update_columns(update)
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a branch's history"))?;
    }
    Ok(())
}

/// Every file with this git id learns its sha256, and the blob gets its row.
pub async fn save_blob(
    db: &Tx,
    may: &Granted<StoreBlob>,
    git_id: Option<&str>,
    seal: &str,
    at: Micros,
) -> Result<(), Fault> {
    let object = may.object();
    let (sha256, size) = (object.0.to_string(), i64::try_from(object.1).unwrap_or(i64::MAX));
    let row = blob::Model {
        sha256: sha256.clone(),
        size,
        seal: seal.to_owned(),
        state: "stored".to_owned(),
        stored_at: at.0,
    };
    let update = [blob::Column::Seal, blob::Column::State, blob::Column::StoredAt];
    blob::Entity::insert(all_set(row))
        .on_conflict(OnConflict::column(blob::Column::Sha256).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing a blob"))?;
    if let Some(git_id) = git_id {
        file::Entity::update_many()
            .col_expr(file::Column::Sha256, Expr::value(sha256))
            .filter(file::Column::GitId.eq(git_id))
            .filter(file::Column::Size.eq(size))
            .filter(file::Column::Lfs.is_null())
            .filter(file::Column::Sha256.is_null())
            .exec(db)
            .await
            .map_err(fault("writing a file's digest"))?;
    }
    Ok(())
}

/// A stored blob is no longer what was verified: nobody reads it until it has been fetched again.
pub async fn close_blob(db: &Tx, may: &Granted<CloseBlob>) -> Result<(), Fault> {
    blob::Entity::delete_by_id(may.object().0.to_string()).exec(db).await.map_err(fault("closing a blob"))?;
    Ok(())
}

/// Suspends a revision wherever it is approved. Answers the environments, for the event.
pub async fn suspend(
    db: &Tx,
    _: &Granted<SuspendRevision>,
    revision_id: &str,
    reason: &str,
    at: Micros,
) -> Result<Vec<String>, Fault> {
    let rows = standing::Entity::find()
        .filter(standing::Column::RevisionId.eq(revision_id))
        .filter(standing::Column::State.eq("approved"))
        .lock_exclusive()
        .all(db)
        .await
        .map_err(fault("reading standings"))?;
    let mut environments = Vec::new();
    for row in rows {
        environments.push(row.environment.clone());
        let mut row = row.into_active_model();
        row.state = Set("suspended".to_owned());
        row.reason = Set(reason.to_owned());
        row.changed_at = Set(at.0);
        row.update(db).await.map_err(fault("suspending a revision"))?;
    }
    Ok(environments)
}

fn all_set<M, A>(row: M) -> A
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
{
    row.into_active_model().reset_all()
}
