//! The traps of Casbin, each sprung once on purpose: every one of them must end in a denial or a policy that does not load.

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, Model, function_map::OperatorFunction};

use super::{
    super::{rows::Mode, view::View},
    *,
};
use crate::domain::facts::Group;

/// An admission that asks another Casbin than its rows say.
fn asking(matcher: &str, effect: &str, rows: impl Fn(&mut Vec<Vec<String>>)) -> Result<Admission, Fault> {
    let mut admission = wait_for(Admission::built_in("strict"))?;
    let mut fields: Vec<_> = admission.rows.iter().map(rows::Row::fields).collect();
    rows(&mut fields);
    let mut model = DefaultModel::default();
    let definitions = [
        ("r", "scope, mode, place, s, m, f, x"),
        ("p", "id, scope, mode, place, env, when, kind, eft"),
        ("e", effect),
        ("m", matcher),
    ];
    for (key, definition) in definitions {
        model.add_def(key, key, definition);
    }
    for row in fields {
        model.add_policy("p", "p", row);
    }
    let made = wait_for(async {
        Enforcer::new_raw(model, MemoryAdapter::default())
            .await
            .map_err(|error| Fault::because("a broken Casbin", error))
    })?;
    admission.enforcer = made;
    admission.enforcer.set_effector(Box::new(crate::gate::access::engine::CollectAll));
    Ok(admission)
}

const MATCHER: &str = "p.scope == r.scope && p.mode == r.mode && (p.place == \"any\" || p.place == r.place) && (p.env == \"*\" || p.env == r.x.environment) && eval(p.when)";
const EFFECT: &str = "some(where (p.eft == allow)) && !some(where (p.eft == deny))";

fn is_trouble(admission: &Admission) -> Result<(), Fault> {
    let facts = but(&[])?;
    let decision = admission.decide(&about(&facts));
    assert!(decision.trouble && decision.outcome == Outcome::Deny && decision.matched.is_empty(), "{decision:?}");
    assert!(wait_for(self_test::run(admission)).is_err(), "it would load");
    Ok(())
}

#[test]
fn trap_a_casbin_as_it_should_be_is_no_trouble() -> Result<(), Fault> {
    let admission = asking(MATCHER, EFFECT, |_| ())?;
    assert_eq!(admission.decide(&about(&but(&[])?)).outcome, Outcome::Allow);
    wait_for(self_test::run(&admission))
}

/// One bad line makes every question that reaches it an error.
#[test]
fn trap_an_error_is_a_denial() -> Result<(), Fault> {
    for broken in ["r_m.f_malicious &&", "r_m.nothing.at.all", "nobody(r_m)", "1"] {
        let admission = asking(MATCHER, EFFECT, |rows| rows.iter_mut().for_each(|row| broken.clone_into(&mut row[5])))?;
        is_trouble(&admission)?;
        let facts = but(&[])?;
        let file = admission.decide_file(&about(&facts), &Facts::of(Group::File));
        assert!(file.trouble && file.hidden, "{broken}: {file:?}");
    }
    Ok(())
}

#[test]
fn trap_a_panic_is_a_denial() -> Result<(), Fault> {
    let matcher = MATCHER.replace("eval(p.when)", "falls(p.when)");
    let mut admission = asking(&matcher, EFFECT, |_| ())?;
    let falls = OperatorFunction::Arg1(|when| {
        // An index out of bounds, as in Casbin's own matchers.
        let bytes: [u8; 0] = [];
        (bytes[casbin::function_map::dynamic_to_str(&when).len()] == 0).into()
    });
    admission.enforcer.add_function("falls", falls);
    is_trouble(&admission)
}

/// Casbin would allow, and the second evaluator does not; or the other way round.
#[test]
fn trap_two_evaluators_that_disagree_deny() -> Result<(), Fault> {
    let easy = MATCHER.replace("eval(p.when)", "p.kind == \"allow\"");
    is_trouble(&asking(&easy, EFFECT, |_| ())?)?;
    let never = MATCHER.replace("eval(p.when)", "false");
    is_trouble(&asking(&never, EFFECT, |_| ())?)?;
    // A row lost, and one that matches without being there.
    is_trouble(&asking(MATCHER, EFFECT, |rows| rows.retain(|row| row[0] != "W-020"))?)?;
    is_trouble(&asking(MATCHER, EFFECT, |rows| rows[3][5] = "true".to_owned())?)?;
    Ok(())
}

