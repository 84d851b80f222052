//! The endpoints of deciding, under `/-/api/v1/`.

use askama::Template;
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
    domain::{
        pattern::Keys,
        refusal::{Fault, Refusal},
    },
    endpoint::{
        Endpoint, answer, endpoint,
        input::{Json, Sealed},
        open, page,
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
        // Where a refusal in a terminal leads to.
        page(get.clone(), "/-/r/{id}", reference),
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

#[derive(Template)]
#[template(path = "reference.html", config = "dashboards/askama.toml")]
struct Reference<'a> {
    prefix: &'a str,
    id: &'a str,
    title: &'a str,
    sentence: &'a str,
    hint: &'a str,
    rows: Vec<(&'static str, &'a str)>,
}

/// The same that `request show` says, to the same people.
async fn reference(app: App, may: Granted<ReadDecision>, (): ()) -> Result<answer::Page, Refusal> {
    let found = requests::either(&may).await?;
    let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
    let title = match text("rev") {
        "" => text("repo").to_owned(),
        rev => format!("{}@{rev}", text("repo")),
    };
    let rows = ROWS.into_iter().map(|(label, key)| (label, text(key))).filter(|(_, value)| !value.is_empty()).collect();
    let sentence = if text("sentence").is_empty() { "Somebody asked for this revision." } else { text("sentence") };
    let page =
        Reference { prefix: &app.face.prefix, id: &may.object().0, title: &title, sentence, hint: text("hint"), rows };
    Ok(answer::Page(page.render().map_err(|e| Fault::because("drawing a page", e))?))
}

const ROWS: [(&str, &str); 10] = [
    ("File", "path"),
    ("Environment", "environment"),
    ("Act", "act"),
    ("Why it was asked for", "reason"),
    ("By", "by"),
    ("When", "made_at"),
    ("State", "state"),
    ("Decided", "decided_at"),
    ("Policy", "policy"),
    ("How it stands now", "standing_now"),
];

async fn webhook(app: App, _: Keys, message: Sealed) -> Answered {
    answered(webhook::heard(&app, message).await)
}

async fn list_pointers(app: App, may: Granted<SearchCatalogue>, (): ()) -> Answered {
    answered(behind::list(&app.gate, &may).await)
}

fn answered(answer: Result<Value, Refusal>) -> Answered {
    answer.map(|value| answer::Json::new(&value))
}
