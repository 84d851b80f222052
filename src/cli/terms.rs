//! `terms show | accept | withdraw`: reading what a gated repository asks for, and accepting it on record, through the API.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failure, Json,
    api::{self, Api},
    out,
    review::{environment, text, willing},
};
use crate::domain::name::RepoName;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a gated repository asks for, and whether it is accepted here
    Show(Which),
    /// Accept it for an environment, on record; shows the text and asks
    Accept(Accept),
    /// Take an acceptance back; what was approved on it stays
    Withdraw(Accept),
}

#[derive(Debug, Args)]
pub struct Which {
    /// org/name, datasets/org/name
    repo: String,
    /// Where it is to be used; needed when your role reaches several environments
    #[arg(long)]
    env: Option<String>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
pub struct Accept {
    #[command(flatten)]
    which: Which,
    /// Why, for whoever audits this
    #[arg(long)]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Show(which) => show(which).await,
        Command::Accept(args) => accept(args).await,
        Command::Withdraw(args) => withdraw(args).await,
    }
}

async fn show(which: Which) -> Result<(), Failure> {
    let repo = repo(&which.repo)?;
    let api = Api::find()?;
    let environment = environment(&api, which.env.as_deref()).await?;
    let answer = api.get(&path(&environment, "terms", &repo)).await?;
    if which.json.json {
        out::say_json(&answer);
        return Ok(());
    }
    tell(&answer);
    let state = if answer["accepted"] == true { "Accepted on record" } else { "Not accepted" };
    out::say(format!("{state} in {environment}. sha256 of this text: {}", text(&answer, "text_sha256")));
    Ok(())
}

async fn accept(args: Accept) -> Result<(), Failure> {
    let repo = repo(&args.which.repo)?;
    willing(args.yes)?;
    let api = Api::find()?;
    let environment = environment(&api, args.which.env.as_deref()).await?;
    let shown = api.get(&path(&environment, "terms", &repo)).await?;
    let sha256 = text(&shown, "text_sha256").to_owned();
    if !args.yes {
        tell(&shown);
        if !out::ask(&format!("Accept this for {environment}?")) {
            return Err(Failure::Failed("Nothing was accepted.".to_owned()));
        }
    }
    let body = json!({"text_sha256": sha256, "reason": args.reason});
    let answer = api.post(&path(&environment, "terms", &repo), &body).await?;
    if args.which.json.json {
        out::say_json(&answer);
    } else {
        out::say(format!("The terms of {repo} are accepted in {environment}: {sha256}."));
    }
    Ok(())
}

async fn withdraw(args: Accept) -> Result<(), Failure> {
    let repo = repo(&args.which.repo)?;
    willing(args.yes)?;
    let api = Api::find()?;
    let environment = environment(&api, args.which.env.as_deref()).await?;
    if !args.yes && !out::ask(&format!("Take back that the terms of {repo} are accepted in {environment}?")) {
        return Err(Failure::Failed("Nothing was taken back.".to_owned()));
    }
    let answer = api.post(&path(&environment, "terms-withdrawals", &repo), &json!({"reason": args.reason})).await?;
    if args.which.json.json {
        out::say_json(&answer);
    } else {
        out::say(format!("The terms of {repo} are not accepted in {environment} any more."));
    }
    Ok(())
}

fn tell(shown: &Value) {
    for line in text(shown, "text").lines() {
        out::say(line);
    }
}

fn path(environment: &str, what: &str, repo: &RepoName) -> String {
    format!("/-/api/v1/environments/{environment}/{what}/{}", api::typed(repo))
}

fn repo(text: &str) -> Result<RepoName, Failure> {
    RepoName::parse(text).ok_or_else(|| Failure::Usage(format!("`{text}` is not org/name.")))
}
