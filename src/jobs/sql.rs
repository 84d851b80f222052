//! The rows of jobs: bookkeeping, written without the ledger.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, UpdateMany,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType, OnConflict},
};

use super::{BACKGROUND, LONG, Lane, NO_ROOM, Work};
use crate::{
    clock,
    domain::{refusal::Fault, time::Micros},
    gate::{act::RetryJob, grant::Granted, tx::Tx},
    store::{Reader, chores::Chores, fault, tables::job},
};

/// How a job begins.
#[derive(Clone, Copy, Debug)]
pub struct Pushed {
    pub total: u64,
    pub lane: &'static str,
}

impl Pushed {
    /// Nobody knows how much it is, and it goes where its kind goes.
    pub fn short() -> Self {
        Self { total: 0, lane: "" }
    }
}

/// Writes a job down as done, when nobody has ever asked for it: it is counted from now.
pub async fn note_done(db: &Chores, work: &Work, at: Micros) -> Result<(), Fault> {
    let row = job::ActiveModel { state: Set("done".to_owned()), ..fresh_row(work, Pushed::short(), at)? };
    job::Entity::insert(row)
        .on_conflict(OnConflict::column(job::Column::Key).do_nothing().to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("noting a job"))?;
    Ok(())
}

fn fresh_row(work: &Work, pushed: Pushed, at: Micros) -> Result<job::ActiveModel, Fault> {
    let Pushed { total, lane } = pushed;
    Ok(job::ActiveModel {
        id: Set(clock::new_id()),
        kind: Set(work.kind().to_owned()),
        key: Set(work.key()),
        payload: Set(payload_of(work)?),
        state: Set("waiting".to_owned()),
        attempts: Set(0),
        run_at: Set(at.0),
        lease_by: Set(String::new()),
        lease_until: Set(0),
        done_bytes: Set(0),
        total_bytes: Set(i64::try_from(total).unwrap_or(i64::MAX)),
        outcome: Set(String::new()),
        made_at: Set(at.0),
        lane: Set(lane.to_owned()),
        done_files: Set(0),
        total_files: Set(0),
    })
}

fn payload_of(work: &Work) -> Result<String, Fault> {
    serde_json::to_string(work).map_err(|e| Fault::because("writing a job down", e))
}

/// Adds a job, or wakes one that is over; one under way stays as it is. A fetch that waits for its next try is not kept
/// waiting for another revision's sake: it goes on in the name of whoever asks now.
pub async fn push(db: &Chores, work: &Work, pushed: Pushed, at: Micros) -> Result<(), Fault> {
    let (row, payload) = (fresh_row(work, pushed, at)?, payload_of(work)?);
    let Pushed { total, lane } = pushed;
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
        .col_expr(job::Column::TotalBytes, Expr::value(i64::try_from(total).unwrap_or(i64::MAX)))
        .col_expr(job::Column::DoneFiles, Expr::value(0))
        .col_expr(job::Column::TotalFiles, Expr::value(0))
        .col_expr(job::Column::Outcome, Expr::value(""))
        .col_expr(job::Column::MadeAt, Expr::value(at.0))
        .col_expr(job::Column::Lane, Expr::value(lane))
        .filter(job::Column::Key.eq(work.key()))
        .filter(over.add(waits_for_another));
    let again = again.exec(db).await.map_err(fault("asking for a job"))?;
    if again.rows_affected == 0 && lane.is_empty() {
        // It is under way. If nobody waited for it so far, somebody does now.
        hurry_one(db, &work.key()).await?;
    }
    Ok(())
}

/// The job with this key gets the hands of its kind, if it waits in the background.
pub async fn hurry_one(db: &Chores, key: &str) -> Result<(), Fault> {
    let hurry = out_of_the_background().filter(job::Column::Key.eq(key));
    hurry.exec(db).await.map_err(fault("hurrying a job"))?;
    Ok(())
}

/// Jobs of a repository in the background get the hands of their kind. Answers how many did.
pub async fn hurry(db: &Chores, repo: &str) -> Result<u64, Fault> {
    let named = format!("\"repo\":\"{repo}\"");
    let hurry =
        out_of_the_background().filter(job::Column::Kind.ne("prefetch")).filter(job::Column::Payload.contains(named));
    Ok(hurry.exec(db).await.map_err(fault("hurrying jobs"))?.rows_affected)
}

