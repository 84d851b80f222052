//! The access plane: who may do which act on which object in which environment.
//!
//! `policies/access.csv` says it, Casbin answers it, `plain` answers it again, and two different answers are a refusal.
//! So is every question that cannot be read or answered. Never asks where a credential reaches, who owns a request or
//! how many people agreed: that is asked beside this plane. Never looks at what a revision holds: that is admission.
//!
//! *Invariants*: an `Access` never changes; a new policy is a new one, with an empty memory. A remembered ruling is found
//! by comparing the whole question, never by a hash alone.

use aws_lc_rs::digest::{Context, SHA256};
use casbin::Enforcer;
use moka::sync::Cache;

use crate::domain::{
    digest::Sha256,
    refusal::{Fault, ascii_line},
    role::{Environment, Role},
};

use rows::Row;

pub mod acts;
pub(super) mod engine;
pub(super) mod model;
mod plain;
pub(super) mod rows;
mod self_test;
#[cfg(test)]
mod tests;

/// One loaded access policy.
pub struct Access {
    enforcer: Enforcer,
    rows: Vec<Row>,
    plain: plain::Rules,
    digest: String,
    remembered: Cache<Question, Ruling>,
}

impl Access {
    /// The policy that is shipped in `policies/`.
    pub async fn built_in() -> Result<Self, Fault> {
        Self::load(model::SHIPPED, include_str!("../../policies/access.csv")).await
    }

    /// Reads, checks and tries a policy. A policy that is not understood to its last word does not load.
    pub async fn load(model: &str, rows: &str) -> Result<Self, Fault> {
        model::check(model)?;
        let access = Self::assemble(rows::read(rows)?, digest(model, rows)).await?;
        self_test::run(&access).await?;
        Ok(access)
    }

    /// Whether the subject may do the act. What cannot be answered is denied, and raises an alarm.
    pub fn decide(&self, subject: &Subject, environment: &str, object: &str, act: &str) -> Ruling {
        let question = match Question::read(*subject, environment, object, act) {
            Ok(question) => question,
            Err(why) => {
                let (environment, object, act) =
                    (ascii_line(environment, 60), ascii_line(object, 200), ascii_line(act, 60));
                let subject = subject.word();
                tracing::error!(
                    why,
                    subject,
                    environment,
                    object,
                    act,
                    "access was asked what cannot be asked; denied"
                );
                return Ruling::trouble(BAD_QUESTION);
            }
        };
        if let Some(ruling) = self.remembered.get(&question) {
            return ruling;
        }
        let Some((allow, matched)) = self.weigh(&question) else { return Ruling::trouble(BROKEN) };
        let ruling = Ruling { allow, matched };
        self.remembered.insert(question, ruling.clone());
        ruling
    }

    /// Whether somebody with several roles may: one of them must allow it and none may be denied it.
    pub fn decide_any(&self, subjects: &[Subject], environment: &str, object: &str, act: &str) -> Ruling {
        let mut together = Ruling { allow: false, matched: Vec::new() };
        for subject in subjects {
            let ruling = self.decide(subject, environment, object, act);
            if !ruling.allow && !ruling.matched.is_empty() {
                return ruling;
            }
            together.allow |= ruling.allow;
            together.matched.extend(ruling.matched);
        }
        together
    }

    /// The policy's version: `sha256:` over model and rows, comments included.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The environments that rows name, so that whoever knows the configured ones can refuse a row for none of them.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.environment.as_str()).filter(|name| *name != EVERY)
    }

    async fn assemble(rows: Vec<Row>, digest: String) -> Result<Self, Fault> {
        let enforcer = engine::build(&rows).await?;
        let plain = plain::Rules::new(&rows);
        Ok(Self { enforcer, rows, plain, digest, remembered: Cache::new(REMEMBERED) })
    }

    /// Both evaluators, every time: the second costs little beside Casbin, and a refusal beats a wrong permission.
    fn weigh(&self, question: &Question) -> Option<(bool, Vec<String>)> {
        let Question { subject, environment, object, act } = question;
        let asked = [subject.word(), environment.as_str(), object.as_str(), *act];
        let answer = match engine::ask(&self.enforcer, asked) {
            Ok(answer) => answer,
            Err(why) => {
                tracing::error!(
                    why,
                    subject = asked[0],
                    environment,
                    object,
                    act,
                    "access could not be evaluated; denied"
                );
                return None;
            }
        };
        let plain = self.plain.decide(asked);
        if answer != plain {
            let (casbin, plain) = (format!("{answer:?}"), format!("{plain:?}"));
            tracing::error!(
                casbin,
                plain,
                subject = asked[0],
                environment,
                object,
                act,
                "two evaluators disagree; denied"
            );
            return None;
        }
        Some(answer)
    }
}

