//! `token create | list | revoke`: given on the host, written beside a gateway that may be running.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Failure, Json, assembly::Host, out};
use crate::{
    accounts::{self, Holder, Listed, Wanted},
    clock,
    config::{Config, nearest},
    domain::{
        role::{Environment, Reach, Role},
        span,
        time::Micros,
        token::Shape,
    },
    gate::{
        act::{CreateToken, ListTokens, RevokeToken},
        object::{TokenId, Tokens},
    },
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token; prints it alone on stdout, once
    Create(Create),
    /// List every token
    List(Json),
    /// End a token at once
    Revoke {
        /// As `token list` shows it
        id: String,
        /// Why, for the ledger
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub struct Create {
    /// Who or what it is for
    #[arg(long)]
    name: String,
    /// developer, reviewer, policy-admin, auditor, operator, admin, cluster or ci; where people sign in: auditor, cluster or ci
    #[arg(long, required_unless_present = "directory")]
    role: Option<String>,
    /// Instead of a role: for the identity provider's directory, which pushes people and groups
    #[arg(long, conflicts_with_all = ["role", "env", "cluster", "shape"])]
    directory: bool,
    /// Whose directory it is, where several identity providers are configured
    #[arg(long, requires = "directory")]
    provider: Option<String>,
    /// The environments it reaches, separated by commas [default: all, but cluster and ci must name theirs]
    #[arg(long)]
    env: Option<String>,
    /// The cluster it is for, with the role cluster
    #[arg(long)]
    cluster: Option<String>,
    /// How long it lives, such as 30d or 12h; a year at most
    #[arg(long, default_value = "30d")]
    ttl: String,
    /// hf for tools that take nothing but hf_…, such as llama.cpp
    #[arg(long, value_enum, default_value_t = ShapeWord::Own)]
    shape: ShapeWord,
    #[command(flatten)]
    json: Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShapeWord {
    Own,
    Hf,
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(args) => {
            let json = args.json.json;
            let wanted = wanted(config, args).map_err(Failure::Usage)?;
            let host = Host::for_command(config).await?;
            let done = create(config, &host, wanted, json).await;
            host.close().await;
            done
        }
        Command::List(Json { json }) => {
            let host = Host::for_command(config).await?;
            let done = list(&host, json).await;
            host.close().await;
            done
        }
        Command::Revoke { id, reason, json: Json { json } } => {
            if id.is_empty() || id.len() > 40 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                let why = "That is no token's id; `weighbridge token list` shows them. Never write a token itself on a command line.";
                return Err(Failure::Usage(why.to_owned()));
            }
            let host = Host::for_command(config).await?;
            let done = revoke(&host, id, &reason, json).await;
            host.close().await;
            done
        }
    }
}

async fn create(config: &Config, host: &Host, wanted: Wanted, json: bool) -> Result<(), Failure> {
    let may = host.gate.admit_host::<CreateToken>("token create", Tokens)?;
    let told = wanted.clone();
    let made = accounts::create(may, wanted).await?;
    if json {
        out::say_json(&json!({
            "id": made.id, "token": made.text, "name": told.name, "role": told.holder.word(),
            "reach": told.reach.to_string(), "cluster": told.cluster, "expires_at": told.expires_at.to_string(),
        }));
        return Ok(());
    }
    out::say(&made.text);
    let reach = if told.reach == Reach::All { "every environment".to_owned() } else { told.reach.to_string() };
    let ends = told.expires_at.to_day_text();
    out::tell(format!(
        "Token {} for {}: {} in {reach}, until {ends}. It is shown only now.",
        made.id,
        told.name,
        told.holder.word()
    ));
    out::tell(format!("It is kept in {}, for {}", config.shown_database_url(), config.public_url));
    Ok(())
}

async fn list(host: &Host, json: bool) -> Result<(), Failure> {
    let may = host.gate.admit_host::<ListTokens>("token list", Tokens)?;
    let all = accounts::list(may).await?;
    if json {
        let time = |at: Option<i64>| at.map(|at| Micros(at).to_string());
        let entry = |Listed { row, last_used_at }: &Listed| {
            json!({
                "id": row.id, "name": row.name, "class": row.class, "role": row.role, "person_id": row.person_id, "reach": row.reach, "cluster": row.cluster,
                "created_at": time(Some(row.created_at)), "expires_at": time(Some(row.expires_at)),
                "last_used_at": time(*last_used_at), "revoked_at": time(row.revoked_at),
                "replaced_at": time(row.replaced_at), "ended_why": row.ended_why,
            })
        };
        out::say_json(&json!({"tokens": all.iter().map(entry).collect::<Vec<_>>()}));
        return Ok(());
    }
    if all.is_empty() {
        out::say("There are no tokens yet. Make one: weighbridge token create --name me --role developer");
        return Ok(());
    }
    let now = clock::now().0;
    let day = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), |at| Micros(at).to_day_text());
    let line = |Listed { row, last_used_at }: &Listed| {
        let state = match row.revoked_at {
            Some(at) => format!("revoked {}", Micros(at).to_day_text()),
            None if row.expires_at <= now => "expired".to_owned(),
            None => "works".to_owned(),
        };
        let cluster = row.cluster.clone().unwrap_or_else(|| "-".to_owned());
        let (made, ends) = (day(Some(row.created_at)), day(Some(row.expires_at)));
        vec![
            row.id.clone(),
            row.name.clone(),
            // What has no role of its own is what its owner is, or pushes people.
            if row.role.is_empty() { row.class.clone() } else { row.role.clone() },
            row.reach.clone(),
            cluster,
            made,
            ends,
            day(*last_used_at),
            state,
        ]
    };
    let rows: Vec<_> = all.iter().map(line).collect();
    out::say_table(&["ID", "NAME", "ROLE", "REACH", "CLUSTER", "CREATED", "EXPIRES", "LAST USED", "STATE"], &rows);
    Ok(())
}

