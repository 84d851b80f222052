//! The ledger's statements: its head, pending rows, entries and checkpoints.
//!
//! Entries and checkpoints are only ever inserted: there is no statement here that changes or deletes one.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};

use super::{Recorded, entry::Body};
use crate::{
    domain::refusal::Fault,
    store::{
        fault,
        tables::{ledger_checkpoint, ledger_entry, ledger_head, ledger_pending, setting},
    },
};

/// Rows a statement: 7 values each stay far below the 32,766 that SQLite takes.
const CHUNK: usize = 1000;

/// The open shard's head.
pub(super) async fn find_head<C: ConnectionTrait>(db: &C) -> Result<Option<ledger_head::Model>, Fault> {
    let open = ledger_head::Entity::find().filter(ledger_head::Column::NextShard.is_null());
    open.one(db).await.map_err(fault("reading the ledger's head"))
}

/// The open shard's head, locked against every other sequencer.
///
/// Where another sequencer ended the shard while we waited for its row, the row no longer fits the filter and nothing
/// is found: then the next look finds the new shard.
pub(super) async fn lock_head<C: ConnectionTrait>(db: &C) -> Result<ledger_head::Model, Fault> {
    for _ in 0..3 {
        let open = ledger_head::Entity::find().filter(ledger_head::Column::NextShard.is_null()).lock_exclusive();
        if let Some(head) = open.one(db).await.map_err(fault("locking the ledger's head"))? {
            return Ok(head);
        }
    }
    Err(Fault::new("locking the ledger's head: the ledger has no open shard"))
}

/// Writes the head after entries were added; the old size guards it a second time, behind the lock.
pub(super) async fn update_head<C: ConnectionTrait>(
    db: &C,
    old: &ledger_head::Model,
    new: &ledger_head::Model,
) -> Result<(), Fault> {
    use ledger_head::Column;
    let update = ledger_head::Entity::update_many()
        .set(ledger_head::ActiveModel {
            shard: NotSet,
            origin: NotSet,
            size: Set(new.size),
            root: Set(new.root.clone()),
            frontier: Set(new.frontier.clone()),
            last_leaf: Set(new.last_leaf.clone()),
            last_time: Set(new.last_time),
            moves: Set(new.moves),
            next_shard: Set(new.next_shard),
        })
        .filter(Column::Shard.eq(old.shard))
        .filter(Column::Size.eq(old.size))
        .filter(Column::NextShard.is_null());
    let done = update.exec(db).await.map_err(fault("writing the ledger's head"))?;
    match done.rows_affected {
        1 => Ok(()),
        _ => Err(Fault::new("writing the ledger's head: somebody else wrote it in spite of the lock")),
    }
}

pub(super) async fn insert_head<C: ConnectionTrait>(db: &C, head: ledger_head::Model) -> Result<(), Fault> {
    let insert = ledger_head::Entity::insert(head.into_active_model());
    insert.exec_without_returning(db).await.map_err(fault("opening a shard of the ledger")).map(drop)
}

/// Puts the events of a change in the queue, in their order.
pub(super) async fn insert_pending<C: ConnectionTrait>(db: &C, bodies: &[Body]) -> Result<(), Fault> {
    for chunk in bodies.chunks(CHUNK) {
        let rows = chunk.iter().map(|body| ledger_pending::ActiveModel {
            place: NotSet,
            id: Set(body.id.clone()),
            kind: Set(body.kind.word().to_owned()),
            body: Set(body.to_bytes()),
        });
        let insert = ledger_pending::Entity::insert_many(rows);
        insert.exec_without_returning(db).await.map_err(fault("writing a change's events"))?;
    }
    Ok(())
}

/// The oldest pending rows. By place and not by id: a change that waited for another one's locks was written later, but
/// its event's id may be older.
pub(super) async fn list_pending<C: ConnectionTrait>(db: &C, most: u64) -> Result<Vec<ledger_pending::Model>, Fault> {
    let rows = ledger_pending::Entity::find().order_by_asc(ledger_pending::Column::Place).limit(most);
    rows.all(db).await.map_err(fault("reading pending events"))
}

pub(super) async fn any_pending<C: ConnectionTrait>(db: &C) -> Result<bool, Fault> {
    list_pending(db, 1).await.map(|rows| !rows.is_empty())
}

