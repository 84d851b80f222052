//! Detours: functions that make code of text, found through namespaces, and dangerous functions that are handed to others.

use super::{
    names,
    value::{Args, Taint, Value, What},
    walk::Walk,
};
use crate::rules;

/// Functions that look at what they are given, or keep it, and do not call it.
#[rustfmt::skip]
const LOOKERS: &[&str] = &[
    "append", "add", "get", "pop", "remove", "index", "count", "info", "debug", "warning", "error", "object", "patch", "assertEqual",
    "assertRaises", "wraps", "update_wrapper", "cast", "TypeVar", "Union", "NewType", "getsource", "signature", "spec", "MagicMock", "Mock",
    "code", "Code", "markdown", "Markdown",
];
/// Modules of such functions.
const LOOKING: &[&str] = &["builtins.", "inspect.", "typing.", "unittest.", "mock.", "dis.", "types.", "pytest."];

/// So many functions of a list or table are looked at.
const MOST_HELD: usize = 64;

/// Marks what a detour led to, so that calling it tells.
pub(super) fn marked(value: Value) -> Value {
    let hidden = value.as_path().is_some_and(|path| path == "builtins" || names::makes_code(path));
    if hidden { value.tainted(Taint::REACHED) } else { value }
}

/// Whether what is called so only looks at what it is given, or keeps it.
pub(super) fn is_looker(to: &str) -> bool {
    let last = to.rsplit('.').next().unwrap_or(to);
    LOOKERS.contains(&last) || LOOKING.iter().any(|module| to.starts_with(module))
}

impl Walk<'_> {
    /// What makes code of text is called, and was not found by its own name.
    pub(super) fn weigh_detour(&mut self, path: &str, at: u32) {
        if names::makes_code(path) {
            self.note(&rules::PYTHON_OBFUSCATED, format!("reaches `{path}` by a detour instead of by its name"), at);
        }
    }

    /// A dangerous function among the arguments of a call that nobody knows is called from there.
    pub(super) fn hand_over(&mut self, to: &str, args: &Args, at: u32) {
        let last = to.rsplit('.').next().unwrap_or(to);
        // A list of another module is called by that module.
        let foreign = to.contains('.') && matches!(last, "append" | "add");
        if is_looker(to)
            && !foreign
            && args.named("side_effect").is_none()
            && !matches!(to, "builtins.property" | "types.MethodType" | "types.SimpleNamespace")
        {
            return;
        }
        let weapon = |value: &Value| matches!(&value.what, What::Path(path) if names::is_weapon(path));
        if args.all().any(weapon) {
            self.call_what_is_given(args, at);
            return;
        }
        // In a list or a table of functions it is handed over as well.
        let held = args.all().flat_map(|value| match &value.what {
            What::List(items) => items.iter().take(MOST_HELD).cloned().collect(),
            What::Dict(items) => items.iter().take(MOST_HELD).map(|(_, value)| value.clone()).collect(),
            _ => Vec::new(),
        });
        if let Some(found) = held.into_iter().find(weapon) {
            self.call(&found, &Args::default(), at);
        }
    }
}
