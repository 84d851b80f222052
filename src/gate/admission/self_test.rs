//! What a policy must show before anything is asked of it: that a deny denies, that what must never come through does not
//! under this profile, and that nobody lifts what nobody may.
//!
//! Never repairs anything: a policy that fails is not loaded.

use std::collections::BTreeSet;

use casbin::CoreApi;

use super::{
    Admission, Asked, Asker, DataClass, Decision, Kind, NEVER_LIFTED, Outcome, Question, Scope, engine,
    expr::Expr,
    rows::{Mode, Place, Row},
    rules::ALWAYS,
    view::View,
};
use crate::domain::{
    facts::{Facts, Field, Group, HOUR, Value},
    refusal::Fault,
    role::Environment,
    time::Micros,
};

pub(super) async fn run(admission: &Admission) -> Result<(), Fault> {
    holds_what_was_read(admission)?;
    denies_what_is_denied(admission).await?;
    for production in [true, false] {
        refuses_what_is_unknown(admission, production)?;
        refuses_what_must_never_come_through(admission, production)?;
    }
    Ok(())
}

/// Casbin drops rows it has no section for, and answers yes to everything when it is switched off.
fn holds_what_was_read(admission: &Admission) -> Result<(), Fault> {
    let read: Vec<_> = admission.rows.iter().map(Row::fields).collect();
    if read.is_empty() {
        return Err(failed("there are no rows"));
    }
    if admission.enforcer.get_model().get_policy("p", "p") != read {
        return Err(failed("Casbin does not hold the rows that were read"));
    }
    if admission.enforcer.is_enabled() { Ok(()) } else { Err(failed("Casbin is switched off")) }
}

async fn denies_what_is_denied(admission: &Admission) -> Result<(), Fault> {
    let made = |kind, part: &str| {
        let model = admission.rows.first().ok_or_else(|| failed("there are no rows"))?;
        Ok::<_, Fault>(Row {
            id: format!("self-test-{part}"),
            scope: Scope::Revision,
            mode: Mode::Enforce,
            place: Place::Any,
            environment: None,
            when: Expr::Constant(true),
            kind,
            told: model.told.clone(),
        })
    };
    let (allow, deny) = (made(Kind::Allow, "allow")?, made(Kind::Deny, "deny")?);
    let (facts, none) = (harmless(AT)?, BTreeSet::new());
    let environment = Environment::new("self-test").ok_or_else(|| failed("there is no environment"))?;
    let question = question(&environment, true, &facts, &none);
    let view = View::new(&question, None)?;
    let asked = Asked { scope: Scope::Revision, mode: Mode::Enforce };
    let scratch = engine::build(std::slice::from_ref(&allow)).await?;
    if engine::ask(&scratch, asked, &view) != Ok((true, vec![allow.key()])) {
        return Err(failed("a known allow does not allow"));
    }
    // Once alone and once after all rows, where an effector that stops early would not reach the end.
    let both = [allow.key(), deny.key()];
    let alone = [allow, deny];
    for rows in [alone.to_vec(), admission.rows.iter().cloned().chain(alone).collect()] {
        let (allow, matched) = engine::ask(&engine::build(&rows).await?, asked, &view).map_err(failed)?;
        if allow || !both.iter().all(|key| matched.contains(key)) {
            return Err(failed("a known deny does not deny, or is not told"));
        }
    }
    Ok(())
}

fn refuses_what_is_unknown(admission: &Admission, production: bool) -> Result<(), Fault> {
    let lifted: BTreeSet<_> = admission.rows.iter().map(|row| row.id.clone()).collect();
    let decision = ask(admission, production, &Facts::of(Group::Revision), &lifted)?;
    if decision.outcome == Outcome::Deny && !decision.trouble {
        Ok(())
    } else {
        Err(failed("a revision of which nothing is known is not denied"))
    }
}

fn refuses_what_must_never_come_through(admission: &Admission, production: bool) -> Result<(), Fault> {
    let everything: BTreeSet<_> = admission.rows.iter().map(|row| row.id.clone()).collect();
    for (rule, wrong) in BAD {
        let mut facts = harmless(AT)?;
        for (field, value) in *wrong {
            facts.set(*field, value.value(), "self-test", AT)?;
        }
        let decision = ask(admission, production, &facts, &BTreeSet::new())?;
        let named = decision.rules(Kind::Deny).contains(rule) || decision.rules(Kind::Review).contains(rule);
        if decision.outcome == Outcome::Allow || !named {
            return Err(failed(format!("what `{rule}` must refuse comes through, or it is not told")));
        }
        let lifted = ask(admission, production, &facts, &everything)?;
        if NEVER_LIFTED.contains(rule) && lifted.outcome != Outcome::Deny {
            return Err(failed(format!("`{rule}` can be answered or waived away")));
        }
    }
    let tried = |id: &str| BAD.iter().any(|(rule, _)| *rule == id);
    match ALWAYS.iter().find(|(id, _)| !tried(id)) {
        None => Ok(()),
        Some((id, _)) => Err(failed(format!("nothing tries `{id}`"))),
    }
}

