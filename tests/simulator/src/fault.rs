//! Faults the simulator shows on demand: slow, cut, wrong, refused, silent.
//!
//! A fault says what goes wrong and for which requests; the list of faults is asked once per request.
//! Never changes what is stored: clear the faults and the hub is sound again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::counters::Side;

/// One thing that goes wrong, for the requests it is meant for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Only paths that contain this; on the CDN the repository and file name count as part of the path.
    #[serde(default)]
    pub on: String,
    /// Only this listener.
    #[serde(default)]
    pub side: Option<Side>,
    /// Only this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only the next so many requests.
    #[serde(default)]
    pub times: Option<u64>,
    /// Not for the first so many requests that fit.
    #[serde(default)]
    pub after: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Wait before the headers.
    Latency { ms: u64 },
    /// Never answer.
    Hang,
    /// Close the connection without an answer.
    Disconnect,
    /// Answer this status instead; 429 and 503 may carry Retry-After, 429 then also RateLimit headers.
    Status { code: u16, retry_after: Option<u64> },
    /// Send the body no faster than this.
    Bandwidth { bytes_per_second: u64 },
    /// Break the connection after so many bytes of the body.
    CutAfter { bytes: u64 },
    /// Stop sending after so many bytes of the body, and keep the connection open.
    StallAfter { bytes: u64 },
    /// Stop sending after so many bytes of the body, and go on once the fault is cleared.
    HoldAfter {
        bytes: u64,
        #[serde(skip)]
        until: Cleared,
    },
    /// Content-Length tells the true length, the body is so many bytes shorter.
    ShortBody { missing: u64 },
    /// One byte of the file is wrong, also when a range is asked for.
    FlipByte { offset: u64 },
    /// Some bits of one byte are wrong, also when a range is asked for.
    XorByte { offset: u64, mask: u8 },
    /// The file is served with this length, cut or filled up with zeros, and all headers agree.
    WrongLength { bytes: u64 },
    /// Answer 200 with the whole file to a ranged request.
    IgnoreRange,
    /// Another ETag (and X-Linked-Etag where there is one); quotes are added.
    WrongEtag { etag: String },
    /// Set a header of the answer, or take it away.
    Header { name: String, value: Option<String> },
}

/// When a fault was taken away, for bodies that wait for it.
#[derive(Clone, Debug, Default)]
pub struct Cleared(Arc<watch::Sender<bool>>);

impl PartialEq for Cleared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Cleared {
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut told = self.0.subscribe();
        async move {
            let _ = told.wait_for(|cleared| *cleared).await;
        }
    }
}

impl FaultKind {
    fn let_go(&self) {
        if let Self::HoldAfter { until, .. } = self {
            until.0.send_replace(true);
        }
    }

    /// Whether it strikes instead of or before the answer; all others change the answer.
    fn comes_first(&self) -> bool {
        matches!(self, Self::Latency { .. } | Self::Hang | Self::Disconnect | Self::Status { .. })
    }

    /// Whether it makes sense for this answer: a fault of bytes must not be used up by a redirect.
    fn fits(&self, answer: Answer) -> bool {
        match self {
            Self::Bandwidth { .. }
            | Self::CutAfter { .. }
            | Self::StallAfter { .. }
            | Self::HoldAfter { .. }
            | Self::ShortBody { .. } => {
                matches!(answer, Answer::FileBody | Answer::Body)
            }
            Self::FlipByte { .. } | Self::XorByte { .. } | Self::IgnoreRange => answer == Answer::FileBody,
            Self::WrongLength { .. } => matches!(answer, Answer::FileBody | Answer::FileHead),
            _ => true,
        }
    }
}

/// What is about to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    FileBody,
    FileHead,
    Body,
    /// Redirects, errors and answers to HEAD.
    Bodiless,
}

