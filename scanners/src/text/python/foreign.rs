//! Calls of what this scanner has no name for: parts of the standard library that nobody vouches for, names that are made
//! while the code runs, texts that would do harm as code, code of other repositories.

use super::{
    effects, names,
    names::Deed,
    reach,
    value::{Args, HOLE, Value, What},
    walk::Walk,
};
use crate::{rules, text::shell::shortened};

/// Modules of which it matters what is called.
const TELLING: &[&str] = &["os", "subprocess", "builtins", "ctypes", "pty", "sys", "importlib"];
/// Without one of these no text does harm as Python.
const WORDS: &[&str] = &["import", "exec", "eval", "__", "open("];
/// Longer texts are read as text only.
const LONGEST: usize = 1 << 16;

impl Walk<'_> {
    /// A call that is no deed by its name: at import, of a part of the library that can act; at any time, of a name that
    /// cannot be read, or that is no known one of a module that matters.
    pub(super) fn weigh_unknown(&mut self, path: &str, args: &Args, at: u32) {
        let made = path.strip_suffix(".?").or_else(|| path.strip_suffix(".__dict__[]"));
        if let Some(module) = made.filter(|module| TELLING.contains(module)) {
            let message = format!("calls something of `{module}` whose name cannot be read in the code");
            self.note(&rules::PYTHON_OBFUSCATED, message, at);
        } else if self.at_import()
            && let Some((of, "system")) = path.rsplit_once('.')
            && (of.contains("()") || of.contains("[]"))
            && matches!(args.at(0).what, What::Text(_))
        {
            self.weigh_starter("system", args, at);
        } else if effects::is_unlisted(path) {
            self.note(
                &rules::PYTHON_RISKY_CALL,
                format!("calls `{path}`, which is no known function of its module"),
                at,
            );
        } else if self.at_import()
            && let Some(says) = effects::acts(path)
        {
            self.note(&rules::PYTHON_RISKY_CALL, format!("calls `{path}`: this part of Python's library {says}"), at);
        }
    }

    /// A function that starts programs by its name, of something that cannot be followed: at import that is enough to say.
    pub(super) fn weigh_starter(&mut self, name: &str, args: &Args, at: u32) {
        let command = name == "system" && matches!(args.at(0).what, What::Text(_));
        if self.at_import() && (command || names::is_starter(name)) {
            let message = format!("calls `{name}` of something that cannot be followed");
            self.note(&rules::PYTHON_RISKY_CALL, message, at);
        }
    }

    /// Texts among the arguments of a call that nobody knows: whoever runs them as Python runs something harmful.
    pub(super) fn weigh_texts(&mut self, to: &str, args: &Args, at: u32) {
        // A reference is text that is evaluated later.
        let refers = to.ends_with("ForwardRef") || to.ends_with("get_type_hints");
        if !refers && (reach::is_looker(to) || effects::is_harmless(to)) {
            return;
        }
        let held = |value: &Value| match &value.what {
            What::List(items) => items.iter().take(16).cloned().collect(),
            What::Dict(items) => items.iter().take(16).map(|(_, value)| value.clone()).collect(),
            _ => vec![value.clone()],
        };
        for value in args.all().flat_map(held) {
            let length = match &value.what {
                What::Text(text) => text.len(),
                What::Bytes(bytes) => bytes.len(),
                _ => continue,
            };
            if !(10..LONGEST).contains(&length) {
                continue;
            }
            self.charge(&value);
            let text = value.shown();
            if !text.contains('(') || !WORDS.iter().any(|word| text.contains(word)) {
                continue;
            }
            // In a query names of the program have a sign before them.
            let code = text.replace(HOLE, "_").replace("@_", "_");
            if let Some(harm) = self.would_harm(&code) {
                let to = if to.is_empty() { "something".to_owned() } else { format!("`{to}`") };
                let harm = harm.replace("Importing this file ", "").replace("Calling into this code ", "");
                let message = format!("hands {to} a text which, run as code, {}", shortened(&harm));
                self.note(&rules::PYTHON_DYNAMIC, message, at);
                return;
            }
        }
    }

    /// `trust_remote_code=True`: code of the repository that is named, which nobody has looked at here.
    pub(super) fn weigh_remote_code(&mut self, on: &Value, name: &str, args: &Args, at: u32) {
        let pipeline = args.named("custom_pipeline").and_then(Value::as_text).filter(|name| name.contains('/'));
        if let (true, Some(name)) = (self.at_import(), pipeline) {
            let given = Args { given: vec![Value::text(name)], named: Vec::new() };
            self.did(Deed::Borrow, "custom_pipeline", &given, at);
        }
        let Some(trusts) = args.named("trust_remote_code") else { return };
        // Functions of the file are gone into, and pass on what they are told.
        let own = matches!(on.what, What::Function(..) | What::Class(_) | What::Object(_) | What::Lambda(_));
        if own || trusts.as_number() == Some(0) || on.as_path() == Some("builtins.dict") {
            return;
        }
        let named = ["pretrained_model_name_or_path", "model", "model_name_or_path", "path", "repo_id"];
        let texts: Vec<&str> = args
            .given
            .iter()
            .chain(named.iter().filter_map(|name| args.named(name)))
            .filter_map(Value::as_text)
            .filter(|text| text.len() < 200)
            .collect();
        // `pipeline` has the task first; repositories have a slash.
        let repository = texts.iter().find(|text| text.contains('/')).or(texts.first()).map(|text| (*text).to_owned());
        // A folder beside the file is read with the file.
        if repository.as_deref().is_some_and(|name| name.starts_with('.')) {
            return;
        }
        if self.at_import() && trusts.as_number() == Some(1) {
            let given = Args { given: repository.iter().map(Value::text).collect(), named: Vec::new() };
            self.did(Deed::Borrow, if name.is_empty() { "trust_remote_code" } else { name }, &given, at);
        }
        self.account.remote_code.extend(repository);
    }
}
