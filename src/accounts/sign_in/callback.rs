//! Coming back from a provider: what was begun is taken, once, and what the provider says is looked at part by part.
//!
//! Never gives a session before all of it was found right, and every way that fails is counted like a bad token.

use super::{
    begin::{self, COOKIE, Kept, Purpose},
    person,
    proof::{self, NoProof, Proof, Question},
    sealed, sql, step_up,
};
use crate::{
    app::{App, providers::Provider},
    clock,
    domain::{
        refusal::{Code, Refusal},
        time::Micros,
    },
    endpoint::{answer::SetCookie, input::Knock},
    gate::identity::{self, cookie, hash},
    store::tables::sign_in,
};

/// Signed in, or proved anew: where to go on, and the browser's new cookies.
pub struct Came {
    pub to: String,
    pub cookies: Vec<SetCookie>,
}

pub async fn come_back(app: &App, provider: &Provider, knock: &Knock) -> Result<Came, Refusal> {
    app.gate.pace_sign_in(&knock.call).await?;
    match Box::pin(come(app, provider, knock)).await {
        Err(refusal) if matches!(refusal.code.status(), 400..=403) => {
            tracing::info!(provider = %provider.setting.name, why = refusal.sentence, "a sign-in was refused");
            Err(app.gate.failed_sign_in(refusal, &knock.call).await)
        }
        answer => answer,
    }
}

async fn come(app: &App, provider: &Provider, knock: &Knock) -> Result<Came, Refusal> {
    let (row, binding, state) = begun(app, provider, knock).await?;
    let now = clock::now();
    if !sql::take_begun(&app.chores, &hash(&state), now).await? {
        return Err(refused("this sign-in was finished before, or its ten minutes are over"));
    }
    if once(knock, "error").is_some() {
        return Err(refused("the provider did not let you in"));
    }
    named(provider, once(knock, "iss").as_deref()).await?;
    let code = once(knock, "code").filter(|code| !code.is_empty() && code.len() <= 4000);
    let code = code.ok_or_else(|| refused("the provider sent no code"))?;
    let kept = sealed::open(&binding, &state, &row.sealed).and_then(|clear| serde_json::from_slice(&clear).ok());
    let Kept { nonce, verifier } = kept.ok_or_else(|| refused("it was begun in another browser"))?;
    let redirect = begin::redirect(app, provider);
    let purpose = match row.credential.clone() {
        Some(credential) if row.purpose == "step-up" => Purpose::StepUp(credential),
        _ => Purpose::SignIn,
    };
    let anew = purpose != Purpose::SignIn;
    let question = Question { state: &state, nonce: &nonce, verifier: &verifier, redirect: &redirect, anew };
    let proof = proof::fetch(provider, &code, &question).await.map_err(|no| match no {
        NoProof::Down(fault) => begin::down(provider, &fault),
        NoProof::Wrong(why) => refused(why),
    })?;
    let mut came = match purpose {
        Purpose::SignIn => signed_in(app, provider, knock, &proof, row.return_to).await?,
        Purpose::StepUp(credential) => {
            let began = Micros(row.created_at);
            step_up::finish(app, provider, knock, &proof, &credential, began, row.return_to).await?
        }
    };
    came.cookies.push(SetCookie { name: COOKIE, value: String::new(), for_seconds: 0 });
    Ok(came)
}

/// What this browser began under this state at this provider.
async fn begun(app: &App, provider: &Provider, knock: &Knock) -> Result<(sign_in::Model, String, String), Refusal> {
    let state = once(knock, "state").filter(|state| sealed::is_secret(state));
    let state = state.ok_or_else(|| refused("it names no sign-in that was begun here"))?;
    let binding = cookie(&knock.asked.headers, COOKIE).filter(|value| sealed::is_secret(value));
    let binding = binding.ok_or_else(|| refused("it was begun in another browser, or more than ten minutes ago"))?;
    let row = sql::find_begun(&app.chores, &hash(&state)).await?;
    let row = row.ok_or_else(|| refused("it names no sign-in that was begun here"))?;
    if row.binding_hash != hash(binding) {
        return Err(refused("it was begun in another browser"));
    }
    if row.provider != provider.setting.name {
        return Err(refused("it was begun with another provider"));
    }
    Ok((row, binding.to_owned(), state))
}

/// The answer of one provider must not be taken for another's (RFC 9207).
async fn named(provider: &Provider, issuer: Option<&str>) -> Result<(), Refusal> {
    let document = provider.document().await.map_err(|fault| begin::down(provider, &fault))?;
    match issuer {
        Some(issuer) if issuer != provider.setting.issuer => Err(refused("another provider answered")),
        None if document.authorization_response_iss_parameter_supported => {
            Err(refused("the answer does not say which provider it comes from"))
        }
        _ => Ok(()),
    }
}

async fn signed_in(app: &App, provider: &Provider, knock: &Knock, proof: &Proof, to: String) -> Result<Came, Refusal> {
    let before = cookie(&knock.asked.headers, identity::COOKIE).map(hash);
    let secret = person::begin_session(app, provider, &knock.call, proof, before).await?;
    Ok(Came { to, cookies: vec![session_cookie(secret)] })
}

/// For as long as a session can last at most; when it ends is decided here and not in the browser.
pub fn session_cookie(secret: String) -> SetCookie {
    SetCookie { name: identity::COOKIE, value: secret, for_seconds: super::LONGEST }
}

/// A query parameter that was sent once: two of a name are one too many.
fn once(knock: &Knock, name: &str) -> Option<String> {
    let mut all = knock.asked.queries().into_iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    all.next().filter(|_| all.next().is_none())
}

pub fn refused(why: &str) -> Refusal {
    let sentence = format!("You are not signed in: {why}.");
    Refusal::new(Code::TokenNotAccepted, sentence).hint("Begin again, and if it stays so, tell your operator.")
}
