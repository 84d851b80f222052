//! `doctor`: why does it not work? One line a question, and after every FAIL what to do next.

mod behind;
mod checks;
mod issuers;
mod pull;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    Failure, Json,
    api::Api,
    out,
    sign_in::{self, SignIn},
};
use crate::config::Config;

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also try to pull a little of this revision
    #[arg(long, value_name = "org/name@rev")]
    pull: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub async fn run(path: Option<PathBuf>, args: DoctorArgs) -> Result<(), Failure> {
    let mut report = Report { json: args.json.json, ..Report::default() };
    let config = Config::load(path);
    // Only the gateway's own machine has to reach the hub, and knows its address without being told.
    let here = config.as_ref().ok().filter(|config| config.is_given() || config.data_dir.is_dir());
    let sign_in = match here {
        Some(config) if !sign_in::is_named() => Ok(SignIn {
            base: config.public_url.clone(),
            base_from: "the configuration",
            token: None,
            token_from: String::new(),
        }),
        _ => sign_in::find(),
    };
    match sign_in.and_then(Api::new) {
        Ok(api) => gateway(&api, args.pull.as_deref(), &mut report).await,
        Err(why) => report.fail("address", &why, "export HF_ENDPOINT and HF_TOKEN as `weighbridge serve` prints them"),
    }
    match (&config, here) {
        (Err(why), _) => report.fail("configuration", why, "weighbridge config check"),
        (Ok(_), Some(config)) => {
            checks::hub(config, &mut report).await;
            issuers::from_here(config, &mut report).await;
        }
        (Ok(_), None) => {
            report.skip("upstream", "no configuration here; run doctor on the gateway's host to try the hub");
        }
    }
    report.end()
}

async fn gateway(api: &Api, pull: Option<&str>, report: &mut Report) {
    let sign_in = api.sign_in();
    report.good("address", format!("{} (from {})", sign_in.base, sign_in.base_from));
    if !checks::contact(api, report).await {
        report.skip("the rest", "nothing more can be asked of a gateway that does not answer");
        return;
    }
    checks::ready(api, report).await;
    if sign_in.token.is_some() {
        report.good("token", format!("from {}", sign_in.token_from));
        checks::who(api, report).await;
        behind::pointers(api, report).await;
        checks::storage(api, report).await;
        issuers::at_the_gateway(api, report).await;
    } else {
        report.skip("sign-in", "not tried; set HF_ENDPOINT and HF_TOKEN to try a token");
    }
    checks::encoded_slash(api, report).await;
    match pull {
        Some(revision) => pull::try_one(api, revision, report).await,
        None => report.skip("pull", "not tried; give --pull org/name@rev"),
    }
}

/// What was found, said as it is found.
#[derive(Default)]
struct Report {
    json: bool,
    failed: bool,
    lines: Vec<serde_json::Value>,
}

impl Report {
    fn good(&mut self, what: &str, found: impl AsRef<str>) {
        self.add("ok", what, found.as_ref(), "");
    }

    fn skip(&mut self, what: &str, why: &str) {
        self.add("skip", what, why, "");
    }

    /// Something to look after that stops nobody yet.
    fn warn(&mut self, what: &str, found: &str, next: &str) {
        self.add("WARN", what, found, next);
    }

    fn fail(&mut self, what: &str, found: &str, next: &str) {
        self.failed = true;
        self.add("FAIL", what, found, next);
    }

    fn add(&mut self, state: &str, what: &str, found: &str, next: &str) {
        if self.json {
            self.lines.push(json!({"check": what, "state": state.to_lowercase(), "found": found, "next": next}));
            return;
        }
        out::say(format!("{state:<5}{what}: {found}"));
        if !next.is_empty() {
            out::say(format!("     next: {next}"));
        }
    }

    fn end(self) -> Result<(), Failure> {
        if self.json {
            out::say_json(&json!({"healthy": !self.failed, "checks": self.lines}));
        }
        if self.failed { Err(Failure::Said) } else { Ok(()) }
    }
}
