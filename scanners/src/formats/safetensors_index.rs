//! `*.safetensors.index.json` and its older sisters: which tensor lies in which file.
//!
//! Only the names of the files are judged. Whether they are there is for whoever knows the whole repository.

use crate::{
    formats::paths,
    read::json::Tree,
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Inspects an index that has been read. Called by whoever reads JSON, for files of such a name.
pub(crate) fn index(scan: &mut Scan<'_>, source: &Source, tree: &Tree) -> Scanned<()> {
    let mut told: Option<&str> = None;
    for map in tree.get_all(tree.root(), "weight_map") {
        for (tensor, value) in tree.entries(map) {
            scan.steps(1)?;
            let Some(file) = tree.text(*value) else { continue };
            if told == Some(file) {
                continue;
            }
            told = Some(file);
            scan.facts.references.insert(file.to_owned());
            if let Some(why) = paths::leaves_folder(file) {
                let message =
                    format!("The index says that the tensor `{tensor}` lies in `{file}`, outside the model: {why}.");
                scan.found(&rules::INDEX_ESCAPE, source, tree.at(*value), message);
            }
        }
    }
    Ok(())
}
