//! The admission plane: what a revision must be like to be served in an environment, and which of its files are hidden.
//!
//! `policies/admission.toml` says it, a profile says how much of it enforces, Casbin answers it, `plain` answers it
//! again, and two different answers are a denial. So is every question that cannot be read or answered. Never asks who
//! may do what (that is access), never gathers a fact, never looks at a clock: the question brings its own time.
//!
//! *Invariants*: an `Admission` never changes; a new policy is a new one. A fact that is missing never helps. W-001,
//! W-002 and W-003 are lifted by nobody.

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use casbin::Enforcer;

use crate::domain::{digest::Sha256, facts::Facts, refusal::Fault, role::Environment, time::Micros};

use self::rows::{Mode, Row};
use super::access::model;

pub mod cases;
mod change;
mod compile;
mod decision;
mod engine;
mod expr;
mod parse;
mod plain;
mod profile;
mod rows;
mod rules;
mod self_test;
#[cfg(test)]
mod tests;
mod view;
mod weigh;

pub use change::Change;
pub use decision::{Decision, FileDecision, Matched, Outcome, Read};
pub use rows::{Kind, Scope};
pub use rules::NEVER_LIFTED;

/// One loaded admission policy, under one profile.
pub struct Admission {
    enforcer: Enforcer,
    rows: Vec<Row>,
    /// What it makes of a revision that nothing allows, and what people are told then.
    default: Kind,
    nothing_allows: Arc<rows::Told>,
    profile: String,
    digest: String,
}

impl Admission {
    /// The rules that are shipped in `policies/`, under a profile of that name.
    pub async fn built_in(profile: &str) -> Result<Self, Fault> {
        let Some((_, text)) = PROFILES.iter().find(|(name, _)| *name == profile) else {
            let names: Vec<_> = PROFILES.iter().map(|(name, _)| *name).collect();
            return Err(Fault::new(format!("choosing a profile: {}", parse::unknown("profile", profile, &names))));
        };
        Self::load(engine::MODEL, RULES, text).await
    }

    /// Reads, checks and tries a policy. A policy that is not understood to its last word does not load.
    pub async fn load(model: &str, rules: &str, profile: &str) -> Result<Self, Fault> {
        model::says_the_same("admission", model, engine::MODEL)?;
        let profiled = profile::apply(rules, profile)?;
        let admission = Self::assemble(profiled, digest(&[model, rules, profile])).await?;
        self_test::run(&admission).await?;
        Ok(admission)
    }

    /// The policy's version: `sha256:` over model, rules and profile, comments included.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The environments that rules name, so that whoever knows the configured ones can refuse a rule for none of them.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| row.environment.as_deref())
    }

    /// Whether the revision may be served there, with every reason. What cannot be answered is denied, and raises an
    /// alarm.
    pub fn decide(&self, question: &Question) -> Decision {
        self.decided(question).unwrap_or_else(|()| Decision::trouble(self))
    }

    /// Whether one file of a revision is hidden there. What cannot be answered is hidden, and raises an alarm.
    pub fn decide_file(&self, question: &Question, file: &Facts) -> FileDecision {
        self.decided_file(question, file).unwrap_or_else(|()| FileDecision::trouble())
    }

    /// For each rule that stands in the way, what would be decided without it; then without all that people can answer.
    pub fn what_would_change(&self, question: &Question) -> Vec<Change> {
        change::of(self, question)
    }

    async fn assemble(profiled: profile::Profiled, digest: String) -> Result<Self, Fault> {
        let profile::Profiled { name, rows, default } = profiled;
        let nothing_allows = rows.iter().find(|row| row.id == rules::DEFAULT).map(|row| row.told.clone());
        let nothing_allows = nothing_allows.ok_or_else(|| Fault::new("setting up the admission policy: no default"))?;
        let enforcer = engine::build(&rows).await?;
        Ok(Self { enforcer, rows, default, nothing_allows, profile: name, digest })
    }
}

/// What is asked: a revision in an environment, at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub environment: &'a Environment,
    pub production: bool,
    pub data_class: DataClass,
    /// Whether the environment lets bytes go while they are verified.
    pub stream: bool,
    pub asker: Asker,
    /// The facts of the revision, as they are in this environment.
    pub facts: &'a Facts,
    /// The review rules that people answered for this revision in this environment, and whose answer still holds.
    pub answered: &'a BTreeSet<String>,
    /// The rules that two people waived, and whose waiver still holds.
    pub waived: &'a BTreeSet<String>,
    pub at: Micros,
}

/// The most sensitive data of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataClass {
    /// Its configuration does not say.
    Unstated,
    Public,
    Internal,
    Confidential,
    Restricted,
}

impl DataClass {
    pub const ALL: [Self; 5] = [Self::Unstated, Self::Public, Self::Internal, Self::Confidential, Self::Restricted];

    pub fn word(self) -> &'static str {
        match self {
            Self::Unstated => "unstated",
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }
}

/// For whom it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// For all at once: what an approval by rule rests on.
    Everyone,
    Person,
    Ci,
    /// Whether its entitlement lists the model; nobody knows where clusters have none.
    Cluster {
        entitled: Option<bool>,
    },
}

/// Which rows a question is about.
#[derive(Clone, Copy, Debug)]
struct Asked {
    scope: Scope,
    mode: Mode,
}

/// What becomes of a condition that nobody can tell for want of a fact: it never helps the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    /// A permission.
    OnlyIfCertain,
    /// Everything that stands in the way.
    UnlessCertainlyNot,
}

fn digest(texts: &[&str]) -> String {
    let mut sum = Context::new(&SHA256);
    // Lengths first, or moving a line from one file to the other would leave the sum as it was.
    for text in texts {
        sum.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        sum.update(text.as_bytes());
    }
    let mut bytes = [0_u8; 32];
    bytes.copy_from_slice(sum.finish().as_ref());
    format!("sha256:{}", Sha256(bytes))
}

const RULES: &str = include_str!("../../policies/admission.toml");

/// The profiles that are shipped, the softest first.
pub const PROFILES: [(&str, &str); 3] = [
    ("observe", include_str!("../../policies/profiles/observe.toml")),
    ("guarded", include_str!("../../policies/profiles/guarded.toml")),
    ("strict", include_str!("../../policies/profiles/strict.toml")),
];
