//! Which groups are which roles, as of this start: when the configuration says something else than before, both are
//! written in the ledger.

use serde_json::json;

use super::sql;
use crate::{
    clock,
    domain::{digest::Sha256, refusal::Refusal},
    gate::{Gate, act::ChangeRoles, grant::Granted, identity::hash, tx::Change},
    store::tables::role_mapping,
};

/// `may` comes from the host's own start.
pub async fn settle(gate: &Gate, may: Granted<ChangeRoles>) -> Result<(), Refusal> {
    let mapping = gate.identity().mapping.text();
    let before = sql::find_mapping(may.reader()).await?;
    let same = before.as_ref().map_or(mapping.is_empty(), |row| row.mapping == mapping);
    if same {
        return Ok(());
    }
    let digest = Sha256(hash(&mapping)).to_string();
    let now = clock::now();
    let tx = may.begin().await?;
    // Another replica may have started at the same moment.
    let before = sql::find_mapping(&tx).await?;
    if before.as_ref().is_some_and(|row| row.mapping == mapping) {
        return Ok(());
    }
    let detail = json!({
        "before": before.as_ref().map(|row| format!("sha256:{}", row.digest)),
        "after": format!("sha256:{digest}"),
        "rows_before": before.map(|row| row.mapping).unwrap_or_default(),
        "rows": mapping,
    });
    sql::save_mapping(&tx, &may, role_mapping::Model { digest, mapping, made_at: now.0 }).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(())
}
