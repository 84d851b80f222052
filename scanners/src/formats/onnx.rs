//! ONNX models: which operations they need, and where their tensors take data from.
//!
//! Walks the protobuf on the wire with a list of what is still to be looked at, so that a tensor is found wherever one can
//! sit: graphs, subgraphs, functions, attributes, sparse tensors, training. Never reads what a tensor holds.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use crate::{
    facts::TensorFact,
    formats::{
        Match, Probe,
        carried::carried,
        paths::{beside, leaves_folder},
        wire::{self, Proto, Skipped},
    },
    read::{
        cursor::FIRST_OF_PART,
        proto::{Content, Field, Fields, text},
    },
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

const NAME: u64 = 64 << 10;

/// Domains whose operations a runtime brings itself.
const DOMAINS: &[&str] = &[
    "",
    "ai.onnx",
    "ai.onnx.ml",
    "ai.onnx.training",
    "ai.onnx.preview",
    "ai.onnx.preview.training",
    "com.microsoft",
    "com.microsoft.nchwc",
    "com.microsoft.internal.nhwc",
    "com.microsoft.experimental",
    "com.microsoft.dml",
    "com.ms.internal.nhwc",
    "com.xilinx",
    "org.pytorch.aten",
    "aten",
    "prim",
    "onnxscript.atenlib",
    "pkg.onnxscript.torch_lib",
    "pkg.onnxscript.torch_lib.common",
    "pkg.torch.ops",
    "trt.plugins",
    "trt",
];

const PYTHON_OPS: &[&str] = &["PyOp", "PythonOp", "PythonOpGrad", "PyCustomOp", "PyFunc", "PyFuncOp"];

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    match wire::recognise(probe) {
        Some(Proto::Onnx) => Match::Content,
        _ if probe.named(&[".onnx"]) => Match::Name,
        _ => Match::No,
    }
}

/// The messages in which something is still to be looked at.
#[derive(Clone, Copy, PartialEq)]
enum Message {
    Model,
    Training,
    Graph,
    Node,
    Attribute,
    Function,
    Sparse,
    Tensor,
    /// A tensor with a name of its own: an initializer.
    Initializer,
}

/// An operation, as a function of the model has to be named to stand for it. A function stands for nothing else of its
/// domain.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Operation {
    domain: String,
    name: String,
    overload: String,
}

/// What the walk has seen so far.
#[derive(Default)]
struct Seen {
    skipped: Skipped,
    todo: Vec<(Message, Range<u64>)>,
    /// Operations that the model defines itself.
    own: HashSet<Operation>,
    /// Where the first use of each operation stands.
    ops: BTreeMap<Operation, u64>,
}

/// Inspects a model.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let whole = 0..source.len();
    let mut seen = Seen { todo: vec![(Message::Model, whole.clone())], ..Seen::default() };
    while let Some((message, range)) = seen.todo.pop() {
        match message {
            Message::Node => node(scan, source, range, &mut seen)?,
            Message::Tensor | Message::Initializer => {
                tensor(scan, source, range, &mut seen, message == Message::Initializer)?;
            }
            Message::Function => function(scan, source, range, &mut seen)?,
            _ => walk(scan, source, message, range, &mut seen)?,
        }
    }
    judge(scan, source, &seen);
    seen.skipped.mark(scan, source, whole);
    Ok(())
}

/// A message that only holds others.
fn walk(scan: &mut Scan<'_>, source: &Source, message: Message, range: Range<u64>, seen: &mut Seen) -> Scanned<()> {
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        let within = match (message, field.number) {
            (Message::Model, 7) | (Message::Training, 1 | 2) | (Message::Attribute, 6 | 11) => Some(Message::Graph),
            (Message::Model, 20) => Some(Message::Training),
            (Message::Model, 25) => Some(Message::Function),
            (Message::Graph, 1) => Some(Message::Node),
            (Message::Graph, 5) => Some(Message::Initializer),
            (Message::Graph, 15) | (Message::Attribute, 22 | 23) => Some(Message::Sparse),
            (Message::Attribute, 5 | 10) | (Message::Sparse, 1 | 2) => Some(Message::Tensor),
            _ => None,
        };
        match (within, &field.content) {
            (Some(within), Content::Bytes(range)) => {
                // A tensor's words stand before its data: all of them are fetched at once.
                source.will_read(std::iter::once(range.start..range.end.min(range.start + FIRST_OF_PART)));
                seen.todo.push((within, range.clone()));
            }
            (None, content) if known(message, field.number) => {
                if field.number == 14 && message == Message::Model {
                    property(scan, source, content)?;
                }
                seen.skipped.content(content);
            }
            _ => seen.skipped.unknown(scan, source, &field),
        }
    }
    Ok(())
}

