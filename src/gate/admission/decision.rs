//! A decision as people and the ledger get it: the outcome, every reason with the facts it read, and one line.
//!
//! Never decides: `weigh` does. Holds nothing secret: values are of the closed list.

use aws_lc_rs::digest;
use serde_json::{Value as Json, json};

use super::{
    Admission, plain,
    rows::{Kind, Row, Told},
    rules::DEFAULT,
    view::View,
    weigh::Weighed,
};
use crate::domain::{
    digest::Sha256,
    evidence::canonical,
    facts::{Field, Known, Value},
    refusal::ascii_line,
    time::Micros,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Allow,
    /// Somebody can answer what stands in the way.
    Review,
    Deny,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Review => "review",
            Self::Deny => "deny",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub outcome: Outcome,
    /// When waiting alone is enough: it is cooling.
    pub until: Option<Micros>,
    /// One line for a terminal: printable ASCII, at most 200 characters.
    pub headline: String,
    /// Every rule that matched, the weightiest reason first: what denies, asks for review, allows, and what only would
    /// have.
    pub matched: Vec<Matched>,
    /// The policy could not be asked; the log says why.
    pub trouble: bool,
    /// The policy's version and its profile.
    pub policy: String,
    pub profile: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDecision {
    pub hidden: bool,
    /// Why, in one line; empty when nothing hides it.
    pub headline: String,
    pub matched: Vec<Matched>,
    pub trouble: bool,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    pub rule: String,
    pub part: Option<String>,
    pub owner: String,
    pub title: String,
    pub sentence: String,
    /// What it does, as the profile has it.
    pub effect: Kind,
    /// Whether it decides, or is only written down.
    pub enforced: bool,
    /// Why nobody can tell whether it matches; such a fact never helps. Empty when it certainly matches.
    pub unknown: Vec<&'static str>,
    pub read: Vec<Read>,
}

/// A fact that a rule read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub field: Field,
    /// As the rule saw it: an age is one of that moment. None, when it is missing.
    pub value: Option<Value>,
    /// What was written down, with its source and time.
    pub known: Option<Known>,
}

impl Decision {
    /// The rules of this kind that decided, without their parts.
    pub fn rules(&self, effect: Kind) -> Vec<&str> {
        let enforced = self.matched.iter().filter(|matched| matched.enforced && matched.effect == effect);
        enforced.map(|matched| matched.rule.as_str()).collect()
    }

    /// What a person who approves answers: the reviews that stand in the way, and that nothing allows it.
    pub fn answerable(&self) -> Vec<&Matched> {
        let open = |matched: &&Matched| matched.effect == Kind::Review || matched.rule == DEFAULT;
        self.matched.iter().filter(|matched| matched.enforced && matched.effect != Kind::Allow).filter(open).collect()
    }

    pub fn to_json(&self) -> Json {
        json!({
            "outcome": self.outcome.word(),
            "until": self.until.map(|at| at.0),
            "headline": self.headline,
            "matched": self.matched.iter().map(Matched::to_json).collect::<Vec<_>>(),
            "trouble": self.trouble,
            "policy": self.policy,
            "profile": self.profile,
        })
    }

    pub(super) fn trouble(admission: &Admission) -> Self {
        Self {
            outcome: Outcome::Deny,
            until: None,
            headline: TROUBLE.to_owned(),
            matched: Vec::new(),
            trouble: true,
            policy: admission.digest.clone(),
            profile: admission.profile.clone(),
        }
    }
}

impl FileDecision {
    pub fn to_json(&self) -> Json {
        json!({
            "hidden": self.hidden,
            "headline": self.headline,
            "matched": self.matched.iter().map(Matched::to_json).collect::<Vec<_>>(),
            "trouble": self.trouble,
        })
    }

    pub(super) fn trouble() -> Self {
        Self { hidden: true, headline: TROUBLE.to_owned(), matched: Vec::new(), trouble: true }
    }
}

