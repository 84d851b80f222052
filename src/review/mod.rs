//! Deciding about revisions: examining, approving, revoking, asking for them, and how far behind the hub they are.
//!
//! Invariants: an approval names a commit and the evidence digest its giver saw, and nothing else is approved; `main`
//! and every other pointer moves only here, forward along the hub's own history; a revoked revision never goes straight
//! back to approved. Never fetches anything itself: it asks for jobs.

mod approve;
mod behind;
mod examine;
pub mod http;
mod pin;
mod requests;
mod revoke;
mod sql;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests;
mod webhook;
