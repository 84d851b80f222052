//! What prefetching asks the database: which files are here, verified, or not to be had.

use std::collections::HashSet;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use crate::{
    domain::{refusal::Fault, role::Environment},
    store::{
        Reader, fault,
        tables::{blob, denied_digest, file, hidden_file, report, repository, revoked_file},
    },
};

/// What the hub calls a repository now.
pub async fn find_hub_name(db: &Reader, repository_id: &str) -> Result<Option<String>, Fault> {
    let row = repository::Entity::find_by_id(repository_id).one(db).await.map_err(fault("looking a repository up"))?;
    Ok(row.map(|row| row.hub_name))
}

/// A file of this revision whose bytes are denied, if there is one.
pub async fn find_denied(db: &Reader, revision_id: &str) -> Result<Option<String>, Fault> {
    let denied = denied_digest::Entity::find().select_only().column(denied_digest::Column::Sha256);
    let row = file::Entity::find()
        .filter(file::Column::RevisionId.eq(revision_id))
        .filter(file::Column::Sha256.in_subquery(denied.into_query()))
        .one(db)
        .await
        .map_err(fault("reading the deny list"))?;
    Ok(row.map(|row| row.path))
}

/// The paths that are not served here: hidden behind a safer file, or revoked by themselves.
pub async fn list_left_out(
    db: &Reader,
    revision_id: &str,
    environment: &Environment,
) -> Result<HashSet<String>, Fault> {
    let hidden = hidden_file::Entity::find()
        .filter(hidden_file::Column::RevisionId.eq(revision_id))
        .filter(hidden_file::Column::Environment.eq(environment.as_str()))
        .all(db)
        .await
        .map_err(fault("reading hidden files"))?;
    let revoked = revoked_file::Entity::find()
        .filter(revoked_file::Column::RevisionId.eq(revision_id))
        .filter(revoked_file::Column::Environment.eq(environment.as_str()))
        .all(db)
        .await
        .map_err(fault("reading revoked files"))?;
    let hidden = hidden.into_iter().map(|row| row.path);
    Ok(hidden.chain(revoked.into_iter().map(|row| row.path)).collect())
}

/// Which of these files' bytes are stored.
pub async fn list_stored(db: &Reader, files: &[file::Model]) -> Result<HashSet<String>, Fault> {
    let mut stored = HashSet::new();
    for some in files.chunks(500) {
        let names = some.iter().filter_map(|row| row.sha256.clone());
        let query =
            blob::Entity::find().select_only().column(blob::Column::Sha256).filter(blob::Column::Sha256.is_in(names));
        let rows: Vec<String> = query.into_tuple().all(db).await.map_err(fault("looking blobs up"))?;
        stored.extend(rows);
    }
    Ok(stored)
}

/// The paths whose stored bytes the scanner has read.
pub async fn list_verified(db: &Reader, revision_id: &str) -> Result<HashSet<String>, Fault> {
    let query = report::Entity::find()
        .select_only()
        .column(report::Column::Path)
        .filter(report::Column::RevisionId.eq(revision_id))
        .filter(report::Column::Stage.eq(super::inspect::VERIFIED));
    let rows: Vec<String> = query.into_tuple().all(db).await.map_err(fault("reading reports"))?;
    Ok(rows.into_iter().collect())
}
