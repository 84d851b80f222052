//! The two kinds of trees: the old one of groups, and the new one of everything that is many.

use std::collections::HashSet;

use super::file::{File, Piece};
use crate::scan::{Scan, Scanned, Stop};

/// One entry of an old group.
pub(crate) struct Symbol {
    /// Where its name is in the group's heap.
    pub(crate) name: u64,
    pub(crate) address: u64,
    /// It is a soft link, which names an object of the same file.
    pub(crate) soft: bool,
}

/// Every entry of the old group whose tree is at `root`.
pub(crate) fn symbols(scan: &mut Scan<'_>, file: &File, root: u64) -> Scanned<Vec<Symbol>> {
    let mut symbols = Vec::new();
    let (mut todo, mut done) = (vec![root], HashSet::new());
    while let Some(address) = todo.pop() {
        if !done.insert(address) {
            continue;
        }
        scan.steps(1)?;
        let head = 8 + 2 * u64::from(file.offsets);
        let start = file.block(scan, address, head)?;
        if start.bytes.starts_with(b"SNOD") {
            leaf(scan, file, address, &mut symbols)?;
            continue;
        }
        let mut start = file.signed(scan, address, head, b"TREE")?;
        let at = start.at;
        let (kind, _level, used) = (start.u8()?, start.u8()?, start.u16()?);
        if kind != 0 {
            return Err(Stop::broken(at, format!("a tree of kind {kind} is no group")));
        }
        let pair = u64::from(file.offsets) + u64::from(file.lengths);
        let mut pairs = file.block(scan, address.saturating_add(head), used * pair)?;
        for _ in 0..used {
            pairs.length()?;
            let child = pairs.address()?;
            file.will_read(child);
            todo.push(child);
        }
    }
    Ok(symbols)
}

fn leaf(scan: &mut Scan<'_>, file: &File, address: u64, into: &mut Vec<Symbol>) -> Scanned<()> {
    let mut start = file.signed(scan, address, 8, b"SNOD")?;
    start.skip(2)?;
    let count = start.u16()?;
    let each = 2 * u64::from(file.offsets) + 24;
    let mut entries = file.block(scan, address.saturating_add(8), count * each)?;
    for _ in 0..count {
        scan.steps(1)?;
        let (name, address, kind) = (entries.address()?, entries.address()?, entries.u32()?);
        entries.skip(20)?;
        into.push(Symbol { name, address, soft: kind == 2 });
    }
    Ok(())
}

/// Bytes that hold any number up to `most`.
pub(crate) fn width_of(most: u64) -> u8 {
    u8::try_from(most.max(1).ilog2() / 8 + 1).unwrap_or(8)
}

/// Every record of the new tree whose header is at `address`.
pub(crate) fn records(scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<Vec<Piece>> {
    let size = 22 + u64::from(file.offsets) + u64::from(file.lengths);
    let mut head = file.signed(scan, address, size, b"BTHD")?;
    let at = head.at;
    head.skip(2)?;
    let (node, record, depth) = (head.u32()?, head.u16()?, head.u16()?);
    head.skip(2)?;
    let (root, used) = (head.address()?, head.u16()?);
    if record == 0 || node < 32 || depth > 32 {
        return Err(Stop::broken(at, "a tree's sizes make no sense"));
    }
    // Pointers to nodes are as wide as the counts in them may become.
    let most_in_leaf = node.saturating_sub(10) / record;
    let narrow = width_of(most_in_leaf);
    let (mut all, mut wide) = (most_in_leaf, vec![0_u8]);
    for level in 1..=depth {
        let previous = if level > 1 { wide.last().copied().unwrap_or(0) } else { 0 };
        let pointer = u64::from(file.offsets) + u64::from(narrow) + u64::from(previous);
        let most = node.saturating_sub(10 + pointer) / (record + pointer);
        all = (most + 1).saturating_mul(all).saturating_add(most);
        wide.push(width_of(all));
    }
    let mut found = Vec::new();
    let mut done = HashSet::new();
    let mut todo: Vec<(u64, u64, u64)> = file.defined(root).map(|root| (root, used, depth)).into_iter().collect();
    while let Some((address, used, level)) = todo.pop() {
        scan.steps(used + 1)?;
        if !done.insert(address) {
            continue;
        }
        let sign: &[u8] = if level == 0 { b"BTLF" } else { b"BTIN" };
        let mut piece = file.signed(scan, address, node, sign)?;
        piece.skip(2)?;
        for _ in 0..used {
            let at = piece.at;
            found.push(file.piece(piece.take(record)?, at));
        }
        if level > 0 {
            let below = usize::try_from(level - 1).ok().and_then(|below| wide.get(below)).copied().unwrap_or(0);
            for _ in 0..=used {
                let (child, count) = (piece.address()?, piece.number(narrow)?);
                if level > 1 {
                    piece.number(below)?;
                }
                file.will_read(child);
                todo.push((child, count, level - 1));
            }
        }
    }
    Ok(found)
}
