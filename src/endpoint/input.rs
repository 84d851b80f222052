//! What a handler takes besides its grant: read only after the gate has said yes.
//!
//! Our own trait and not axum's extractors, whose rejections answer in a dialect of their own.

use std::{net::IpAddr, time::Duration};

use axum::body::Body;
use http::{HeaderMap, Method, header, request::Parts};
use serde::de::DeserializeOwned;

use super::{Peer, RequestId, Route, browser::Checked, call_of, file::Cut};
use crate::{
    domain::refusal::{Code, Refusal},
    gate::Call,
};

/// Something that can be read from a request.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}`",
    note = "inputs are `()`, `Asked`, `Sealed`, `Json<T>`, `Form`, `Posted` and `Knock`, in src/endpoint/input.rs"
)]
pub trait Input: Sized + Send + 'static {
    fn parse(parts: &Parts, body: Body) -> impl Future<Output = Result<Self, Refusal>> + Send;
}

impl Input for () {
    async fn parse(_: &Parts, _: Body) -> Result<Self, Refusal> {
        Ok(())
    }
}

/// The head of a request, for handlers that answer differently by it.
#[derive(Debug)]
pub struct Asked {
    /// Only headers are wanted.
    pub head: bool,
    pub headers: HeaderMap,
    pub request_id: String,
    /// Where it came from.
    pub address: IpAddr,
    pub(super) cut: Option<Cut>,
    query: String,
}

impl Asked {
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The same, as if all of the file had been asked for.
    pub fn of_the_whole(&self) -> Self {
        let mut headers = self.headers.clone();
        headers.remove(header::RANGE);
        Self {
            head: self.head,
            headers,
            request_id: self.request_id.clone(),
            address: self.address,
            cut: self.cut.clone(),
            query: self.query.clone(),
        }
    }

    /// Whether a query parameter says yes, however its client writes that.
    pub fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|v| matches!(v.as_str(), "true" | "True" | "1" | "on"))
    }

    /// The first value of a query parameter. Parameters that nobody asks for are tolerated: new clients send new ones.
    pub fn query(&self, name: &str) -> Option<String> {
        self.queries().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub fn queries(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }
}

impl Input for Asked {
    async fn parse(parts: &Parts, _: Body) -> Result<Self, Refusal> {
        Ok(Self {
            head: parts.method == Method::HEAD,
            headers: parts.headers.clone(),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
            address: parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0),
            cut: parts.extensions.get::<Cut>().cloned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

/// A message with a secret in its head. Nothing of its body is read before somebody says that the secret is right.
pub struct Sealed {
    pub secret: String,
    body: Body,
}

impl Input for Sealed {
    async fn parse(parts: &Parts, body: Body) -> Result<Self, Refusal> {
        let secret = parts.headers.get("x-webhook-secret").and_then(|v| v.to_str().ok()).unwrap_or_default();
        Ok(Self { secret: secret.to_owned(), body })
    }
}

impl Sealed {
    pub async fn open(self) -> Result<serde_json::Value, Refusal> {
        let bytes = read(self.body, 1 << 20).await?;
        let value = serde_json::from_slice(&bytes);
        value.map_err(|error| Refusal::bad_input(format!("The JSON body cannot be read: {error}.")))
    }
}

/// A JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send + 'static> Input for Json<T> {
    async fn parse(parts: &Parts, body: Body) -> Result<Self, Refusal> {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") && !kind.starts_with("application/scim+json") {
            return Err(Refusal::bad_input("The body must be JSON, and its Content-Type must say so."));
        }
        let bytes = read(body, 1 << 20).await?;
        let value = serde_json::from_slice(&bytes);
        value.map(Self).map_err(|error| Refusal::bad_input(format!("The JSON body cannot be read: {error}.")))
    }
}

/// A list of names, posted as a form (`paths=a&paths=b`) or as JSON (`{"paths": […]}`), as hub clients do.
#[derive(Debug)]
pub struct Form(pub Vec<(String, String)>);

impl Form {
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Input for Form {
    async fn parse(parts: &Parts, body: Body) -> Result<Self, Refusal> {
        Self::within(parts, body, 4 << 20).await
    }
}

impl Form {
    async fn within(parts: &Parts, body: Body, most: usize) -> Result<Self, Refusal> {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let bytes = read(body, most).await?;
        if !kind.starts_with("application/json") {
            return Ok(Self(url::form_urlencoded::parse(&bytes).into_owned().collect()));
        }
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes)
            .map_err(|e| Refusal::bad_input(format!("The JSON body cannot be read: {e}.")))?;
        let mut pairs = Vec::new();
        for (key, value) in object {
            match value {
                serde_json::Value::Array(list) => pairs.extend(list.into_iter().map(|v| (key.clone(), plain(&v)))),
                one => pairs.push((key, plain(&one))),
            }
        }
        Ok(Self(pairs))
    }
}

/// The form of a page, which was found to come from a page of ours.
pub struct Posted {
    pairs: Vec<(String, String)>,
    headers: HeaderMap,
}

impl Posted {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What came with it, for whoever needs a cookie besides the session's.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl Input for Posted {
    async fn parse(parts: &Parts, _: Body) -> Result<Self, Refusal> {
        let checked = parts.extensions.get::<Checked>().cloned();
        checked
            .map(|Checked(pairs)| Self { pairs, headers: parts.headers.clone() })
            .ok_or_else(|| Refusal::bad_input("This takes a form of one of our pages."))
    }
}

/// The form of a page with the head it came under.
impl Input for (Asked, Posted) {
    async fn parse(parts: &Parts, body: Body) -> Result<Self, Refusal> {
        Ok((Asked::parse(parts, Body::empty()).await?, Posted::parse(parts, body).await?))
    }
}

/// A request of somebody who is not known yet: all that the doors look at which need no identity.
#[derive(Debug)]
pub struct Knock {
    pub call: Call,
    pub asked: Asked,
    form: Form,
    /// Whether the body was JSON.
    pub is_json: bool,
}

impl Knock {
    /// A field of the body, sent once: two of a name are one too many.
    pub fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut all = self.form.all(name);
        all.next().filter(|_| all.next().is_none())
    }

