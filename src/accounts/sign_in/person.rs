//! Somebody who has just signed in: their row, their groups as said this time, and a session.
//!
//! Who they are is issuer and subject and nothing else: addresses and names are for people to read. Never lets somebody in
//! whose account was deactivated.

use serde_json::json;

use super::{LONGEST, callback::refused, proof::Proof, sealed, sql};
use crate::{
    app::{App, providers::Provider},
    clock,
    domain::{
        event::{Kind, ObjectFact},
        refusal::Refusal,
    },
    gate::{Call, Newcomer, act::BeginSession, identity::hash, tx::Change},
    store::tables::{person, session},
};

/// Begins a session, in place of the one that this browser had. Gives the cookie's value.
pub async fn begin_session(
    app: &App,
    provider: &Provider,
    call: &Call,
    proof: &Proof,
    before: Option<[u8; 32]>,
) -> Result<String, Refusal> {
    let setting = &provider.setting;
    let who = Newcomer::Person {
        issuer: &setting.issuer,
        subject: &proof.subject,
        name: &proof.name,
        cause: "signed in with a provider",
    };
    let may = app.gate.admit_newcomer::<BeginSession>(who, call).await?;
    let now = clock::now();
    let replaced = match before {
        Some(before) => sql::find_session_by_hash(may.reader(), &before).await?.filter(|row| row.ended_at.is_none()),
        None => None,
    };
    let (secret, csrf) = (sealed::secret()?, sealed::secret()?);
    let id_token = sealed::seal(&secret, "id token", proof.id_token.as_bytes())?;
    let tx = may.begin().await?;
    let mut found = sql::lock_person(&tx, &setting.issuer, &proof.subject).await?;
    if found.is_none() {
        found = sql::find_pushed(&tx, &setting.name, &proof.subject, setting.subject_is_user_name).await?;
    }
    if found.as_ref().is_some_and(|row| row.deactivated_at.is_some()) {
        return Err(refused("this account is deactivated"));
    }
    let is_new = found.is_none();
    let state_before = found.as_ref().map(|row| row.groups_state.clone()).unwrap_or_default();
    let row = row_of(found, provider, proof, now.0);
    let person_id = row.id.clone();
    let groups_before = sql::list_claimed_groups(&tx, &person_id).await?;
    let session = session::Model {
        id: clock::new_id(),
        hash: hash(&secret).to_vec(),
        person_id: person_id.clone(),
        kind: "oidc".to_owned(),
        provider: Some(setting.name.clone()),
        sid: proof.sid.clone(),
        roles: None,
        csrf,
        id_token: Some(id_token),
        // A provider that does not say when they last proved it has not said that it was now.
        authenticated_at: proof.at.map_or(0, |at| at.0),
        acr: proof.acr.clone(),
        amr: amr(proof),
        created_at: now.0,
        used_at: now.0,
        expires_at: now.plus_seconds(LONGEST.into()).0,
        ended_at: None,
        ended_why: None,
    };
    let detail = json!({
        "session": session.id, "person": person_id, "provider": setting.name,
        "groups": proof.groups.names.len(), "groups_state": proof.groups.state.word(), "acr": proof.acr,
        "authenticated_at": proof.at.map(|at| at.to_string()),
    });
    let mut change = Change::new(detail);
    let moved = groups_before != proof.groups.names || state_before != proof.groups.state.word();
    if is_new || moved {
        let roles = app.gate.identity().mapping.roles(&setting.name, &proof.groups.names);
        let roles: Vec<&str> = roles.iter().map(|held| held.role.word()).collect();
        let object = ObjectFact { kind: "person", id: Some(person_id.clone()), ..ObjectFact::default() };
        let detail = json!({
            "made": is_new, "by": "sign-in", "groups_before": groups_before.len(), "groups": proof.groups.names.len(),
            "groups_state": proof.groups.state.word(), "roles_of_groups": roles,
        });
        change = change.and(Kind::PersonChanged, object, detail);
    }
    sql::save_person(&tx, &may, row, is_new).await?;
    sql::save_groups(&tx, &may, &person_id, &proof.groups.names).await?;
    sql::save_session(&tx, &may, session).await?;
    if let Some(replaced) = replaced {
        sql::end_sessions(&tx, &may, std::slice::from_ref(&replaced.id), "signed in again", now).await?;
        let object = ObjectFact { kind: "session", id: Some(replaced.id), ..ObjectFact::default() };
        change = change.and(Kind::SessionEnded, object, json!({"why": "signed in again"}));
    }
    tx.commit(may, change).await?;
    Ok(secret)
}

/// The row as it is from now on. One that the directory pushed keeps what the directory said.
fn row_of(found: Option<person::Model>, provider: &Provider, proof: &Proof, now: i64) -> person::Model {
    let setting = &provider.setting;
    let mut row = found.unwrap_or_else(|| person::Model {
        id: clock::new_id(),
        issuer: setting.issuer.clone(),
        subject: proof.subject.clone(),
        provider: setting.name.clone(),
        name: proof.name.clone(),
        email: None,
        user_name: None,
        external_id: None,
        made_by: "sign-in".to_owned(),
        groups_state: String::new(),
        scim: None,
        created_at: now,
        updated_at: now,
        seen_at: None,
        deactivated_at: None,
        deactivated_by: None,
    });
    // What the directory says of somebody is the directory's to say.
    if row.made_by != "scim" && row.scim.is_none() {
        row.name.clone_from(&proof.name);
        row.email.clone_from(&proof.email);
        row.user_name.clone_from(&proof.user_name);
    }
    row.issuer.clone_from(&setting.issuer);
    row.subject.clone_from(&proof.subject);
    row.provider.clone_from(&setting.name);
    proof.groups.state.word().clone_into(&mut row.groups_state);
    (row.updated_at, row.seen_at) = (now, Some(now));
    row
}

/// How they proved it, as the provider says.
pub fn amr(proof: &Proof) -> Option<String> {
    (!proof.amr.is_empty()).then(|| proof.amr.join(" "))
}
