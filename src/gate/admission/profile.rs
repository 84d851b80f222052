//! Reading a profile, and making rows of the rules as it has them.
//!
//! A profile can soften rules, let them only record, and add its own; what is enforced under any profile it cannot touch.
//! Never reads a fact.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    expr::Expr,
    parse::{parse, unknown},
    rows::{Kind, Mode, Place, Row},
    rules::{self, ALWAYS, DEFAULT, NEVER_LIFTED, Rule},
};
use crate::domain::refusal::Fault;

/// A policy's rows, and what it makes of a revision that none of them allows.
#[derive(Debug)]
pub(super) struct Profiled {
    pub name: String,
    pub rows: Vec<Row>,
    pub default: Kind,
}

pub(super) fn apply(rules: &str, profile: &str) -> Result<Profiled, Fault> {
    let broken = |file: &'static str| move |cause| Fault::because(format!("reading {file}"), cause);
    let file: rules::File = toml::from_str(rules).map_err(broken("the admission rules"))?;
    let profile: File = toml::from_str(profile).map_err(broken("the admission profile"))?;
    let wrong = |why: String| Fault::new(format!("reading the profile `{}`: {why}", profile.profile.escape_default()));
    if !is_name(&profile.profile) {
        return Err(wrong("its name is up to 20 lower-case letters, digits and dashes".to_owned()));
    }
    let mut rules = rules::understand(file.rule, "admission.toml")?;
    if rules.is_empty() {
        return Err(Fault::new("reading the admission rules: there are none, and none would allow anything"));
    }
    let ids: Vec<_> = rules.iter().map(|rule| rule.id().to_owned()).collect();
    for (id, change) in &profile.rules {
        if !ids.contains(id) {
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            return Err(wrong(unknown("rule's id", id, &ids)));
        }
        if ALWAYS.iter().any(|(always, _)| always == id) {
            return Err(wrong(format!("`{id}` enforces under any profile as it is written")));
        }
        if id == DEFAULT && (change.record || change.unless.is_some() || change.only_if.is_some()) {
            return Err(wrong(format!(
                "`{DEFAULT}` denies or asks for review, and is neither recorded nor conditional"
            )));
        }
    }
    rules.extend(rules::understand(profile.rule, "the profile")?);
    rules::check_together(&rules)?;
    check_always(&rules)?;
    let mut rows = Vec::new();
    let mut default = None;
    for mut rule in rules {
        let mut mode = Mode::Enforce;
        if let Some(change) = profile.rules.get(rule.id()) {
            let id = rule.id().to_owned();
            mode = change.made(&mut rule).map_err(|why| wrong(format!("`{id}`: {why}")))?;
        }
        if rule.id() == DEFAULT {
            match (rule.production, rule.elsewhere) {
                (Some(kind @ (Kind::Deny | Kind::Review)), same) if same == Some(kind) => default = Some(kind),
                _ => return Err(wrong(format!("`{DEFAULT}` denies or asks for review, everywhere"))),
            }
            (rule.production, rule.elsewhere) = (Some(Kind::Allow), Some(Kind::Allow));
        }
        rows.extend(rows_of(&rule, mode));
    }
    let default = default.ok_or_else(|| Fault::new(format!("reading the admission rules: `{DEFAULT}` is missing")))?;
    Ok(Profiled { name: profile.profile, rows, default })
}

fn rows_of(rule: &Rule, mode: Mode) -> Vec<Row> {
    let places = if rule.production == rule.elsewhere {
        vec![(Place::Any, rule.production)]
    } else {
        vec![(Place::Production, rule.production), (Place::Elsewhere, rule.elsewhere)]
    };
    let row = |(place, kind): (Place, Option<Kind>)| {
        let kind = kind?;
        Some(Row {
            id: rule.id().to_owned(),
            scope: rule.scope,
            mode,
            place,
            environment: rule.environment.clone(),
            when: liftable(rule, kind),
            kind,
            told: rule.told.clone(),
        })
    };
    places.into_iter().filter_map(row).collect()
}

/// A review no longer matches once it was answered or waived, a deny only once it was waived: two people do that.
fn liftable(rule: &Rule, kind: Kind) -> Expr {
    let (id, when) = (rule.id().to_owned(), rule.when.clone());
    if NEVER_LIFTED.contains(&rule.id()) {
        return when;
    }
    match kind {
        Kind::Deny => when.and(Expr::Waived(id).not()),
        Kind::Review => when.and(Expr::Answered(id.clone()).not()).and(Expr::Waived(id).not()),
        Kind::Allow | Kind::Hide => when,
    }
}

fn check_always(rules: &[Rule]) -> Result<(), Fault> {
    for (id, least) in ALWAYS {
        let strong = |kind: Option<Kind>| kind == Some(Kind::Deny) || (kind == Some(least) && least == Kind::Review);
        let everywhere = |rule: &&Rule| strong(rule.production) && strong(rule.elsewhere) && rule.environment.is_none();
        let mut named = rules.iter().filter(|rule| rule.id() == id).peekable();
        if named.peek().is_none() || !named.all(|rule| everywhere(&rule)) {
            let least = least.word();
            return Err(Fault::new(format!(
                "reading the admission rules: `{id}` must be there and {least}, in production and elsewhere"
            )));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profile: String,
    #[serde(default)]
    rules: BTreeMap<String, Change>,
    #[serde(default)]
    rule: Vec<rules::Raw>,
}

/// What a profile makes of the rules under one id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    record: bool,
    effect: Option<String>,
    production: Option<String>,
    elsewhere: Option<String>,
    unless: Option<String>,
    only_if: Option<String>,
}

impl Change {
    fn made(&self, rule: &mut Rule) -> Result<Mode, String> {
        if self.effect.is_some() || self.production.is_some() || self.elsewhere.is_some() {
            let [effect, production, elsewhere] = [&self.effect, &self.production, &self.elsewhere].map(Clone::clone);
            (rule.production, rule.elsewhere) = rules::effects(effect, production, elsewhere)?;
        }
        if let Some(text) = &self.only_if {
            rule.when = rule.when.clone().and(parse(text)?);
        }
        if let Some(text) = &self.unless {
            rule.when = rule.when.clone().and(parse(text)?.not());
        }
        rules::check_scope(rule.scope, &rule.when, [rule.production, rule.elsewhere])?;
        let lifted = |id: &&str| NEVER_LIFTED.contains(id);
        if rule.when.lifts().iter().any(lifted) {
            return Err(format!("{} can be neither answered nor waived", NEVER_LIFTED.join(", ")));
        }
        Ok(if self.record { Mode::Record } else { Mode::Enforce })
    }
}

fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=20).contains(&text.len()) && text.bytes().all(plain)
}
