//! Arrays of numpy: a header that is a Python literal, then the elements, or a pickle if the elements are objects.
//!
//! The header is never evaluated, and elements that are numbers or text are never read.

use std::ops::Range;

use crate::{
    archive::Archive,
    formats::{Match, Probe},
    pickle::{self, Loader},
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

use literal::Literal;

mod literal;

const MAGIC: &[u8] = b"\x93NUMPY";
/// numpy itself refuses headers above 10,000 bytes unless it is told otherwise.
const LONGEST_HEADER: u64 = 1 << 20;
/// No description is nested deeper.
const DEEPEST: usize = 64;

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    if probe.starts_with(MAGIC) { Match::Content } else { Match::No }
}

/// Inspects an array, and those that follow it in the same file.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut at = 0;
    loop {
        scan.steps(1)?;
        let one = source.part(at..source.len());
        let Some(end) = array(scan, &one)? else { return Ok(()) };
        if end == one.len() {
            return Ok(());
        }
        at += end;
        let rest = source.part(at..source.len());
        if rest.read_up_to(0, 6)? != MAGIC {
            let message = format!("{} bytes follow the last element of the array.", rest.len());
            scan.found(&rules::ARRAY_SHAPE, source, at, message);
            scan.inner(&rest);
            return Ok(());
        }
    }
}

/// A zip of arrays, as numpy writes it.
pub(crate) fn is_npz(archive: &Archive) -> bool {
    let mut names = archive.members.iter().map(|member| member.name.as_str()).peekable();
    names.peek().is_some()
        && names.all(|name| name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("npy")))
}

#[expect(clippy::unnecessary_wraps, reason = "every kind has this form")]
pub(crate) fn inspect_npz(scan: &mut Scan<'_>, archive: &Archive) -> Scanned<()> {
    for member in &archive.members {
        archive.inspect(scan, member);
    }
    Ok(())
}

/// Inspects one array and says where it ends; nothing if all the rest belongs to it.
fn array(scan: &mut Scan<'_>, source: &Source) -> Scanned<Option<u64>> {
    let (text, data) = match header(source) {
        Err(Stop::Broken { at, what }) => {
            malformed(scan, source, at, &what, source.len());
            return Ok(None);
        }
        other => other?,
    };
    let head = source.read(text.clone())?;
    let described = match literal::parse(&head, DEEPEST) {
        Ok(literal) => Described::of(&literal),
        Err(literal::Fault::Broken(what)) => Err(what),
        Err(literal::Fault::Code(what)) => {
            let message =
                format!("The array's header is not a plain description: it has `{what}`, which old numpy evaluates.");
            scan.found(&rules::ARRAY_HEADER, source, text.start, message);
            scan.inspected(source, 0..data);
            scan.left_out(source, "the array's header is not a description");
            return Ok(None);
        }
    };
    let described = match described {
        Ok(described) => described,
        Err(what) => {
            malformed(scan, source, text.start, &what, data);
            return Ok(None);
        }
    };
    scan.inspected(source, 0..data);
    if described.objects {
        let message = "The array holds Python objects: its elements are a pickle, which numpy loads with allow_pickle.";
        scan.found(&rules::OBJECT_ARRAY, source, text.start, message);
        pickle::inspect_as(scan, &source.part(data..source.len()), Loader::Numpy)?;
        return Ok(None);
    }
    Ok(elements(scan, source, text.start, &described, data))
}

/// Accounts for elements that are numbers or text, and says where they end.
fn elements(scan: &mut Scan<'_>, source: &Source, at: u64, described: &Described, data: u64) -> Option<u64> {
    let there = source.len() - data;
    let said = described.bytes();
    if let Some(bytes) = said.filter(|bytes| *bytes <= there) {
        scan.inert(source, data..data + bytes);
        return Some(data + bytes);
    }
    let said = said.map_or_else(|| "more bytes than any file has".into(), |bytes| format!("{bytes} bytes"));
    let message = format!("The array's shape asks for {said}, and {there} are there.");
    scan.found(&rules::ARRAY_SHAPE, source, at, message);
    // Elements that are numbers or text are never run, however many there are.
    scan.inert(source, data..source.len());
    None
}

/// What follows a header that nobody understands could be anything, a pickle too.
fn malformed(scan: &mut Scan<'_>, source: &Source, at: u64, what: &str, data: u64) {
    scan.found(&rules::ARRAY_SHAPE, source, at, format!("The array's description is not what numpy writes: {what}."));
    scan.left_out(source, format!("{}: {what}", source.path()));
    if data < source.len() {
        scan.inner(&source.part(data..source.len()));
    }
}

/// Where the header's text lies and where the elements begin.
fn header(source: &Source) -> Scanned<(Range<u64>, u64)> {
    let start = source.read_up_to(0, 12)?;
    let byte = |at: usize| start.get(at).copied().map(u64::from);
    let broken = || Stop::broken(6, "the array ends within its header");
    let (from, length) = match byte(6).ok_or_else(broken)? {
        1 => (10, byte(8).zip(byte(9)).map(|(low, high)| low | high << 8)),
        2 | 3 => (12, (8..12).rev().try_fold(0, |all, at| byte(at).map(|byte| all << 8 | byte))),
        other => return Err(Stop::broken(6, format!("version {other} of the array format does not exist"))),
    };
    let length = length.ok_or_else(broken)?;
    if from + length > source.len() {
        return Err(broken());
    }
    if length > LONGEST_HEADER {
        return Err(Stop::broken(8, format!("a header of {length} bytes")));
    }
    Ok((from..from + length, from + length))
}

