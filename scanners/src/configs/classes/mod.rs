//! What it means that a config names a class or a function, which a loader will import and call.
//!
//! A name of a framework counts only as long as it stays within the framework: one step into a module that the framework
//! itself imports (`transformers.utils.os`) leads anywhere.

mod names;
#[cfg(test)]
mod tests;

use self::names::{
    ALIASES, ALSO_FOLDERS, ALSO_INNER, COMPUTING, EXECUTING, GADGETS, LOADING, LOADING_DATA, ORDINARY, ORDINARY_BELOW,
    READING, RUNNING, VOUCHED,
};
use super::paths;
use crate::{
    pickle::tables::{self, Entry, Tier},
    rules,
    scan::Scan,
    source::Source,
};

/// What naming it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Weigh {
    /// A class of a framework.
    Vouched,
    /// It runs code, opens files or connects; why.
    Dangerous(String),
    /// It lies in this repository, in this file.
    Local(String),
    /// Nobody vouches for it.
    Unknown,
}

/// Weighs `package.module.Class`, also as `package.module:Class`.
pub(crate) fn weigh(scan: &Scan<'_>, source: &Source, name: &str) -> Weigh {
    let name = name.trim().replace(':', ".");
    let parts: Vec<&str> = name.split('.').filter(|part| !part.is_empty()).collect();
    let weigh = alone(&parts);
    if weigh != Weigh::Unknown {
        return weigh;
    }
    // The folder of a project's own code: nobody installs a package of that name.
    if let Some(("src", rest)) = name.split_once('.') {
        return Weigh::Local(format!("src/{}", rest.replace('.', "/")));
    }
    for length in (1..=parts.len()).rev() {
        let file = parts.get(..length).unwrap_or_default().join("/") + ".py";
        if let Some(found) = paths::neighbour(scan, source, &file) {
            return Weigh::Local(found);
        }
    }
    Weigh::Unknown
}

