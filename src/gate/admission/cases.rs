//! Rule tests that people read and write: facts, and what is expected under which profile and where.
//!
//! `policies/tests/` holds ours; `policies/README.md` explains the form. Never part of a decision.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    Admission, Asker, DataClass, Decision, FileDecision, Kind, Matched, Outcome, Question, parse::unknown,
    self_test::AT,
};
use crate::domain::{
    facts::{Facts, Field, Group, HOUR, Kind as FieldKind, Value},
    refusal::Fault,
    role::Environment,
    time::Micros,
};

/// One case, understood.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    facts: Facts,
    file: Option<Facts>,
    data_class: DataClass,
    asker: Asker,
    answered: BTreeSet<String>,
    waived: BTreeSet<String>,
    environment: Environment,
    expect: BTreeMap<String, Expected>,
}

/// What should come out, and by which rules: the deciding ones, and those that only record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expected {
    word: String,
    rules: BTreeSet<String>,
    recorded: BTreeSet<String>,
}

/// Reads a file of cases; a word that is not understood is an error, never a case less.
pub fn read(text: &str) -> Result<Vec<Case>, Fault> {
    let file: File = toml::from_str(text).map_err(|cause| Fault::because("reading the rule tests", cause))?;
    if file.case.is_empty() {
        return Err(Fault::new("reading the rule tests: there are none"));
    }
    let understood = |raw: Raw| {
        let name = raw.name.clone();
        raw.understood(&file.base)
            .map_err(|why| Fault::new(format!("reading the rule tests: `{}`: {why}", name.escape_default())))
    };
    file.case.into_iter().map(understood).collect()
}

/// What came of running cases.
#[derive(Debug, Default)]
pub struct Ran {
    pub asked: usize,
    /// What was not as expected, a sentence each.
    pub wrong: Vec<String>,
    /// Rules that matched in no case: each could say anything.
    pub untried: BTreeSet<String>,
}

/// Every case under every policy. An expectation that no policy here has a word for is wrong too: it would never be
/// tried.
pub fn run(cases: &[Case], admissions: &[Admission]) -> Ran {
    let name = |admission: &Admission, rule: &str, part: Option<&String>, effect: Kind| {
        let part = part.map_or_else(String::new, |part| format!("/{part}"));
        format!("{rule}{part} ({}, {})", effect.word(), admission.profile())
    };
    let mut ran = Ran::default();
    for admission in admissions {
        let rows = admission.rows.iter();
        ran.untried.extend(rows.map(|row| name(admission, &row.id, row.told.part.as_ref(), row.kind)));
    }
    let places = ["any", "production", "elsewhere"].map(str::to_owned).into_iter();
    let names = admissions.iter().map(Admission::profile);
    let keys: BTreeSet<_> = places
        .chain(names.flat_map(|name| ["", "-production", "-elsewhere"].map(|place| format!("{name}{place}"))))
        .collect();
    for case in cases {
        let unheard = case.expect.keys().filter(|key| !keys.contains(*key));
        ran.wrong.extend(unheard.map(|key| format!("{}: `{key}` is no profile or place here", case.name)));
        for admission in admissions {
            for matched in case.run(admission, &mut ran) {
                let tried = name(admission, &matched.rule, matched.part.as_ref(), matched.effect);
                ran.untried.remove(&tried);
            }
        }
    }
    ran
}

impl Case {
    /// Under one policy, wherever something is expected of it; the rules that matched.
    fn run(&self, admission: &Admission, ran: &mut Ran) -> Vec<Matched> {
        let mut matched = Vec::new();
        for (place, production) in [("production", true), ("elsewhere", false)] {
            let profile = admission.profile();
            let keys = [format!("{profile}-{place}"), profile.to_owned(), place.to_owned(), "any".to_owned()];
            let Some(expected) = keys.iter().find_map(|key| self.expect.get(key)) else { continue };
            ran.asked += 1;
            let (found, rules) = self.ask(admission, production);
            matched.extend(rules);
            if found != *expected {
                let found = found.text();
                ran.wrong.push(format!(
                    "{} ({profile}, {place}): expected `{}`, found `{found}`",
                    self.name,
                    expected.text()
                ));
            }
        }
        matched
    }

    fn ask(&self, admission: &Admission, production: bool) -> (Expected, Vec<Matched>) {
        let question = Question {
            environment: &self.environment,
            production,
            data_class: self.data_class,
            stream: false,
            asker: self.asker,
            facts: &self.facts,
            answered: &self.answered,
            waived: &self.waived,
            at: AT,
        };
        match &self.file {
            None => {
                let decision = admission.decide(&question);
                (Expected::of(&decision), decision.matched)
            }
            Some(file) => {
                let decision = admission.decide_file(&question, file);
                (Expected::of_file(&decision), decision.matched)
            }
        }
    }
}

impl Expected {
    /// `review: W-005 W-000 | W-008`.
    fn read(text: &str) -> Result<Self, String> {
        let (decided, recorded) = text.split_once('|').unwrap_or((text, ""));
        let (word, rules) = decided.split_once(':').unwrap_or((decided, ""));
        let words = [Outcome::Allow, Outcome::Review, Outcome::Deny].map(Outcome::word);
        let words = [words.as_slice(), &["cooling", "hidden", "shown"]].concat();
        let word = word.trim();
        if !words.contains(&word) {
            return Err(unknown("outcome", word, &words));
        }
        let ids = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Ok(Self { word: word.to_owned(), rules: ids(rules), recorded: ids(recorded) })
    }

