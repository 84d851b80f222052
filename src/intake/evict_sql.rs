//! What is stored, what may go, and what is on its way out.
//!
//! What some approved or pinned revision needs, what a job works on, and what was read just now is in no list here.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SelectStatement},
};

use crate::{
    domain::{digest::Sha256, refusal::Fault, time::Micros},
    gate::{act::EvictBlobs, grant::Granted, tx::Tx},
    store::{
        Reader,
        chores::Chores,
        fault,
        tables::{blob, blob_leaving, blob_use, file, job, pin, pointer, report, revision, standing},
    },
};

/// A blob that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub sha256: String,
    pub size: u64,
}

/// What is spared.
#[derive(Clone, Debug)]
pub struct Spared<'a> {
    /// Whatever an approved revision needs.
    pub approved: bool,
    /// Whatever belongs to these revisions: jobs are at work on them.
    pub worked_on: &'a [String],
    /// What was read since.
    pub used_since: Micros,
    pub now: Micros,
}

/// How many bytes are stored under a name, and how many of those without one are still to be removed.
pub async fn count_bytes(db: &Reader) -> Result<(u64, u64, u64), Fault> {
    let sum = |column: Expr| column.sum().cast_as("BIGINT");
    let stored = blob::Entity::find()
        .select_only()
        .column_as(blob::Column::Sha256.count(), "blobs")
        .column_as(sum(Expr::col(blob::Column::Size)), "bytes");
    let stored: Option<(i64, Option<i64>)> = stored.into_tuple().one(db).await.map_err(fault("counting blobs"))?;
    let leaving =
        blob_leaving::Entity::find().select_only().column_as(sum(Expr::col(blob_leaving::Column::Size)), "bytes");
    let leaving: Option<Option<i64>> = leaving.into_tuple().one(db).await.map_err(fault("counting blobs"))?;
    let (blobs, stored) = stored.unwrap_or_default();
    Ok((whole(blobs), whole(stored.unwrap_or_default()), whole(leaving.flatten().unwrap_or_default())))
}

/// The fetches that bring something, with the size of what they bring: those that have begun, and of those that have not the
/// ones that come first.
pub async fn list_arriving(db: &Reader, but: &str) -> Result<Vec<(String, u64)>, Fault> {
    let begun = Condition::any().add(job::Column::DoneBytes.gt(0)).add(job::Column::Id.lt(but));
    let query = job::Entity::find()
        .select_only()
        .columns([job::Column::Key, job::Column::TotalBytes])
        .filter(job::Column::Kind.eq("fetch"))
        .filter(job::Column::State.eq("running"))
        .filter(job::Column::Id.ne(but))
        .filter(begun);
    let rows: Vec<(String, i64)> = query.into_tuple().all(db).await.map_err(fault("looking at what arrives"))?;
    Ok(rows.into_iter().map(|(key, bytes)| (key, whole(bytes))).collect())
}

/// How many bytes may go.
pub async fn count_free_to_go(db: &Reader, spared: &Spared<'_>) -> Result<u64, Fault> {
    let sum = Expr::col((blob::Entity, blob::Column::Size)).sum().cast_as("BIGINT");
    let query = free_to_go(spared).select_only().column_as(sum, "bytes");
    let bytes: Option<Option<i64>> = query.into_tuple().one(db).await.map_err(fault("counting what may go"))?;
    Ok(whole(bytes.flatten().unwrap_or_default()))
}

/// The first that may go: what was not used for longest.
pub async fn list_free_to_go(
    db: &impl ConnectionTrait,
    spared: &Spared<'_>,
    among: Option<&[String]>,
    most: u64,
) -> Result<Vec<Candidate>, Fault> {
    let mut query = free_to_go(spared)
        .select_only()
        .column(blob::Column::Sha256)
        .column(blob::Column::Size)
        .order_by_asc(Expr::cust("COALESCE(blob_use.used_at, blob.stored_at)"))
        .order_by_asc(blob::Column::Sha256)
        .limit(most);
    if let Some(among) = among {
        query = query.filter(blob::Column::Sha256.is_in(among));
    }
    let rows: Vec<(String, i64)> = query.into_tuple().all(db).await.map_err(fault("reading what may go"))?;
    Ok(rows.into_iter().map(|(sha256, size)| Candidate { sha256, size: whole(size) }).collect())
}

