//! What was asked of the simulator and how many bytes of bodies it sent.
//!
//! Sums are kept per listener, method and path without query; the last requests are kept one by one.
//! Requests to the admin routes are never counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Which of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Hub,
    Cdn,
}

/// One request, as it came in and as it was answered.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RequestSeen {
    pub side: Option<Side>,
    pub method: String,
    /// As it was on the wire, without the query.
    pub path: String,
    pub query: String,
    /// On the CDN: `models/acme/tiny/model.safetensors`.
    pub file: Option<String>,
    pub range: Option<String>,
    pub if_none_match: Option<String>,
    pub authorization: bool,
    /// The bearer token, and its name where it is one of ours.
    pub token: Option<String>,
    pub token_name: Option<String>,
    pub user_agent: Option<String>,
    /// 0 while there is no answer.
    pub status: u16,
    pub body_bytes: u64,
    pub at_ms: u64,
}

/// The sums of one path.
#[derive(Clone, Debug, Serialize)]
pub struct Count {
    pub side: Side,
    pub method: String,
    pub path: String,
    pub file: Option<String>,
    pub requests: u64,
    pub body_bytes: u64,
}

/// What the answer to one request reports back while it is sent.
pub(crate) struct Sent {
    status: AtomicU16,
    body_bytes: AtomicU64,
    sum: Arc<AtomicU64>,
}

impl Sent {
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.body_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.sum.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

#[derive(Default)]
pub(crate) struct Counters(Mutex<Book>);

#[derive(Default)]
struct Book {
    sums: BTreeMap<(Side, String, String, Option<String>), Sum>,
    log: VecDeque<(RequestSeen, Arc<Sent>)>,
    xet_leaks: u64,
    cdn_authorized: u64,
}

#[derive(Default)]
struct Sum {
    requests: u64,
    body_bytes: Arc<AtomicU64>,
}

impl Counters {
    pub(crate) fn record(&self, side: Side, seen: RequestSeen) -> Arc<Sent> {
        let mut book = self.lock();
        if side == Side::Cdn && seen.authorization {
            book.cdn_authorized += 1;
        }
        if side == Side::Hub && is_xet(&seen.path) {
            book.xet_leaks += 1;
        }
        let key = (side, seen.method.clone(), seen.path.clone(), seen.file.clone());
        let sum = book.sums.entry(key).or_default();
        sum.requests += 1;
        let sum = Arc::clone(&sum.body_bytes);
        let sent = Arc::new(Sent { status: AtomicU16::new(0), body_bytes: AtomicU64::new(0), sum });
        if book.log.len() == LOG_LENGTH {
            book.log.pop_front();
        }
        book.log.push_back((RequestSeen { side: Some(side), ..seen }, Arc::clone(&sent)));
        sent
    }

    /// The last requests, oldest first.
    pub(crate) fn requests(&self) -> Vec<RequestSeen> {
        let told = |(seen, sent): &(RequestSeen, Arc<Sent>)| RequestSeen {
            status: sent.status.load(Ordering::Relaxed),
            body_bytes: sent.body_bytes.load(Ordering::Relaxed),
            ..seen.clone()
        };
        self.lock().log.iter().map(told).collect()
    }

    pub(crate) fn counts(&self, contains: &str) -> Vec<Count> {
        let book = self.lock();
        let meant = book.sums.iter().filter(|((_, _, path, file), _)| {
            path.contains(contains) || file.as_ref().is_some_and(|file| file.contains(contains))
        });
        meant
            .map(|((side, method, path, file), sum)| Count {
                side: *side,
                method: method.clone(),
                path: path.clone(),
                file: file.clone(),
                requests: sum.requests,
                body_bytes: sum.body_bytes.load(Ordering::Relaxed),
            })
            .collect()
    }

    pub(crate) fn xet_leaks(&self) -> u64 {
        self.lock().xet_leaks
    }

    pub(crate) fn cdn_authorized(&self) -> u64 {
        self.lock().cdn_authorized
    }

    pub(crate) fn reset(&self) {
        *self.lock() = Book::default();
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests that only a client which was let in on Xet would make.
fn is_xet(path: &str) -> bool {
    path.starts_with("/cas/") || path.contains("/xet-read-token/") || path.contains("/xet-write-token/")
}

/// Older entries are dropped: a load test must not eat the machine's memory. The sums go on.
const LOG_LENGTH: usize = 100_000;
