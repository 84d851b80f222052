//! RFC 8693: a build job's proof of who it is, exchanged for a token of ours that lives an hour at most.
//!
//! One proof is exchanged once, unless its rule says that a whole job shares it. Never takes a proof that would not be
//! taken as it is, and never makes a token that outlives it.

use http::StatusCode;
use serde_json::json;

use super::{
    tokens::mint::{Minted, Seed, mint},
    workloads::sql,
};
use crate::{
    app::App,
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        role::Reach,
        time::Micros,
        token::{Class, Shape},
    },
    endpoint::{answer::Json, input::Knock},
    gate::{Newcomer, act::ExchangeToken, identity::Proven, tx::Change},
};

/// The grant type that `/oauth/token` hands to `exchange`.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Answers one request for an exchange. What is wrong with it is an answer too, as OAuth words it; a refusal is for what
/// another try may find better.
pub async fn exchange(app: &App, knock: &Knock) -> Result<Json, Refusal> {
    app.gate.pace_sign_in(&knock.call).await?;
    let given = match asked(knock) {
        Ok(given) => given,
        Err(why) => return Ok(no("invalid_request", why)),
    };
    let proven = match app.gate.prove_workload(given).await {
        Ok(proven) => proven,
        Err(refusal) if refusal.code == Code::TokenNotAccepted => {
            return Ok(no("invalid_grant", &app.gate.failed_sign_in(refusal, &knock.call).await.line()));
        }
        Err(refusal) => return Err(refusal),
    };
    match make(app, knock, &proven).await? {
        Made::Token { text, lives } => Ok(Json::new(&json!({
            "access_token": text, "token_type": "bearer", "expires_in": lives, "issued_token_type": ACCESS_TOKEN,
        }))),
        Made::Nothing(why) => {
            let refusal = Refusal::new(Code::TokenNotAccepted, why);
            Ok(no("invalid_grant", &app.gate.failed_sign_in(refusal, &knock.call).await.line()))
        }
    }
}

/// The proof, if the request is one for an exchange of it and of nothing else.
fn asked(knock: &Knock) -> Result<&str, &'static str> {
    if knock.field("grant_type") != Some(GRANT) {
        return Err("The grant_type is not a token exchange.");
    }
    if !matches!(knock.field("subject_token_type"), Some(ID_TOKEN | JWT)) {
        return Err("The subject_token_type is not one we take: urn:ietf:params:oauth:token-type:id_token.");
    }
    if knock.field("requested_token_type").is_some_and(|kind| kind != ACCESS_TOKEN) {
        return Err("Only access tokens are given in exchange.");
    }
    if knock.field("actor_token").is_some() {
        return Err("Nobody acts for somebody else here: leave the actor_token out.");
    }
    knock.field("subject_token").filter(|token| !token.is_empty()).ok_or("There is no subject_token.")
}

enum Made {
    Token { text: String, lives: i64 },
    Nothing(&'static str),
}

async fn make(app: &App, knock: &Knock, proven: &Proven) -> Result<Made, Refusal> {
    let now = clock::now();
    let lives = (proven.expires_at.seconds() - now.seconds()).min(LONGEST);
    if lives <= 0 {
        return Ok(Made::Nothing("This workload's token is not accepted: its time is over."));
    }
    let source = &proven.workload;
    let who = Newcomer::Workload { issuer: &source.issuer, subject: &source.subject, cause: "token exchange" };
    let may = app.gate.admit_newcomer::<ExchangeToken>(who, &knock.call).await?;
    let expires_at = now.plus_seconds(lives);
    let Minted { text, mut row } = mint(Seed {
        class: Class::Exchanged,
        shape: Shape::Own,
        name: &proven.name,
        person_id: None,
        family: None,
        scopes: None,
        reach: &Reach::These(vec![proven.environment.clone()]),
        expires_at,
        by: may.actor().reference(),
    })?;
    proven.role.word().clone_into(&mut row.role);
    row.cluster.clone_from(&proven.cluster);
    let written = serde_json::to_string(source).map_err(|e| Fault::because("writing what a token is for", e))?;
    row.workload = Some(written);
    let detail = json!({
        "token_id": row.id, "for_token_id": source.id, "issuer": source.issuer, "role": row.role, "reach": row.reach,
        "cluster": row.cluster, "expires_at": expires_at.to_string(),
    });
    let tx = may.begin().await?;
    if !proven.exchange_again {
        // As long as the proof itself could come again, clocks apart.
        let until = Micros(proven.expires_at.0).plus_seconds(LONGEST);
        if !sql::save_seen(&tx, &may, &source.issuer, &source.id, until).await? {
            return Ok(Made::Nothing(
                "This token was exchanged already: ask its issuer for another, or set exchange = \"again\" where a whole job shares one.",
            ));
        }
    }
    sql::save_token(&tx, &may, row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(Made::Token { text, lives })
}

/// A no as OAuth words it, with the sentence where huggingface_hub shows it.
fn no(error: &str, why: &str) -> Json {
    let answer = Json::new(&json!({"error": error, "error_description": why})).status(StatusCode::BAD_REQUEST);
    answer.header("x-error-message", why.to_owned())
}

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// An hour.
const LONGEST: i64 = 3600;
