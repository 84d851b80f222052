//! Which protobuf a file is. Protobuf has no magic: the first fields' numbers, types and content say it, and at most one
//! answer is given, so that two models of the same family are never taken for two formats at once.
//!
//! Reads only the head of the file. A file whose head says nothing is read by its name.

use std::ops::Range;

use crate::{
    formats::Probe,
    read::proto::{Content, Field},
    rules,
    scan::Scan,
    source::Source,
};

/// The protobuf models that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proto {
    SavedModel,
    MetaGraph,
    Graph,
    Fingerprint,
    KerasMetadata,
    Onnx,
    CoreMl,
    Paddle,
}

/// What the head of the file says it is.
pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Proto> {
    let mut top = Top::of(&probe.head, probe.len())?;
    top.named = probe.named(&["fingerprint.pb"]);
    KNOWN.iter().find(|(_, is)| is(&top)).map(|(proto, _)| *proto)
}

/// Whether the fields at the top are those of a model.
type Is = fn(&Top<'_>) -> bool;

/// In the order in which they are asked: the more exact first.
const KNOWN: &[(Proto, Is)] = &[
    (Proto::CoreMl, is_core_ml),
    (Proto::Onnx, is_onnx),
    (Proto::KerasMetadata, is_keras_metadata),
    (Proto::Paddle, is_paddle),
    (Proto::SavedModel, is_saved_model),
    (Proto::Fingerprint, is_fingerprint),
    (Proto::MetaGraph, is_meta_graph),
    (Proto::Graph, is_graph),
    (Proto::CoreMl, is_core_ml_begun),
];

fn is_core_ml(top: &Top<'_>) -> bool {
    is_core_ml_begun(top) && top.seen.iter().any(|field| field.number >= 200 && field.body.is_some())
}

/// The same where the description is so long that the head ends before the model itself begins.
fn is_core_ml_begun(top: &Top<'_>) -> bool {
    top.first_is_varint(1, 1..=40)
        && top.only(|number| matches!(number, 1 | 2 | 10) || (200..=3000).contains(&number))
        && top.bytes(2).next().is_some_and(Inner::is_description)
}

fn is_onnx(top: &Top<'_>) -> bool {
    let fits = top.only(|number| number <= 40);
    let graph = top.bytes(7).any(Inner::is_onnx_graph);
    let imports = top.bytes(8).any(Inner::is_opset);
    let version = top.seen.iter().any(|field| field.number == 1 && matches!(field.varint, Some(1..=100)));
    fits && version && (graph || imports) && top.seen.iter().all(|field| onnx_type_fits(field))
}

fn onnx_type_fits(field: &Seen<'_>) -> bool {
    field.number > 26 || matches!(field.number, 1 | 5) == field.varint.is_some()
}

fn is_paddle(top: &Top<'_>) -> bool {
    top.only(|number| (1..=5).contains(&number))
        && top.first_bytes(1).is_some_and(|block| {
            let inner = block.fields();
            matches!(inner.first(), Some(first) if first.number == 1 && first.varint.is_some())
                && matches!(inner.get(1), Some(second) if second.number == 2 && second.varint.is_some())
                && inner.get(2).is_some_and(|third| matches!(third.number, 3 | 4) && third.body.is_some())
        })
}

fn is_saved_model(top: &Top<'_>) -> bool {
    top.first_is_varint(1, 0..=10)
        && top.only(|number| number <= 2)
        && top.bytes(2).all(Inner::is_meta_graph)
        && top.bytes(2).next().is_some()
}

fn is_fingerprint(top: &Top<'_>) -> bool {
    let hashes = top.seen.iter().filter(|field| field.number <= 5 && field.varint.is_some()).count();
    let others = top.seen.iter().filter(|field| matches!(field.number, 6 | 7) && field.body.is_some()).count();
    top.whole && hashes >= if top.named { 1 } else { 3 } && hashes + others == top.seen.len()
}

fn is_keras_metadata(top: &Top<'_>) -> bool {
    top.only(|number| number == 1)
        && top.first_bytes(1).is_some_and(|node| {
            let inner = node.fields();
            inner.iter().all(|field| (1..=6).contains(&field.number))
                && inner.iter().any(|field| {
                    field.number == 4 && field.body.is_some_and(|body| body.bytes.starts_with(b"_tf_keras"))
                })
        })
}

fn is_meta_graph(top: &Top<'_>) -> bool {
    top.only(|number| number <= 7)
        && top.first_bytes(1).is_some_and(Inner::is_meta_info)
        && top.bytes(2).all(Inner::is_graph)
        && top.bytes(2).next().is_some()
}

fn is_graph(top: &Top<'_>) -> bool {
    top.only(|number| number <= 5) && Inner::graph_fields(&top.seen)
}

/// The fields at the top, as far as the head goes.
struct Top<'a> {
    seen: Vec<Seen<'a>>,
    /// Whether the head holds all of them.
    whole: bool,
    /// Whether the file has the name of a fingerprint, which can be too short to say it by itself.
    named: bool,
}

