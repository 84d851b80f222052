//! Room in the store: how full it is, what may go when it is too full, and taking that away.
//!
//! What no approved or pinned revision needs goes first, the least recently used of it before the rest; approved files go
//! only where the configuration says so, pinned ones never, and nothing while somebody reads it or a job works on it. A
//! blob loses its name in one change with the ledger's entry; its bytes follow when nobody has read them for a while.

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    evict_sql::{self as sql, Candidate, Leaving, Spared},
    worker::Outcome,
};
use crate::{
    app::{App, storage::Evict},
    blobs::{Free, Stored},
    clock,
    domain::{digest::Sha256, refusal::Fault, time::Micros},
    gate::{act::EvictBlobs, grant::Granted, object::Storage, tx::Change},
    jobs::{self, Work},
    store::Reader,
};

/// How full the store is, and what could go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fullness {
    pub blobs: u64,
    pub stored: u64,
    /// Evicted, and not yet removed.
    pub leaving: u64,
    /// What may go by the rules there are.
    pub may_go: u64,
    pub free: Free,
}

/// Measures the store. Costs a few sums over the table of blobs.
pub async fn measure(app: &App, db: &Reader) -> Result<Fullness, Fault> {
    let (blobs, stored, leaving) = sql::count_bytes(db).await?;
    let worked_on = worked_on(db).await?;
    let approved = app.storage.rules.evict == Evict::Unapproved;
    let may_go = sql::count_free_to_go(db, &spared(&worked_on, approved)).await?;
    Ok(Fullness { blobs, stored, leaving, may_go, free: app.blobs.free().await? })
}

/// What is to come: so many bytes, of which some lie in spools on our disk already. A store counts what has a name, a disk
/// what was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coming {
    pub bytes: u64,
    pub spooled: u64,
}

impl Coming {
    fn and(self, other: Self) -> Self {
        let (bytes, spooled) = (self.bytes.saturating_add(other.bytes), self.spooled.saturating_add(other.spooled));
        Self { bytes, spooled }
    }

    /// What the disk has still to take.
    fn unwritten(self) -> u64 {
        self.bytes.saturating_sub(self.spooled)
    }
}

impl Fullness {
    /// How many bytes would have to go before so much more may come.
    pub fn missing(&self, app: &App, coming: Coming) -> u64 {
        let rules = app.storage.rules;
        let held = self.stored.saturating_add(self.leaving).saturating_add(coming.bytes);
        let over = rules.quota.map_or(0, |quota| held.saturating_sub(quota));
        over.max(self.short_of_disk(app, coming))
    }

    /// How much too little is free on the disk for it.
    fn short_of_disk(&self, app: &App, coming: Coming) -> u64 {
        match app.storage.rules.keep_free {
            0 => 0,
            reserve => reserve.saturating_add(coming.unwritten()).saturating_sub(self.free.bytes),
        }
    }

    /// Whether that can be had by waiting and evicting.
    pub fn can_make(&self, app: &App, coming: Coming) -> bool {
        let on_disk = self.free.of_blobs || self.short_of_disk(app, coming) == 0;
        on_disk && self.missing(app, coming) <= self.leaving.saturating_add(self.may_go)
    }

    /// One sentence for whoever is refused, without a dot at its end.
    pub fn no_room(&self, app: &App, coming: Coming) -> String {
        let rules = app.storage.rules;
        let short = self.short_of_disk(app, coming) > 0;
        let needs = match if short { coming.unwritten() } else { coming.bytes } {
            0 => String::new(),
            bytes => format!(", and this needs {}", size(bytes)),
        };
        let full = if short {
            format!(
                "{} are free on the disk, of which {} stay free{needs}",
                size(self.free.bytes),
                size(rules.keep_free)
            )
        } else {
            let quota = rules.quota.unwrap_or_default();
            format!("the store holds {} of the {} it may{needs}", size(self.stored + self.leaving), size(quota))
        };
        let rest = match rules.evict {
            Evict::Unapproved => "everything else in it is approved, pinned or in use",
            Evict::LeastUsed => "everything else in it is pinned or in use",
        };
        format!("{full}; {rest}. An operator has to raise storage.quota or free some room")
    }
}

/// Nothing when so many bytes may come, besides those that other fetches have begun to bring; else how the job that wants
/// them ends. What a broken fetch left in its spool is on the disk already and is not counted against it again.
pub async fn room_for(app: &App, bytes: u64, (job, key): (&str, &str)) -> Result<Option<Outcome>, Fault> {
    if is_unlimited(app) {
        return Ok(None);
    }
    let may = grant(app, "room is looked for")?;
    let mine = coming(app, key, bytes).await?;
    let mut all = mine;
    for (key, bytes) in sql::list_arriving(may.reader(), job).await? {
        all = all.and(coming(app, &key, bytes).await?);
    }
    let full = measure(app, may.reader()).await?;
    let missing = full.missing(app, all);
    if missing == 0 {
        return Ok(None);
    }
    if !full.can_make(app, mine) {
        return Ok(Some(Outcome::Failed(format!("{}{}", jobs::NO_ROOM, full.no_room(app, mine)))));
    }
    if !full.can_make(app, all) {
        let why = "other files are being fetched into the room that is left".to_owned();
        return Ok(Some(Outcome::GoesOn { why, after: Duration::from_secs(2) }));
    }
    if missing > full.leaving {
        jobs::ask(app, &Work::Evict { bytes: all.bytes, spooled: all.spooled }).await?;
    }
    let why = format!("room is being made in the store: {} are missing", size(missing));
    Ok(Some(Outcome::GoesOn { why, after: Duration::from_secs(1) }))
}

