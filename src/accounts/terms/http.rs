//! The terms of a repository: reading them, accepting them, taking that back.

use http::Method;
use serde_json::Value;

use super::{Acceptance, Withdrawal};
use crate::{
    app::App,
    domain::refusal::Refusal,
    endpoint::{Endpoint, answer, endpoint, input::Json},
    gate::{
        act::{AcceptTerms, ReadTerms, WithdrawTerms},
        grant::Granted,
    },
};

const PATH: &str = "/-/api/v1/environments/{environment}/terms/{typed-repo}";

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    vec![
        endpoint(Method::GET, PATH, show),
        endpoint(Method::POST, PATH, accept),
        endpoint(Method::POST, "/-/api/v1/environments/{environment}/terms-withdrawals/{typed-repo}", withdraw),
    ]
}

async fn show(app: App, may: Granted<ReadTerms>, (): ()) -> Result<answer::Json, Refusal> {
    answered(super::show(&app, &may).await)
}

async fn accept(app: App, may: Granted<AcceptTerms>, Json(input): Json<Acceptance>) -> Result<answer::Json, Refusal> {
    answered(super::accept(&app, may, input).await)
}

async fn withdraw(
    app: App,
    may: Granted<WithdrawTerms>,
    Json(input): Json<Withdrawal>,
) -> Result<answer::Json, Refusal> {
    answered(super::withdraw(&app, may, input).await)
}

fn answered(answer: Result<Value, Refusal>) -> Result<answer::Json, Refusal> {
    answer.map(|value| answer::Json::new(&value))
}
