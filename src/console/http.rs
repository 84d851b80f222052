//! The open pages: every endpoint here is in the list that `tests/house.rs` lets only shrink.

use askama::Template;
use http::{Method, StatusCode};
use serde_json::json;

use crate::{
    app::App,
    domain::{
        pattern::Keys,
        refusal::{Fault, Refusal},
    },
    endpoint::{
        Endpoint,
        answer::{Asset, Json, Page, Redirect},
        open,
    },
};

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    vec![
        open(Method::GET, "/", home),
        open(Method::GET, "/-", set_up),
        open(Method::GET, "/-/assets/style.css", style),
        open(Method::GET, "/-/healthz", healthz),
        open(Method::GET, "/-/readyz", readyz),
    ]
}

#[derive(Template)]
#[template(path = "set-up.html", config = "dashboards/askama.toml")]
struct SetUp<'a> {
    prefix: &'a str,
    url: &'a str,
}

async fn home(app: App, _: Keys, (): ()) -> Result<Redirect, Refusal> {
    Ok(Redirect(format!("{}/-/", app.face.prefix)))
}

async fn set_up(app: App, _: Keys, (): ()) -> Result<Page, Refusal> {
    page(&SetUp { prefix: &app.face.prefix, url: &app.face.public_url })
}

async fn style(_: App, _: Keys, (): ()) -> Result<Asset, Refusal> {
    Ok(Asset("text/css; charset=utf-8", include_str!("../../dashboards/console/style.css")))
}

/// The process is alive; nothing else is asked.
async fn healthz(_: App, _: Keys, (): ()) -> Result<Json, Refusal> {
    Ok(Json::new(&json!({"status": "ok"})))
}

/// Whether this replica should be sent requests. Names what fails, without detail: anybody may ask.
async fn readyz(app: App, _: Keys, (): ()) -> Result<Json, Refusal> {
    let failing = app.failing();
    if failing.is_empty() && app.gate.identity().issuers.are_stale() {
        // It serves all the same: whoever comes with a key that is known is let in.
        return Ok(Json::new(&json!({"status": "ready", "warnings": ["workload keys"]})));
    }
    if failing.is_empty() {
        return Ok(Json::new(&json!({"status": "ready"})));
    }
    Ok(Json::new(&json!({"status": "not ready", "failing": failing})).status(StatusCode::SERVICE_UNAVAILABLE))
}

fn page(template: &impl Template) -> Result<Page, Refusal> {
    let html = template.render().map_err(|e| Fault::because("drawing a page", e))?;
    Ok(Page(html))
}
