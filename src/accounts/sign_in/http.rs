//! The pages of signing in, and the addresses that providers call.

use askama::Template;
use http::Method;
use serde_json::json;

use super::{
    account::{self, Account},
    begin::{self, Begun, COOKIE, Purpose, begin},
    callback, logout, step_up,
};
use crate::{
    app::{App, providers::Provider},
    domain::{
        pattern::Keys,
        refusal::{Code, Fault, Refusal},
    },
    endpoint::{
        Endpoint,
        answer::{Away, Either, Json, Page, Redirect, SetCookie, With},
        endpoint,
        input::{Asked, Knock, Posted},
        open, page,
    },
    gate::{
        act::{EndOwnSession, EndSessionsOf, ReadOwnSessions, ReadPerson},
        grant::Granted,
        identity::{self, Credential, cookie},
    },
};

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        open(get.clone(), "/-/sign-in", choose),
        open(get.clone(), "/-/oidc/{provider}/start", start),
        open(get.clone(), "/-/oidc/{provider}/callback", come_back),
        open(post.clone(), "/-/oidc/{provider}/backchannel-logout", signed_out_there),
        page(get.clone(), "/-/account", show_account),
        page(post.clone(), "/-/account/end-session", end_session),
        page(post.clone(), "/-/sign-out", sign_out),
        page(get.clone(), "/-/step-up", ask_again),
        page(post.clone(), "/-/step-up", go_and_prove),
        endpoint(get, "/-/api/v1/people/{id}/sessions", list_sessions),
        endpoint(post, "/-/api/v1/people/{id}/end-sessions", end_sessions),
    ]
}

#[derive(Template)]
#[template(path = "sign-in.html", config = "dashboards/askama.toml")]
struct SignIn<'a> {
    prefix: &'a str,
    providers: &'a [String],
    to: &'a str,
    /// The id of a refusal that somebody wants to read, for those who have a token only.
    decision: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "account.html", config = "dashboards/askama.toml")]
struct AccountPage<'a> {
    prefix: &'a str,
    account: &'a Account,
}

#[derive(Template)]
#[template(path = "step-up.html", config = "dashboards/askama.toml")]
struct StepUp<'a> {
    prefix: &'a str,
    what: &'a str,
    id: &'a str,
    to: &'a str,
    provider: &'a str,
    csrf: &'a str,
}

#[derive(Template)]
#[template(path = "on-the-way.html", config = "dashboards/askama.toml")]
struct OnTheWay<'a> {
    prefix: &'a str,
    title: &'a str,
    more: &'a str,
    link: &'a str,
    address: &'a str,
}

