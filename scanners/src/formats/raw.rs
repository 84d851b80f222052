//! Files of raw numbers, which have no form of their own: a description beside them says what they are.
//!
//! Only their names and neighbours are looked at. Where the description is missing, or where the bytes are something that is
//! known, they are left alone.

use crate::{
    formats::{Match, Probe},
    scan::{Scan, Scanned},
    source::Source,
};

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    if descriptions(probe.source.file_name()).is_empty() { Match::No } else { Match::Name }
}

/// Which files could describe a file of this name, and what it is then.
fn descriptions(name: &str) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    if let Some(stem) = checkpoint(name) {
        all.push((format!("{stem}.index"), "tensorflow checkpoint data"));
    }
    for end in [".onnx_data", ".onnx.data", ".onnx_weights"] {
        if let Some((stem, rest)) = name.split_once(end)
            && rest.trim_start_matches(['_', '.', '-']).bytes().all(|byte| byte.is_ascii_digit())
        {
            all.push((format!("{stem}.onnx"), "onnx external data"));
        }
    }
    if let Some(stem) = name.strip_suffix(".bin") {
        all.push((format!("{stem}.xml"), "openvino weights"));
    }
    all
}

/// The stem of `variables.data-00000-of-00001`.
fn checkpoint(name: &str) -> Option<&str> {
    let (stem, shard) = name.rsplit_once(".data-")?;
    let (number, count) = shard.split_once("-of-")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number) && digits(count)).then_some(stem)
}

/// Raw numbers: their loader copies them into memory, and only what the description tells it to.
#[expect(clippy::unnecessary_wraps, reason = "every reader has this form")]
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    if scan.is_named() {
        return Ok(());
    }
    let path = source.path();
    let folder = path.rfind(['/', '!']).and_then(|at| path.get(..=at)).unwrap_or_default();
    // An empty file describes nothing.
    let there = |name: &String| {
        scan.neighbours.and_then(|all| all.get(&format!("{folder}{name}"))).is_some_and(|size| *size > 0)
    };
    let found = descriptions(source.file_name()).into_iter().find(|(name, _)| there(name));
    match found {
        Some((_, format)) => {
            scan.is(format);
            scan.inert(source, 0..source.len());
        }
        // `.bin` is the name of many things.
        None if checkpoint(source.file_name()).is_none() && !source.file_name().contains(".onnx") => {}
        None => scan.unsupported(source, "raw numbers without the file that says what each of them is"),
    }
    Ok(())
}
