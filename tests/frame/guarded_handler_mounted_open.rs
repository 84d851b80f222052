//! expects: E0631
//! A handler that needs a grant, mounted where nobody gives one.

use http::Method;

use crate::{app::App, domain::refusal::Refusal, endpoint::{answer::Nothing, endpoint, open}, gate::{act::ReadAccount, grant::Granted}};

async fn handler(_: App, _: Granted<ReadAccount>, (): ()) -> Result<Nothing, Refusal> {
    Ok(Nothing)
}

fn mount() {
    #[cfg(weighbridge_case = "wrong")]
    let _ = open(Method::GET, "/x", handler);
    #[cfg(weighbridge_case = "right")]
    let _ = endpoint(Method::GET, "/x", handler);
    let _ = (open::<(), Nothing, fn(App, crate::domain::pattern::Keys, ()) -> std::future::Ready<Result<Nothing, Refusal>>, _>, endpoint::<ReadAccount, (), Nothing, fn(App, Granted<ReadAccount>, ()) -> std::future::Ready<Result<Nothing, Refusal>>, _>);
}
