//! What is said where a model breaks its own format: its library never wrote that.
//!
//! Other programs than ours may read on. So the break is told, and what begins there is looked at as a file of its own.

use crate::{
    formats::{HEAD, Match, Probe, TAIL},
    rules::Rule,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// Names that leave no doubt about what a file should be.
const NAMES: &[&str] =
    &[".onnx", ".tflite", ".mlmodel", "saved_model.pb", ".msgpack", ".ubj", ".cbm", ".pdmodel", ".rds", ".rda"];

/// Runs the reader, and reports a break under `rule` where the bytes or the name say that it is this format.
pub(crate) fn inspect(
    scan: &mut Scan<'_>,
    source: &Source,
    rule: &'static Rule,
    recognise: fn(&Probe<'_>) -> Match,
    reader: fn(&mut Scan<'_>, &Source) -> Scanned<()>,
) -> Scanned<()> {
    let (at, what) = match reader(scan, source) {
        Err(Stop::Broken { at, what }) => (at, what),
        other => return other,
    };
    let head = source.read_up_to(0, HEAD)?;
    let tail = source.read(source.len().saturating_sub(TAIL)..source.len())?;
    let probe = Probe { source, head, tail };
    if recognise(&probe) == Match::Content || probe.named(NAMES) {
        let message = format!("The file breaks its own format at byte {at}: {what}. No library writes this.");
        scan.found(rule, source, at, message);
        if at > 0 && at < source.len() {
            scan.inner(&source.member(&format!("from {at}"), at..source.len()));
        }
    }
    Err(Stop::Broken { at, what })
}
