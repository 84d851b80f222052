//! ExecuTorch programs: a flatbuffer of instructions, then segments of weights and of what delegates run.
//!
//! Their bounds are checked. What the delegates' parts do is not known here, so that such a file is never called clean.

use crate::{
    formats::{Match, Probe},
    read::cursor::Cursor,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let version = probe.head.get(6..8).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit));
    if probe.has_at(4, b"ET") && version { Match::Content } else { Match::No }
}

pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut cursor = Cursor::at(source, 0);
    let root = u64::from(cursor.u32_le()?);
    let program = match extended(source)? {
        Some((program, segments)) => {
            if program > source.len() || segments > source.len() || (segments != 0 && segments < program) {
                return Err(Stop::broken(8, "the program or its segments lie outside the file"));
            }
            program
        }
        None => source.len(),
    };
    // A table begins with the way back to the list of its fields; both have to lie within the program.
    cursor.go(root);
    let back = i64::from(cursor.u32_le()?.cast_signed());
    let fields = i64::try_from(root).ok().and_then(|root| root.checked_sub(back)).and_then(|at| u64::try_from(at).ok());
    let fields = fields.filter(|at| at.saturating_add(4) <= program && root.saturating_add(4) <= program);
    let Some(fields) = fields else { return Err(Stop::broken(root, "the program's first table lies outside of it")) };
    cursor.go(fields);
    let length = u64::from(cursor.u16_le()?);
    if length < 4 || fields + length > program {
        return Err(Stop::broken(fields, "the program's list of fields lies outside of it"));
    }
    scan.inspected(source, 0..8);
    scan.unsupported(source, "what an ExecuTorch program's delegates run is not known");
    Ok(())
}

/// `eh00`, its length, the size of the program and where the segments begin.
fn extended(source: &Source) -> Scanned<Option<(u64, u64)>> {
    if source.read_up_to(8, 4)? != b"eh00"[..] {
        return Ok(None);
    }
    let mut cursor = Cursor::at(source, 12);
    let length = cursor.u32_le()?;
    if length < 24 {
        return Err(Stop::broken(12, "the extended header is too short"));
    }
    Ok(Some((cursor.u64_le()?, cursor.u64_le()?)))
}
