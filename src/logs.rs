//! What the process says while it runs: text on a terminal, JSON lines otherwise, always on stderr.
//!
//! Never a token and never a query string: ours are not logged, and the libraries that could are held at `info` whatever
//! the filter says. Lines within a request carry its id, from the span that the endpoint's frame opens.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts logging. `filter` is what `WEIGHBRIDGE_LOG` says, else `usual` counts. Says what was wrong with the filter.
pub fn start(filter: Option<&str>, usual: &str) -> Result<(), String> {
    let wanted = filter.filter(|f| !f.trim().is_empty()).unwrap_or(usual);
    let read = EnvFilter::builder().parse(wanted);
    let wrong = read
        .as_ref()
        .err()
        .map(|_| format!("WEIGHBRIDGE_LOG: `{wanted}` is not a filter such as info or weighbridge=debug"));
    let mut levels = read.unwrap_or_else(|_| EnvFilter::new(usual));
    for quiet in QUIET {
        if let Ok(directive) = quiet.parse() {
            levels = levels.add_directive(directive);
        }
    }
    let started = if io::stderr().is_terminal() {
        let lines = fmt::layer().with_writer(io::stderr).with_target(false);
        tracing_subscriber::registry().with(levels).with(lines).try_init()
    } else {
        let lines = fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(io::stderr);
        tracing_subscriber::registry().with(levels).with(lines).try_init()
    };
    // In a test somebody may have started it before us.
    drop(started);
    wrong.map_or(Ok(()), Err)
}

/// At `debug` these write whole addresses or headers; PostgreSQL's notices say nothing that matters.
const QUIET: [&str; 9] = [
    "sqlx::postgres::notice=off",
    "sqlx=warn",
    "sea_orm_migration=warn",
    "hyper=info",
    "hyper_util=info",
    "h2=info",
    "reqwest=info",
    "rustls=info",
    "object_store=info",
];
