//! Archives whose members together are a model: which kind an archive is, and what its members mean there.
//!
//! An archive of no kind is inspected member by member.

mod keras;
mod mar;
mod nemo;
mod skops;
mod torch;

use crate::{
    archive::Archive,
    formats::numpy,
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
    keras::KERAS,
    Kind { name: "torch checkpoint", recognise: torch::is_checkpoint, inspect: torch::inspect },
    Kind { name: "torchscript", recognise: torch::is_script, inspect: torch::inspect },
    Kind { name: "torch package", recognise: torch::is_package, inspect: torch::inspect },
    Kind { name: "torch export", recognise: torch::is_export, inspect: torch::inspect },
    Kind { name: "torch tar", recognise: torch::is_tar, inspect: torch::inspect_tar },
    Kind { name: "npz", recognise: numpy::is_npz, inspect: numpy::inspect_npz },
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
