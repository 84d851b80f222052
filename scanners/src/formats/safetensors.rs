//! Safetensors: a length, a JSON header, and tensors that cover the rest exactly.
//!
//! Only the header is read. The tensors' bytes run nowhere; they count as inert only where the header really gives them to a
//! tensor. What the `safetensors` crate says of the same header is a second opinion.

mod header;
mod metadata;

use self::header::{Header, Tensor};
use crate::{
    facts::TensorFact,
    formats::{Format, Match, Probe, gap, inert},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

pub(crate) const FORMAT: Format = Format { name: "safetensors", recognise, inspect };

/// What the reference reader accepts.
const LONGEST_HEADER: u64 = 100_000_000;
/// White space and the like in a header that nobody needs.
const SPARE: u64 = 16 << 10;
/// `__metadata__` of real models stays far below: training settings, tags, a thumbnail.
const LONGEST_METADATA: u64 = 16 << 20;
/// From here on metadata has to stay smaller than the tensors that it belongs to.
const LARGE_METADATA: u64 = 1 << 20;
/// Tensors without a single byte. Real models have a handful.
const EMPTY_TENSORS: usize = 10_000;

fn recognise(probe: &Probe<'_>) -> Match {
    let length = probe.head.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let brace = probe.head.get(8) == Some(&b'{');
    let plausible = length.is_some_and(|length| (2..=probe.len().saturating_sub(8)).contains(&length));
    let begins = probe.has_at(8, b"{\"") && length.is_some_and(|length| length < 1 << 40);
    if (brace && plausible) || begins {
        Match::Content
    } else if probe.named(&[".safetensors"]) && !inert::is_pointer(&probe.head) {
        Match::Name
    } else {
        Match::No
    }
}

fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let start = source.read_up_to(0, 9)?;
    let Some(length) = start.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes) else {
        return bad_header(scan, source, 0, "The file is shorter than the length of its own header.");
    };
    if start.get(8) != Some(&b'{') {
        return bad_header(scan, source, 8, "No safetensors header begins where one has to be.");
    }
    if length > LONGEST_HEADER {
        let message =
            format!("The header is said to be {length} bytes long; loaders refuse more than {LONGEST_HEADER}.");
        return bad_header(scan, source, 0, &message);
    }
    if length > source.len() - 8 {
        let message = format!("The header is said to be {length} bytes long, and only {} follow.", source.len() - 8);
        return bad_header(scan, source, 0, &message);
    }
    let end = 8 + length;
    let whole = source.read(0..end)?;
    let text = whole.slice(8..);
    let Ok(words) = std::str::from_utf8(&text) else {
        return bad_header(scan, source, 8, "The header is not UTF-8.");
    };
    let spaces = text.iter().rev().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
    if words.bytes().rev().take(spaces).any(|b| b != b' ') {
        scan.found(&rules::TENSORS_HEADER, source, 8, "The header is padded with something else than spaces.");
    }
    let header = match header::read(scan, &text) {
        Ok(header) => header,
        Err(crate::scan::Stop::Broken { at, what }) => {
            return bad_header(scan, source, 8 + at, &format!("The header cannot be read: {what}."));
        }
        Err(stop) => return Err(stop),
    };
    for fault in &header.faults {
        scan.found(&rules::TENSORS_HEADER, source, 8 + fault.at, fault.what.clone());
    }
    for (at, name) in &header.twice {
        let message = format!("The header names `{name}` twice; readers differ in which of the two they take.");
        scan.found(&rules::TENSORS_DUPLICATE, source, 8 + at, message);
    }
    proportion(scan, source, &header, length);
    for entry in &header.metadata {
        metadata::inspect(scan, source, 8 + entry.at, &entry.key, &entry.value)?;
    }
    scan.inspected(source, 0..end);
    let sound = extents(scan, source, &header, end)?;
    second_opinion(scan, source, &whole, sound && header.faults.is_empty());
    facts(scan, source, &header, end);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "ends a reader, which can fail")]
fn bad_header(scan: &mut Scan<'_>, source: &Source, at: u64, message: &str) -> Scanned<()> {
    scan.found(&rules::TENSORS_HEADER, source, at, message);
    scan.left_out(source, "the safetensors header could not be read, so that nothing says what the other bytes are");
    Ok(())
}

