//! The page where a code of the host is typed. A code in an address would be logged, so it travels in a form.

use askama::Template;
use http::Method;

use super::take;
use crate::{
    app::App,
    domain::{
        pattern::Keys,
        refusal::{Code, Fault, Refusal},
    },
    endpoint::{
        Endpoint,
        answer::{Page, Redirect, SetCookie, With},
        browser::is_own,
        input::Knock,
        open,
    },
    gate::identity::COOKIE,
};

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    vec![open(Method::GET, "/-/host-code", form), open(Method::POST, "/-/host-code", typed)]
}

#[derive(Template)]
#[template(path = "host-code.html", config = "dashboards/askama.toml")]
struct Form<'a> {
    prefix: &'a str,
}

async fn form(app: App, _: Keys, (): ()) -> Result<Page, Refusal> {
    let html = Form { prefix: &app.face.prefix }.render().map_err(|e| Fault::because("drawing a page", e))?;
    Ok(Page(html))
}

async fn typed(app: App, _: Keys, knock: Knock) -> Result<With<Redirect>, Refusal> {
    if !is_own(&knock.asked.headers, &app.face.public_url) || knock.is_json {
        let sentence = "This form did not come from a page of this gateway.";
        return Err(Refusal::new(Code::NotAllowed, sentence).hint("Open the page itself and type the code there."));
    }
    let begun = take(&app, &knock).await?;
    let cookie = SetCookie { name: COOKIE, value: begun.cookie, for_seconds: begun.for_seconds };
    Ok(With { answer: Redirect(format!("{}/-/people", app.face.prefix)), cookies: vec![cookie] })
}
