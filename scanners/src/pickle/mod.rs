//! Python pickles: an abstract machine that loads nothing, and a judge of what loading would do.
//!
//! Bytes that may be anything are tried as a pickle only as far as the first opcode that cannot be; nothing is said of them
//! unless they name something and use it. Never runs, imports or resolves anything.

mod arena;
mod arguments;
mod code;
mod halt;
mod joblib;
mod judge;
mod legacy;
mod machine;
mod memo;
mod names;
mod nested;
mod render;
mod rest;
mod small;
mod spelling;
mod state;
pub(crate) mod tables;
mod tell;
mod tensors;

use machine::{End, Machine, Mode};

use crate::{
    formats::{HEAD, Match, Probe, ends_in},
    rules::Weight,
    scan::{Scan, Scanned, Stop, in_memory},
    source::Source,
};

/// Who loads the pickle, as far as the place where it was found tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loader {
    /// `pickle.load`, `joblib.load` and everything that is not known more exactly.
    Plain,
    /// `torch.load` of a zip: a persistent id is a storage, and nothing may follow the pickle.
    TorchZip,
    /// `torch.load` of a file without an archive: five pickles, then the storages. Found by content, within this module.
    TorchLegacy,
    /// numpy, after an array's header: one object array, and nothing may follow.
    Numpy,
}

/// What a pickle said about data that lies elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Pickled {
    /// Storages that its persistent ids name, each as often as it is named. That every tensor lies within the counts given
    /// here is judged already; whoever has the archive compares the counts with the members' sizes.
    pub(crate) storages: Vec<Storage>,
}

/// A storage that a torch pickle names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    /// `0`: the member `data/0` of the archive.
    pub(crate) key: String,
    /// `FloatStorage`
    pub(crate) kind: String,
    /// How many elements it has; of an `UntypedStorage`, how many bytes.
    pub(crate) count: u64,
    /// The byte of the pickle where it is named.
    pub(crate) at: u64,
}

/// How many bytes one element of a storage has.
pub(crate) fn element_size(kind: &str) -> Option<u64> {
    Some(match kind {
        "ByteStorage" | "CharStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage" | "UntypedStorage"
        | "QUInt4x2Storage" | "QUInt2x4Storage" => 1,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "ComplexDoubleStorage" => 16,
        _ => return None,
    })
}

/// Names that loaders of pickles look at.
const NAMES: &[&str] = &[
    ".pkl",
    ".pickle",
    ".p",
    ".pck",
    ".pcl",
    ".pk",
    ".pt",
    ".pth",
    ".ckpt",
    ".bin",
    ".joblib",
    ".sav",
    ".dat",
    ".model",
    ".dill",
    ".data",
    ".obj",
    ".pdparams",
    ".pdopt",
    ".pt2",
    ".mdl",
    ".cloudpickle",
];

/// Whether bytes are a pickle: by their first two, or by trying.
pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    if is_binary(&probe.head) {
        return Match::Content;
    }
    let named = has_name(probe.source);
    let head = Source::new("", in_memory(probe.head.clone()), 0);
    let whole = probe.len() <= HEAD;
    let mut machine = Machine::new(&head, 0, Mode::Attempt, 100_000);
    let end = machine.run();
    match accepts(&machine, &end, probe.len(), named) {
        true => Match::Content,
        false if named => Match::Name,
        false if !whole && end.ran_out() && (end.ops > 1 || goes_on(&probe.head, end.at, probe.len())) => Match::Name,
        false => Match::No,
    }
}

/// Whether the opcode at `at` goes on beyond what was looked at: a text or number to the end of its line, or bytes whose
/// length says that they end within the file. What stands behind them is as good a pickle as any.
fn goes_on(head: &[u8], at: u64, len: u64) -> bool {
    let from = usize::try_from(at).unwrap_or(usize::MAX);
    let rest = head.get(from..).unwrap_or_default();
    matches!(rest, [b'V' | b'I' | b'L' | b'F', ..] | [b'S', b'\'' | b'"', ..])
        || steps_over(rest, len.saturating_sub(at))
}

/// Whether the first opcode holds bytes of a length that it says, and which end before the `left` bytes do.
fn steps_over(op: &[u8], left: u64) -> bool {
    let length = match op {
        [b'B' | b'T' | b'X' | 0x8b, a, b, c, d, ..] => 5 + u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        [0x8d | 0x8e | 0x96, length @ ..] => {
            let length = length.first_chunk().map_or(u64::MAX, |length| u64::from_le_bytes(*length));
            length.saturating_add(9)
        }
        _ => return false,
    };
    length < left
}

