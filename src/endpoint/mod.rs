//! The frame that every handler is entered through.
//!
//! `endpoint(METHOD, path, handler)` is the only way to mount one: identify, parse the object from the raw URL, admit,
//! parse the input, and only then `handler(App, Granted<A>, Input)`. `open` mounts the few that need no identity; the
//! test in `tests/house.rs` lets their list only shrink. Never decides anything itself.

pub mod answer;
pub mod browser;
pub mod file;
pub mod input;
pub mod refused;
mod waiting;

use std::{collections::HashMap, net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::body::Body;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header, request::Parts};
use tracing::Instrument;

use self::{
    answer::{Answer, Redirect},
    input::Input,
    refused::{Dialect, render},
};
use crate::{
    app::App,
    clock,
    domain::{
        event::HttpFact,
        pattern::{Keys, Pattern, Segments},
        refusal::{Code, Refusal, ascii_line},
    },
    gate::{
        Call,
        act::{Act, Record},
        grant::Granted,
        identity::Source,
        object::Object,
    },
};

/// How whoever asks says who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Bearer,
    Browser,
}

type Run = Arc<dyn Fn(App, Keys, Parts, Body) -> BoxFuture<'static, Result<Response<Body>, Refusal>> + Send + Sync>;

/// A mounted handler.
pub struct Endpoint {
    pub method: Method,
    pub pattern: Pattern,
    /// The act it is guarded by; `None` for the open ones.
    pub act: Option<&'static str>,
    /// A path that reaches it, for the test that walks every endpoint.
    pub sample: String,
    run: Run,
}

/// Mounts a handler behind the gate.
///
/// # Errors
/// When the pattern is unreadable or its keys are not exactly those of the act's object: then a part of the URL would
/// be dropped unseen.
pub fn endpoint<A, I, R, H, F>(method: Method, pattern: &'static str, handler: H) -> Result<Endpoint, String>
where
    A: Act,
    I: Input,
    R: Answer,
    H: Fn(App, Granted<A>, I) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    mount(Way::Bearer, method, pattern, handler)
}

/// Mounts a page behind the gate: the same frame, entered with a browser's session instead of a token. Somebody who is not
/// signed in is sent to sign in; a form must come from a page of ours.
pub fn page<A, I, R, H, F>(method: Method, pattern: &'static str, handler: H) -> Result<Endpoint, String>
where
    A: Act,
    I: Input,
    R: Answer,
    H: Fn(App, Granted<A>, I) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    mount(Way::Browser, method, pattern, handler)
}

fn mount<A, I, R, H, F>(way: Way, method: Method, pattern: &'static str, handler: H) -> Result<Endpoint, String>
where
    A: Act,
    I: Input,
    R: Answer,
    H: Fn(App, Granted<A>, I) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    let parsed = Pattern::parse(pattern)?;
    let (mut has, mut wants) = (parsed.keys(), A::Asked::KEYS.to_vec());
    has.sort_unstable();
    wants.sort_unstable();
    if has != wants {
        return Err(format!("{pattern}: its keys are {has:?}, but {} is done to {wants:?}", A::WORD));
    }
    let sample = parsed.fill(&A::Asked::sample().to_keys()).ok_or_else(|| format!("{pattern}: no sample path"))?;
    let run: Run = Arc::new(move |app, keys, mut parts, mut body| {
        let handler = handler.clone();
        Box::pin(async move {
            let call = call_of(&parts, pattern);
            if way == Way::Browser {
                browser::check_origin(&parts, &app.face.public_url)?;
            }
            let actor = match way {
                Way::Bearer => app.gate.identify(&parts.headers, &call).await?,
                Way::Browser => match app.gate.identify_session(&parts.headers, &call).await {
                    // A browser brings no bearer token: whoever sends one here is told so instead of being sent away.
                    Err(refusal)
                        if refusal.code.status() == 401 && !parts.headers.contains_key(header::AUTHORIZATION) =>
                    {
                        return Ok(to_sign_in(&app, &parts));
                    }
                    answer => answer?,
                },
            };
            if way == Way::Browser {
                let form = std::mem::replace(&mut body, Body::empty());
                browser::check_form(&mut parts, form, &actor, &app.face.public_url).await?;
            }
            let asked = A::Asked::from_keys(&keys).ok_or_else(Refusal::not_found)?;
            let answer = async {
                let may = waiting::admit::<A>(&app, actor, asked, &call, &parts.headers).await?;
                let input = I::parse(&parts, body).await?;
                Ok(handler(app.clone(), may, input).await?.into_response())
            };
            let sends_a_body = A::RECORD == Record::Durable && !call.head;
            let code = come_back(&parts.headers);
            answer.await.map_err(|refusal| if sends_a_body { body_waits(refusal, code) } else { refusal })
        })
    });
    Ok(Endpoint { method, pattern: parsed, act: Some(A::WORD), sample, run })
}