    /// Every value of a field that may be sent more than once.
    pub fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.form.all(name)
    }
}

impl Input for Knock {
    async fn parse(parts: &Parts, body: Body) -> Result<Self, Refusal> {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_json = kind.starts_with("application/json");
        let route = parts.extensions.get::<Route>().map_or("", |route| route.0);
        let asked = Asked::parse(parts, Body::empty()).await?;
        let form = match parts.method {
            Method::GET | Method::HEAD => Form(Vec::new()),
            _ => Form::within(parts, body, 64 << 10).await?,
        };
        Ok(Self { call: call_of(parts, route), asked, form, is_json })
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn read(body: Body, most: usize) -> Result<bytes::Bytes, Refusal> {
    read_within(body, most, PATIENCE).await
}

async fn read_within(body: Body, most: usize, patience: Duration) -> Result<bytes::Bytes, Refusal> {
    let late = |_| Refusal::new(Code::TooSlow, format!("The body did not come within {} seconds.", patience.as_secs()));
    let read = tokio::time::timeout(patience, axum::body::to_bytes(body, most)).await.map_err(late)?;
    read.map_err(|_| Refusal::new(Code::InputTooLarge, format!("The body is cut short, or larger than {most} bytes.")))
}

/// A body that never comes would keep its connection's place for ever.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll, ready},
    };

    use bytes::Bytes;
    use http_body::Frame;
    use tokio::time::{Sleep, sleep};

    use super::*;

    /// Sends a byte every ten milliseconds, for ever.
    struct Drip(Pin<Box<Sleep>>);

    impl http_body::Body for Drip {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            ready!(self.0.as_mut().poll(cx));
            self.0 = Box::pin(sleep(Duration::from_millis(10)));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{")))))
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let drip = Body::new(Drip(Box::pin(sleep(Duration::ZERO))));
        let read = read_within(drip, 1 << 20, Duration::from_millis(200));
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert_eq!(read.map(|r| r.map_err(|refusal| refusal.code)), Ok(Err(Code::TooSlow)));
        let whole = read_within(Body::from("{}"), 2, Duration::from_secs(9)).await;
        assert_eq!(whole.map_err(|refusal| refusal.code), Ok(Bytes::from_static(b"{}")));
    }
}