fn ask(admission: &Admission, production: bool, facts: &Facts, lifted: &BTreeSet<String>) -> Result<Decision, Fault> {
    // A rule for one environment must not be what holds: this one no rule names.
    let environment = Environment::new("self-test").ok_or_else(|| failed("there is no environment"))?;
    let decision = admission.decide(&question(&environment, production, facts, lifted));
    if decision.trouble { Err(failed("it could not be evaluated")) } else { Ok(decision) }
}

fn question<'a>(
    environment: &'a Environment,
    production: bool,
    facts: &'a Facts,
    lifted: &'a BTreeSet<String>,
) -> Question<'a> {
    Question {
        environment,
        production,
        data_class: DataClass::Restricted,
        stream: false,
        asker: Asker::Everyone,
        facts,
        answered: lifted,
        waived: lifted,
        at: AT,
    }
}

/// A revision that nobody objects to.
pub(super) fn harmless(at: Micros) -> Result<Facts, Fault> {
    let mut facts = Facts::of(Group::Revision);
    for (field, value) in HARMLESS {
        facts.set(*field, value.value(), "self-test", at)?;
    }
    let old = Micros(at.0 - 1000 * HOUR * 24);
    for field in [Field::PublishedAt, Field::FirstSeenAt, Field::OwnerSince] {
        facts.set(field, old, "self-test", at)?;
    }
    facts.set(Field::CapabilityFlags, BTreeSet::new(), "self-test", at)?;
    Ok(facts)
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Plain {
    Is(bool),
    Count(i64),
    Word(&'static str),
}

impl Plain {
    fn value(self) -> Value {
        match self {
            Self::Is(value) => value.into(),
            Self::Count(value) => value.into(),
            Self::Word(value) => value.into(),
        }
    }
}

use Plain::{Count, Is, Word};

/// What each rule that enforces under any profile must refuse.
const BAD: &[(&str, &[(Field, Plain)])] = &[
    ("W-001", &[(Field::Malicious, Is(true))]),
    ("W-001", &[(Field::Verdict, Word("malicious"))]),
    ("W-002", &[(Field::Coverage, Word("incomplete"))]),
    ("W-002", &[(Field::Coverage, Word("unsupported"))]),
    ("W-003", &[(Field::NamespaceReused, Is(true))]),
    ("W-004", &[(Field::ProhibitedSupplier, Is(true))]),
    ("W-013", &[(Field::Gated, Word("manual")), (Field::TermsAccepted, Is(false))]),
    ("W-018", &[(Field::RatedFor, Word("public"))]),
    ("W-022", &[(Field::ApprovalExpired, Is(true))]),
    ("W-023", &[(Field::UpstreamState, Word("disabled"))]),
    ("W-024", &[(Field::Private, Is(true)), (Field::PrivateMapped, Is(false))]),
];

const HARMLESS: &[(Field, Plain)] = &[
    (Field::Malicious, Is(false)),
    (Field::Advisory, Is(false)),
    (Field::Coverage, Word("complete")),
    (Field::Verdict, Word("clean")),
    (Field::MaxSeverity, Word("none")),
    (Field::EnginesDisagree, Is(false)),
    (Field::HasPickle, Is(false)),
    (Field::PicklesLeft, Count(0)),
    (Field::SafetensorsOnly, Is(true)),
    (Field::Plain, Is(true)),
    (Field::Executables, Count(0)),
    (Field::ArchiveDepth, Count(0)),
    (Field::ArchiveRatioHigh, Is(false)),
    (Field::PathTraversal, Is(false)),
    (Field::Secrets, Count(0)),
    (Field::RemoteCode, Is(false)),
    (Field::ExternalCode, Word("none")),
    (Field::CodeFiles, Count(0)),
    (Field::UnknownImports, Count(0)),
    (Field::NetworkCalls, Count(0)),
    (Field::TemplateRisky, Is(false)),
    (Field::SizeMib, Count(100)),
    (Field::FileCount, Count(3)),
    (Field::LicenseFamily, Word("permissive")),
    (Field::LicenseConflict, Is(false)),
    (Field::PublisherTier, Word("verified")),
    (Field::TyposquatDistance, Count(99)),
    (Field::NamespaceReused, Is(false)),
    (Field::ProhibitedSupplier, Is(false)),
    (Field::PullRequestOnly, Is(false)),
    (Field::Internal, Is(false)),
    (Field::SignedByUs, Is(false)),
    (Field::AncestorsApproved, Word("all")),
    (Field::RatedFor, Word("restricted")),
    (Field::Gated, Word("no")),
    (Field::TermsAccepted, Is(false)),
    (Field::UpstreamState, Word("live")),
    (Field::Private, Is(false)),
    (Field::PrivateMapped, Is(false)),
    (Field::ApprovedBefore, Is(false)),
    (Field::ApprovalExpired, Is(false)),
    (Field::OnlyProseChanged, Is(false)),
];

fn failed(why: impl Into<String>) -> Fault {
    Fault::new(format!("testing the admission policy before use: {}", why.into()))
}

/// A moment like any other; no rule may depend on which.
pub(super) const AT: Micros = Micros(1_750_000_000_000_000);
