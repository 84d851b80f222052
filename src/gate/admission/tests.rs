//! The admission plane as a whole: the shipped rules under every profile, and what every test here stands on.

mod agreement;
mod decisions;
mod language;
mod loading;
mod promises;
mod traps;

use std::sync::LazyLock;

use super::{
    self_test::{AT, harmless},
    *,
};
use crate::domain::facts::{Facts, Field, HOUR, Value};

/// The three profiles, loaded once for all tests.
static SHIPPED: LazyLock<Vec<Admission>> =
    LazyLock::new(|| PROFILES.iter().filter_map(|(name, _)| wait_for(Admission::built_in(name)).ok()).collect());

fn shipped(profile: &str) -> Result<&'static Admission, Fault> {
    let found = SHIPPED.iter().find(|admission| admission.profile() == profile);
    found.ok_or_else(|| Fault::new(format!("the profile {profile} did not load")))
}

/// All three; a test over a profile that did not load would be a test of nothing.
fn all_shipped() -> Result<Vec<&'static Admission>, Fault> {
    PROFILES.iter().map(|(name, _)| shipped(name)).collect()
}

fn wait_for<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.map_err(|cause| Fault::because("starting a runtime", cause))?.block_on(work)
}

/// A revision that nobody objects to, but for these facts.
fn but(changes: &[(Field, Value)]) -> Result<Facts, Fault> {
    let mut facts = harmless(AT)?;
    for (field, value) in changes {
        facts.set(*field, value.clone(), "test", AT)?;
    }
    Ok(facts)
}

static NONE: BTreeSet<String> = BTreeSet::new();
static PROD: LazyLock<Environment> = LazyLock::new(|| Environment::new("prod").unwrap_or_else(|| unreachable!()));

fn about(facts: &Facts) -> Question<'_> {
    Question {
        environment: &PROD,
        production: true,
        data_class: DataClass::Unstated,
        stream: false,
        asker: Asker::Everyone,
        facts,
        answered: &NONE,
        waived: &NONE,
        at: AT,
    }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn the_shipped_rules_answer_as_their_tests_say() -> Result<(), Fault> {
    let cases = cases::read(include_str!("../../../policies/tests/admission.toml"))?;
    let ran = cases::run(&cases, &SHIPPED);
    assert!(ran.wrong.is_empty(), "{} of {}:\n{}", ran.wrong.len(), ran.asked, ran.wrong.join("\n"));
    assert!(SHIPPED.len() == 3 && ran.asked > 700, "{}", ran.asked);
    assert_eq!(ran.untried, BTreeSet::new(), "rules that matched in no case");
    Ok(())
}

#[test]
fn a_rule_test_that_is_not_understood_is_an_error() {
    let case = |text: &str| format!("[base.x]\nmalicious = false\n[[case]]\nname = \"n\"\n{text}");
    assert!(cases::read(&case("base = \"x\"\nexpect = { any = \"deny: W-002\" }")).is_ok());
    let wrong = [
        ("", "there are none"),
        ("expect = { any = \"alow\" }", "no outcome; the nearest is `allow`"),
        ("base = \"y\"\nexpect = {}", "no base; the nearest is `x`"),
        ("facts = { malicous = true }\nexpect = {}", "no field; the nearest is `malicious`"),
        ("facts = { malicious = 1 }\nexpect = {}", "true or false"),
        ("facts = { age_hours = \"old\" }\nexpect = {}", "hours since"),
        ("missing = [\"x\"]\nexpect = {}", "no field"),
        ("file = { malicious = true }\nexpect = {}", "no field"),
        ("asker = \"robot\"\nexpect = {}", "no asker"),
        ("data_class = \"secret\"\nexpect = {}", "no data class"),
        ("more = 1\nexpect = {}", "unknown field"),
    ];
    for (text, expected) in wrong {
        let text = if text.is_empty() { String::new() } else { case(text) };
        let fault = cases::read(&text).map_or_else(|fault| fault.to_string(), |_| "it was understood".to_owned());
        assert!(fault.contains(expected), "{text}\n{fault}");
    }
    let read = cases::read(&case("expect = { gaurded = \"allow: X-001\", strict = \"allow: X-001\" }"));
    let ran = read.map(|cases| cases::run(&cases, &SHIPPED)).unwrap_or_default();
    assert_eq!((ran.asked, ran.wrong.len()), (2, 3), "a wrong word and two wrong answers: {:?}", ran.wrong);
    assert!(ran.untried.contains("W-005/hide (hide, guarded)") && ran.untried.contains("W-019 (allow, strict)"));
}
