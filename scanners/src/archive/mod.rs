//! Files that hold files: what a reader of an archive hands on, whichever archive it was.
//!
//! A member can have several readings, one for each program that would unpack it differently; all of them are inspected.

use std::ops::Range;

use crate::{
    scan::{Scan, Scanned},
    source::Source,
};

/// An archive whose directory has been read.
pub(crate) struct Archive {
    pub(crate) source: Source,
    pub(crate) members: Vec<Member>,
}

/// One file in an archive.
pub(crate) struct Member {
    /// As the archive writes it: `archive/data.pkl`.
    pub(crate) name: String,
    /// Its unpacked size, as the archive says.
    pub(crate) size: u64,
    /// Every way in which some program reads its content; the first is the usual one.
    pub(crate) readings: Vec<Reading>,
}

/// One way to read a member.
pub(crate) struct Reading {
    /// Where its packed bytes lie in the archive.
    pub(crate) packed: Range<u64>,
    pub(crate) packing: Packing,
}

/// How a member's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Stored,
    Deflate,
}

impl Archive {
    /// The member with exactly this name.
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
        for reading in &member.readings {
            if reading.packing == Packing::Stored {
                let source = self.source.member(&member.name, reading.packed.clone());
                if let Err(stop) = reader(scan, &source) {
                    scan.stopped(&source, stop);
                }
            }
        }
    }

    /// The kind of archive says that no loader runs this member's bytes: they are not read.
    pub(crate) fn inert(&self, scan: &mut Scan<'_>, member: &Member) {
        for reading in &member.readings {
            scan.inert(&self.source, reading.packed.clone());
        }
    }
}
