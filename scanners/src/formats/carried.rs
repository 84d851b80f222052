//! Bytes within a model that are data to its format: a program or a pickle among them was put there to be found by another
//! program.
//!
//! Looks at the first bytes only, and only for what is unmistakable: numbers can begin like almost anything.

use std::ops::Range;

use crate::{
    formats::sniff::{self, Family},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Reports a program or a pickle that begins where `range` does, and inspects it. `what` names the place: "a property".
pub(crate) fn carried(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, what: &str) -> Scanned<()> {
    let length = range.end.saturating_sub(range.start);
    if length < 8 {
        return Ok(());
    }
    let head = source.read_up_to(range.start, length.min(512))?;
    match sniff::of(&head) {
        Some(Family::Program(kind)) => {
            let message = format!("There is a program ({kind}) in {what}.");
            scan.found(&rules::EXECUTABLE_IN_GAP, source, range.start, message);
        }
        Some(Family::Pickle) => {
            let message = format!("There is a pickle in {what}, where no loader of this format has one.");
            scan.found(&rules::NESTED_PICKLE, source, range.start, message);
        }
        _ => return Ok(()),
    }
    scan.inner(&source.member("carried", range));
    Ok(())
}
