//! Keys that make a framework import something and call it: Hydra's `_target_` and those after its manner.
//!
//! What is called is judged with what it is told beside it; `${…}` is put in place as OmegaConf does, as far as the same file
//! says what stands there.

use super::{
    classes::{self, Weigh},
    judge::named,
    paths,
};
use crate::{
    read::json::{Kind, Tree},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Judges `key: name` of an object; `key` comes with the number of its value.
pub(super) fn judge(
    scan: &mut Scan<'_>,
    source: &Source,
    tree: &Tree,
    object: usize,
    (key, value): (&str, usize),
    name: &str,
) -> Scanned<()> {
    trusting(scan, source, tree, object, name);
    dataset(scan, source, tree, object, name);
    if finds(name) {
        let named_by = ["path", "_args_", "obj", "cls", "fn", "class_path", "string"];
        for id in named_by.iter().flat_map(|key| tree.get_all(object, key)).collect::<Vec<_>>() {
            let texts = std::iter::once(id).chain(tree.items(id).first().copied()).filter_map(|id| tree.text(id));
            for path in texts.map(str::to_owned).collect::<Vec<_>>() {
                one(scan, source, tree, (key, id), &path)?;
            }
        }
    }
    one(scan, source, tree, (key, value), name)
}

/// A name, or what its `${…}` can come to. What cannot be told from here is left to whoever fills it in.
fn one(scan: &mut Scan<'_>, source: &Source, tree: &Tree, (key, value): (&str, usize), name: &str) -> Scanned<()> {
    let at = tree.at(value);
    if !name.contains("${") {
        named(scan, source, at, key, name, &rules::HYDRA_TARGET);
        return Ok(());
    }
    for name in filled_in(scan, tree, name)? {
        if let Weigh::Dangerous(why) = classes::weigh(scan, source, &name) {
            let message = format!("`{key}` comes to `{name}`, which the loader imports and calls: {why}.");
            scan.found(&rules::HYDRA_TARGET, source, at, message);
        }
    }
    Ok(())
}

/// Functions that find something by the name that they are given.
fn finds(name: &str) -> bool {
    let last = name.rsplit(['.', ':']).next().unwrap_or(name);
    matches!(last, "get_method" | "get_class" | "get_object" | "get_static_method" | "get_obj_from_str" | "_locate")
}

/// Rounds in which values are put into one another, and the names that come out of it.
const ROUNDS: usize = 8;
const MOST: usize = 16;
/// Values that are looked through for a key that is not where the path says.
const LOOKED: usize = 2_000;

/// Every text that `${…}` can come to.
fn filled_in(scan: &mut Scan<'_>, tree: &Tree, text: &str) -> Scanned<Vec<String>> {
    let mut all = vec![text.to_owned()];
    for _ in 0..ROUNDS {
        let mut next: Vec<String> = Vec::new();
        for text in &all {
            let Some((before, inner, after)) = innermost(text) else {
                next.push(text.clone());
                continue;
            };
            scan.steps(tree.all().take(LOOKED).count() as u64)?;
            next.extend(stands_for(tree, inner).into_iter().map(|value| format!("{before}{value}{after}")));
        }
        next.truncate(MOST);
        next.retain(|text| text.len() < 1000);
        all = next;
    }
    all.retain(|text| !text.contains("${"));
    Ok(all)
}

fn innermost(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.rsplit_once("${")?;
    let (inner, after) = rest.split_once('}')?;
    Some((before, inner, after))
}

/// `a.b` is a place in the tree; `resolver:one,two` is something made of its words.
fn stands_for(tree: &Tree, inner: &str) -> Vec<String> {
    if let Some((_, words)) = inner.split_once(':') {
        let words = words.split(',').map(|word| word.trim().trim_matches(['"', '\'']).to_owned());
        return words.filter(|word| !word.is_empty()).take(MOST).collect();
    }
    let path = inner.trim().trim_start_matches('.').replace(['[', ']'], ".");
    let steps: Vec<&str> = path.split('.').filter(|step| !step.is_empty()).collect();
    let mut here = Some(tree.root());
    for step in &steps {
        let number = step.parse::<usize>().ok();
        here = here.and_then(|id| tree.get(id, step).or_else(|| tree.items(id).get(number?).copied()));
    }
    if let Some(text) = here.and_then(|id| tree.text(id)) {
        return vec![text.to_owned()];
    }
    // Relative, or a part of a larger config: wherever the key is.
    let Some(last) = steps.last() else { return Vec::new() };
    let found = tree.all().take(LOOKED).flat_map(|(id, _)| tree.get_all(id, last).collect::<Vec<_>>());
    found.filter_map(|id| tree.text(id)).take(MOST).map(str::to_owned).collect()
}

/// A call with `trust_remote_code: true` loads whatever code another repository has.
fn trusting(scan: &mut Scan<'_>, source: &Source, tree: &Tree, object: usize, name: &str) {
    let trusts = tree.get_all(object, "trust_remote_code").any(|id| match tree.value(id).map(|value| &value.kind) {
        Some(Kind::Bool(is)) => *is,
        Some(Kind::String(text)) => matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on"),
        _ => false,
    });
    if !trusts {
        return;
    }
    let keys = ["pretrained_model_name_or_path", "pretrained_model_name", "repo_id", "path", "model", "model_name"];
    let from = keys.iter().find_map(|key| tree.get(object, key)).and_then(|id| tree.text(id)).unwrap_or("a repository");
    let message = format!("`{name}` is called with trust_remote_code: it runs whatever code `{from}` has.");
    scan.facts.remote_code.insert(from.to_owned());
    scan.found(&rules::FOREIGN_CODE, source, tree.at(object), message);
}

/// Data and metrics can be scripts: of this repository, of another one, or at an address.
fn dataset(scan: &mut Scan<'_>, source: &Source, tree: &Tree, object: usize, name: &str) {
    let metric = matches!(name, "evaluate.load" | "evaluate.loading.load" | "datasets.load_metric");
    if !metric && !matches!(name, "datasets.load_dataset" | "datasets.load.load_dataset") {
        return;
    }
    let first = tree.get(object, "_args_").and_then(|args| tree.items(args).first().copied());
    let Some(id) = tree.get(object, "path").or(first) else { return };
    let Some(path) = tree.text(id).map(str::to_owned).filter(|path| !path.contains("${")) else { return };
    let script = std::path::Path::new(&path).extension().is_some_and(|extension| extension == "py");
    let elsewhere = metric && path.contains('/') && !path.starts_with(['.', '/']);
    if !script && !elsewhere {
        return;
    }
    scan.facts.remote_code.insert(path.clone());
    if script && let Some(file) = paths::neighbour(scan, source, path.trim_start_matches("./")) {
        let message = format!("`{name}` runs the script `{file}` of this repository.");
        scan.found(&rules::LOCAL_CODE, source, tree.at(id), message);
    } else {
        let message = format!("`{name}` runs the script `{path}`, which is not in this repository.");
        scan.found(&rules::FOREIGN_CODE, source, tree.at(id), message);
    }
}
