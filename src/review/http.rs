//! The endpoints of deciding, under `/-/api/v1/`.

use http::Method;
use serde_json::Value;

use super::{
    approve::{self, Approval},
    behind,
    examine::{self, Examination},
    pin::{self, Pin},
    requests::{self, Wish},
    revoke::{self, Revocation},
    webhook,
};
use crate::{
    app::App,
    domain::{pattern::Keys, refusal::Refusal},
    endpoint::{
        Endpoint, answer, endpoint,
        input::{Json, Sealed},
        open,
    },
    gate::{
        act::{
            ApproveRevision, ExamineRevision, PinPointer, ReadDecision, ReadRequest, ReadRequests, RequestRevision,
            RevokeRepository, RevokeRevision, SearchCatalogue,
        },
        grant::Granted,
    },
};

type Answered = Result<answer::Json, Refusal>;

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        endpoint(post.clone(), "/-/api/v1/environments/{environment}/examinations/{typed-repo}/{rev}", examine),
        endpoint(post.clone(), "/-/api/v1/environments/{environment}/approvals/{typed-repo}/{rev}", approve),
        endpoint(post.clone(), "/-/api/v1/environments/{environment}/revocations/{typed-repo}/{rev}", revoke_revision),
        endpoint(
            post.clone(),
            "/-/api/v1/environments/{environment}/repository-revocations/{typed-repo}",
            revoke_repository,
        ),
        endpoint(post.clone(), "/-/api/v1/environments/{environment}/pins/{typed-repo}/{rev}", pin),
        endpoint(post, "/-/api/v1/environments/{environment}/requests/{typed-repo}/{rev}", request),
        endpoint(get.clone(), "/-/api/v1/requests", list_requests),
        endpoint(get.clone(), "/-/api/v1/requests/{id}", show_request),
        endpoint(get.clone(), "/-/api/v1/decisions/{id}", show_decision),
        // Anybody may knock; whoever does not know the secret is sent away.
        open(Method::POST, "/-/webhooks/upstream", webhook),
        // What is approved here, beside what the hub has: how far behind each pointer is.
        endpoint(get, "/-/api/v1/pointers/{kind}", list_pointers),
    ]
}

async fn examine(app: App, may: Granted<ExamineRevision>, Json(input): Json<Examination>) -> Answered {
    answered(examine::look(&app, &may, &input).await)
}

async fn approve(app: App, may: Granted<ApproveRevision>, Json(input): Json<Approval>) -> Answered {
    answered(approve::approve(&app, may, input).await)
}

async fn revoke_revision(app: App, may: Granted<RevokeRevision>, Json(input): Json<Revocation>) -> Answered {
    answered(revoke::revoke_revision(&app.gate, may, input).await)
}

async fn revoke_repository(app: App, may: Granted<RevokeRepository>, Json(input): Json<Revocation>) -> Answered {
    answered(revoke::revoke_repository(&app.gate, may, input).await)
}

async fn pin(_: App, may: Granted<PinPointer>, Json(input): Json<Pin>) -> Answered {
    answered(pin::pin(may, input).await)
}

async fn request(_: App, may: Granted<RequestRevision>, Json(input): Json<Wish>) -> Answered {
    answered(requests::make(may, input).await)
}

async fn list_requests(_: App, may: Granted<ReadRequests>, (): ()) -> Answered {
    answered(requests::list(&may).await)
}

async fn show_request(_: App, may: Granted<ReadRequest>, (): ()) -> Answered {
    answered(requests::show(&may).await)
}

async fn show_decision(_: App, may: Granted<ReadDecision>, (): ()) -> Answered {
    answered(requests::decision(&may).await)
}

async fn webhook(app: App, _: Keys, message: Sealed) -> Answered {
    answered(webhook::heard(&app, message).await)
}

async fn list_pointers(app: App, may: Granted<SearchCatalogue>, (): ()) -> Answered {
    answered(behind::list(&app.gate, &may).await)
}

fn answered(answer: Result<Value, Refusal>) -> Answered {
    answer.map(|value| answer::Json::new(&value))
}
