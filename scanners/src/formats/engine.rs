//! Models compiled for one processor: TensorRT plans, OpenVINO's blobs. What is in them is native code of the runtime's own form.
//!
//! They are recognised and named, not read: nobody outside of the runtime knows what they do.

use crate::{
    formats::{Match, Probe},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

const MAGIC: &[&[u8]] = &[b"ptrt", b"ftrt", b"trtp"];

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    // Some trainers put a JSON text of known length before the plan.
    let behind = probe
        .head
        .get(..4)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_le_bytes)
        .filter(|_| probe.has_at(4, b"{\""))
        .and_then(|length| usize::try_from(length).ok()?.checked_add(4));
    let places = [Some(0), behind];
    if places.into_iter().flatten().any(|at| MAGIC.iter().any(|magic| probe.has_at(at, magic))) {
        Match::Content
    } else if probe.named(&[".engine", ".plan", ".trt", ".blob"]) {
        Match::Name
    } else {
        Match::No
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every reader has this form")]
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    if scan.is_named() {
        return Ok(());
    }
    let message = "This is a compiled engine, or is named as one: native code that its runtime loads and that cannot \
                   be looked into.";
    scan.found(&rules::ENGINE_OPAQUE, source, 0, message);
    scan.unsupported(source, "a compiled engine cannot be looked into");
    Ok(())
}
