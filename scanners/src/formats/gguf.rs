//! GGUF: counts, keys with values, tensors with their places, and the tensors' data.
//!
//! Reads as strictly as llama.cpp, whose reader was attacked through these very numbers. The data runs nowhere and is never
//! read; chat templates, which servers render, go to the reader of templates.

mod types;
mod values;

use self::{types::Layout, values::Reader};
use crate::{
    facts::TensorFact,
    formats::{Format, Match, Probe, gap},
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

pub(crate) const FORMAT: Format = Format { name: "gguf", recognise, inspect };

/// Each key takes at least its length, its type and a byte.
const LEAST_KEY: u64 = 13;
/// Each tensor takes at least its name's length, its dimensions' number, a type and an offset.
const LEAST_TENSOR: u64 = 24;
/// More keys than any model has.
const MOST_KEYS: u64 = 1 << 16;
/// llama.cpp stops at 63 bytes; programs for pictures are built with more.
const LONGEST_NAME: u64 = 255;
const MOST_DIMENSIONS: u32 = 4;
/// The first ranges asked for, each time so many times more: a vocabulary takes some megabytes.
const FIRST: u64 = 1 << 20;
const GROWS: u64 = 4;
const LONGEST_HEADER: u64 = 1 << 30;

struct Tensor {
    at: u64,
    name: String,
    dims: Vec<u64>,
    kind: &'static str,
    /// Within the data.
    offset: u64,
    bytes: Option<u64>,
}

fn recognise(probe: &Probe<'_>) -> Match {
    if probe.starts_with(b"GGUF") { Match::Content } else { Match::No }
}

fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    source.will_read(std::iter::once(0..FIRST));
    let mut reader = Reader::new(source);
    match header(scan, source, &mut reader) {
        Err(Stop::NotHere) => {
            let reached = reader.position();
            let until = reached.max(FIRST).saturating_mul(GROWS).min(reached + (64 << 20));
            source.will_read(std::iter::once(reached..until));
            Err(Stop::NotHere)
        }
        Err(Stop::Broken { at, what }) => {
            scan.found(&rules::GGUF_COUNT, source, at, format!("The GGUF header cannot be read to its end: {what}."));
            scan.left_out(source, "the GGUF header could not be read, so that nothing says what the other bytes are");
            Ok(())
        }
        other => other,
    }
}

fn header(scan: &mut Scan<'_>, source: &Source, reader: &mut Reader<'_>) -> Scanned<()> {
    reader.begin()?;
    if !(1..=3).contains(&reader.version) {
        return Err(Stop::broken(4, format!("version {} does not exist", reader.version)));
    }
    let (tensors, keys) = (reader.count()?, reader.count()?);
    let left = source.len();
    for (count, least, what) in [(keys, LEAST_KEY, "keys"), (tensors, LEAST_TENSOR, "tensors")] {
        if count.checked_mul(least).is_none_or(|bytes| bytes > left) {
            let message = format!("{count} {what} are announced, more than {left} bytes can hold");
            return Err(Stop::broken(8, message));
        }
    }
    if keys > MOST_KEYS {
        let message = format!("The header announces {keys} keys; no model has more than {MOST_KEYS}.");
        scan.found(&rules::GGUF_NESTING, source, 16, message);
    }
    if tensors > scan.limits.tensors {
        return Err(Stop::Spent(format!("{tensors} tensors")));
    }
    values::read(scan, source, reader, keys)?;
    let alignment = alignment(scan, source, reader);
    let infos = infos(scan, source, reader, tensors)?;
    let end = reader.position();
    if end > LONGEST_HEADER {
        return Err(Stop::Spent(format!("a header of {end} bytes")));
    }
    scan.inspected(source, 0..end);
    let data = end.next_multiple_of(alignment);
    for tensor in &infos {
        let (name, dtype) = (tensor.name.clone(), tensor.kind.to_owned());
        scan.facts.tensors.push(TensorFact { name, dtype, shape: tensor.dims.clone() });
    }
    extents(scan, source, infos, (end, data, alignment))
}

/// The alignment that the file asks for, or the usual one where that is invalid.
fn alignment(scan: &mut Scan<'_>, source: &Source, reader: &Reader<'_>) -> u64 {
    let Some((at, asked)) = reader.alignment else { return 32 };
    match asked {
        Some(asked) if asked.is_power_of_two() && (8..=1 << 20).contains(&asked) => asked,
        Some(asked) => {
            let message = format!("The alignment is {asked}; it has to be a power of two of a sane size.");
            scan.found(&rules::GGUF_ALIGNMENT, source, at, message);
            if asked.is_power_of_two() && asked < 8 { asked } else { 32 }
        }
        None => {
            scan.found(&rules::GGUF_ALIGNMENT, source, at, "The alignment is no 32-bit number, as it has to be.");
            32
        }
    }
}

