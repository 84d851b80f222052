//! Deciding about revisions: examining, approving, revoking, and asking for them.
//!
//! Invariants: an approval names a commit and the evidence digest its giver saw, and nothing else is approved; `main`
//! and every other pointer moves only here, forward along the hub's own history; a revoked revision never goes straight
//! back to approved. Never fetches anything itself: it asks for jobs.

mod approve;
mod examine;
pub mod http;
mod pin;
mod requests;
mod revoke;
mod sql;
