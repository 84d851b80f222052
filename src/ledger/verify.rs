//! The full check of the ledger: every root is rebuilt from the entries, and nothing in between is believed.
//!
//! It finds whatever was changed by somebody who does not hold the key. Who holds the key can write another history and
//! sign it: against that helps only a checkpoint kept elsewhere. Never changes anything.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use sea_orm::ConnectionTrait;
use serde_json::Value;

use super::{
    entry::canonical,
    note::{self, Checkpoint},
    sql,
    tree::{Frontier, Hash, leaf_hash},
};
use crate::{
    domain::{digest::Sha256, refusal::Fault, time::Micros},
    store::{
        Reader,
        tables::{ledger_entry, ledger_head},
    },
};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub shards: u64,
    pub entries: u64,
    pub checkpoints: u64,
    /// Empty when the ledger is whole. Cut off after the first hundred.
    pub problems: Vec<String>,
}

impl Report {
    fn problem(&mut self, sentence: String) {
        if self.problems.len() < 100 {
            self.problems.push(sentence);
        }
    }
}

/// Checks every shard against the key of this vkey, which the auditor brings along: the database's own word for it
/// proves nothing.
pub async fn all(reader: &Reader, vkey: &str) -> Result<Report, Fault> {
    over(reader, vkey).await
}

pub(super) async fn over<C: ConnectionTrait>(reader: &C, vkey: &str) -> Result<Report, Fault> {
    let (_, public) = note::read_vkey(vkey).ok_or_else(|| Fault::new("checking the ledger: this is no vkey"))?;
    let mut check = Check { reader, public, report: Report::default(), ids: HashSet::new(), end: None };
    let heads = sql::list_heads(reader).await?;
    if heads.is_empty() {
        check.report.problem("there is no shard".to_owned());
    }
    for (n, head) in heads.iter().enumerate() {
        let next = heads.get(n + 1).map(|h| h.shard);
        if head.next_shard != next {
            check.report.problem(format!("shard {}: it does not lead to the next one", head.shard));
        }
        check.shard(head).await?;
    }
    Ok(check.report)
}

struct Check<'a, C> {
    reader: &'a C,
    public: [u8; 32],
    report: Report,
    /// Half a hash each: ids are long and there may be many.
    ids: HashSet<[u8; 16]>,
    /// Origin and last note of the shard before.
    end: Option<(String, String)>,
}

/// Where the check stands in a shard.
#[derive(Default)]
struct At {
    frontier: Frontier,
    prev: Hash,
    time: i64,
    last_note: String,
}

/// Entries a page.
const PAGE: u64 = 1000;

