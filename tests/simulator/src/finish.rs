//! The last steps of every answer: faults of the answer, conditions, ranges, lengths.
//!
//! Here and nowhere else a reply becomes what goes on the wire.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::body::{Course, Sending};
use crate::content::Content;
use crate::counters::Sent;
use crate::fault::{Answer, FaultKind};
use crate::range::{Wanted, wanted};
use crate::reply::{Payload, Reply};

/// What of the request matters now.
pub(crate) struct Asking<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
}

/// What kind of answer this is, as faults see it.
pub(crate) fn kind_of(reply: &Reply, asking: &Asking<'_>) -> Answer {
    match (&reply.payload, asking.method == Method::HEAD) {
        (Payload::File(_), false) => Answer::FileBody,
        (Payload::File(_), true) => Answer::FileHead,
        (Payload::Bytes(_), false) if reply.status.is_success() => Answer::Body,
        _ => Answer::Bodiless,
    }
}

pub(crate) fn finish(
    mut reply: Reply,
    asking: &Asking<'_>,
    faults: &[FaultKind],
    sent: Option<Arc<Sent>>,
) -> Response<Sending> {
    change_headers(&mut reply.headers, faults);
    let mut course = match reply.payload {
        Payload::Bytes(bytes) => {
            let len = bytes.len() as u64;
            Course::new(Content::bytes(bytes), 0, len)
        }
        Payload::File(content) => file(content, asking, faults, (&mut reply.status, &mut reply.headers)),
    };
    // Once more: a header about the part that is sent can be wrong too.
    change_headers(&mut reply.headers, faults);
    let len = course.end - course.at;
    if reply.status != StatusCode::NOT_MODIFIED {
        reply.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(len));
    }
    if asking.method == Method::HEAD {
        course.end = course.at;
    } else {
        spoil(&mut course, faults);
    }
    if let Some(sent) = &sent {
        sent.set_status(reply.status.as_u16());
    }
    let mut response = Response::new(Sending::new(course, sent));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

fn file(
    content: Content,
    asking: &Asking<'_>,
    faults: &[FaultKind],
    (status, headers): (&mut StatusCode, &mut HeaderMap),
) -> Course {
    let resized = faults.iter().find_map(|fault| match fault {
        FaultKind::WrongLength { bytes } => Some(content.resized(*bytes)),
        _ => None,
    });
    let content = resized.unwrap_or(content);
    let len = content.len();
    let etag = headers.get(header::ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = |name: HeaderName| asking.headers.get(name).and_then(|value| value.to_str().ok());
    let same = |list: &str| list.split(',').any(|one| one.trim() == etag || one.trim() == "*");
    if asked(header::IF_NONE_MATCH).is_some_and(same) {
        *status = StatusCode::NOT_MODIFIED;
        return Course::new(content, 0, 0);
    }
    let other_version = asked(header::IF_RANGE).is_some_and(|condition| condition != etag);
    let range = asked(header::RANGE).filter(|_| !other_version && !faults.contains(&FaultKind::IgnoreRange));
    match wanted(range, len) {
        Wanted::Whole => Course::new(content, 0, len),
        Wanted::Part(from, to) => {
            *status = StatusCode::PARTIAL_CONTENT;
            put(headers, header::CONTENT_RANGE, &format!("bytes {from}-{}/{len}", to.saturating_sub(1)));
            Course::new(content, from, to)
        }
        Wanted::Unsatisfiable => {
            *status = StatusCode::RANGE_NOT_SATISFIABLE;
            put(headers, header::CONTENT_RANGE, &format!("bytes */{len}"));
            Course::new(content, 0, 0)
        }
    }
}

fn change_headers(headers: &mut HeaderMap, faults: &[FaultKind]) {
    for fault in faults {
        match fault {
            FaultKind::WrongEtag { etag } => {
                let quoted = format!("\"{etag}\"");
                for name in [header::ETAG, HeaderName::from_static("x-linked-etag")] {
                    if headers.contains_key(&name) {
                        put(headers, name, &quoted);
                    }
                }
            }
            FaultKind::Header { name, value } => {
                let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
                match value {
                    Some(value) => put(headers, name, value),
                    None => drop(headers.remove(name)),
                }
            }
            _ => {}
        }
    }
}

fn spoil(course: &mut Course, faults: &[FaultKind]) {
    let len = course.end - course.at;
    for fault in faults {
        match fault {
            FaultKind::Bandwidth { bytes_per_second } => course.bytes_per_second = Some(*bytes_per_second),
            FaultKind::CutAfter { bytes } if *bytes < len => course.cut_after = Some(*bytes),
            FaultKind::ShortBody { missing } if *missing > 0 => course.cut_after = Some(len.saturating_sub(*missing)),
            FaultKind::StallAfter { bytes } if *bytes < len => course.stall_after = Some(*bytes),
            FaultKind::HoldAfter { bytes, until } if *bytes < len => course.hold_after = Some((*bytes, until.clone())),
            FaultKind::FlipByte { offset } => course.flips.push((*offset, 0xff)),
            FaultKind::XorByte { offset, mask } => course.flips.push((*offset, *mask)),
            _ => {}
        }
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
