//! Files that hold files: what a reader of an archive hands on, whichever archive it was.
//!
//! A member can have several readings, one for each program that would unpack it differently; all of them are inspected.
//! Nothing is ever written to disk, and a member's bytes are read only when somebody inspects it.

pub(crate) mod names;
pub(crate) mod sevenz;
pub(crate) mod single;
pub(crate) mod tar;
pub(crate) mod zip;

use std::ops::Range;

use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
    unpack::{Codec, Unpacked, checksum, unpack},
};

/// An archive whose directory has been read.
pub(crate) struct Archive {
    pub(crate) source: Source,
    pub(crate) members: Vec<Member>,
}

/// One file in an archive. Folders are members too; their names end in `/`.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// As the archive writes it: `archive/data.pkl`.
    pub(crate) name: String,
    /// Its unpacked size, as the archive says.
    pub(crate) size: u64,
    /// Every way in which some program reads its content; the first is the usual one.
    pub(crate) readings: Vec<Reading>,
}

/// One way to read a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Where its packed bytes lie in the archive.
    pub(crate) packed: Range<u64>,
    pub(crate) packing: Packing,
    /// The unpacked size that this reading claims.
    pub(crate) size: Option<u64>,
    /// The checksum of the unpacked bytes that this reading claims.
    pub(crate) crc: Option<u32>,
}

/// How a member's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Stored,
    Packed(Codec),
    /// By a method that no decoder here knows, by its number.
    Unknown(u16),
    /// And nobody gave us the key.
    Encrypted,
}

/// Stored members up to this size are read whole for their checksum; of larger ones only what their reader asks for is read.
const CHECKED_WHOLE: u64 = 256 << 10;

impl Member {
    /// Where its bytes lie in the archive, if they are not packed.
    pub(crate) fn stored(&self) -> Option<Range<u64>> {
        self.readings.first().filter(|reading| reading.packing == Packing::Stored).map(|reading| reading.packed.clone())
    }

    /// The name without its folders.
    pub(crate) fn file_name(&self) -> &str {
        self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name)
    }
}

impl Archive {
    /// The member with exactly this name; the first, where there are two.
    pub(crate) fn find(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Recognises and inspects every reading of the member, and accounts for its bytes.
    pub(crate) fn inspect(&self, scan: &mut Scan<'_>, member: &Member) {
        self.inspect_as(scan, member, |scan, source| {
            scan.inner(source);
            Ok(())
        });
    }

    /// The same with a reader of the caller's, for a member whose meaning the kind of archive gives.
    pub(crate) fn inspect_as(
        &self,
        scan: &mut Scan<'_>,
        member: &Member,
        mut reader: impl FnMut(&mut Scan<'_>, &Source) -> Scanned<()>,
    ) {
        scan.in_an_archive(|scan| {
            for reading in &member.readings {
                self.inspect_reading(scan, member, reading, &mut reader);
            }
        });
    }

    /// The kind of archive says that no loader runs this member's bytes: they are not read. A member that two programs read
    /// differently has no such meaning, and is inspected.
    pub(crate) fn inert(&self, scan: &mut Scan<'_>, member: &Member) {
        match &member.readings[..] {
            [reading] if reading.packing != Packing::Encrypted => scan.inert(&self.source, reading.packed.clone()),
            _ => self.inspect(scan, member),
        }
    }

    fn inspect_reading(
        &self,
        scan: &mut Scan<'_>,
        member: &Member,
        reading: &Reading,
        reader: &mut impl FnMut(&mut Scan<'_>, &Source) -> Scanned<()>,
    ) {
        let stored = self.source.member(&member.name, reading.packed.clone());
        match reading.packing {
            Packing::Stored => {
                if let Err(stop) = check_stored(scan, &stored, reading) {
                    scan.stopped(&stored, stop);
                }
                if let Err(stop) = reader(scan, &stored) {
                    scan.stopped(&stored, stop);
                }
            }
            Packing::Packed(codec) => match unpack(scan, &self.source, reading.packed.clone(), codec) {
                Ok(made) => self.inspect_made(scan, member, reading, made, reader),
                Err(stop) => scan.stopped(&stored, stop),
            },
            Packing::Unknown(method) => {
                scan.unsupported(&stored, format!("{} is packed by method {method}, which is not known", member.name));
            }
            Packing::Encrypted => {
                let message =
                    format!("`{}` is encrypted, so that nobody without the key knows what it is.", member.name);
                scan.found(&rules::ARCHIVE_ENCRYPTED, &stored, 0, message);
                scan.left_out(&stored, format!("{} is encrypted", member.name));
            }
        }
    }

    fn inspect_made(
        &self,
        scan: &mut Scan<'_>,
        member: &Member,
        reading: &Reading,
        made: Unpacked,
        reader: &mut impl FnMut(&mut Scan<'_>, &Source) -> Scanned<()>,
    ) {
        let child = scan.made(&self.source, &member.name, made.bytes);
        if let Err(stop) = reader(scan, &child) {
            scan.stopped(&child, stop);
        }
        let whole = made.stop.is_none();
        if let Some(stop) = made.stop {
            scan.stopped(&child, stop);
        }
        let used = reading.packed.start..reading.packed.start.saturating_add(made.used).min(reading.packed.end);
        scan.fold(&child, &self.source, used.clone());
        if whole {
            if let Some(size) = reading.size.filter(|size| *size != child.len()) {
                Self::sizes_differ(scan, &child, size, reader);
            }
            if let (Some(said), Some(is)) = (reading.crc, made.crc) {
                compare_checksums(scan, &child, said, is);
            }
            self.rest(scan, member, used.end..reading.packed.end);
        }
    }

    /// One program gives as many bytes as the directory says, another all that there are.
    fn sizes_differ(
        scan: &mut Scan<'_>,
        child: &Source,
        said: u64,
        reader: &mut impl FnMut(&mut Scan<'_>, &Source) -> Scanned<()>,
    ) {
        let message = format!("The archive says that this member has {said} bytes; unpacked it has {}.", child.len());
        scan.found(&rules::ZIP_VIEWS_DIFFER, child, 0, message);
        if said < child.len() {
            let cut = child.part(0..said);
            if let Err(stop) = reader(scan, &cut) {
                scan.stopped(&cut, stop);
            }
        }
    }

    /// Bytes within the member's packed range that its packed stream does not need.
    fn rest(&self, scan: &mut Scan<'_>, member: &Member, rest: Range<u64>) {
        if rest.start >= rest.end {
            return;
        }
        let message = format!("{} bytes follow the packed content of `{}`.", rest.end - rest.start, member.name);
        scan.found(&rules::ZIP_EXTRA_DATA, &self.source, rest.start, message);
        scan.inner(&self.source.part(rest));
    }
}

/// Checks the checksum of a stored member that is small enough to be read whole.
fn check_stored(scan: &mut Scan<'_>, stored: &Source, reading: &Reading) -> Scanned<()> {
    let Some(said) = reading.crc else { return Ok(()) };
    if stored.len() > CHECKED_WHOLE {
        return Ok(());
    }
    let is = checksum(&stored.read_all(CHECKED_WHOLE)?);
    compare_checksums(scan, stored, said, is);
    Ok(())
}

fn compare_checksums(scan: &mut Scan<'_>, source: &Source, said: u32, is: u32) {
    if said != is {
        let message = format!("The archive gives {said:08x} as this member's checksum; its content has {is:08x}.");
        scan.found(&rules::ZIP_CRC, source, 0, message);
    }
}
