//! `request`, `approve`, `revoke`: the same acts as the console's, through the API.
//!
//! `approve` and `revoke` show what they would do and ask; without a terminal and without `--yes` they do nothing.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Failure, Json,
    api::{self, Api, Trouble},
    out,
};
use crate::domain::{
    name::RepoName,
    rev::{Rev, parse_revision},
    role::Environment,
    span,
};

#[derive(Debug, Args)]
pub struct RequestArgs {
    #[command(subcommand)]
    command: Option<RequestCommand>,
    /// org/name@rev, datasets/org/name@rev; without @rev it is main
    #[arg(required = true)]
    revision: Option<String>,
    /// What it is needed for
    #[arg(long, required = true)]
    reason: Option<String>,
    /// Where it is needed [default: where you pull]
    #[arg(long)]
    env: Option<String>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Subcommand)]
enum RequestCommand {
    /// What was asked for
    List(Json),
    /// One request, or one decision from a refusal
    Show {
        id: String,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// org/name@rev, datasets/org/name@rev; without @rev it is main
    revision: String,
    /// Why it may be used, for whoever audits this
    #[arg(long)]
    reason: String,
    /// Where it may be used; needed when your role reaches several environments
    #[arg(long)]
    env: Option<String>,
    /// How long it holds, in days, such as 90d
    #[arg(long, value_name = "SPAN")]
    expires: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// org/name@rev, or org/name for the whole repository
    target: String,
    /// Why it must stop, for whoever is asked about it
    #[arg(long)]
    reason: String,
    /// Deny the bytes of the named files everywhere
    #[arg(long)]
    malicious: bool,
    /// Only this file; can be given several times
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<String>,
    /// Only in this environment [default: all]
    #[arg(long)]
    env: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
pub struct PinArgs {
    /// org/name@commit: an approved commit, in full
    revision: String,
    /// Why it moves, for whoever audits this
    #[arg(long)]
    reason: String,
    /// Where it moves; needed when your role reaches several environments
    #[arg(long)]
    env: Option<String>,
    /// The branch or tag that moves
    #[arg(long, default_value = "main")]
    pointer: String,
    #[command(flatten)]
    json: Json,
}

pub async fn request(args: RequestArgs) -> Result<(), Failure> {
    match (args.command, args.revision, args.reason) {
        (Some(RequestCommand::List(json)), ..) => list(json.json).await,
        (Some(RequestCommand::Show { id, json }), ..) => show(&id, json.json).await,
        (None, Some(revision), Some(reason)) => make(&revision, &reason, args.env, args.json.json).await,
        (None, ..) => {
            Err(Failure::Usage("Which revision, and why? weighbridge request org/name@rev --reason TEXT".to_owned()))
        }
    }
}

pub async fn approve(args: ApproveArgs) -> Result<(), Failure> {
    let (repo, rev) = revision(&args.revision)?;
    let days = args
        .expires
        .as_deref()
        .map(span::days)
        .transpose()
        .map_err(|why| Failure::Usage(format!("--expires: {why}")))?;
    willing(args.yes)?;
    let api = Api::find()?;
    let environment = environment(&api, args.env.as_deref()).await?;
    let seen = examine(&api, &environment, &repo, &rev).await?;
    let json = args.json.json;
    for line in summary(&seen) {
        // The answer for scripts stands alone on stdout.
        if json { out::tell(line) } else { out::say(line) }
    }
    if !args.yes && !out::ask(&format!("Approve it in {environment}?")) {
        return Err(Failure::Failed("Nothing was approved.".to_owned()));
    }
    let path =
        format!("/-/api/v1/environments/{environment}/approvals/{}/{}", api::typed(&repo), text(&seen, "commit"));
    let body = json!({"evidence_digest": text(&seen, "evidence_digest"), "reason": args.reason, "expires_days": days});
    let answer = api.post(&path, &body).await?;
    if json {
        out::say_json(&answer);
        return Ok(());
    }
    out::say(format!(
        "Approved in {environment} until {}. Approval {}.",
        text(&answer, "expires_at"),
        text(&answer, "approval")
    ));
    for pointer in list_of(&answer, "pointers") {
        out::say(format!("  {} now means {}", text(pointer, "name"), text(pointer, "commit")));
    }
    Ok(())
}

pub async fn pin(args: PinArgs) -> Result<(), Failure> {
    let (repo, rev) = revision(&args.revision)?;
    let api = Api::find()?;
    let environment = environment(&api, args.env.as_deref()).await?;
    let path = format!("/-/api/v1/environments/{environment}/pins/{}/{}", api::typed(&repo), api::segment(&rev));
    let answer = api.post(&path, &json!({"reason": args.reason, "pointer": args.pointer})).await?;
    if args.json.json {
        out::say_json(&answer);
    } else {
        out::say(format!("{} now means {} in {environment}.", text(&answer, "pointer"), text(&answer, "commit")));
    }
    Ok(())
}

pub async fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let wrong = || Failure::Usage(format!("`{}` is neither org/name nor org/name@rev.", args.target));
    // `org/name` without a revision is all of it, not its main.
    let (repo, rev) = if args.target.contains('@') {
        let (repo, rev) = revision(&args.target)?;
        (repo, Some(rev))
    } else {
        (RepoName::parse(&args.target).ok_or_else(wrong)?, None)
    };
    willing(args.yes)?;
    let api = Api::find()?;
    let environment = match args.env.as_deref() {
        None | Some("all") => "all".to_owned(),
        Some(name) => environment(&api, Some(name)).await?,
    };
    let place = format!("/-/api/v1/environments/{environment}");
    let path = match &rev {
        Some(rev) => format!("{place}/revocations/{}/{}", api::typed(&repo), api::segment(rev)),
        None => format!("{place}/repository-revocations/{}", api::typed(&repo)),
    };
    let body =
        |preview| json!({"reason": args.reason, "malicious": args.malicious, "files": args.files, "preview": preview});
    let json = args.json.json;
    if !args.yes {
        for line in stops(&api.post(&path, &body(true)).await?) {
            out::tell(line);
        }
        if !out::ask("Revoke this?") {
            return Err(Failure::Failed("Nothing was revoked.".to_owned()));
        }
    }
    let answer = api.post(&path, &body(false)).await?;
    if json {
        out::say_json(&answer);
    } else {
        for line in stops(&answer) {
            out::say(line);
        }
    }
    Ok(())
}

async fn make(given: &str, reason: &str, env: Option<String>, json: bool) -> Result<(), Failure> {
    let (repo, rev) = revision(given)?;
    let api = Api::find()?;
    let environment = match env {
        Some(name) => environment(&api, Some(&name)).await?,
        None => home(&api).await?,
    };
    let path = format!("/-/api/v1/environments/{environment}/requests/{}/{}", api::typed(&repo), api::segment(&rev));
    let answer = api.post(&path, &json!({"reason": reason})).await?;
    if json {
        out::say_json(&answer);
    } else {
        out::say(format!("{repo}@{rev} in {environment}: {}", text(&answer, "message")));
        out::say(format!("See: weighbridge request show {}", text(&answer, "id")));
    }
    Ok(())
}

async fn list(json: bool) -> Result<(), Failure> {
    let answer = Api::find()?.get("/-/api/v1/requests").await?;
    if json {
        out::say_json(&answer);
        return Ok(());
    }
    let requests = list_of(&answer, "requests");
    if requests.is_empty() {
        out::say("Nothing has been asked for.");
        return Ok(());
    }
    let row = |one: &Value| {
        let revision = format!("{}@{}", text(one, "repo"), text(one, "rev"));
        let rest = ["environment", "by", "made_at", "state", "reason"].map(|key| text(one, key).to_owned());
        [text(one, "id").to_owned(), revision].into_iter().chain(rest).collect()
    };
    let rows: Vec<Vec<String>> = requests.iter().map(row).collect();
    out::say_table(&["ID", "REVISION", "ENVIRONMENT", "BY", "MADE", "STATE", "REASON"], &rows);
    Ok(())
}

/// A request, or the decision behind a refusal: the id in somebody's terminal does not say which.
async fn show(id: &str, json: bool) -> Result<(), Failure> {
    if id.is_empty() || id.len() > 40 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure::Usage(format!(
            "`{id}` is no id: they are letters and digits, as `request list` and refusals show them."
        )));
    }
    let api = Api::find()?;
    let answer = match api.get(&format!("/-/api/v1/requests/{id}")).await {
        Err(trouble) if trouble.code == "not_found" => api.get(&format!("/-/api/v1/decisions/{id}")).await?,
        answer => answer?,
    };
    if json {
        out::say_json(&answer);
        return Ok(());
    }
    let revision = format!("{}@{}", text(&answer, "repo"), text(&answer, "rev"));
    out::say(line("Id", text(&answer, "id")));
    out::say(line("Revision", &revision));
    for (label, key) in DETAILS {
        if !text(&answer, key).is_empty() {
            out::say(line(label, text(&answer, key)));
        }
    }
    Ok(())
}

