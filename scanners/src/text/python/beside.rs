//! What Python code relies on beside it: native modules that it imports by their name, and Python files that it runs as text.
//! They are not read here.

use std::collections::BTreeSet;

use crate::{rules, scan::Scan, source::Source, text::shell::shortened};

/// Says which of the relative imports (how many folders up, and the name) load a native module of the repository.
pub(super) fn imported(scan: &mut Scan<'_>, source: &Source, relative: &BTreeSet<(u32, String)>) {
    let Some(neighbours) = scan.neighbours else { return };
    let folders: Vec<&str> = source.name().split('/').collect();
    for (level, module) in relative {
        let Some(kept) = folders.len().checked_sub(*level as usize) else { continue };
        let mut path = folders.get(..kept).unwrap_or_default().join("/");
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&module.replace('.', "/"));
        // `_ops.so`, `_ops.abi3.so`, `_ops.cpython-311-x86_64-linux-gnu.so`, `_ops.pyd`.
        let begins = format!("{path}.");
        let native = neighbours.keys().find(|name| {
            name.strip_prefix(begins.as_str()).is_some_and(|rest| {
                !rest.contains('/') && [".so", ".pyd", ".dylib", ".dll"].iter().any(|end| name.ends_with(end))
            })
        });
        if let Some(name) = native {
            let message = format!("Importing this file loads the native library `{name}`, which lies beside it.");
            scan.found(&rules::PYTHON_NATIVE, source, 0, message);
        }
    }
}

/// Says which of the Python files that the code runs are not there: somebody else puts them there first.
pub(super) fn run(scan: &mut Scan<'_>, source: &Source, at: u64, files: &BTreeSet<String>) {
    let Some(neighbours) = scan.neighbours else { return };
    let is_there = |file: &str| {
        neighbours
            .keys()
            .any(|name| name.strip_suffix(file).is_some_and(|folder| folder.is_empty() || folder.ends_with('/')))
    };
    if let Some(file) = files.iter().find(|file| !is_there(file)) {
        let file = shortened(file);
        let message = format!(
            "The code runs `{file}` as text, and no such file lies in the repository: it comes from elsewhere."
        );
        scan.found(&rules::PYTHON_DYNAMIC, source, at, message);
    }
}
