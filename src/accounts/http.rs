//! Who one is to Weighbridge: the role, the environments and the end of one's own credential.

use http::Method;
use serde_json::json;

use crate::{
    app::App,
    domain::{refusal::Refusal, time::Micros},
    endpoint::{Endpoint, answer::Json, endpoint},
    gate::{act::ReadAccount, grant::Granted},
};

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    vec![endpoint(Method::GET, "/-/api/v1/account", account)]
}

async fn account(app: App, may: Granted<ReadAccount>, (): ()) -> Result<Json, Refusal> {
    let actor = may.actor();
    let reached = app.gate.environments().iter().filter(|e| actor.reaches(&e.name));
    let environments: Vec<&str> = reached.map(|e| e.name.as_str()).collect();
    Ok(Json::new(&json!({
        "name": actor.name(), "role": actor.roles().first().map(|held| held.role.word()), "roles": actor.role_words(), "environments": environments,
        "home": may.environment().as_str(), "token_id": actor.token_id(), "cluster": actor.cluster(),
        "expires_at": actor.expires_at().map(Micros::to_millis_text),
    })))
}