    /// Of a decision that allows, what allowed; of another, what stood in the way.
    fn of(decision: &Decision) -> Self {
        let allows = decision.outcome == Outcome::Allow;
        let counts = |kind| (kind == Kind::Allow) == allows;
        let rules = decision.matched.iter().filter(|matched| matched.enforced && counts(matched.effect));
        let recorded = decision.matched.iter().filter(|matched| !matched.enforced && matched.effect != Kind::Allow);
        let cooling = decision.outcome == Outcome::Review && decision.until.is_some();
        Self {
            word: if cooling { "cooling" } else { decision.outcome.word() }.to_owned(),
            rules: rules.map(|matched| matched.rule.clone()).collect(),
            recorded: recorded.map(|matched| matched.rule.clone()).collect(),
        }
    }

    fn of_file(decision: &FileDecision) -> Self {
        let (rules, recorded): (Vec<_>, Vec<_>) = decision.matched.iter().partition(|matched| matched.enforced);
        let ids = |matched: Vec<&Matched>| matched.iter().map(|matched| matched.rule.clone()).collect();
        Self {
            word: if decision.hidden { "hidden" } else { "shown" }.to_owned(),
            rules: ids(rules),
            recorded: ids(recorded),
        }
    }

    fn text(&self) -> String {
        let join = |ids: &BTreeSet<String>| ids.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let recorded = if self.recorded.is_empty() { String::new() } else { format!(" | {}", join(&self.recorded)) };
        format!("{}: {}{recorded}", self.word, join(&self.rules))
    }
}

type Table = BTreeMap<String, toml::Value>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Facts that cases start from, by name.
    #[serde(default)]
    base: BTreeMap<String, Table>,
    #[serde(default)]
    case: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    base: Option<String>,
    #[serde(default)]
    facts: Table,
    #[serde(default)]
    missing: Vec<String>,
    file: Option<Table>,
    environment: Option<String>,
    data_class: Option<String>,
    asker: Option<String>,
    entitled: Option<bool>,
    #[serde(default)]
    answered: BTreeSet<String>,
    #[serde(default)]
    waived: BTreeSet<String>,
    expect: BTreeMap<String, String>,
}

impl Raw {
    fn understood(self, bases: &BTreeMap<String, Table>) -> Result<Case, String> {
        let mut facts = Facts::of(Group::Revision);
        if let Some(name) = &self.base {
            let known: Vec<_> = bases.keys().map(String::as_str).collect();
            put(&mut facts, bases.get(name).ok_or_else(|| unknown("base", name, &known))?)?;
        }
        put(&mut facts, &self.facts)?;
        for word in &self.missing {
            facts.forget(field(Group::Revision, word)?.stored());
        }
        let file = self.file.map(|table| {
            let mut facts = Facts::of(Group::File);
            put(&mut facts, &table).map(|()| facts)
        });
        let name = self.environment.as_deref().unwrap_or("somewhere");
        let environment = Environment::new(name).ok_or_else(|| format!("`{name}` is no environment"))?;
        let data_class = self.data_class.as_deref().unwrap_or("unstated");
        let classes = DataClass::ALL.map(DataClass::word);
        let data_class = DataClass::from_word(data_class).ok_or_else(|| unknown("data class", data_class, &classes))?;
        let asker = match self.asker.as_deref() {
            None | Some("everyone") => Asker::Everyone,
            Some("person") => Asker::Person,
            Some("ci") => Asker::Ci,
            Some("cluster") => Asker::Cluster { entitled: self.entitled },
            Some(other) => return Err(unknown("asker", other, &["everyone", "person", "ci", "cluster"])),
        };
        let mut expect = BTreeMap::new();
        for (key, text) in self.expect {
            expect.insert(key, Expected::read(&text)?);
        }
        let file = file.transpose()?;
        let Self { name, answered, waived, .. } = self;
        Ok(Case { name, facts, file, data_class, asker, answered, waived, environment, expect })
    }
}

/// An age is written as what it is at the moment of asking.
fn put(facts: &mut Facts, table: &Table) -> Result<(), String> {
    for (word, value) in table {
        let field = field(facts.group(), word)?;
        let unit = match field.kind() {
            FieldKind::Hours(_) => Some(HOUR),
            FieldKind::Days(_) => Some(Micros::DAY),
            _ => None,
        };
        let value = match (value, unit) {
            (toml::Value::Integer(age), Some(unit)) => age
                .checked_mul(unit)
                .and_then(|age| AT.0.checked_sub(age))
                .map(|date| Value::Moment(Micros(date)))
                .ok_or_else(|| format!("`{word}` is too old"))?,
            (toml::Value::Boolean(value), None) => Value::Bool(*value),
            (toml::Value::Integer(value), None) => Value::Int(*value),
            (toml::Value::String(value), None) => Value::Word(value.clone()),
            (toml::Value::Array(words), None) => {
                let words: Option<_> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
                Value::Words(words.ok_or_else(|| format!("`{word}` is a list of words"))?)
            }
            _ => return Err(format!("`{word}` is {}", field.kind().sentence())),
        };
        facts.set(field.stored(), value, "test", AT).map_err(|fault| fault.to_string())?;
    }
    Ok(())
}

fn field(group: Group, word: &str) -> Result<Field, String> {
    let words: Vec<_> = Field::ALL.iter().filter(|f| f.group() == group).map(|field| field.word()).collect();
    Field::find(group, word).ok_or_else(|| unknown("field", word, &words))
}