fn free_to_go(spared: &Spared<'_>) -> Select<blob::Entity> {
    let on_use =
        Expr::col((blob_use::Entity, blob_use::Column::Sha256)).eq(Expr::col((blob::Entity, blob::Column::Sha256)));
    let mut query = blob::Entity::find();
    QuerySelect::query(&mut query).join(JoinType::LeftJoin, blob_use::Entity, on_use);
    let unread =
        Condition::any().add(blob_use::Column::UsedAt.is_null()).add(blob_use::Column::UsedAt.lt(spared.used_since.0));
    let mut query = query.filter(unread).filter(blob::Column::Sha256.not_in_subquery(of(pinned())));
    if spared.approved {
        query = query.filter(blob::Column::Sha256.not_in_subquery(of(approved(spared.now))));
    }
    for some in spared.worked_on.chunks(500) {
        let files = file::Entity::find()
            .select_only()
            .column(file::Column::Sha256)
            .filter(file::Column::Sha256.is_not_null())
            .filter(file::Column::RevisionId.is_in(some));
        query = query.filter(blob::Column::Sha256.not_in_subquery(files.into_query()));
    }
    query
}

/// The bytes of these revisions' files.
fn of(revisions: SelectStatement) -> SelectStatement {
    file::Entity::find()
        .select_only()
        .column(file::Column::Sha256)
        .filter(file::Column::Sha256.is_not_null())
        .filter(file::Column::RevisionId.in_subquery(revisions))
        .into_query()
}

fn approved(now: Micros) -> SelectStatement {
    let open = Condition::any().add(standing::Column::ExpiresAt.is_null()).add(standing::Column::ExpiresAt.gt(now.0));
    standing::Entity::find()
        .select_only()
        .column(standing::Column::RevisionId)
        .filter(standing::Column::State.eq("approved"))
        .filter(open)
        .into_query()
}

/// What a person pinned, while the pointer still stands there.
fn pinned() -> SelectStatement {
    let same = |mine: Expr, other: Expr| mine.eq(other);
    let still = Condition::all()
        .add(same(
            Expr::col((pointer::Entity, pointer::Column::RepositoryId)),
            Expr::col((pin::Entity, pin::Column::RepositoryId)),
        ))
        .add(same(
            Expr::col((pointer::Entity, pointer::Column::Environment)),
            Expr::col((pin::Entity, pin::Column::Environment)),
        ))
        .add(same(Expr::col((pointer::Entity, pointer::Column::Name)), Expr::col((pin::Entity, pin::Column::Name))))
        .add(same(
            Expr::col((pointer::Entity, pointer::Column::CommitId)),
            Expr::col((pin::Entity, pin::Column::CommitId)),
        ));
    let theirs = Condition::all()
        .add(same(
            Expr::col((revision::Entity, revision::Column::RepositoryId)),
            Expr::col((pin::Entity, pin::Column::RepositoryId)),
        ))
        .add(same(
            Expr::col((revision::Entity, revision::Column::CommitId)),
            Expr::col((pin::Entity, pin::Column::CommitId)),
        ));
    Query::select()
        .column((revision::Entity, revision::Column::Id))
        .from(revision::Entity)
        .join(JoinType::InnerJoin, pin::Entity, theirs)
        .join(JoinType::InnerJoin, pointer::Entity, still)
        .to_owned()
}

/// Nobody finds these any more; whoever fetches one again has it verified again. Their bytes are removed later, when
/// nobody reads them.
pub async fn delete_blobs(db: &Tx, _: &Granted<EvictBlobs>, going: &[Candidate], at: Micros) -> Result<(), Fault> {
    let names: Vec<&str> = going.iter().map(|one| one.sha256.as_str()).collect();
    blob::Entity::delete_many()
        .filter(blob::Column::Sha256.is_in(names.iter().copied()))
        .exec(db)
        .await
        .map_err(fault("evicting blobs"))?;
    let rows = going.iter().map(|one| blob_leaving::ActiveModel {
        sha256: sea_orm::ActiveValue::Set(one.sha256.clone()),
        size: sea_orm::ActiveValue::Set(i64::try_from(one.size).unwrap_or(i64::MAX)),
        since_at: sea_orm::ActiveValue::Set(at.0),
    });
    blob_leaving::Entity::insert_many(rows)
        .on_conflict(
            OnConflict::column(blob_leaving::Column::Sha256).update_column(blob_leaving::Column::SinceAt).to_owned(),
        )
        .exec_without_returning(db)
        .await
        .map_err(fault("evicting blobs"))?;
    let held = Query::select()
        .expr(Expr::val(1))
        .from(file::Entity)
        .and_where(
            Expr::col((file::Entity, file::Column::RevisionId))
                .eq(Expr::col((report::Entity, report::Column::RevisionId))),
        )
        .and_where(Expr::col((file::Entity, file::Column::Path)).eq(Expr::col((report::Entity, report::Column::Path))))
        .and_where(Expr::col((file::Entity, file::Column::Sha256)).is_in(names))
        .to_owned();
    report::Entity::update_many()
        .col_expr(report::Column::Stage, Expr::value(super::inspect::INSPECTED))
        .filter(report::Column::Stage.eq(super::inspect::VERIFIED))
        .filter(Expr::exists(held))
        .exec(db)
        .await
        .map_err(fault("having evicted files verified again"))?;
    Ok(())
}