/// What a fetch brings, measured by what lies in its spool here: what another replica has fetched is on another disk.
pub async fn coming(app: &App, key: &str, bytes: u64) -> Result<Coming, Fault> {
    let spooled = if bytes == 0 { 0 } else { app.blobs.spooled(key).await?.min(bytes) };
    Ok(Coming { bytes, spooled })
}

/// Evicts until so much more fits, counting what leaves as gone.
pub async fn evict(app: &App, coming: Coming) -> Result<Outcome, Fault> {
    let may = grant(app, "room is made")?;
    let full = measure(app, may.reader()).await?;
    let mut wanted = full.missing(app, coming).saturating_sub(full.leaving);
    let classes: &[bool] = match app.storage.rules.evict {
        Evict::Unapproved => &[true],
        Evict::LeastUsed => &[true, false],
    };
    for approved in classes {
        while wanted > 0 {
            let gone = round(app, *approved, wanted, why(app, &full, coming)).await?;
            if gone == 0 {
                break;
            }
            wanted = wanted.saturating_sub(gone);
        }
    }
    Ok(Outcome::Done)
}

/// One change: the least recently used that may go, at most a hundred, as many as are wanted. Answers their bytes.
async fn round(app: &App, approved: bool, wanted: u64, why: &'static str) -> Result<u64, Fault> {
    let may = grant(app, why)?;
    let worked_on = worked_on(may.reader()).await?;
    let spared = spared(&worked_on, approved);
    let open: BTreeSet<String> = app.blobs.open_now().iter().map(ToString::to_string).collect();
    let most = MOST_AT_ONCE + u64::try_from(open.len()).unwrap_or_default();
    let mut going = Vec::new();
    let mut bytes = 0;
    for one in sql::list_free_to_go(may.reader(), &spared, None, most).await? {
        if bytes >= wanted || going.len() as u64 >= MOST_AT_ONCE {
            break;
        }
        if !open.contains(&one.sha256) {
            bytes += one.size;
            going.push(one);
        }
    }
    if going.is_empty() {
        return Ok(0);
    }
    let names: Vec<String> = going.iter().map(|one| one.sha256.clone()).collect();
    let tx = may.begin().await?;
    // Approved meanwhile, or read: then it stays.
    let going = sql::list_free_to_go(&tx, &spared, Some(&names), MOST_AT_ONCE).await?;
    if going.is_empty() {
        return Ok(0);
    }
    let bytes = going.iter().map(|one| one.size).sum();
    sql::delete_blobs(&tx, &may, &going, clock::now()).await?;
    let detail = json!({
        "blobs": going.len(), "bytes": bytes, "why": why, "approved": !approved,
        "sha256": going.iter().map(|one: &Candidate| one.sha256.as_str()).collect::<Vec<_>>(),
    });
    let count = going.len();
    tx.commit(may, Change::new(detail)).await?;
    tracing::info!(count, bytes, why, "blobs were evicted");
    Ok(bytes)
}

/// Watches over the store until told to stop: evicts what is too much, removes what was evicted, sweeps spools.
pub async fn keep_room(app: App) {
    let mut stop = std::pin::pin!(app.stopping.begun());
    let mut swept = Instant::now();
    loop {
        if let Err(fault) = look_after(&app).await {
            tracing::warn!(%fault, "the store cannot be looked after");
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            sweep_spools(&app).await;
        }
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(WATCH) => {}
        }
    }
}

async fn look_after(app: &App) -> Result<(), Fault> {
    remove_leaving(app).await?;
    if is_unlimited(app) {
        return Ok(());
    }
    let may = grant(app, "the store is looked after")?;
    let full = measure(app, may.reader()).await?;
    if full.missing(app, Coming::default()) > full.leaving && full.may_go > 0 {
        jobs::ask(app, &Work::Evict { bytes: 0, spooled: 0 }).await?;
    }
    Ok(())
}

/// Takes away the bytes of what was evicted, once no stream anywhere has read them for a while.
pub async fn remove_leaving(app: &App) -> Result<(), Fault> {
    let may = grant(app, "evicted bytes are removed")?;
    let now = clock::now();
    let quiet = Micros(now.0 - LINGER);
    for row in sql::list_leaving(may.reader(), quiet, Micros(now.0 - REMOVAL)).await? {
        let Ok(sha256) = row.sha256.parse::<Sha256>() else { continue };
        // Fetched again meanwhile: then the bytes have a name, and stay.
        if sql::has_name(may.reader(), &row.sha256).await? {
            sql::delete_leaving(&app.chores, &row.sha256).await?;
            continue;
        }
        let read_here = app.blobs.open_now().contains(&sha256);
        if read_here || sql::was_used_since(may.reader(), &row.sha256, quiet).await? {
            continue;
        }
        // From here on whoever fetches them again waits for the end of it; before that, they take the row away.
        if sql::begin_removal(&app.chores, &row, clock::now()).await? {
            app.blobs.remove(sha256).await?;
            sql::delete_leaving(&app.chores, &row.sha256).await?;
        }
    }
    Ok(())
}

