//! A row: one rule as a profile has it, in one place, as both evaluators get it.
//!
//! Never reads a file: `rules` and `profile` do.

use std::sync::Arc;

use super::{Asked, Sense, compile::compile, expr::Expr, view::View};

/// What a rule does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Deny,
    /// A deny that a person can answer.
    Review,
    Allow,
    /// Of a file: it disappears.
    Hide,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Deny, Self::Review, Self::Allow, Self::Hide];

    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Review => "review",
            Self::Allow => "allow",
            Self::Hide => "hide",
        }
    }

    pub(super) fn sense(self) -> Sense {
        match self {
            Self::Deny | Self::Review => Sense::UnlessCertainlyNot,
            Self::Allow | Self::Hide => Sense::OnlyIfCertain,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Revision,
    File,
}

impl Scope {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::File => "file",
        }
    }
}

/// Whether a row decides, or only tells what it would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    Enforce,
    Record,
}

impl Mode {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Record => "record",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Any,
    Production,
    Elsewhere,
}

impl Place {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Production => "production",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What people are told about a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub id: String,
    pub part: Option<String>,
    pub about: usize,
    pub cooling: bool,
    pub owner: String,
    pub title: String,
    pub sentence: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub id: String,
    pub scope: Scope,
    pub mode: Mode,
    pub place: Place,
    /// Every one, when it names none.
    pub environment: Option<String>,
    pub when: Expr,
    pub kind: Kind,
    pub told: Arc<Told>,
}

impl Row {
    /// Unique in a policy: the rule, its part, and where it holds.
    pub(super) fn key(&self) -> String {
        let part = self.told.part.as_ref().map_or(String::new(), |part| format!("/{part}"));
        let place = if self.place == Place::Any { String::new() } else { format!("@{}", self.place.word()) };
        format!("{}{part}{place}", self.id)
    }

    /// In the order of the model's policy definition.
    pub(super) fn fields(&self) -> Vec<String> {
        let effect = if self.kind == Kind::Allow { "allow" } else { "deny" };
        vec![
            self.key(),
            self.scope.word().to_owned(),
            self.mode.word().to_owned(),
            self.place.word().to_owned(),
            self.environment.clone().unwrap_or_else(|| "*".to_owned()),
            compile(&self.when, self.kind.sense()),
            self.kind.word().to_owned(),
            effect.to_owned(),
        ]
    }

    pub(super) fn is_for(&self, asked: Asked, view: &View) -> bool {
        let here = self.environment.as_deref().is_none_or(|name| name == view.environment);
        let place = match self.place {
            Place::Any => true,
            Place::Production => view.production,
            Place::Elsewhere => !view.production,
        };
        self.scope == asked.scope && self.mode == asked.mode && here && place
    }
}
