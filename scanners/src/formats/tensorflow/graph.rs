//! A TensorFlow graph as it stands in a file: nodes, what they take in, the texts they hold and the functions they call.
//!
//! Walks the protobuf on the wire with a list of what is still to be looked at; tensor bytes are left out. Judges nothing.

use std::{collections::HashMap, ops::Range};

use crate::{
    formats::{
        tensorflow::ops::{Op, look_up},
        wire::Skipped,
    },
    read::proto::{Content, Field, Fields, text},
    scan::{Scan, Scanned},
    source::Source,
};

/// The longest name of a node, a function or an attribute.
const NAME: u64 = 64 << 10;
/// The longest text that is kept of a constant.
const TEXT: u64 = 4096;
/// How many texts are kept of one node.
const TEXTS: usize = 256;

/// The main graph of a model, or one function.
#[derive(Default)]
pub(crate) struct Graph {
    /// Nothing for a main graph.
    pub(crate) function: Option<String>,
    /// The names of a function's arguments, in order.
    pub(crate) arguments: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) by_name: HashMap<String, usize>,
}

/// One node.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) at: u64,
    pub(crate) name: String,
    /// Its operation; a file that names several is judged by each.
    pub(crate) ops: Vec<String>,
    pub(crate) inputs: Vec<String>,
    /// Texts in its constants.
    pub(crate) texts: Vec<String>,
    /// Its text attributes.
    pub(crate) settings: Vec<(String, String)>,
    /// Functions that its attributes name.
    pub(crate) calls: Vec<String>,
}

impl Graph {
    fn push(&mut self, node: Node) {
        self.by_name.entry(node.name.clone()).or_insert(self.nodes.len());
        self.nodes.push(node);
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.by_name.get(name).and_then(|at| self.nodes.get(*at))
    }
}

/// Reads a GraphDef: its nodes into one graph, each function into another.
pub(crate) fn read(
    scan: &mut Scan<'_>,
    source: &Source,
    range: Range<u64>,
    skipped: &mut Skipped,
    graphs: &mut Vec<Graph>,
) -> Scanned<()> {
    let mut main = Graph::default();
    let mut libraries = Vec::new();
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (1, Content::Bytes(range)) => {
                scan.steps(A_NODE)?;
                main.push(node(scan, source, range.clone(), skipped)?);
            }
            (2, Content::Bytes(range)) => libraries.push(range.clone()),
            (3..=5, content) => skipped.content(content),
            _ => skipped.unknown(scan, source, &field),
        }
    }
    graphs.push(main);
    for library in libraries {
        let mut fields = Fields::of(source, library);
        while let Some(field) = fields.next()? {
            scan.steps(1)?;
            match (field.number, &field.content) {
                (1, Content::Bytes(range)) => graphs.push(function(scan, source, range.clone(), skipped)?),
                // GradientDef and RegisteredGradient: names of functions that are in the library themselves.
                (2 | 3, content) => skipped.content(content),
                _ => skipped.unknown(scan, source, &field),
            }
        }
    }
    Ok(())
}

fn function(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, skipped: &mut Skipped) -> Scanned<Graph> {
    let mut graph = Graph { function: Some(String::new()), ..Graph::default() };
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (1, Content::Bytes(range)) => {
                let mut signature = Fields::of(source, range.clone());
                while let Some(field) = signature.next()? {
                    scan.steps(1)?;
                    match (field.number, &field.content) {
                        (1, content) => graph.function = text(source, content, NAME)?,
                        (2, Content::Bytes(argument)) => {
                            graph.arguments.push(first_text(source, argument.clone())?);
                        }
                        (_, content) => skipped.content(content),
                    }
                }
            }
            (3, Content::Bytes(range)) => {
                scan.steps(A_NODE)?;
                graph.push(node(scan, source, range.clone(), skipped)?);
            }
            (2 | 4..=8, content) => skipped.content(content),
            _ => skipped.unknown(scan, source, &field),
        }
    }
    Ok(graph)
}

/// Field 1 of a message, a name.
fn first_text(source: &Source, range: Range<u64>) -> Scanned<String> {
    let mut name = String::new();
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            name = text(source, &field.content, NAME)?.unwrap_or_default();
        }
    }
    Ok(name)
}

