//! expects: E0277
//! Somebody else's type made an answer.

use axum::body::Body;
use http::Response;

use crate::endpoint::answer::{Answer, Nothing};

struct Mine(Vec<u8>);

#[cfg(weighbridge_case = "wrong")]
impl Answer for Mine {
    fn into_response(self) -> Response<Body> {
        Response::new(Body::from(self.0))
    }
}

fn answered() -> (Response<Body>, Vec<u8>) {
    (Nothing.into_response(), Mine(Vec::new()).0)
}
