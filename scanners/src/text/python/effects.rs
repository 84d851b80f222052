//! What calling into the standard library does while a file is imported, from the table of its modules. Knows nothing of
//! arguments: what a call does with those is for `names` and `judge` to say.

use std::{collections::HashMap, sync::LazyLock};

/// What nobody vouches for is said to do this.
const UNKNOWN: &str = "is one that nobody vouches for";
/// Modules whose every function is listed: another one is hidden, or newer than this table.
const LISTED: &[&str] = &["os", "sys", "ctypes", "importlib"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Harmless,
    /// With what it does.
    Acts(&'static str),
}

struct Table {
    names: HashMap<&'static str, Effect>,
    /// Beginnings of names.
    begins: Vec<(&'static str, Effect)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { names: HashMap::new(), begins: Vec::new() };
    for line in include_str!("../../../data/library.txt").lines() {
        if !line.is_empty() && !line.starts_with('#') {
            table.names.insert(line, Effect::Acts(UNKNOWN));
        }
    }
    let mut effect = Effect::Harmless;
    for line in include_str!("../../../data/import-time.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some((kind, says)) = line.strip_prefix('[').and_then(|line| line.trim_end_matches(']').split_once(": "))
        {
            effect = if kind == "harmless" { Effect::Harmless } else { Effect::Acts(says) };
            continue;
        }
        for name in line.split_whitespace() {
            match name.strip_suffix('*') {
                Some(begin) => table.begins.push((begin, effect)),
                None => drop(table.names.insert(name, effect)),
            }
        }
    }
    table
});

fn effect(path: &str) -> Option<Effect> {
    let table = &*TABLE;
    if let Some((_, effect)) = table.begins.iter().find(|(begin, _)| path.starts_with(begin)) {
        return Some(*effect);
    }
    let mut name = path;
    loop {
        if let Some(effect) = table.names.get(name) {
            return Some(*effect);
        }
        name = name.rsplit_once('.')?.0;
    }
}

/// What a call of `path` can do at import that somebody should know of; nothing where it is known to be harmless, or where
/// it is not of the standard library.
pub(super) fn acts(path: &str) -> Option<&'static str> {
    // What a call returned is judged where that call is.
    if path.contains("()") || path.contains("[]") || is_exception(path) {
        return None;
    }
    match effect(path)? {
        Effect::Harmless => None,
        Effect::Acts(says) => Some(says),
    }
}

/// Whether a name that is not known otherwise can be taken for one of this module, of which every name was imported.
pub(super) fn is_acting_module(module: &str) -> bool {
    !LISTED.contains(&module) && module != "socket" && matches!(TABLE.names.get(module), Some(Effect::Acts(_)))
}

/// Whether a call of `path` only computes, writes messages or asks: text that it is given is not run.
pub(super) fn is_harmless(path: &str) -> bool {
    let start = path.split("()").next().unwrap_or(path);
    effect(start) == Some(Effect::Harmless)
}

/// A name of one of the modules whose every name is listed, and not one of these.
pub(super) fn is_unlisted(path: &str) -> bool {
    let Some((module, name)) = path.split_once('.') else { return false };
    LISTED.contains(&module)
        && !name.contains(['.', '(', '[', '?'])
        && !name.starts_with("__")
        && name.contains(|c: char| c.is_ascii_lowercase())
        && !is_exception(path)
        && !TABLE.names.contains_key(path)
        && !TABLE.begins.iter().any(|(begin, _)| path.starts_with(begin))
}

fn is_exception(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    last.starts_with(|c: char| c.is_ascii_uppercase())
        && ["Error", "Exception", "Warning", "Exit", "Interrupt", "Iteration", "Group", "Expired"]
            .iter()
            .any(|end| last.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::{acts, is_harmless, is_unlisted};

    #[test]
    fn the_longest_name_decides() {
        assert!(
            acts("os.path.join").is_none() && acts("os.getenv").is_none() && acts("os.sched_getaffinity").is_none()
        );
        assert!(acts("os.chroot").is_some() && acts("os.new_in_some_version").is_some());
        assert!(acts("logging.getLogger").is_none() && acts("logging.config.fileConfig").is_some());
        assert!(acts("torch.nn.Linear").is_none() && acts("osmnx.graph").is_none());
        assert!(acts("subprocess.TimeoutExpired").is_none());
        assert!(is_harmless("logging.getLogger().info") && !is_harmless("timeit.Timer") && !is_harmless("x.y"));
        assert!(is_unlisted("os.sytsem") && !is_unlisted("os.getpid") && !is_unlisted("os.path.x"));
    }
}
