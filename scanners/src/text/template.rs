//! Chat templates: Jinja that a server renders with every conversation.

use crate::{
    scan::{Scan, Scanned},
    source::Source,
};

/// Inspects one template. `name` says where it was (`chat_template`); `at` is where its text begins in the source.
pub(crate) fn inspect(_scan: &mut Scan<'_>, _source: &Source, _at: u64, _name: &str, _text: &str) -> Scanned<()> {
    Ok(())
}