/// One field, with as much of its content as the head holds.
#[derive(Clone, Copy)]
struct Seen<'a> {
    number: u64,
    varint: Option<u64>,
    body: Option<Inner<'a>>,
}

/// The content of a field with a length.
#[derive(Clone, Copy)]
struct Inner<'a> {
    bytes: &'a [u8],
    length: u64,
}

impl<'a> Top<'a> {
    fn of(head: &'a [u8], length: u64) -> Option<Self> {
        let (seen, reached) = walk(head, length, 64)?;
        Some(Self { whole: reached == length, named: false, seen })
    }

    fn only(&self, known: impl Fn(u64) -> bool) -> bool {
        self.seen.iter().all(|field| known(field.number))
    }

    fn bytes(&self, number: u64) -> impl Iterator<Item = Inner<'a>> + '_ {
        self.seen.iter().filter(move |field| field.number == number).filter_map(|field| field.body)
    }

    fn first_bytes(&self, number: u64) -> Option<Inner<'a>> {
        self.seen.first().filter(|field| field.number == number).and_then(|field| field.body)
    }

    fn first_is_varint(&self, number: u64, among: std::ops::RangeInclusive<u64>) -> bool {
        self.seen
            .first()
            .is_some_and(|field| field.number == number && field.varint.is_some_and(|value| among.contains(&value)))
    }
}

impl<'a> Inner<'a> {
    /// Its fields as far as they are here; none where it is no message.
    fn fields(self) -> Vec<Seen<'a>> {
        walk(self.bytes, self.length, 32).map(|(seen, _)| seen).unwrap_or_default()
    }

    fn is_message(self, known: impl Fn(u64) -> bool) -> bool {
        self.length == 0
            || walk(self.bytes, self.length, 32).is_some_and(|(seen, _)| seen.iter().all(|f| known(f.number)))
    }

    fn is_name(self) -> bool {
        self.length < 4096 && self.bytes.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte >= 0x80)
    }

    fn is_description(self) -> bool {
        self.is_message(|number| matches!(number, 1 | 7 | 10 | 11 | 12 | 13 | 20 | 50 | 100))
    }

    fn is_opset(self) -> bool {
        self.length < 200
            && self.is_message(|number| number <= 2)
            && self.fields().iter().all(|f| (f.number == 2) == f.varint.is_some())
    }

    fn is_onnx_graph(self) -> bool {
        let inner = self.fields();
        let fits = inner.iter().all(|f| matches!(f.number, 1 | 2 | 5 | 10..=30) && f.body.is_some());
        let node = |f: &Seen<'_>| f.number != 1 || f.body.is_some_and(|b| b.is_message(|n| n <= 10));
        !inner.is_empty() && fits && inner.iter().all(node)
    }

    fn is_meta_graph(self) -> bool {
        let inner = self.fields();
        let part = |number: u64| inner.iter().find(|field| field.number == number).and_then(|field| field.body);
        self.is_message(|number| number <= 7)
            && inner.iter().all(|field| field.body.is_some())
            && (part(1).is_some_and(Inner::is_meta_info) || part(2).is_some_and(Inner::is_graph))
    }

    /// MetaInfoDef: what a MetaGraphDef begins with, and no NodeDef.
    fn is_meta_info(self) -> bool {
        let inner = self.fields();
        let text = |number: u64| matches!(number, 1 | 4..=6);
        let fits = inner.iter().all(|field| match field.number {
            1..=6 | 8 => field.body.is_some_and(|body| !text(field.number) || body.is_name()),
            7 => field.varint.is_some(),
            _ => false,
        });
        // An operation's list is a message, where a node has a word; CoreML's descriptions have neither list nor tags.
        fits && inner.iter().any(|f| matches!(f.number, 2 | 4 | 5))
            && inner.iter().filter(|f| f.number == 2).all(|f| f.body.is_some_and(|b| b.is_message(|n| n == 1)))
    }

    fn is_graph(self) -> bool {
        let inner = self.fields();
        self.length == 0 || (inner.iter().all(|field| field.number <= 5) && Self::graph_fields(&inner))
    }

    /// GraphDef: nodes with a name and an operation, a library, versions.
    fn graph_fields(fields: &[Seen<'a>]) -> bool {
        let mut nodes = fields.iter().filter(|field| field.number == 1);
        let node = nodes.next().and_then(|field| field.body);
        let types = fields.iter().all(|field| (field.number == 3) == field.varint.is_some());
        types
            && node.is_some_and(|node| {
                let inner = node.fields();
                let word = |number: u64| inner.iter().find(|f| f.number == number).and_then(|f| f.body);
                word(1).is_some_and(Inner::is_name)
                    && word(2).is_some_and(|op| op.length < 256 && op.bytes.iter().all(|b| is_op_letter(*b)))
                    && inner.iter().all(|field| field.number <= 7 && field.body.is_some())
            })
    }
}

