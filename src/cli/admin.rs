//! `admin bootstrap | breakglass`: given on the host, whoever may read its configuration and keys.

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Json, assembly::Host, out};
use crate::{
    accounts::host_codes::{self, Made, Purpose},
    config::Config,
    gate::{act::MakeHostCode, object::Gateway},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a one-use code for the first administrator; only while there is none
    Bootstrap(Json),
    /// Print a one-use code for an hour as operator and administrator, when nobody can sign in
    Breakglass {
        /// Why, for the ledger
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        json: Json,
    },
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let (purpose, reason, json) = match command {
        Command::Bootstrap(Json { json }) => (Purpose::Bootstrap, "the first administrator".to_owned(), json),
        Command::Breakglass { reason, json: Json { json } } => {
            let reason = reason.trim().to_owned();
            if !(3..=1000).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
                return Err(Failure::Usage("--reason must say why, in 3 to 1000 letters on one line.".to_owned()));
            }
            (Purpose::BreakGlass, reason, json)
        }
    };
    let host = Host::for_command(config).await?;
    let made = make(&host, purpose, &reason).await;
    host.close().await;
    let made = made?;
    let address = format!("{}/-/host-code", config.public_url);
    if purpose == Purpose::BreakGlass {
        tracing::warn!(reason, "a code was made that breaks the glass");
    }
    if json {
        out::say_json(&json!({"code": made.text, "address": address, "expires_at": made.ends.to_string()}));
        return Ok(());
    }
    out::say(&made.text);
    out::tell(format!("Type it at {address} until {}. It works once.", made.ends.to_minute_text()));
    Ok(())
}

/// A code for the very first start, for whoever sits at this machine.
pub async fn make(host: &Host, purpose: Purpose, reason: &str) -> Result<Made, Failure> {
    let cause = format!("admin {}", purpose.word());
    let may = host.gate.admit_host::<MakeHostCode>(&cause, Gateway)?;
    Ok(host_codes::make(&host.gate, may, purpose, reason).await?)
}

/// Whether nobody and nothing was ever let in here.
pub async fn is_first(host: &Host) -> Result<bool, Failure> {
    let may = host.gate.admit_host::<MakeHostCode>("first start", Gateway)?;
    Ok(host_codes::sql::nobody_yet(may.reader()).await?)
}
