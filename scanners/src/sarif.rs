//! Reports as SARIF 2.1.0, for code-scanning screens.

use crate::report::Report;

/// One SARIF log for these reports.
pub fn sarif(_reports: &[Report]) -> serde_json::Value {
    serde_json::Value::Null
}
