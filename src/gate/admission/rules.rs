//! Reading rules: every word known, every condition understood, or nothing loads.
//!
//! Never says which rules enforce: a profile does.

use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;

use super::{
    expr::Expr,
    parse::{is_id, parse, unknown},
    rows::{Kind, Scope, Told},
};
use crate::domain::{facts::Group, refusal::Fault, role::Environment};

/// One rule as its file has it.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub scope: Scope,
    pub environment: Option<String>,
    /// What it does in production and elsewhere; nothing, where it is off.
    pub production: Option<Kind>,
    pub elsewhere: Option<Kind>,
    pub when: Expr,
    pub told: Arc<Told>,
}

impl Rule {
    pub(super) fn id(&self) -> &str {
        &self.told.id
    }

    fn name(&self) -> String {
        self.told.part.as_ref().map_or_else(|| self.told.id.clone(), |part| format!("{}/{part}", self.told.id))
    }
}

/// Reads a rule as TOML has it. What is wrong is told with the rule's id.
pub(super) fn understand(raw: Vec<Raw>, file: &str) -> Result<Vec<Rule>, Fault> {
    let read = |raw: Raw| {
        let id = raw.id.clone();
        raw.understood().map_err(|why| Fault::new(format!("reading the rules of {file}: rule `{id}`: {why}")))
    };
    raw.into_iter().map(read).collect()
}

/// What one rule alone cannot show: no id twice, and nothing lifts what nothing may lift.
pub(super) fn check_together(rules: &[Rule]) -> Result<(), Fault> {
    let wrong = |rule: &Rule, why: String| Fault::new(format!("reading the rules: rule `{}`: {why}", rule.name()));
    let ids: Vec<_> = rules.iter().map(Rule::id).collect();
    let mut names = BTreeSet::new();
    for rule in rules {
        if !names.insert(rule.name()) {
            return Err(wrong(rule, "its id is already taken; a second rule under it has a `part`".to_owned()));
        }
        for lifted in rule.when.lifts() {
            if !ids.contains(&lifted) {
                return Err(wrong(rule, unknown("rule's id", lifted, &ids)));
            }
            if NEVER_LIFTED.contains(&lifted) || NEVER_LIFTED.contains(&rule.id()) {
                return Err(wrong(rule, format!("{} can be neither answered nor waived", NEVER_LIFTED.join(", "))));
            }
        }
    }
    Ok(())
}

/// The rules' file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub rule: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    id: String,
    part: Option<String>,
    scope: Option<String>,
    environment: Option<String>,
    about: String,
    effect: Option<String>,
    production: Option<String>,
    elsewhere: Option<String>,
    when: Option<String>,
    #[serde(default)]
    cooling: bool,
    owner: String,
    title: String,
    sentence: String,
}