fn infos(scan: &mut Scan<'_>, source: &Source, reader: &mut Reader<'_>, count: u64) -> Scanned<Vec<Tensor>> {
    let mut infos: Vec<Tensor> = Vec::new();
    let mut names = std::collections::HashSet::new();
    for _ in 0..count {
        scan.steps(1)?;
        let at = reader.position();
        let name = reader.name(64 << 10)?;
        if name.len() as u64 > LONGEST_NAME {
            let message = format!("A tensor's name has {} bytes, more than loaders take.", name.len());
            scan.found(&rules::GGUF_NESTING, source, at, message);
        }
        if !names.insert(name.clone()) {
            let message = format!("Two tensors are called `{name}`; loaders differ in which they take.");
            scan.found(&rules::GGUF_DUPLICATE, source, at, message);
        }
        let many = reader.u32()?;
        if many > MOST_DIMENSIONS {
            let message =
                format!("The tensor `{name}` has {many} dimensions; loaders have room for {MOST_DIMENSIONS}.");
            scan.found(&rules::GGUF_NESTING, source, at, message);
            if many > 64 {
                return Err(Stop::broken(at, format!("a tensor has {many} dimensions")));
            }
        }
        let mut dims = Vec::new();
        for _ in 0..many {
            dims.push(reader.count()?);
        }
        let id = reader.u32()?;
        let offset = reader.u64()?;
        let (kind, layout) = types::layout(id).unwrap_or_else(|| {
            let message = format!("The tensor `{name}` is of type {id}, which does not exist.");
            scan.found(&rules::GGUF_TYPE, source, at, message);
            ("unknown", Layout::OfFork)
        });
        let elements = dims.iter().try_fold(1_u64, |all, d| all.checked_mul(*d));
        if elements.is_none_or(|n| n > i64::MAX as u64) {
            let message = format!("The dimensions of the tensor `{name}`, {dims:?}, overflow when multiplied.");
            scan.found(&rules::GGUF_COUNT, source, at, message);
        }
        let bytes = layout.bytes(&dims);
        if bytes.is_none() && layout != Layout::OfFork && elements.is_some() {
            let message =
                format!("The rows of the tensor `{name}`, {dims:?}, are not made of whole blocks of its type.");
            scan.found(&rules::GGUF_TYPE, source, at, message);
        }
        infos.push(Tensor { at, name, dims, kind, offset, bytes });
    }
    Ok(infos)
}

/// Tensors have to lie in the data, aligned, one behind the other with no more than padding between.
fn extents(scan: &mut Scan<'_>, source: &Source, mut infos: Vec<Tensor>, place: (u64, u64, u64)) -> Scanned<()> {
    let (end, data, alignment) = place;
    infos.sort_by_key(|tensor| tensor.offset);
    let size = source.len().saturating_sub(data);
    let starts: Vec<u64> = infos.iter().map(|tensor| tensor.offset).collect();
    let (mut at, mut cut) = (0_u64, false);
    let mut gaps = vec![(end..data.min(source.len()), "between the header and the data")];
    for (index, tensor) in infos.iter().enumerate() {
        scan.steps(1)?;
        let name = &tensor.name;
        // Of a type whose size nobody here knows, a tensor reaches as far as the next one.
        let next = starts.get(index + 1..).and_then(|later| later.iter().find(|s| **s > tensor.offset)).copied();
        let bytes = tensor.bytes.unwrap_or_else(|| next.unwrap_or(size).saturating_sub(tensor.offset));
        if tensor.offset % alignment != 0 {
            let message = format!("The tensor `{name}` lies at {}, not on a multiple of {alignment}.", tensor.offset);
            scan.found(&rules::GGUF_ALIGNMENT, source, tensor.at, message);
        }
        let Some(until) = tensor.offset.checked_add(bytes).filter(|until| *until <= size) else {
            let offset = tensor.offset;
            let message =
                format!("The tensor `{name}` of {bytes} bytes at {offset} goes past the {size} bytes of data.");
            scan.found(&rules::GGUF_EXTENT, source, tensor.at, message);
            cut = true;
            continue;
        };
        if tensor.offset < at && bytes > 0 {
            let message = format!("The tensor `{name}` at {} lies inside another, which ends at {at}.", tensor.offset);
            scan.found(&rules::GGUF_EXTENT, source, tensor.at, message);
        } else if tensor.offset > at {
            if tensor.offset - at >= alignment {
                let message = format!("Before the tensor `{name}` lie {} bytes of no tensor.", tensor.offset - at);
                scan.found(&rules::GGUF_EXTENT, source, data + at, message);
            }
            gaps.push((data + at..data + tensor.offset, "between two tensors"));
        }
        scan.inert(source, data + tensor.offset..data + until);
        at = at.max(until);
    }
    if cut {
        scan.left_out(source, "a tensor is cut off by the end of the file");
    } else if size > at {
        if size > at.next_multiple_of(alignment) {
            let message = format!("Behind the last tensor lie {} bytes.", size - at);
            scan.found(&rules::GGUF_TRAILER, source, data + at, message);
        }
        gaps.push((data + at..source.len(), "behind the last tensor"));
    }
    padding(scan, source, gaps, alignment)
}

/// Padding that is shorter than the alignment asks for is inert; what is longer is looked at.
fn padding(
    scan: &mut Scan<'_>,
    source: &Source,
    gaps: Vec<(std::ops::Range<u64>, &str)>,
    alignment: u64,
) -> Scanned<()> {
    const SHORT: u64 = 64;
    source.will_read(gaps.iter().filter(|(r, _)| r.end.saturating_sub(r.start) > SHORT).map(|(r, _)| r.start..r.end));
    for (range, place) in gaps {
        scan.steps(1)?;
        if range.end.saturating_sub(range.start) < SHORT.min(alignment) {
            scan.inert(source, range);
        } else {
            gap::look(scan, source, range, place)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
