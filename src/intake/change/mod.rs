//! When something changes that decisions rest on: the scanner, the rules, the configuration, the time, or the hub.
//!
//! Decisions are made anew from what is stored, first; bytes are read again after that, what is used most recently first.
//! The hub is looked at again by itself. Everything is jobs, in lanes behind whatever somebody waits for. Never moves a
//! pointer or serves anything by itself: it has the rules asked.

pub mod basis;
pub mod follow;
pub mod redecide;
pub mod sql;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests;
pub mod watch;
