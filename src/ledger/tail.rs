//! The open end of a shard, in memory: gives each event its place and keeps the rows to be written.
//!
//! Pure but for the signature. Never talks to the database, and is thrown away if what it holds cannot be written.

use sea_orm::ActiveValue::Set;

use super::{
    Recorded,
    entry::{Body, Place},
    note::Checkpoint,
    tree::{Frontier, Hash, leaf_hash},
};
use crate::{
    domain::{refusal::Fault, time::Micros},
    keys::LedgerKey,
    store::tables::{ledger_checkpoint, ledger_entry, ledger_head},
};

pub(super) struct Tail {
    shard: i64,
    origin: String,
    frontier: Frontier,
    last_leaf: Hash,
    time: Micros,
    moves: i64,
    pub(super) rows: Vec<ledger_entry::ActiveModel>,
}

impl Tail {
    /// A shard that has no entry yet.
    pub(super) fn new(shard: i64, origin: String, time: Micros, moves: i64) -> Self {
        Self { shard, origin, frontier: Frontier::default(), last_leaf: [0; 32], time, moves, rows: Vec::new() }
    }

    /// Goes on where the head says. Time never runs backwards in the ledger, whatever the clock does.
    pub(super) fn of(head: &ledger_head::Model, now: Micros) -> Result<Self, Fault> {
        let broken = || Fault::new("reading the ledger's head: it is damaged");
        let size = u64::try_from(head.size).map_err(|_| broken())?;
        Ok(Self {
            shard: head.shard,
            origin: head.origin.clone(),
            frontier: Frontier::from_bytes(size, &head.frontier).ok_or_else(broken)?,
            last_leaf: head.last_leaf.as_slice().try_into().map_err(|_| broken())?,
            time: now.max(Micros(head.last_time)),
            moves: head.moves,
            rows: Vec::new(),
        })
    }

    pub(super) fn append(&mut self, body: &Body) -> Recorded {
        let (id, seq) = (body.id.clone(), self.frontier.size());
        let bytes = body.at(&Place { origin: &self.origin, seq, prev: self.last_leaf, time: self.time });
        self.last_leaf = leaf_hash(&bytes);
        self.frontier.append(self.last_leaf);
        self.moves += i64::from(body.kind.moves_the_gate());
        self.rows.push(ledger_entry::ActiveModel {
            shard: Set(self.shard),
            seq: Set(signed(seq)),
            id: Set(id.clone()),
            kind: Set(body.kind.word().to_owned()),
            time: Set(self.time.0),
            hash: Set(self.last_leaf.to_vec()),
            body: Set(bytes),
        });
        Recorded { shard: self.shard, seq, id }
    }

    pub(super) fn time(&self) -> Micros {
        self.time
    }

    pub(super) fn head(&self) -> ledger_head::Model {
        ledger_head::Model {
            shard: self.shard,
            origin: self.origin.clone(),
            size: signed(self.frontier.size()),
            root: self.frontier.root().to_vec(),
            frontier: self.frontier.to_bytes(),
            last_leaf: self.last_leaf.to_vec(),
            last_time: self.time.0,
            moves: self.moves,
            next_shard: None,
        }
    }

    pub(super) fn checkpoint(&self, key: &LedgerKey) -> ledger_checkpoint::Model {
        let head = Checkpoint { origin: self.origin.clone(), size: self.frontier.size(), root: self.frontier.root() };
        ledger_checkpoint::Model {
            shard: self.shard,
            size: signed(head.size),
            note: head.sign(key),
            signed_at: self.time.0,
        }
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
