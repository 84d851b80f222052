//! A file that the gateway has: each read asks over the socket and waits.
//!
//! Keeps what was fetched before and the last few windows, since the whole file may be larger than the child's memory.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use weighbridge_scanners::{Ranges, ReadAt, Unread};

use super::child::{Socket, fetch};

/// A file of which any range can be had by asking.
pub(super) struct Near {
    held: Ranges,
    windows: Mutex<VecDeque<(u64, Bytes)>>,
}

/// Below this the file is asked for once and whole.
pub(super) const WHOLE: u64 = 8 << 20;
/// What is asked for at least: readers take headers in small steps …
pub(super) const AHEAD: u64 = 64 << 10;
/// … and more where they read on from about the end of a window: a skipped value leaves a gap.
const FURTHER_AHEAD: u64 = 1 << 20;
const WINDOWS: usize = 8;

impl Near {
    /// A file of which some ranges are here already.
    pub(super) fn new(held: Ranges) -> Self {
        Self { held, windows: Mutex::default() }
    }
}

impl ReadAt for Near {
    fn size(&self) -> u64 {
        self.held.size()
    }

    fn read_at(&self, range: Range<u64>) -> Result<Bytes, Unread> {
        let size = self.held.size();
        if range.start > range.end || range.end > size {
            return Err(Unread::Failed("asked for bytes past the end".into()));
        }
        if let Ok(held) = self.held.read_at(range.clone()) {
            return Ok(held);
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = windows.iter().find_map(|(start, bytes)| within(*start, bytes, &range)) {
            return Ok(held);
        }
        let goes_on = windows.iter().any(|(start, bytes)| {
            let end = start + bytes.len() as u64;
            *start <= range.start && range.start <= end + AHEAD
        });
        let wanted = if size <= WHOLE {
            0..size
        } else {
            let ahead = if goes_on { FURTHER_AHEAD } else { AHEAD };
            range.start..range.end.max(range.start.saturating_add(ahead).min(size))
        };
        let fetched = fetch(&mut Socket, std::slice::from_ref(&wanted));
        let Ok(Some((start, bytes))) = fetched.map(|mut all| all.pop()) else {
            // Without the gateway there is nobody left to tell.
            return Err(Unread::Failed("the gateway is gone".into()));
        };
        let held = within(start, &bytes, &range).ok_or_else(|| Unread::Failed("other bytes came".into()))?;
        // What a reader took whole it holds itself.
        if bytes.len() as u64 <= WHOLE {
            if windows.len() == WINDOWS {
                windows.pop_front();
            }
            windows.push_back((start, bytes));
        }
        Ok(held)
    }
}

fn within(start: u64, bytes: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
    (to <= bytes.len()).then(|| bytes.slice(from..to))
}
