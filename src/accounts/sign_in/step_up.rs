//! Proving again who one is, because something that is about to be done needs it.
//!
//! Raises a session or a token of the same person, which the person was shown by name. Never raises anybody else's, and
//! never on a proof that is older than the question.

use serde_json::json;

use super::{
    callback::{Came, refused, session_cookie},
    person::amr,
    proof::{Proof, SKEW},
    sealed, sql,
};
use crate::{
    app::{App, providers::Provider},
    clock,
    domain::{
        refusal::{Code, Refusal},
        time::Micros,
    },
    endpoint::input::Knock,
    gate::{
        Newcomer,
        act::{Act, ElevateCredential},
        grant::Granted,
        identity::{Actor, Credential, hash},
        tx::Change,
    },
    store::tables::elevation,
};

/// What is raised, in words for the person who is asked.
#[derive(Debug)]
pub struct Raises {
    pub id: String,
    pub what: String,
}

/// The credential of this id, where it is this person's own.
pub async fn find<A: Act>(may: &Granted<A>, id: &str) -> Result<Raises, Refusal> {
    let unknown = || {
        let sentence = "There is no session or token of yours with this id.";
        Refusal::new(Code::NotFound, sentence).hint("Follow the link that the refusal showed, as the same person.")
    };
    let actor = may.actor();
    let mine = actor.person().map(|person| person.id.as_str()).ok_or_else(unknown)?;
    if matches!(actor.credential(), Credential::Session { id: own, .. } if own == id) {
        return Ok(Raises { id: id.to_owned(), what: "this browser's session".to_owned() });
    }
    let now = clock::now().0;
    let token = sql::find_token(may.reader(), id)
        .await?
        .filter(|row| row.person_id.as_deref() == Some(mine) && row.revoked_at.is_none() && row.expires_at > now);
    let token = token.ok_or_else(unknown)?;
    let made = Micros(token.created_at).to_minute_text();
    Ok(Raises { id: token.id, what: format!("the {} token “{}”, made {made}", token.class, token.name) })
}

/// The provider has answered: the proof has to be newer than the question, worth enough, and the same person's.
pub async fn finish(
    app: &App,
    provider: &Provider,
    knock: &Knock,
    proof: &Proof,
    credential: &str,
    began: Micros,
    to: String,
) -> Result<Came, Refusal> {
    let setting = &provider.setting;
    let at = proof.at.filter(|at| *at >= began.plus_seconds(-SKEW));
    let at = at.ok_or_else(|| refused("the provider does not say that you proved just now who you are"))?;
    if setting.acr.is_some() && setting.acr != proof.acr {
        return Err(refused("the provider does not say that you proved it as well as is asked here"));
    }
    let actor = app.gate.identify_session(&knock.asked.headers, &knock.call).await;
    // A provider that somebody else signs in to may have told us that the first one is gone.
    let actor = actor.map_err(|refusal| match refusal.code {
        Code::SignInRequired | Code::TokenNotAccepted => refused("your session here has ended meanwhile"),
        _ => refusal,
    })?;
    let who = Newcomer::Person {
        issuer: &setting.issuer,
        subject: &proof.subject,
        name: &proof.name,
        cause: "proved again who they are",
    };
    let may = app.gate.admit_newcomer::<ElevateCredential>(who, &knock.call).await?;
    let known = sql::find_person(may.reader(), &setting.issuer, &proof.subject).await?;
    let known = known.filter(|row| actor.person().is_some_and(|person| person.id == row.id));
    let known = known.ok_or_else(|| refused("somebody else proved who they are"))?;
    if matches!(actor.credential(), Credential::Session { id, .. } if id == credential) {
        return raise_session(may, proof, credential, at, to).await;
    }
    let token = own_token(&may, &actor, credential).await?;
    let detail = json!({"credential": token, "kind": "token", "provider": setting.name, "acr": proof.acr});
    let row =
        elevation::Model { credential_id: token, person_id: known.id, authenticated_at: at.0, acr: proof.acr.clone() };
    let tx = may.begin().await?;
    sql::save_elevation(&tx, &may, row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(Came { to, cookies: Vec::new() })
}

async fn own_token(may: &Granted<ElevateCredential>, actor: &Actor, id: &str) -> Result<String, Refusal> {
    let token = sql::find_token(may.reader(), id).await?;
    let mine = actor.person().map(|person| person.id.clone());
    let token = token.filter(|row| row.person_id == mine && row.revoked_at.is_none());
    token.map(|row| row.id).ok_or_else(|| refused("what was to be raised is not yours, or not any more"))
}

async fn raise_session(
    may: Granted<ElevateCredential>,
    proof: &Proof,
    id: &str,
    at: Micros,
    to: String,
) -> Result<Came, Refusal> {
    let secret = sealed::secret()?;
    let raised = sql::Raised {
        hash: hash(&secret),
        csrf: sealed::secret()?,
        id_token: sealed::seal(&secret, "id token", proof.id_token.as_bytes())?,
        sid: proof.sid.clone(),
        at,
        acr: proof.acr.clone(),
        amr: amr(proof),
    };
    let tx = may.begin().await?;
    if !sql::raise_session(&tx, &may, id, raised).await? {
        return Err(refused("this session was ended meanwhile"));
    }
    let detail = json!({"credential": id, "kind": "session", "acr": proof.acr});
    tx.commit(may, Change::new(detail)).await?;
    Ok(Came { to, cookies: vec![session_cookie(secret)] })
}