/// Which provider. Looks at nobody's cookie: the page is the same for all.
async fn choose(app: App, _: Keys, knock: Knock) -> Result<Page, Refusal> {
    app.gate.knock(&knock.call)?;
    let to = begin::own_path(&app, &knock.asked.query("to").unwrap_or_default());
    let decision = to.strip_prefix(&format!("{}/-/r/", app.face.prefix));
    let decision = decision.filter(|id| id.len() <= 40 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    let quoted: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    drawn(&SignIn { prefix: &app.face.prefix, providers: &app.providers.names(), to: &quoted, decision })
}

/// Off to the provider.
async fn start(app: App, keys: Keys, knock: Knock) -> Result<With<Away>, Refusal> {
    app.gate.pace_sign_in(&knock.call).await?;
    let provider = provider(&app, &keys)?;
    let to = knock.asked.query("to").unwrap_or_default();
    let had = cookie(&knock.asked.headers, COOKIE);
    let Begun { address, cookie } = begin(&app, &provider, Purpose::SignIn, &to, had).await?;
    Ok(With { answer: Away(address), cookies: vec![cookie] })
}

/// Back from it.
async fn come_back(app: App, keys: Keys, knock: Knock) -> Result<With<Redirect>, Refusal> {
    let provider = provider(&app, &keys)?;
    let came = callback::come_back(&app, &provider, &knock).await?;
    Ok(With { answer: Redirect(came.to), cookies: came.cookies })
}

async fn signed_out_there(app: App, keys: Keys, knock: Knock) -> Result<Json, Refusal> {
    let provider = provider(&app, &keys)?;
    let ended = logout::heard(&app, &provider, &knock).await?;
    Ok(Json::new(&json!({"ended": ended})))
}

async fn show_account(app: App, may: Granted<ReadOwnSessions>, (): ()) -> Result<Page, Refusal> {
    let account = account::own(&app, &may).await?;
    drawn(&AccountPage { prefix: &app.face.prefix, account: &account })
}

async fn end_session(app: App, may: Granted<EndOwnSession>, form: Posted) -> Result<Redirect, Refusal> {
    let id = form.get("session").unwrap_or_default().to_owned();
    let this = account::end_own(may, &id).await?;
    let page = if this { "sign-in" } else { "account" };
    Ok(Redirect(format!("{}/-/{page}", app.face.prefix)))
}

/// A form must not be answered with a way to another host, which browsers refuse to follow: so a page leads on.
async fn sign_out(
    app: App,
    may: Granted<EndOwnSession>,
    form: Posted,
) -> Result<With<Either<Page, Redirect>>, Refusal> {
    let session = cookie(form.headers(), identity::COOKIE);
    let there = logout::sign_out(&app, may, session).await?;
    let gone = SetCookie { name: identity::COOKIE, value: String::new(), for_seconds: 0 };
    let answer = match there {
        Some((address, name)) => Either::First(drawn(&OnTheWay {
            prefix: &app.face.prefix,
            title: "You are signed out here",
            more: &format!("On the way to {name}, to sign out there too."),
            link: &format!("Go on to {name}"),
            address: address.as_str(),
        })?),
        None => Either::Second(Redirect(format!("{}/-/sign-in", app.face.prefix))),
    };
    Ok(With { answer, cookies: vec![gone] })
}

/// Says what is about to be raised. That this person is signed in was seen to before.
async fn ask_again(app: App, may: Granted<ReadOwnSessions>, asked: Asked) -> Result<Page, Refusal> {
    let (provider, csrf) = of_session(&app, &may)?;
    let id = asked.query("for").unwrap_or_default();
    let raises = step_up::find(&may, &id).await?;
    let to = begin::own_path(&app, &asked.query("to").unwrap_or_default());
    let (prefix, provider) = (&app.face.prefix, &provider.setting.name);
    drawn(&StepUp { prefix, what: &raises.what, id: &raises.id, to: &to, provider, csrf: &csrf })
}

async fn go_and_prove(app: App, may: Granted<ReadOwnSessions>, form: Posted) -> Result<With<Page>, Refusal> {
    let (provider, _) = of_session(&app, &may)?;
    let raises = step_up::find(&may, form.get("for").unwrap_or_default()).await?;
    let purpose = Purpose::StepUp(raises.id);
    let had = cookie(form.headers(), COOKIE);
    let to = form.get("to").unwrap_or_default();
    let Begun { address, cookie } = begin(&app, &provider, purpose, to, had).await?;
    let name = &provider.setting.name;
    let answer = drawn(&OnTheWay {
        prefix: &app.face.prefix,
        title: &format!("On the way to {name}"),
        more: "Prove there who you are, and you come back here.",
        link: &format!("Go on to {name}"),
        address: address.as_str(),
    })?;
    Ok(With { answer, cookies: vec![cookie] })
}

async fn list_sessions(_: App, may: Granted<ReadPerson>, (): ()) -> Result<Json, Refusal> {
    Ok(Json::new(&account::of(&may).await?))
}

async fn end_sessions(_: App, may: Granted<EndSessionsOf>, (): ()) -> Result<Json, Refusal> {
    Ok(Json::new(&account::end_of(may).await?))
}

/// The provider that this session was begun with, and what its forms carry.
fn of_session(app: &App, may: &Granted<ReadOwnSessions>) -> Result<(std::sync::Arc<Provider>, String), Refusal> {
    let actor = may.actor();
    let provider = actor.person().and_then(|person| app.providers.find(&person.provider));
    let Credential::Session { csrf, .. } = actor.credential() else {
        return Err(Refusal::bad_input("Proving it again is done in a browser."));
    };
    let gone = || {
        let sentence = "The provider that you signed in with is not configured here any more.";
        Refusal::new(Code::NotAllowed, sentence).hint("Sign out, and sign in with another one.")
    };
    Ok((provider.ok_or_else(gone)?, csrf.clone()))
}

fn provider(app: &App, keys: &Keys) -> Result<std::sync::Arc<Provider>, Refusal> {
    app.providers.find(keys.get("provider").unwrap_or_default()).ok_or_else(|| {
        let sentence = "There is no provider of this name here.";
        Refusal::new(Code::NotFound, sentence).hint("The page /-/sign-in shows which there are.")
    })
}

fn drawn(template: &impl Template) -> Result<Page, Refusal> {
    let html = template.render().map_err(|e| Fault::because("drawing a page", e))?;
    Ok(Page(html))
}