/// What a name means that stands by itself, without a repository around it.
fn alone(parts: &[&str]) -> Weigh {
    let Some((first, inner)) = parts.split_first().filter(|(first, _)| !first.is_empty()) else {
        return Weigh::Unknown;
    };
    let name = parts.join(".");
    if ORDINARY.contains(&name.as_str()) {
        return Weigh::Vouched;
    }
    if let Some(why) = hop(first, inner) {
        return Weigh::Dangerous(why);
    }
    let ours = VOUCHED.contains(first);
    let module = inner.is_empty() && (ours || EXECUTING.contains(first) && !ALSO_FOLDERS.contains(first));
    if inner.is_empty() && !module || matches!(*first, "builtins" | "__builtin__") {
        return builtin(inner.first().unwrap_or(first), &name, inner.is_empty());
    }
    if !ours && vouched(parts) {
        return Weigh::Vouched;
    }
    // A project can have a folder `code`; the module of that name has no modules in it.
    if EXECUTING.contains(first) && (parts.len() == 2 || !ALSO_FOLDERS.contains(first)) {
        let known = warned(parts, false).filter(|entry| !is_library(entry));
        return Weigh::Dangerous(known.map_or_else(
            || format!("the module `{first}` runs programs or code, opens files or connects"),
            |entry| uncapitalised(entry.why),
        ));
    }
    let below = |list: &[&'static str]| list.iter().find(|path| is_below(&name, path)).copied();
    if let Some(gadget) = below(GADGETS) {
        return Weigh::Dangerous(format!("`{gadget}` loads or runs what it is given"));
    }
    if ours && inner.last().is_some_and(|last| RUNNING.contains(last)) {
        return Weigh::Dangerous(format!("what is called `{}` runs what it is given", inner.last().unwrap_or(first)));
    }
    if ours && inner.last().is_some_and(|last| reads(last)) && below(ORDINARY_BELOW).is_none() {
        return Weigh::Unknown;
    }
    if below(ORDINARY_BELOW).is_some() || inner.last().is_some_and(|last| ours && LOADING.contains(last)) {
        return Weigh::Vouched;
    }
    if let Some(entry) = warned(parts, ours) {
        // What a framework's function could do with what a pickle gives it says little of a config, where such functions
        // are at home; nor does it that something is in the standard library.
        let certain = entry.tier == Tier::Execution || !ours && !is_library(entry);
        let computes = is_library(entry) && COMPUTING.contains(first) && parts.len() <= 3;
        return if certain {
            Weigh::Dangerous(uncapitalised(entry.why))
        } else if computes || ours && is_class(inner) {
            Weigh::Vouched
        } else {
            Weigh::Unknown
        };
    }
    if COMPUTING.contains(first) && parts.len() <= 3 {
        return Weigh::Vouched;
    }
    // Functions of a framework's inner modules are nothing that anybody writes into a config; their classes are.
    let private = inner.iter().any(|part| part.starts_with('_') && !part.starts_with("__"));
    if ours && (!private || is_class(inner) || vouched(parts)) { Weigh::Vouched } else { Weigh::Unknown }
}

/// Whether a function of this name reads files that can hold code.
fn reads(last: &str) -> bool {
    let bare = last.trim_start_matches('_');
    let loads = bare.starts_with("load_") || bare.starts_with("attempt_load") || bare.starts_with("unpickle");
    READING.contains(&bare) || loads && !LOADING_DATA.contains(&bare) && !LOADING.contains(&bare)
}

/// Why a name leads out of its package, if it does.
fn hop(first: &str, inner: &[&str]) -> Option<String> {
    let ours = VOUCHED.contains(&first);
    for (place, part) in inner.iter().enumerate() {
        if part.starts_with("__") && !matches!(*part, "__main__" | "__init__" | "__version__") {
            return Some(format!("it walks through `{part}`"));
        }
        // `xgboost.collective` has a function of the name; a module of a framework's own begins with its name.
        let bare = part.trim_start_matches('_');
        let own = ALSO_INNER.contains(&bare) || place == 0 && matches!((first, bare), ("torch", "multiprocessing"));
        let away = leads_away(part) || EXECUTING.contains(&bare) && ours || ALIASES.contains(part);
        // The last part of a name is called; before it, it is walked through.
        let walked = place + 1 < inner.len();
        if walked && away && (!own || part.starts_with('_')) {
            return Some(format!("it walks through `{first}` to the module `{part}`"));
        }
    }
    None
}

/// Whether a name in a module is another module, by which everything is reached.
fn leads_away(part: &str) -> bool {
    let entry = tables::look_up("collections", part);
    entry.and_then(|entry| entry.rule).is_some_and(|rule| rule.id == rules::DOTTED_HOP.id)
}

/// A builtin: `builtins.eval`, and `eval` without a module.
fn builtin(builtin: &str, name: &str, bare: bool) -> Weigh {
    const PLAIN: &[&str] =
        &["len", "max", "min", "sum", "abs", "round", "sorted", "zip", "print", "any", "all", "reversed"];
    match tables::look_up("builtins", builtin) {
        Some(entry) if matches!(entry.tier, Tier::Inert | Tier::Framework) => {
            if bare || builtin != "getattr" {
                Weigh::Vouched
            } else {
                Weigh::Dangerous(opens(name))
            }
        }
        _ if PLAIN.contains(&builtin) => Weigh::Vouched,
        Some(entry) if matches!(entry.tier, Tier::Execution | Tier::Gadget) => {
            Weigh::Dangerous(uncapitalised(entry.why))
        }
        _ if bare => Weigh::Unknown,
        _ => Weigh::Dangerous(opens(name)),
    }
}

fn opens(name: &str) -> String {
    format!("`{name}` is a builtin that runs or opens things")
}

fn vouched(parts: &[&str]) -> bool {
    let entry = parts.split_last().and_then(|(last, module)| tables::look_up(&module.join("."), last));
    entry.is_some_and(|entry| matches!(entry.tier, Tier::Inert | Tier::Framework))
}

/// What is warned of, whichever part of the name is taken for the module. In a pickle no name of some packages has any
/// business; in a config their classes are what it is about, and the names that run things are in a list of their own.
fn warned(parts: &[&str], ours: bool) -> Option<&'static Entry> {
    let warns = |module: &str, name: &str| {
        tables::look_up(module, name).filter(|entry| matches!(entry.tier, Tier::Execution | Tier::Gadget))
    };
    let first = parts.first().copied().unwrap_or_default();
    if ours && warns(first, "AnyClassOfIt").is_some() {
        return None;
    }
    (1..parts.len()).find_map(|cut| {
        let (module, rest) = parts.split_at(cut);
        warns(&module.join("."), &rest.join("."))
    })
}

/// Whether all that is said of it is that it belongs to Python.
fn is_library(entry: &Entry) -> bool {
    entry.why.contains("standard library")
}

fn is_class(inner: &[&str]) -> bool {
    inner.last().is_some_and(|last| last.trim_start_matches('_').starts_with(|c: char| c.is_ascii_uppercase()))
}

fn is_below(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn uncapitalised(why: &str) -> String {
    let mut letters = why.trim_end_matches('.').chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
