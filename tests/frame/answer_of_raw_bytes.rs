//! expects: E0277
//! A handler that answers with bytes of its own.

use http::Method;

use crate::{app::App, domain::refusal::Refusal, endpoint::{answer::Text, endpoint}, gate::{act::ReadAccount, grant::Granted}};

#[cfg(weighbridge_case = "wrong")]
async fn handler(_: App, _: Granted<ReadAccount>, (): ()) -> Result<Vec<u8>, Refusal> {
    Ok(Vec::new())
}

#[cfg(weighbridge_case = "right")]
async fn handler(_: App, _: Granted<ReadAccount>, (): ()) -> Result<Text, Refusal> {
    Ok(Text { text: String::new(), commit: None })
}

fn mount() {
    let _ = (endpoint(Method::GET, "/x", handler), size_of::<Text>());
}
