//! The groups that a provider says somebody is in, and whether it said all of them.
//!
//! Never guesses: a list that may be cut short is one that gives no role.

use std::collections::HashMap;

use serde_json::Value;

/// What was said, and how far it can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    pub names: Vec<String>,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Known,
    Absent,
    Incomplete,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Absent => "absent",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Reads the claim. Names are kept exactly as they were said.
pub fn read(claims: &HashMap<String, Value>, claim: Option<&str>, limit: usize) -> Groups {
    let none = |state| Groups { names: Vec::new(), state };
    let Some(claim) = claim else { return none(State::Absent) };
    // Where there are too many, some providers leave them out and say only where they could be asked for.
    let elsewhere = claims.get("_claim_names").and_then(|names| names.get(claim)).is_some();
    let flag = claims.get("hasgroups").is_some_and(|has| *has != Value::Bool(false));
    let names = match claims.get(claim) {
        None if elsewhere || flag => return none(State::Incomplete),
        None | Some(Value::Null) => return none(State::Absent),
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) => {
            let texts: Option<Vec<String>> = list.iter().map(|one| one.as_str().map(str::to_owned)).collect();
            match texts {
                Some(texts) => texts,
                None => return none(State::Incomplete),
            }
        }
        Some(_) => return none(State::Incomplete),
    };
    let odd = |name: &String| name.is_empty() || name.len() > 400;
    if elsewhere || flag || names.len() >= limit || names.iter().any(odd) {
        return none(State::Incomplete);
    }
    let mut names = names;
    names.sort_unstable();
    names.dedup();
    Groups { names, state: State::Known }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: &Value, limit: usize) -> (Vec<String>, &'static str) {
        let claims = claims.as_object().cloned().unwrap_or_default().into_iter().collect();
        let groups = read(&claims, Some("groups"), limit);
        (groups.names, groups.state.word())
    }

    #[test]
    fn a_list_that_may_be_cut_short_gives_nothing() {
        let known = |names: &[&str]| (names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>(), "known");
        assert_eq!(of(&json!({"groups": ["b", "a", "b"]}), 100), known(&["a", "b"]));
        assert_eq!(of(&json!({"groups": "/ml/approvers"}), 100), known(&["/ml/approvers"]));
        assert_eq!(of(&json!({"groups": ["ML "]}), 100), known(&["ML "]));
        assert_eq!(of(&json!({"groups": []}), 100), known(&[]));
        assert_eq!(of(&json!({"other": ["a"]}), 100), (Vec::new(), "absent"));
        let many: Vec<String> = (0..100).map(|n| format!("g{n}")).collect();
        for incomplete in [
            json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x"}}}),
            json!({"hasgroups": true}),
            json!({"hasgroups": "true", "groups": ["a"]}),
            json!({"_claim_names": {"groups": "src1"}, "groups": ["a"]}),
            json!({"groups": many}),
            json!({"groups": ["a", 7]}),
            json!({"groups": {"a": true}}),
            json!({"groups": ["a", ""]}),
        ] {
            assert_eq!(of(&incomplete, 100), (Vec::new(), "incomplete"), "{incomplete}");
        }
        assert_eq!(of(&json!({"groups": many}), 101).1, "known");
    }
}
