//! CoreML models: classes that the application has to bring, and files that they name.
//!
//! Walks the protobuf on the wire; weights and the parameters of ordinary layers are left out.

use std::ops::Range;

use crate::{
    formats::{
        Match, Probe,
        paths::leaves_folder,
        wire::{self, Proto, Skipped},
    },
    read::{
        cursor::Cursor,
        json::Tree,
        proto::{Content, Fields, text},
    },
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

const NAME: u64 = 64 << 10;

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    match wire::recognise(probe) {
        Some(Proto::CoreMl) => Match::Content,
        _ if probe.named(&[".mlmodel"]) => Match::Name,
        _ => Match::No,
    }
}

/// The messages in which something is still to be looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Message {
    Model,
    /// A pipeline in a pipeline that classifies or estimates.
    Wrapper,
    Pipeline,
    Network,
    Layer,
    Branch,
    Loop,
    Custom,
    Linked,
    LinkedFile,
    Program,
    /// A map's entry whose value is the message given.
    FunctionEntry,
    Function,
    BlockEntry,
    Block,
    Operation,
    AttributeEntry,
    Value,
    BlobFile,
}

/// Inspects a model.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let whole = 0..source.len();
    let mut skipped = Skipped::default();
    let mut todo = vec![(Message::Model, whole.clone())];
    while let Some((message, range)) = todo.pop() {
        let at = range.start;
        let mut fields = Fields::of(source, range);
        while let Some(field) = fields.next()? {
            scan.steps(1)?;
            match (inside(message, field.number), &field.content) {
                (Inside::Message(inner), Content::Bytes(range)) => todo.push((inner, range.clone())),
                (Inside::Class, content) => {
                    let class = text(source, content, NAME)?.unwrap_or_default();
                    let message = format!(
                        "The model needs the class `{class}`, which the application that runs the model has to bring."
                    );
                    scan.found(&rules::COREML_CUSTOM, source, at, message);
                }
                (Inside::Operation, content) => {
                    let kind = text(source, content, NAME)?.unwrap_or_default();
                    if kind.starts_with("custom") {
                        let message = format!(
                            "The program has the operation `{kind}`, whose class the application has to bring."
                        );
                        scan.found(&rules::COREML_CUSTOM, source, at, message);
                    }
                }
                (Inside::File, content) => file(scan, source, at, content)?,
                (Inside::Known | Inside::Weights, content) => skipped.content(content),
                _ => skipped.unknown(scan, source, &field),
            }
        }
    }
    skipped.mark(scan, source, whole);
    Ok(())
}

/// What a field is.
enum Inside {
    Message(Message),
    /// Numbers, and whatever an ordinary layer is made of.
    Weights,
    /// The name of a class.
    Class,
    /// The kind of an operation in a program.
    Operation,
    /// The name of another file.
    File,
    Known,
    Unknown,
}

fn inside(message: Message, number: u64) -> Inside {
    use Message as M;
    match (message, number) {
        (M::Model, 200 | 201) => Inside::Message(M::Wrapper),
        (M::Model, 202) | (M::Wrapper, 1) => Inside::Message(M::Pipeline),
        (M::Model, 303 | 403 | 500) | (M::Loop, 2 | 4) | (M::Branch, 1 | 2) => Inside::Message(M::Network),
        (M::Model, 502) => Inside::Message(M::Program),
        (M::Model, 555) | (M::Layer, 500) => Inside::Message(M::Custom),
        (M::Model, 556) => Inside::Message(M::Linked),
        (M::Linked, 1) => Inside::Message(M::LinkedFile),
        (M::Pipeline, 1) => Inside::Message(M::Model),
        (M::Network, 1) => Inside::Message(M::Layer),
        (M::Layer, 600) => Inside::Message(M::Branch),
        (M::Layer, 605 | 615) => Inside::Message(M::Loop),
        (M::Program, 2) => Inside::Message(M::FunctionEntry),
        (M::FunctionEntry, 2) => Inside::Message(M::Function),
        (M::Function, 3) => Inside::Message(M::BlockEntry),
        (M::BlockEntry, 2) | (M::Operation, 4) => Inside::Message(M::Block),
        (M::Block, 3) => Inside::Message(M::Operation),
        (M::Program | M::Operation | M::Block, 5 | 4) => Inside::Message(M::AttributeEntry),
        (M::AttributeEntry, 2) => Inside::Message(M::Value),
        (M::Value, 5) => Inside::Message(M::BlobFile),
        (M::Custom, 10) => Inside::Class,
        (M::Operation, 1) => Inside::Operation,
        (M::BlobFile, 1) | (M::LinkedFile, 1 | 2) => Inside::File,
        (M::Custom, 20) | (M::Value, 3) | (M::Model, 200..=3000) | (M::Layer, 100..=2000) | (M::Network, 2..=20) => {
            Inside::Weights
        }
        (M::Model, 1 | 2 | 10)
        | (M::Layer, 1..=99)
        | (M::Wrapper | M::Pipeline | M::Loop | M::Branch | M::Linked | M::LinkedFile, 1..=20)
        | (M::Custom, 30 | 40)
        | (
            M::Program
            | M::FunctionEntry
            | M::Function
            | M::BlockEntry
            | M::Block
            | M::Operation
            | M::AttributeEntry
            | M::Value
            | M::BlobFile,
            1..=10,
        ) => Inside::Known,
        _ => Inside::Unknown,
    }
}

