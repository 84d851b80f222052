//! The body of an answer: slices of a content, sent as fast as asked, or broken off as asked.
//!
//! Never copies the bytes it sends, but for the one slice that carries a wrong byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Instant;

use crate::content::Content;
use crate::counters::Sent;
use crate::fault::Cleared;

/// What is sent, and how it goes wrong.
#[derive(Clone)]
pub(crate) struct Course {
    pub(crate) content: Content,
    /// The next byte to send and the one past the last.
    pub(crate) at: u64,
    pub(crate) end: u64,
    /// The byte of the content that is sent wrong.
    pub(crate) flips: Vec<(u64, u8)>,
    pub(crate) bytes_per_second: Option<u64>,
    /// Body bytes after which the connection breaks.
    pub(crate) cut_after: Option<u64>,
    /// Body bytes after which nothing more comes.
    pub(crate) stall_after: Option<u64>,
    /// Body bytes after which nothing comes until the fault is cleared.
    pub(crate) hold_after: Option<(u64, Cleared)>,
}

impl Course {
    pub(crate) fn new(content: Content, at: u64, end: u64) -> Self {
        Self {
            content,
            at,
            end,
            flips: Vec::new(),
            bytes_per_second: None,
            cut_after: None,
            stall_after: None,
            hold_after: None,
        }
    }
}

pub(crate) struct Sending {
    course: Course,
    sent: Option<Arc<Sent>>,
    done: u64,
    started: Instant,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    flushed: bool,
}

impl Sending {
    pub(crate) fn new(course: Course, sent: Option<Arc<Sent>>) -> Self {
        Self { course, sent, done: 0, started: Instant::now(), pause: None, flushed: false }
    }

    fn next_slice(&mut self, max: u64) -> Bytes {
        let max = usize::try_from(max).unwrap_or(FRAME).min(FRAME);
        let from = self.course.at;
        let mut slice = self.course.content.slice(from, max);
        let to = from + slice.len() as u64;
        for (offset, mask) in self.course.flips.iter().filter(|(offset, _)| (from..to).contains(offset)) {
            let mut wrong = slice.to_vec();
            if let Some(byte) = usize::try_from(offset - from).ok().and_then(|index| wrong.get_mut(index)) {
                *byte ^= mask;
            }
            slice = Bytes::from(wrong);
        }
        self.course.at = to;
        self.done += slice.len() as u64;
        if let Some(sent) = &self.sent {
            sent.add_bytes(slice.len() as u64);
        }
        slice
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let held = self.course.hold_after.as_ref().map(|(bytes, _)| *bytes);
            let limits = [self.course.cut_after, self.course.stall_after, held];
            let stop = limits.into_iter().flatten().min().unwrap_or(u64::MAX);
            if held == Some(self.done) {
                self.pause = self.course.hold_after.take().map(|(_, until)| Box::pin(until.wait()) as _);
                continue;
            }
            if self.course.stall_after == Some(self.done) {
                // Nothing will wake this: the connection ends when the client has had enough.
                return Poll::Pending;
            }
            if self.course.cut_after == Some(self.done) {
                if self.flushed {
                    return Poll::Ready(Some(Err(io::Error::other("cut on demand"))));
                }
                // An error throws away what is still buffered; a pause lets it reach the client before the break.
                self.flushed = true;
                self.pause = Some(Box::pin(tokio::time::sleep(FLUSH)));
                continue;
            }
            let left = self.course.end.saturating_sub(self.course.at).min(stop - self.done);
            if left == 0 {
                return Poll::Ready(None);
            }
            let mut max = left;
            if let Some(rate) = self.course.bytes_per_second {
                let due = self.started + Duration::from_millis(self.done.saturating_mul(1000) / rate.max(1));
                if due > Instant::now() {
                    self.pause = Some(Box::pin(tokio::time::sleep_until(due)));
                    continue;
                }
                max = left.min((rate / SLICES_PER_SECOND).max(1));
            }
            return Poll::Ready(Some(Ok(Frame::data(self.next_slice(max)))));
        }
    }

    /// Only a body that is empty on purpose is over before it began; the length on the wire is the header's business.
    fn is_end_stream(&self) -> bool {
        let more_to_come = self.course.cut_after.is_some() || self.course.stall_after.is_some();
        self.course.at >= self.course.end && !more_to_come
    }
}

/// Small enough that a client who goes away is not counted as having got much more than it did.
const FRAME: usize = 256 << 10;
const SLICES_PER_SECOND: u64 = 50;
const FLUSH: Duration = Duration::from_millis(50);
