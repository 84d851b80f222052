//! Names of members: which of them leave their folder, and which read differently to different programs.

use unicode_normalization::UnicodeNormalization;

/// Whether a member of this name would be written outside the folder that it is unpacked to.
pub(crate) fn escapes(name: &str) -> bool {
    let mut letters = name.chars();
    let drive = matches!((letters.next(), letters.next()), (Some(letter), Some(':')) if letter.is_ascii_alphabetic());
    if drive || name.starts_with(['/', '\\']) {
        return true;
    }
    leaves(name, 0)
}

/// Whether a link of this name would lead outside, if it has this target.
pub(super) fn link_escapes(name: &str, target: &str) -> bool {
    let depth = name.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").count();
    if target.starts_with(['/', '\\']) || target.get(1..2) == Some(":") {
        return true;
    }
    leaves(target, i64::try_from(depth).unwrap_or(i64::MAX).saturating_sub(1))
}

fn leaves(path: &str, from: i64) -> bool {
    let mut depth = from;
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// What makes the name read differently to different programs, if anything does. `windows`: the archive was made where folders
/// are separated by backslashes.
pub(super) fn deceives(name: &str, windows: bool) -> Option<&'static str> {
    if name.bytes().all(|byte| matches!(byte, b' '..=b'}') && !matches!(byte, b'%' | b':' | b'\\')) {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("~/") {
        return Some("a tilde, which some programs take for a home folder");
    }
    if lower.contains("%2f") || lower.contains("%5c") {
        return Some("an encoded slash, which some programs decode");
    }
    if lower.contains("::$") {
        return Some("the name of an NTFS stream");
    }
    for c in name.chars() {
        match c {
            '\0' => return Some("a zero byte, where some programs end it"),
            '\\' if !windows => return Some("a backslash, which only some programs take for a folder"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                return Some("a mark that turns the direction of writing");
            }
            '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}' => {
                return Some("a letter that has no width");
            }
            c if c.is_control() => return Some("a control character"),
            _ => {}
        }
    }
    None
}

/// The name as the most forgiving program reads it: two members whose names fold to the same are one to some loader.
pub(super) fn folded(name: &str) -> String {
    let cut = name.split('\0').next().unwrap_or(name);
    if cut.is_ascii() {
        let mut folded = String::with_capacity(cut.len());
        for part in cut.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".") {
            if !folded.is_empty() {
                folded.push('/');
            }
            folded.push_str(part);
        }
        folded.make_ascii_lowercase();
        return folded;
    }
    let parts: Vec<String> = cut
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .map(|part| part.nfkc().flat_map(char::to_lowercase).collect())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_its_folder_escapes() {
        for name in ["../a", "a/../../b", "/etc/passwd", "C:\\x", "c:x", "..\\a", "\\\\host\\x", "a/b/../../.."] {
            assert!(escapes(name), "{name}");
        }
        for name in ["a", "a/b", "a/../b", "./a", "..a/b", "a..", "archive/data.pkl", "...", "a:b"] {
            assert!(!escapes(name) || name == "a:b", "{name}");
        }
        assert!(link_escapes("a/b", "../../c") && link_escapes("b", "/etc") && !link_escapes("a/b", "../c"));
    }

    #[test]
    fn names_that_some_loader_takes_for_one_fold_to_one() {
        assert_eq!(folded("Archive\\Data.pkl"), folded("archive//./data.PKL\0.txt"));
        assert_ne!(folded("a/b"), folded("ab"));
        assert!(deceives("a\u{202e}b", false).is_some() && deceives("a\\b", true).is_none());
    }
}