impl<C: ConnectionTrait> Check<'_, C> {
    async fn shard(&mut self, head: &ledger_head::Model) -> Result<(), Fault> {
        let shard = head.shard;
        self.report.shards += 1;
        let mut at = At::default();
        let mut signed_at = HashSet::new();
        loop {
            let from = i64::try_from(at.frontier.size()).unwrap_or(i64::MAX);
            let entries = sql::list_entries(self.reader, shard, from, PAGE).await?;
            let Some(last) = entries.last() else { break };
            let notes = sql::list_checkpoints(self.reader, shard, from + 1..last.seq + 2).await?;
            let notes: HashMap<i64, String> = notes.into_iter().map(|c| (c.size, c.note)).collect();
            for entry in &entries {
                if entry.seq != i64::try_from(at.frontier.size()).unwrap_or(i64::MAX) {
                    self.report.problem(format!("shard {shard}: entry {} is missing", at.frontier.size()));
                    return Ok(());
                }
                self.entry(head, entry, &mut at);
                if let Some(note) = notes.get(&(entry.seq + 1)) {
                    signed_at.insert(entry.seq + 1);
                    self.checkpoint(head, note, &at);
                    at.last_note.clone_from(note);
                }
            }
        }
        let total = sql::list_checkpoints(self.reader, shard, i64::MIN..i64::MAX).await?.len();
        if total != signed_at.len() {
            self.report.problem(format!("shard {shard}: there are checkpoints of sizes that it does not have"));
        }
        self.head(head, &at, signed_at.contains(&head.size));
        self.end = Some((head.origin.clone(), at.last_note));
        Ok(())
    }

    fn entry(&mut self, head: &ledger_head::Model, row: &ledger_entry::Model, at: &mut At) {
        self.report.entries += 1;
        let (shard, seq) = (row.shard, row.seq);
        let mut wrong = Vec::new();
        let leaf = leaf_hash(&row.body);
        let body: Value = serde_json::from_slice(&row.body).unwrap_or_default();
        if canonical(&body).ok().as_deref() != Some(&row.body) {
            wrong.push("is not written in the one spelling");
        }
        if row.hash != leaf {
            wrong.push("does not have the hash beside it");
        }
        if body["v"] != 1 || body["log"] != head.origin.as_str() || body["seq"] != seq {
            wrong.push("names another place");
        }
        if body["prev"] != Sha256(at.prev).to_string() {
            wrong.push("does not follow the one before it");
        }
        if body["id"] != row.id.as_str() || body["type"] != row.kind.as_str() {
            wrong.push("is not what its row says");
        }
        if body["time"] != Micros(row.time).to_string() || row.time < at.time {
            wrong.push("has a wrong time");
        }
        if i64::from(Micros(row.time).year()) != shard {
            wrong.push("is of another year");
        }
        let mut id = [0; 16];
        id.copy_from_slice(&digest(&SHA256, row.id.as_bytes()).as_ref()[..16]);
        if !self.ids.insert(id) {
            wrong.push("has the id of another one");
        }
        if seq == 0 && !self.opens(&body) {
            wrong.push("does not open the shard as it should");
        }
        for what in wrong {
            self.report.problem(format!("shard {shard}: entry {seq} {what}"));
        }
        at.frontier.append(leaf);
        (at.prev, at.time) = (leaf, row.time);
    }

    /// The first entry of a shard names its key, and how the shard before it ended.
    fn opens(&self, body: &Value) -> bool {
        let origin = body["log"].as_str().unwrap_or_default();
        let (prev_origin, prev_note) = match &self.end {
            Some((origin, note)) => (Value::from(origin.as_str()), Value::from(note.as_str())),
            None => (Value::Null, Value::Null),
        };
        let detail = &body["detail"];
        body["type"] == "ledger.opened"
            && detail["vkey"] == note::vkey(origin, &self.public)
            && detail["prev_origin"] == prev_origin
            && detail["prev_checkpoint"] == prev_note
    }

    fn checkpoint(&mut self, head: &ledger_head::Model, note: &str, at: &At) {
        self.report.checkpoints += 1;
        let (shard, size) = (head.shard, at.frontier.size());
        let expected = Checkpoint { origin: head.origin.clone(), size, root: at.frontier.root() };
        match Checkpoint::verify(note, &self.public) {
            None => self.report.problem(format!("shard {shard}: the checkpoint of size {size} has no good signature")),
            Some(signed) if signed != expected => {
                self.report
                    .problem(format!("shard {shard}: the checkpoint of size {size} was signed over other entries"));
            }
            Some(_) => {}
        }
    }

    /// The head says what the entries say, and its size is signed.
    fn head(&mut self, head: &ledger_head::Model, at: &At, signed: bool) {
        let fits = u64::try_from(head.size) == Ok(at.frontier.size())
            && head.root == at.frontier.root()
            && head.frontier == at.frontier.to_bytes()
            && head.last_leaf == at.prev
            && head.last_time >= at.time;
        if !fits {
            self.report.problem(format!("shard {}: its head does not fit its entries", head.shard));
        }
        if !signed {
            self.report.problem(format!("shard {}: its end is not signed", head.shard));
        }
    }
}
