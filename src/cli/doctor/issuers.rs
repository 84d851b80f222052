//! The issuers of workloads' tokens: how they stand at the gateway, and whether they can be asked from here. Changes nothing.

use std::time::Duration;

use serde_json::Value;

use super::Report;
use crate::{cli::api::Api, config::Config, gate::identity::Issuers};

/// What the gateway knows of their keys.
pub async fn at_the_gateway(api: &Api, report: &mut Report) {
    let told = match api.get("/-/api/v1/workloads").await {
        Ok(told) => told,
        Err(trouble) if trouble.code == "not_allowed" => {
            return report.skip("issuers", "only operators, auditors and administrators may look at them");
        }
        Err(trouble) => return report.skip("issuers", &trouble.sentence),
    };
    for one in told["issuers"].as_array().into_iter().flatten() {
        let text = |key: &str| one[key].as_str();
        let what = format!("issuer {}", text("issuer").unwrap_or("-"));
        let keys = counted(one["keys"].as_u64().unwrap_or_default());
        let heard = match one["age_seconds"].as_u64() {
            Some(age) => format!("{keys}, heard {} ago from {}", span(age), text("from").unwrap_or("-")),
            None => "its keys were not asked for yet: nobody has come with a token of it".to_owned(),
        };
        match text("trouble") {
            None => report.good(&what, heard),
            Some(why) if one["age_seconds"] != Value::Null => {
                let found = format!("{heard}; it cannot be heard now ({why}), and its keys are used for 24 hours");
                report.warn(&what, &found, NEXT);
            }
            Some(why) => report.warn(&what, &format!("its keys were never heard: {why}"), NEXT),
        }
    }
}

/// Whether they answer this machine, which knows the configuration.
pub async fn from_here(config: &Config, report: &mut Report) {
    let identity = &config.identity;
    let issuers = match Issuers::of(&identity.workloads, identity.allow_private_addresses) {
        Ok(issuers) => issuers,
        Err(fault) => return report.warn("issuers", &fault.to_string(), "look into the system's certificates"),
    };
    for state in issuers.ask_all().await {
        let what = format!("issuer {} from here", state.issuer);
        match state.trouble {
            None => report.good(&what, format!("{} at {}", counted(state.keys as u64), state.from)),
            Some(why) => report.warn(&what, &why, NEXT),
        }
    }
}

fn counted(keys: u64) -> String {
    if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }
}

fn span(seconds: u64) -> String {
    let whole = Duration::from_secs(seconds);
    match whole.as_secs() {
        s if s < 120 => format!("{s} seconds"),
        s if s < 7200 => format!("{} minutes", s / 60),
        s => format!("{} hours", s / 3600),
    }
}

const NEXT: &str = "let the gateway reach it (identity.allow_private_addresses for a private one), or give its keys as jwks_file or jwks_url";
