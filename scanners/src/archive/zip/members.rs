//! The members of a zip as each view has them, how the views differ, and what all of them together come to.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use memchr::memmem;

use crate::{
    archive::{
        Member, Packing, Reading,
        names::{deceives, escapes, folded, link_escapes},
    },
    rules,
    scan::{Scan, Scanned},
    source::Source,
    unpack::{Codec, taste, unpack},
};

use super::records::{CENTRAL, Central, DESCRIPTOR, LOCAL, Local, Said, u32_at, u64_at};

/// Flag bits that change how a member would be read: encrypted, patch data, strong encryption, masked header.
const ODD_FLAGS: u16 = 0x2061;
const ENCRYPTED: u16 = 1;
/// Methods that exist and that no loader of models unpacks.
const UNSUPPORTED: &[u16] = &[1, 2, 3, 4, 5, 6, 9, 10, 16, 18, 19, 94, 96, 97, 98];
/// Every system that the format's description gives a number.
const KNOWN_SYSTEMS: std::ops::RangeInclusive<u8> = 0..=30;
/// Members together are as long as their archive, or a little longer where views differ. Where they share bytes they can be
/// endlessly long.
const MOST_TIMES: u64 = 8;
const SMALL: u64 = 1 << 20;
/// So many members that lie at the same place are inspected under their own names: the content is the same for all.
const MOST_SHARERS: usize = 8;
const SYMLINK: u32 = 0o120_000;
const TYPE: u32 = 0o170_000;

/// One member in all views.
pub(super) struct Entry {
    pub(super) central: Option<Central>,
    pub(super) local: Option<Local>,
    /// What stands behind the data: checksum, packed size, size.
    descriptor: Option<Descriptor>,
    /// Where the member ends for somebody who looks for the next header; only where no size says it.
    pub(super) next: Option<u64>,
    directory: usize,
}

#[derive(Clone, Copy, Debug)]
struct Descriptor {
    crc: u32,
    packed: u64,
    size: u64,
}

/// All members in all views.
#[derive(Default)]
pub(super) struct Views {
    entries: Vec<Entry>,
    /// Where members' own headers stand.
    headers: HashSet<u64>,
}

/// Which bytes belong to what.
#[derive(Default)]
pub(super) struct Extents {
    pub(super) structure: Vec<Range<u64>>,
    pub(super) data: Vec<Range<u64>>,
}

impl Views {
    pub(super) fn add(&mut self, directory: usize, central: Central, local: Option<Local>) {
        self.headers.extend(local.as_ref().map(|local| local.at));
        self.entries.push(Entry { central: Some(central), local, descriptor: None, next: None, directory });
    }

    /// A member that no directory lists.
    pub(super) fn add_unlisted(&mut self, local: Local, next: u64) {
        self.headers.insert(local.at);
        self.entries.push(Entry {
            central: None,
            local: Some(local),
            descriptor: None,
            next: Some(next),
            directory: 0,
        });
    }

    /// Whether a known member's own header stands at `at`.
    pub(super) fn has_header_at(&self, at: u64) -> bool {
        self.headers.contains(&at)
    }

    /// Looks at what headers hold besides what programs read: a place to keep something in.
    pub(super) fn look_into_fields(&self, scan: &mut Scan<'_>, source: &Source) {
        for entry in &self.entries {
            let both = [entry.central.as_ref().map(|c| &c.said), entry.local.as_ref().map(|l| &l.said)];
            for range in both.into_iter().flatten().flat_map(|said| &said.unread) {
                scan.inner(&source.member("field of a header", range.clone()));
            }
        }
    }

