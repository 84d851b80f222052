//! Tar archives: ustar, GNU's and PAX's long names and sizes, and the old form that only a checksum gives away.
//!
//! Members are never written anywhere. Sparse members are not unfolded; they leave the coverage incomplete.

use std::{iter::once, ops::Range};

use crate::{
    archive::{
        Archive, Member, Packing, Reading,
        names::{deceives, escapes, link_escapes},
    },
    formats::{Match, Probe},
    kinds, rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

const BLOCK: u64 = 512;
/// The longest name, link or list of attributes that is read.
const LONGEST: u64 = 1 << 20;
/// What is asked for when a header is not here: usually several members.
const AHEAD: u64 = 64 << 10;
/// Behind the end only this much is read.
const BEHIND: u64 = 16 << 20;

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let valid = probe.head.get(..512).and_then(Header::parse).is_some();
    if valid || probe.has_at(257, b"ustar") {
        return Match::Content;
    }
    if probe.named(&[".tar"]) { Match::Name } else { Match::No }
}

/// Inspects an archive, and its members as the kind of archive that they make it.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut walk =
        Walk { source, at: 0, name: None, link: None, size: None, sparse: false, everywhere: Pax::default() };
    let mut members: Vec<Member> = Vec::new();
    let mut broken = None;
    loop {
        scan.steps(1)?;
        match walk.next(scan) {
            Ok(Step::File(member)) => {
                scan.members(1)?;
                members.push(member);
            }
            Ok(Step::NoFile) => scan.members(1)?,
            Ok(Step::End) => break,
            Err(stop @ Stop::Broken { .. }) => {
                broken = Some(stop);
                break;
            }
            Err(stop) => return Err(stop),
        }
    }
    behind(scan, source, walk.at)?;
    let archive = Archive { source: source.clone(), members };
    kinds::inspect(scan, &archive);
    broken.map_or(Ok(()), Err)
}

/// What comes next in an archive.
enum Step {
    File(Member),
    /// A folder, a link, or what is said of the next member.
    NoFile,
    End,
}

/// Where the reader of an archive stands, and what was said for the next member.
struct Walk<'a> {
    source: &'a Source,
    at: u64,
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    sparse: bool,
    /// What was said for all members that follow.
    everywhere: Pax,
}

/// Attributes in PAX's form.
#[derive(Default, Clone)]
struct Pax {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    sparse: bool,
}

impl Walk<'_> {
    /// The next member.
    fn next(&mut self, scan: &mut Scan<'_>) -> Scanned<Step> {
        let at = self.at;
        if at + BLOCK > self.source.len() {
            return Err(Stop::broken(at, "the tar archive breaks off without an end"));
        }
        let header = self.source.read(at..at + BLOCK).inspect_err(|_| self.source.will_read(once(at..at + AHEAD)))?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(Step::End);
        }
        let Some(header) = Header::parse(&header) else {
            return Err(Stop::broken(at, "a tar header's checksum is wrong"));
        };
        scan.inspected(self.source, at..at + BLOCK);
        let own = header.size.ok_or_else(|| Stop::broken(at, "a tar member's size is no number"))?;
        let data = at + BLOCK;
        match header.kind {
            b'L' | b'K' | b'x' | b'g' | b'X' => {
                self.extension(scan, header.kind, data..data.saturating_add(own))?;
                return Ok(Step::NoFile);
            }
            _ => {}
        }
        let name = self.name.take().or(self.everywhere.path.clone()).unwrap_or(header.name);
        let link = self.link.take().or(self.everywhere.link.clone()).unwrap_or(header.link);
        let size = self.size.take().or(self.everywhere.size).unwrap_or(own);
        let sparse = std::mem::take(&mut self.sparse) || self.everywhere.sparse || header.kind == b'S';
        self.look_at_names(scan, at, header.kind, &name, &link);
        let has_data = !matches!(header.kind, b'1' | b'2' | b'3' | b'4' | b'5' | b'6');
        if !has_data && size > 0 {
            let message =
                format!("`{name}` is no file and yet has a size: programs differ in where the next member begins.");
            scan.found(&rules::ZIP_VIEWS_DIFFER, self.source, at, message);
        }
        let length = if has_data { size } else { 0 };
        let end = data.saturating_add(length);
        if end > self.source.len() {
            self.at = self.source.len();
            scan.left_out(self.source, format!("{name} ends past the end of the archive"));
        } else {
            self.at = self.pad(scan, end)?;
        }
        if own != size && own != 0 {
            let message =
                format!("`{name}` has two sizes, {own} and {size}: programs differ in which of them they follow.");
            scan.found(&rules::ZIP_VIEWS_DIFFER, self.source, at, message);
        }
        if sparse {
            scan.left_out(self.source, format!("{name} is sparse, and was not unfolded"));
        }
        if !has_data {
            return Ok(Step::NoFile);
        }
        let packed = data..end.min(self.source.len());
        let reading = Reading { packed, packing: Packing::Stored, size: None, crc: None };
        Ok(Step::File(Member { name, size, readings: vec![reading] }))
    }

    /// What is said of the member that follows, in a member of its own.
    fn extension(&mut self, scan: &mut Scan<'_>, kind: u8, range: Range<u64>) -> Scanned<()> {
        if range.end - range.start > LONGEST {
            return Err(Stop::broken(range.start, "a tar member's name is too long"));
        }
        let bytes = self.source.read(range.clone())?;
        scan.inspected(self.source, range.clone());
        self.at = self.pad(scan, range.end)?;
        match kind {
            b'L' => self.name = Some(text(&bytes)),
            b'K' => self.link = Some(text(&bytes)),
            kind => {
                let pax = if kind == b'g' { &mut self.everywhere } else { &mut Pax::default() };
                pax.read(&bytes, range.start)?;
                if kind != b'g' {
                    let pax = std::mem::take(pax);
                    self.name = pax.path.or(self.name.take());
                    self.link = pax.link.or(self.link.take());
                    self.size = pax.size.or(self.size);
                    self.sparse |= pax.sparse;
                }
            }
        }
        Ok(())
    }

    fn look_at_names(&self, scan: &mut Scan<'_>, at: u64, kind: u8, name: &str, link: &str) {
        if let Some(what) = deceives(name, true) {
            scan.found(&rules::ZIP_NAME, self.source, at, format!("The name of the member `{name}` holds {what}."));
        }
        let told = if escapes(name) {
            format!("The member `{name}` would be written outside the folder that the archive is unpacked to.")
        } else if kind == b'2' && link_escapes(name, link) || kind == b'1' && escapes(link) {
            format!("The member `{name}` is a link to `{link}`, outside the folder that the archive is unpacked to.")
        } else if matches!(kind, b'3' | b'4' | b'6') {
            format!("The member `{name}` is a device or a pipe.")
        } else {
            return;
        };
        scan.found(&rules::ARCHIVE_ESCAPE, self.source, at, told);
    }

    /// The start of the next header. What fills the space up to it is looked at.
    fn pad(&self, scan: &mut Scan<'_>, end: u64) -> Scanned<u64> {
        let next = end.div_ceil(BLOCK).saturating_mul(BLOCK).min(self.source.len());
        let padding =
            self.source.read(end.min(next)..next).inspect_err(|_| self.source.will_read(once(end..end + AHEAD)))?;
        if padding.iter().any(|byte| *byte != 0) {
            let message =
                format!("{} bytes that belong to no member fill the space between two members.", padding.len());
            scan.found(&rules::ZIP_EXTRA_DATA, self.source, end, message);
        }
        scan.inspected(self.source, end..next);
        Ok(next)
    }
}