/// What the plane answers, with the ids of every row that matched: the denying and the allowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    pub allow: bool,
    pub matched: Vec<String>,
}

impl Ruling {
    /// `trouble` stands where ids stand, and can be none: so that a denial without rows is never mistaken for another.
    fn trouble(trouble: &str) -> Self {
        Self { allow: false, matched: vec![trouble.to_owned()] }
    }

    /// Why, as a sentence: a denial that no row speaks for must say so instead of staying blank.
    pub fn reason(&self) -> &'static str {
        match self.matched.first().map(String::as_str) {
            _ if self.allow => "A row of the access policy allows it, and none denies it.",
            Some(BAD_QUESTION) => "The access policy was asked something that cannot be asked.",
            Some(BROKEN) => "The access policy could not be evaluated.",
            Some(_) => "A row of the access policy denies it.",
            None => "No row of the access policy allows it.",
        }
    }
}

/// Who asks, as rows name them. The prefix is ours alone: nothing that an identity provider says can supply it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Role(Role),
    /// Our own jobs and timers.
    Work,
    /// Commands on the gateway's own machine.
    Host,
    /// The directory that pushes people and groups.
    Directory,
    /// Nobody who signed in. No row can name it: signing in is not switched off by policy.
    Anonymous,
}

impl Subject {
    pub fn word(self) -> &'static str {
        match self {
            Self::Role(Role::Developer) => "role:developer",
            Self::Role(Role::Reviewer) => "role:reviewer",
            Self::Role(Role::PolicyAdmin) => "role:policy-admin",
            Self::Role(Role::Auditor) => "role:auditor",
            Self::Role(Role::Operator) => "role:operator",
            Self::Role(Role::Admin) => "role:admin",
            Self::Role(Role::Cluster) => "role:cluster",
            Self::Role(Role::Ci) => "role:ci",
            Self::Work => "system:work",
            Self::Host => "system:host",
            Self::Directory => "system:directory",
            Self::Anonymous => "anonymous:anyone",
        }
    }

    /// Everyone whom a row can name.
    fn in_rows() -> impl Iterator<Item = Self> {
        Role::ALL.into_iter().map(Self::Role).chain([Self::Work, Self::Host, Self::Directory])
    }
}

/// A question in full: the key of a remembered ruling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    subject: Subject,
    environment: String,
    object: String,
    act: &'static str,
}

impl Question {
    fn read(subject: Subject, environment: &str, object: &str, act: &str) -> Result<Self, &'static str> {
        let act = acts::find(act).ok_or("no act of the closed list")?.word;
        if environment != ALL && Environment::new(environment).is_none() {
            return Err("no environment");
        }
        let path = object.strip_prefix('/').ok_or("an object is a path that begins with /")?;
        if object.len() > LONGEST_OBJECT {
            return Err("the object's path is too long");
        }
        // A segment that is empty, relative or a wildcard could slip past a row that denies, so there is no such object.
        if path.split('/').any(|segment| matches!(segment, "" | "." | ".." | "*" | "**")) {
            return Err("the object's path has a segment that names nothing");
        }
        Ok(Self { subject, environment: environment.to_owned(), object: object.to_owned(), act })
    }
}

fn digest(model: &str, rows: &str) -> String {
    let mut sum = Context::new(&SHA256);
    // Lengths first, or moving a line from one file to the other would leave the sum as it was.
    for text in [model, rows] {
        sum.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        sum.update(text.as_bytes());
    }
    let mut bytes = [0_u8; 32];
    bytes.copy_from_slice(sum.finish().as_ref());
    format!("sha256:{}", Sha256(bytes))
}

/// The environment of a question about all of them at once, and of acts that happen in none: no environment is called so.
/// A row says `*`.
pub const ALL: &str = "all";

/// What stands in `matched` when no row could be heard. Ids of rows have no colon.
const BAD_QUESTION: &str = "access:bad-question";
const BROKEN: &str = "access:broken";

const EVERY: &str = "*";

const REMEMBERED: u64 = 50_000;
const LONGEST_OBJECT: usize = 512;