/// What a header says of its array.
#[derive(Debug, PartialEq, Eq)]
struct Described {
    /// The bytes of one element; nothing when it overflows.
    item: Option<u64>,
    count: Option<u64>,
    objects: bool,
}

impl Described {
    fn of(literal: &Literal) -> Result<Self, String> {
        let Literal::Dict(entries) = literal else { return Err("the array's header is no dictionary".into()) };
        let one = |wanted: &str| {
            let mut found = entries.iter().filter(|(key, _)| *key == Literal::Text(wanted.into()));
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(value),
                _ => Err(format!("the array's header does not name `{wanted}` once")),
            }
        };
        let (kind, order, shape) = (one("descr")?, one("fortran_order")?, one("shape")?);
        if entries.len() != 3 || !matches!(order, Literal::Bool(_)) {
            return Err("the array's header has more than numpy writes".into());
        }
        let element = Element::of(kind)?;
        Ok(Self { item: element.bytes, count: product(shape)?, objects: element.objects })
    }

    fn bytes(&self) -> Option<u64> {
        self.item?.checked_mul(self.count?)
    }
}

/// The kind of one element.
struct Element {
    bytes: Option<u64>,
    objects: bool,
}

impl Element {
    /// Adds up a description: a text, a list of fields, or a kind with a shape. Goes through it without recursion.
    fn of(kind: &Literal) -> Result<Self, String> {
        let mut all = Self { bytes: Some(0), objects: false };
        let mut open: Vec<(&Literal, Option<u64>)> = vec![(kind, Some(1))];
        while let Some((kind, times)) = open.pop() {
            match kind {
                Literal::Text(text) => {
                    let (bytes, objects) = of_text(text)?;
                    all.objects |= objects;
                    all.bytes = all.bytes.zip(times).and_then(|(sum, n)| sum.checked_add(bytes.checked_mul(n)?));
                }
                Literal::List(fields) => {
                    for field in fields {
                        match field {
                            Literal::Tuple(parts) if parts.len() == 2 => {
                                open.extend(parts.get(1).map(|kind| (kind, times)));
                            }
                            Literal::Tuple(parts) if parts.len() == 3 => {
                                let more = parts.get(2).map_or(Ok(Some(1)), product)?;
                                let times = times.zip(more).and_then(|(a, b)| a.checked_mul(b));
                                open.extend(parts.get(1).map(|kind| (kind, times)));
                            }
                            _ => return Err("a field of the array has no name and kind".into()),
                        }
                    }
                }
                Literal::Tuple(parts) => match &parts[..] {
                    [kind, shape] => {
                        let times = times.zip(product(shape)?).and_then(|(a, b)| a.checked_mul(b));
                        open.push((kind, times));
                    }
                    _ => return Err("the kind of the array's elements is not understood".into()),
                },
                _ => return Err("the kind of the array's elements is not understood".into()),
            }
        }
        Ok(all)
    }
}

/// `<f4`, `|O`, `<U12`, `<M8[ns]`: its bytes, and whether it is a Python object.
fn of_text(text: &str) -> Result<(u64, bool), String> {
    let unknown = || format!("the element kind `{text}` is not known");
    // `O`, `O8`, `object`, and lists such as `f4,O`: whatever can mean an object is taken for one.
    if text.contains('O') || text.contains("obj") {
        return Ok((8, true));
    }
    let plain = text.trim_start_matches(['<', '>', '|', '=']);
    let mut letters = plain.chars();
    let letter = letters.next().ok_or_else(unknown)?;
    let rest = letters.as_str();
    let digits = rest.split('[').next().unwrap_or_default();
    let number = if digits.is_empty() { None } else { Some(digits.parse::<u64>().map_err(|_| unknown())?) };
    match (letter, number) {
        ('?' | 'b' | 'B', None) => Ok((1, false)),
        ('h' | 'H' | 'e', None) => Ok((2, false)),
        ('i' | 'I' | 'f', None) => Ok((4, false)),
        ('l' | 'L' | 'q' | 'Q' | 'd' | 'F', None) => Ok((8, false)),
        ('D' | 'g', None) => Ok((16, false)),
        ('S' | 'a' | 'V' | 'U', None) => Ok((0, false)),
        ('b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'a' | 'V' | 'M' | 'm', Some(bytes)) => Ok((bytes, false)),
        ('U', Some(chars)) => chars.checked_mul(4).map(|bytes| (bytes, false)).ok_or_else(unknown),
        _ => Err(unknown()),
    }
}

/// The product of a shape; nothing when it overflows.
fn product(shape: &Literal) -> Result<Option<u64>, String> {
    let sides = match shape {
        Literal::Tuple(sides) => &sides[..],
        one @ Literal::Number(_) => std::slice::from_ref(one),
        _ => return Err("the array's shape is no tuple of numbers".into()),
    };
    let mut all = Some(1_u64);
    for side in sides {
        let Literal::Number(side) = side else { return Err("the array's shape is no tuple of numbers".into()) };
        // A side of 0 makes it empty, however large the others are.
        all = if *side == Some(0) { return Ok(Some(0)) } else { all.zip(*side).and_then(|(a, b)| a.checked_mul(b)) };
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
