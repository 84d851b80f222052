//! The records of a zip: members' own headers, the directory's entries, and the ends. Each is decoded as it is written;
//! nobody here believes it.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    scan::{Scan, Scanned, Stop},
    source::Source,
    unpack::checksum,
};

pub(super) const LOCAL: &[u8] = b"PK\x03\x04";
pub(super) const CENTRAL: &[u8] = b"PK\x01\x02";
pub(super) const END: &[u8] = b"PK\x05\x06";
pub(super) const END64: &[u8] = b"PK\x06\x06";
pub(super) const LOCATOR64: &[u8] = b"PK\x06\x07";
pub(super) const DESCRIPTOR: &[u8] = b"PK\x07\x08";

pub(super) const LOCAL_BYTES: u64 = 30;
const CENTRAL_BYTES: usize = 46;

/// What both kinds of header say of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// As it is written.
    pub(super) name: Bytes,
    pub(super) flags: u16,
    pub(super) method: u16,
    /// The version that a program needs to unpack it.
    pub(super) version: u16,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    /// The name that the extra field for Unicode names gives.
    pub(super) unicode: Option<String>,
    pub(super) zip64: bool,
    /// Where fields stand that no program looks at: extra ones that are not known, and comments.
    pub(super) unread: Vec<Range<u64>>,
}

/// A member's own header.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) at: u64,
    /// Where its data begins.
    pub(super) data: u64,
    pub(super) said: Said,
}

/// The directory's entry for a member.
#[derive(Clone, Debug)]
pub(super) struct Central {
    pub(super) at: u64,
    /// Where the entry ends.
    pub(super) end: u64,
    /// Where it says that the member's own header is.
    pub(super) header: u64,
    /// Unix mode bits, where there are any.
    pub(super) mode: u32,
    /// The system on which it says that it was made: 0 is DOS, 3 is Unix.
    pub(super) system: u8,
    pub(super) said: Said,
}

impl Said {
    /// Bit 3: sizes and checksum follow the data. Then zeros before it say nothing.
    pub(super) fn says_nothing(&self) -> bool {
        self.flags & 8 != 0 && self.packed == 0 && self.size == 0
    }

    /// The name as most programs show it.
    pub(super) fn shown(&self) -> String {
        match std::str::from_utf8(&self.name) {
            Ok(name) => name.to_owned(),
            Err(_) => self.unicode.clone().unwrap_or_else(|| self.name.iter().map(|byte| char::from(*byte)).collect()),
        }
    }
}

impl Local {
    /// The header at `at`; nothing where none is.
    pub(super) fn read(source: &Source, at: u64) -> Scanned<Option<Self>> {
        if at.saturating_add(LOCAL_BYTES) > source.len() {
            return Ok(None);
        }
        let head = source.read(at..at + LOCAL_BYTES)?;
        if !head.starts_with(LOCAL) {
            return Ok(None);
        }
        let (name, extra) = (u64::from(u16_at(&head, 26)), u64::from(u16_at(&head, 28)));
        let names = at + LOCAL_BYTES;
        let data = names + name + extra;
        if data > source.len() {
            return Ok(None);
        }
        let name = source.read(names..names + name)?;
        let extra = source.read(data - extra..data)?;
        let mut said = Said {
            name,
            flags: u16_at(&head, 6),
            method: u16_at(&head, 8),
            version: u16_at(&head, 4),
            crc: u32_at(&head, 14),
            packed: u64::from(u32_at(&head, 18)),
            size: u64::from(u32_at(&head, 22)),
            unicode: None,
            zip64: false,
            unread: Vec::new(),
        };
        read_extra(&extra, data - extra.len() as u64, &mut said, None);
        Ok(Some(Self { at, data, said }))
    }
}

