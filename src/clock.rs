//! The one place that reads the wall clock and makes ids from it.
//!
//! Everything else takes a time; so a test can look at any moment, and nothing depends on a clock nobody sees.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::Micros;

/// The time now, cut to whole microseconds: what both databases keep exactly.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A new id: sortable by time, 80 random bits.
pub fn new_id() -> String {
    ulid::Ulid::generate().to_string()
}
