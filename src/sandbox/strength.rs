//! How much of the child's confinement this kernel enforces, said plainly. Decides nothing and applies nothing.

use serde::{Deserialize, Serialize};

/// What holds a scanning child besides its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strength {
    /// What landlock takes away.
    pub(super) landlock: Landlock,
    /// Whether the kernel kills the child at the first system call that a scan never makes.
    pub(super) seccomp: bool,
    /// Why something of this could not be had, in the kernel's words.
    pub(super) why: Vec<String>,
}

/// What landlock takes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Landlock {
    /// Nothing.
    #[default]
    None,
    /// The file system; this kernel's landlock is too old for the rest.
    Files,
    /// The file system, TCP, and signals to other processes.
    All,
}

impl Strength {
    /// Whether a file that takes over the child finds every door closed twice.
    pub fn is_whole(&self) -> bool {
        self.seccomp && self.landlock == Landlock::All
    }

    /// What the profile `strict` asks before it starts: the reason not to, if there is one. An old landlock is enough,
    /// since seccomp alone leaves no way to a socket or to another process.
    pub fn enough_for_strict(&self) -> Result<(), String> {
        if self.seccomp && self.landlock != Landlock::None {
            return Ok(());
        }
        Err(format!(
            "The profile strict scans only in a confined child, and {}. Run on a Linux kernel of 5.13 or newer where \
             seccomp and landlock are allowed (containers: the default seccomp profile of a current runtime), or choose \
             the profile guarded.",
            self.lacking().join("; ")
        ))
    }

    /// One line for the log at start-up: `Ok` where nothing is missing, `Err` where somebody should read it.
    pub fn statement(&self) -> Result<String, String> {
        let lacking = self.lacking();
        if lacking.is_empty() {
            return Ok("Scans run in a child without files, network or other processes (landlock, seccomp).".into());
        }
        let why = if self.why.is_empty() { String::new() } else { format!(" ({})", self.why.join("; ")) };
        Err(format!("Scans run in a child with limits on memory and time, but {}{why}.", lacking.join("; ")))
    }

    fn lacking(&self) -> Vec<&'static str> {
        let mut lacking = Vec::new();
        match (self.landlock, self.seccomp) {
            (Landlock::All, _) => {}
            (Landlock::Files, true) => {
                lacking.push("this kernel's landlock knows only files: network and signals are held by seccomp alone");
            }
            (Landlock::Files, false) => lacking.push("this kernel's landlock knows only files, and not the network"),
            (Landlock::None, true) => {
                lacking.push("landlock is not available: files and network are held by seccomp alone");
            }
            (Landlock::None, false) => {
                lacking.push("landlock is not available: a file that took over the child could read this user's files");
            }
        }
        if !self.seccomp {
            lacking.push("seccomp is not available: a file that took over the child could use the whole kernel");
        }
        lacking
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "tests say what went wrong by panicking")]

    use super::*;

    fn strength(landlock: Landlock, seccomp: bool) -> Strength {
        Strength { landlock, seccomp, why: Vec::new() }
    }

    #[test]
    fn strict_starts_only_where_both_locks_hold() {
        for (landlock, seccomp, strict, whole) in [
            (Landlock::All, true, true, true),
            (Landlock::Files, true, true, false),
            (Landlock::None, true, false, false),
            (Landlock::All, false, false, false),
            (Landlock::None, false, false, false),
        ] {
            let strength = strength(landlock, seccomp);
            assert_eq!(strength.enough_for_strict().is_ok(), strict, "{strength:?}");
            assert_eq!((strength.is_whole(), strength.statement().is_ok()), (whole, whole), "{strength:?}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let nothing = Strength { why: vec!["Function not implemented".into()], ..Strength::default() };
        let said = nothing.statement().expect_err("nothing holds");
        for word in ["landlock is not available", "seccomp is not available", "Function not implemented"] {
            assert!(said.contains(word), "{said}");
        }
        let strict = nothing.enough_for_strict().expect_err("nothing holds");
        assert!(strict.contains("choose the profile guarded"), "{strict}");
    }
}