fn out_of_the_background() -> UpdateMany<job::Entity> {
    job::Entity::update_many()
        .col_expr(job::Column::Lane, Expr::value(""))
        .filter(job::Column::Lane.eq(BACKGROUND))
        .filter(job::Column::State.eq("waiting"))
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

/// Takes one job of a lane that is due, or whose worker has gone quiet. Safe with any number of replicas: one statement
/// chooses and takes, and on PostgreSQL it steps over the rows that others are about to take. Whoever finds nothing has
/// only read, so that idle workers queue for no lock.
pub async fn claim(db: &Chores, taker: Taker<'_>, at: Micros, lease: i64) -> Result<Option<job::Model>, Fault> {
    let Taker { me, lane, long } = taker;
    let due = Condition::any()
        .add(Condition::all().add(job::Column::State.eq("waiting")).add(job::Column::RunAt.lte(at.0)))
        .add(Condition::all().add(job::Column::State.eq("running")).add(job::Column::LeaseUntil.lt(at.0)));
    let next = job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(due)
        .filter(job::Column::Kind.is_in(lane.kinds().iter().copied()))
        .filter(job::Column::Lane.eq(lane.mark(long)))
        .order_by_asc(job::Column::RunAt)
        .limit(1);
    let found: Option<String> = next.clone().into_tuple().one(db).await.map_err(fault("looking for jobs"))?;
    if found.is_none() {
        return Ok(None);
    }
    // SQLite has no such words; there the statement has the one connection that writes.
    let next = next.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked).into_query();
    // Compared with one value and not with a list: a list may be made again for every row, and each time another row.
    let next = Expr::SubQuery(None, Box::new(next.into()));
    let take = job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value("running"))
        .col_expr(job::Column::LeaseBy, Expr::value(me))
        .col_expr(job::Column::LeaseUntil, Expr::value(at.0 + lease))
        .col_expr(job::Column::Attempts, Expr::col(job::Column::Attempts).add(1))
        .filter(Expr::col(job::Column::Id).eq(next))
        .into_query()
        .returning_all()
        .to_owned();
    let rows = db.query_all(&take).await.map_err(fault("taking a job"))?;
    let row = rows.first().map(|row| job::Model::from_query_result(row, ""));
    row.transpose().map_err(fault("reading a taken job"))
}

/// Who takes jobs, and which.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a> {
    pub me: &'a str,
    pub lane: Lane,
    /// Those that are known to take long.
    pub long: bool,
}

/// From now on a running job is long work: if it has to be taken up again, then by the hands for that.
pub async fn set_long(db: &Chores, job: &job::Model) -> Result<(), Fault> {
    let set = job::Entity::update_many()
        .col_expr(job::Column::Lane, Expr::value(LONG))
        .filter(job::Column::Id.eq(job.id.clone()))
        .filter(job::Column::LeaseBy.eq(job.lease_by.clone()));
    set.exec(db).await.map_err(fault("moving a job to the long ones"))?;
    Ok(())
}

/// How far a job is, in bytes and in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub bytes: u64,
    pub of_bytes: u64,
    pub files: u64,
    pub of_files: u64,
}

/// Keeps a lease and says how far the job is. False when the job has been given to somebody else meanwhile.
pub async fn renew(db: &Chores, job: &job::Model, until: Micros, far: Progress) -> Result<bool, Fault> {
    let whole = |number: u64| Expr::value(i64::try_from(number).unwrap_or(i64::MAX));
    let kept = job::Entity::update_many()
        .col_expr(job::Column::LeaseUntil, Expr::value(until.0))
        .col_expr(job::Column::DoneBytes, whole(far.bytes))
        .col_expr(job::Column::TotalBytes, whole(far.of_bytes))
        .col_expr(job::Column::DoneFiles, whole(far.files))
        .col_expr(job::Column::TotalFiles, whole(far.of_files))
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

/// Jobs for whoever looks after them: what runs first, then what waits, then what has failed, then what is done, the
/// newest of each first.
pub async fn list(db: &Reader, states: &[&str], most: u64) -> Result<Vec<job::Model>, Fault> {
    let order = Expr::case(Expr::col(job::Column::State).eq("running"), 0)
        .case(Expr::col(job::Column::State).eq("waiting"), 1)
        .case(Expr::col(job::Column::State).eq("failed"), 2)
        .finally(3);
    let query = job::Entity::find()
        .filter(job::Column::State.is_in(states.iter().copied()))
        .order_by_asc(Expr::Case(Box::new(order)))
        .order_by_desc(job::Column::MadeAt)
        .order_by_asc(job::Column::Id)
        .limit(most);
    query.all(db).await.map_err(fault("reading jobs"))
}

/// How many jobs are in each state.
pub async fn count_states(db: &Reader) -> Result<Vec<(String, i64)>, Fault> {
    let query = job::Entity::find()
        .select_only()
        .column(job::Column::State)
        .column_as(job::Column::Id.count(), "jobs")
        .group_by(job::Column::State);
    query.into_tuple().all(db).await.map_err(fault("counting jobs"))
}

/// The newest job that was given up because there was no room.
pub async fn find_without_room(db: &Reader) -> Result<Option<job::Model>, Fault> {
    let query = job::Entity::find()
        .filter(job::Column::State.eq("failed"))
        .filter(job::Column::Outcome.starts_with(NO_ROOM))
        .order_by_desc(job::Column::RunAt);
    query.one(db).await.map_err(fault("reading jobs"))
}

pub async fn find_by_id(db: &Reader, id: &str) -> Result<Option<job::Model>, Fault> {
    job::Entity::find_by_id(id).one(db).await.map_err(fault("looking a job up"))
}

/// A buried job begins anew. False when it is not buried any more.
pub async fn retry(db: &Tx, _: &Granted<RetryJob>, id: &str, at: Micros) -> Result<bool, Fault> {
    let again = job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value("waiting"))
        .col_expr(job::Column::Attempts, Expr::value(0))
        .col_expr(job::Column::RunAt, Expr::value(at.0))
        .filter(job::Column::Id.eq(id))
        .filter(job::Column::State.eq("failed"));
    Ok(again.exec(db).await.map_err(fault("trying a job again"))?.rows_affected == 1)
}

/// The payloads of jobs that are under way.
pub async fn list_open(db: &Reader) -> Result<Vec<String>, Fault> {
    let query = job::Entity::find()
        .select_only()
        .column(job::Column::Payload)
        .filter(job::Column::State.is_in(["waiting", "running"]));
    query.into_tuple().all(db).await.map_err(fault("reading jobs"))
}
