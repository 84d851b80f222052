//! Who uses the demo: a token for each role, and what happened before you came.
//!
//! Tokens are made as `token create` makes them, with the host's own grant. What happened goes through the gateway's
//! address like anybody's requests. Never writes a token anywhere.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    accounts::{self, Wanted},
    cli::{
        Failure,
        api::{self, Api},
        assembly::Host,
        sign_in::SignIn,
    },
    clock,
    config::Secret,
    domain::{
        name::RepoName,
        role::{Environment, Reach, Role},
        token::Shape,
    },
    gate::{act::CreateToken, object::Tokens},
};

/// Everybody's tokens.
pub struct People {
    /// One for each role, in the order of `Role::ALL`.
    pub roles: Vec<(Role, Secret)>,
    /// A developer who was here before.
    ben: Secret,
}

/// What was done before anybody pasted a line.
pub struct History {
    /// The refusal that Ben met.
    pub decision: String,
}

pub async fn invite(host: &Host) -> Result<People, Failure> {
    let mut roles = Vec::new();
    for role in Role::ALL {
        // A cluster is where models run in earnest, a build where they are tried; this reviewer decides about trying.
        let reach = match role {
            Role::Cluster => of("prod"),
            Role::Ci | Role::Reviewer => of("research"),
            _ => Reach::All,
        };
        roles.push((role, token(host, role.word(), role, reach).await?));
    }
    let ben = token(host, "ben", Role::Developer, Reach::All).await?;
    Ok(People { roles, ben })
}

fn of(environment: &str) -> Reach {
    Reach::These(Environment::new(environment).into_iter().collect())
}

async fn token(host: &Host, name: &str, role: Role, reach: Reach) -> Result<Secret, Failure> {
    let cluster = (role == Role::Cluster).then(|| "demo".to_owned());
    let expires_at = clock::now().plus_seconds(LIFE);
    let wanted = Wanted {
        name: name.to_owned(),
        holder: accounts::Holder::Role(role),
        provider: None,
        reach,
        cluster,
        expires_at,
        shape: Shape::Own,
    };
    let may = host.gate.admit_host::<CreateToken>("demo", Tokens)?;
    Ok(Secret::new(accounts::create(may, wanted).await?.text))
}

/// Ben uses `acme/hijacked` while it is still what it says; and he was refused `acme/old-pickle`, and asked for it.
pub async fn remember(people: &People, url: &str) -> Result<History, Failure> {
    let sign_in = SignIn {
        base: url.to_owned(),
        base_from: "the demo",
        token: Some(people.ben.clone()),
        token_from: "the demo".to_owned(),
    };
    let api = Api::new(sign_in).map_err(Failure::Failed)?;
    let (used, refused) = tokio::join!(
        answer(&api, "/acme/hijacked/resolve/main/config.json"),
        answer(&api, "/acme/old-pickle/resolve/main/config.json")
    );
    let used = used?;
    if !used.status().is_success() {
        return Err(unlike("acme/hijacked", &used));
    }
    let refused = refused?;
    let message = refused.headers().get("x-error-message").and_then(|text| text.to_str().ok()).unwrap_or_default();
    let Some((_, decision)) = message.rsplit_once("/-/r/").filter(|_| refused.status() == StatusCode::FORBIDDEN) else {
        return Err(unlike("acme/old-pickle", &refused));
    };
    let decision = decision.chars().take_while(char::is_ascii_alphanumeric).collect();
    let repo = RepoName::parse("acme/old-pickle").ok_or(Failure::Said)?;
    let path = format!("/-/api/v1/environments/research/requests/{}/main", api::typed(&repo));
    api.post(&path, &json!({"reason": "our search has run on it for years"})).await?;
    Ok(History { decision })
}

/// Its answer, once it has one.
async fn answer(api: &Api, path: &str) -> Result<Response, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        let response = api.send(Method::GET, path, &[], None).await?;
        let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&response.status());
        if !later || Instant::now() > until {
            return Ok(response);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn unlike(repo: &str, response: &Response) -> Failure {
    let status = response.status().as_u16();
    Failure::Failed(format!(
        "The demo's gateway answered {status} for {repo}, and the demo was built for another answer."
    ))
}

/// In seconds: longer than anybody looks at a demo.
const LIFE: i64 = 86_400;
/// How long the first verdicts may take on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);