fn has_name(source: &Source) -> bool {
    ends_in(source.file_name(), NAMES)
}

/// `80 02`, and an opcode behind it that can come first.
fn is_binary(head: &[u8]) -> bool {
    let [0x80, 0..=5, rest @ ..] = head else { return false };
    rest.first().is_none_or(|op| {
        b"N\x88\x89KMJG(])}\x8f\x8c\x8dUTXCB\x8e\x96\x8a\x8bciILFSVPg\x82\x83\x84\x80\x95\x97.hj\x94qr20".contains(op)
    })
}

/// Whether an attempt on bytes that may be anything shows them to be a pickle.
fn accepts(machine: &Machine<'_>, end: &End, len: u64, named: bool) -> bool {
    let judge = &machine.judge;
    if judge.uses > 0 && judge.globals.len() > 0 && (end.stopped() || judge.worst() >= Some(Weight::Malicious)) {
        return true;
    }
    if end.stopped() {
        let nearly_all = len - end.at.min(len) <= len / 10 + 2;
        return (named && (end.ops > 2 || end.at == len)) || (nearly_all && end.puts > 0 && end.ops > 4);
    }
    let enough = judge.uses > 0 || (named && end.ops > 8) || (end.puts > 2 && end.ops > 32);
    end.ran_out() && enough
}

/// Whether bytes of which nothing else is known load as a pickle, or do something before they break.
pub(crate) fn tried(scan: &mut Scan<'_>, source: &Source) -> Scanned<bool> {
    let binary = is_binary(&source.read_up_to(0, 3)?);
    let (machine, end) = run(scan, source, 0, if binary { Mode::Sure } else { Mode::Attempt }, Loader::Plain)?;
    let is =
        if binary { end.stopped() || machine.judge.uses > 0 } else { accepts(&machine, &end, source.len(), false) };
    Ok(is)
}

/// Inspects a file that is, or may be, a pickle.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let head = source.read_up_to(0, HEAD)?;
    if is_binary(&head) {
        return inspect_as(scan, source, Loader::Plain).map(drop);
    }
    // What breaks within its first bytes is not read further, whatever its name.
    let first = Source::new(source.path(), in_memory(head.clone()), 0);
    let mut machine = Machine::new(&first, 0, Mode::Attempt, 100_000);
    let end = machine.run();
    let inconclusive = end.ran_out() && source.len() > HEAD;
    // Of what begins with a length, as many formats do, a name or something that is used has to say that it is a pickle.
    let named = end.ops > 1 || has_name(source) || !steps_over(&head, source.len());
    if inconclusive || accepts(&machine, &end, source.len(), true) {
        let (machine, end) = run(scan, source, 0, Mode::Attempt, Loader::Plain)?;
        if accepts(&machine, &end, source.len(), named) {
            drop(machine);
            return inspect_as(scan, source, Loader::Plain).map(drop);
        }
        if let Some(halt::Halt::Stop(stop @ Stop::Spent(_))) = end.trouble {
            scan.stopped(source, stop);
        }
    }
    rest::hidden_in_front(scan, source, &head)
}

/// Inspects a pickle whose loader is known from where it lies. What follows it is inspected too.
pub(crate) fn inspect_as(scan: &mut Scan<'_>, source: &Source, loader: Loader) -> Scanned<Pickled> {
    let (mut machine, end) = run(scan, source, 0, Mode::Sure, loader)?;
    if loader == Loader::Plain && legacy::is_magic(&machine, &end)? {
        tell::all(scan, source, &mut machine, &end, 0..end.at, Loader::TorchLegacy)?;
        return legacy::inspect(scan, source, end.at).map(|()| Pickled::default());
    }
    tell::all(scan, source, &mut machine, &end, 0..end.at, loader)?;
    let pickled = Pickled { storages: machine.judge.storages };
    rest::after(scan, source, end.at, loader, end.stopped())?;
    Ok(pickled)
}

/// Goes through the pickle at `start` and accounts for the work. Bytes that are not here end the scan at once.
fn run<'a>(
    scan: &mut Scan<'_>,
    source: &'a Source,
    start: u64,
    mode: Mode,
    loader: Loader,
) -> Scanned<(Machine<'a>, End)> {
    let mut machine = Machine::new(source, start, mode, scan.limits.steps).with_long_lines();
    if loader == Loader::Plain {
        machine = machine.with_arrays();
    }
    let end = machine.run();
    if let Some(halt::Halt::Stop(Stop::NotHere)) = end.trouble {
        return Err(Stop::NotHere);
    }
    scan.steps(end.ops)?;
    Ok((machine, end))
}

#[cfg(test)]
mod tests;