/// To the page where one signs in, and back here afterwards. What a form would have done is not done.
fn to_sign_in(app: &App, parts: &Parts) -> Response<Body> {
    let prefix = &app.face.prefix;
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let back = parts.uri.path_and_query().filter(|_| reads).map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    let back: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
    Redirect(format!("{prefix}/-/sign-in?to={back}")).into_response()
}

/// Mounts a handler that anybody may call. There are few, and `tests/house.rs` knows them all.
pub fn open<I, R, H, F>(method: Method, pattern: &'static str, handler: H) -> Result<Endpoint, String>
where
    I: Input,
    R: Answer,
    H: Fn(App, Keys, I) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    let parsed = Pattern::parse(pattern)?;
    let sample =
        parsed.keys().into_iter().fold(Keys::default(), |keys, key| keys.with(key, "01JD0000000000000000000000"));
    let sample = parsed.fill(&sample).ok_or_else(|| format!("{pattern}: no sample path"))?;
    let run: Run = Arc::new(move |app, keys, mut parts, body| {
        let handler = handler.clone();
        Box::pin(async move {
            parts.extensions.insert(Route(pattern));
            let input = I::parse(&parts, body).await?;
            Ok(handler(app, keys, input).await?.into_response())
        })
    });
    Ok(Endpoint { method, pattern: parsed, act: None, sample, run })
}

/// Every endpoint, found by the first word of its path.
pub struct Endpoints {
    list: Vec<Endpoint>,
    by_word: HashMap<&'static str, Vec<usize>>,
    rest: Vec<usize>,
    elsewhere: fn(&Method, &Segments) -> Refusal,
}

impl Endpoints {
    /// `elsewhere` says what a path is told that nothing is mounted on.
    pub fn new(list: Vec<Endpoint>, elsewhere: fn(&Method, &Segments) -> Refusal) -> Self {
        let mut by_word: HashMap<&'static str, Vec<usize>> = HashMap::new();
        let mut rest = Vec::new();
        for (index, endpoint) in list.iter().enumerate() {
            match endpoint.pattern.first_literal() {
                Some(word) => by_word.entry(word).or_default().push(index),
                None => rest.push(index),
            }
        }
        Self { list, by_word, rest, elsewhere }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.list.iter()
    }

    fn find(&self, method: &Method, path: &Segments) -> Result<(&Endpoint, Keys), Refusal> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let words = path.first().and_then(|word| self.by_word.get(word)).into_iter().flatten();
        let mut other_method = false;
        for endpoint in words.chain(&self.rest).filter_map(|index| self.list.get(*index)) {
            if let Some(keys) = endpoint.pattern.find(path) {
                if endpoint.method == *method {
                    return Ok((endpoint, keys));
                }
                other_method = true;
            }
        }
        if other_method && path.first() == Some("-") {
            return Err(Refusal::new(Code::MethodNotAllowed, format!("This address does not take {method}.")));
        }
        Err((self.elsewhere)(method, path))
    }
}

/// The frame: the handles and the list.
#[derive(Clone)]
pub struct Frame {
    pub app: App,
    pub endpoints: Arc<Endpoints>,
}

