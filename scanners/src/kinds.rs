//! Archives whose members together are a model: which kind an archive is, and what its members mean there.
//!
//! An archive of no kind is inspected member by member.

mod mar;
mod nemo;
mod skops;

use crate::{
    archive::Archive,
    scan::{Scan, Scanned},
};

/// One kind of archive.
pub(crate) struct Kind {
    /// The word in reports.
    pub(crate) name: &'static str,
    /// Whether the members' names make it this kind. Reads nothing.
    pub(crate) recognise: fn(&Archive) -> bool,
    /// Inspects every member. A member that is forgotten stays unscanned.
    pub(crate) inspect: fn(&mut Scan<'_>, &Archive) -> Scanned<()>,
}

/// Every kind. The first that fits gives the archive its name; an archive that fits several is inspected as each.
const KINDS: &[Kind] = &[
    Kind { name: "torchserve archive", recognise: mar::recognise, inspect: mar::inspect },
    Kind { name: "nemo", recognise: nemo::recognise, inspect: nemo::inspect },
    Kind { name: "skops", recognise: skops::recognise, inspect: skops::inspect },
];

/// Inspects the members of an archive.
pub(crate) fn inspect(scan: &mut Scan<'_>, archive: &Archive) {
    let fitting: Vec<&Kind> = KINDS.iter().filter(|kind| (kind.recognise)(archive)).collect();
    if fitting.is_empty() {
        for member in &archive.members {
            archive.inspect(scan, member);
        }
    }
    for kind in fitting {
        scan.is_unless_named(kind.name);
        if let Err(stop) = (kind.inspect)(scan, archive) {
            scan.stopped(&archive.source, stop);
        }
    }
}
