//! What a decision tells: the headline, the reasons with their facts, the end of cooling, and what would change it.

use super::*;

#[test]
fn the_headline_is_the_weightiest_reason_in_one_short_line() -> Result<(), Fault> {
    let admission = shipped("strict")?;
    let all = but(&[
        (Field::Malicious, true.into()),
        (Field::NamespaceReused, true.into()),
        (Field::Coverage, "incomplete".into()),
        (Field::LicenseFamily, "research".into()),
        (Field::PublishedAt, AT.into()),
    ])?;
    let mut facts = all;
    let order = [
        (Field::Malicious, Value::Bool(false), "W-001: "),
        (Field::NamespaceReused, Value::Bool(false), "W-003: "),
        (Field::Coverage, "complete".into(), "W-002: "),
        (Field::LicenseFamily, "permissive".into(), "W-009: "),
    ];
    for (field, value, rule) in order {
        let headline = admission.decide(&about(&facts)).headline;
        assert!(headline.starts_with(rule), "{rule} {headline}");
        facts.set(field, value, "test", AT)?;
    }
    assert!(admission.decide(&about(&facts)).headline.starts_with("W-010: "));
    let nothing = admission.decide(&about(&Facts::of(crate::domain::facts::Group::Revision)));
    assert!(
        nothing.headline.contains("not known") && nothing.headline.contains("more reasons"),
        "{}",
        nothing.headline
    );
    for decision in [nothing, admission.decide(&about(&but(&[])?))] {
        assert!(decision.headline.len() <= 200 && decision.headline.bytes().all(|b| (b' '..=b'~').contains(&b)));
    }
    assert_eq!(
        admission.decide(&about(&but(&[])?)).headline,
        "Allowed by W-020: Known publisher, permissive, weights only."
    );
    Ok(())
}

/// A deny makes the headline of a denial, even where a review would weigh more as a kind of reason.
#[test]
fn a_review_is_not_the_headline_of_a_denial() -> Result<(), Fault> {
    let facts = but(&[(Field::PicklesLeft, 1_i64.into()), (Field::ApprovalExpired, true.into())])?;
    let decision = shipped("guarded")?.decide(&about(&facts));
    assert_eq!((decision.outcome, &decision.headline[..6]), (Outcome::Deny, "W-022:"));
    let facts = but(&[(Field::Plain, false.into()), (Field::CodeFiles, 1_i64.into())])?;
    let decision = shipped("guarded")?.decide(&about(&facts));
    assert_eq!(decision.headline, "W-000: No rule allows this revision by itself; somebody has to approve it.");
    Ok(())
}

#[test]
fn every_line_fits() -> Result<(), Fault> {
    for admission in all_shipped()? {
        for row in &admission.rows {
            assert!(
                row.told.sentence.ends_with('.') && row.id.len() + 2 + row.told.sentence.len() <= 140,
                "{}",
                row.id
            );
        }
    }
    Ok(())
}

#[test]
fn reasons_name_the_facts_they_read_with_source_and_time() -> Result<(), Fault> {
    let mut facts = but(&[])?;
    facts.set(Field::LicenseFamily, "research", "card", Micros(7))?;
    facts.forget(Field::LicenseConflict);
    let decision = shipped("strict")?.decide(&about(&facts));
    let licence = decision.matched.iter().find(|matched| matched.rule == "W-009").ok_or(Fault::new("no W-009"))?;
    assert_eq!((licence.owner.as_str(), licence.effect, licence.enforced), ("legal", Kind::Deny, true));
    assert_eq!(licence.unknown, Vec::<&str>::new(), "what is known is enough to tell");
    let read: Vec<_> = licence.read.iter().map(|read| (read.field, read.value.clone())).collect();
    assert_eq!(read, [(Field::LicenseFamily, Some("research".into())), (Field::LicenseConflict, None)]);
    let known = licence.read[0].known.as_ref().ok_or(Fault::new("not known"))?;
    assert_eq!((known.source.as_str(), known.observed_at), ("card", Micros(7)));
    facts.forget(Field::LicenseFamily);
    let decision = shipped("strict")?.decide(&about(&facts));
    assert_eq!(decision.matched[0].unknown, ["license_family", "license_conflict"]);
    let json = decision.to_json();
    assert_eq!(json["matched"][0]["unknown"][0], "license_family");
    assert_eq!(json["matched"][0]["read"][0]["field"], "r.m.license_family");
    assert_eq!((json["outcome"].as_str(), json["profile"].as_str()), (Some("deny"), Some("strict")));
    Ok(())
}