/// A property is a word and a text. A program or a pickle in one was put there by no exporter.
fn property(scan: &mut Scan<'_>, source: &Source, content: &Content) -> Scanned<()> {
    let Content::Bytes(range) = content else { return Ok(()) };
    let mut fields = Fields::of(source, range.clone());
    while let Some(field) = fields.next()? {
        if let (2, Content::Bytes(range)) = (field.number, field.content) {
            carried(scan, source, range, "a property of the model")?;
        }
    }
    Ok(())
}

/// Fields that hold words, numbers and types.
fn known(message: Message, number: u64) -> bool {
    match message {
        Message::Model => matches!(number, 1..=6 | 8 | 14 | 26),
        Message::Training => matches!(number, 3 | 4),
        Message::Graph => matches!(number, 2 | 10..=14 | 16),
        Message::Attribute => matches!(number, 1..=4 | 7..=9 | 13 | 14 | 15 | 20 | 21),
        Message::Sparse => number == 3,
        Message::Node => matches!(number, 1..=4 | 6..=10),
        Message::Function => matches!(number, 1..=6 | 8..=14),
        Message::Tensor | Message::Initializer => matches!(number, 1..=16),
    }
}

fn node(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, seen: &mut Seen) -> Scanned<()> {
    let at = range.start;
    let (mut domains, mut ops, mut attributes) = (Vec::new(), Vec::new(), Vec::new());
    let mut overload = String::new();
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (4, content) => ops.extend(text(source, content, NAME)?),
            (7, content) => domains.extend(text(source, content, NAME)?),
            (8, content) => overload = text(source, content, NAME)?.unwrap_or_default(),
            (5, Content::Bytes(range)) => attributes.push(range.clone()),
            (number, content) if known(Message::Node, number) => seen.skipped.content(content),
            _ => seen.skipped.unknown(scan, source, &field),
        }
    }
    if domains.is_empty() {
        domains.push(String::new());
    }
    for domain in &domains {
        for op in &ops {
            let operation = Operation { domain: domain.clone(), name: op.clone(), overload: overload.clone() };
            seen.ops.entry(operation).or_insert(at);
        }
    }
    if ops.iter().any(|op| op == "EPContext") {
        for attribute in &attributes {
            engine(scan, source, attribute.clone())?;
        }
    }
    seen.todo.extend(attributes.into_iter().map(|range| (Message::Attribute, range)));
    Ok(())
}

/// `EPContext` names a compiled engine by its path, or carries it.
fn engine(scan: &mut Scan<'_>, source: &Source, range: Range<u64>) -> Scanned<()> {
    let at = range.start;
    let (mut name, mut value) = (String::new(), String::new());
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        match (field.number, &field.content) {
            (1, content) => name = text(source, content, NAME)?.unwrap_or_default(),
            (4, Content::Bytes(bytes)) if bytes.end - bytes.start <= 4096 => {
                value = String::from_utf8_lossy(&source.read(bytes.clone())?).into_owned();
            }
            (4, Content::Bytes(_)) => value = "\u{fffd}".into(),
            _ => {}
        }
    }
    if name == "ep_cache_context" && value.chars().any(|c| c == '\u{fffd}' || c.is_control()) {
        let message = "The model carries an engine that is compiled for one processor and that cannot be looked into.";
        scan.found(&rules::ENGINE_OPAQUE, source, at, message);
    } else if name == "ep_cache_context" {
        if let Some(why) = leaves_folder(&value) {
            let message = format!("The model loads a compiled engine from {value:?}; {why}.");
            scan.found(&rules::ONNX_ESCAPE, source, at, message);
        }
        scan.facts.references.insert(value);
    }
    Ok(())
}

