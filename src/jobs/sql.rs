//! The rows of jobs: bookkeeping, written without the ledger.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use super::{Lane, Work};
use crate::{
    clock,
    domain::{refusal::Fault, time::Micros},
    store::{chores::Chores, fault, tables::job},
};

/// Adds a job, or wakes one that is over; one under way stays as it is. A fetch that waits for its next try is not kept
/// waiting for another revision's sake: it goes on in the name of whoever asks now.
pub async fn push(db: &Chores, work: &Work, total: u64, at: Micros) -> Result<(), Fault> {
    let payload = serde_json::to_string(work).map_err(|e| Fault::because("writing a job down", e))?;
    let row = job::ActiveModel {
        id: Set(clock::new_id()),
        kind: Set(work.kind().to_owned()),
        key: Set(work.key()),
        payload: Set(payload.clone()),
        state: Set("waiting".to_owned()),
        attempts: Set(0),
        run_at: Set(at.0),
        lease_by: Set(String::new()),
        lease_until: Set(0),
        done_bytes: Set(0),
        total_bytes: Set(i64::try_from(total).unwrap_or(i64::MAX)),
        outcome: Set(String::new()),
        made_at: Set(at.0),
    };
    let fresh = job::Entity::insert(row)
        .on_conflict(OnConflict::column(job::Column::Key).do_nothing().to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("asking for a job"))?;
    if fresh > 0 {
        return Ok(());
    }
    let over = Condition::any().add(job::Column::State.is_in(["done", "failed"]));
    let waits_for_another = Condition::all()
        .add(job::Column::Kind.eq("fetch"))
        .add(job::Column::State.eq("waiting"))
        .add(job::Column::Outcome.ne(""))
        .add(job::Column::Payload.ne(payload.clone()));
    let again = job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value("waiting"))
        .col_expr(job::Column::Payload, Expr::value(payload))
        .col_expr(job::Column::Attempts, Expr::value(0))
        .col_expr(job::Column::RunAt, Expr::value(at.0))
        .col_expr(job::Column::DoneBytes, Expr::value(0))
        .col_expr(job::Column::Outcome, Expr::value(""))
        .col_expr(job::Column::MadeAt, Expr::value(at.0))
        .filter(job::Column::Key.eq(work.key()))
        .filter(over.add(waits_for_another));
    again.exec(db).await.map_err(fault("asking for a job"))?;
    Ok(())
}

pub async fn find(db: &Chores, key: &str) -> Result<Option<job::Model>, Fault> {
    job::Entity::find().filter(job::Column::Key.eq(key)).one(db).await.map_err(fault("looking a job up"))
}

/// Every job of a kind by its key: its state, and when it was or is due.
pub async fn list_kind(db: &Chores, kind: &str) -> Result<HashMap<String, (String, i64)>, Fault> {
    let rows = job::Entity::find().filter(job::Column::Kind.eq(kind)).all(db).await.map_err(fault("reading jobs"))?;
    Ok(rows.into_iter().map(|row| (row.key, (row.state, row.run_at))).collect())
}

/// On SQLite one process works at a time, held by its lock: whatever is leased when it starts was left by a dead one, and
/// need not wait for its lease to run out.
pub async fn release_left(db: &Chores) -> Result<(), Fault> {
    if db.get_database_backend() == DbBackend::Sqlite {
        let left = job::Entity::update_many()
            .col_expr(job::Column::LeaseUntil, Expr::value(0))
            .filter(job::Column::State.eq("running"));
        left.exec(db).await.map_err(fault("releasing jobs that a dead process left"))?;
    }
    Ok(())
}