fn proportion(scan: &mut Scan<'_>, source: &Source, header: &Header, length: u64) {
    let spare = length.saturating_sub(header.used);
    // Indented JSON has some white space for each of its parts.
    let fair = header.parts.saturating_mul(64).saturating_add(SPARE);
    if spare > fair {
        let message = format!("Of the header's {length} bytes {spare} are padding.");
        scan.found(&rules::TENSORS_HEADER_SIZE, source, 0, message);
    }
    let metadata: u64 = header.metadata.iter().map(|entry| (entry.key.len() + entry.value.len()) as u64).sum();
    let data = source.len().saturating_sub(length);
    if metadata > LONGEST_METADATA || (metadata > LARGE_METADATA && metadata > data) {
        let message = format!("The header's metadata is {metadata} bytes long, for tensors of {data} bytes.");
        scan.found(&rules::TENSORS_HEADER_SIZE, source, 0, message);
    }
    let empty = header.tensors.iter().filter(|tensor| tensor.start == tensor.end).count();
    if empty > EMPTY_TENSORS {
        let message = format!("The header names {empty} tensors that have no data at all.");
        scan.found(&rules::TENSORS_HEADER_SIZE, source, 0, message);
    }
}

/// Tensors have to lie one behind the other, from the header to the end of the file. Whether they do.
fn extents(scan: &mut Scan<'_>, source: &Source, header: &Header, data: u64) -> Scanned<bool> {
    let mut order: Vec<&Tensor> = header.tensors.iter().filter(|tensor| tensor.placed).collect();
    order.sort_by_key(|tensor| (tensor.start, tensor.end));
    let size = source.len() - data;
    let (mut sound, mut at, mut cut) = (true, 0_u64, false);
    let mut gaps = Vec::new();
    for tensor in order {
        scan.steps(1)?;
        let (start, end, name) = (tensor.start, tensor.end, &tensor.name);
        let wrong = if end < start {
            Some(format!("The tensor `{name}` ends before it begins ({start} to {end})."))
        } else if end > size {
            cut = true;
            Some(format!("The tensor `{name}` ends at {end}, past the {size} bytes of data that there are."))
        } else if start < at {
            Some(format!("The tensor `{name}` begins at {start}, inside the one before it, which ends at {at}."))
        } else if start > at {
            gaps.push((at..start, "between two tensors"));
            Some(format!("Between the tensors lie {} bytes that belong to none, before `{name}`.", start - at))
        } else {
            tensor.misfit()
        };
        if let Some(message) = wrong {
            sound = false;
            scan.found(&rules::TENSORS_EXTENT, source, data.saturating_add(start), message);
        }
        if start <= end && end <= size {
            scan.inert(source, data + start..data + end);
            at = at.max(end);
        }
    }
    if cut {
        scan.left_out(source, "a tensor is cut off by the end of the file");
    } else if at < size {
        sound = false;
        let message = format!("Behind the last tensor lie {} bytes that belong to none.", size - at);
        scan.found(&rules::TENSORS_EXTENT, source, data + at, message);
        gaps.push((at..size, "behind the last tensor"));
    }
    source.will_read(gaps.iter().map(|(range, _)| data + range.start..data + range.end.min(range.start + 4096)));
    for (range, place) in gaps {
        scan.steps(1)?;
        gap::look(scan, source, data + range.start..data + range.end, place)?;
    }
    Ok(sound)
}

/// The reference reader, asked about the header alone: it then misses the data, which is no objection.
fn second_opinion(scan: &mut Scan<'_>, source: &Source, whole: &[u8], ours: bool) {
    let theirs = match safetensors::SafeTensors::read_metadata(whole) {
        Ok(_) | Err(safetensors::SafeTensorError::MetadataIncompleteBuffer) => None,
        Err(no) => Some(no),
    };
    if ours && let Some(no) = theirs {
        let message = format!("The safetensors library refuses this header: {no}.");
        scan.found(&rules::TENSORS_HEADER, source, 0, message);
    }
}

fn facts(scan: &mut Scan<'_>, source: &Source, header: &Header, data: u64) {
    for tensor in &header.tensors {
        if tensor.placed && tensor.start <= tensor.end && tensor.end <= source.len() - data {
            scan.placed(scan.facts.tensors.len(), source, data + tensor.start..data + tensor.end);
        }
        scan.facts.tensors.push(TensorFact {
            name: tensor.name.clone(),
            dtype: tensor.dtype.clone(),
            shape: tensor.shape.clone(),
        });
    }
}

#[cfg(test)]
mod tests;