/// Names begin with the package's own folder, or are a word with a default.
fn file(scan: &mut Scan<'_>, source: &Source, at: u64, content: &Content) -> Scanned<()> {
    let Content::Bytes(range) = content else { return Ok(()) };
    let name = linked(source, range.clone())?;
    let inner = name.strip_prefix("@model_path/").unwrap_or(&name);
    if let Some(why) = leaves_folder(inner) {
        let message = format!("The model reads the file {name:?}; {why}.");
        scan.found(&rules::COREML_CUSTOM, source, at, message);
    }
    if !inner.is_empty() {
        scan.facts.references.insert(inner.to_owned());
    }
    Ok(())
}

/// A file's name as text, or as a parameter with a default.
fn linked(source: &Source, range: Range<u64>) -> Scanned<String> {
    let words = text(source, &Content::Bytes(range.clone()), NAME)?.unwrap_or_default();
    if !words.starts_with('\n') {
        return Ok(words);
    }
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            return Ok(text(source, &field.content, NAME)?.unwrap_or_default());
        }
    }
    Ok(String::new())
}

/// Whether a JSON text is the manifest of an `.mlpackage`.
fn is_manifest(tree: &Tree) -> bool {
    let root = tree.root();
    tree.get(root, "fileFormatVersion").is_some() && tree.get(root, "itemInfoEntries").is_some()
}

/// The manifest of an `.mlpackage`: every file that it names has to lie in the package.
pub(crate) fn manifest(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    if !is_manifest(tree) {
        return;
    }
    for entries in tree.get_all(tree.root(), "itemInfoEntries") {
        for (_, entry) in tree.entries(entries) {
            for path in tree.get_all(*entry, "path") {
                let name = tree.text(path).unwrap_or_default();
                if let Some(why) = leaves_folder(name) {
                    let message = format!("The package names the file {name:?}; {why}.");
                    scan.found(&rules::CONFIG_ESCAPE, source, tree.at(path), message);
                }
            }
        }
    }
}

const SENTINEL: [u8; 4] = 0xdead_beef_u32.to_le_bytes();

/// `weight.bin`: two numbers, zeros up to byte 64, and a description before each blob.
pub(crate) fn is_weights(probe: &Probe<'_>) -> Match {
    let version = probe.has_at(4, &[2, 0, 0, 0]) || probe.has_at(4, &[1, 0, 0, 0]);
    let zeros = probe.head.get(8..64).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
    if version && zeros && (probe.len() == 64 || probe.has_at(64, &SENTINEL)) { Match::Content } else { Match::No }
}

/// The weights of an `.mlpackage`: numbers, each behind its description.
pub(crate) fn weights(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut cursor = Cursor::at(source, 0);
    let count = cursor.u32_le()?;
    let mut at = 64_u64;
    scan.inspected(source, 0..64);
    for _ in 0..count {
        scan.steps(1)?;
        cursor.go(at);
        if cursor.u32_le()? != 0xdead_beef {
            return Err(Stop::broken(at, "the description of a weight is missing"));
        }
        cursor.skip(4)?;
        let (size, offset) = (cursor.u64_le()?, cursor.u64_le()?);
        let end = offset.checked_add(size).filter(|end| *end <= source.len());
        let (Some(end), true) = (end, offset >= at + 64) else {
            return Err(Stop::broken(at, "a weight lies outside of the file"));
        };
        scan.inspected(source, at..at + 64);
        scan.inert(source, at + 64..end);
        at = end.next_multiple_of(64);
        scan.inert(source, end..at.min(source.len()));
    }
    Ok(())
}
