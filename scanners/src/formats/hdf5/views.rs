//! Virtual datasets: data that is put together from other datasets, in this file or in others.
//!
//! The list of parts lies in a global heap. Which elements a part takes is stepped over; no other file is opened.

use super::file::Piece;
use crate::scan::{Scan, Scanned, Stop};

/// Flags of a part in the list's second version.
const FILE_SAID: u8 = 1;
const DATASET_SAID: u8 = 2;
const SAME_FILE: u8 = 4;

/// How a list says that a part is of the file itself.
const SAME: &str = ".";

/// The names of the other files that the list takes data from, each once.
pub(crate) fn files(scan: &mut Scan<'_>, mut list: Piece) -> Scanned<Vec<String>> {
    let at = list.at;
    let version = list.u8()?;
    if version > 1 {
        return Err(Stop::Unreadable(format!("a dataset is put together in a way of the unknown version {version}")));
    }
    let count = list.length()?;
    let mut files = Vec::new();
    for _ in 0..count {
        scan.steps(4)?;
        if list.left() == 0 {
            return Err(Stop::broken(at, format!("a dataset is put together of {count} parts, and fewer are listed")));
        }
        let flags = if version > 0 { list.u8()? } else { 0 };
        let file = match flags {
            // A file that an earlier part named already.
            _ if flags & FILE_SAID != 0 => list.length().map(|_| None)?,
            _ if flags & SAME_FILE != 0 => None,
            _ => Some(list.text()?).filter(|file| file != SAME),
        };
        if let Some(file) = file.filter(|file| !files.contains(file)) {
            scan.steps(files.len() as u64)?;
            files.push(file);
        }
        if flags & DATASET_SAID != 0 {
            list.length()?;
        } else {
            list.text()?;
        }
        selection(&mut list)?;
        selection(&mut list)?;
    }
    Ok(files)
}

/// Steps over which elements are taken.
fn selection(list: &mut Piece) -> Scanned<()> {
    let at = list.at;
    let (kind, version) = (list.u32()?, list.u32()?);
    let bytes = match (kind, version) {
        // Nothing, everything, and the first version of points and blocks: a reserved number, then a length.
        (0..=3, 1) => {
            list.skip(4)?;
            list.u32()?
        }
        (BLOCKS, 2) => {
            list.skip(1)?;
            list.u32()?
        }
        (BLOCKS, 3) => {
            let (regular, width) = (list.u8()? & 1 != 0, list.u8()?);
            let rank = list.u32()?;
            // Four numbers for each dimension, or two for each dimension of each block.
            let numbers = if regular { rank.saturating_mul(4) } else { list.number(width)?.saturating_mul(rank * 2) };
            numbers.saturating_mul(width.into())
        }
        (POINTS, 2) => {
            let width = list.u8()?;
            let rank = list.u32()?;
            list.number(width)?.saturating_mul(rank).saturating_mul(width.into())
        }
        _ => {
            let what = format!("which elements a part takes is said in the unknown way {kind} of version {version}");
            return Err(Stop::broken(at, what));
        }
    };
    list.skip(bytes)
}

const POINTS: u64 = 1;
const BLOCKS: u64 = 2;
