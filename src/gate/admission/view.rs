//! Everything that one question lets a rule see: four groups of facts, what was answered, and where.
//!
//! Closed and fully populated: each field has a value or is missing, and there are no others. Never judges.

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Asker, Question, compile::key};
use crate::domain::{
    facts::{Facts, Field, Group, Value},
    refusal::Fault,
    time::Micros,
};

pub(super) struct View<'a> {
    pub environment: &'a str,
    pub production: bool,
    pub answered: &'a BTreeSet<String>,
    pub waived: &'a BTreeSet<String>,
    pub at: Micros,
    revision: &'a Facts,
    file: Facts,
    subject: Facts,
    context: Facts,
}

impl<'a> View<'a> {
    pub(super) fn new(question: &Question<'a>, file: Option<&Facts>) -> Result<Self, Fault> {
        let file = file.cloned().unwrap_or_else(|| Facts::of(Group::File));
        for (facts, group) in [(question.facts, Group::Revision), (&file, Group::File)] {
            if facts.group() != group {
                return Err(Fault::new(format!("asking about a {} with other facts", group.word())));
            }
        }
        let (mut subject, mut context) = (Facts::of(Group::Subject), Facts::of(Group::Context));
        let (kind, entitled) = match question.asker {
            Asker::Everyone => ("everyone", None),
            Asker::Person => ("person", None),
            Asker::Ci => ("ci", None),
            Asker::Cluster { entitled } => ("cluster", entitled),
        };
        subject.set(Field::SubjectKind, kind, ASKED, question.at)?;
        if let Some(entitled) = entitled {
            subject.set(Field::Entitled, entitled, ASKED, question.at)?;
        }
        context.set(Field::Production, question.production, CONFIGURED, question.at)?;
        context.set(Field::DataClass, question.data_class.word(), CONFIGURED, question.at)?;
        context.set(Field::Stream, question.stream, CONFIGURED, question.at)?;
        context.set(Field::AnotherReview, false, RULES, question.at)?;
        Ok(Self {
            environment: question.environment.as_str(),
            production: question.production,
            answered: question.answered,
            waived: question.waived,
            at: question.at,
            revision: question.facts,
            file,
            subject,
            context,
        })
    }

    /// A review rule has matched: those that wait for another one may.
    pub(super) fn with_another_review(&mut self) -> Result<(), Fault> {
        self.context.set(Field::AnotherReview, true, RULES, self.at)
    }

    pub(super) fn facts(&self, group: Group) -> &Facts {
        match group {
            Group::Revision => self.revision,
            Group::File => &self.file,
            Group::Subject => &self.subject,
            Group::Context => &self.context,
        }
    }

    pub(super) fn value(&self, field: Field) -> Option<Value> {
        self.facts(field.group()).value(field, self.at)
    }

    /// One group as Casbin sees it.
    pub(super) fn shape(&self, group: Group) -> Shape<'_> {
        let readable = Field::ALL.iter().filter(|field| field.group() == group);
        let fields = readable
            .filter(|field| field.kind() != crate::domain::facts::Kind::Moment)
            .map(|field| (key(*field), self.value(*field)))
            .collect();
        let lists = match group {
            Group::Revision => vec![("answered", self.answered), ("waived", self.waived)],
            _ => Vec::new(),
        };
        Shape { fields, lists, environment: (group == Group::Context).then_some(self.environment) }
    }
}

/// A group of facts on its way to Casbin. A missing one is there too, as nothing.
pub(super) struct Shape<'a> {
    fields: Vec<(String, Option<Value>)>,
    lists: Vec<(&'static str, &'a BTreeSet<String>)>,
    environment: Option<&'a str>,
}

impl Serialize for Shape<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        for (key, value) in &self.fields {
            match value {
                None | Some(Value::Moment(_)) => map.serialize_entry(key, &())?,
                Some(Value::Bool(value)) => map.serialize_entry(key, value)?,
                // Facts hold no larger ones; an error here is a refusal like any other.
                Some(Value::Int(value)) => {
                    let value = i32::try_from(*value).map_err(serde::ser::Error::custom)?;
                    map.serialize_entry(key, &value)?;
                }
                Some(Value::Word(value)) => map.serialize_entry(key, value)?,
                Some(Value::Words(value)) => map.serialize_entry(key, value)?,
            }
        }
        for (key, list) in &self.lists {
            map.serialize_entry(key, list)?;
        }
        if let Some(environment) = self.environment {
            map.serialize_entry("environment", environment)?;
        }
        map.end()
    }
}

/// Casbin asks for this for its cache, which is never used.
impl Hash for Shape<'_> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

const ASKED: &str = "credential";
const CONFIGURED: &str = "configuration";
const RULES: &str = "rules";
