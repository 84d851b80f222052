//! What no profile ever does, whatever is known, forgotten, answered or waived: random revisions that are nearly harmless.

use proptest::prelude::*;

use super::{
    agreement::{a_value, failed, runner},
    *,
};
use crate::domain::facts::Group;

#[derive(Clone, Debug)]
struct Nearly {
    facts: Facts,
    production: bool,
    restricted: bool,
    lifted: bool,
}

fn nearly_harmless() -> impl Strategy<Value = Nearly> {
    let stored: Vec<_> = Field::ALL.iter().filter(|f| f.group() == Group::Revision && f.stored() == **f).collect();
    let change = prop::sample::select(stored)
        .prop_flat_map(|field| prop::option::weighted(0.8, a_value(*field)).prop_map(move |value| (*field, value)));
    let changes = prop::collection::vec(change, 0..4);
    (changes, any::<bool>(), any::<bool>(), any::<bool>()).prop_filter_map(
        "no facts",
        |(changes, production, restricted, lifted)| {
            let mut facts = harmless(AT).ok()?;
            for (field, value) in changes {
                facts.forget(field);
                if let Some(value) = value {
                    facts.set(field, value, "test", AT).ok()?;
                }
            }
            Some(Nearly { facts, production, restricted, lifted })
        },
    )
}

#[test]
fn nothing_that_must_never_come_through_comes_through() -> Result<(), String> {
    let all = all_shipped().map_err(|fault| fault.to_string())?;
    let everything: BTreeSet<_> = all.iter().flat_map(|a| a.rows.iter().map(|row| row.id.clone())).collect();
    let ran = runner(200).run(&nearly_harmless(), |nearly| {
        let lifted = if nearly.lifted { &everything } else { &NONE };
        let data_class = if nearly.restricted { DataClass::Restricted } else { DataClass::Internal };
        let question = Question {
            production: nearly.production,
            data_class,
            answered: lifted,
            waived: lifted,
            ..about(&nearly.facts)
        };
        let known = |field| nearly.facts.value(field, AT);
        for admission in &all {
            let decision = admission.decide(&question);
            prop_assert!(!decision.trouble);
            let line = &decision.headline;
            prop_assert!(
                (1..=200).contains(&line.len()) && line.bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{}",
                line
            );
            prop_assert!(!decision.matched.is_empty());
            if decision.outcome != Outcome::Allow {
                continue;
            }
            let name = admission.profile();
            // What nobody lifts.
            prop_assert_eq!(known(Field::Malicious), Some(Value::Bool(false)), "{}", name);
            prop_assert_eq!(known(Field::Coverage), Some("complete".into()), "{}", name);
            prop_assert_eq!(known(Field::NamespaceReused), Some(Value::Bool(false)), "{}", name);
            prop_assert!(known(Field::Verdict).is_some_and(|verdict| verdict != "malicious".into()), "{}", name);
            prop_assert!(known(Field::Advisory) != Some(Value::Bool(true)), "{}", name);
            if nearly.lifted {
                continue;
            }
            // What people can lift, and no profile.
            prop_assert_eq!(known(Field::ProhibitedSupplier), Some(Value::Bool(false)), "{}", name);
            prop_assert_eq!(known(Field::ApprovalExpired), Some(Value::Bool(false)), "{}", name);
            prop_assert_eq!(known(Field::PullRequestOnly), Some(Value::Bool(false)), "{}", name);
            let open = known(Field::Gated) == Some("no".into()) || known(Field::TermsAccepted) == Some(true.into());
            prop_assert!(open, "{}", name);
            let rated = !nearly.restricted || known(Field::RatedFor) == Some("restricted".into());
            prop_assert!(rated, "{}", name);
            let before = known(Field::ApprovedBefore) == Some(true.into());
            let state = known(Field::UpstreamState);
            prop_assert!(before || state.is_some_and(|state| state != "disabled".into()), "{}", name);
        }
        Ok(())
    });
    ran.map_err(|error| error.to_string())?;
    // A property of nothing would hold too.
    let plain = but(&[]).map_err(|fault| fault.to_string())?;
    let allowed = all.iter().filter(|admission| admission.decide(&about(&plain)).outcome == Outcome::Allow).count();
    assert_eq!(allowed, 3);
    Ok(())
}

/// A softer profile never refuses what a stricter one allows by itself.
#[test]
fn no_profile_is_stricter_than_the_next() -> Result<(), String> {
    let all = all_shipped().map_err(|fault| fault.to_string())?;
    let ran = runner(2000).run(&nearly_harmless(), |nearly| {
        let question = Question { production: nearly.production, ..about(&nearly.facts) };
        let outcomes: Vec<_> = all.iter().map(|admission| admission.supposed(&question, None)).collect();
        for pair in outcomes.windows(2) {
            let [Ok(softer), Ok(stricter)] = pair else { return Err(failed("it could not be evaluated")) };
            prop_assert!(softer <= stricter, "{:?}: {:?}", outcomes, nearly);
        }
        Ok(())
    });
    ran.map_err(|error| error.to_string())
}
