//! How much work one scan may do. Reaching a limit makes coverage incomplete; it never makes a file clean.

use crate::scan::{Scanned, Stop};

/// The most that one scan may spend. The defaults judge every ordinary model; nothing attacker-made costs more.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes made by decompression, in all.
    pub unpacked_bytes: u64,
    /// Bytes of one decompressed stream that are held in memory at a time.
    pub memory_bytes: u64,
    /// Made bytes for each packed byte, looked at above 64 MiB (ten times as many: above 8 MiB).
    pub ratio: u64,
    /// Steps of all machines and walks together: opcodes, fields, records, tokens.
    pub steps: u64,
    /// Files within files.
    pub depth: u32,
    /// Members of all archives together.
    pub members: u64,
    /// Tensors in one file.
    pub tensors: u64,
    /// Findings kept; more are counted, and the worst verdict always counts.
    pub findings: usize,
    /// The largest text (Python, JSON, template, …) that is read whole.
    pub text_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes: 16 << 30,
            memory_bytes: 256 << 20,
            ratio: 200,
            steps: 200_000_000,
            depth: 8,
            members: 20_000,
            tensors: 1_000_000,
            findings: 500,
            text_bytes: 64 << 20,
        }
    }
}

/// What has been spent so far.
#[derive(Default)]
pub(crate) struct Spent {
    unpacked_bytes: u64,
    steps: u64,
    members: u64,
}

impl Spent {
    pub(crate) fn steps(&mut self, limits: &Limits, more: u64) -> Scanned<()> {
        self.steps = self.steps.saturating_add(more);
        within(self.steps, limits.steps, "steps of work")
    }

    pub(crate) fn members(&mut self, limits: &Limits, more: u64) -> Scanned<()> {
        self.members = self.members.saturating_add(more);
        within(self.members, limits.members, "members of archives")
    }

    pub(crate) fn unpacked(&mut self, limits: &Limits, more: u64) -> Scanned<()> {
        self.unpacked_bytes = self.unpacked_bytes.saturating_add(more);
        within(self.unpacked_bytes, limits.unpacked_bytes, "decompressed bytes")
    }
}

fn within(spent: u64, most: u64, what: &str) -> Scanned<()> {
    if spent > most { Err(Stop::Spent(format!("more than {most} {what}"))) } else { Ok(()) }
}
