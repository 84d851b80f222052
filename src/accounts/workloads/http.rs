//! Workloads by HTTP: stopping one, how their issuers stand, and the exchange of their tokens.

use http::Method;
use serde_json::json;

use super::{Wanted, block};
use crate::{
    app::App,
    domain::refusal::Refusal,
    endpoint::{Endpoint, answer::Json as Answered, endpoint, input::Json},
    gate::{
        act::{BlockWorkload, ReadWorkloads},
        grant::Granted,
    },
};

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    vec![
        endpoint(Method::GET, "/-/api/v1/workloads", issuers),
        endpoint(Method::POST, "/-/api/v1/workloads/blocks", stop),
    ]
}

async fn issuers(app: App, _: Granted<ReadWorkloads>, (): ()) -> Result<Answered, Refusal> {
    let states = app.gate.identity().issuers.states();
    let all: Vec<_> = states
        .into_iter()
        .map(|state| {
            json!({
                "issuer": state.issuer, "from": state.from, "keys": state.keys, "trouble": state.trouble,
                "age_seconds": state.age.map(|age| age.as_secs()),
            })
        })
        .collect();
    Ok(Answered::new(&json!({ "issuers": all })))
}

async fn stop(app: App, may: Granted<BlockWorkload>, Json(wanted): Json<Wanted>) -> Result<Answered, Refusal> {
    let blocked = block(may, &app.gate.identity().workloads, wanted).await?;
    Ok(Answered::new(&json!({
        "id": blocked.id, "token_id": blocked.token_id, "not_before": blocked.not_before.to_millis_text(),
    })))
}
