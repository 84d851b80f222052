//! The one model that the access plane accepts: what is shipped in `policies/access.conf`, whatever its comments say.
//!
//! Casbin accepts much more, and some of it opens: a second section `p2` takes denies for allows, an unknown effect
//! panics, built-in matchers panic on what callers send, `eval` runs text from a row, and of a definition given twice the
//! last one counts. Its own reader is never used: it is handed our definitions one by one.

use std::{collections::BTreeMap, fmt::Display};

use casbin::{DefaultModel, Model};

use crate::domain::refusal::Fault;

pub(super) const SHIPPED: &str = include_str!("../../../policies/access.conf");

/// Whether a model's text says what the shipped one says.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    says_the_same("access", text, SHIPPED)
}

/// The shipped definitions as Casbin holds them.
pub(super) fn build() -> Result<DefaultModel, Fault> {
    definitions("access", SHIPPED)
}

/// Whether a plane's model says what its shipped one says, whatever its comments and spaces.
pub(in crate::gate) fn says_the_same(plane: &str, text: &str, shipped: &str) -> Result<(), Fault> {
    let wrong = |what: String| wrong(plane, what);
    let (given, shipped) = (read(text).map_err(wrong)?, read(shipped).map_err(wrong)?);
    if let Some((section, key)) = given.keys().find(|name| !shipped.contains_key(*name)) {
        return Err(wrong(format!("`{key}` in [{section}] is not part of the {plane} plane's model")));
    }
    for (name, definition) in &shipped {
        let (section, key) = name;
        match given.get(name) {
            None => return Err(wrong(format!("`{key}` in [{section}] is missing"))),
            Some(other) if squeeze(other) != squeeze(definition) => {
                return Err(wrong(format!("`{key}` in [{section}] must be `{definition}`")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A plane's shipped definitions as Casbin holds them.
pub(in crate::gate) fn definitions(plane: &str, shipped: &str) -> Result<DefaultModel, Fault> {
    let wrong = |what: String| wrong(plane, what);
    let mut model = DefaultModel::default();
    for ((_, key), definition) in read(shipped).map_err(wrong)? {
        if !model.add_def(&key, &key, &definition) {
            return Err(wrong(format!("Casbin does not take `{key}`")));
        }
    }
    Ok(model)
}

type Definitions = BTreeMap<(String, String), String>;

fn read(text: &str) -> Result<Definitions, String> {
    let mut definitions = Definitions::new();
    let mut section = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
            continue;
        }
        let Some((key, definition)) = line.split_once('=') else {
            return Err(format!("line {number}: neither a section nor a definition"));
        };
        let name = (section.clone(), key.trim().to_owned());
        if definitions.insert(name, definition.trim().to_owned()).is_some() {
            return Err(format!("line {number}: `{}` is defined twice", key.trim()));
        }
    }
    Ok(definitions)
}

fn squeeze(definition: &str) -> String {
    definition.split_whitespace().collect()
}

fn wrong(plane: &str, what: impl Display) -> Fault {
    Fault::new(format!("reading the {plane} model: {what}"))
}
