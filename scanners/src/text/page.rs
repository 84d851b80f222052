//! Pages: HTML and Markdown.

use crate::{
    scan::{Scan, Scanned},
    source::Source,
};

/// Inspects HTML or SVG.
pub(crate) fn html(_scan: &mut Scan<'_>, _source: &Source, _text: &str) -> Scanned<()> {
    Ok(())
}

/// Inspects Markdown.
pub(crate) fn markdown(_scan: &mut Scan<'_>, _source: &Source, _text: &str) -> Scanned<()> {
    Ok(())
}