fn is_op_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'>' | b'.' | b'/' | b'-')
}

/// The fields within `bytes`, the head of a message of `length` bytes, and where the walk ended; nothing where it cannot be
/// one.
fn walk(bytes: &[u8], length: u64, most: usize) -> Option<(Vec<Seen<'_>>, u64)> {
    let mut seen = Vec::new();
    let mut at = 0_usize;
    while seen.len() < most && (at as u64) < length {
        let before = at;
        let Some(field) = one(bytes, &mut at, length)? else { return (before > 0).then_some((seen, before as u64)) };
        seen.push(field);
        if at >= bytes.len() {
            break;
        }
    }
    Some((seen, at as u64))
}

/// One field; `Some(None)` where the head ends within it.
#[expect(clippy::option_option, reason = "no field at all and a field that goes on behind the head are different")]
fn one<'a>(bytes: &'a [u8], at: &mut usize, length: u64) -> Option<Option<Seen<'a>>> {
    let Some(tag) = varint(bytes, at) else { return more(bytes, *at, length) };
    let number = tag >> 3;
    if number == 0 || number > 0x1fff_ffff {
        return None;
    }
    let mut field = Seen { number, varint: None, body: None };
    match tag & 7 {
        0 => match varint(bytes, at) {
            Some(value) => field.varint = Some(value),
            None => return more(bytes, *at, length),
        },
        1 => *at += 8,
        5 => *at += 4,
        2 => {
            let Some(size) = varint(bytes, at) else { return more(bytes, *at, length) };
            if size > length.saturating_sub(*at as u64) {
                return None;
            }
            let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size))?;
            field.body = Some(Inner { bytes: bytes.get(*at..end.min(bytes.len()))?, length: size });
            *at = end;
        }
        _ => return None,
    }
    (*at as u64 <= length).then_some(Some(field))
}

/// A varint that does not end here is one that goes on behind the head, or none.
#[expect(clippy::option_option, reason = "see `one`")]
fn more<'a>(bytes: &[u8], at: usize, length: u64) -> Option<Option<Seen<'a>>> {
    (at >= bytes.len() && (bytes.len() as u64) < length).then_some(None)
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(place * 7).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// What a walk through a message leaves to be marked: everything is inspected but the tensor bytes, which are inert.
#[derive(Default)]
pub(crate) struct Skipped(Vec<(Range<u64>, bool)>);

impl Skipped {
    /// These bytes are data that no loader runs.
    pub(crate) fn data(&mut self, range: Range<u64>) {
        if range.start < range.end {
            self.0.push((range, true));
        }
    }

    pub(crate) fn content(&mut self, content: &Content) {
        if let Content::Bytes(range) = content {
            self.data(range.clone());
        }
    }

    /// Marks `whole`, after a walk that came to its end.
    pub(crate) fn mark(mut self, scan: &mut Scan<'_>, source: &Source, whole: Range<u64>) {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut at = whole.start;
        for (range, inert) in self.0 {
            scan.inspected(source, at..range.start.max(at));
            if inert {
                scan.inert(source, range.start.max(at)..range.end);
            }
            at = at.max(range.end);
        }
        scan.inspected(source, at..whole.end.max(at));
    }

    /// A field that the format does not have. Loaders leave it out, so a small one is nothing; what hides in a large one
    /// is looked at as a file of its own.
    pub(crate) fn unknown(&mut self, scan: &mut Scan<'_>, source: &Source, field: &Field) {
        const SMALL: u64 = 4096;
        if let Content::Bytes(range) = &field.content
            && range.end - range.start > SMALL
        {
            let message = format!(
                "The model has a field {} of {} bytes, which its format does not have.",
                field.number,
                range.end - range.start
            );
            scan.found(&rules::STRUCTURE_BROKEN, source, field.at, message);
            let inner = source.member(&format!("field {}", field.number), range.clone());
            self.0.push((range.clone(), false));
            scan.inner(&inner);
        }
    }
}