impl Central {
    /// The entry at the start of `bytes`, which stand at `at` in the archive; nothing where none is.
    pub(super) fn parse(bytes: &Bytes, at: u64) -> Option<Self> {
        if !bytes.starts_with(CENTRAL) || bytes.len() < CENTRAL_BYTES {
            return None;
        }
        let (name, extra, comment) =
            (usize::from(u16_at(bytes, 28)), usize::from(u16_at(bytes, 30)), usize::from(u16_at(bytes, 32)));
        let length = CENTRAL_BYTES + name + extra + comment;
        if bytes.len() < length {
            return None;
        }
        let mut said = Said {
            name: bytes.slice(CENTRAL_BYTES..CENTRAL_BYTES + name),
            flags: u16_at(bytes, 8),
            method: u16_at(bytes, 10),
            version: u16_at(bytes, 6),
            crc: u32_at(bytes, 16),
            packed: u64::from(u32_at(bytes, 20)),
            size: u64::from(u32_at(bytes, 24)),
            unicode: None,
            zip64: false,
            unread: Vec::new(),
        };
        let mut header = u64::from(u32_at(bytes, 42));
        let extras = bytes.slice(CENTRAL_BYTES + name..CENTRAL_BYTES + name + extra);
        let extras_at = at + (CENTRAL_BYTES + name) as u64;
        read_extra(&extras, extras_at, &mut said, Some(&mut header));
        if comment > 0 {
            let end = at + length as u64;
            said.unread.push(end - comment as u64..end);
        }
        let mode = u32_at(bytes, 38) >> 16;
        let system = bytes.get(5).copied().unwrap_or_default();
        Some(Self { at, end: at + length as u64, header, mode, system, said })
    }

    /// Every entry from the start of `bytes` on, until something else comes. Where a limit is reached, the entries up to it and
    /// the reason.
    pub(super) fn parse_all(scan: &mut Scan<'_>, mut bytes: Bytes, mut at: u64) -> (Vec<Self>, Option<Stop>) {
        let mut entries = Vec::new();
        while let Some(entry) = Self::parse(&bytes, at) {
            if let Err(stop) = scan.members(1) {
                return (entries, Some(stop));
            }
            let length = usize::try_from(entry.end - at).unwrap_or(bytes.len());
            bytes = bytes.split_off(length.min(bytes.len()));
            at = entry.end;
            entries.push(entry);
        }
        (entries, None)
    }
}

/// The extra fields that change what the header says: sizes above 4 GiB, and the name in Unicode.
fn read_extra(extra: &[u8], start: u64, said: &mut Said, header: Option<&mut u64>) {
    let mut rest = extra;
    let mut header = header;
    while let [a, b, c, d, after @ ..] = rest {
        let (id, length) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        let place = start + (extra.len() - after.len()) as u64;
        let Some(field) = after.get(..length) else {
            said.unread.push(place..place + after.len() as u64);
            return;
        };
        match id {
            0x0001 => {
                said.zip64 = true;
                let mut at = 0;
                let mut take = |value: &mut u64| {
                    if *value == u64::from(u32::MAX) && at + 8 <= field.len() {
                        *value = u64_at(field, at);
                        at += 8;
                    }
                };
                take(&mut said.size);
                take(&mut said.packed);
                if let Some(header) = header.as_deref_mut() {
                    take(header);
                }
            }
            0x7075 if length > 5 && u32_at(field, 1) == checksum(&said.name) => {
                said.unicode = field.get(5..).map(|name| String::from_utf8_lossy(name).into_owned());
            }
            id => {
                let filler = field.iter().all(|byte| Some(byte) == field.first());
                if !filler && (length > LARGE_FIELD || !KNOWN_FIELDS.contains(&id)) {
                    said.unread.push(place..place + length as u64);
                }
            }
        }
        rest = after.get(length..).unwrap_or_default();
    }
}

/// Extra fields of known writers: times, owners, systems, encryption, alignment. None of them is long.
const KNOWN_FIELDS: &[u16] = &[
    0x0007, 0x0009, 0x000a, 0x000d, 0x0014, 0x0015, 0x0016, 0x0017, 0x0019, 0x07c8, 0x2605, 0x334d, 0x4341, 0x4453,
    0x4d49, 0x5455, 0x5855, 0x6375, 0x7075, 0x7855, 0x7875, 0x9901, 0xa11e, 0xa220, 0xcafe, 0xd935,
];
const LARGE_FIELD: usize = 64;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..) {
        Some([a, b, ..]) => u16::from_le_bytes([*a, *b]),
        _ => 0,
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(in crate::archive) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