fn function(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, seen: &mut Seen) -> Scanned<()> {
    let mut own = Operation::default();
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (7, Content::Bytes(range)) => seen.todo.push((Message::Node, range.clone())),
            (11, Content::Bytes(range)) => seen.todo.push((Message::Attribute, range.clone())),
            (1, content) => own.name = text(source, content, NAME)?.unwrap_or_default(),
            (10, content) => own.domain = text(source, content, NAME)?.unwrap_or_default(),
            (13, content) => own.overload = text(source, content, NAME)?.unwrap_or_default(),
            (number, content) if known(Message::Function, number) => seen.skipped.content(content),
            _ => seen.skipped.unknown(scan, source, &field),
        }
    }
    seen.own.insert(own);
    Ok(())
}

/// What is said of one tensor.
#[derive(Default)]
struct Tensor {
    name: String,
    kind: u64,
    dims: Vec<u64>,
    outside: Vec<(String, String)>,
}

fn tensor(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, seen: &mut Seen, named: bool) -> Scanned<()> {
    let at = range.start;
    let mut tensor = Tensor::default();
    let mut held = 0;
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (1, content) => dims(source, content, &mut tensor.dims)?,
            (2, Content::Varint(kind)) => tensor.kind = *kind,
            (8, content) => tensor.name = text(source, content, NAME)?.unwrap_or_default(),
            (13, Content::Bytes(entry)) => tensor.outside.push(entry_of(source, entry.clone())?),
            (4..=7 | 9..=11, content) => {
                if let (9, Content::Bytes(raw)) = (field.number, content) {
                    held += raw.end - raw.start;
                }
                seen.skipped.content(content);
            }
            (number, content) if known(Message::Tensor, number) => seen.skipped.content(content),
            _ => seen.skipped.unknown(scan, source, &field),
        }
    }
    let size = size_of(&tensor);
    let negative = tensor.dims.iter().any(|dim| *dim > i64::MAX as u64);
    if size.is_none() || negative {
        let message = format!(
            "The tensor `{}` is said to have the dimensions {:?}, whose size overflows.",
            tensor.name,
            tensor.dims.iter().map(|dim| dim.cast_signed()).collect::<Vec<_>>()
        );
        scan.found(&rules::ONNX_SHAPE, source, at, message);
    } else if let Some(size) = size
        && held > 0
        && width(tensor.kind).is_some()
        && held != size
    {
        let message = format!(
            "The tensor `{}` holds {held} bytes where its dimensions {:?} need {size}.",
            tensor.name, tensor.dims
        );
        scan.found(&rules::ONNX_SHAPE, source, at, message);
    }
    outside(scan, source, at, &tensor, size);
    if named && (scan.facts.tensors.len() as u64) < scan.limits.tensors {
        let fact = TensorFact { name: tensor.name, dtype: dtype(tensor.kind).into(), shape: tensor.dims };
        scan.facts.tensors.push(fact);
    }
    Ok(())
}

