//! What the process says while it runs: text on a terminal, JSON lines otherwise, always on stderr.
//!
//! Never a token and never a query string: ours are not logged, and of the libraries, which below `info` write whole
//! addresses and headers, nothing below `info` is written whatever the filter says. Lines within a request carry its
//! id, from the span that the endpoint's frame opens.

use std::io::{self, IsTerminal as _};

use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts logging. `filter` is what `WEIGHBRIDGE_LOG` says, else `usual` counts. Says what was wrong with the filter.
pub fn start(filter: Option<&str>, usual: &str) -> Result<(), String> {
    let wanted = filter.filter(|f| !f.trim().is_empty()).unwrap_or(usual);
    let read = EnvFilter::builder().parse(wanted);
    let wrong = |_| format!("WEIGHBRIDGE_LOG: `{wanted}` is not a filter such as info or weighbridge=debug");
    let answer = read.as_ref().map(|_| ()).map_err(wrong);
    let levels = read.unwrap_or_else(|_| EnvFilter::new(usual));
    let lines = tracing_subscriber::registry().with(levels).with(filter_fn(may_be_said));
    let started = if io::stderr().is_terminal() {
        lines.with(fmt::layer().with_writer(io::stderr).with_target(false)).try_init()
    } else {
        lines.with(fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(io::stderr)).try_init()
    };
    // In a test somebody may have started it before us.
    drop(started);
    answer
}

/// PostgreSQL's notices say nothing that matters.
fn may_be_said(line: &Metadata<'_>) -> bool {
    let ours = line.target().starts_with("weighbridge");
    (ours || *line.level() <= Level::INFO) && line.target() != "sqlx::postgres::notice"
}
