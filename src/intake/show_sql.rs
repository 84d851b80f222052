//! How far intake is with a revision, counted in its rows.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    domain::refusal::Fault,
    store::{
        Reader, fault,
        tables::{file, report},
    },
};

/// Files and their bytes.
pub type FilesAndBytes = (i64, i64);

/// How many of a revision's files this scanner has reported on, of how many.
pub async fn count_reported(db: &Reader, id: &str, scanner: &str) -> Result<(FilesAndBytes, FilesAndBytes), Fault> {
    let reported = report::Entity::find()
        .select_only()
        .column(report::Column::Path)
        .filter(report::Column::RevisionId.eq(id))
        .filter(report::Column::Scanner.eq(scanner))
        .into_query();
    let done = files_and_bytes(db, id, Some(file::Column::Path.in_subquery(reported))).await?;
    Ok((done, files_and_bytes(db, id, None).await?))
}

/// How many of a revision's files have a known sha256, of how many.
pub async fn count_known(db: &Reader, id: &str) -> Result<(FilesAndBytes, FilesAndBytes), Fault> {
    let outside_lfs = || file::Column::Lfs.is_null();
    let done = files_and_bytes(db, id, Some(outside_lfs().and(file::Column::Sha256.is_not_null()))).await?;
    Ok((done, files_and_bytes(db, id, Some(outside_lfs())).await?))
}

async fn files_and_bytes(db: &Reader, revision_id: &str, only: Option<Expr>) -> Result<FilesAndBytes, Fault> {
    let mut query = file::Entity::find()
        .select_only()
        .column_as(file::Column::Path.count(), "files")
        .column_as(Expr::col(file::Column::Size).sum().cast_as("BIGINT"), "bytes")
        .filter(file::Column::RevisionId.eq(revision_id));
    if let Some(only) = only {
        query = query.filter(only);
    }
    let row: Option<(i64, Option<i64>)> = query.into_tuple().one(db).await.map_err(fault("counting files"))?;
    let (files, bytes) = row.unwrap_or_default();
    Ok((files, bytes.unwrap_or_default()))
}
