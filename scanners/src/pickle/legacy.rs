//! Torch files from before they were archives: five pickles one after another, then the storages, raw.
//!
//! The storages' places follow from what the pickles say; they are stepped over and not read, whatever they look like.

use std::collections::HashMap;

use super::{
    Loader, Storage,
    arena::{Form, Kind, Value},
    element_size,
    halt::Halt,
    machine::{End, Machine, Mode},
    rest, run, tell,
};
use crate::{
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// The number that the first of the pickles is.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Whether a pickle is nothing but the magic number.
pub(crate) fn is_magic(machine: &Machine<'_>, end: &End) -> Scanned<bool> {
    match end.value {
        Some(Value::Piece { form: Form::Long, len: 10, at }) => {
            Ok(machine.judge.source.read(at..at.saturating_add(10))?.as_ref() == MAGIC)
        }
        _ => Ok(false),
    }
}

/// Inspects what follows the magic number.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, from: u64) -> Scanned<()> {
    scan.is("torch legacy");
    let mut at = from;
    let (mut storages, mut keys, before) = (HashMap::new(), Vec::new(), scan.in_storages.len());
    // The protocol, the system, the object, the keys of its storages.
    for place in 0..4 {
        let (mut machine, end) = run(scan, source, at, Mode::Sure, Loader::TorchLegacy)?;
        let past = end.at;
        if place == 2 {
            storages = machine.judge.storages.iter().map(|storage| (storage.key.clone(), storage.clone())).collect();
        }
        if place == 3 {
            keys = texts(&machine, &end)?;
        }
        tell::all(scan, source, &mut machine, &end, at..past, Loader::TorchLegacy)?;
        if !end.stopped() {
            return Ok(());
        }
        at = past;
    }
    let mut starts = HashMap::new();
    let past = match step_over(scan, source, at, &keys, &storages, &mut starts) {
        Err(stop @ Stop::Broken { .. }) => {
            scan.stopped(source, stop);
            return rest::after(scan, source, at, Loader::TorchLegacy, false);
        }
        past => past?,
    };
    // Torch writes them little-endian, whatever machine it runs on.
    for tensor in scan.in_storages.split_off(before) {
        if let Some(start) = starts.get(&tensor.key).copied().flatten() {
            scan.placed(tensor.tensor, source, start + tensor.start..start + tensor.end);
        }
    }
    rest::after(scan, source, past, Loader::TorchLegacy, true)
}

/// The texts of the list that a pickle is.
fn texts(machine: &Machine<'_>, end: &End) -> Scanned<Vec<String>> {
    let list = end.value.and_then(|value| machine.arena().of(value)).filter(|(_, node)| node.kind == Kind::List);
    let Some((list, _)) = list else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for value in machine.arena().items(list) {
        match machine.judge.text(value, 300) {
            Ok(Some(text)) => out.push(text),
            Ok(None) => out.push(String::new()),
            Err(Halt::Stop(stop)) => return Err(stop),
            Err(Halt::Wrong(what)) => return Err(Stop::broken(end.at, what)),
        }
    }
    Ok(out)
}

/// Steps over every storage: eight bytes that say how many elements it has, then the elements.
fn step_over(
    scan: &mut Scan<'_>,
    source: &Source,
    from: u64,
    keys: &[String],
    storages: &HashMap<String, Storage>,
    starts: &mut HashMap<String, Option<u64>>,
) -> Scanned<u64> {
    let extents = |key: &String| storages.get(key).and_then(|s| s.count.checked_mul(element_size(&s.kind)?));
    // All the counts lie where the pickle lets us expect them: one fetch brings them all.
    let mut at = from;
    let expected: Vec<_> = keys
        .iter()
        .map_while(|key| {
            let start = at;
            at = at.checked_add(8)?.checked_add(extents(key)?)?;
            Some(start..start + 8)
        })
        .collect();
    source.will_read(expected);
    let mut at = from;
    for key in keys {
        scan.steps(1)?;
        let Some(storage) = storages.get(key) else {
            let message = format!("The storage {key} is in the list of storages and belongs to no tensor.");
            scan.found(&rules::STORAGE_EXTENT, source, at, message);
            return Err(Stop::broken(at, format!("the storage {key} belongs to no tensor")));
        };
        let count = source.read(at..at.saturating_add(8))?;
        let count = count.as_ref().try_into().map_or(u64::MAX, u64::from_le_bytes);
        scan.inspected(source, at..at + 8);
        if count != storage.count {
            let message = format!("The storage {key} is said to have {} elements, and then {count}.", storage.count);
            scan.found(&rules::STORAGE_EXTENT, source, at, message);
        }
        let end = element_size(&storage.kind)
            .and_then(|size| size.checked_mul(count))
            .and_then(|bytes| at.checked_add(8)?.checked_add(bytes));
        match end {
            Some(end) if end <= source.len() => {
                scan.inert(source, at + 8..end);
                // A storage that is listed twice lies nowhere for certain.
                let sure = count == storage.count && !starts.contains_key(key);
                starts.insert(key.clone(), sure.then_some(at + 8));
                at = end;
            }
            _ => {
                let message = format!(
                    "The storage {key} ({} with {count} elements) goes past the end of the file.",
                    storage.kind
                );
                scan.found(&rules::STORAGE_EXTENT, source, at, message.clone());
                return Err(Stop::broken(at, message));
            }
        }
    }
    Ok(at)
}
