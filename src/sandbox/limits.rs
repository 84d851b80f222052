//! What a child may use. Reaching any of these makes a file's coverage incomplete; it never makes a file clean.

use std::time::Duration;

/// What one child may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Address space of the child. The reader of Python alone asks for a stack of 256 MiB, most of it never touched.
    pub memory_bytes: u64,
    /// How much processor time one file may take …
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
    /// How much processor time a file may take of which the child was given so many bytes.
    fn time_for(&self, given: u64) -> Duration {
        let mebibytes = u32::try_from(given >> 20).unwrap_or(u32::MAX);
        self.time.saturating_add(self.time_for_each_mib.saturating_mul(mebibytes))
    }

    /// How long the child may take for it by the clock, waiting for its bytes not counted. More than the processor time: a
    /// file that keeps the child busy runs out of that first, and a child that is out of this was kept from working.
    pub(super) fn patience_for(&self, given: u64) -> Duration {
        self.time_for(given).saturating_mul(3) / 2 + Duration::from_secs(4)
    }

    /// Seconds of processor time for the same: whole seconds, because the kernel counts in them.
    pub(super) fn processor_seconds_for(&self, given: u64) -> u64 {
        self.time_for(given).as_secs().saturating_add(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a file that keeps its child busy would be taken for a machine that has no time.
    #[test]
    fn the_processor_runs_out_before_the_clock() {
        for time in [Duration::from_millis(1), Duration::from_secs(2), Duration::from_mins(2)] {
            let limits = Limits { time, ..Limits::default() };
            for given in [0, 1 << 20, 1 << 30, u64::MAX] {
                let processor = Duration::from_secs(limits.processor_seconds_for(given));
                assert!(processor < limits.patience_for(given), "{time:?} {given}");
            }
        }
    }
}