/// Dimensions, one by one or packed.
fn dims(source: &Source, content: &Content, into: &mut Vec<u64>) -> Scanned<()> {
    const MOST: u64 = 4096;
    match content {
        Content::Varint(value) => into.push(*value),
        Content::Bytes(range) => {
            if range.end - range.start > MOST {
                return Err(crate::scan::Stop::broken(range.start, "a tensor has thousands of dimensions"));
            }
            let bytes = source.read(range.clone())?;
            let (mut value, mut place) = (0_u64, 0);
            for byte in &bytes {
                value |= u64::from(byte & 0x7f).checked_shl(place).unwrap_or(0);
                place += 7;
                if *byte < 0x80 {
                    into.push(value);
                    (value, place) = (0, 0);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// StringStringEntryProto.
fn entry_of(source: &Source, range: Range<u64>) -> Scanned<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    let mut fields = Fields::of(source, range);
    while let Some(Field { number, content, .. }) = fields.next()? {
        match number {
            1 => key = text(source, &content, NAME)?.unwrap_or_default(),
            2 => value = text(source, &content, NAME)?.unwrap_or_default(),
            _ => {}
        }
    }
    Ok((key, value))
}

/// Where the tensor takes its data from, if from another file.
fn outside(scan: &mut Scan<'_>, source: &Source, at: u64, tensor: &Tensor, size: Option<u64>) {
    let number = |key: &str| tensor.outside.iter().find(|(k, _)| k == key).map(|(_, v)| v.parse::<u64>().ok());
    for (_, location) in tensor.outside.iter().filter(|(key, _)| key == "location" || key == "basepath") {
        if let Some(why) = leaves_folder(location) {
            let message = format!("The tensor `{}` takes its data from {location:?}; {why}.", tensor.name);
            scan.found(&rules::ONNX_ESCAPE, source, at, message);
            continue;
        }
        let Some(place) = beside(source, location) else { continue };
        scan.facts.references.insert(place.clone());
        let Some(neighbours) = scan.neighbours else { continue };
        let (offset, length) = (number("offset").unwrap_or(Some(0)), number("length").unwrap_or(size));
        let end = offset.zip(length.or(Some(0))).and_then(|(offset, length)| offset.checked_add(length));
        let message = match (neighbours.get(&place), end) {
            (None, _) => format!("The tensor `{}` takes its data from {place:?}, which is not there.", tensor.name),
            (_, None) => format!("The tensor `{}` takes its data from an impossible place in {place:?}.", tensor.name),
            (Some(there), Some(end)) if end > *there => format!(
                "The tensor `{}` takes its data from {place:?} up to byte {end}, but that file has {there} bytes.",
                tensor.name
            ),
            _ => continue,
        };
        scan.found(&rules::ONNX_EXTERNAL_MISSING, source, at, message);
    }
}

/// The bits of one element, for types that raw data holds one by one.
fn width(kind: u64) -> Option<u64> {
    Some(match kind {
        2 | 3 | 9 | 17..=20 | 24 => 8,
        4 | 5 | 10 | 16 => 16,
        1 | 6 | 12 => 32,
        7 | 11 | 13 | 14 => 64,
        15 => 128,
        21..=23 => 4,
        25 | 26 => 2,
        _ => return None,
    })
}

/// How many bytes the tensor needs; nothing where that overflows.
fn size_of(tensor: &Tensor) -> Option<u64> {
    let bits = width(tensor.kind).unwrap_or(8);
    // A dimension of nothing makes the whole nothing, but the others still have to fit.
    let count = tensor.dims.iter().try_fold(1_u64, |all, dim| all.checked_mul((*dim).max(1)))?;
    let bits = count.checked_mul(bits)?;
    if count > i64::MAX as u64 { None } else { Some(if tensor.dims.contains(&0) { 0 } else { bits.div_ceil(8) }) }
}

fn dtype(kind: u64) -> &'static str {
    match kind {
        1 => "F32",
        2 => "U8",
        3 => "I8",
        4 => "U16",
        5 => "I16",
        6 => "I32",
        7 => "I64",
        8 => "STRING",
        9 => "BOOL",
        10 => "F16",
        11 => "F64",
        12 => "U32",
        13 => "U64",
        14 => "C64",
        15 => "C128",
        16 => "BF16",
        17 => "F8_E4M3",
        19 => "F8_E5M2",
        21 => "U4",
        22 => "I4",
        _ => "?",
    }
}

/// Judges the operations that the model needs.
fn judge(scan: &mut Scan<'_>, source: &Source, seen: &Seen) {
    let mut domains: BTreeMap<&str, (u64, Vec<&str>)> = BTreeMap::new();
    for (operation, at) in &seen.ops {
        let Operation { domain, name: op, .. } = operation;
        if PYTHON_OPS.contains(&op.as_str()) {
            let message = format!(
                "The graph runs `{op}` of the domain {domain:?}, which calls a function of the Python process that runs \
                 the model."
            );
            scan.found(&rules::ONNX_PYTHON, source, *at, message);
        } else if !DOMAINS.contains(&domain.as_str()) && !seen.own.contains(operation) {
            domains.entry(domain).or_insert((*at, Vec::new())).1.push(op);
        }
    }
    for (domain, (at, ops)) in domains {
        let some: Vec<String> = ops.iter().take(5).map(|op| format!("`{op}`")).collect();
        let more = if ops.len() > 5 { format!(" and {} more", ops.len() - 5) } else { String::new() };
        let message = format!(
            "The graph needs {}{more} of the domain {domain:?}, which no runtime brings by itself: the program that runs \
             the model has to load a library for it.",
            some.join(", ")
        );
        scan.found(&rules::ONNX_DOMAIN, source, at, message);
    }
}

#[cfg(test)]
mod tests;
