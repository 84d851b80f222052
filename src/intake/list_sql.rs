//! The rows of a listing: what the hub said of a repository and a revision, written in parts and seen when it is whole.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Alias, Expr, ExprTrait, OnConflict},
};

use super::sql;
use crate::{
    domain::refusal::Fault,
    gate::{act::ListRevision, grant::Granted, tx::Tx},
    store::{
        Reader, fault,
        tables::{file, history, listing, repository, repository_name, revision},
    },
};

/// The sha256 of files outside LFS that we have stored, by git id and size.
pub async fn find_digests(db: &Reader, git_ids: &[String]) -> Result<HashMap<(String, i64), String>, Fault> {
    let mut found = HashMap::new();
    for some in git_ids.chunks(500) {
        let known = file::Entity::find()
            .select_only()
            .columns([file::Column::GitId, file::Column::Size, file::Column::Sha256])
            .distinct()
            .filter(file::Column::GitId.is_in(some))
            .filter(file::Column::Lfs.is_null())
            .filter(file::Column::Sha256.is_not_null());
        let rows: Vec<(String, i64, String)> = known.into_tuple().all(db).await.map_err(fault("looking digests up"))?;
        found.extend(rows.into_iter().map(|(git_id, size, sha256)| ((git_id, size), sha256)));
    }
    Ok(found)
}

/// What the hub said of one revision, as rows. The ids in them are proposals: `begin_listing` says which ones hold.
pub struct Listing {
    pub repository: repository::Model,
    pub names: Vec<String>,
    pub revision: revision::Model,
    pub files: Vec<file::Model>,
    pub histories: Vec<history::Model>,
}

/// The ids under which a revision is written down: those of whoever began first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    pub repository: String,
    pub revision: String,
    /// It is listed already, and a commit does not change.
    pub listed: bool,
}

/// Writes the repository and its names down and settles the ids. Several replicas may list one revision at once, and one
/// that died leaves half of it behind: all of them go on under the same id. `None` when a name means another repository.
pub async fn begin_listing(db: &Tx, _: &Granted<ListRevision>, listing: &Listing) -> Result<Option<Ids>, Fault> {
    let Listing { repository, names, revision, .. } = listing;
    let unique = [repository::Column::Kind, repository::Column::UpstreamId];
    let update = [repository::Column::HubName, repository::Column::Facts, repository::Column::SeenAt];
    repository::Entity::insert(sql::all_set(repository.clone()))
        .on_conflict(OnConflict::columns(unique).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing a repository"))?;
    let id = sql::find_repository_by_upstream(db, &repository.kind, &repository.upstream_id).await?;
    let id = id.ok_or_else(|| Fault::new("writing a repository: it is gone again").passing())?;
    for key in names {
        let row = repository_name::Model {
            kind: repository.kind.clone(),
            key: key.clone(),
            repository_id: id.clone(),
            first_seen_at: revision.listed_at,
        };
        repository_name::Entity::insert(sql::all_set(row))
            .on_conflict_do_nothing()
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a name"))?;
        if sql::find_repository_id_of_name(db, &repository.kind, key).await?.as_deref() != Some(&id) {
            return Ok(None);
        }
    }
    let mine = listing::Model {
        repository_id: id.clone(),
        commit_id: revision.commit_id.clone(),
        revision_id: revision.id.clone(),
        begun_at: revision.listed_at,
    };
    let place = (id.clone(), revision.commit_id.clone());
    listing::Entity::insert(sql::all_set(mine))
        .on_conflict_do_nothing()
        .exec_without_returning(db)
        .await
        .map_err(fault("beginning a listing"))?;
    let begun = listing::Entity::find_by_id(place).one(db).await.map_err(fault("beginning a listing"))?;
    let begun = begun.ok_or_else(|| Fault::new("beginning a listing: it is gone again").passing())?;
    // Looked at last: whoever finished meanwhile has taken the row above away, and left the revision.
    if let Some(done) = sql::find_revision(db, &id, &revision.commit_id).await? {
        delete_listing(db, &id, &revision.commit_id).await?;
        return Ok(Some(Ids { repository: id, revision: done.id, listed: true }));
    }
    Ok(Some(Ids { repository: id, revision: begun.revision_id, listed: false }))
}

/// Some of a revision's files. Nobody sees them before `end_listing`.
pub async fn save_files(db: &Tx, _: &Granted<ListRevision>, rows: Vec<file::Model>) -> Result<(), Fault> {
    let mut rows = rows.into_iter().map(sql::all_set).peekable();
    while rows.peek().is_some() {
        // 500 rows of six values stay under every database's limit of bound values.
        file::Entity::insert_many(rows.by_ref().take(500))
            .on_conflict_do_nothing()
            .exec_without_returning(db)
            .await
            .map_err(fault("writing files"))?;
    }
    Ok(())
}

/// The last part of a listing: the revision itself, and the branches it lies on.
pub async fn end_listing(
    db: &Tx,
    _: &Granted<ListRevision>,
    ids: &Ids,
    revision: revision::Model,
    histories: Vec<history::Model>,
) -> Result<(), Fault> {
    if !ids.listed {
        delete_listing(db, &ids.repository, &revision.commit_id).await?;
        let row = revision::Model { id: ids.revision.clone(), repository_id: ids.repository.clone(), ..revision };
        revision::Entity::insert(sql::all_set(row))
            .on_conflict_do_nothing()
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a revision"))?;
    }
    for row in histories {
        let row = history::Model { repository_id: ids.repository.clone(), ..row };
        let update = [history::Column::Commits, history::Column::SeenAt, history::Column::RefKind];
        history::Entity::insert(sql::all_set(row))
            .on_conflict(
                OnConflict::columns([history::Column::RepositoryId, history::Column::RefName])
                    .update_columns(update)
                    // Of two that asked the hub at once, the one that asked first may write last.
                    .action_and_where(
                        Expr::col((history::Entity, history::Column::SeenAt))
                            .lte(Expr::col((Alias::new("excluded"), history::Column::SeenAt))),
                    )
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a branch's history"))?;
    }
    Ok(())
}

async fn delete_listing(db: &Tx, repository_id: &str, commit: &str) -> Result<(), Fault> {
    let place = (repository_id.to_owned(), commit.to_owned());
    listing::Entity::delete_by_id(place).exec(db).await.map_err(fault("ending a listing"))?;
    Ok(())
}