/// An answer rests on values: not on the hour, nor on who told them.
#[test]
fn an_answer_lasts_until_something_else_is_known() -> Result<(), Fault> {
    let admission = shipped("strict")?;
    let seen = |facts: &Facts, at| {
        let decision = admission.decide(&Question { at, ..about(facts) });
        let rules: Vec<_> = decision.answerable().into_iter().map(|m| (m.rule.clone(), m.digest())).collect();
        rules
    };
    let facts = but(&[(Field::PublishedAt, AT.into()), (Field::MaxSeverity, "medium".into())])?;
    let now = seen(&facts, AT);
    assert_eq!(now.iter().map(|(rule, _)| rule.as_str()).collect::<Vec<_>>(), ["W-008", "W-010", "W-000"]);
    assert_eq!(seen(&facts, Micros(AT.0 + 5 * HOUR)), now);
    let mut other = facts.clone();
    other.set(Field::MaxSeverity, "medium", "another", Micros(3))?;
    assert_eq!(seen(&other, AT), now);
    other.set(Field::MaxSeverity, "high", "test", AT)?;
    let changed: Vec<_> = seen(&other, AT).iter().zip(&now).map(|(a, b)| a == b).collect();
    assert_eq!(changed, [false, true, true]);
    other.forget(Field::MaxSeverity);
    assert_ne!(seen(&other, AT)[0], now[0]);
    Ok(())
}

/// What only records says so, and does not stand before what decided.
#[test]
fn a_recorded_rule_is_told_after_what_decided() -> Result<(), Fault> {
    let decision = shipped("observe")?.decide(&about(&but(&[(Field::Secrets, 1_i64.into())])?));
    let told: Vec<_> = decision.matched.iter().map(|m| (m.rule.as_str(), m.enforced)).collect();
    assert_eq!(told, [("O-001", true), ("W-014", false), ("W-020", false)]);
    assert_eq!(decision.outcome, Outcome::Allow);
    Ok(())
}

#[test]
fn cooling_ends_at_the_very_moment() -> Result<(), Fault> {
    let published = Micros(AT.0 - 10 * HOUR - 1_234_567);
    let young = but(&[(Field::PublishedAt, published.into()), (Field::Plain, false.into())])?;
    let decision = shipped("guarded")?.decide(&about(&young));
    let end = Micros(published.0 + 72 * HOUR);
    assert_eq!((decision.outcome, decision.until), (Outcome::Review, Some(end)));
    assert!(decision.headline.contains("It can be had from 2025-06-18 05:06 UTC."), "{}", decision.headline);
    let at = |at| shipped("guarded").map(|admission| admission.decide(&Question { at, ..about(&young) }).outcome);
    assert_eq!((at(Micros(end.0 - 1))?, at(end)?), (Outcome::Review, Outcome::Allow));
    // Neither when another reason stands, nor when no rule would allow it then.
    for (field, value) in [(Field::Gated, Value::from("manual")), (Field::CodeFiles, 1_i64.into())] {
        let mut facts = young.clone();
        facts.set(field, value, "test", AT)?;
        assert_eq!(shipped("guarded")?.decide(&about(&facts)).until, None, "{field:?}");
    }
    Ok(())
}

