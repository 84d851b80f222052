//! What is known of a revision or a file: a closed list of typed fields, each known with its source and time, or missing.
//!
//! A fact that does not fit its field is never kept, and drops what was known before: a missing fact helps nobody. Ages
//! are never stored: dates are, and an age is worked out for the moment somebody asks. Never judges anything: the rules
//! of `policies/` do.

mod fields;
mod json;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use fields::{Field, Group, Kind, is_name};

use super::{refusal::Fault, time::Micros};

/// The value of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    /// Fits into 32 bits with its sign once it is in `Facts`: Casbin knows no others.
    Int(i64),
    /// A word of the field's list, or a name.
    Word(String),
    /// Any number of them.
    Words(BTreeSet<String>),
    Moment(Micros),
}

/// A fact that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub value: Value,
    /// Who said so: `scan`, `hub`, `card`, `policy`, ….
    pub source: String,
    pub observed_at: Micros,
}

/// What is known of one thing. A field that is not in here is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    group: Group,
    known: BTreeMap<Field, Known>,
}

impl Facts {
    /// Nothing is known yet.
    pub fn of(group: Group) -> Self {
        Self { group, known: BTreeMap::new() }
    }

    pub fn group(&self) -> Group {
        self.group
    }

    /// Writes a fact down, or says why it cannot be one; then the field is missing, whatever was known before.
    pub fn set(
        &mut self,
        field: Field,
        value: impl Into<Value>,
        source: &str,
        observed_at: Micros,
    ) -> Result<(), Fault> {
        self.known.remove(&field);
        let value = value.into();
        let wrong = |why: String| Fault::new(format!("writing down the fact `{}`: {why}", field.word()));
        if field.group() != self.group {
            return Err(wrong(format!("it belongs to {}, not to {}", field.group().word(), self.group.word())));
        }
        fits(field, &value).map_err(wrong)?;
        let plain = |b: u8| (b' '..=b'~').contains(&b);
        if source.is_empty() || source.len() > LONGEST_SOURCE || !source.bytes().all(plain) {
            return Err(wrong(format!("its source is up to {LONGEST_SOURCE} printable ASCII characters")));
        }
        self.known.insert(field, Known { value, source: source.to_owned(), observed_at });
        Ok(())
    }

    /// From now on nobody knows.
    pub fn forget(&mut self, field: Field) {
        self.known.remove(&field);
    }

    /// What is known of a field, as it was written down; of an age, what is known of its date.
    pub fn known(&self, field: Field) -> Option<&Known> {
        self.known.get(&field.stored())
    }

    /// The value at a moment: ages grow, everything else is as it was written down.
    pub fn value(&self, field: Field, at: Micros) -> Option<Value> {
        let value = &self.known(field)?.value;
        let unit = match field.kind() {
            Kind::Hours(_) => HOUR,
            Kind::Days(_) => Micros::DAY,
            _ => return Some(value.clone()),
        };
        let Value::Moment(date) = value else { return None };
        // A date so far away that its age fits into no integer is no date.
        i32::try_from(at.0.checked_sub(date.0)?.div_euclid(unit)).ok().map(|age| Value::Int(age.into()))
    }

    /// Every fact of another set, over those here.
    pub fn overlay(&mut self, other: &Self) -> Result<(), Fault> {
        if other.group != self.group {
            return Err(Fault::new("laying facts of one thing over those of another"));
        }
        self.known.extend(other.known.iter().map(|(field, known)| (*field, known.clone())));
        Ok(())
    }
}

fn fits(field: Field, value: &Value) -> Result<(), String> {
    let in_list = |words: &[&str], word: &String| {
        if words.contains(&word.as_str()) {
            Ok(())
        } else {
            Err(format!("`{}` is none of {}", super::refusal::ascii_line(word, 60), words.join(", ")))
        }
    };
    match (field.kind(), value) {
        (Kind::Hours(date) | Kind::Days(date), _) => Err(format!("it is worked out from `{}`; set that", date.word())),
        (Kind::Int, Value::Int(number)) if i32::try_from(*number).is_ok() => Ok(()),
        (Kind::Int, Value::Int(_)) => Err("the number does not fit into 32 bits".to_owned()),
        (Kind::Bool, Value::Bool(_)) | (Kind::Moment, Value::Moment(_)) => Ok(()),
        (Kind::Word(words), Value::Word(word)) => in_list(words, word),
        (Kind::Words(words), Value::Words(given)) => given.iter().try_for_each(|word| in_list(words, word)),
        (Kind::Name, Value::Word(name)) if is_name(name) => Ok(()),
        (Kind::Names, Value::Words(given)) if given.len() <= fields::MOST_NAMES && given.iter().all(|n| is_name(n)) => {
            Ok(())
        }
        (kind, _) => Err(format!("it is {}", kind.sentence())),
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// Counts and sizes. What is too large for a fact is too large for 63 bits too, and does not fit.
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Word(value.to_owned())
    }
}

impl From<BTreeSet<String>> for Value {
    fn from(value: BTreeSet<String>) -> Self {
        Self::Words(value)
    }
}

impl From<Micros> for Value {
    fn from(value: Micros) -> Self {
        Self::Moment(value)
    }
}

pub const HOUR: i64 = 3600 * Micros::SECOND;
const LONGEST_SOURCE: usize = 100;
