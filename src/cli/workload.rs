//! `workload block`: given on the host, written beside a gateway that may be running.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failure, Json, assembly::Host, out};
use crate::{
    accounts::workloads::{self, Wanted},
    config::Config,
    gate::{act::BlockWorkload, object::Workloads},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stop a workload's tokens, or one of them, at every replica
    Block(Block),
}

#[derive(Debug, Args)]
pub struct Block {
    /// Whose tokens: an issuer of the configuration
    #[arg(long)]
    issuer: String,
    /// All of this subject that were issued until now, such as system:serviceaccount:llm:vllm
    #[arg(long, group = "who")]
    subject: Option<String>,
    /// One token, by its id in the ledger
    #[arg(long, group = "who")]
    token_id: Option<String>,
    /// One token, by its own `jti`
    #[arg(long, group = "who")]
    jti: Option<String>,
    /// With --subject: stop what was issued before this time instead of now, such as 2026-11-21T12:00:00Z
    #[arg(long)]
    not_before: Option<String>,
    /// Why, for the ledger
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    json: Json,
}

pub async fn run(config: &Config, Command::Block(args): Command) -> Result<(), Failure> {
    if args.subject.is_none() && args.token_id.is_none() && args.jti.is_none() {
        return Err(Failure::Usage("Name one of --subject, --token-id and --jti.".to_owned()));
    }
    let host = Host::for_command(config).await?;
    let done = block(config, &host, args).await;
    host.close().await;
    done
}

async fn block(config: &Config, host: &Host, args: Block) -> Result<(), Failure> {
    let Block { issuer, subject, token_id, jti, not_before, reason, json: Json { json } } = args;
    let may = host.gate.admit_host::<BlockWorkload>("workload block", Workloads)?;
    let wanted = Wanted { issuer, subject: subject.clone(), token_id, jti, not_before, reason };
    let blocked = workloads::block(may, &config.identity.workloads, wanted).await?;
    if json {
        out::say_json(&json!({
            "id": blocked.id, "token_id": blocked.token_id, "not_before": blocked.not_before.to_string(),
        }));
        return Ok(());
    }
    let what = match subject {
        Some(subject) => format!("Tokens of {subject} issued before {}", blocked.not_before.to_minute_text()),
        None => "This token".to_owned(),
    };
    out::say(format!("{what}: no gateway takes them any more within 5 seconds, nor what they were exchanged for."));
    if what != "This token" {
        out::tell("Later ones are taken again. To keep it out for good, take its rule out of [[identity.workloads]].");
    }
    Ok(())
}