impl Raw {
    fn understood(self) -> Result<Rule, String> {
        if !is_id(&self.id) {
            return Err("an id is a capital letter, a dash and three digits".to_owned());
        }
        let scope = match self.scope.as_deref() {
            None | Some("revision") => Scope::Revision,
            Some("file") => Scope::File,
            Some(other) => return Err(unknown("scope", other, &["revision", "file"])),
        };
        if let Some(name) = self.environment.as_deref().filter(|name| Environment::new(name).is_none()) {
            return Err(format!("`{}` is no environment", name.escape_default()));
        }
        let (production, elsewhere) = effects(self.effect, self.production, self.elsewhere)?;
        let about = ABOUT.iter().position(|word| *word == self.about);
        let about = about.ok_or_else(|| unknown("kind of reason", &self.about, ABOUT))?;
        for (what, text, most) in
            [("owner", &self.owner, 40), ("title", &self.title, 60), ("sentence", &self.sentence, 130)]
        {
            let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
            if !printable || text.is_empty() || text.len() > most {
                return Err(format!("its {what} is up to {most} printable ASCII characters"));
            }
        }
        if let Some(part) = self.part.as_deref().filter(|part| !is_part(part)) {
            return Err(format!("`{}` is no part: up to 20 lower-case letters and dashes", part.escape_default()));
        }
        let when = match (self.when, self.id == DEFAULT) {
            (Some(_), true) => return Err("it is what holds when nothing allows; it has no condition".to_owned()),
            // A person's approval of what nothing else allows.
            (None, true) => Expr::Answered(DEFAULT.to_owned()),
            (Some(text), false) => parse(&text)?,
            (None, false) => return Err("it has no condition (`when`)".to_owned()),
        };
        if self.id == DEFAULT && (scope, &self.environment, self.part.is_some()) != (Scope::Revision, &None, false) {
            return Err("it holds for every revision everywhere, and once".to_owned());
        }
        check_scope(scope, &when, [production, elsewhere])?;
        let (id, part, cooling) = (self.id, self.part, self.cooling);
        let told = Told { id, part, about, cooling, owner: self.owner, title: self.title, sentence: self.sentence };
        if cooling && when.ages().is_empty() {
            return Err("it is `cooling` and compares no age, so time does not end it".to_owned());
        }
        Ok(Rule { scope, environment: self.environment, production, elsewhere, when, told: Arc::new(told) })
    }
}

/// Files are only hidden, and only they are; a revision's rule sees no single file.
pub(super) fn check_scope(scope: Scope, when: &Expr, effects: [Option<Kind>; 2]) -> Result<(), String> {
    for kind in effects.into_iter().flatten() {
        if (kind == Kind::Hide) != (scope == Scope::File) {
            return Err("`hide` is what rules of scope `file` do, and all they do".to_owned());
        }
    }
    if scope == Scope::Revision && when.fields().iter().any(|field| field.group() == Group::File) {
        return Err("a rule about a revision cannot read a file's facts (`r.f`)".to_owned());
    }
    Ok(())
}

/// `effect` for both places, or one for each.
pub(super) fn effects(
    effect: Option<String>,
    production: Option<String>,
    elsewhere: Option<String>,
) -> Result<(Option<Kind>, Option<Kind>), String> {
    match (effect, production, elsewhere) {
        (Some(effect), None, None) => kind(&effect).map(|kind| (kind, kind)),
        (None, Some(production), Some(elsewhere)) => Ok((kind(&production)?, kind(&elsewhere)?)),
        _ => Err("it has an `effect`, or both `production` and `elsewhere`".to_owned()),
    }
}

fn kind(word: &str) -> Result<Option<Kind>, String> {
    if word == "off" {
        return Ok(None);
    }
    let words = ["deny", "review", "allow", "hide", "off"];
    Kind::ALL.into_iter().find(|kind| kind.word() == word).map(Some).ok_or_else(|| unknown("effect", word, &words))
}

fn is_part(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// What holds when nothing allows.
pub(super) const DEFAULT: &str = "W-000";

/// Malicious, incomplete, re-registered: nobody lifts these, one person or two.
pub const NEVER_LIFTED: [&str; 3] = ["W-001", "W-002", "W-003"];

/// What enforces under any profile, whatever its file says, and the least it does.
pub(super) const ALWAYS: [(&str, Kind); 9] = [
    ("W-001", Kind::Deny),
    ("W-002", Kind::Deny),
    ("W-003", Kind::Deny),
    ("W-004", Kind::Deny),
    ("W-013", Kind::Review),
    ("W-018", Kind::Deny),
    ("W-022", Kind::Deny),
    ("W-023", Kind::Deny),
    ("W-024", Kind::Deny),
];

/// The kinds of reasons: of several, the first makes the headline.
pub(super) const ABOUT: &[&str] = &[
    "malicious",
    "identity",
    "incomplete",
    "supplier",
    "files",
    "secrets",
    "standing",
    "data",
    "code",
    "pickle",
    "finding",
    "licence",
    "terms",
    "lineage",
    "publisher",
    "capability",
    "size",
    "age",
    "nothing",
];
