//! The hub door: what stock clients ask of the public hub, answered from what is approved here.
//!
//! Read side only. No upstream JSON is relayed: every answer is composed from stored facts (`shape`), and files leave
//! through `pull`. Never a redirect to another host, never a trace of Xet.
//!
//! Invariants: what is not approved in the caller's environment does not appear in any listing; every answer about a
//! revision carries its commit.

mod card;
mod early;
pub mod elsewhere;
pub mod http;
mod pull;
mod shape;
mod sql;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
