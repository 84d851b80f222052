//! `migrate`: the schema, brought up to date before the gateway starts.

use crate::{
    cli::{Failure, out},
    config::Config,
    store::Store,
};

pub async fn migrate(config: &Config) -> Result<(), Failure> {
    let place = config.shown_database_url();
    let before = Store::open(&config.database_url, false).await;
    let was_current = before.is_ok();
    if let Ok(store) = before {
        store.close().await;
    }
    Store::open(&config.database_url, true).await?.close().await;
    let done = if was_current { "was up to date already" } else { "is now up to date" };
    out::say(format!("The schema of {place} {done}."));
    Ok(())
}
