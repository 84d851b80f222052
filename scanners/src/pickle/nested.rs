//! Pickles and checkpoints that lie as bytes within a pickle. Nothing says that they are loaded, and nothing says that they
//! are not.
//!
//! Never goes down by itself: what is found is given to the scan, which bounds how deep files lie in files.

use std::{collections::HashSet, ops::Range};

use super::{
    accepts,
    arena::{Form, Value},
    judge::Judge,
    machine::{Machine, Mode},
    spelling,
};
use crate::{
    rules::{self, Weight},
    scan::{Scan, Scanned, in_memory},
    source::Source,
};

/// The longest text that is made into bytes again.
const LONG: u32 = 64 << 20;

/// Looks at every stretch of bytes that may be a file of its own.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, judge: &Judge<'_>) -> Scanned<()> {
    let checkpoints: HashSet<&Range<u64>> = judge.checkpoints.iter().collect();
    let mut ordered: Vec<&Range<u64>> = checkpoints.iter().copied().collect();
    ordered.sort_by_key(|range| (range.start, range.end));
    for range in ordered {
        let member = source.member(&format!("checkpoint@{}", range.start), range.clone());
        scan.inner(&member);
    }
    for range in judge.carried.iter().filter(|range| !checkpoints.contains(range)) {
        carried(scan, source, range)?;
    }
    if judge.carries_more {
        scan.left_out(source, "more of its bytes may be pickles of their own than are looked at");
    }
    let mut told = HashSet::new();
    for text in &judge.spelled_checkpoints {
        if told.insert(place(*text)) {
            spelled(scan, source, *text, true)?;
        }
    }
    for text in &judge.spelled {
        if told.insert(place(*text)) {
            spelled(scan, source, *text, false)?;
        }
    }
    Ok(())
}

fn place(text: Value) -> u64 {
    if let Value::Piece { at, .. } = text { at } else { 0 }
}

fn carried(scan: &mut Scan<'_>, source: &Source, range: &Range<u64>) -> Scanned<()> {
    let part = source.part(range.clone());
    // An archive may be a checkpoint, which a pickle can hand to torch in ways that say nothing of it.
    if part.read_up_to(0, 4)?.as_ref() == b"PK\x03\x04" {
        scan.inner(&source.member(&format!("bytes@{}", range.start), range.clone()));
        return Ok(());
    }
    if let Some(what) = is_pickle(scan, &part)? {
        let message = format!("The bytes from {} on are a pickle of their own, which {what}.", range.start);
        scan.found(&rules::NESTED_PICKLE, source, range.start, message);
        let member = source.member(&format!("bytes@{}", range.start), range.clone());
        scan.inner(&member);
    }
    Ok(())
}

/// Protocol 2 writes bytes as a text and a call that encodes it.
fn spelled(scan: &mut Scan<'_>, source: &Source, text: Value, loaded: bool) -> Scanned<()> {
    let Value::Piece { form, len, at } = text else { return Ok(()) };
    let end = at.saturating_add(len.into());
    let head = source.read(at..end.min(at.saturating_add(16)))?;
    let starts = spelling::text(form, &head);
    let checkpoint = loaded || starts.starts_with("PK\u{3}\u{4}");
    let likely = starts.starts_with('\u{80}') || starts.starts_with(['c', '(', ']', '}', ')']);
    if loaded && len > LONG {
        scan.left_out(source, "a checkpoint that is written as a text is longer than is looked at");
    }
    if len > LONG || form == Form::Bytes || !(checkpoint || likely) {
        return Ok(());
    }
    let bytes: Vec<u8> = spelling::text(form, &source.read(at..end)?)
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect();
    scan.unpacked(bytes.len() as u64)?;
    let made = in_memory(bytes);
    let attempt = Source::new(source.path(), made.clone(), 0);
    let found = is_pickle(scan, &attempt)?;
    if let Some(what) = &found {
        let message = format!("The text from {at} on, once encoded, is a pickle of its own, which {what}.");
        scan.found(&rules::NESTED_PICKLE, source, at, message);
    }
    if found.is_some() || checkpoint {
        scan.inner_made(source, at..end, &format!("bytes@{at}"), made);
    }
    Ok(())
}

/// Whether the bytes are a pickle that names something, and what it does.
fn is_pickle(scan: &mut Scan<'_>, part: &Source) -> Scanned<Option<String>> {
    let head = part.read_up_to(0, 16)?;
    let binary = super::is_binary(&head);
    let mode = if binary { Mode::Sure } else { Mode::Attempt };
    let mut machine = Machine::new(part, 0, mode, 1_000_000);
    let end = machine.run();
    scan.steps(end.ops)?;
    if matches!(end.trouble, Some(super::halt::Halt::Stop(crate::scan::Stop::NotHere))) {
        return Err(crate::scan::Stop::NotHere);
    }
    let judge = &machine.judge;
    let is = judge.globals.len() > 0
        && if binary {
            end.stopped() || judge.worst() >= Some(Weight::Suspicious)
        } else {
            accepts(&machine, &end, part.len(), false)
        };
    Ok(is.then(|| {
        let names: Vec<String> = judge.globals.iter().take(3).map(|global| format!("`{}`", global.path())).collect();
        format!("names {}", names.join(", "))
    }))
}