async fn revoke(host: &Host, id: String, reason: &str, json: bool) -> Result<(), Failure> {
    let may = host.gate.admit_host::<RevokeToken>("token revoke", TokenId(id.clone()))?;
    let before = accounts::revoke(may, reason).await?;
    if json {
        out::say_json(&json!({"id": id, "revoked_before_at": before.map(|at| at.to_string())}));
        return Ok(());
    }
    match before {
        None => out::say(format!("Token {id} is revoked: no gateway takes it any more within 5 seconds.")),
        Some(at) => out::say(format!("Token {id} was revoked already, on {}.", at.to_day_text())),
    }
    Ok(())
}

/// Everything that can be wrong with the arguments, said before anything is opened.
fn wanted(config: &Config, args: Create) -> Result<Wanted, String> {
    let holder = holder(config, &args)?;
    let role = match holder {
        Holder::Role(role) => Some(role),
        Holder::Directory => None,
    };
    let name = args.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err("--name must be 1 to 100 letters: who or what the token is for.".to_owned());
    }
    let known: Vec<&str> = config.environments.iter().map(|e| e.name.as_str()).collect();
    let reach = match &args.env {
        Some(list) => reach(list, &known)?,
        None if role.is_some_and(Role::needs_environment) => {
            let role = holder.word();
            return Err(format!("The role {role} needs --env: which of {} is it for?", known.join(", ")));
        }
        None => Reach::All,
    };
    if args.cluster.is_some() && role != Some(Role::Cluster) {
        return Err("--cluster goes only with --role cluster.".to_owned());
    }
    let plain =
        |c: &String| (1..=60).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if args.cluster.as_ref().is_some_and(|c| !plain(c)) {
        return Err("--cluster must be up to 60 letters, digits, dots and dashes.".to_owned());
    }
    let ttl = span::seconds(&args.ttl).map_err(|why| format!("--ttl: {why}"))?;
    if ttl > 365 * span::DAY {
        return Err("--ttl is at most 365d: a token that nobody renews should end.".to_owned());
    }
    let shape = match args.shape {
        ShapeWord::Own => Shape::Own,
        ShapeWord::Hf => Shape::Hf,
    };
    let expires_at = clock::now().plus_seconds(ttl);
    let (cluster, provider) = (args.cluster, args.provider);
    Ok(Wanted { name: name.to_owned(), holder, provider, reach, cluster, expires_at, shape })
}

/// Who the token is for. Once people sign in with a provider, what they do is not done by tokens that nobody holds.
fn holder(config: &Config, args: &Create) -> Result<Holder, String> {
    let Some(word) = args.role.as_ref().filter(|_| !args.directory) else { return directory(config, args) };
    let words = Role::ALL.map(Role::word);
    let role = Role::from_word(word).ok_or_else(|| {
        let near = nearest(word, words).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        format!("There is no role `{word}`{near} There are: {}.", words.join(", "))
    })?;
    let holder = Holder::Role(role);
    if !config.identity.providers.is_empty() && !holder.is_a_machine() {
        return Err(format!(
            "People sign in here with an identity provider, so no token for the role {role} is made: whoever needs it signs \
             in with `hf auth login`, and their groups give it to them. The host makes tokens for cluster, ci and auditor."
        ));
    }
    Ok(holder)
}

fn directory(config: &Config, args: &Create) -> Result<Holder, String> {
    let names: Vec<&str> = config.identity.providers.iter().map(|provider| provider.name.as_str()).collect();
    match args.provider.as_deref() {
        Some(name) if !names.contains(&name) => {
            Err(format!("There is no identity provider `{name}`. There are: {}.", names.join(", ")))
        }
        None if names.len() > 1 => {
            Err(format!("Whose directory is it? Name one with --provider: {}.", names.join(", ")))
        }
        _ => Ok(Holder::Directory),
    }
}

fn reach(list: &str, known: &[&str]) -> Result<Reach, String> {
    let mut names: Vec<Environment> = Vec::new();
    for word in list.split(',').map(str::trim) {
        let name = Environment::new(word).filter(|name| known.contains(&name.as_str()));
        let name = name.ok_or_else(|| format!("There is no environment `{word}`. There are: {}.", known.join(", ")))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Reach::These(names))
}
