//! Paddle models: programs (`.pdmodel`), whose operations are judged, and raw parameters (`.pdiparams`).
//!
//! `.pdparams` and `.pdopt` are pickles, which is the pickle reader's matter.

use std::{
    collections::{BTreeMap, HashSet},
    sync::OnceLock,
};

use crate::{
    facts::TensorFact,
    formats::{
        Match, Probe,
        wire::{self, Proto, Skipped},
    },
    read::{
        cursor::Cursor,
        proto::{Content, Fields, text},
    },
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

const NAME: u64 = 64 << 10;

/// Operations that call Python, and operations that read or write files.
const PYTHON: &[&str] = &["py_func", "py_layer", "run_program", "pyfunc", "custom_py_func"];
const FILES: &[(&str, &str)] = &[
    ("save", "writes a file"),
    ("save_combine", "writes a file"),
    ("load", "reads a file"),
    ("load_combine", "reads a file"),
    ("sparse_tensor_load", "reads a file"),
    ("read_file", "reads a file"),
    ("listen_and_serv", "listens on the network"),
    ("heter_listen_and_serv", "listens on the network"),
    ("gen_nccl_id", "connects to an address"),
    ("send", "connects to an address"),
    ("recv", "connects to an address"),
    ("recv_save", "writes a file"),
];

pub(crate) fn is_program(probe: &Probe<'_>) -> Match {
    match wire::recognise(probe) {
        Some(Proto::Paddle) => Match::Content,
        None if probe.named(&[".pdmodel"]) => Match::Name,
        _ => Match::No,
    }
}

/// A program: blocks of operations.
pub(crate) fn program(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut skipped = Skipped::default();
    let mut ops: BTreeMap<String, u64> = BTreeMap::new();
    let mut todo = vec![(0, 0..source.len())];
    while let Some((depth, range)) = todo.pop() {
        let at = range.start;
        let mut fields = Fields::of(source, range);
        while let Some(field) = fields.next()? {
            scan.steps(1)?;
            match (depth, field.number, &field.content) {
                // ProgramDesc → BlockDesc → OpDesc → its type.
                (0, 1, Content::Bytes(range)) => todo.push((1, range.clone())),
                (1, 4, Content::Bytes(range)) => todo.push((2, range.clone())),
                (2, 3, content) => {
                    let op = text(source, content, NAME)?.unwrap_or_default();
                    ops.entry(op).or_insert(at);
                }
                (_, 0..=20, content) => skipped.content(content),
                _ => skipped.unknown(scan, source, &field),
            }
        }
    }
    for (op, at) in ops {
        if PYTHON.contains(&op.as_str()) || op.starts_with("py_") {
            let message =
                format!("The program runs `{op}`, which calls a function of the Python process that runs the model.");
            scan.found(&rules::PADDLE_PYTHON, source, at, message);
        } else if let Some((_, what)) = FILES.iter().find(|(name, _)| *name == op) {
            scan.found(&rules::PADDLE_FILE, source, at, format!("The program runs `{op}`, which {what}."));
        } else if !computes(&op) {
            let op: String = op.chars().take(100).collect();
            let message =
                format!("The program runs `{op}`, which Paddle does not have: a native library has to bring it.");
            scan.found(&rules::PADDLE_UNKNOWN, source, at, message);
        }
    }
    skipped.mark(scan, source, 0..source.len());
    Ok(())
}

/// Whether it is one of Paddle's own operations, or the gradient of one.
fn computes(op: &str) -> bool {
    static KNOWN: OnceLock<HashSet<&'static str>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let lines = include_str!("../../data/ops/paddle.txt").lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    });
    let mut plain = op;
    while let Some(of) = plain.strip_suffix("_grad") {
        plain = of;
    }
    known.contains(plain)
}

/// A version, no levels of detail, a version, and a short description.
pub(crate) fn is_parameters(probe: &Probe<'_>) -> Match {
    let zeros = probe.head.get(..16).is_some_and(|start| start.iter().all(|byte| *byte == 0));
    let size: Option<[u8; 4]> = probe.head.get(16..20).and_then(|bytes| bytes.try_into().ok());
    let described = size.is_some_and(|size| (4..256).contains(&u32::from_le_bytes(size))) && probe.has_at(20, &[8]);
    if zeros && described { Match::Content } else { Match::No }
}

/// Raw parameters, one behind the other.
pub(crate) fn parameters(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    const DETAIL: u64 = 1 << 20;
    let mut cursor = Cursor::at(source, 0);
    while !cursor.at_end() {
        scan.steps(1)?;
        let at = cursor.position();
        let version = cursor.u32_le()?;
        let levels = cursor.u64_le()?;
        if version != 0 || levels > 16 {
            return Err(Stop::broken(at, "a parameter does not begin as one"));
        }
        for _ in 0..levels {
            let size = cursor.u64_le()?;
            if size > DETAIL {
                return Err(Stop::broken(at, "a parameter's levels of detail are too long"));
            }
            cursor.skip(size)?;
        }
        cursor.skip(4)?;
        let size = u64::from(cursor.u32_le()?);
        if size > 4096 {
            return Err(Stop::broken(at, "a parameter's description is too long"));
        }
        let described = cursor.skip(size)?;
        let (kind, shape) = description(source, described.clone())?;
        let width = match kind {
            0 | 20 | 21 => 1,
            1 | 4 | 22 => 2,
            2 | 5 => 4,
            3 | 6 | 23 => 8,
            24 => 16,
            _ => return Err(Stop::broken(at, format!("a parameter has the unknown type {kind}"))),
        };
        let bytes = shape.iter().try_fold(width, |all: u64, dim| all.checked_mul(*dim));
        let bytes = bytes.ok_or_else(|| Stop::broken(at, "a parameter's size overflows"))?;
        let data = cursor.skip(bytes)?;
        scan.inspected(source, at..data.start);
        scan.inert(source, data);
        if (scan.facts.tensors.len() as u64) < scan.limits.tensors {
            let dtype = match kind {
                1 => "I16",
                2 => "I32",
                3 => "I64",
                4 => "F16",
                5 => "F32",
                6 => "F64",
                22 => "BF16",
                _ => "?",
            };
            let name = format!("{}", scan.facts.tensors.len());
            scan.facts.tensors.push(TensorFact { name, dtype: dtype.into(), shape });
        }
    }
    Ok(())
}

/// TensorDesc: a type and dimensions.
fn description(source: &Source, range: std::ops::Range<u64>) -> Scanned<(u64, Vec<u64>)> {
    let (mut kind, mut shape) = (u64::MAX, Vec::new());
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        match (field.number, field.content) {
            (1, Content::Varint(value)) => kind = value,
            (2, Content::Varint(value)) => shape.push(value),
            _ => {}
        }
    }
    Ok((kind, shape))
}
