//! The way of a revision into the house: listing what the hub says it holds, and fetching its bytes.
//!
//! Work is rows in the `job` table: asked for once, taken by whichever replica is free, resumed after a crash. Other
//! features ask for work and look at its outcome; they never call it. Never decides whether anything is served.

pub mod bytes;
pub mod change;
pub mod compare;
pub mod decide;
pub mod decide_sql;
mod described;
pub mod digests;
pub mod evict;
mod evict_sql;
pub mod fetch;
pub mod http;
pub mod inspect;
mod judge;
pub mod knowledge;
pub mod list;
pub mod list_sql;
pub mod prefetch;
mod prefetch_sql;
mod prose;
pub mod report_sql;
pub mod seen;
pub mod show;
mod show_sql;
pub mod sql;
pub mod tensors;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
pub(crate) mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]
mod tests;
pub mod twins;
pub mod verify;
pub mod whole;
pub mod worker;
