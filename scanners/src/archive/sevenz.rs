//! 7z archives, and rar archives, of which only the name is known.
//!
//! Blocks are unpacked once, in order, members one after the other in memory. The reader is not ours: what the header claims
//! is bounded before the reader sees it, and a panic of its is an archive that cannot be read.

use std::{
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
};

use sevenz_rust2::{BlockDecoder, Password};

use crate::{
    archive::names::escapes,
    formats::{Match, Probe},
    read::seekable::Seekable,
    rules,
    scan::{Scan, Scanned, Stop, in_memory},
    source::Source,
};

use header::Claims;

mod header;

/// Names that loaders of models open.
const MODELS: &[&str] = &[
    ".bin",
    ".pt",
    ".pth",
    ".pkl",
    ".pickle",
    ".ckpt",
    ".h5",
    ".hdf5",
    ".keras",
    ".safetensors",
    ".gguf",
    ".onnx",
    ".joblib",
    ".npy",
    ".npz",
    ".tflite",
    ".pb",
    ".model",
    ".msgpack",
    ".pdparams",
    ".ptl",
    ".pt2",
    ".dat",
    ".data",
    ".weights",
];

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    if probe.starts_with(b"7z\xbc\xaf\x27\x1c") { Match::Content } else { Match::No }
}

pub(crate) fn recognise_rar(probe: &Probe<'_>) -> Match {
    if probe.starts_with(b"Rar!\x1a\x07") { Match::Content } else { Match::No }
}

#[expect(clippy::unnecessary_wraps, reason = "every reader has this form")]
pub(crate) fn inspect_rar(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    poses(scan, source, "rar");
    scan.unsupported(source, "rar archives are not unpacked");
    Ok(())
}

/// Inspects every member by content.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    poses(scan, source, "7z");
    #[cfg(fuzzing)]
    let source = &header::with_right_checksums(source)?;
    let claims = Claims::read(source, scan.limits.memory_bytes)?;
    if claims.encrypted {
        let message = "The archive's directory is encrypted, so that nobody without the key knows what is in it.";
        scan.found(&rules::ARCHIVE_ENCRYPTED, source, 0, message);
        scan.left_out(source, "the archive is encrypted");
        return Ok(());
    }
    // Blocks have no places to jump to: all of them are needed, and asked for at once.
    source.will_read(std::iter::once(0..claims.end));
    source.read(claims.end.saturating_sub(1)..claims.end)?;
    let (mut reader, trouble) = Seekable::new(source, u64::MAX);
    let read = catch_unwind(AssertUnwindSafe(|| blocks(scan, source, &mut reader)));
    if let Some(stop) = trouble.take() {
        return Err(stop);
    }
    let known = read.unwrap_or_else(|_| Err(Stop::broken(0, "the 7z archive breaks its reader")));
    scan.inspected(source, 0..32);
    for range in claims.ranges.clone() {
        scan.inspected(source, range);
    }
    if claims.end < source.len() {
        let message = format!("{} bytes lie behind the archive.", source.len() - claims.end);
        scan.found(&rules::ZIP_EXTRA_DATA, source, claims.end, message);
        scan.inner(&source.part(claims.end..source.len()));
    }
    known
}

/// An archive that calls itself a model gets past whoever looks at models only.
fn poses(scan: &mut Scan<'_>, source: &Source, what: &str) {
    let name = source.file_name().to_ascii_lowercase();
    if MODELS.iter().any(|end| name.ends_with(end)) {
        let message = format!("The file is called `{}` and is a {what} archive.", source.file_name());
        scan.found(&rules::ARCHIVE_AS_MODEL, source, 0, message);
    }
}

fn blocks(scan: &mut Scan<'_>, source: &Source, reader: &mut Seekable) -> Scanned<()> {
    let password = Password::empty();
    let archive = sevenz_rust2::Archive::read(reader, &password).map_err(|why| broken(&why))?;
    scan.members(archive.files.len() as u64)?;
    for file in &archive.files {
        if escapes(&file.name) {
            let message = format!(
                "The member `{}` would be written outside the folder that the archive is unpacked to.",
                file.name
            );
            scan.found(&rules::ARCHIVE_ESCAPE, source, 0, message);
        }
    }
    let mut packed = 32_u64.saturating_add(archive.pack_pos());
    let mut outcome = Ok(());
    for (number, block) in archive.blocks.iter().enumerate() {
        let streams = archive.stream_map.block_first_pack_stream_index().get(number..).unwrap_or_default();
        let first = streams.first().copied().unwrap_or(0);
        let last = streams.get(1).copied().unwrap_or(archive.pack_sizes().len());
        let length: u64 = archive.pack_sizes().get(first..last).unwrap_or_default().iter().sum();
        let range = packed..packed.saturating_add(length);
        packed = range.end;
        if let Err(stop) = header::check_block(block, scan.limits.memory_bytes) {
            if matches!(&stop, Stop::Unreadable(_)) {
                let message =
                    "Members of the archive are encrypted, so that nobody without the key knows what they are.";
                scan.found(&rules::ARCHIVE_ENCRYPTED, source, range.start, message);
                scan.left_out(source, "members of the archive are encrypted");
            } else {
                outcome = Err(stop);
            }
            continue;
        }
        let mut stopped = None;
        let decoder = BlockDecoder::new(1, number, &archive, &password, reader);
        let read = decoder.for_each_entries(&mut |file, content| {
            let stop = member(scan, source, &range, file, content);
            let go_on = stop.is_none();
            stopped = stopped.take().or(stop);
            Ok(go_on)
        });
        if let Some(stop) = stopped {
            outcome = Err(stop);
        } else if let Err(why) = read {
            outcome = Err(broken(&why));
        }
    }
    outcome
}

/// Inspects one member, as much of it as its block gives.
fn member(
    scan: &mut Scan<'_>,
    source: &Source,
    packed: &std::ops::Range<u64>,
    file: &sevenz_rust2::ArchiveEntry,
    content: &mut dyn Read,
) -> Option<Stop> {
    let most = scan.limits.memory_bytes;
    let mut held: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    let mut stop = None;
    loop {
        match content.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) if held.len() as u64 + count as u64 > most => {
                stop = Some(Stop::Spent(format!("a member of more than {most} bytes")));
                break;
            }
            Ok(count) => {
                held.extend_from_slice(chunk.get(..count).unwrap_or_default());
                if let Err(spent) = scan.unpacked(count as u64) {
                    stop = Some(spent);
                    break;
                }
            }
            Err(why) => {
                stop = Some(Stop::broken(packed.start, format!("`{}` cannot be unpacked ({why})", file.name)));
                break;
            }
        }
    }
    if !held.is_empty() || !file.is_directory {
        scan.inner_made(source, packed.clone(), &file.name, in_memory(held));
    }
    stop
}

fn broken(why: &sevenz_rust2::Error) -> Stop {
    Stop::broken(0, format!("the 7z archive is damaged or packed in a way that is not known ({why})"))
}

#[cfg(test)]
mod tests;
