//! Casbin, set up so that none of its defaults is left to open a door.
//!
//! Its effector stops at the first deny, its matchers panic on what callers send, its cache can be made to collide, its
//! logger starts a thread: here are our own effector, our own matcher and no logger, and the cache is `Access`'s.
//! Never reads files: rows and model come understood.

use std::panic::{AssertUnwindSafe, catch_unwind};

use casbin::{
    Adapter, CoreApi, EffectKind, Effector, EffectorStream, Enforcer, EventData, Logger, MemoryAdapter,
    function_map::{OperatorFunction, dynamic_to_str},
};

use crate::domain::refusal::Fault;

use super::{model, rows::Row};

pub(super) async fn build(rows: &[Row]) -> Result<Enforcer, Fault> {
    let broken = |cause| Fault::because("setting up the access policy", cause);
    let mut adapter = MemoryAdapter::default();
    adapter.add_policies("p", "p", rows.iter().map(Row::fields).collect()).await.map_err(broken)?;
    let mut enforcer = Enforcer::new(model::build()?, adapter).await.map_err(broken)?;
    enforcer.set_logger(Box::new(Silent));
    enforcer.set_effector(Box::new(CollectAll));
    enforcer.add_function(
        "under",
        OperatorFunction::Arg2(|object, pattern| under(&dynamic_to_str(&object), &dynamic_to_str(&pattern)).into()),
    );
    Ok(enforcer)
}

/// Casbin's answer and the ids of all rows that matched. A panic inside is an error like any other: nothing is written
/// while asking, so nothing can be left half done.
pub(super) fn ask(
    enforcer: &Enforcer,
    [subject, environment, object, act]: [&str; 4],
) -> Result<(bool, Vec<String>), String> {
    let answer = catch_unwind(AssertUnwindSafe(|| enforcer.enforce_ex((subject, environment, object, act))));
    let (allow, rows) = answer.map_err(|_| "Casbin panicked".to_owned())?.map_err(|error| error.to_string())?;
    Ok((allow, rows.into_iter().filter_map(|row| row.into_iter().next()).collect()))
}

/// Whether an object's path lies under a pattern: whole segments, `*` for one, a last `**` for the rest.
///
/// Letters compare without their case, as names do: otherwise `Evil/x` would be denied and `evil/x`, the same
/// repository, would not.
fn under(object: &str, pattern: &str) -> bool {
    let (Some(object), Some(pattern)) = (object.strip_prefix('/'), pattern.strip_prefix('/')) else { return false };
    let (mut segments, mut wanted) = (object.split('/'), pattern.split('/'));
    while let Some(want) = wanted.next() {
        if want == "**" {
            return wanted.next().is_none();
        }
        let Some(segment) = segments.next() else { return false };
        if segment.is_empty() || !(want == "*" || want.eq_ignore_ascii_case(segment)) {
            return false;
        }
    }
    segments.next().is_none()
}

/// Deny outweighs allow, and every matching row is heard: Casbin's own effector stops at the first deny.
pub(in crate::gate) struct CollectAll;

impl Effector for CollectAll {
    fn new_stream(&self, effect: &str, _rows: usize) -> Box<dyn EffectorStream> {
        // Casbin's own panics here. Ours says no to whatever it does not know.
        let known = effect == "some(where (p_eft == allow)) && !some(where (p_eft == deny))";
        Box::new(Collected { known, ..Collected::default() })
    }
}

#[derive(Default)]
struct Collected {
    known: bool,
    allowed: bool,
    denied: bool,
    row: usize,
    matched: Vec<usize>,
}

impl EffectorStream for Collected {
    fn next(&self) -> bool {
        self.known && self.allowed && !self.denied
    }

    fn explain(&self) -> Option<Vec<usize>> {
        Some(self.matched.clone())
    }

    /// The answer is whether to stop: never.
    fn push_effect(&mut self, effect: EffectKind) -> bool {
        match effect {
            EffectKind::Allow => self.allowed = true,
            EffectKind::Deny => self.denied = true,
            EffectKind::Indeterminate => {}
        }
        if effect != EffectKind::Indeterminate {
            self.matched.push(self.row);
        }
        self.row += 1;
        false
    }
}

/// Decisions are written in the ledger, not by Casbin.
pub(in crate::gate) struct Silent;

impl Logger for Silent {
    fn enable_log(&mut self, _: bool) {}

    fn is_enabled(&self) -> bool {
        false
    }

    fn print_enforce_log(&self, _: Vec<String>, _: bool, _: bool) {}

    fn print_mgmt_log(&self, _: &EventData) {}

    fn print_explain_log(&self, _: Vec<String>) {}

    fn print_status_log(&self, _: bool) {}
}

#[cfg(test)]
mod tests {
    use super::under;

    #[test]
    fn under_compares_whole_segments() {
        let cases = [
            ("/models/org/bert", "/models/*/*", true),
            ("/models/org/bert", "/*/*/*", true),
            ("/models/org/bert", "/models/**", true),
            ("/models", "/models/**", true),
            ("/models/Org/BERT", "/models/org/bert", true),
            ("/models/org/bert/x", "/models/*/*", false),
            ("/models/org", "/models/*/*", false),
            ("/models//bert", "/models/*/*", false),
            ("/models/org/", "/models/*/*", false),
            ("/models/org/bert-v1.5", "/models/org/bert-v1.5", true),
            ("/models/org/bert-v1x5", "/models/org/bert-v1.5", false),
            ("/models/a€€", "/models/ab*", false),
            ("/models/€", "/models/*", true),
            ("/models/€", "/models/€", true),
            ("/models/[", "/models/[", true),
            ("/models/x", "/models/[x]", false),
            ("/models/ab", "/models/ab*", false),
            ("/models/x/../y", "/models/*/y", false),
            ("/models/x", "/:kind/{name}", false),
            ("/models/a/b", "/**/b", false),
            ("/modelsx", "/models", false),
            ("models/x", "/models/x", false),
            ("/models/x", "models/x", false),
            ("", "", false),
            ("", "/**", false),
            ("/", "/*", false),
        ];
        for (object, pattern, expected) in cases {
            assert_eq!(under(object, pattern), expected, "{object} under {pattern}");
        }
    }
}
