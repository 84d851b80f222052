//! What the scanner reported of files, and the lists of tensors that comparisons need.
//!
//! A report is never written over one that replaces the one it comes from.

use std::collections::HashSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};

use super::sql;
use crate::{
    app::Basis,
    domain::{basis::LIMITED, refusal::Fault},
    gate::{act::InspectRevision, grant::Granted, tx::Tx},
    store::{
        Reader, fault,
        tables::{report, revision, tensor_list},
    },
};

/// The files of a revision that this scanner, or one that replaces it, has reported on.
pub async fn list_reported(
    db: &Reader,
    revision_id: &str,
    (basis, limited): (&Basis, &str),
    siblings: &str,
) -> Result<HashSet<String>, Fault> {
    let query = report::Entity::find()
        .select_only()
        .columns([report::Column::Path, report::Column::Scanner])
        .filter(report::Column::RevisionId.eq(revision_id))
        .filter(report::Column::Siblings.eq(siblings));
    let rows: Vec<(String, String)> = query.into_tuple().all(db).await.map_err(fault("reading reports"))?;
    // Under another limit than today's, what was over it may not be so any more.
    let holds = |scanner: &str| basis.leaves(scanner) && (scanner == limited || !scanner.contains(LIMITED));
    Ok(rows.into_iter().filter(|(_, scanner)| holds(scanner)).map(|(path, _)| path).collect())
}

/// What is known of these bytes among the same neighbours, in whatever revision.
pub async fn list_same(
    db: &Reader,
    bytes_ids: &[String],
    scanner: &str,
    siblings: &str,
) -> Result<Vec<report::Model>, Fault> {
    let mut found = Vec::new();
    for some in bytes_ids.chunks(500) {
        let query = report::Entity::find()
            .filter(report::Column::BytesId.is_in(some))
            .filter(report::Column::Scanner.eq(scanner))
            .filter(report::Column::Siblings.eq(siblings));
        found.extend(query.all(db).await.map_err(fault("reading reports"))?);
    }
    // What was read whole is worth more than what was read by ranges.
    found.sort_by_key(|row| row.stage != super::inspect::VERIFIED);
    Ok(found)
}

pub async fn list_reports(db: &impl ConnectionTrait, revision_id: &str) -> Result<Vec<report::Model>, Fault> {
    let query =
        report::Entity::find().filter(report::Column::RevisionId.eq(revision_id)).order_by_asc(report::Column::Path);
    query.all(db).await.map_err(fault("reading reports"))
}

pub async fn find_report(db: &Reader, revision_id: &str, path: &str) -> Result<Option<report::Model>, Fault> {
    let id = (revision_id.to_owned(), path.to_owned());
    report::Entity::find_by_id(id).one(db).await.map_err(fault("reading a report"))
}

/// Writes reports, but never over those of a scanner that replaces the one they come from.
pub async fn save_reports(
    db: &Tx,
    _: &Granted<InspectRevision>,
    basis: &Basis,
    rows: Vec<report::Model>,
) -> Result<(), Fault> {
    use report::Column as C;
    let Some(first) = rows.first() else { return Ok(()) };
    // Whoever else writes reports of this revision waits here, so that what is looked at stays so.
    let held = revision::Entity::find_by_id(&first.revision_id).lock_exclusive();
    held.one(db).await.map_err(fault("locking a revision"))?;
    let there = list_made(db, &rows).await?;
    let newer: HashSet<String> =
        there.into_iter().filter(|one| basis.is_newer(&one.scanner)).map(|one| one.path).collect();
    let update = [
        C::BytesId,
        C::Scanner,
        C::Siblings,
        C::Stage,
        C::Format,
        C::Verdict,
        C::Coverage,
        C::Body,
        C::Ranges,
        C::MadeAt,
    ];
    for row in rows.into_iter().filter(|row| !newer.contains(&row.path)) {
        report::Entity::insert(sql::all_set(row))
            .on_conflict(OnConflict::columns([C::RevisionId, C::Path]).update_columns(update).to_owned())
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a report"))?;
    }
    Ok(())
}

/// Which report on a file this is.
#[derive(FromQueryResult)]
struct There {
    path: String,
    scanner: String,
    made_at: i64,
}

/// The reports that stand where these would.
async fn list_made(db: &Tx, rows: &[report::Model]) -> Result<Vec<There>, Fault> {
    use report::Column as C;
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let query = report::Entity::find()
        .select_only()
        .columns([C::Path, C::Scanner, C::MadeAt])
        .filter(C::RevisionId.eq(&first.revision_id))
        .filter(C::Path.is_in(rows.iter().map(|row| row.path.as_str())));
    query.into_model().all(db).await.map_err(fault("reading reports"))
}

/// Whether all of these are still the reports that stand: none was replaced since they were read. Nobody replaces one until
/// this change is done.
pub async fn are_unreplaced(db: &Tx, rows: &[report::Model]) -> Result<bool, Fault> {
    let Some(first) = rows.first() else { return Ok(true) };
    let held = revision::Entity::find_by_id(&first.revision_id).lock_exclusive();
    held.one(db).await.map_err(fault("locking a revision"))?;
    let there = list_made(db, rows).await?;
    Ok(rows.iter().all(|row| there.iter().any(|one| one.path == row.path && one.made_at == row.made_at)))
}

/// The tensors of these files, anew.
pub async fn save_tensors(
    db: &Tx,
    _: &Granted<InspectRevision>,
    revision_id: &str,
    lists: Vec<(String, String)>,
) -> Result<(), Fault> {
    use tensor_list::Column as C;
    for (path, list) in lists {
        let row = tensor_list::Model { revision_id: revision_id.to_owned(), path, list };
        tensor_list::Entity::insert(sql::all_set(row))
            .on_conflict(OnConflict::columns([C::RevisionId, C::Path]).update_column(C::List).to_owned())
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a list of tensors"))?;
    }
    Ok(())
}

pub async fn find_tensors(db: &Reader, revision_id: &str, path: &str) -> Result<Option<String>, Fault> {
    let id = (revision_id.to_owned(), path.to_owned());
    let row = tensor_list::Entity::find_by_id(id).one(db).await.map_err(fault("reading a list of tensors"))?;
    Ok(row.map(|row| row.list))
}
