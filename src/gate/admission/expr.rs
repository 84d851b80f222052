//! A rule's condition, understood: every field exists, every comparison fits its type.
//!
//! What a condition says of a missing fact is *unknown*, and unknown stays unknown through `&&`, `||` and `!` unless the
//! other side settles it alone. Only `missing(…)`, `answered(…)` and `waived(…)` are always known. Never evaluates:
//! `plain` does, and Casbin does with what `compile` writes.

use std::collections::BTreeSet;

use crate::domain::facts::{Field, Value};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    Constant(bool),
    /// All of them; one of them.
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// A field of true and false, on its own.
    Truth(Field),
    Compare(Field, Op, Literal),
    OneOf(Field, Vec<Literal>),
    /// The field's words hold this one.
    Holds(Field, String),
    Missing(Field),
    /// A person answered this review rule for this revision in this environment.
    Answered(String),
    Waived(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Bool(bool),
    Int(i32),
    Word(String),
}

impl Op {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The same said from the other side: `3 < x` is `x > 3`.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::More => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }
}

impl Literal {
    pub(super) fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Bool(literal), Value::Bool(value)) => literal == value,
            (Self::Int(literal), Value::Int(value)) => i64::from(*literal) == *value,
            (Self::Word(literal), Value::Word(value)) => literal == value,
            _ => false,
        }
    }
}

impl Expr {
    /// Both, without a nest for each.
    pub(super) fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other);
                Self::And(all)
            }
            alone => Self::And(vec![alone, other]),
        }
    }

    pub(super) fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Every part, the whole first.
    pub(super) fn walk<'a>(&'a self, see: &mut impl FnMut(&'a Self)) {
        see(self);
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.walk(see)),
            Self::Not(part) => part.walk(see),
            _ => {}
        }
    }

    /// The fields it reads.
    pub(super) fn fields(&self) -> BTreeSet<Field> {
        let mut fields = BTreeSet::new();
        self.walk(&mut |part| {
            if let Self::Truth(field)
            | Self::Compare(field, ..)
            | Self::OneOf(field, _)
            | Self::Holds(field, _)
            | Self::Missing(field) = part
            {
                fields.insert(*field);
            }
        });
        fields
    }

    /// The rules whose answers or waivers it asks for.
    pub(super) fn lifts(&self) -> BTreeSet<&str> {
        let mut rules = BTreeSet::new();
        self.walk(&mut |part| {
            if let Self::Answered(rule) | Self::Waived(rule) = part {
                rules.insert(rule.as_str());
            }
        });
        rules
    }

    /// Every number that an age is compared with: the moments at which the condition can change by itself.
    pub(super) fn ages(&self) -> Vec<(Field, i32)> {
        let mut ages = Vec::new();
        self.walk(&mut |part| {
            let (field, literals) = match part {
                Self::Compare(field, _, literal) => (field, std::slice::from_ref(literal)),
                Self::OneOf(field, literals) => (field, literals.as_slice()),
                _ => return,
            };
            if field.stored() != *field {
                ages.extend(literals.iter().filter_map(|literal| match literal {
                    Literal::Int(number) => Some((*field, *number)),
                    _ => None,
                }));
            }
        });
        ages
    }
}