/// Whether bytes that were just stored stay: they may have been there still because somebody was about to remove them.
/// From now on nobody does. False when they are gone, and have to be fetched again.
pub async fn take_up(app: &App, stored: &Stored) -> Result<bool, Fault> {
    let sha256 = stored.sha256.to_string();
    for _ in 0..REMOVAL_LOOKS {
        match sql::stop_leaving(&app.chores, &sha256).await? {
            Leaving::Stays => return Ok(app.blobs.seal(stored.sha256).await?.as_ref() == Some(&stored.seal)),
            Leaving::Goes => tokio::time::sleep(REMOVAL_LOOK).await,
        }
    }
    Err(Fault::new("storing a file again whose bytes are still being removed").passing())
}

/// Writes down what is read here, and what is still being read, until told to stop.
pub async fn note_uses(app: App) {
    let mut stop = std::pin::pin!(app.stopping.begun());
    loop {
        let last = tokio::select! {
            () = &mut stop => true,
            () = tokio::time::sleep(NOTE) => false,
        };
        let mut used = app.storage.take_used();
        used.extend(app.blobs.open_now());
        let used: Vec<Sha256> = used.into_iter().collect();
        if let Err(fault) = sql::save_uses(&app.chores, &used, clock::now()).await {
            tracing::warn!(%fault, "when blobs were last read cannot be written down");
            for sha256 in used {
                app.storage.used(sha256);
            }
        }
        if last {
            return;
        }
    }
}

/// Spools that nobody goes on with.
pub async fn sweep_spools(app: &App) {
    let swept = async {
        let keep = jobs::sql::open_keys(&app.chores).await?;
        app.blobs.sweep_spools(SPOOLS_REST, &keep).await
    };
    match swept.await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "old spools were removed"),
        Err(fault) => tracing::warn!(fault = %fault, "old spools could not be removed"),
    }
}

fn grant(app: &App, cause: &str) -> Result<Granted<EvictBlobs>, Fault> {
    app.gate.admit_work::<EvictBlobs>(cause, Storage).map_err(|refusal| Fault::new(refusal.line()))
}

fn is_unlimited(app: &App) -> bool {
    app.storage.rules.quota.is_none() && app.storage.rules.keep_free == 0
}

fn why(app: &App, full: &Fullness, coming: Coming) -> &'static str {
    match (full.short_of_disk(app, coming), coming.bytes) {
        (0, 0) => "more is stored than storage.quota allows",
        (0, _) => "room for a file within storage.quota",
        _ => "less of the disk is free than storage.keep_free asks for",
    }
}

fn spared(worked_on: &[String], approved: bool) -> Spared<'_> {
    let now = clock::now();
    Spared { approved, worked_on, used_since: Micros(now.0 - YOUNG), now }
}

/// The revisions that jobs are at work on.
async fn worked_on(db: &Reader) -> Result<Vec<String>, Fault> {
    let open = jobs::sql::list_open(db).await?;
    let works = open.iter().filter_map(|payload| serde_json::from_str::<Work>(payload).ok());
    let ids: BTreeSet<String> = works.filter_map(|work| work.works_on().map(str::to_owned)).collect();
    Ok(ids.into_iter().collect())
}

fn size(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let found = units.into_iter().find(|(_, shift)| bytes >> shift > 0);
    found.map_or_else(
        || format!("{bytes} bytes"),
        |(unit, shift)| format!("{}.{} {unit}", bytes >> shift, ((bytes & ((1 << shift) - 1)) * 10) >> shift),
    )
}

/// Blobs in one change.
const MOST_AT_ONCE: u64 = 100;
/// How often the store is looked at.
const WATCH: Duration = Duration::from_secs(5);
/// How often what is read is written down; `YOUNG` and `LINGER` are several times as long.
const NOTE: Duration = Duration::from_secs(3);
/// What was read so recently is not evicted: another replica may still read it.
const YOUNG: i64 = if cfg!(test) { 1 } else { 15 } * Micros::SECOND;
/// So long evicted bytes stay where they are, in case a stream elsewhere had just begun.
const LINGER: i64 = if cfg!(test) { 1 } else { 10 } * Micros::SECOND;
const SWEEP: Duration = Duration::from_mins(10);
/// After so long a removal was left by somebody who died, and others go on with it.
const REMOVAL: i64 = 60 * Micros::SECOND;
/// How often, and how far apart, whoever stores bytes again looks whether their removal has ended.
const REMOVAL_LOOKS: u32 = 300;
const REMOVAL_LOOK: Duration = Duration::from_millis(100);
/// A spool of which nothing has been heard for so long, and which belongs to no job, is nobody's.
const SPOOLS_REST: Duration = Duration::from_hours(1);
