//! The endpoints of people, under `/-/api/v1/people`, and the pages that show the same under `/-/people`.

use http::Method;
use serde_json::Value;

use super::{
    Reason,
    pages::{self, Filled},
    roles::{Gift, Withdrawal},
};
use crate::{
    app::App,
    domain::refusal::Refusal,
    endpoint::{
        Endpoint,
        answer::{self, Page, Redirect},
        endpoint,
        input::{Asked, Json, Posted},
        page,
    },
    gate::{
        act::{DeactivatePerson, GrantRole, ReactivatePerson, ReadPeople, ReadPerson, WithdrawRole},
        grant::Granted,
        identity::Credential,
    },
};

type Answered = Result<answer::Json, Refusal>;

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        endpoint(get.clone(), "/-/api/v1/people", list),
        endpoint(get.clone(), "/-/api/v1/people/{id}", show),
        endpoint(post.clone(), "/-/api/v1/people/{id}/deactivate", deactivate),
        endpoint(post.clone(), "/-/api/v1/people/{id}/reactivate", reactivate),
        endpoint(post.clone(), "/-/api/v1/people/{id}/grants", grant),
        endpoint(post.clone(), "/-/api/v1/people/{id}/withdrawals", withdraw),
        page(get.clone(), "/-/people", list_page),
        page(get, "/-/people/{id}", person_page),
        page(post.clone(), "/-/people/{id}/deactivate", deactivate_form),
        page(post.clone(), "/-/people/{id}/reactivate", reactivate_form),
        page(post.clone(), "/-/people/{id}/grants", grant_form),
        page(post, "/-/people/{id}/withdrawals", withdraw_form),
    ]
}

async fn list(app: App, may: Granted<ReadPeople>, asked: Asked) -> Answered {
    answered(super::list(&app, &may, &asked).await)
}

async fn show(app: App, may: Granted<ReadPerson>, (): ()) -> Answered {
    answered(super::show(&app, &may).await)
}

async fn deactivate(app: App, may: Granted<DeactivatePerson>, Json(input): Json<Reason>) -> Answered {
    answered(super::deactivate(&app.gate, may, &input).await)
}

async fn reactivate(_: App, may: Granted<ReactivatePerson>, Json(input): Json<Reason>) -> Answered {
    answered(super::reactivate(may, &input).await)
}

async fn grant(app: App, may: Granted<GrantRole>, Json(input): Json<Gift>) -> Answered {
    answered(super::grant(&app.gate, may, &input).await)
}

async fn withdraw(_: App, may: Granted<WithdrawRole>, Json(input): Json<Withdrawal>) -> Answered {
    answered(super::withdraw(may, &input).await)
}

fn answered(answer: Result<Value, Refusal>) -> Answered {
    answer.map(|value| answer::Json::new(&value))
}

async fn list_page(app: App, may: Granted<ReadPeople>, asked: Asked) -> Result<Page, Refusal> {
    let people = super::list(&app, &may, &asked).await?;
    pages::list(&app, &people, &asked.query("search").unwrap_or_default())
}

async fn person_page(app: App, may: Granted<ReadPerson>, (): ()) -> Result<Page, Refusal> {
    let csrf = match may.actor().credential() {
        Credential::Session { csrf, .. } => csrf.clone(),
        _ => String::new(),
    };
    let one = super::show(&app, &may).await?;
    pages::person(&app, &one, &csrf)
}

async fn deactivate_form(app: App, may: Granted<DeactivatePerson>, form: Posted) -> Result<Redirect, Refusal> {
    let back = back(&app, &may.object().0);
    super::deactivate(&app.gate, may, &Filled(&form).reason()).await.map(|_| back)
}

async fn reactivate_form(app: App, may: Granted<ReactivatePerson>, form: Posted) -> Result<Redirect, Refusal> {
    let back = back(&app, &may.object().0);
    super::reactivate(may, &Filled(&form).reason()).await.map(|_| back)
}

async fn grant_form(app: App, may: Granted<GrantRole>, form: Posted) -> Result<Redirect, Refusal> {
    let back = back(&app, &may.object().0);
    super::grant(&app.gate, may, &Filled(&form).gift()?).await.map(|_| back)
}

async fn withdraw_form(app: App, may: Granted<WithdrawRole>, form: Posted) -> Result<Redirect, Refusal> {
    let back = back(&app, &may.object().0);
    super::withdraw(may, &Filled(&form).withdrawal()).await.map(|_| back)
}

fn back(app: &App, id: &str) -> Redirect {
    Redirect(format!("{}/-/people/{id}", app.face.prefix))
}
