//! Which files are meant: patterns as `hf download --include` has them, over whole paths.
//!
//! `*` is anything, slashes too; `?` is one character, `[ab]` and `[a-z]` one of these, `[!ab]` another one; a pattern that
//! ends with a slash means all below. Anything else means itself. Never takes longer than pattern times path.

/// Whether a path is wanted: some `include` means it, or there is none, and no `exclude` does.
pub fn wanted(path: &str, include: &[String], exclude: &[String]) -> bool {
    let any = |globs: &[String]| globs.iter().any(|glob| matches(glob, path));
    (include.is_empty() || any(include)) && !any(exclude)
}

pub fn matches(glob: &str, path: &str) -> bool {
    let below = if glob.ends_with('/') { "*" } else { "" };
    let pattern = parts(&format!("{glob}{below}"));
    let text: Vec<char> = path.chars().collect();
    let (mut at, mut next) = (0, 0);
    // Where the last star stands, and how far it reaches: whenever the rest does not fit, it takes one more.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(next) {
            Some(Part::Star) => {
                star = Some((next, at));
                next += 1;
            }
            Some(part) if part.is(text.get(at).copied()) => {
                at += 1;
                next += 1;
            }
            _ => match star {
                Some((place, reach)) => {
                    star = Some((place, reach + 1));
                    (next, at) = (place + 1, reach + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(next).all(|part| matches!(part, Part::Star))
}

enum Part {
    Star,
    Any,
    One(char),
    Set { not: bool, ranges: Vec<(char, char)> },
}

impl Part {
    fn is(&self, c: Option<char>) -> bool {
        let Some(c) = c else { return false };
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::One(one) => *one == c,
            Self::Set { not, ranges } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *not,
        }
    }
}

fn parts(glob: &str) -> Vec<Part> {
    let text: Vec<char> = glob.chars().collect();
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(c) = text.get(at) {
        at += 1;
        parts.push(match c {
            '*' => Part::Star,
            '?' => Part::Any,
            '[' => match set(text.get(at..).unwrap_or_default()) {
                Some((part, length)) => {
                    at += length;
                    part
                }
                None => Part::One('['),
            },
            other => Part::One(*other),
        });
    }
    parts
}

/// What stands after a `[`, and how long it is with its `]`; `None` when nothing closes it. A `]` right at the beginning
/// is one of the set.
fn set(text: &[char]) -> Option<(Part, usize)> {
    let not = text.first() == Some(&'!');
    let begin = usize::from(not);
    let length = text.iter().skip(begin + 1).position(|c| *c == ']')? + 1;
    let inside = text.get(begin..begin + length)?;
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(from) = inside.get(at) {
        if let (Some('-'), Some(to)) = (inside.get(at + 1), inside.get(at + 2)) {
            ranges.push((*from, *to));
            at += 3;
        } else {
            ranges.push((*from, *from));
            at += 1;
        }
    }
    Some((Part::Set { not, ranges }, begin + length + 1))
}

#[cfg(test)]
mod tests {
    use super::{matches, wanted};

    /// As Python's `fnmatch.fnmatchcase`, which the hub's clients use.
    #[test]
    fn patterns_mean_what_they_mean_to_hf_download() {
        for (glob, path, fits) in [
            ("*.safetensors", "model.safetensors", true),
            ("*.safetensors", "deep/er/model.safetensors", true),
            ("*.safetensors", "model.safetensors.index.json", false),
            ("model-0000?-of-*", "model-00001-of-00030.bin", true),
            ("model-0000?-of-*", "model-0001-of-00030.bin", false),
            ("onnx/", "onnx/model.onnx", true),
            ("onnx/", "onnx.json", false),
            ("[a-c]*.txt", "b.txt", true),
            ("[!a-c]*.txt", "b.txt", false),
            ("[!a-c]*.txt", "d.txt", true),
            ("x[]]y", "x]y", true),
            ("x[y", "x[y", true),
            ("*", "", true),
            ("", "a", false),
            ("a**b*c", "axxbxxc", true),
            ("Model.bin", "model.bin", false),
        ] {
            assert_eq!(matches(glob, path), fits, "{glob} {path}");
        }
        assert!(!matches(&"*a".repeat(40), &"a".repeat(30)), "and soon");
        let globs = |list: &[&str]| list.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>();
        assert!(wanted("a.json", &[], &[]));
        assert!(wanted("a.json", &globs(&["*.json"]), &globs(&["b*"])));
        assert!(!wanted("b.json", &globs(&["*.json"]), &globs(&["b*"])));
        assert!(!wanted("a.bin", &globs(&["*.json"]), &[]));
    }
}
