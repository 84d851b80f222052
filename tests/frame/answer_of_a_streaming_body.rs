//! expects: E0277
//! A handler that answers with a body it streams itself.

use axum::body::Body;
use http::{Method, Response};

use crate::{app::App, domain::refusal::Refusal, endpoint::{answer::Nothing, endpoint}, gate::{act::ViewRevision, grant::Granted}};

#[cfg(weighbridge_case = "wrong")]
async fn handler(_: App, _: Granted<ViewRevision>, (): ()) -> Result<Response<Body>, Refusal> {
    Ok(Response::new(Body::empty()))
}

#[cfg(weighbridge_case = "right")]
async fn handler(_: App, _: Granted<ViewRevision>, (): ()) -> Result<Nothing, Refusal> {
    Ok(Nothing)
}

fn mount() {
    let _ = (endpoint(Method::GET, "/{repo}/x/{rev}", handler), size_of::<(Nothing, Response<Body>)>());
}