/// Answers one request.
pub async fn dispatch(frame: Frame, request: Request<Body>) -> Response<Body> {
    let began = Instant::now();
    let request_id = clock::new_id();
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(RequestId(request_id.clone()));
    let path = parts.uri.path().to_owned();
    let face = frame.app.face.clone();
    let dialect = Dialect::of(path.strip_prefix(face.prefix.as_str()).unwrap_or(&path), &parts.headers);
    let head = parts.method == Method::HEAD;
    let brings_more = brings_more(&parts);
    let method = parts.method.clone();
    let span = tracing::info_span!("request", id = %request_id, %method, path = %ascii_line(&path, 300));
    let answer = enter(frame, parts, body).instrument(span.clone()).await;
    let mut response = answer.unwrap_or_else(|refusal| render(&refusal, dialect, &request_id, &face.prefix));
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = response.status().as_u16();
    // What a refused request still sends is not read: its connection ends, and the client must know before it asks again.
    if status >= 400 && brings_more {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    // What went well is in the ledger; a line for each of thousands of requests a second would cost more than they do.
    span.in_scope(|| {
        if status >= 400 {
            tracing::info!(status, took = ?began.elapsed(), "refused");
        } else {
            tracing::debug!(status, took = ?began.elapsed(), "answered");
        }
    });
    if head { response.map(|_| Body::empty()) } else { response }
}

/// Whether a body follows the head. Over HTTP/2 a stream ends without its connection.
fn brings_more(parts: &Parts) -> bool {
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let some = parts.headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0");
    some && parts.version <= Version::HTTP_11
}

/// The id of a request, as its answer and its events carry it.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

async fn enter(frame: Frame, parts: Parts, body: Body) -> Result<Response<Body>, Refusal> {
    let path = parts.uri.path();
    let prefix = frame.app.face.prefix.as_str();
    let inside = path.strip_prefix(prefix).filter(|rest| rest.starts_with('/') || rest.is_empty());
    let inside = inside.map(|rest| match rest {
        "" => "/",
        "/-/" => "/-",
        rest => rest,
    });
    let inside = inside.ok_or_else(Refusal::not_found)?;
    let segments = Segments::read(inside).ok_or_else(Refusal::not_found)?;
    let (endpoint, keys) = frame.endpoints.find(&parts.method, &segments)?;
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let run = (endpoint.run)(frame.app.clone(), keys, parts, body);
    let broke = |_| {
        Refusal::new(Code::Internal, "Something broke inside Weighbridge.").hint("Tell your operator the request id.")
    };
    if reads {
        return AssertUnwindSafe(run).catch_unwind().await.map_err(broke)?;
    }
    // A client that leaves cancels its handler; what changes something is finished all the same.
    let span = tracing::Span::current();
    crate::tasks::spawn(run.instrument(span)).await.map_err(|_| broke(Box::new(())))?
}

/// The code that makes a client ask again for a file's body: huggingface_hub 0.x does so after 503 and gives up at 429,
/// everything newer the other way round.
pub fn come_back(headers: &HeaderMap) -> Code {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if agent.contains("hf_hub/0.") { Code::NotReady } else { Code::Fetching }
}

fn body_waits(refusal: Refusal, code: Code) -> Refusal {
    match refusal.code {
        Code::Unavailable => Refusal { code, ..refusal },
        _ => refusal,
    }
}

fn call_of(parts: &Parts, route: &'static str) -> Call {
    let address = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0);
    let range = parts.headers.get(header::RANGE).and_then(|v| v.to_str().ok()).map(|v| ascii_line(v, 60));
    Call {
        request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
        source: Some(Source::of(address, &parts.headers)),
        http: Some(HttpFact { method: parts.method.to_string(), route, status: None, range }),
        head: parts.method == Method::HEAD,
    }
}

/// The pattern that an open door was found by.
#[derive(Clone, Copy, Debug)]
struct Route(&'static str);

/// The address a connection came from, put there by the accept loop.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);
