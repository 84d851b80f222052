//! `upstream-credential set | list | remove`: given on the host, written beside a gateway that may be running.
//!
//! A token comes from stdin alone: what stands on a command line is seen by everybody on the machine.

use std::io::{IsTerminal as _, Read as _};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failure, Json, assembly::Host, out};
use crate::{
    accounts::credentials::{self, Owner, day},
    config::{Config, Secret},
    domain::time::Micros,
    gate::{
        act::{KeepCredential, RemoveCredential},
        object::{CredentialId, Credentials},
    },
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep a token of the hub for an environment or a person, in place of the one before; the token comes from stdin
    Set(Set),
    /// List what is kept, without the tokens
    List(Json),
    /// Take one away: what it opened is shut at once
    Remove {
        /// As `upstream-credential list` shows it
        id: String,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub struct Set {
    /// The environment it is for
    #[arg(long, conflicts_with = "person", required_unless_present = "person")]
    env: Option<String>,
    /// The person it is for, by the id that the directory of people shows
    #[arg(long)]
    person: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Set(args) => {
            let json = args.json.json;
            let owner = owner(config, args).map_err(Failure::Usage)?;
            let token = from_stdin().map_err(Failure::Usage)?;
            let host = Host::for_command(config).await?;
            let done = Box::pin(set(&host, owner, &token, json)).await;
            host.close().await;
            done
        }
        Command::List(Json { json }) => {
            let host = Host::for_command(config).await?;
            let done = list(&host, json).await;
            host.close().await;
            done
        }
        Command::Remove { id, json: Json { json } } => {
            if id.is_empty() || id.len() > 40 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                let why = "That is no credential's id; `weighbridge upstream-credential list` shows them.";
                return Err(Failure::Usage(why.to_owned()));
            }
            let host = Host::for_command(config).await?;
            let done = remove(&host, id, json).await;
            host.close().await;
            done
        }
    }
}

async fn set(host: &Host, owner: Owner, token: &Secret, json: bool) -> Result<(), Failure> {
    let may = host.gate.admit_host::<KeepCredential>("upstream-credential set", Credentials)?;
    let whose = format!("{} {}", owner.kind, owner.id);
    let kept = credentials::keep(&host.gate, &host.upstream, may, owner, token.expose()).await?;
    if json {
        out::say_json(&json!({"id": kept.id, "hub_user": kept.hub_user}));
    } else {
        out::say(format!("Kept for {whose}: the hub's token of {}, as {}.", kept.hub_user, kept.id));
    }
    Ok(())
}

async fn list(host: &Host, json: bool) -> Result<(), Failure> {
    let may = host.gate.admit_host::<KeepCredential>("upstream-credential list", Credentials)?;
    let all = credentials::list(&may).await?;
    if json {
        let time = |at: Option<i64>| at.map(|at| Micros(at).to_string());
        let rows: Vec<_> = all
            .iter()
            .map(|row| {
                json!({
                    "id": row.id, "owner_kind": row.owner_kind, "owner": row.owner, "hub_user": row.hub_user,
                    "created_at": time(Some(row.created_at)), "last_used_at": time(row.last_used_at),
                })
            })
            .collect();
        out::say_json(&json!({ "credentials": rows }));
        return Ok(());
    }
    if all.is_empty() {
        out::say("There are none. Keep one: weighbridge upstream-credential set --env NAME < token");
        return Ok(());
    }
    let line = |row: &crate::store::tables::upstream_credential::Model| {
        let (id, kind, owner, user) = (row.id.clone(), row.owner_kind.clone(), row.owner.clone(), row.hub_user.clone());
        vec![id, kind, owner, user, day(Some(row.created_at)), day(row.last_used_at)]
    };
    let rows: Vec<_> = all.iter().map(line).collect();
    out::say_table(&["ID", "FOR", "WHOM", "HUB USER", "CREATED", "LAST USED"], &rows);
    Ok(())
}

async fn remove(host: &Host, id: String, json: bool) -> Result<(), Failure> {
    let may = host.gate.admit_host::<RemoveCredential>("upstream-credential remove", CredentialId(id.clone()))?;
    let removed = credentials::remove(may, &id).await?;
    if json {
        out::say_json(&json!({"id": id, "removed": removed}));
    } else if removed {
        out::say(format!(
            "Credential {id} is gone: what it opened is shut within 5 seconds, running downloads included."
        ));
    } else {
        out::say(format!("Credential {id} was gone already."));
    }
    Ok(())
}

fn owner(config: &Config, args: Set) -> Result<Owner, String> {
    if let Some(name) = args.env {
        let known: Vec<&str> = config.environments.iter().map(|e| e.name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            return Err(format!("There is no environment `{name}`. There are: {}.", known.join(", ")));
        }
        return Ok(Owner { kind: "environment", id: name });
    }
    let id = args.person.unwrap_or_default();
    if id.is_empty() || id.len() > 40 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("--person takes a person's id, as the directory of people shows it.".to_owned());
    }
    Ok(Owner { kind: "person", id })
}

fn from_stdin() -> Result<Secret, String> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        out::tell("Paste the hub's token, then Enter and Ctrl-D:");
    }
    let mut text = String::new();
    let read = stdin.by_ref().take(4096).read_to_string(&mut text);
    read.map_err(|_| "The token on stdin cannot be read.".to_owned())?;
    match text.trim() {
        "" => Err(
            "The token is read from stdin, and nothing came: weighbridge upstream-credential set --env NAME < token"
                .to_owned(),
        ),
        token => Ok(Secret::new(token)),
    }
}