fn node(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, skipped: &mut Skipped) -> Scanned<Node> {
    let mut node = Node { at: range.start, ..Node::default() };
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (1, content) => node.name = text(source, content, NAME)?.unwrap_or_default(),
            (2, content) => node.ops.extend(text(source, content, NAME)?),
            (3, content) => node.inputs.extend(text(source, content, NAME)?),
            (5, Content::Bytes(range)) => attribute(scan, source, range.clone(), &mut node, skipped)?,
            (4 | 6 | 7, content) => skipped.content(content),
            _ => skipped.unknown(scan, source, &field),
        }
    }
    Ok(node)
}

/// What is still to be looked at within an attribute.
enum Inside {
    Value,
    List,
    Function,
    Tensor,
}

fn attribute(
    scan: &mut Scan<'_>,
    source: &Source,
    range: Range<u64>,
    node: &mut Node,
    skipped: &mut Skipped,
) -> Scanned<()> {
    let mut key = String::new();
    let mut todo = Vec::new();
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        match (field.number, &field.content) {
            (1, content) => key = text(source, content, NAME)?.unwrap_or_default(),
            (2, Content::Bytes(range)) => todo.push((Inside::Value, range.clone())),
            _ => skipped.unknown(scan, source, &field),
        }
    }
    while let Some((inside, range)) = todo.pop() {
        let mut fields = Fields::of(source, range);
        while let Some(field) = fields.next()? {
            scan.steps(1)?;
            match (&inside, field.number, &field.content) {
                (Inside::Value, 1, Content::Bytes(range)) => todo.push((Inside::List, range.clone())),
                (Inside::Value | Inside::List, 2, content) => setting(source, content, &key, node, skipped)?,
                (Inside::Value | Inside::List, 8, Content::Bytes(range)) => {
                    todo.push((Inside::Tensor, range.clone()));
                }
                (Inside::Value, 10, Content::Bytes(range)) | (Inside::List, 9, Content::Bytes(range)) => {
                    todo.push((Inside::Function, range.clone()));
                }
                (Inside::Function, 1, content) => node.calls.extend(text(source, content, NAME)?),
                // The attributes that a call gives its function are a map of the same form.
                (Inside::Function, 2, Content::Bytes(range)) => {
                    let mut entry = Fields::of(source, range.clone());
                    while let Some(part) = entry.next()? {
                        if let (2, Content::Bytes(range)) = (part.number, &part.content) {
                            todo.push((Inside::Value, range.clone()));
                        }
                    }
                }
                (Inside::Tensor, ..) => tensor(source, &field, node, skipped)?,
                (_, _, content) => {
                    skipped.content(content);
                    stray(source, content, node)?;
                }
            }
        }
    }
    Ok(())
}

/// A short content that is read by nobody and is the name of an operation that reaches out.
fn stray(source: &Source, content: &Content, node: &mut Node) -> Scanned<()> {
    let Content::Bytes(range) = content else { return Ok(()) };
    if range.end - range.start > 64 {
        return Ok(());
    }
    let bytes = source.read(range.clone())?;
    let words = bytes.split(|byte| !byte.is_ascii_alphanumeric()).filter_map(|word| std::str::from_utf8(word).ok());
    for word in words {
        if matches!(look_up(word), Some(Op::File(_) | Op::Python | Op::Library(_))) {
            node.calls.push(word.to_owned());
        }
    }
    Ok(())
}

/// A text attribute, or bytes that are too long to be one.
fn setting(source: &Source, content: &Content, key: &str, node: &mut Node, skipped: &mut Skipped) -> Scanned<()> {
    match content {
        Content::Bytes(range) if range.end - range.start <= TEXT => {
            if node.settings.len() < TEXTS {
                let value = words(source, range, skipped)?;
                node.settings.push((key.to_owned(), value));
            }
        }
        content => skipped.content(content),
    }
    Ok(())
}

/// Bytes that may be a text. What is none is data.
fn words(source: &Source, range: &Range<u64>, skipped: &mut Skipped) -> Scanned<String> {
    let bytes = source.read(range.clone())?;
    if std::str::from_utf8(&bytes).is_err() {
        skipped.data(range.clone());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One field of a TensorProto. Texts are kept, for they may be paths; numbers are left out.
fn tensor(source: &Source, field: &Field, node: &mut Node, skipped: &mut Skipped) -> Scanned<()> {
    match (field.number, &field.content) {
        (8, Content::Bytes(range)) if range.end - range.start <= TEXT => {
            if node.texts.len() < TEXTS {
                node.texts.push(words(source, range, skipped)?);
            }
        }
        (_, content) => skipped.content(content),
    }
    Ok(())
}

/// Two bytes can be a node, and each node is kept: it costs what it weighs, so that there are no more than two million.
const A_NODE: u64 = 100;
