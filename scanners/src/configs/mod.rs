//! Configs that name code: JSON, YAML, TOML, INI, requirements and the files of frameworks.
//!
//! Every form is read into the same tree and judged by the same rules. Nothing here follows a reference: what a config names
//! is said, not fetched.

mod big;
mod classes;
mod commands;
mod docker;
mod frameworks;
mod judge;
mod lines;
mod paths;
mod pickled;
pub(crate) mod requirements;
mod tags;
mod targets;
#[cfg(test)]
mod tests;
mod yaml;

use crate::{
    formats::{coreml, keras, safetensors_index, trees},
    read::json::{Json, Tree},
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
    text::template,
};

/// Values that are kept of one config. A vocabulary is not kept, see `big`.
const MOST_VALUES: usize = 1_000_000;

/// Whether the text is one JSON document, as far as its beginning tells: `[PAD]` is not.
pub(crate) fn is_json(text: &str) -> bool {
    let mut json = Json::new(text.as_bytes());
    for _ in 0..16 {
        match json.next() {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
    // Lines of JSON are data; one document is a config.
    !lines_of_json(text)
}

/// One JSON value in each line, and more than one line.
fn lines_of_json(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let whole = |line: &str| {
        let mut json = Json::new(line.as_bytes());
        loop {
            match json.next() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    };
    matches!((lines.next(), lines.next()), (Some(first), Some(second)) if whole(first) && whole(second))
}

/// Inspects JSON, and marks what it inspected.
pub(crate) fn json(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let tree = match big::read(text, MOST_VALUES) {
        Ok(tree) => tree,
        Err(Stop::Broken { .. }) if lines_of_json(text) => {
            scan.inert(source, 0..source.len());
            return Ok(());
        }
        // Editors and compilers read JSON with comments; what they would run is looked at all the same.
        Err(Stop::Broken { at, what }) => {
            big::read(&without_comments(text), MOST_VALUES).map_err(|_| Stop::Broken { at, what })?
        }
        Err(stop) => return Err(stop),
    };
    scan.steps(tree.all().count() as u64)?;
    nesting(scan, source, &tree);
    if source.file_name().to_ascii_lowercase().ends_with(".index.json") {
        safetensors_index::index(scan, source, &tree)?;
    }
    if keras::is_config(&tree) {
        keras::tree_of(scan, source, 0, &tree)?;
    }
    trees::xgboost(scan, source, text)?;
    coreml::manifest(scan, source, &tree);
    judge::judge(scan, source, &tree)?;
    scan.inspected(source, 0..source.len());
    Ok(())
}

/// Deeper than Python's own reader goes, which calls itself for each level.
const DEEP: usize = 1000;

/// Tells that values lie in one another deeper than readers that recurse can take.
fn nesting(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    let mut depths: Vec<usize> = vec![0; tree.all().count()];
    for (id, _) in tree.all() {
        let below = depths.get(id).copied().unwrap_or(0) + 1;
        if below > DEEP {
            let message = format!("Values lie in one another deeper than {DEEP}: readers that recurse break on this.");
            scan.found(&rules::CONFIG_BOMB, source, tree.at(id), message);
            return;
        }
        for inner in tree.items(id).iter().copied().chain(tree.entries(id).iter().map(|(_, inner)| *inner)) {
            if let Some(depth) = depths.get_mut(inner) {
                *depth = below;
            }
        }
    }
}

/// JSON with its comments and its commas before an end made blank; everything else stays where it is.
fn without_comments(text: &str) -> String {
    let mut out: Vec<u8> = text.as_bytes().to_vec();
    let (mut at, mut comma): (usize, Option<usize>) = (0, None);
    while let Some(byte) = out.get(at).copied() {
        let next = out.get(at + 1).copied();
        let skip = match (byte, next) {
            (b'"', _) => {
                comma = None;
                let mut end = at + 1;
                while out.get(end).is_some_and(|byte| *byte != b'"') {
                    end += if out.get(end) == Some(&b'\\') { 2 } else { 1 };
                }
                at = end + 1;
                continue;
            }
            (b'/', Some(b'/')) => memchr::memchr(b'\n', out.get(at..).unwrap_or_default()),
            (b'/', Some(b'*')) => memchr::memmem::find(out.get(at..).unwrap_or_default(), b"*/").map(|end| end + 2),
            _ => Some(0),
        };
        let skip = skip.unwrap_or(out.len() - at);
        if skip > 0 {
            if let Some(comment) = out.get_mut(at..at + skip) {
                comment.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
            }
            at += skip;
            continue;
        }
        if matches!(byte, b'}' | b']')
            && let Some(place) = comma.and_then(|place| out.get_mut(place))
        {
            *place = b' ';
        }
        if byte == b',' {
            comma = Some(at);
        } else if !byte.is_ascii_whitespace() {
            comma = None;
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Inspects YAML, in each way in which readers read it.
pub(crate) fn yaml(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    for document in yaml::readings(text, MOST_VALUES)? {
        scan.steps(document.tree.all().count() as u64 + document.tags.len() as u64)?;
        tags::judge(scan, source, &document, text)?;
        if document.expanded > yaml::MOST_EXPANDED {
            let message = format!(
                "Aliases in this YAML make {} values out of {}: whoever walks through them does not come to an end.",
                document.expanded,
                document.tree.all().count()
            );
            scan.found(&rules::CONFIG_BOMB, source, 0, message);
        }
        judge::judge(scan, source, &document.tree)?;
    }
    Ok(())
}

/// What NeMo does with its config besides what every reader of YAML does: it imports and builds every `target`.
pub(crate) fn nemo_targets(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    for document in yaml::readings(text, MOST_VALUES)? {
        for (id, _) in document.tree.all() {
            scan.steps(1)?;
            for value in document.tree.get_all(id, "target") {
                if let Some(name) = document.tree.text(value).filter(|name| name.contains('.')) {
                    judge::named(scan, source, document.tree.at(value), "target", name, &rules::HYDRA_TARGET);
                }
            }
        }
    }
    Ok(())
}

/// Inspects TOML.
pub(crate) fn toml(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let tree = lines::read(text, MOST_VALUES)?;
    requirements::in_tree(scan, source, &tree);
    judge::judge(scan, source, &tree)
}

/// Inspects INI and files like it.
pub(crate) fn ini(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let tree = lines::read(text, MOST_VALUES)?;
    requirements::in_tree(scan, source, &tree);
    judge::judge(scan, source, &tree)
}

/// Inspects lists of packages to install.
pub(crate) fn requirements(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    requirements::inspect(scan, source, text)
}

/// Inspects the recipe of a container.
pub(crate) fn docker(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    docker::inspect(scan, source, text)
}

/// A file that a setting names and a loader opens.
pub(crate) fn opened(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, path: &str) {
    judge::path_of(scan, source, at, key, path);
}

/// Inspects protobuf text: the configs of inference servers.
pub(crate) fn protobuf(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    frameworks::triton(scan, source, text)
}

/// Inspects what stands before a Markdown page: the model card's metadata.
pub(crate) fn front_matter(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let Some(rest) = text.trim_start_matches('\u{feff}').strip_prefix("---") else { return Ok(()) };
    let Some(end) = rest.find("\n---") else { return Ok(()) };
    let front = rest.get(..end).unwrap_or_default();
    // The hub reads this with a safe loader, and a card that it cannot read harms nobody.
    for document in yaml::readings(front, MOST_VALUES).unwrap_or_default() {
        judge::licences(scan, &document.tree);
        commands::data_files(scan, source, &document.tree);
        tags::judge(scan, source, &document, front)?;
    }
    Ok(())
}

/// Inspects every chat template that a config holds.
fn templates(scan: &mut Scan<'_>, source: &Source, tree: &Tree, key: &str, id: usize) -> Scanned<()> {
    if let Some(text) = tree.text(id) {
        return template::inspect(scan, source, tree.at(id), key, text);
    }
    for (name, value) in tree.entries(id) {
        if let Some(text) = tree.text(*value) {
            template::inspect(scan, source, tree.at(*value), &format!("{key}.{name}"), text)?;
        }
    }
    for item in tree.items(id) {
        let name = tree.get(*item, "name").and_then(|id| tree.text(id)).unwrap_or("unnamed");
        for text in tree.get_all(*item, "template") {
            if let Some(template) = tree.text(text) {
                template::inspect(scan, source, tree.at(text), &format!("{key}.{name}"), template)?;
            }
        }
        if let Some(text) = tree.text(*item) {
            template::inspect(scan, source, tree.at(*item), key, text)?;
        }
    }
    Ok(())
}