    /// Compares what the directory says of each member with what the member says of itself.
    pub(super) fn compare(&mut self, scan: &mut Scan<'_>, source: &Source, told: &mut bool) -> Scanned<Extents> {
        let mut extents = Extents::default();
        for entry in &mut self.entries {
            let Some(central) = &entry.central else { continue };
            let name = central.said.shown();
            let Some(local) = &entry.local else {
                let message =
                    format!("The directory says that `{name}` begins at {}; no member begins there.", central.header);
                scan.found(&rules::ZIP_VIEWS_DIFFER, source, central.at, message);
                *told = true;
                continue;
            };
            let end = local.data.saturating_add(central.said.packed);
            if end > source.len() {
                let message = format!("`{name}` is said to end at {end}, past the end of the archive.");
                scan.found(&rules::ZIP_VIEWS_DIFFER, source, central.at, message);
                *told = true;
            }
            extents.structure.push(local.at..local.data);
            extents.data.push(local.data..end.min(source.len()));
            let behind = if end < source.len() { descriptor(source, end, &central.said)? } else { None };
            if let Some((descriptor, length)) = behind {
                entry.descriptor = Some(descriptor);
                extents.structure.push(end..end + length);
            }
            if !(KNOWN_SYSTEMS.contains(&central.system) && known_version(&central.said) && known_version(&local.said))
            {
                let message = format!("`{name}` is said to need a program of a version that does not exist.");
                scan.found(&rules::ZIP_FLAGS, source, central.at, message);
            }
            for (rule, message) in differences(&name, &central.said, &local.said, entry.descriptor) {
                scan.found(rule, source, local.at, message);
                *told = true;
            }
        }
        Ok(extents)
    }

    /// Where the members of one directory lie, headers and all.
    pub(super) fn extents_of(&self, directory: usize, len: u64) -> Vec<Range<u64>> {
        let listed = self.entries.iter().filter(|entry| entry.directory == directory);
        let extents = listed.filter_map(|entry| {
            let (central, local) = (entry.central.as_ref()?, entry.local.as_ref()?);
            Some(local.at..local.data.saturating_add(central.said.packed).min(len))
        });
        extents.collect()
    }

    /// Looks at names: who leaves the folder, who deceives, who is there twice.
    pub(super) fn names(&self, scan: &mut Scan<'_>, source: &Source, told: &mut bool) {
        let mut seen: HashMap<(usize, String), String> = HashMap::new();
        for entry in &self.entries {
            for said in
                [entry.central.as_ref().map(|c| &c.said), entry.local.as_ref().map(|l| &l.said)].into_iter().flatten()
            {
                self::name(scan, source, entry, said);
            }
            let Some(central) = &entry.central else { continue };
            let name = central.said.shown();
            let Some(other) = seen.insert((entry.directory, folded(&name)), name.clone()) else { continue };
            let message = if other == name {
                format!("Two members are called `{name}`: programs differ in which of them they take.")
            } else {
                format!("`{other}` and `{name}` are one name to some programs.")
            };
            scan.found(&rules::ZIP_DUPLICATE, source, central.at, message);
            *told = true;
        }
    }

    /// Where a listed member's own header ends it earlier than the directory does.
    pub(super) fn room_within(&self, len: u64) -> Vec<Range<u64>> {
        let mut work = len.saturating_mul(MOST_TIMES);
        let rooms = self.entries.iter().filter_map(|entry| {
            let (central, local) = (entry.central.as_ref()?, entry.local.as_ref()?);
            let (own, listed) = (local.said.packed, central.said.packed);
            let room = local.data.saturating_add(own)..local.data.saturating_add(listed).min(len);
            let there = !local.said.says_nothing() && room.start < room.end && work > 0;
            work = if there { work.saturating_sub(room.end - room.start) } else { work };
            there.then_some(room)
        });
        rooms.collect()
    }

