//! Reading model files without running them: a pure library, no async, no network, no clock, no unsafe code.
//!
//! [`scan`] takes bytes (a file, a buffer, or ranges fetched elsewhere) and answers with a [`Report`]: what the file is,
//! what was seen in it and where, which of its bytes were looked at, and facts for policy to judge. It never decides who
//! may have the file, never runs what it reads, and never writes to disk.

mod archive;
mod configs;
mod coverage;
mod facts;
mod formats;
mod kinds;
mod limits;
mod pickle;
mod read;
mod report;
mod reuse;
pub mod rules;
mod sarif;
mod scan;
mod source;
mod text;
mod unpack;

pub use coverage::{Coverage, CoverageState, Extent, Seen};
pub use facts::{Facts, GlobalFact, TemplateFact, TensorFact, TensorPlace};
pub use formats::names as formats;
pub use limits::Limits;
pub use report::{Finding, Place, Report, Verdict, unread};
pub use rules::{Rule, Severity};
pub use sarif::sarif;
#[cfg(fuzzing)]
pub use scan::scan_as;
pub use scan::{Neighbours, Outcome, scan};
pub use source::{FileSource, Ranges, ReadAt, Unread};
pub use text::python::room::with_room;

/// Names the code that judges: a verdict holds for these bytes under this version and no other.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