/// Has a revision listed and its small files fetched, and waits for it.
async fn examine(api: &Api, environment: &str, repo: &RepoName, rev: &Rev) -> Result<Value, Failure> {
    let path = format!("/-/api/v1/environments/{environment}/examinations/{}/{}", api::typed(repo), api::segment(rev));
    let mut anew = true;
    let mut said = String::new();
    let mut refused = 0;
    loop {
        let answer = match api.post(&path, &json!({"anew": anew})).await {
            Ok(answer) => answer,
            Err(Trouble { retry_after: Some(wait), .. }) if refused < 10 => {
                refused += 1;
                sleep(wait.clamp(PAUSE, Duration::from_secs(10))).await;
                continue;
            }
            Err(trouble) => return Err(trouble.into()),
        };
        refused = 0;
        anew = false;
        match text(&answer, "state") {
            "ready" => return Ok(answer),
            "failed" => {
                return Err(Failure::Failed(format!("{repo}@{rev} cannot be examined: {}", text(&answer, "why"))));
            }
            "under_way" => {
                let why = text(&answer, "why");
                if why != said {
                    out::tell(format!("{repo}@{rev}: {why} ..."));
                    why.clone_into(&mut said);
                }
                sleep(PAUSE).await;
            }
            other => {
                return Err(Failure::Failed(format!(
                    "The gateway answered the state `{other}`, which this program does not know."
                )));
            }
        }
    }
}