    /// The members with all their readings.
    pub(super) fn members(&self, scan: &mut Scan<'_>, source: &Source) -> Scanned<Vec<Member>> {
        let mut members: Vec<Member> = Vec::new();
        let mut known: HashMap<(String, u64), usize> = HashMap::new();
        let mut sharers: HashMap<u64, usize> = HashMap::new();
        let mut work = source.len().saturating_mul(MOST_TIMES).saturating_add(SMALL);
        for entry in &self.entries {
            let Some(local) = &entry.local else { continue };
            if work == 0 {
                scan.left_out(source, "members of the archive share so many bytes that not all of them were looked at");
                break;
            }
            let readings = entry.readings(scan, source)?;
            let bytes: u64 = readings.iter().map(|reading| reading.packed.end - reading.packed.start).sum();
            work = work.saturating_sub(bytes);
            let size = entry.central.as_ref().map_or(local.said.size, |central| central.said.size);
            for name in entry.all_names() {
                let place = (name.clone(), local.at);
                if let Some(member) = known.get(&place).and_then(|number| members.get_mut(*number)) {
                    let more: Vec<Reading> =
                        readings.iter().filter(|r| !member.readings.contains(r)).cloned().collect();
                    member.readings.extend(more);
                    continue;
                }
                known.insert(place, members.len());
                let shared = sharers.entry(local.data).or_default();
                *shared += 1;
                let readings = if *shared > MOST_SHARERS { Vec::new() } else { readings.clone() };
                members.push(Member { name, size, readings });
            }
        }
        Ok(members)
    }
}

