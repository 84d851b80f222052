//! Facts as text, both ways: what stands in a row of the database.
//!
//! Writing names every field, the missing ones too. Reading is strict: an unknown field, a wrong type or a name given
//! twice is an error, never a fact less. A field that the text does not name is newer than the text, and missing.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value as Json, json};

use super::{Fault, Field, Group, Kind, Known, Micros, Value};
use crate::domain::facts::Facts;

impl Facts {
    /// The same facts always give the same text.
    pub fn to_json(&self) -> String {
        let stored = Field::ALL.iter().filter(|field| field.group() == self.group && field.stored() == **field);
        let facts: Map<_, _> = stored
            .map(|field| (field.word().to_owned(), self.known.get(field).map_or(Json::Null, Known::to_json)))
            .collect();
        json!({"v": 1, "of": self.group.word(), "facts": facts}).to_string()
    }

    pub fn from_json(text: &str) -> Result<Self, Fault> {
        let doing = "reading stored facts";
        let told: Told = serde_json::from_str(text).map_err(|cause| Fault::because(doing, cause))?;
        let wrong = |why: String| Fault::new(format!("{doing}: {why}"));
        if told.v != 1 {
            return Err(wrong(format!("version {} is not known here", told.v)));
        }
        let group = Group::ALL.into_iter().find(|group| group.word() == told.of);
        let mut facts = Self::of(group.ok_or_else(|| wrong(format!("`{}` has no facts", told.of)))?);
        let mut named = BTreeSet::new();
        for (word, fact) in told.facts.0 {
            let field = Field::find(facts.group, &word).ok_or_else(|| wrong(format!("`{word}` is no field")))?;
            if !named.insert(field) {
                return Err(wrong(format!("`{word}` is told twice")));
            }
            if let Some(fact) = fact {
                let value = read(field, fact.value).ok_or_else(|| {
                    wrong(format!("`{word}` is {}, and the text says something else", field.kind().sentence()))
                })?;
                facts.set(field, value, &fact.source, Micros(fact.at))?;
            }
        }
        Ok(facts)
    }
}

impl Value {
    /// A moment is its microseconds.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Bool(value) => json!(value),
            Self::Int(value) => json!(value),
            Self::Word(value) => json!(value),
            Self::Words(value) => json!(value),
            Self::Moment(value) => json!(value.0),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Word(value) => value.fmt(f),
            Self::Words(value) => {
                let words: Vec<_> = value.iter().map(String::as_str).collect();
                write!(f, "[{}]", words.join(", "))
            }
            Self::Moment(value) => value.to_millis_text().fmt(f),
        }
    }
}

impl Known {
    pub fn to_json(&self) -> Json {
        json!({"value": self.value.to_json(), "source": self.source, "at": self.observed_at.0})
    }
}

fn read(field: Field, value: Json) -> Option<Value> {
    match (field.kind(), value) {
        (Kind::Bool, Json::Bool(value)) => Some(Value::Bool(value)),
        (Kind::Int, Json::Number(value)) => value.as_i64().map(Value::Int),
        (Kind::Moment, Json::Number(value)) => value.as_i64().map(|at| Value::Moment(Micros(at))),
        (Kind::Word(_) | Kind::Name, Json::String(value)) => Some(Value::Word(value)),
        (Kind::Words(_) | Kind::Names, Json::Array(values)) => {
            let count = values.len();
            let words: BTreeSet<_> = values.into_iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
            (words.len() == count).then_some(Value::Words(words))
        }
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    v: u32,
    of: String,
    facts: Pairs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    value: Json,
    source: String,
    at: i64,
}

/// The facts one by one: a map would keep the last of two with one name and say nothing.
struct Pairs(Vec<(String, Option<Fact>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> de::Visitor<'de> for Reading {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("facts by their fields")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Reading)
    }
}
