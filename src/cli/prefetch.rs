//! `prefetch`: have revisions taken in, and their files fetched and verified, before anybody pulls them.
//!
//! Shows how far they are until each is done or refused. Asking twice asks for nothing twice.

use std::{collections::VecDeque, fs, path::PathBuf, time::Duration};

use clap::Args;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Failure, Json,
    api::{self, Api, Trouble},
    jobs::progress,
    out, review,
};
use crate::domain::{name::RepoName, rev::Rev};

#[derive(Debug, Args)]
pub struct PrefetchArgs {
    /// org/name@rev, datasets/org/name@rev; without @rev it is main
    #[arg(required_unless_present = "from", value_name = "MODEL[@REV]")]
    revisions: Vec<String>,
    /// A file with one revision a line; empty lines and what follows a # are left out
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Only files of this pattern, as `hf download` has it; can be given several times
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// No files of this pattern; can be given several times
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Where they will be pulled [default: where you pull]
    #[arg(long)]
    env: Option<String>,
    /// Ask, and do not wait
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    json: Json,
}

/// One revision on its way.
struct One {
    repo: RepoName,
    rev: Rev,
    said: String,
}

pub async fn run(args: PrefetchArgs) -> Result<(), Failure> {
    let wanted = wanted(&args)?;
    let api = Api::find()?;
    let environment = match &args.env {
        Some(name) => review::environment(&api, Some(name)).await?,
        None => review::home(&api).await?,
    };
    let count = wanted.len();
    let mut run = Run { api, environment, args, over: Vec::new(), refused: 0 };
    let mut left = VecDeque::new();
    for one in wanted {
        if let Some(one) = run.step(one, true).await? {
            left.push_back(one);
        }
    }
    if run.args.no_wait {
        run.say(&format!("{count} asked for. See: weighbridge jobs"));
        return run.end();
    }
    while !left.is_empty() {
        sleep(PAUSE).await;
        for _ in 0..left.len() {
            let Some(one) = left.pop_front() else { break };
            if let Some(one) = run.step(one, false).await? {
                left.push_back(one);
            }
        }
    }
    run.say(&format!("{} of {count} are here and verified.", count - run.refused));
    run.end()
}

struct Run {
    api: Api,
    environment: String,
    args: PrefetchArgs,
    over: Vec<Value>,
    refused: usize,
}

impl Run {
    /// Asks once. Answers the revision as long as it is under way.
    async fn step(&mut self, mut one: One, anew: bool) -> Result<Option<One>, Failure> {
        let environment = &self.environment;
        let place = format!("{}/{}", api::typed(&one.repo), api::segment(&one.rev));
        let path = format!("/-/api/v1/environments/{environment}/prefetches/{place}");
        let body = json!({"include": self.args.include, "exclude": self.args.exclude, "anew": anew});
        let mut tries = 0;
        let answer = loop {
            match self.api.post(&path, &body).await {
                Ok(answer) => break answer,
                // A long list is slowed down, and a gateway may be starting anew.
                Err(Trouble { retry_after: Some(wait), .. }) if tries < MOST_TRIES => {
                    tries += 1;
                    sleep(wait.clamp(PAUSE, Duration::from_secs(10))).await;
                }
                Err(trouble) if trouble.code.is_empty() && !anew && tries < MOST_TRIES => {
                    tries += 1;
                    sleep(PAUSE).await;
                }
                Err(trouble) => return Err(trouble.into()),
            }
        };
        let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{}@{}", one.repo, one.rev);
        match text("state") {
            "done" => {
                self.say(&format!("{name}: here and verified, {}", sizes(&answer)));
                self.over.push(answer);
                Ok(None)
            }
            "failed" => {
                self.refused += 1;
                out::tell(format!("{name}: {}.", text("why").trim_end_matches('.')));
                self.over.push(answer);
                Ok(None)
            }
            "waiting" | "running" => {
                let far = progress(&answer);
                let far = if far.is_empty() { "it is being looked at".to_owned() } else { far };
                if far != one.said && !self.args.no_wait {
                    out::tell(format!("{name}: {far} ..."));
                    one.said = far;
                }
                if self.args.no_wait {
                    self.over.push(answer);
                }
                Ok(Some(one))
            }
            other => Err(Failure::Failed(format!(
                "The gateway answered the state `{other}`, which this program does not know."
            ))),
        }
    }

    fn say(&self, line: &str) {
        // The answer for scripts stands alone on stdout.
        if self.args.json.json { out::tell(line) } else { out::say(line) }
    }

    fn end(self) -> Result<(), Failure> {
        if self.args.json.json {
            out::say_json(&json!({"prefetches": self.over}));
        }
        if self.refused > 0 { Err(Failure::Said) } else { Ok(()) }
    }
}

fn sizes(answer: &Value) -> String {
    let far = |key: &str| answer.pointer(&format!("/progress/{key}")).and_then(Value::as_u64).unwrap_or_default();
    let files = if far("files") == 1 { "1 file".to_owned() } else { format!("{} files", far("files")) };
    format!("{files}, {}", out::size(far("bytes")))
}

/// Every revision that is named, once each.
fn wanted(args: &PrefetchArgs) -> Result<Vec<One>, Failure> {
    let mut names = args.revisions.clone();
    if let Some(file) = &args.from {
        let unread = |e| Failure::Usage(format!("--from: {} cannot be read: {e}", file.display()));
        let text = fs::read_to_string(file).map_err(unread)?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        names.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let mut seen = std::collections::HashSet::new();
    let mut all = Vec::new();
    for name in names {
        let (repo, rev) = review::revision(&name)?;
        if seen.insert(format!("{repo}@{rev}")) {
            all.push(One { repo, rev, said: String::new() });
        }
    }
    if all.is_empty() {
        return Err(Failure::Usage("Which revisions? The list is empty.".to_owned()));
    }
    Ok(all)
}

const PAUSE: Duration = Duration::from_secs(1);
const MOST_TRIES: u32 = 30;