/// Takes one job of a lane that is due, or whose worker has gone quiet. Safe with any number of replicas: the update names the
/// row as it was read, so only one of them gets it.
pub async fn claim(db: &Chores, me: &str, lane: Lane, at: Micros, lease: i64) -> Result<Option<job::Model>, Fault> {
    let due = Condition::any()
        .add(Condition::all().add(job::Column::State.eq("waiting")).add(job::Column::RunAt.lte(at.0)))
        .add(Condition::all().add(job::Column::State.eq("running")).add(job::Column::LeaseUntil.lt(at.0)));
    let rows = job::Entity::find()
        .filter(due)
        .filter(job::Column::Kind.is_in(lane.kinds().iter().copied()))
        .order_by_asc(job::Column::RunAt)
        .limit(8)
        .all(db)
        .await
        .map_err(fault("looking for jobs"))?;
    for row in rows {
        let taken = job::Entity::update_many()
            .col_expr(job::Column::State, Expr::value("running"))
            .col_expr(job::Column::LeaseBy, Expr::value(me))
            .col_expr(job::Column::LeaseUntil, Expr::value(at.0 + lease))
            .col_expr(job::Column::Attempts, Expr::value(row.attempts + 1))
            .filter(job::Column::Id.eq(row.id.clone()))
            .filter(job::Column::State.eq(row.state.clone()))
            .filter(job::Column::LeaseBy.eq(row.lease_by.clone()))
            .filter(job::Column::LeaseUntil.eq(row.lease_until))
            .exec(db)
            .await
            .map_err(fault("taking a job"))?;
        if taken.rows_affected == 1 {
            let lease_until = at.0 + lease;
            return Ok(Some(job::Model { attempts: row.attempts + 1, lease_by: me.to_owned(), lease_until, ..row }));
        }
    }
    Ok(None)
}

/// Keeps a lease and says how far the job is. False when the job has been given to somebody else meanwhile.
pub async fn renew(db: &Chores, job: &job::Model, until: Micros, done: u64, total: u64) -> Result<bool, Fault> {
    let kept = job::Entity::update_many()
        .col_expr(job::Column::LeaseUntil, Expr::value(until.0))
        .col_expr(job::Column::DoneBytes, Expr::value(i64::try_from(done).unwrap_or(i64::MAX)))
        .col_expr(job::Column::TotalBytes, Expr::value(i64::try_from(total).unwrap_or(i64::MAX)))
        .filter(job::Column::Id.eq(job.id.clone()))
        .filter(job::Column::LeaseBy.eq(job.lease_by.clone()))
        .filter(job::Column::State.eq("running"))
        .exec(db)
        .await
        .map_err(fault("keeping a job's lease"))?;
    Ok(kept.rows_affected == 1)
}

/// Keeps a lease, progress untouched. False when the job has been given to somebody else meanwhile.
pub async fn keep(db: &Chores, job: &job::Model, until: Micros) -> Result<bool, Fault> {
    let kept = job::Entity::update_many()
        .col_expr(job::Column::LeaseUntil, Expr::value(until.0))
        .filter(job::Column::Id.eq(job.id.clone()))
        .filter(job::Column::LeaseBy.eq(job.lease_by.clone()))
        .filter(job::Column::State.eq("running"))
        .exec(db)
        .await
        .map_err(fault("keeping a job's lease"))?;
    Ok(kept.rows_affected == 1)
}

/// How a job is left: over, or put back for later.
pub struct Left<'a> {
    pub state: &'a str,
    pub run_at: Micros,
    pub outcome: &'a str,
    pub attempts: i64,
}

/// Ends a job, or puts it back for later.
pub async fn settle(db: &Chores, job: &job::Model, left: &Left<'_>) -> Result<(), Fault> {
    job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(left.state))
        .col_expr(job::Column::RunAt, Expr::value(left.run_at.0))
        .col_expr(job::Column::Outcome, Expr::value(left.outcome))
        .col_expr(job::Column::Attempts, Expr::value(left.attempts))
        .col_expr(job::Column::LeaseBy, Expr::value(""))
        .filter(job::Column::Id.eq(job.id.clone()))
        .filter(job::Column::LeaseBy.eq(job.lease_by.clone()))
        .exec(db)
        .await
        .map_err(fault("ending a job"))?;
    Ok(())
}

/// The keys of fetches that may still go on: their spools are kept.
pub async fn open_keys(db: &Chores) -> Result<Vec<String>, Fault> {
    let open = job::Entity::find().select_only().column(job::Column::Key);
    let open = open.filter(job::Column::State.is_in(["waiting", "running"]));
    open.into_tuple().all(db).await.map_err(fault("reading jobs"))
}

/// Removes jobs that have been over since then. Answers how many.
pub async fn delete_over(db: &Chores, before: Micros) -> Result<u64, Fault> {
    let delete = job::Entity::delete_many()
        .filter(job::Column::State.is_in(["done", "failed"]))
        .filter(job::Column::RunAt.lt(before.0));
    Ok(delete.exec(db).await.map_err(fault("removing old jobs"))?.rows_affected)
}
