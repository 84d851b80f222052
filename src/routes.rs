//! Every endpoint of the gateway, in one list: what the router is built from and what the tests walk.

use crate::{
    accounts, console,
    endpoint::{Endpoint, Endpoints},
    hub, intake, review,
};

/// # Errors
/// When a pattern and its act do not fit: a bug in our own source, reported at every start and by every test.
pub fn all() -> Result<Endpoints, String> {
    let features = [
        console::http::endpoints(),
        review::http::endpoints(),
        intake::http::endpoints(),
        accounts::http::endpoints(),
        accounts::credentials::http::endpoints(),
        accounts::terms::http::endpoints(),
        accounts::sign_in::http::endpoints(),
        accounts::device::http::endpoints(),
        accounts::tokens::http::endpoints(),
        accounts::workloads::http::endpoints(),
        accounts::people::http::endpoints(),
        accounts::directory::http::endpoints(),
        accounts::host_codes::http::endpoints(),
        hub::http::endpoints(),
    ];
    let list = features.into_iter().flatten().collect::<Result<Vec<Endpoint>, String>>()?;
    Ok(Endpoints::new(list, hub::elsewhere::elsewhere))
}
