//! `*.safetensors.index.json` and its older sisters: which tensor lies in which file.
//!
//! Only the names of the files are judged. Whether they are there is for whoever knows the whole repository.

use crate::{read::json::Tree, rules, scan::Scan, source::Source};

/// Inspects an index that has been read. Called by whoever reads JSON, for files of such a name.
pub(crate) fn index(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    let mut told: Option<&str> = None;
    for map in tree.get_all(tree.root(), "weight_map") {
        for (tensor, value) in tree.entries(map) {
            let Some(file) = tree.text(*value) else { continue };
            if told == Some(file) {
                continue;
            }
            told = Some(file);
            scan.facts.references.insert(file.to_owned());
            if let Some(how) = leaves(file) {
                let message = format!("The index says that the tensor `{tensor}` lies in `{file}`, which {how}.");
                scan.found(&rules::INDEX_ESCAPE, source, tree.at(*value), message);
            }
        }
    }
}

/// How a path leaves the folder that it is meant to stay in.
pub(crate) fn leaves(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    if path.contains('\0') {
        return Some("has a NUL in it");
    }
    if path.contains("://") {
        return Some("is an address");
    }
    if bytes.first().is_some_and(|b| matches!(b, b'/' | b'\\' | b'~')) {
        return Some("is an absolute path");
    }
    if bytes.get(1) == Some(&b':') && bytes.first().is_some_and(u8::is_ascii_alphabetic) {
        return Some("names a drive");
    }
    if path.split(['/', '\\']).any(|part| part.trim_end_matches([' ', '.']).is_empty() && part.starts_with("..")) {
        return Some("leaves the folder");
    }
    path.contains('\\').then_some("has a backslash, which is a folder on some systems and not on others")
}

#[cfg(test)]
mod tests {
    use super::leaves;

    #[test]
    fn paths_that_leave_are_told_from_those_that_stay() {
        for stays in ["a.safetensors", "./a", "unet/a.safetensors", "a..b", "..a", "model-00001-of-00002.safetensors"] {
            assert_eq!(leaves(stays), None, "{stays}");
        }
        for goes in
            ["../a", "a/../../b", "/etc/passwd", "C:\\a", "c:a", "..\\a", "a\\b", "a/.. /b", "~/a", "https://a/b"]
        {
            assert!(leaves(goes).is_some(), "{goes}");
        }
    }
}
