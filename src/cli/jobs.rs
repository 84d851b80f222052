//! `jobs`: what the gateway is at work on, how far it is, and why something was given up.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Failure, Json, api::Api, out};

#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    command: Option<JobsCommand>,
    /// Show it again whenever something moves, until nothing is under way
    #[arg(long)]
    watch: bool,
    /// Also what is done
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// One job, with all that is known of it
    Show {
        id: String,
        #[command(flatten)]
        json: Json,
    },
    /// Try a job again that was given up
    Retry {
        id: String,
        #[command(flatten)]
        json: Json,
    },
}

pub async fn run(args: JobsArgs) -> Result<(), Failure> {
    match args.command {
        Some(JobsCommand::Show { id, json }) => {
            show(&Api::find()?.get(&path(&id, "")?).await?, json.json);
            Ok(())
        }
        Some(JobsCommand::Retry { id, json }) => {
            let answer = Api::find()?.post(&path(&id, "/retry")?, &json!({})).await?;
            if json.json {
                out::say_json(&answer);
            } else {
                out::say(format!("It is tried again: {} {}", text(&answer, "kind"), text(&answer, "subject")));
            }
            Ok(())
        }
        None => list(args.watch, args.all, args.json.json).await,
    }
}

async fn list(watch: bool, all: bool, json: bool) -> Result<(), Failure> {
    let api = Api::find()?;
    let mut last = Vec::new();
    loop {
        let answer = api.get("/-/api/v1/jobs").await?;
        if json {
            if last != [answer.to_string()] {
                out::say_json(&answer);
            }
            last = vec![answer.to_string()];
        } else {
            let lines = lines(&answer, all);
            if lines.concat() != last {
                say(&lines, &answer);
            }
            last = lines.concat();
        }
        let left = ["running", "waiting"].iter().any(|state| count(&answer, state) > 0);
        if !watch || !left {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn lines(answer: &Value, all: bool) -> Vec<Vec<String>> {
    let jobs = answer.get("jobs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let wanted = jobs.iter().filter(|job| all || text(job, "state") != "done");
    wanted
        .map(|job| {
            let state = match (text(job, "state"), text(job, "lane")) {
                (state, "normal") => state.to_owned(),
                (state, lane) => format!("{state}, {lane}"),
            };
            let tries = number(job, "tries").to_string();
            let row = [text(job, "id"), text(job, "kind")].map(str::to_owned).into_iter();
            row.chain([state, tries, progress(job), waits(job)])
                .chain([text(job, "subject").to_owned(), text(job, "why").to_owned()])
                .collect()
        })
        .collect()
}

fn say(lines: &[Vec<String>], answer: &Value) {
    if lines.is_empty() {
        out::say("Nothing is under way, and nothing was given up.");
    } else {
        out::say_table(&["ID", "KIND", "STATE", "TRIES", "PROGRESS", "WAITING", "WHAT", "WHY"], lines);
    }
    let counts = ["running", "waiting", "failed", "done"].map(|state| format!("{} {state}", count(answer, state)));
    out::say(format!("{}.", counts.join(", ")));
    if count(answer, "failed") > 0 {
        out::say("To try one again that was given up: weighbridge jobs retry ID");
    }
}

fn show(job: &Value, json: bool) {
    if json {
        return out::say_json(job);
    }
    let pairs = [
        ("Id", text(job, "id").to_owned()),
        ("Kind", text(job, "kind").to_owned()),
        ("What", text(job, "subject").to_owned()),
        ("State", text(job, "state").to_owned()),
        ("Lane", text(job, "lane").to_owned()),
        ("Tries", number(job, "tries").to_string()),
        ("Progress", progress(job)),
        ("Waiting", waits(job)),
        ("Why", text(job, "why").to_owned()),
        ("Asked by", text(job, "by").to_owned()),
        ("Asked", text(job, "made_at").to_owned()),
        (if text(job, "state") == "waiting" { "Next try" } else { "Since" }, text(job, "at").to_owned()),
        ("Worker", text(job, "worker").to_owned()),
    ];
    for (label, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        out::say(format!("{label:<10}{value}"));
    }
}

/// `3 of 12 files, 1.2 GB of 4.9 GB`; empty where nothing is counted.
pub fn progress(job: &Value) -> String {
    let far = |key: &str| job.get("progress").map(|far| number(far, key)).unwrap_or_default();
    let (files, bytes) = (far("of_files"), far("of_bytes"));
    let files = if files > 1 { format!("{} of {files} files", far("files")) } else { String::new() };
    let bytes = if bytes > 0 { format!("{} of {}", out::size(far("bytes")), out::size(bytes)) } else { String::new() };
    [files, bytes].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn waits(job: &Value) -> String {
    match number(job, "waiting_here") {
        0 => String::new(),
        1 => "1 request".to_owned(),
        many => format!("{many} requests"),
    }
}

fn path(id: &str, end: &str) -> Result<String, Failure> {
    if id.is_empty() || id.len() > 40 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let why = format!("`{id}` is no id: they are letters and digits, as `weighbridge jobs` shows them.");
        return Err(Failure::Usage(why));
    }
    Ok(format!("/-/api/v1/jobs/{id}{end}"))
}

fn count(answer: &Value, state: &str) -> u64 {
    answer.get("counts").map(|counts| number(counts, state)).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
