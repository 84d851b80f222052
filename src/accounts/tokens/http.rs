//! The endpoints of tokens, under `/-/api/v1/`, and the one where leaked tokens are reported, as the hub has it.

use http::Method;
use serde_json::Value;

use super::{Ending, Renewal, Wish, machines, report};
use crate::{
    app::App,
    domain::{pattern::Keys, refusal::Refusal},
    endpoint::{
        Endpoint, answer, endpoint,
        input::{Json, Knock},
        open,
    },
    gate::{
        act::{
            CreateOwnToken, EndOwnDevices, EndToken, IssueToken, ListOwnTokens, ReadTokens, RevokeOwnToken,
            RotateOwnToken, RotateToken,
        },
        grant::Granted,
    },
};

type Answered = Result<answer::Json, Refusal>;

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        endpoint(get.clone(), "/-/api/v1/tokens", list),
        endpoint(post.clone(), "/-/api/v1/tokens", create),
        endpoint(post.clone(), "/-/api/v1/tokens/{id}/revocation", revoke),
        endpoint(post.clone(), "/-/api/v1/tokens/{id}/rotation", rotate),
        endpoint(post.clone(), "/-/api/v1/terminals/sign-out", sign_out),
        // Everybody's, for those who look after them.
        endpoint(get, "/-/api/v1/all-tokens", list_all),
        endpoint(post.clone(), "/-/api/v1/all-tokens", issue),
        endpoint(post.clone(), "/-/api/v1/all-tokens/{id}/revocation", end),
        endpoint(post.clone(), "/-/api/v1/all-tokens/{id}/rotation", rotate_any),
        // Whoever finds a token shows it, and shows nothing else.
        open(post, "/api/credentials/revoke", report),
    ]
}

async fn list(_: App, may: Granted<ListOwnTokens>, (): ()) -> Answered {
    answered(super::list(&may).await)
}

async fn create(app: App, may: Granted<CreateOwnToken>, Json(wish): Json<Wish>) -> Answered {
    answered(super::create(&app, may, wish).await)
}

async fn revoke(_: App, may: Granted<RevokeOwnToken>, Json(ending): Json<Ending>) -> Answered {
    answered(super::revoke(may, ending).await)
}

async fn rotate(_: App, may: Granted<RotateOwnToken>, Json(renewal): Json<Renewal>) -> Answered {
    answered(super::rotate(may, renewal).await)
}

async fn sign_out(_: App, may: Granted<EndOwnDevices>, (): ()) -> Answered {
    answered(super::sign_out(may).await)
}

async fn list_all(_: App, may: Granted<ReadTokens>, (): ()) -> Answered {
    answered(machines::list(&may).await)
}

async fn issue(app: App, may: Granted<IssueToken>, Json(order): Json<machines::Order>) -> Answered {
    answered(machines::issue(&app, may, order).await)
}

async fn end(_: App, may: Granted<EndToken>, Json(ending): Json<Ending>) -> Answered {
    answered(machines::end_any(may, ending).await)
}

async fn rotate_any(_: App, may: Granted<RotateToken>, Json(renewal): Json<Renewal>) -> Answered {
    answered(machines::rotate(may, renewal).await)
}

async fn report(app: App, _: Keys, knock: Knock) -> Answered {
    report::report(&app, &knock).await
}

fn answered(answer: Result<Value, Refusal>) -> Answered {
    answer.map(|value| answer::Json::new(&value))
}
