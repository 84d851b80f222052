//! `my-token`: the tokens that one holds oneself, through the API like anybody's client.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Failure, Json, api::Api, out};
use crate::domain::{span, time::Micros};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token for your own scripts; prints it alone on stdout, once
    Create(Create),
    /// List your tokens, and the terminals that you are signed in from
    List(Json),
    /// End one of them at once
    Revoke {
        /// As `my-token list` shows it
        id: String,
        /// Why, for the ledger
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        json: Json,
    },
    /// Make a new token for an old one, which works for another day; prints it alone on stdout
    Rotate {
        /// As `my-token list` shows it
        id: String,
        /// How long the new one lives [default: as long as the old one did]
        #[arg(long)]
        ttl: Option<String>,
        /// hf for tools that take nothing but hf_…, such as llama.cpp
        #[arg(long, value_enum, default_value_t = ShapeWord::Own)]
        shape: ShapeWord,
        #[command(flatten)]
        json: Json,
    },
    /// Sign every terminal out that you are signed in from, this one too
    SignOut(Json),
}

#[derive(Debug, Args)]
pub struct Create {
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it is held to, separated by commas: read:repo:<pattern>, request, approve, admin:policy, audit:read [default:
    /// whatever you may do]
    #[arg(long, value_delimiter = ',')]
    scope: Vec<String>,
    /// The environments it reaches, separated by commas [default: all that you reach]
    #[arg(long, value_delimiter = ',')]
    env: Vec<String>,
    /// How long it lives, such as 30d or 12h; 90d at most
    #[arg(long, default_value = "30d")]
    ttl: String,
    /// hf for tools that take nothing but hf_…, such as llama.cpp
    #[arg(long, value_enum, default_value_t = ShapeWord::Own)]
    shape: ShapeWord,
    #[command(flatten)]
    json: Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ShapeWord {
    Own,
    Hf,
}

impl ShapeWord {
    fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Hf => "hf",
        }
    }
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(args) => create(args).await,
        Command::List(Json { json }) => list(json).await,
        Command::Revoke { id, reason, json: Json { json } } => {
            let path = format!("/-/api/v1/tokens/{}/revocation", checked(&id)?);
            let answer = Api::find()?.post(&path, &json!({"reason": reason})).await?;
            if json {
                out::say_json(&answer);
            } else if answer.get("revoked_before_at").is_some_and(Value::is_string) {
                out::say(format!("Token {id} was revoked already."));
            } else {
                out::say(format!("Token {id} is revoked: no gateway takes it any more within 5 seconds."));
            }
            Ok(())
        }
        Command::Rotate { id, ttl, shape, json: Json { json } } => {
            let mut renewal = json!({"shape": shape.word()});
            if let (Some(ttl), Some(renewal)) = (ttl, renewal.as_object_mut()) {
                renewal.insert("lifetime_seconds".to_owned(), json!(seconds(&ttl)?));
            }
            let path = format!("/-/api/v1/tokens/{}/rotation", checked(&id)?);
            let answer = Api::find()?.post(&path, &renewal).await?;
            made(&answer, json);
            if !json {
                let until = answer.pointer("/replaces/works_until").and_then(Value::as_str).unwrap_or_default();
                out::tell(format!("The old one works until {}.", minute(until)));
            }
            Ok(())
        }
        Command::SignOut(Json { json }) => {
            let answer = Api::find()?.post("/-/api/v1/terminals/sign-out", &json!({})).await?;
            if json {
                out::say_json(&answer);
            } else {
                out::say("Every terminal is signed out. To sign in again: hf auth login --force");
            }
            Ok(())
        }
    }
}

async fn create(args: Create) -> Result<(), Failure> {
    let mut wish = json!({
        "name": args.name, "lifetime_seconds": seconds(&args.ttl)?, "shape": args.shape.word(),
    });
    if let Some(wish) = wish.as_object_mut() {
        if !args.scope.is_empty() {
            wish.insert("scopes".to_owned(), json!(args.scope));
        }
        if !args.env.is_empty() {
            wish.insert("environments".to_owned(), json!(args.env));
        }
    }
    let answer = Api::find()?.post("/-/api/v1/tokens", &wish).await?;
    made(&answer, args.json.json);
    Ok(())
}

fn made(answer: &Value, json: bool) {
    if json {
        out::say_json(answer);
        return;
    }
    out::say(text(answer, "token"));
    out::tell(format!(
        "Token {} for {}, until {}. It is shown only now.",
        text(answer, "id"),
        text(answer, "name"),
        minute(text(answer, "expires_at"))
    ));
}

async fn list(json: bool) -> Result<(), Failure> {
    let answer = Api::find()?.get("/-/api/v1/tokens").await?;
    if json {
        out::say_json(&answer);
        return Ok(());
    }
    let all = answer.get("tokens").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        out::say("You have no tokens. Make one: weighbridge my-token create --name laptop");
        return Ok(());
    }
    let row = |one: &Value| {
        let scopes = one
            .get("scopes")
            .and_then(Value::as_array)
            .map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
        let state = match (text(one, "state"), text(one, "ended_why")) {
            (state, "") => state.to_owned(),
            (state, why) => format!("{state}: {why}"),
        };
        vec![
            text(one, "id").to_owned(),
            text(one, "class").to_owned(),
            text(one, "name").to_owned(),
            scopes.unwrap_or_else(|| "all".to_owned()),
            text(one, "reach").to_owned(),
            minute(text(one, "expires_at")),
            minute(text(one, "last_used_at")),
            state,
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    out::say_table(&["ID", "CLASS", "NAME", "SCOPES", "REACH", "EXPIRES", "LAST USED", "STATE"], &rows);
    Ok(())
}

fn checked(id: &str) -> Result<&str, Failure> {
    if id.is_empty() || id.len() > 40 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let why = "That is no token's id; `weighbridge my-token list` shows them. Never write a token itself on a command line.";
        return Err(Failure::Usage(why.to_owned()));
    }
    Ok(id)
}

fn seconds(ttl: &str) -> Result<i64, Failure> {
    span::seconds(ttl).map_err(|why| Failure::Usage(format!("--ttl: {why}")))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn minute(text: &str) -> String {
    Micros::parse(text).map_or_else(|| "-".to_owned(), Micros::to_minute_text)
}