#[test]
fn what_would_change_it_is_found_by_asking_again() -> Result<(), Fault> {
    let change = |rules: &[&str], outcome| Change { without: rules.iter().map(|r| (*r).to_owned()).collect(), outcome };
    let admission = shipped("strict")?;
    let facts = but(&[(Field::Secrets, 1_i64.into()), (Field::SizeMib, 300_000_i64.into())])?;
    assert_eq!(
        admission.what_would_change(&about(&facts)),
        [change(&["W-014"], Outcome::Review), change(&["W-017"], Outcome::Deny)]
    );
    let facts = but(&[(Field::PicklesLeft, 1_i64.into()), (Field::SafetensorsOnly, false.into())])?;
    assert_eq!(
        admission.what_would_change(&about(&facts)),
        [
            change(&["W-000"], Outcome::Review),
            change(&["W-005"], Outcome::Deny),
            change(&["W-000", "W-005"], Outcome::Allow)
        ]
    );
    // The companion goes with the review that it stood beside.
    let facts = but(&[(Field::MaxSeverity, "high".into()), (Field::PublisherTier, "unknown".into())])?;
    let changes = shipped("guarded")?.what_would_change(&about(&facts));
    assert!(changes.contains(&change(&["W-008"], Outcome::Allow)), "{changes:?}");
    assert_eq!(admission.what_would_change(&about(&but(&[])?)), []);
    Ok(())
}

/// Whoever answers everything that a reviewer can, and waives everything that two can, still meets these three.
#[test]
fn three_rules_are_lifted_by_nobody() -> Result<(), Fault> {
    let bad: [(&str, Field, Value); 4] = [
        ("W-001", Field::Malicious, true.into()),
        ("W-002", Field::Coverage, "incomplete".into()),
        ("W-003", Field::NamespaceReused, true.into()),
        ("W-001", Field::Advisory, true.into()),
    ];
    for admission in all_shipped()? {
        let everything: BTreeSet<_> = admission.rows.iter().map(|row| row.id.clone()).collect();
        for production in [true, false] {
            for (rule, field, value) in &bad {
                let facts = but(&[(*field, value.clone())])?;
                let question = Question { production, answered: &everything, waived: &everything, ..about(&facts) };
                let decision = admission.decide(&question);
                assert_eq!((decision.outcome, decision.rules(Kind::Deny)), (Outcome::Deny, vec![*rule]));
            }
        }
        for row in admission.rows.iter().filter(|row| NEVER_LIFTED.contains(&row.id.as_str())) {
            assert!(row.when.lifts().is_empty(), "{}", row.id);
        }
    }
    Ok(())
}

#[test]
fn an_answer_lifts_its_own_rule_and_only_a_review() -> Result<(), Fault> {
    let facts = but(&[(Field::RemoteCode, true.into()), (Field::SizeMib, 300_000_i64.into())])?;
    let (answered, waived) = (set(&["W-006"]), set(&["W-006"]));
    let rules = |question: &Question| {
        let decision = shipped("strict")?.decide(question);
        Ok::<_, Fault>([decision.rules(Kind::Deny), decision.rules(Kind::Review)].concat().join(" "))
    };
    let production = Question { answered: &answered, ..about(&facts) };
    assert_eq!(rules(&production)?, "W-006 W-000 W-017", "one person does not answer a deny");
    assert_eq!(rules(&Question { production: false, ..production })?, "W-000 W-017");
    assert_eq!(rules(&Question { waived: &waived, ..about(&facts) })?, "W-000 W-017");
    Ok(())
}

#[test]
fn a_file_is_hidden_with_its_reason() -> Result<(), Fault> {
    let facts = but(&[])?;
    let mut file = Facts::of(crate::domain::facts::Group::File);
    for (field, value) in
        [(Field::FilePickle, Value::from(true)), (Field::FileClean, true.into()), (Field::FileTwin, "equal".into())]
    {
        file.set(field, value, "scan", AT)?;
    }
    let decision = shipped("guarded")?.decide_file(&about(&facts), &file);
    assert!(decision.hidden && decision.headline.starts_with("W-005: This pickle is hidden"), "{decision:?}");
    assert_eq!(decision.to_json()["matched"][0]["effect"], "hide");
    let observed = shipped("observe")?.decide_file(&about(&facts), &file);
    assert!(!observed.hidden && observed.headline.is_empty() && !observed.matched[0].enforced);
    Ok(())
}
