//! TensorFlow's models: SavedModel, MetaGraph and GraphDef, and the small files beside them.
//!
//! Reads the protobuf on the wire and never what a tensor holds. Judging the operations is in `judge`.

pub(crate) mod checkpoint;
mod graph;
mod judge;
pub(crate) mod ops;
pub(crate) mod pbtxt;

use std::{collections::HashSet, ops::Range};

use crate::{
    formats::{
        Match, Probe, keras,
        paths::leaves_folder,
        wire::{self, Proto, Skipped},
    },
    read::{
        json::Tree,
        proto::{Content, Fields, text},
    },
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

const NAME: u64 = 64 << 10;
/// The longest description of one Keras layer that is read.
const METADATA: u64 = 16 << 20;

fn by(probe: &Probe<'_>, proto: Proto, names: &[&str]) -> Match {
    match wire::recognise(probe) {
        Some(found) if found == proto => Match::Content,
        None if probe.named(names) => Match::Name,
        _ => Match::No,
    }
}

pub(crate) fn is_saved_model(probe: &Probe<'_>) -> Match {
    by(probe, Proto::SavedModel, &["saved_model.pb"])
}

pub(crate) fn is_meta_graph(probe: &Probe<'_>) -> Match {
    by(probe, Proto::MetaGraph, &[".meta"])
}

pub(crate) fn is_graph(probe: &Probe<'_>) -> Match {
    if probe.named(&["saved_model.pb"]) { Match::No } else { by(probe, Proto::Graph, &[".pb"]) }
}

pub(crate) fn is_fingerprint(probe: &Probe<'_>) -> Match {
    by(probe, Proto::Fingerprint, &[])
}

pub(crate) fn is_keras_metadata(probe: &Probe<'_>) -> Match {
    by(probe, Proto::KerasMetadata, &["keras_metadata.pb"])
}

/// SavedModel: a version and meta graphs.
pub(crate) fn saved_model(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut skipped = Skipped::default();
    let mut fields = Fields::of(source, 0..source.len());
    let mut metas = Vec::new();
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (1, Content::Varint(_)) => {}
            (2, Content::Bytes(range)) => metas.push(range.clone()),
            _ => skipped.unknown(scan, source, &field),
        }
    }
    for meta in metas {
        one_meta_graph(scan, source, meta, &mut skipped)?;
    }
    skipped.mark(scan, source, 0..source.len());
    Ok(())
}

/// A `.meta` file: one MetaGraphDef.
pub(crate) fn meta_graph(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut skipped = Skipped::default();
    one_meta_graph(scan, source, 0..source.len(), &mut skipped)?;
    skipped.mark(scan, source, 0..source.len());
    Ok(())
}

/// A frozen graph: one GraphDef.
pub(crate) fn graph(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut skipped = Skipped::default();
    let mut graphs = Vec::new();
    graph::read(scan, source, 0..source.len(), &mut skipped, &mut graphs)?;
    judge::judge(scan, source, &graphs, &HashSet::new())?;
    skipped.mark(scan, source, 0..source.len());
    Ok(())
}

/// Hashes of the model's parts.
pub(crate) fn fingerprint(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut skipped = Skipped::default();
    let mut fields = Fields::of(source, 0..source.len());
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        if field.number > 7 {
            skipped.unknown(scan, source, &field);
        } else {
            skipped.content(&field.content);
        }
    }
    skipped.mark(scan, source, 0..source.len());
    Ok(())
}

/// What Keras wrote of its layers beside a SavedModel.
pub(crate) fn keras_metadata(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut skipped = Skipped::default();
    let mut fields = Fields::of(source, 0..source.len());
    while let Some(field) = fields.next()? {
        let (1, Content::Bytes(node)) = (field.number, &field.content) else {
            skipped.unknown(scan, source, &field);
            continue;
        };
        let mut parts = Fields::of(source, node.clone());
        while let Some(part) = parts.next()? {
            scan.steps(1)?;
            match (part.number, &part.content) {
                (5, Content::Bytes(range)) => layer(scan, source, range)?,
                (1..=4 | 6, content) => skipped.content(content),
                _ => skipped.unknown(scan, source, &part),
            }
        }
    }
    skipped.mark(scan, source, 0..source.len());
    Ok(())
}

