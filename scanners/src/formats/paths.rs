//! Names of other files that a model gives: whether they stay in its folder, and where they lie from the root.
//!
//! Judges the text only; nothing here opens anything.

use crate::source::Source;

/// Why a name given by a model leaves the model's folder, or is read differently on another system; nothing where it stays.
pub(crate) fn leaves_folder(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    let drive = bytes.get(1) == Some(&b':') && bytes.first().is_some_and(u8::is_ascii_alphabetic);
    if path.contains('\0') {
        Some("it holds a NUL, where other programs stop reading")
    } else if path.starts_with('/') {
        Some("it is an absolute path")
    } else if drive {
        Some("it names a drive")
    } else if path.contains("://") {
        Some("it is an address")
    } else if path.split(['/', '\\']).any(|part| part.trim() == "..") {
        Some("it goes up with `..`")
    } else if path.starts_with('~') {
        Some("it names a home folder")
    } else if path.contains('\\') {
        Some("it holds a backslash, which is a folder on Windows")
    } else if path.contains(':') {
        Some("it holds a colon, which is a drive or a stream on Windows")
    } else {
        None
    }
}

/// The path from the root of `name`, which is given from the folder of the file that is scanned; nothing for a file within
/// an archive, whose neighbours nobody knows.
pub(crate) fn beside(source: &Source, name: &str) -> Option<String> {
    let path = source.path();
    if path.contains('!') {
        return None;
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    parts.extend(name.split('/').filter(|part| !part.is_empty() && *part != "."));
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::leaves_folder;

    #[test]
    fn a_name_stays_or_leaves() {
        for stays in ["weights.bin", "data/w.bin", "./w", "a..b", "...", "w (1).bin"] {
            assert_eq!(leaves_folder(stays), None, "{stays}");
        }
        for leaves in
            ["/etc/passwd", "../w", "a/../../w", "C:w", "a\\b", "w\0.bin", "http://x/w", "~/w", "w:stream", ".. /w"]
        {
            assert!(leaves_folder(leaves).is_some(), "{leaves}");
        }
    }
}
