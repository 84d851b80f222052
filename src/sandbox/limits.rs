//! What a child may use. Reaching any of these makes a file's coverage incomplete; it never makes a file clean.

use std::time::Duration;

/// What one child may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Address space of the child. The reader of Python alone asks for a stack of 256 MiB, most of it never touched.
    pub memory_bytes: u64,
    /// How long one file may take, waiting for its bytes not counted …
    pub time: Duration,
    /// … and so much more for each MiB that the child was given.
    pub time_for_each_mib: Duration,
    /// Bytes of one file that are fetched for the child where the file is not here: it holds them all.
    pub fetched_bytes: u64,
    /// Requests for ranges of one file that is not here: each costs a way to the hub and back.
    pub requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 2 << 30,
            time: Duration::from_mins(2),
            time_for_each_mib: Duration::from_millis(250),
            fetched_bytes: 512 << 20,
            requests: 100,
        }
    }
}

impl Limits {
    /// How long a file may take of which the child was given so many bytes.
    pub(super) fn time_for(&self, given: u64) -> Duration {
        let mebibytes = u32::try_from(given >> 20).unwrap_or(u32::MAX);
        self.time.saturating_add(self.time_for_each_mib.saturating_mul(mebibytes))
    }

    /// Seconds of processor time for the same. A little more than the time, so that of the two the time is told, and
    /// whole seconds because the kernel counts in them.
    pub(super) fn processor_seconds_for(&self, given: u64) -> u64 {
        self.time_for(given).as_secs().saturating_add(2)
    }
}
