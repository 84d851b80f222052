//! The first start, and every later one: who this ledger is, and whether this replica may write it.
//!
//! Never makes a second key for a ledger that has one, and never opens a ledger whose key it does not hold.

use serde_json::json;

use super::{Clock, Settings, entry::Body, note, sql, tail::Tail};
use crate::{
    clock,
    domain::{
        event::{ActorFact, Event, Kind, Outcome},
        refusal::Fault,
    },
    keys::{self, LedgerKey},
    store::{Store, fault, tables::ledger_head},
};

/// Who signs, and under which name.
pub(super) struct Identity {
    installation: String,
    pub(super) key: LedgerKey,
}

impl Identity {
    pub(super) fn origin(&self, shard: i64) -> String {
        format!("weighbridge.{}/audit/{shard}", self.installation)
    }
}

const INSTALLATION: &str = "ledger.installation";
const VKEY: &str = "ledger.vkey";

pub(super) async fn open(
    store: &Store,
    settings: &Settings,
    clock: &Clock,
) -> Result<(Identity, ledger_head::Model), Fault> {
    if sql::find_setting(store.reader(), INSTALLATION).await?.is_none() {
        let key = LedgerKey::load_or_make(&settings.data_dir)?;
        let installation = clock::new_id().to_lowercase();
        begin(store, settings, clock, &Identity { installation, key }).await?;
    }
    // Read back even when just written: another replica may have been first.
    let installation = sql::find_setting(store.reader(), INSTALLATION).await?;
    let vkey = sql::find_setting(store.reader(), VKEY).await?;
    let (Some(installation), Some(vkey)) = (installation, vkey) else {
        return Err(Fault::new("opening the ledger: the database does not say which key signs it"));
    };
    let wrong = |what: &str| {
        let path = keys::path(&settings.data_dir);
        Fault::new(format!(
            "opening the ledger: {what}. Copy keys/ledger.key from the replica that began it to {} (mode 600)",
            path.display()
        ))
    };
    let key = LedgerKey::load(&settings.data_dir)?;
    let key = key.ok_or_else(|| wrong("it was begun with a key that this replica does not have"))?;
    if note::read_vkey(&vkey).is_none_or(|(_, public)| public != *key.public()) {
        return Err(wrong("this replica's key is not the one it was begun with"));
    }
    let head = sql::find_head(store.reader()).await?;
    let head = head.ok_or_else(|| Fault::new("opening the ledger: it has no open shard"))?;
    Ok((Identity { installation, key }, head))
}

/// Writes id, key and the first entry together. Of several replicas one succeeds; the others wait for it and write
/// nothing.
async fn begin(store: &Store, settings: &Settings, clock: &Clock, identity: &Identity) -> Result<(), Fault> {
    let now = clock();
    let shard = i64::from(now.year());
    let (origin, tx) = (identity.origin(shard), store.begin_write().await?);
    if !sql::insert_setting(&tx, INSTALLATION, &identity.installation).await? {
        return Ok(());
    }
    let vkey = note::vkey(&origin, identity.key.public());
    sql::insert_setting(&tx, VKEY, &vkey).await?;
    let mut tail = Tail::new(shard, origin, now, 0);
    tail.append(&opened("first start", json!({"vkey": vkey}), &settings.replica)?);
    sql::insert_entries(&tx, std::mem::take(&mut tail.rows)).await?;
    sql::insert_head(&tx, tail.head()).await?;
    sql::insert_checkpoint(&tx, tail.checkpoint(&identity.key)).await?;
    commit(tx).await
}

/// The first entry of a shard.
pub(super) fn opened(cause: &str, detail: serde_json::Value, replica: &str) -> Result<Body, Fault> {
    let actor = ActorFact { kind: "system", cause: Some(cause.to_owned()), ..ActorFact::default() };
    let event = Event::new(clock::new_id(), Kind::LedgerOpened, Outcome::Done, actor);
    Body::new(&Event { detail: Some(detail), ..event }, replica)
}

#[allow(clippy::disallowed_methods, reason = "the ledger commits its own entries")]
pub(super) async fn commit(tx: sea_orm::DatabaseTransaction) -> Result<(), Fault> {
    tx.commit().await.map_err(fault("committing entries"))
}