impl Fault {
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, on: String::new(), side: None, method: None, times: None, after: 0 }
    }

    pub fn latency(time: Duration) -> Self {
        Self::new(FaultKind::Latency { ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX) })
    }

    pub fn hang() -> Self {
        Self::new(FaultKind::Hang)
    }

    pub fn disconnect() -> Self {
        Self::new(FaultKind::Disconnect)
    }

    pub fn status(code: u16) -> Self {
        Self::new(FaultKind::Status { code, retry_after: None })
    }

    pub fn status_retry_after(code: u16, seconds: u64) -> Self {
        Self::new(FaultKind::Status { code, retry_after: Some(seconds) })
    }

    pub fn bandwidth(bytes_per_second: u64) -> Self {
        Self::new(FaultKind::Bandwidth { bytes_per_second })
    }

    pub fn cut_after(bytes: u64) -> Self {
        Self::new(FaultKind::CutAfter { bytes })
    }

    pub fn stall_after(bytes: u64) -> Self {
        Self::new(FaultKind::StallAfter { bytes })
    }

    pub fn hold_after(bytes: u64) -> Self {
        Self::new(FaultKind::HoldAfter { bytes, until: Cleared::default() })
    }

    pub fn short_body(missing: u64) -> Self {
        Self::new(FaultKind::ShortBody { missing })
    }

    pub fn flip_byte(offset: u64) -> Self {
        Self::new(FaultKind::FlipByte { offset })
    }

    pub fn xor_byte(offset: u64, mask: u8) -> Self {
        Self::new(FaultKind::XorByte { offset, mask })
    }

    pub fn wrong_length(bytes: u64) -> Self {
        Self::new(FaultKind::WrongLength { bytes })
    }

    pub fn ignore_range() -> Self {
        Self::new(FaultKind::IgnoreRange)
    }

    pub fn wrong_etag(etag: impl Into<String>) -> Self {
        Self::new(FaultKind::WrongEtag { etag: etag.into() })
    }

    pub fn set_header(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(FaultKind::Header { name: name.into(), value: Some(value.into()) })
    }

    pub fn drop_header(name: impl Into<String>) -> Self {
        Self::new(FaultKind::Header { name: name.into(), value: None })
    }

    /// Only for paths that contain this text.
    pub fn on(mut self, path_contains: impl Into<String>) -> Self {
        self.on = path_contains.into();
        self
    }

    pub fn side(mut self, side: Side) -> Self {
        self.side = Some(side);
        self
    }

    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    pub fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }
}

/// The faults now in force.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Listed>);

#[derive(Default)]
struct Listed {
    last_id: u64,
    faults: Vec<(u64, Fault)>,
}

/// How a request looks to the list of faults.
pub(crate) struct Subject<'a> {
    pub(crate) side: Side,
    pub(crate) method: &'a str,
    /// The raw path, the decoded path, and on the CDN the file it stands for.
    pub(crate) names: [&'a str; 3],
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) -> u64 {
        let mut listed = self.lock();
        listed.last_id += 1;
        let id = listed.last_id;
        listed.faults.push((id, fault));
        id
    }

    pub(crate) fn remove(&self, id: u64) {
        self.lock().faults.retain(|(other, fault)| {
            if *other == id {
                fault.kind.let_go();
            }
            *other != id
        });
    }

    pub(crate) fn clear(&self) {
        for (_, fault) in self.lock().faults.drain(..) {
            fault.kind.let_go();
        }
    }

    pub(crate) fn list(&self) -> Vec<(u64, Fault)> {
        self.lock().faults.clone()
    }

    /// What goes wrong before there is an answer.
    pub(crate) fn first(&self, subject: &Subject<'_>) -> Vec<FaultKind> {
        self.strike(subject, FaultKind::comes_first)
    }

    /// What goes wrong with the answer.
    pub(crate) fn then(&self, subject: &Subject<'_>, answer: Answer) -> Vec<FaultKind> {
        self.strike(subject, |kind| !kind.comes_first() && kind.fits(answer))
    }

    fn strike(&self, subject: &Subject<'_>, fits: impl Fn(&FaultKind) -> bool) -> Vec<FaultKind> {
        let mut listed = self.lock();
        let mut struck = Vec::new();
        for (_, fault) in &mut listed.faults {
            let meant = fault.side.is_none_or(|side| side == subject.side)
                && fault.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(subject.method))
                && subject.names.iter().any(|name| name.contains(&fault.on));
            if !meant || !fits(&fault.kind) || fault.times == Some(0) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times -= 1;
            }
            struck.push(fault.kind.clone());
        }
        listed.faults.retain(|(_, fault)| fault.times != Some(0));
        struck
    }

    fn lock(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
