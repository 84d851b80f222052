//! The doors of terminals, in the words of RFC 8628 and RFC 6749 as huggingface_hub speaks them, and the page where a person
//! answers.

use askama::Template;
use http::{Method, StatusCode};
use serde_json::json;

use super::{ACCESS, LIVES, Pair, Told, Waiting, refresh};
use crate::{
    accounts::exchange,
    app::{App, tries},
    clock,
    domain::{
        pattern::Keys,
        refusal::{Code, Fault, Refusal},
        user_code::UserCode,
    },
    endpoint::{
        Endpoint,
        answer::{Json, Page},
        input::{Asked, Knock, Posted},
        open, page,
    },
    gate::{
        act::{Act, AnswerDevice, ViewPage},
        grant::Granted,
        identity::{self, Credential},
    },
};

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    vec![
        // Nobody is known yet: a terminal that wants to be let in, and what it is told.
        open(Method::POST, "/oauth/device", begin),
        open(Method::POST, "/oauth/token", token),
        page(Method::GET, "/-/device", show),
        page(Method::POST, "/-/device", answer),
    ]
}

async fn begin(app: App, _: Keys, knock: Knock) -> Result<Json, Refusal> {
    app.gate.pace_sign_in(&knock.call).await?;
    let Some(client) = client(&knock) else {
        return Ok(no("invalid_request", "client_id is missing, or longer than any."));
    };
    if !app.gate.identity().people {
        let sentence = "Nobody can sign in here yet: no identity provider is configured.";
        let hint = "Ask your Weighbridge operator for a token and paste it: hf auth login --token.";
        return Err(Refusal::new(Code::NotOffered, sentence).hint(hint));
    }
    app.tries.begin(knock.asked.address)?;
    let begun = super::begin(&app, client, &knock.call).await?;
    let page = format!("{}/-/device", app.face.public_url);
    let shown = begun.user_code.shown();
    Ok(Json::new(&json!({
        "device_code": begun.device_code, "user_code": shown, "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={shown}"),
        "interval": tries::EVERY, "expires_in": LIVES,
    })))
}

/// One door for the three ways to a token.
async fn token(app: App, _: Keys, knock: Knock) -> Result<Json, Refusal> {
    match knock.field("grant_type") {
        Some("urn:ietf:params:oauth:grant-type:device_code") => of_a_device(&app, &knock).await,
        Some("refresh_token") => renewed(&app, &knock).await,
        Some(exchange::GRANT) => exchange::exchange(&app, &knock).await,
        Some(_) => Ok(no("unsupported_grant_type", "This gateway gives no tokens for that.")),
        None => Ok(no("invalid_request", "grant_type is missing.")),
    }
}

async fn of_a_device(app: &App, knock: &Knock) -> Result<Json, Refusal> {
    let (Some(code), Some(client)) = (knock.field("device_code"), client(knock)) else {
        return Ok(no("invalid_request", "device_code or client_id is missing."));
    };
    // Anything else than these words would end the terminal's wait.
    let slow = || no("slow_down", "Ask less often.");
    if app.gate.knock(&knock.call).is_err() || !app.tries.waited(identity::hash(code), clock::now()) {
        return Ok(slow());
    }
    match super::take(app, code, client, &knock.call).await? {
        Told::Tokens(pair) => Ok(tokens(&pair)),
        Told::Pending => Ok(no("authorization_pending", "Nobody has answered yet.")),
        Told::Denied => Ok(no("access_denied", "The sign-in was refused.")),
        Told::Expired => Ok(no("expired_token", "The code is no longer good.")),
        Told::Unknown => {
            let unknown = Refusal::new(Code::TokenNotAccepted, "There is no such code, or it was used.");
            let refusal = app.gate.failed_sign_in(unknown, &knock.call).await;
            Ok(no("invalid_grant", &refusal.sentence))
        }
    }
}

async fn renewed(app: &App, knock: &Knock) -> Result<Json, Refusal> {
    let Some(text) = knock.field("refresh_token") else {
        return Ok(no("invalid_request", "refresh_token is missing."));
    };
    app.gate.pace_sign_in_as(&knock.call, text).await?;
    if let Some(pair) = refresh::refresh(app, text, &knock.call).await? {
        return Ok(tokens(&pair));
    }
    let refusal = app.gate.failed_sign_in(refresh::not_renewed(), &knock.call).await;
    Ok(no("invalid_grant", &refusal.line()))
}

