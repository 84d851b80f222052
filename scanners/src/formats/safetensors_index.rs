//! The index of a model whose weights lie in several files.

use crate::{
    read::json::Tree,
    scan::{Scan, Scanned},
    source::Source,
};

/// Inspects an index.
pub(crate) fn index(_scan: &mut Scan<'_>, _source: &Source, _tree: &Tree) -> Scanned<()> {
    Ok(())
}
