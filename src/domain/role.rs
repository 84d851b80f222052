//! Roles and environments: the words that credentials and policy share.
//!
//! Never says what a role may do: that is `policies/access.csv`, read by the gate.

use std::fmt;

/// What a person, service or workload is to Weighbridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Developer,
    Reviewer,
    PolicyAdmin,
    Auditor,
    Operator,
    Admin,
    Cluster,
    Ci,
}

impl Role {
    /// Those whose holders pull files.
    pub fn pulls(self) -> bool {
        matches!(self, Self::Developer | Self::Reviewer | Self::PolicyAdmin | Self::Cluster | Self::Ci)
    }

    pub const ALL: [Self; 8] = [
        Self::Developer,
        Self::Reviewer,
        Self::PolicyAdmin,
        Self::Auditor,
        Self::Operator,
        Self::Admin,
        Self::Cluster,
        Self::Ci,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Reviewer => "reviewer",
            Self::PolicyAdmin => "policy-admin",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Cluster => "cluster",
            Self::Ci => "ci",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Machines belong to one environment and say so; people may work in several.
    pub fn needs_environment(self) -> bool {
        matches!(self, Self::Cluster | Self::Ci)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An environment's name: where a model may run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Environment(String);

impl Environment {
    pub fn new(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fine = (1..=40).contains(&text.len()) && text.bytes().all(plain) && text != "all" && !text.starts_with('-');
        fine.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a credential or an act reaches: one environment, some, or every one that is configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    All,
    These(Vec<Environment>),
}

impl Reach {
    /// `*` or a comma list, as tokens store it.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let names = text.split(',').map(Environment::new).collect::<Option<Vec<_>>>()?;
        Some(Self::These(names))
    }

    /// What both reach.
    pub fn meet(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, one) | (one, Self::All) => one.clone(),
            (Self::These(mine), other) => Self::These(mine.iter().filter(|name| other.covers(name)).cloned().collect()),
        }
    }

    pub fn is_nowhere(&self) -> bool {
        matches!(self, Self::These(names) if names.is_empty())
    }

    pub fn covers(&self, environment: &Environment) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(environment),
        }
    }
}

/// A role, and where it is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    pub role: Role,
    pub reach: Reach,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::These(names) => {
                let words: Vec<_> = names.iter().map(Environment::as_str).collect();
                f.write_str(&words.join(","))
            }
        }
    }
}