/// Exactly these rows: on PostgreSQL others with lower places may have been committed since they were read.
pub(super) async fn delete_pending<C: ConnectionTrait>(db: &C, places: Vec<i64>) -> Result<(), Fault> {
    let delete = ledger_pending::Entity::delete_many().filter(ledger_pending::Column::Place.is_in(places));
    delete.exec(db).await.map_err(fault("taking pending events")).map(drop)
}

pub(super) async fn insert_entries<C: ConnectionTrait>(
    db: &C,
    rows: Vec<ledger_entry::ActiveModel>,
) -> Result<(), Fault> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let insert = ledger_entry::Entity::insert_many(rows.by_ref().take(CHUNK));
        insert.exec_without_returning(db).await.map_err(fault("writing entries"))?;
    }
    Ok(())
}

/// Where these events stand already, if they do.
pub(super) async fn list_recorded<C: ConnectionTrait>(
    db: &C,
    ids: &[&str],
) -> Result<HashMap<String, Recorded>, Fault> {
    use ledger_entry::Column;
    let mut found = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let find = ledger_entry::Entity::find().select_only().columns([Column::Shard, Column::Seq, Column::Id]);
        let rows: Vec<(i64, i64, String)> = find
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await
            .map_err(fault("looking for entries"))?;
        for (shard, seq, id) in rows {
            found.insert(id.clone(), Recorded { shard, seq: seq.unsigned_abs(), id });
        }
    }
    Ok(found)
}

/// A page of a shard's entries, from `seq` on.
pub(super) async fn list_entries<C: ConnectionTrait>(
    db: &C,
    shard: i64,
    seq: i64,
    most: u64,
) -> Result<Vec<ledger_entry::Model>, Fault> {
    use ledger_entry::Column;
    let page = ledger_entry::Entity::find().filter(Column::Shard.eq(shard)).filter(Column::Seq.gte(seq));
    page.order_by_asc(Column::Seq).limit(most).all(db).await.map_err(fault("reading entries"))
}

pub(super) async fn insert_checkpoint<C: ConnectionTrait>(
    db: &C,
    checkpoint: ledger_checkpoint::Model,
) -> Result<(), Fault> {
    let insert = ledger_checkpoint::Entity::insert(checkpoint.into_active_model());
    insert.exec_without_returning(db).await.map_err(fault("writing a checkpoint")).map(drop)
}

pub(super) async fn find_checkpoint<C: ConnectionTrait>(
    db: &C,
    shard: i64,
    size: i64,
) -> Result<Option<ledger_checkpoint::Model>, Fault> {
    let find = ledger_checkpoint::Entity::find_by_id((shard, size));
    find.one(db).await.map_err(fault("reading a checkpoint"))
}

/// The checkpoints of sizes in `from..to`, smallest first.
pub(super) async fn list_checkpoints<C: ConnectionTrait>(
    db: &C,
    shard: i64,
    sizes: std::ops::Range<i64>,
) -> Result<Vec<ledger_checkpoint::Model>, Fault> {
    use ledger_checkpoint::Column;
    let range = ledger_checkpoint::Entity::find()
        .filter(Column::Shard.eq(shard))
        .filter(Column::Size.gte(sizes.start))
        .filter(Column::Size.lt(sizes.end));
    range.order_by_asc(Column::Size).all(db).await.map_err(fault("reading checkpoints"))
}

pub(super) async fn list_heads<C: ConnectionTrait>(db: &C) -> Result<Vec<ledger_head::Model>, Fault> {
    let heads = ledger_head::Entity::find().order_by_asc(ledger_head::Column::Shard);
    heads.all(db).await.map_err(fault("reading the ledger's heads"))
}

pub(super) async fn find_setting<C: ConnectionTrait>(db: &C, name: &str) -> Result<Option<String>, Fault> {
    let row = setting::Entity::find_by_id(name).one(db).await.map_err(fault("reading a setting"))?;
    Ok(row.map(|r| r.value))
}

/// False when there is such a setting already.
pub(super) async fn insert_setting<C: ConnectionTrait>(db: &C, name: &str, value: &str) -> Result<bool, Fault> {
    let row = setting::ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
    let insert =
        setting::Entity::insert(row).on_conflict(OnConflict::column(setting::Column::Name).do_nothing().to_owned());
    insert.exec_without_returning(db).await.map_err(fault("writing a setting")).map(|rows| rows == 1)
}
