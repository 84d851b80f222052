//! What would change a decision: the same question once more, without one rule that stands in the way, then without all
//! that people can answer.
//!
//! Never changes anything, and never shows a way round what nobody can lift.

use std::collections::BTreeSet;

use super::{Admission, Kind, Outcome, Question, rules::DEFAULT};

/// Without these rules, this would be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub without: Vec<String>,
    pub outcome: Outcome,
}

pub(super) fn of(admission: &Admission, question: &Question) -> Vec<Change> {
    let decision = admission.decide(question);
    if decision.outcome == Outcome::Allow || decision.trouble {
        return Vec::new();
    }
    let against = [Kind::Deny, Kind::Review].map(|kind| decision.rules(kind));
    let each: BTreeSet<_> = against.concat().into_iter().collect();
    let mut changes: Vec<_> = each.iter().filter_map(|rule| without(admission, question, &[rule])).collect();
    // A review with every review answered: what a reviewer can bring about.
    let mut reviews = decision.rules(Kind::Review);
    if decision.rules(Kind::Deny).contains(&DEFAULT) {
        reviews.push(DEFAULT);
    }
    reviews.dedup();
    if reviews.len() > 1 {
        changes.extend(without(admission, question, &reviews));
    }
    changes
}

fn without(admission: &Admission, question: &Question, rules: &[&str]) -> Option<Change> {
    // Answering is how people take a review away, and the default; what only two people or nobody can lift is left out
    // as if it were not there.
    let mut answered = question.answered.clone();
    answered.extend(rules.iter().map(|rule| (*rule).to_owned()));
    let left_out = match rules {
        [rule] if *rule != DEFAULT => Some(*rule),
        _ => None,
    };
    let answered = if left_out.is_some() { question.answered } else { &answered };
    let outcome = admission.supposed(&Question { answered, ..*question }, left_out).ok()?;
    Some(Change { without: rules.iter().map(|rule| (*rule).to_owned()).collect(), outcome })
}
