//! From a connection to an answer: reading the request, asking the faults, counting, sending.
//!
//! Speaks HTTP/1.1 only; that is what a gateway meets when it goes upstream over plain HTTP.

#![allow(clippy::disallowed_methods, reason = "a test server drains nothing")]

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::access::bearer;
use crate::admin;
use crate::answer::{Asked, answer};
use crate::body::Sending;
use crate::counters::{RequestSeen, Side};
use crate::dates;
use crate::fault::{FaultKind, Subject};
use crate::finish::{Asking, finish, kind_of};
use crate::grants::{self, Grant};
use crate::hub::{Handle, Shared};
use crate::reply::Reply;
use crate::route::decode;

/// Takes connections for as long as the runtime lives.
pub(crate) async fn serve(listener: TcpListener, hub: Handle, side: Side) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: those in use will be given back.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        if hub.shared.is_offline() || stream.set_nodelay(true).is_err() {
            continue;
        }
        let hub = hub.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&hub, side, request));
            // A client that goes away and a connection cut on demand both end up here; neither is news.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn respond(hub: &Handle, side: Side, request: Request<Incoming>) -> io::Result<Response<Sending>> {
    let shared = &*hub.shared;
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let asking = Asking { method: &parts.method, headers: &parts.headers };
    if side == Side::Hub && path.starts_with(admin::PREFIX) {
        let reply = admin::answer(hub, &parts.method, path, query, &collect(body).await?);
        return Ok(finish(reply, &asking, &[], None));
    }
    let grant = if side == Side::Cdn { shared.grants.find(path, query) } else { None };
    let file = grant.as_ref().map(|grant| grant.file.clone());
    let sent = shared.counters.record(side, seen(shared, &asking, (path, query), file.clone()));
    let decoded = decode(path);
    let file = file.unwrap_or_default();
    let subject = Subject { side, method: parts.method.as_str(), names: [path, decoded.as_str(), file.as_str()] };

    let mut reply = None;
    for fault in shared.faults.first(&subject) {
        match fault {
            FaultKind::Latency { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            FaultKind::Hang => std::future::pending().await,
            FaultKind::Disconnect => return Err(io::Error::other("disconnected on demand")),
            FaultKind::Status { code, retry_after } => reply = Some(refused(code, retry_after)),
            _ => {}
        }
    }
    let reply = match reply {
        Some(reply) => reply,
        None if side == Side::Cdn => from_cdn(&asking, grant.as_ref()),
        None => {
            let body = collect(body).await?;
            let authorization = text(asking.headers, header::AUTHORIZATION);
            answer(shared, &Asked { method: asking.method, path, query, authorization, body: &body })
        }
    };
    let reply = reply.with("x-request-id", shared.next_request_id());
    let faults = shared.faults.then(&subject, kind_of(&reply, &asking));
    Ok(finish(reply, &asking, &faults, Some(sent)))
}

fn from_cdn(asking: &Asking<'_>, grant: Option<&Grant>) -> Reply {
    if !matches!(*asking.method, Method::GET | Method::HEAD) {
        return Reply::new(StatusCode::METHOD_NOT_ALLOWED, "application/xml", Bytes::new());
    }
    grants::answer(grant, asking.headers.contains_key(header::AUTHORIZATION))
}

/// An error on demand, worded as the hub words it.
fn refused(code: u16, retry_after: Option<u64>) -> Reply {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = Reply::json(&json!({ "error": format!("simulated {status}") }));
    reply.status = status;
    if let Some(seconds) = retry_after {
        reply = reply.with("retry-after", seconds.to_string());
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let wait = retry_after.unwrap_or(1);
        reply = reply
            .with("ratelimit", format!("\"api\";r=0;t={wait}"))
            .with("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300");
    }
    reply
}

fn seen(shared: &Shared, asking: &Asking<'_>, (path, query): (&str, &str), file: Option<String>) -> RequestSeen {
    let header = |name: HeaderName| text(asking.headers, name).map(str::to_owned);
    let authorization = header(header::AUTHORIZATION);
    let token = authorization.as_deref().and_then(bearer).map(str::to_owned);
    RequestSeen {
        method: asking.method.to_string(),
        path: path.to_owned(),
        query: query.to_owned(),
        file,
        range: header(header::RANGE),
        if_none_match: header(header::IF_NONE_MATCH),
        authorization: authorization.is_some(),
        token_name: token.as_deref().and_then(|value| shared.tokens.find(value)).map(|token| token.name),
        token,
        user_agent: header(header::USER_AGENT),
        at_ms: dates::now_ms(),
        ..RequestSeen::default()
    }
}

async fn collect(body: Incoming) -> io::Result<Bytes> {
    let collected = Limited::new(body, BODY_LIMIT).collect().await.map_err(io::Error::other)?;
    Ok(collected.to_bytes())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Files come in through the admin routes too.
const BODY_LIMIT: usize = 256 << 20;

/// The state a running hub hands to its connections must be shareable between them.
const _: fn() = || {
    fn shareable<T: Send + Sync>() {}
    shareable::<Arc<Shared>>();
};
