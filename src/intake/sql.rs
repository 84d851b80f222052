//! What the whole intake asks of its rows: repositories, revisions, files and how they stand, and the blobs that were stored.
//!
//! What one step of it asks alone is beside that step.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::{
    domain::{digest::Sha256, refusal::Fault, role::Environment, time::Micros},
    gate::{
        act::{CloseBlob, StoreBlob},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{blob, file, history, pointer, repository, repository_name, revision, standing, terms},
    },
};

pub async fn find_repository_id_of_name(
    db: &impl ConnectionTrait,
    kind: &str,
    key: &str,
) -> Result<Option<String>, Fault> {
    let id = (kind.to_owned(), key.to_owned());
    let row = repository_name::Entity::find_by_id(id).one(db).await.map_err(fault("looking a name up"))?;
    Ok(row.map(|row| row.repository_id))
}

pub async fn find_repository_by_upstream(
    db: &impl ConnectionTrait,
    kind: &str,
    upstream_id: &str,
) -> Result<Option<String>, Fault> {
    let query = repository::Entity::find()
        .filter(repository::Column::Kind.eq(kind))
        .filter(repository::Column::UpstreamId.eq(upstream_id));
    Ok(query.one(db).await.map_err(fault("looking a repository up"))?.map(|row| row.id))
}

pub async fn find_revision(
    db: &impl ConnectionTrait,
    repository_id: &str,
    commit: &str,
) -> Result<Option<revision::Model>, Fault> {
    let query = revision::Entity::find()
        .filter(revision::Column::RepositoryId.eq(repository_id))
        .filter(revision::Column::CommitId.eq(commit));
    query.one(db).await.map_err(fault("looking a revision up"))
}

/// The next files of a revision, by path, whose sha256 nobody knows yet.
pub async fn list_unknown(db: &Reader, revision_id: &str, after: &str, most: u64) -> Result<Vec<file::Model>, Fault> {
    let query = file::Entity::find()
        .filter(file::Column::RevisionId.eq(revision_id))
        .filter(file::Column::Path.gt(after))
        .filter(file::Column::Sha256.is_null())
        .order_by_asc(file::Column::Path)
        .limit(most);
    query.all(db).await.map_err(fault("reading a revision's files"))
}

/// How many bytes of a revision nobody has seen yet.
pub async fn count_unknown_bytes(db: &Reader, revision_id: &str) -> Result<u64, Fault> {
    let query = file::Entity::find()
        .select_only()
        .column_as(Expr::col(file::Column::Size).sum().cast_as("BIGINT"), "bytes")
        .filter(file::Column::RevisionId.eq(revision_id))
        .filter(file::Column::Sha256.is_null());
    let bytes: Option<Option<i64>> = query.into_tuple().one(db).await.map_err(fault("reading a revision's files"))?;
    Ok(bytes.flatten().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default())
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

/// Every file of a revision, by path.
pub async fn list_all_files(db: &Reader, revision_id: &str) -> Result<Vec<file::Model>, Fault> {
    let query = file::Entity::find().filter(file::Column::RevisionId.eq(revision_id)).order_by_asc(file::Column::Path);
    query.all(db).await.map_err(fault("reading a revision's files"))
}

/// How a stored blob was left.
pub async fn find_seal(db: &Reader, sha256: &Sha256) -> Result<Option<String>, Fault> {
    let row = blob::Entity::find_by_id(sha256.to_string()).one(db).await.map_err(fault("looking a blob up"))?;
    Ok(row.map(|row| row.seal))
}

pub async fn find_revision_by_id(db: &impl ConnectionTrait, id: &str) -> Result<Option<revision::Model>, Fault> {
    revision::Entity::find_by_id(id).one(db).await.map_err(fault("looking a revision up"))
}

pub async fn find_repository(db: &Reader, id: &str) -> Result<Option<repository::Model>, Fault> {
    repository::Entity::find_by_id(id).one(db).await.map_err(fault("looking a repository up"))
}

pub async fn list_histories(db: &impl ConnectionTrait, repository_id: &str) -> Result<Vec<history::Model>, Fault> {
    let query = history::Entity::find().filter(history::Column::RepositoryId.eq(repository_id));
    query.all(db).await.map_err(fault("reading histories"))
}

/// A standing, for those who only look.
pub async fn look_at_standing(
    db: &Reader,
    revision_id: &str,
    environment: &Environment,
) -> Result<Option<standing::Model>, Fault> {
    let id = (revision_id.to_owned(), environment.to_string());
    standing::Entity::find_by_id(id).one(db).await.map_err(fault("reading a standing"))
}

pub async fn list_pointers(
    db: &impl ConnectionTrait,
    repository_id: &str,
    environment: &Environment,
) -> Result<Vec<pointer::Model>, Fault> {
    let query = pointer::Entity::find()
        .filter(pointer::Column::RepositoryId.eq(repository_id))
        .filter(pointer::Column::Environment.eq(environment.as_str()));
    query.all(db).await.map_err(fault("reading pointers"))
}

pub(super) fn all_set<M, A>(row: M) -> A
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
{
    row.into_active_model().reset_all()
}

/// The sha256 of the terms that are accepted of a repository in an environment.
pub async fn find_accepted_terms(
    db: &Reader,
    repository_id: &str,
    environment: &Environment,
) -> Result<Option<String>, Fault> {
    let query = terms::Entity::find()
        .filter(terms::Column::RepositoryId.eq(repository_id))
        .filter(terms::Column::Environment.eq(environment.as_str()))
        .filter(terms::Column::WithdrawnAt.is_null());
    let row = query.one(db).await.map_err(fault("looking for accepted terms"))?;
    Ok(row.map(|row| row.text_sha256))
}