fn client(knock: &Knock) -> Option<&str> {
    knock.field("client_id").filter(|id| (1..=100).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()))
}

fn tokens(pair: &Pair) -> Json {
    Json::new(&json!({
        "access_token": pair.access, "refresh_token": pair.refresh, "expires_in": ACCESS, "token_type": "bearer",
    }))
}

/// A no in the words of OAuth.
fn no(error: &str, why: &str) -> Json {
    Json::new(&json!({"error": error, "error_description": why})).status(StatusCode::BAD_REQUEST)
}

#[derive(Template)]
#[template(path = "device.html", config = "dashboards/askama.toml")]
struct DevicePage<'a> {
    prefix: &'a str,
    csrf: &'a str,
    name: &'a str,
    host: &'a str,
    wrong: &'a str,
    step: Step<'a>,
}

enum Step<'a> {
    /// Which code does the terminal show?
    Ask,
    Confirm {
        code: &'a str,
        address: &'a str,
        program: &'a str,
        /// Whether it asks from where this browser is.
        near: bool,
        ago: String,
    },
    Done {
        allowed: bool,
    },
}

/// Shows; whatever the address says, nothing is answered by opening it.
async fn show(app: App, may: Granted<ViewPage>, asked: Asked) -> Result<Page, Refusal> {
    match asked.query("user_code") {
        Some(typed) => confirm(&app, &may, &asked, &typed).await,
        None => draw(&app, &may, "", Step::Ask),
    }
}

async fn answer(app: App, may: Granted<AnswerDevice>, (asked, form): (Asked, Posted)) -> Result<Page, Refusal> {
    let typed = form.get("user_code").unwrap_or_default();
    let allow = match form.get("answer") {
        Some("allow") => true,
        Some("deny") => false,
        _ => return confirm(&app, &may, &asked, typed).await,
    };
    let Some(code) = tried(&app, &may, &asked, typed)? else { return draw(&app, &may, NO_CODE, Step::Ask) };
    let actor = may.actor().clone();
    let done = super::answer(may, &code, allow).await?;
    let step = if done.is_some() { Step::Done { allowed: allow } } else { Step::Ask };
    drawn(&app, &actor, if done.is_some() { "" } else { NO_CODE }, step)
}

async fn confirm<A: Act>(app: &App, may: &Granted<A>, asked: &Asked, typed: &str) -> Result<Page, Refusal> {
    let Some(code) = tried(app, may, asked, typed)? else { return draw(app, may, NO_CODE, Step::Ask) };
    let Some(Waiting { origin, asked_at, .. }) = super::find_waiting(may, &code).await? else {
        return draw(app, may, NO_CODE, Step::Ask);
    };
    let near = origin.address == asked.address.to_canonical().to_string();
    let seconds = (clock::now().0 - asked_at.0) / 1_000_000;
    let ago = if seconds < 120 { format!("{seconds} seconds ago") } else { format!("{} minutes ago", seconds / 60) };
    let step = Step::Confirm { code: &code.shown(), address: &origin.address, program: &origin.program, near, ago };
    draw(app, may, "", step)
}

/// One try of a code, if this may be one at all.
fn tried<A: Act>(app: &App, may: &Granted<A>, asked: &Asked, typed: &str) -> Result<Option<UserCode>, Refusal> {
    app.tries.code(asked.address, may.actor().reference())?;
    Ok(UserCode::parse(typed))
}

fn draw<A: Act>(app: &App, may: &Granted<A>, wrong: &str, step: Step<'_>) -> Result<Page, Refusal> {
    drawn(app, may.actor(), wrong, step)
}

fn drawn(app: &App, actor: &identity::Actor, wrong: &str, step: Step<'_>) -> Result<Page, Refusal> {
    let Credential::Session { csrf, .. } = actor.credential() else { return Err(Refusal::not_found()) };
    let (prefix, host) = (app.face.prefix.as_str(), app.face.public_url.as_str());
    let page = DevicePage { prefix, csrf, name: actor.name(), host, wrong, step };
    Ok(Page(page.render().map_err(|e| Fault::because("drawing a page", e))?))
}

const NO_CODE: &str =
    "No terminal waits with that code. It may be mistyped, answered already, or more than ten minutes old.";