impl Matched {
    /// What an answer to this rule rests on: the rule and every value that it read. Of an age it is the date, and never
    /// who said so or when, so that an answer lasts until something else is known.
    pub fn digest(&self) -> Sha256 {
        let values = self.read.iter().map(|read| {
            let stored = read.field.stored();
            let value = read.known.as_ref().map(|known| known.value.to_json());
            json!([stored.group().letter(), stored.word(), value])
        });
        let text = canonical(&json!([self.rule, self.part, self.effect.word(), values.collect::<Vec<_>>()]));
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, &text).as_ref());
        Sha256(bytes)
    }

    pub fn to_json(&self) -> Json {
        json!({
            "rule": self.rule,
            "part": self.part,
            "owner": self.owner,
            "title": self.title,
            "sentence": self.sentence,
            "effect": self.effect.word(),
            "enforced": self.enforced,
            "unknown": self.unknown,
            "digest": self.digest().to_string(),
            "read": self.read.iter().map(Read::to_json).collect::<Vec<_>>(),
        })
    }

    fn of(row: &Row, enforced: bool, view: &View) -> Self {
        let read: Vec<_> = row.when.fields().into_iter().map(|field| Read::of(field, view)).collect();
        let unknown = match plain::answer(&row.when, view) {
            Some(_) => Vec::new(),
            None => read.iter().filter(|read| read.value.is_none()).map(|read| read.field.word()).collect(),
        };
        Self { unknown, read, ..Self::said(&row.told, row.kind, enforced) }
    }

    fn said(told: &Told, effect: Kind, enforced: bool) -> Self {
        Self {
            rule: told.id.clone(),
            part: told.part.clone(),
            owner: told.owner.clone(),
            title: told.title.clone(),
            sentence: told.sentence.clone(),
            effect,
            enforced,
            unknown: Vec::new(),
            read: Vec::new(),
        }
    }

    fn line(&self) -> String {
        if self.unknown.is_empty() {
            return format!("{}: {}", self.rule, self.sentence);
        }
        let unknown = ascii_line(&self.unknown.join(", "), 60);
        format!("{}: {}? Nobody can tell, because this is not known: {unknown}.", self.rule, self.title)
    }
}

impl Read {
    pub fn to_json(&self) -> Json {
        json!({
            "field": format!("r.{}.{}", self.field.group().letter(), self.field.word()),
            "value": self.value.as_ref().map(Value::to_json),
            "known": self.known.as_ref().map(Known::to_json),
        })
    }

    fn of(field: Field, view: &View) -> Self {
        Self { field, value: view.value(field), known: view.facts(field.group()).known(field).cloned() }
    }
}

pub(super) fn of(admission: &Admission, weighed: &Weighed, view: &View, until: Option<Micros>) -> Decision {
    let mut told: Vec<_> = [(&weighed.enforced, true), (&weighed.recorded, false)]
        .into_iter()
        .flat_map(|(rows, enforced)| rows.iter().map(move |row| (row.told.about, Matched::of(row, enforced, view))))
        .collect();
    if weighed.nothing_allows {
        let nothing = &admission.nothing_allows;
        told.push((nothing.about, Matched::said(nothing, admission.default, true)));
    }
    // What decided comes first, and of that the weightiest kind of reason: the order is for people, the outcome stands.
    let rank = |matched: &Matched| {
        let decided = match (weighed.outcome, matched.effect) {
            _ if !matched.enforced => 0,
            (Outcome::Allow, Kind::Allow) | (Outcome::Deny, Kind::Deny) | (Outcome::Review, Kind::Review) => 0,
            (_, Kind::Deny) => 1,
            (_, Kind::Review) => 2,
            _ => 3,
        };
        let default = matched.rule == admission.nothing_allows.id;
        (!matched.enforced, default && weighed.outcome != Outcome::Allow, decided)
    };
    told.sort_by_key(|(about, matched)| (rank(matched), *about));
    let matched: Vec<_> = told.into_iter().map(|(_, matched)| matched).collect();
    Decision {
        outcome: weighed.outcome,
        until,
        headline: headline(weighed.outcome, until, &matched),
        matched,
        trouble: false,
        policy: admission.digest.clone(),
        profile: admission.profile.clone(),
    }
}

fn headline(outcome: Outcome, until: Option<Micros>, matched: &[Matched]) -> String {
    let Some(first) = matched.first() else { return TROUBLE.to_owned() };
    if outcome == Outcome::Allow {
        return ascii_line(&format!("Allowed by {}: {}.", first.rule, first.title), LONGEST_LINE);
    }
    if let Some(until) = until {
        let day = until.to_millis_text().replace('T', " ");
        let day = day.get(..16).unwrap_or(&day);
        return ascii_line(&format!("{} It can be had from {day} UTC.", first.line()), LONGEST_LINE);
    }
    let against = |other: &&Matched| other.enforced && matches!(other.effect, Kind::Deny | Kind::Review);
    let more = match matched.iter().filter(against).count().saturating_sub(1) {
        0 => String::new(),
        1 => " (And one more reason.)".to_owned(),
        more => format!(" (And {more} more reasons.)"),
    };
    format!("{}{more}", ascii_line(&first.line(), LONGEST_LINE - more.len()))
}

pub(super) fn of_file(enforced: &[&Row], recorded: &[&Row], view: &View) -> FileDecision {
    let of = |rows: &[&Row], enforced| rows.iter().map(|row| Matched::of(row, enforced, view)).collect::<Vec<_>>();
    let matched = [of(enforced, true), of(recorded, false)].concat();
    let headline = matched.iter().find(|matched| matched.enforced).map_or_else(String::new, Matched::line);
    FileDecision {
        hidden: !enforced.is_empty(),
        headline: ascii_line(&headline, LONGEST_LINE),
        matched,
        trouble: false,
    }
}

const LONGEST_LINE: usize = 200;
const TROUBLE: &str = "The admission policy could not be asked, so nothing is served. Tell your operator.";