/// Findings that fit on a screen beside the rest.
const MOST_FINDINGS: usize = 12;

fn summary(seen: &Value) -> Vec<String> {
    let number = |key: &str| seen.get(key).and_then(Value::as_u64).unwrap_or_default();
    let mut lines = vec![
        line("Revision", &format!("{}@{}", text(seen, "repo"), text(seen, "rev"))),
        line("Commit", text(seen, "commit")),
        line("Files", &format!("{}, {}", number("files"), out::size(number("size")))),
        line("Environment", text(seen, "environment")),
        line("Standing", text(seen, "standing")),
        line("Evidence", text(seen, "evidence_digest")),
    ];
    lines.push(line("Verdict", &format!("{}, coverage {}", text(seen, "verdict"), text(seen, "coverage"))));
    if !text(seen, "rules").is_empty() {
        lines.push(line("Rules", text(seen, "rules")));
        lines.push(line("", text(seen, "reason")));
    }
    let findings = list_of(seen, "findings");
    for finding in findings.iter().take(MOST_FINDINGS) {
        let what = format!("{} {}", text(finding, "rule"), text(finding, "severity"));
        lines.push(line("Finding", &format!("{what}  {}: {}", text(finding, "path"), text(finding, "message"))));
    }
    if findings.len() > MOST_FINDINGS {
        lines.push(line("", &format!("and {} more findings", findings.len() - MOST_FINDINGS)));
    }
    lines.into_iter().map(|line| out::harmless(&line)).collect()
}

/// What a revocation stops, or would stop.
fn stops(answer: &Value) -> Vec<String> {
    let one = |v: &Value| format!("  {}@{} in {}", text(v, "repo"), text(v, "commit"), text(v, "environment"));
    let mut message = text(answer, "message").to_owned();
    if let Some(first) = message.get(..1).map(str::to_ascii_uppercase) {
        message.replace_range(..1, &first);
    }
    let mut lines = vec![format!("{message}:")];
    lines.extend(list_of(answer, "revoked").iter().map(one));
    let digests = list_of(answer, "digests");
    if !digests.is_empty() {
        lines.push("These bytes, denied everywhere:".to_owned());
        lines.extend(digests.iter().map(|v| format!("  {}  {}", text(v, "sha256"), text(v, "path"))));
    }
    let also = list_of(answer, "also_stops");
    if !also.is_empty() {
        lines.push("With them stop, because they hold the same bytes:".to_owned());
        lines.extend(also.iter().map(one));
    }
    lines
}

/// The environment an act is for: the named one, or the only one there is. Whether it may be done there is the
/// gateway's to say.
pub async fn environment(api: &Api, named: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = named {
        let wrong = || Failure::Usage(format!("`{name}` is no environment's name."));
        return Environment::new(name).map(|name| name.to_string()).ok_or_else(wrong);
    }
    let account = api.get(ACCOUNT).await?;
    let reached: Vec<&str> = list_of(&account, "environments").iter().filter_map(Value::as_str).collect();
    match reached.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(Failure::Failed("Your credential reaches no environment.".to_owned())),
        _ => Err(Failure::Usage(format!("Which environment? Name one with --env: {}.", reached.join(", ")))),
    }
}

/// The environment in which this credential pulls.
pub async fn home(api: &Api) -> Result<String, Failure> {
    Ok(text(&api.get(ACCOUNT).await?, "home").to_owned())
}

pub fn revision(given: &str) -> Result<(RepoName, Rev), Failure> {
    let wrong = || Failure::Usage(format!("`{given}` is no revision: write org/name@rev, or datasets/org/name@rev."));
    parse_revision(given).ok_or_else(wrong)
}

pub(super) fn willing(yes: bool) -> Result<(), Failure> {
    if yes || out::can_ask() {
        return Ok(());
    }
    let why =
        "Nothing was done: this asks first, and there is no terminal to ask on. Say --yes to do it without asking.";
    Err(Failure::Usage(why.to_owned()))
}

fn line(label: &str, value: &str) -> String {
    format!("{label:<13}{value}")
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list_of<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

const ACCOUNT: &str = "/-/api/v1/account";
const PAUSE: Duration = Duration::from_millis(500);
/// What requests and decisions have, in the order in which it is read.
const DETAILS: [(&str, &str); 13] = [
    ("File", "path"),
    ("Environment", "environment"),
    ("Act", "act"),
    ("State", "state"),
    ("Why", "sentence"),
    ("Code", "code"),
    ("What to do", "hint"),
    ("Reason", "reason"),
    ("Asked by", "by"),
    ("Made", "made_at"),
    ("Decided", "decided_at"),
    ("Policy", "policy"),
    ("Now", "standing_now"),
];
