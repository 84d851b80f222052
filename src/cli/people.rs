//! `people`: who is known here and what they may do, through the API.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failure, Json,
    api::{self, Api},
    out,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List people
    List {
        /// Only those whose name, address or account name holds this
        #[arg(long, default_value = "")]
        search: String,
        #[command(flatten)]
        json: Json,
    },
    /// Show one person: their roles and where each comes from, and what they come in with
    Show {
        id: String,
        #[command(flatten)]
        json: Json,
    },
    /// Put somebody out at once: sessions, tokens and requests end
    Deactivate(Why),
    /// Let somebody in again
    Reactivate(Why),
    /// Give somebody a role by hand, for a while
    Grant {
        id: String,
        /// developer, reviewer, policy-admin, auditor, operator or admin
        #[arg(long)]
        role: String,
        /// The environments, separated by commas, or * for all
        #[arg(long)]
        env: String,
        /// For how many days; 90 at most
        #[arg(long, default_value_t = 30)]
        days: i64,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        json: Json,
    },
    /// Take a role back that was given by hand
    Withdraw {
        id: String,
        /// Which, as `people show` names it
        grant: String,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub struct Why {
    id: String,
    /// For the ledger
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    json: Json,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List { search, json } => list(&search, json.json).await,
        Command::Show { id, json } => {
            let one = Api::find()?.get(&path(&id, "")?).await?;
            show(&one, json.json);
            Ok(())
        }
        Command::Deactivate(why) => {
            let answer = act(&why.id, "/deactivate", &json!({"reason": why.reason})).await?;
            let ended = |what: &str| answer["ended"][what].as_u64().unwrap_or_default();
            let line = format!(
                "Out. Ended with it: {} sessions, {} tokens, {} requests; {} approvals of theirs stand and want renewal.",
                ended("sessions"),
                ended("tokens"),
                ended("requests"),
                ended("approvals_kept")
            );
            done(&answer, why.json.json, &line);
            Ok(())
        }
        Command::Reactivate(why) => {
            let answer = act(&why.id, "/reactivate", &json!({"reason": why.reason})).await?;
            done(&answer, why.json.json, "In again. Their old sessions and tokens stay ended: they sign in anew.");
            Ok(())
        }
        Command::Grant { id, role, env, days, reason, json } => {
            let environments: Vec<&str> = env.split(',').map(str::trim).collect();
            let body = json!({"role": role, "environments": environments, "days": days, "reason": reason});
            let answer = act(&id, "/grants", &body).await?;
            let line = format!("Given until {} (grant {}).", text(&answer, "expires_at"), text(&answer, "grant"));
            done(&answer, json.json, &line);
            Ok(())
        }
        Command::Withdraw { id, grant, reason, json } => {
            let answer = act(&id, "/withdrawals", &json!({"grant": grant, "reason": reason})).await?;
            done(&answer, json.json, "Withdrawn.");
            Ok(())
        }
    }
}

async fn act(id: &str, end: &str, body: &Value) -> Result<Value, Failure> {
    Ok(Api::find()?.post(&path(id, end)?, body).await?)
}

fn done(answer: &Value, json: bool, line: &str) {
    if json { out::say_json(answer) } else { out::say(line) }
}

async fn list(search: &str, json: bool) -> Result<(), Failure> {
    let api = Api::find()?;
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/-/api/v1/people?search={}&after={after}", api::encode(search));
        let answer = api.get(&path).await?;
        all.extend(answer["people"].as_array().cloned().unwrap_or_default());
        match answer["next"].as_str() {
            Some(next) => after = api::encode(next),
            None => break,
        }
    }
    if json {
        out::say_json(&json!({"people": all}));
        return Ok(());
    }
    if all.is_empty() {
        out::say("Nobody. People are known once they have signed in, or once their directory has pushed them.");
        return Ok(());
    }
    let row = |one: &Value| {
        let roles: Vec<&str> = one["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let cells =
            [text(one, "id"), text(one, "name"), text(one, "email"), text(one, "state"), text(one, "last_seen")];
        let mut cells: Vec<String> = cells.map(str::to_owned).to_vec();
        cells.push(roles.join(","));
        cells
    };
    out::say_table(&["ID", "NAME", "EMAIL", "STATE", "LAST SEEN", "ROLES"], &all.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn show(one: &Value, json: bool) {
    if json {
        return out::say_json(one);
    }
    let pairs = ["id", "name", "email", "state", "provider", "subject", "last_seen"];
    for key in pairs.into_iter().filter(|key| !text(one, key).is_empty()) {
        out::say(format!("{:<10} {}", key.replace('_', " "), text(one, key)));
    }
    for role in one["roles"].as_array().into_iter().flatten() {
        let source = match text(role, "group") {
            "" => format!(
                "by hand of {} until {} (grant {}): {}",
                text(role, "granted_by"),
                text(role, "expires_at"),
                text(role, "grant"),
                text(role, "reason")
            ),
            group => format!("by the group {group}"),
        };
        out::say(format!("role       {} in {}, {source}", text(role, "role"), text(role, "environments")));
    }
    let groups: Vec<&str> = one["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    out::say(format!("groups     {}", groups.join(", ")));
    for (what, name) in [("sessions", "session"), ("tokens", "token")] {
        for row in one[what].as_array().into_iter().flatten() {
            let kind = if what == "sessions" { text(row, "kind") } else { text(row, "class") };
            out::say(format!("{name:<10} {} {kind} until {}", text(row, "id"), text(row, "expires_at")));
        }
    }
    let approvals = &one["approvals"];
    let count = approvals["standing"].as_array().map_or(0, Vec::len);
    let wanted =
        if approvals["renewal_wanted"] == true { ", renewal wanted: another reviewer should give them" } else { "" };
    out::say(format!("approvals  {count} standing{wanted}"));
}

fn path(id: &str, end: &str) -> Result<String, Failure> {
    if id.is_empty() || id.len() > 40 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure::Usage(format!("`{id}` is no id: see weighbridge people list")));
    }
    Ok(format!("/-/api/v1/people/{id}{end}"))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}