impl Pax {
    /// `27 path=a/long/name\n`, again and again.
    fn read(&mut self, bytes: &[u8], at: u64) -> Scanned<()> {
        let mut rest = bytes;
        while !rest.is_empty() && rest.iter().any(|byte| *byte != 0) {
            let wrong = || Stop::broken(at, "a tar member's attributes are damaged");
            let space = memchr::memchr(b' ', rest).ok_or_else(wrong)?;
            let length: usize = rest
                .get(..space)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|d| d.parse().ok())
                .ok_or_else(wrong)?;
            let record = rest.get(space + 1..length.saturating_sub(1)).ok_or_else(wrong)?;
            rest = rest.get(length..).unwrap_or_default();
            let equals = memchr::memchr(b'=', record).ok_or_else(wrong)?;
            let (key, value) = (record.get(..equals).unwrap_or_default(), record.get(equals + 1..).unwrap_or_default());
            let value = || String::from_utf8_lossy(value).into_owned();
            match key {
                b"path" => self.path = Some(value()),
                b"linkpath" => self.link = Some(value()),
                b"size" => self.size = Some(value().parse().map_err(|_| wrong())?),
                key if key.starts_with(b"GNU.sparse.") => {
                    self.sparse = true;
                    if key == b"GNU.sparse.name" {
                        self.path = Some(value());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a header says.
struct Header {
    name: String,
    link: String,
    kind: u8,
    size: Option<u64>,
}

impl Header {
    /// The header in this block, if its checksum is right.
    fn parse(block: impl AsRef<[u8]>) -> Option<Self> {
        let block = block.as_ref();
        let field = |range: Range<usize>| block.get(range).unwrap_or_default();
        let said = octal(field(148..156))?;
        let summed = |of: fn(u8) -> i64| {
            block
                .iter()
                .enumerate()
                .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { of(*byte) })
                .sum::<i64>()
        };
        let said = i64::try_from(said).ok()?;
        if said != summed(i64::from) && said != summed(|byte| i64::from(byte.cast_signed())) {
            return None;
        }
        let mut name = text(field(0..100));
        if field(257..263) == b"ustar\0" && field(345..346) != [0] {
            name = format!("{}/{name}", text(field(345..500)));
        }
        let kind = block.get(156).copied().unwrap_or_default();
        if name.is_empty() && said == 256 {
            return None;
        }
        let kind = if matches!(kind, 0 | b'0') && name.ends_with('/') { b'5' } else { kind };
        Some(Self { name, link: text(field(157..257)), kind, size: number(field(124..136)) })
    }
}

/// A number in octal digits, or in binary where the first bit says so.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, rest @ ..] => {
            rest.iter().try_fold(0_u64, |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)))
        }
        [first, ..] if *first >= 0x80 => None,
        field => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(field).ok()?.split('\0').next().unwrap_or_default().trim_matches(' ');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

fn text(field: &[u8]) -> String {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

/// What follows the last member: zeros. Programs stop at the first block of them.
fn behind(scan: &mut Scan<'_>, source: &Source, at: u64) -> Scanned<()> {
    let rest = source.part(at..at.saturating_add(BEHIND));
    let bytes = rest.read_all(BEHIND)?;
    match bytes.iter().position(|byte| *byte != 0) {
        None => scan.inspected(source, at..at + bytes.len() as u64),
        Some(first) => {
            let start = at + (first as u64 / BLOCK) * BLOCK;
            scan.inspected(source, at..start);
            let message = format!("{} bytes lie behind the end of the archive.", source.len() - start);
            scan.found(&rules::ZIP_EXTRA_DATA, source, start, message);
            if start == 0 {
                scan.left_out(source, "no member of the archive could be read");
            } else {
                scan.inner(&source.part(start..source.len()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
