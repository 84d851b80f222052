//! The way to a provider: what a browser takes along, and what stays here until it comes back.
//!
//! The row that stays is of no use to whoever reads it: nonce and verifier are sealed with a secret that only the
//! browser's cookie holds. Never leads anywhere but to the provider, and back to a path of our own.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    proof::{self, Question},
    sealed, sql,
};
use crate::{
    app::{App, providers::Provider},
    clock,
    domain::refusal::{Code, Fault, Refusal},
    endpoint::answer::SetCookie,
    gate::identity::hash,
    store::tables::sign_in,
};

/// The cookie that binds a sign-in to the browser that began it.
pub const COOKIE: &str = "__Host-wb_login";

/// What it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    /// Proving again who one is, for this credential.
    StepUp(String),
}

/// What is sealed in the row.
#[derive(Deserialize, Serialize)]
pub struct Kept {
    pub nonce: String,
    pub verifier: String,
}

/// Where the browser goes now, and what it takes along.
pub struct Begun {
    pub address: Url,
    pub cookie: SetCookie,
}

pub async fn begin(
    app: &App,
    provider: &Provider,
    purpose: Purpose,
    return_to: &str,
    had: Option<&str>,
) -> Result<Begun, Refusal> {
    let document = provider.document().await.map_err(|fault| down(provider, &fault))?;
    // A sign-in in another tab of the same browser stays good.
    let binding = match had.filter(|had| sealed::is_secret(had)) {
        Some(had) => had.to_owned(),
        None => sealed::secret()?,
    };
    let state = sealed::secret()?;
    let kept = Kept { nonce: sealed::secret()?, verifier: sealed::secret()? };
    let clear = serde_json::to_vec(&kept).map_err(|_| Fault::new("writing down a nonce"))?;
    let redirect = redirect(app, provider);
    let question = Question {
        state: &state,
        nonce: &kept.nonce,
        verifier: &kept.verifier,
        redirect: &redirect,
        anew: purpose != Purpose::SignIn,
    };
    let address = proof::address(provider, &document, &question)?;
    let now = clock::now();
    let (purpose, credential) = match purpose {
        Purpose::SignIn => ("sign-in", None),
        Purpose::StepUp(id) => ("step-up", Some(id)),
    };
    let row = sign_in::Model {
        state_hash: hash(&state).to_vec(),
        provider: provider.setting.name.clone(),
        binding_hash: hash(&binding).to_vec(),
        sealed: sealed::seal(&binding, &state, &clear)?,
        purpose: purpose.to_owned(),
        credential,
        return_to: own_path(app, return_to),
        created_at: now.0,
        expires_at: now.plus_seconds(TIME.into()).0,
        used_at: None,
    };
    sql::save_begun(&app.chores, row, now).await?;
    Ok(Begun { address, cookie: SetCookie { name: COOKIE, value: binding, for_seconds: TIME } })
}

/// Where the provider sends browsers back to.
pub fn redirect(app: &App, provider: &Provider) -> String {
    format!("{}/-/oidc/{}/callback", app.face.public_url, provider.setting.name)
}

/// A path of ours, with the prefix it is under; anything else becomes the first page.
pub fn own_path(app: &App, asked: &str) -> String {
    let prefix = app.face.prefix.as_str();
    let home = format!("{prefix}/-/account");
    let plain = asked.len() <= 2000 && asked.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b'\\');
    let inside = asked.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("/-/") || rest == "/-");
    // Read as a browser reads it: dots and double slashes must not lead out of it.
    let base = Url::parse("https://own.invalid/").ok();
    let read = base.as_ref().and_then(|base| base.join(asked).ok()).filter(|_| plain && inside);
    let Some(read) = read.filter(|url| base.as_ref().is_some_and(|base| base.origin() == url.origin())) else {
        return home;
    };
    let path = read.path();
    let still = path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("/-/") || rest == "/-");
    let loops = path.ends_with("/-/sign-in") || path.ends_with("/-/sign-out") || path.contains("/-/oidc/");
    if !still || loops || path.starts_with("//") {
        return home;
    }
    read.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

/// A provider that does not answer keeps new sign-ins waiting, and nothing else.
pub fn down(provider: &Provider, fault: &Fault) -> Refusal {
    let name = &provider.setting.name;
    tracing::warn!(provider = %name, %fault, "a sign-in has to wait");
    let sentence = format!("{name} does not answer, so new sign-ins with it wait.");
    let hint = "Whoever is signed in stays so, and every token goes on. Try again in a minute.";
    Refusal::new(Code::Unavailable, sentence).hint(hint).retry_after(60)
}

/// Ten minutes.
const TIME: u32 = 600;
