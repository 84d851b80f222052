//! What is said where a model breaks its own format: its library never wrote that.
//!
//! Other programs than ours may read on. So the break is told, and what begins there is looked at as a file of its own.

use crate::{
    formats::{Format, HEAD, Match, Probe, TAIL},
    rules::{self, Rule},
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// Formats whose writers are so few and so exact that a break is worth telling, with the rule for it.
const STRICT: &[(&str, &Rule)] = &[
    ("onnx", &rules::STRUCTURE_BROKEN),
    ("tensorflow saved model", &rules::STRUCTURE_BROKEN),
    ("tensorflow meta graph", &rules::STRUCTURE_BROKEN),
    ("tensorflow graph", &rules::STRUCTURE_BROKEN),
    ("keras metadata", &rules::STRUCTURE_BROKEN),
    ("tensorflow checkpoint index", &rules::STRUCTURE_BROKEN),
    ("tflite", &rules::STRUCTURE_BROKEN),
    ("coreml", &rules::STRUCTURE_BROKEN),
    ("coreml weights", &rules::STRUCTURE_BROKEN),
    ("paddle program", &rules::STRUCTURE_BROKEN),
    ("paddle parameters", &rules::STRUCTURE_BROKEN),
    ("r data", &rules::STRUCTURE_BROKEN),
    ("messagepack", &rules::STRUCTURE_BROKEN),
    ("xgboost ubjson", &rules::TREES_MALFORMED),
    ("xgboost binary", &rules::TREES_MALFORMED),
    ("catboost", &rules::TREES_MALFORMED),
];

/// Names that leave no doubt about what a file should be.
const NAMES: &[&str] =
    &[".onnx", ".tflite", ".mlmodel", "saved_model.pb", ".msgpack", ".ubj", ".cbm", ".pdmodel", ".rds", ".rda"];

/// Tells that a file has the name of a model and does not begin as one, and is nothing else that is known.
pub(crate) fn only_named(scan: &mut Scan<'_>, probe: &Probe<'_>, format: &Format, by_content: &[&Format]) {
    let strict = STRICT.iter().any(|(name, _)| *name == format.name);
    if strict && by_content.is_empty() && probe.named(&["saved_model.pb", ".onnx", ".tflite", ".mlmodel"]) {
        let message = format!("The file has the name of a model ({}) and does not begin as one.", format.name);
        scan.found(&rules::STRUCTURE_BROKEN, probe.source, 0, message);
    }
}

/// What begins as text and goes on as something else is no text: the rest is looked at as a file of its own.
pub(crate) fn behind_text(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    const BEGINS: u64 = 12;
    let plain = |byte: &u8| (0x20..0x7f).contains(byte) || matches!(byte, b'\n' | b'\r' | b'\t');
    if source.len() > scan.limits.text_bytes || !source.read_up_to(0, BEGINS)?.iter().all(plain) {
        return Ok(());
    }
    let bytes = source.read(0..source.len())?;
    scan.steps(bytes.len() as u64 / 16)?;
    let letters = std::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let control = bytes.iter().position(|byte| *byte < 0x20 && !plain(byte)).unwrap_or(bytes.len());
    let at = letters.min(control) as u64;
    if at >= BEGINS && at < source.len() {
        scan.inner(&source.member(&format!("from {at}"), at..source.len()));
    }
    Ok(())
}

/// Tells that a reader stopped because the file breaks its format, where the bytes or the name say that it is this format.
pub(crate) fn told(scan: &mut Scan<'_>, source: &Source, format: &Format, stop: &Stop) {
    let Stop::Broken { at, what } = stop else { return };
    let Some((_, rule)) = STRICT.iter().find(|(name, _)| *name == format.name) else { return };
    let head = source.read_up_to(0, HEAD);
    let tail = source.read(source.len().saturating_sub(TAIL)..source.len());
    // Both were read when the file was recognised.
    let (Ok(head), Ok(tail)) = (head, tail) else { return };
    let probe = Probe::new(source, head, tail);
    if (format.recognise)(&probe) != Match::Content && !probe.named(NAMES) {
        return;
    }
    let message = format!("The file breaks its own format at byte {at}: {what}. No library writes this.");
    scan.found(rule, source, *at, message);
    if *at > 0 && *at < source.len() {
        scan.inner(&source.member(&format!("from {at}"), *at..source.len()));
    }
}

#[cfg(test)]
mod tests;
