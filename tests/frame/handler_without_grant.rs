//! expects: E0593
//! A handler behind the gate that takes no grant.

use http::Method;

use crate::{app::App, domain::refusal::Refusal, endpoint::{answer::Nothing, endpoint}, gate::{act::ReadAccount, grant::Granted}};

#[cfg(weighbridge_case = "wrong")]
async fn handler(_: App, (): ()) -> Result<Nothing, Refusal> {
    Ok(Nothing)
}

#[cfg(weighbridge_case = "right")]
async fn handler(_: App, _: Granted<ReadAccount>, (): ()) -> Result<Nothing, Refusal> {
    Ok(Nothing)
}

fn mount() {
    let _ = endpoint::<ReadAccount, _, _, _, _>(Method::GET, "/x", handler);
}
