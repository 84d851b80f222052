//! `.keras` archives: a config, weights and what belongs to them.
//!
//! The config decides what is imported; the weights are HDF5 or arrays and are inspected as what they are.

use crate::{
    archive::Archive,
    formats::keras,
    kinds::Kind,
    scan::{Scan, Scanned},
};

pub(crate) const KERAS: Kind = Kind { name: "keras", recognise, inspect };

const CONFIG: &str = "config.json";

/// Keras itself goes by the file's name, and rebuilds the config before it looks for anything else.
fn recognise(archive: &Archive) -> bool {
    let named = archive.source.file_name().to_ascii_lowercase().ends_with(".keras");
    let beside = ["metadata.json", "model.weights.h5", "model.weights.npz", "model.weights.json"];
    archive.find(CONFIG).is_some() && (named || beside.iter().any(|name| archive.find(name).is_some()))
}

#[expect(clippy::unnecessary_wraps, reason = "stands in the table of kinds, which can fail")]
fn inspect(scan: &mut Scan<'_>, archive: &Archive) -> Scanned<()> {
    for member in &archive.members {
        // Readers of archives ignore case here and there: whatever could be taken for the config is read as one.
        if !member.name.eq_ignore_ascii_case(CONFIG) {
            archive.inspect(scan, member);
            continue;
        }
        archive.inspect_as(scan, member, |scan, source| {
            let text = source.read_all(scan.limits.text_bytes)?;
            keras::config_bytes(scan, source, 0, &text)?;
            scan.inspected(source, 0..source.len());
            Ok(())
        });
    }
    Ok(())
}
