//! Shell scripts.

use crate::{
    scan::{Scan, Scanned},
    source::Source,
};

/// Inspects the text.
pub(crate) fn inspect(_scan: &mut Scan<'_>, _source: &Source, _text: &str) -> Scanned<()> {
    Ok(())
}