impl Entry {
    /// Every name that some view gives the member.
    fn all_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let said = [self.central.as_ref().map(|c| &c.said), self.local.as_ref().map(|l| &l.said)];
        for said in said.into_iter().flatten() {
            let shown = said.shown();
            let cut = shown.split('\0').next().map(str::to_owned);
            for name in [Some(shown.clone()), cut, said.unicode.clone()].into_iter().flatten() {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Every content that some program would give. The first is what the directory describes.
    fn readings(&self, scan: &mut Scan<'_>, source: &Source) -> Scanned<Vec<Reading>> {
        let Some(local) = &self.local else { return Ok(Vec::new()) };
        let mut readings: Vec<Reading> = Vec::new();
        let central = self.central.as_ref().map(|central| &central.said);
        let own = (!local.said.says_nothing()).then_some(&local.said);
        let methods: Vec<u16> = [central, Some(&local.said)].into_iter().flatten().map(|said| said.method).collect();
        // What is said of how many packed bytes there are, with what is said of the unpacked ones.
        let mut claims: Vec<(u64, Option<u64>, Option<u32>)> = Vec::new();
        for said in [central, own].into_iter().flatten() {
            claims.push((said.packed, Some(said.size), Some(said.crc)));
        }
        if let Some(told) = self.descriptor {
            claims.push((told.packed, Some(told.size), Some(told.crc)));
        }
        if let Some(next) = self.next {
            claims.push((next.saturating_sub(local.data), None, None));
        }
        claims.dedup_by(|b, a| a.0 == b.0);
        let encrypted = [central, Some(&local.said)].into_iter().flatten().any(|said| said.flags & ENCRYPTED != 0);
        for (packed, size, crc) in claims {
            let range = local.data..local.data.saturating_add(packed).min(source.len());
            for method in &methods {
                let packing = packing(*method);
                if matches!(packing, Packing::Unknown(_)) && !UNSUPPORTED.contains(method) {
                    let name = local.said.shown();
                    let message = format!("`{name}` is packed by method {method}, which does not exist.");
                    scan.found(&rules::ZIP_FLAGS, source, local.at, message);
                }
                let reading = Reading { packed: range.clone(), packing, size, crc };
                let reading = if encrypted { decrypted(scan, source, &local.said.shown(), reading)? } else { reading };
                if !readings.iter().any(|known| known.packed == reading.packed && known.packing == reading.packing) {
                    readings.push(reading);
                }
            }
        }
        Ok(readings)
    }
}

/// Looks at one name of a member, and at what its mode makes of it.
fn name(scan: &mut Scan<'_>, source: &Source, entry: &Entry, said: &Said) {
    let at = entry.local.as_ref().map_or(0, |local| local.at);
    let (mode, windows) =
        entry.central.as_ref().map_or((0, false), |central| (central.mode, matches!(central.system, 0 | 10 | 11)));
    let shown = said.shown();
    for name in [Some(&shown), said.unicode.as_ref()].into_iter().flatten() {
        if escapes(name) {
            let message =
                format!("The member `{name}` would be written outside the folder that the archive is unpacked to.");
            scan.found(&rules::ZIP_ESCAPE, source, at, message);
        }
        if let Some(what) = deceives(name, windows) {
            scan.found(&rules::ZIP_NAME, source, at, format!("The name of the member `{name}` holds {what}."));
        }
    }
    if let Some(unicode) = said.unicode.as_ref().filter(|unicode| **unicode != shown && shown.is_ascii()) {
        let message = format!("The member `{shown}` is called `{unicode}` by programs that read its Unicode name.");
        scan.found(&rules::ZIP_NAME, source, at, message);
    }
    if mode & TYPE == SYMLINK {
        link(scan, source, entry, &shown);
    }
}

fn link(scan: &mut Scan<'_>, source: &Source, entry: &Entry, name: &str) {
    let (Some(central), Some(local)) = (&entry.central, &entry.local) else { return };
    let target = source.read_up_to(local.data, central.said.packed.min(4096)).unwrap_or_default();
    let target = String::from_utf8_lossy(&target).into_owned();
    if central.said.method == 0 && link_escapes(name, &target) {
        let message =
            format!("The member `{name}` is a link to `{target}`, outside the folder that the archive is unpacked to.");
        scan.found(&rules::ZIP_ESCAPE, source, local.at, message);
    } else {
        let message = format!("The member `{name}` is a symbolic link to `{target}`.");
        scan.found(&rules::ZIP_LINK, source, local.at, message);
    }
}

type Difference = (&'static rules::Rule, String);

/// Where the directory and the member's own header say different things.
fn differences(name: &str, listed: &Said, own: &Said, descriptor: Option<Descriptor>) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    let mut differ: Vec<String> = Vec::new();
    if listed.name != own.name {
        differ.push(format!("the name `{}`", own.shown()));
    }
    if listed.method != own.method {
        differ.push(format!("packing method {} and not {}", own.method, listed.method));
    }
    if !own.says_nothing() {
        if listed.packed != own.packed {
            differ.push(format!("{} packed bytes and not {}", own.packed, listed.packed));
        }
        if listed.size != own.size {
            differ.push(format!("{} bytes and not {}", own.size, listed.size));
        }
        if listed.crc != own.crc && !(own.flags & 8 != 0 && own.crc == 0) {
            differ.push(format!("the checksum {:08x} and not {:08x}", own.crc, listed.crc));
        }
    }
    if let (Some(ours), Some(theirs)) = (&own.unicode, &listed.unicode)
        && ours != theirs
    {
        differ.push(format!("the Unicode name `{ours}` and not `{theirs}`"));
    }
    if !differ.is_empty() {
        let message = format!("The directory lists `{name}`; the member itself says {}.", differ.join(", "));
        found.push((&rules::ZIP_VIEWS_DIFFER, message));
    }
    let as_listed = |told: &Descriptor| (told.packed, told.size, told.crc) == (listed.packed, listed.size, listed.crc);
    if let Some(told) = descriptor.filter(|told| !as_listed(told)) {
        let message = format!(
            "Behind the data of `{name}` stand {} bytes, packed to {}, with the checksum {:08x}; the directory says something else.",
            told.size, told.packed, told.crc
        );
        found.push((&rules::ZIP_VIEWS_DIFFER, message));
    }
    if (listed.flags | own.flags) & ODD_FLAGS & !ENCRYPTED != 0 || (listed.flags ^ own.flags) & ENCRYPTED != 0 {
        let message = format!(
            "`{name}` has the flags {:04x} in the directory and {:04x} in the member, which not every program honours.",
            listed.flags, own.flags
        );
        found.push((&rules::ZIP_FLAGS, message));
    }
    found
}

/// What stands behind the data at `at`, if it is a data descriptor, and its length.
fn descriptor(source: &Source, at: u64, listed: &Said) -> Scanned<Option<(Descriptor, u64)>> {
    if listed.flags & 8 == 0 {
        return Ok(None);
    }
    let bytes = source.read_up_to(at, 24)?;
    let signed = bytes.starts_with(DESCRIPTOR);
    let start = if signed { 4 } else { 0 };
    let crc = u32_at(&bytes, start);
    let short =
        Descriptor { crc, packed: u64::from(u32_at(&bytes, start + 4)), size: u64::from(u32_at(&bytes, start + 8)) };
    let long = Descriptor { crc, packed: u64_at(&bytes, start + 4), size: u64_at(&bytes, start + 12) };
    let fits = |told: &Descriptor| (told.packed, told.size) == (listed.packed, listed.size);
    let lengths = [(short, start + 12), (long, start + 20)];
    let held = |length: usize| length <= bytes.len();
    if let Some((told, length)) = lengths.into_iter().find(|(told, length)| held(*length) && fits(told)) {
        return Ok(Some((told, length as u64)));
    }
    // Without the signature, bytes that do not fit are not a descriptor at all.
    if !signed || bytes.starts_with(LOCAL) || bytes.starts_with(CENTRAL) {
        return Ok(None);
    }
    Ok(held(start + 12).then_some((short, (start + 12) as u64)))
}

/// 6.3 is the last version of the format.
fn known_version(said: &Said) -> bool {
    said.version & 0xff <= 63
}

fn packing(method: u16) -> Packing {
    match method {
        0 => Packing::Stored,
        8 => Packing::Packed(Codec::Deflate),
        12 => Packing::Packed(Codec::Bzip2),
        14 => Packing::Packed(Codec::ZipLzma),
        20 | 93 => Packing::Packed(Codec::Zstd),
        95 => Packing::Packed(Codec::Xz),
        99 => Packing::Encrypted,
        other => Packing::Unknown(other),
    }
}

/// A member that is flagged as encrypted is often not: some loaders do not look at the flag. Its bytes decide.
fn decrypted(scan: &mut Scan<'_>, source: &Source, name: &str, reading: Reading) -> Scanned<Reading> {
    let plain = match reading.packing {
        Packing::Stored => reading.size.is_none_or(|size| size == reading.packed.end - reading.packed.start),
        Packing::Packed(codec) => {
            let first = taste(source, reading.packed.clone(), codec, 4096)?;
            let expected = reading.size.unwrap_or(1).clamp(1, 4096);
            first.len() as u64 >= expected && {
                let made = unpack(scan, source, reading.packed.clone(), codec)?;
                made.stop.is_none() || made.bytes.size() > 4096
            }
        }
        _ => false,
    };
    if !plain {
        return Ok(Reading { packing: Packing::Encrypted, ..reading });
    }
    let message = format!("`{name}` is flagged as encrypted and is not: programs that honour the flag cannot read it.");
    scan.found(&rules::ZIP_FLAGS, source, reading.packed.start, message);
    Ok(reading)
}

/// The next record of any kind from `at` on, within `end`; `end` where none is.
pub(super) fn next_record(source: &Source, at: u64, end: u64) -> Scanned<u64> {
    const WINDOW: u64 = 1 << 20;
    let mut here = at;
    while here < end {
        let bytes = source.read(here..here.saturating_add(WINDOW + 3).min(end))?;
        let found = memmem::find_iter(&bytes, b"PK").find(|place| {
            let rest = bytes.get(*place..).unwrap_or_default();
            rest.starts_with(LOCAL) || rest.starts_with(CENTRAL) || rest.starts_with(DESCRIPTOR)
        });
        if let Some(place) = found {
            return Ok(here + place as u64);
        }
        here = here.saturating_add(WINDOW);
    }
    Ok(end)
}
