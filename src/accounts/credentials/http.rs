//! One's own credential at the hub: giving it, seeing that it is there, taking it away.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Owner, sql};
use crate::{
    app::App,
    domain::{
        refusal::{Code, Refusal},
        time::Micros,
    },
    endpoint::{Endpoint, answer, endpoint, input::Json},
    gate::{
        act::{KeepOwnCredential, ReadAccount, RemoveOwnCredential},
        grant::Granted,
        identity::Actor,
    },
};

const PATH: &str = "/-/api/v1/account/upstream-credential";

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    vec![endpoint(Method::GET, PATH, show), endpoint(Method::PUT, PATH, keep), endpoint(Method::DELETE, PATH, remove)]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    token: String,
}

async fn show(_: App, may: Granted<ReadAccount>, (): ()) -> Result<answer::Json, Refusal> {
    let row = match may.actor().person() {
        Some(person) => sql::find_own(may.reader(), &person.id).await?,
        None => None,
    };
    let told = row.map(|row| {
        json!({
            "id": row.id, "hub_user": row.hub_user, "created_at": Micros(row.created_at).to_millis_text(),
            "last_used_at": row.last_used_at.map(|at| Micros(at).to_millis_text()),
        })
    });
    Ok(answer::Json::new(&json!({ "credential": told })))
}

async fn keep(app: App, may: Granted<KeepOwnCredential>, Json(given): Json<Given>) -> Result<answer::Json, Refusal> {
    let owner = Owner { kind: "person", id: person_id(may.actor())? };
    let kept = super::keep(&app.gate, &app.upstream, may, owner, &given.token).await?;
    Ok(answer::Json::new(&json!({"credential": {"id": kept.id, "hub_user": kept.hub_user}})))
}

async fn remove(_: App, may: Granted<RemoveOwnCredential>, (): ()) -> Result<answer::Json, Refusal> {
    let row = sql::find_own(may.reader(), &person_id(may.actor())?).await?;
    let removed = match row {
        Some(row) => super::remove(may, &row.id).await?,
        None => false,
    };
    Ok(answer::Json::new(&Value::from(serde_json::Map::from_iter([("removed".to_owned(), removed.into())]))))
}

fn person_id(actor: &Actor) -> Result<String, Refusal> {
    let person = actor.person().map(|person| person.id.clone());
    person.ok_or_else(|| {
        let sentence = "Only people have a credential of their own; a machine's environment has one instead.";
        Refusal::new(Code::NotAllowed, sentence)
            .hint("Your operator sets it: weighbridge upstream-credential set --env NAME.")
    })
}
