//! The same rows, evaluated a second time without Casbin.
//!
//! Written from the meaning of a row, not from the model: it shares no code with the other evaluator, so that a fault in
//! one does not hide in both. Never sees a question before `Access` has read it.

use super::{ALL, EVERY, rows::Row};

pub(super) struct Rules(Vec<Rule>);

struct Rule {
    id: String,
    subject: &'static str,
    act: &'static str,
    environment: Option<String>,
    object: Vec<Part>,
    allow: bool,
}

enum Part {
    Named(String),
    One,
    Rest,
}

impl Rules {
    pub(super) fn new(rows: &[Row]) -> Self {
        Self(rows.iter().map(Rule::new).collect())
    }

    pub(super) fn decide(&self, [subject, environment, object, act]: [&str; 4]) -> (bool, Vec<String>) {
        let object: Vec<_> = object.split('/').skip(1).map(str::to_ascii_lowercase).collect();
        let mine = self.0.iter().filter(|rule| rule.subject == subject && rule.act == act);
        let (mut matched, mut allows, mut denies) = (Vec::new(), 0, 0);
        for rule in mine.filter(|rule| rule.covers(environment) && lies_under(&object, &rule.object)) {
            matched.push(rule.id.clone());
            *(if rule.allow { &mut allows } else { &mut denies }) += 1;
        }
        (allows > 0 && denies == 0, matched)
    }
}

impl Rule {
    fn new(row: &Row) -> Self {
        let part = |segment: &str| match segment {
            "*" => Part::One,
            "**" => Part::Rest,
            name => Part::Named(name.to_ascii_lowercase()),
        };
        Self {
            id: row.id.clone(),
            subject: row.subject.word(),
            act: row.act,
            environment: (row.environment != EVERY).then(|| row.environment.clone()),
            object: row.object.split('/').skip(1).map(part).collect(),
            allow: row.allow,
        }
    }

    fn covers(&self, environment: &str) -> bool {
        match &self.environment {
            None => true,
            Some(_) if environment == ALL => !self.allow,
            Some(own) => own == environment,
        }
    }
}

fn lies_under(object: &[String], pattern: &[Part]) -> bool {
    match (object, pattern) {
        ([], []) | (_, [Part::Rest]) => true,
        ([first, object @ ..], [Part::One, pattern @ ..]) => !first.is_empty() && lies_under(object, pattern),
        ([first, object @ ..], [Part::Named(name), pattern @ ..]) => first == name && lies_under(object, pattern),
        _ => false,
    }
}
