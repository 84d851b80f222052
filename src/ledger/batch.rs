//! One batch: pending events and waiting ones get their places, a checkpoint is signed, and all of it is committed.
//!
//! Never called by two tasks of one process; between processes the lock on the head row keeps order. Pending events
//! come before waiting ones: a grant that was decided after a change must not stand before it.

use std::{collections::HashMap, time::Instant};

use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::{
    Inner, Recorded,
    entry::Body,
    note,
    opening::{commit, opened},
    sequencer::Waiting,
    sql,
    tail::Tail,
};
use crate::{domain::refusal::Fault, store::tables::ledger_head};

/// What a batch did.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    /// Where the waiting events stand, in their order; none when there were too many pending ones before them.
    pub(super) places: Vec<Recorded>,
    /// Whether there may be more pending events than one batch takes.
    pub(super) more: bool,
}

/// How a batch is made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Something went wrong before: it is unknown what of it was committed. So what is to be written is looked up
    /// first, under the head's lock, where no commit of ours can still be under way.
    pub(super) careful: bool,
    /// Write the head even if there is nothing new, to see whether writing works again.
    pub(super) probe: bool,
}

/// The most pending events that one batch takes.
const MOST_PENDING: usize = 1024;

pub(super) async fn seal(
    inner: &Inner,
    waiting: &mut Vec<Waiting>,
    fill: impl FnOnce(&mut Vec<Waiting>),
    manner: Manner,
) -> Result<Sealed, Fault> {
    let tx = inner.store.begin_write().await?;
    // Only now: while we waited for the connection, more have come.
    fill(waiting);
    let since = Instant::now();
    let head = sql::lock_head(&tx).await?;
    let pending = sql::list_pending(&tx, MOST_PENDING as u64).await?;
    if pending.is_empty() && waiting.is_empty() && !manner.probe {
        inner.feed.saw(head.shard, head.moves, since);
        return Ok(Sealed::default());
    }
    let mut known = HashMap::new();
    if manner.careful {
        let ids = pending.iter().map(|row| row.id.as_str()).chain(waiting.iter().map(|w| w.body.id.as_str()));
        known = sql::list_recorded(&tx, &ids.collect::<Vec<_>>()).await?;
    }
    let mut tail = Tail::of(&head, (inner.clock)())?;
    if i64::from(tail.time().year()) > head.shard {
        tail = next_year(inner, &tx, &head, tail).await?;
    }
    let mut place = |body: &Body| {
        if let Some(recorded) = known.get(&body.id) {
            return recorded.clone();
        }
        let recorded = tail.append(body);
        if manner.careful {
            known.insert(body.id.clone(), recorded.clone());
        }
        recorded
    };
    for row in &pending {
        let body = Body::from_bytes(&row.body);
        place(&body.ok_or_else(|| Fault::new("reading a pending event: it is damaged"))?);
    }
    let more = pending.len() == MOST_PENDING;
    let places = if more { Vec::new() } else { waiting.iter().map(|w| place(&w.body)).collect() };
    if !pending.is_empty() {
        sql::delete_pending(&tx, pending.iter().map(|row| row.place).collect()).await?;
    }
    let new = write(inner, &tx, &head, tail).await?;
    commit(tx).await?;
    inner.feed.saw(new.shard, new.moves, since);
    Ok(Sealed { places, more })
}

/// The shard of the new year: it begins by naming the old one's end, which stays as it is for ever.
async fn next_year(
    inner: &Inner,
    tx: &DatabaseTransaction,
    old: &ledger_head::Model,
    tail: Tail,
) -> Result<Tail, Fault> {
    let last = sql::find_checkpoint(tx, old.shard, old.size).await?;
    let last = last.ok_or_else(|| Fault::new("opening a shard of the ledger: the old one has no last checkpoint"))?;
    let shard = i64::from(tail.time().year());
    let origin = inner.identity.origin(shard);
    let vkey = note::vkey(&origin, inner.identity.key.public());
    let detail = json!({"vkey": vkey, "prev_origin": old.origin, "prev_checkpoint": last.note});
    let mut next = Tail::new(shard, origin, tail.time(), old.moves);
    next.append(&opened("a new year", detail, &inner.settings.replica)?);
    Ok(next)
}

/// Writes entries, head and checkpoint.
async fn write(
    inner: &Inner,
    tx: &DatabaseTransaction,
    old: &ledger_head::Model,
    mut tail: Tail,
) -> Result<ledger_head::Model, Fault> {
    let rows = std::mem::take(&mut tail.rows);
    let (new, added) = (tail.head(), !rows.is_empty());
    sql::insert_entries(tx, rows).await?;
    if new.shard == old.shard {
        sql::update_head(tx, old, &new).await?;
    } else {
        let ended = ledger_head::Model { next_shard: Some(new.shard), ..old.clone() };
        sql::update_head(tx, old, &ended).await?;
        sql::insert_head(tx, new.clone()).await?;
    }
    if added {
        sql::insert_checkpoint(tx, tail.checkpoint(&inner.identity.key)).await?;
    }
    Ok(new)
}
