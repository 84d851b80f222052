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
    // Every review answered, and the default with them: what a reviewer can bring about.
    let reviews: BTreeSet<_> = decision.rules(Kind::Review).into_iter().chain(each.get(DEFAULT).copied()).collect();
    if reviews.len() > 1 {
        changes.extend(without(admission, question, &reviews.into_iter().collect::<Vec<_>>()));
    }
    changes
}

fn without(admission: &Admission, question: &Question, rules: &[&str]) -> Option<Change> {
    // One rule is left out as if it were not there; several, and the default, are answered as people would.
    let left_out = rules.first().copied().filter(|rule| rules.len() == 1 && *rule != DEFAULT);
    let mut answered = question.answered.clone();
    if left_out.is_none() {
        answered.extend(rules.iter().map(|rule| (*rule).to_owned()));
    }
    let answered = &answered;
    let outcome = admission.supposed(&Question { answered, ..*question }, left_out).ok()?;
    Some(Change { without: rules.iter().map(|rule| (*rule).to_owned()).collect(), outcome })
}