#[test]
fn trap_an_effect_that_is_not_ours_allows_nothing() -> Result<(), Fault> {
    let admission = asking(MATCHER, "some(where (p.eft == allow))", |_| ())?;
    is_trouble(&admission)
}

#[test]
fn trap_a_casbin_that_is_switched_off_is_a_denial() -> Result<(), Fault> {
    let mut admission = wait_for(Admission::built_in("guarded"))?;
    admission.enforcer.enable_enforce(false);
    let decision = admission.decide(&about(&but(&[(Field::Secrets, 1_i64.into())])?));
    assert!(decision.trouble && decision.outcome == Outcome::Deny);
    let fault = wait_for(self_test::run(&admission)).err().map(|fault| fault.to_string());
    assert!(fault.is_some_and(|fault| fault.contains("switched off")));
    for source in [include_str!("../../admission.rs"), include_str!("../engine.rs"), include_str!("../weigh.rs")] {
        for forbidden in ["enable_enforce", "enforce_with_context", "CachedEnforcer", "keyMatch", "regexMatch"] {
            assert!(!source.contains(forbidden), "{forbidden}");
        }
    }
    Ok(())
}

/// Casbin takes a field that a request lacks for nothing, and a deny that reads it never fires.
#[test]
fn trap_every_field_is_in_every_question() -> Result<(), Fault> {
    let facts = Facts::of(Group::Revision);
    let view = View::new(&about(&facts), None)?;
    for field in Field::ALL.iter().filter(|field| field.kind() != crate::domain::facts::Kind::Moment) {
        let shape = serde_json::to_value(view.shape(field.group()))
            .map_err(|cause| Fault::because("writing a group of facts", cause))?;
        assert!(shape.get(compile::key(*field)).is_some(), "{field:?}");
    }
    let decision = shipped("observe")?.decide(&about(&facts));
    assert_eq!(decision.outcome, Outcome::Deny);
    Ok(())
}

#[test]
fn trap_facts_of_another_thing_are_no_question() -> Result<(), Fault> {
    let (file, revision) = (Facts::of(Group::File), but(&[])?);
    assert!(shipped("guarded")?.decide(&about(&file)).trouble);
    assert!(shipped("guarded")?.decide_file(&about(&revision), &revision).trouble);
    Ok(())
}

/// Casbin's own effector stops at the first deny and tells only that one.
#[test]
fn trap_every_matching_row_is_told() -> Result<(), Fault> {
    let facts = but(&[
        (Field::Secrets, 1_i64.into()),
        (Field::Executables, 1_i64.into()),
        (Field::NamespaceReused, true.into()),
    ])?;
    let mut rules = shipped("strict")?.decide(&about(&facts)).rules(Kind::Deny).join(" ");
    assert_eq!(rules, "W-003 W-015 W-014");
    rules = shipped("strict")?.decide(&about(&facts)).rules(Kind::Allow).join(" ");
    assert_eq!(rules, "W-020");
    Ok(())
}

/// Ids reach Casbin inside text that it runs; nothing else of a question does.
#[test]
fn trap_no_text_of_a_question_is_ever_run() -> Result<(), Fault> {
    let facts = but(&[(Field::Secrets, 1_i64.into())])?;
    let odd = set(&["\") || true || (\"", "W-014\" in r_m.waived", "r.m.secrets", "p.eft"]);
    let decision = shipped("strict")?.decide(&Question { answered: &odd, waived: &odd, ..about(&facts) });
    assert_eq!((decision.outcome, decision.rules(Kind::Deny)), (Outcome::Deny, vec!["W-014"]));
    Ok(())
}

/// In Casbin an unknown effect is no effect at all.
#[test]
fn every_row_denies_or_allows() -> Result<(), Fault> {
    for admission in all_shipped()? {
        for row in &admission.rows {
            let effect = row.fields().pop();
            assert_eq!(effect.as_deref() == Some("allow"), row.kind == Kind::Allow, "{}", row.key());
            assert!(effect.is_some_and(|effect| effect == "allow" || effect == "deny"));
            assert!(row.mode == Mode::Enforce || admission.profile() == "observe");
        }
    }
    Ok(())
}

#[test]
fn an_admission_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Admission>();
}