/// What was evicted before then and has no name now: its bytes may be removed, unless somebody has read them since. And what
/// somebody began to remove so long ago that nobody is at it any more.
pub async fn list_leaving(db: &Reader, before: Micros, abandoned: Micros) -> Result<Vec<blob_leaving::Model>, Fault> {
    let since = blob_leaving::Column::SinceAt;
    let left = Condition::all().add(since.lt(0)).add(since.gt(-abandoned.0));
    let due = Condition::any().add(Condition::all().add(since.gte(0)).add(since.lt(before.0))).add(left);
    let query = blob_leaving::Entity::find().filter(due);
    query.limit(500).all(db).await.map_err(fault("reading what leaves"))
}

/// From now on these bytes are being removed: a time below zero says so, and since when. False when somebody has taken them
/// up again, or is at it already.
pub async fn begin_removal(db: &Chores, row: &blob_leaving::Model, at: Micros) -> Result<bool, Fault> {
    let turn = blob_leaving::Entity::update_many()
        .col_expr(blob_leaving::Column::SinceAt, Expr::value(-at.0))
        .filter(blob_leaving::Column::Sha256.eq(&row.sha256))
        .filter(blob_leaving::Column::SinceAt.eq(row.since_at));
    let turned = turn.exec(db).await.map_err(fault("beginning to remove evicted bytes"))?;
    Ok(turned.rows_affected == 1)
}

/// What becomes of bytes that are stored again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    Stays,
    /// They are being removed now.
    Goes,
}

/// Bytes that were stored again leave no more, unless they are being removed already.
pub async fn stop_leaving(db: &Chores, sha256: &str) -> Result<Leaving, Fault> {
    // Most were never evicted: then nobody waits here for whoever writes.
    let row = blob_leaving::Entity::find_by_id(sha256).one(db).await.map_err(fault("reading what leaves"))?;
    let Some(row) = row else { return Ok(Leaving::Stays) };
    let stop = blob_leaving::Entity::delete_many()
        .filter(blob_leaving::Column::Sha256.eq(sha256))
        .filter(blob_leaving::Column::SinceAt.eq(row.since_at))
        .filter(blob_leaving::Column::SinceAt.gte(0));
    let stopped = stop.exec(db).await.map_err(fault("keeping bytes that were evicted"))?;
    Ok(if stopped.rows_affected == 1 { Leaving::Stays } else { Leaving::Goes })
}

pub async fn has_name(db: &Reader, sha256: &str) -> Result<bool, Fault> {
    let row = blob::Entity::find_by_id(sha256).one(db).await.map_err(fault("looking a blob up"))?;
    Ok(row.is_some())
}

pub async fn was_used_since(db: &Reader, sha256: &str, since: Micros) -> Result<bool, Fault> {
    let row = blob_use::Entity::find_by_id(sha256).one(db).await.map_err(fault("looking up a blob's use"))?;
    Ok(row.is_some_and(|row| row.used_at >= since.0))
}

pub async fn delete_leaving(db: &Chores, sha256: &str) -> Result<(), Fault> {
    blob_leaving::Entity::delete_by_id(sha256).exec(db).await.map_err(fault("forgetting what has left"))?;
    Ok(())
}

/// When these were last read, for every replica that makes room.
pub async fn save_uses(db: &Chores, used: &[Sha256], at: Micros) -> Result<(), Fault> {
    for some in used.chunks(500) {
        let rows = some.iter().map(|sha256| blob_use::ActiveModel {
            sha256: sea_orm::ActiveValue::Set(sha256.to_string()),
            used_at: sea_orm::ActiveValue::Set(at.0),
        });
        blob_use::Entity::insert_many(rows)
            .on_conflict(
                OnConflict::column(blob_use::Column::Sha256).update_column(blob_use::Column::UsedAt).to_owned(),
            )
            .exec_without_returning(db)
            .await
            .map_err(fault("writing down what was read"))?;
    }
    Ok(())
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
