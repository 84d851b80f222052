//! Object headers: the messages that say what a group or a dataset is, in both versions, over all their continuations.

use std::collections::HashSet;

use super::file::{File, Piece};
use crate::scan::{Scan, Scanned, Stop};

/// One message of an object's header.
pub(crate) struct Message {
    pub(crate) kind: u64,
    /// It says where the message is instead of being it.
    pub(crate) shared: bool,
    pub(crate) body: Piece,
}

/// More blocks than any header is spread over.
const BLOCKS: usize = 4096;

/// The messages of the object at `address`.
pub(crate) fn messages(scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<Vec<Message>> {
    let start = file.block(scan, address, 16)?;
    if start.bytes.starts_with(b"OHDR") { second(scan, file, address) } else { first(scan, file, address) }
}

/// Blocks that are still to be read: address and length.
struct Blocks {
    todo: Vec<(u64, u64)>,
    done: HashSet<u64>,
}

impl Blocks {
    fn continuation(&mut self, body: &Piece) -> Scanned<()> {
        let mut body = body.clone();
        let (address, length) = (body.address()?, body.length()?);
        if self.done.len() >= BLOCKS {
            return Err(Stop::Spent("a header in more blocks than any has".into()));
        }
        if self.done.insert(address) {
            self.todo.push((address, length));
        }
        Ok(())
    }
}

const CONTINUATION: u64 = 0x10;

fn first(scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<Vec<Message>> {
    let mut start = file.block(scan, address, 16)?;
    let (at, version) = (start.at, start.u8()?);
    if version != 1 {
        return Err(Stop::broken(at, format!("an object header of version {version} does not exist")));
    }
    start.skip(7)?;
    let size = start.u32()?;
    let mut blocks = Blocks { todo: vec![(address.saturating_add(16), size)], done: HashSet::new() };
    let mut messages = Vec::new();
    while let Some((address, size)) = blocks.todo.pop() {
        let mut piece = file.block(scan, address, size)?;
        while piece.left() >= 8 {
            scan.steps(1)?;
            let (kind, size, flags) = (piece.u16()?, piece.u16()?, piece.u8()?);
            piece.skip(3)?;
            let at = piece.at;
            let body = file.piece(piece.take(size)?, at);
            if kind == CONTINUATION {
                blocks.continuation(&body)?;
            }
            messages.push(Message { kind, shared: flags & 2 != 0, body });
        }
    }
    Ok(messages)
}

fn second(scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<Vec<Message>> {
    let mut start =
        file.block(scan, address, 64.min(file.source.len().saturating_sub(file.base.saturating_add(address))))?;
    let from = start.at;
    start.skip(4)?;
    let (version, flags) = (start.u8()?, start.u8()?);
    if version != 2 {
        return Err(Stop::broken(from, format!("an object header of version {version} does not exist")));
    }
    start.skip(if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 })?;
    let size = start.number(1 << (flags & 3))?;
    let mut blocks = Blocks { todo: Vec::new(), done: HashSet::new() };
    let mut messages = Vec::new();
    let piece = file.block(scan, address.saturating_add(start.at - from), size)?;
    run(scan, file, piece, flags, &mut blocks, &mut messages)?;
    while let Some((address, size)) = blocks.todo.pop() {
        // A signature before the messages, a checksum behind them.
        let mut piece = file.signed(scan, address, size, b"OCHK")?;
        let at = piece.at;
        let bytes = piece.take(size.saturating_sub(8))?;
        run(scan, file, file.piece(bytes, at), flags, &mut blocks, &mut messages)?;
    }
    Ok(messages)
}

fn run(
    scan: &mut Scan<'_>,
    file: &File,
    mut piece: Piece,
    flags: u8,
    blocks: &mut Blocks,
    into: &mut Vec<Message>,
) -> Scanned<()> {
    let least = if flags & 4 != 0 { 6 } else { 4 };
    while piece.left() >= least {
        scan.steps(1)?;
        let (kind, size, own) = (u64::from(piece.u8()?), piece.u16()?, piece.u8()?);
        piece.skip(least - 4)?;
        let at = piece.at;
        let body = file.piece(piece.take(size)?, at);
        if kind == CONTINUATION {
            blocks.continuation(&body)?;
        }
        into.push(Message { kind, shared: own & 2 != 0, body });
    }
    Ok(())
}