fn one_meta_graph(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, skipped: &mut Skipped) -> Scanned<()> {
    let mut graphs = Vec::new();
    let mut assets = HashSet::new();
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (2, Content::Bytes(range)) => graph::read(scan, source, range.clone(), skipped, &mut graphs)?,
            (6, Content::Bytes(range)) => assets.extend(asset(scan, source, range.clone())?),
            (7, Content::Bytes(range)) => objects(scan, source, range.clone(), skipped)?,
            (1 | 3..=5, content) => skipped.content(content),
            _ => skipped.unknown(scan, source, &field),
        }
    }
    judge::judge(scan, source, &graphs, &assets)
}

/// AssetFileDef: a file in `assets/` and the node that gets its path. Answers the node's name.
fn asset(scan: &mut Scan<'_>, source: &Source, range: Range<u64>) -> Scanned<Option<String>> {
    let (at, mut node) = (range.start, None);
    let mut fields = Fields::of(source, range);
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (1, Content::Bytes(info)) => {
                let mut info = Fields::of(source, info.clone());
                while let Some(part) = info.next()? {
                    if part.number == 1 {
                        let name = text(source, &part.content, NAME)?.unwrap_or_default();
                        node = Some(name.split(':').next().unwrap_or_default().to_owned());
                    }
                }
            }
            (2, content) => {
                let name = text(source, content, NAME)?.unwrap_or_default();
                asset_name(scan, source, at, &name);
            }
            _ => {}
        }
    }
    Ok(node)
}

fn asset_name(scan: &mut Scan<'_>, source: &Source, at: u64, name: &str) {
    if let Some(why) = leaves_folder(name) {
        let message = format!("Loading the model opens {name:?} as a file of its `assets` folder; {why}.");
        scan.found(&rules::GRAPH_FILE_OP, source, at, message);
    }
    let lower = name.to_ascii_lowercase();
    if [".so", ".dll", ".dylib"].iter().any(|end| lower.ends_with(end)) || lower.contains(".so.") {
        let message = format!("The model names the native library {name:?} as one of its files.");
        scan.found(&rules::GRAPH_LIBRARY, source, at, message);
    }
    scan.facts.references.insert(format!("assets/{name}"));
}

/// SavedObjectGraph: what Python objects are built when the model is loaded. Old Keras keeps its layers' configs here.
fn objects(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, skipped: &mut Skipped) -> Scanned<()> {
    let mut nodes = Fields::of(source, range);
    while let Some(node) = nodes.next()? {
        let (1, Content::Bytes(node)) = (node.number, &node.content) else {
            skipped.content(&node.content);
            continue;
        };
        let mut parts = Fields::of(source, node.clone());
        while let Some(part) = parts.next()? {
            scan.steps(1)?;
            let (4, Content::Bytes(user)) = (part.number, &part.content) else {
                skipped.content(&part.content);
                continue;
            };
            let mut fields = Fields::of(source, user.clone());
            while let Some(field) = fields.next()? {
                match (field.number, &field.content) {
                    (3, Content::Bytes(metadata)) => layer(scan, source, metadata)?,
                    (_, content) => skipped.content(content),
                }
            }
        }
    }
    Ok(())
}

/// One layer's config in JSON.
fn layer(scan: &mut Scan<'_>, source: &Source, range: &Range<u64>) -> Scanned<()> {
    if range.end - range.start > METADATA {
        return Err(Stop::Spent("a layer's description is too long".into()));
    }
    let bytes = source.read(range.clone())?;
    if std::str::from_utf8(&bytes).is_err() {
        return Err(Stop::broken(range.start, "a layer's description is not UTF-8"));
    }
    if !bytes.starts_with(b"{") {
        return Ok(());
    }
    scan.steps(bytes.len() as u64 / 8)?;
    let tree = match Tree::parse(&bytes, 2_000_000) {
        Ok(tree) => tree,
        // What Python's reader refuses, no Keras loads.
        Err(Stop::Broken { .. }) => return Ok(()),
        Err(stop) => return Err(stop),
    };
    keras::tree_of(scan, source, range.start, &tree)
}
