//! Safe twins: pickled weights whose tensors the safetensors beside them also hold.
//!
//! Says which files are to be compared, and what a comparison (`compare.rs`) came to. Never opens a file.

use std::collections::BTreeMap;

use serde_json::Value;

use super::knowledge::Report;
use crate::store::tables::report;

/// What stands beside a file with a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// No safetensors, or others.
    None,
    /// The same names, types, shapes and numbers.
    Equal,
    Unequal,
    /// They could not be compared, or have not been: nobody knows.
    Missing,
}

impl Twin {
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Equal => "equal",
            Self::Unequal => "unequal",
            Self::Missing => "missing",
        }
    }

    /// The same as policy reads it: what nobody knows is no word.
    pub fn fact(self) -> Option<&'static str> {
        (self != Self::Missing).then(|| self.word())
    }

    fn of(word: &Value) -> Self {
        [Self::None, Self::Equal, Self::Unequal].into_iter().find(|twin| *word == twin.word()).unwrap_or(Self::Missing)
    }
}

/// Every clean pickle with tensors, each with the clean safetensors of its folder, where there are any.
pub fn candidates(reports: &[Report]) -> Vec<(&Report, Vec<&Report>)> {
    let mut safe: BTreeMap<&str, Vec<&Report>> = BTreeMap::new();
    for one in reports.iter().filter(|one| one.row.format == "safetensors" && one.is_clean()) {
        safe.entry(folder(one)).or_default().push(one);
    }
    let pickles = reports.iter().filter(|one| one.is_pickle() && one.is_clean() && one.tensors() > 0);
    pickles.filter_map(|one| Some((one, safe.get(folder(one))?.clone()))).collect()
}

fn folder(one: &Report) -> &str {
    one.row.path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// For every file with a pickle, what stands beside it.
pub fn twins(reports: &[Report]) -> BTreeMap<String, Twin> {
    let mut twins: BTreeMap<String, Twin> =
        reports.iter().filter(|one| one.is_pickle()).map(|one| (one.row.path.clone(), Twin::None)).collect();
    for (one, _) in candidates(reports) {
        twins.insert(one.row.path.clone(), one.twin().map_or(Twin::Missing, |twin| Twin::of(&twin["state"])));
    }
    twins
}

/// What was found of a file's twin holds for a new report on the same bytes, until they are compared again.
pub fn carry(before: &report::Model, row: &mut report::Model) {
    let read = |body: &str| serde_json::from_str::<Value>(body).ok().filter(Value::is_object);
    let (Some(old), Some(mut new)) = (read(&before.body), read(&row.body)) else { return };
    if before.bytes_id != row.bytes_id || !old["twin"].is_object() {
        return;
    }
    new["twin"] = old["twin"].clone();
    let told = old["findings"].as_array().into_iter().flatten().filter(|one| one["rule"] == TWIN_RULE).cloned();
    if let Some(findings) = new["findings"].as_array_mut() {
        findings.extend(told);
    }
    row.body = new.to_string();
}

/// The finding that weights differ from the safe ones beside them. It is seen by comparing two files, which the scanner of
/// one file cannot.
pub const TWIN_RULE: &str = "WB-TWIN-001";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(path: &str, format: &str, verdict: &str, tensors: u64, twin: &Value) -> Report {
        let body = json!({"facts": {"tensors": {"count": tensors}}, "findings": [], "twin": twin}).to_string();
        let row = report::Model {
            revision_id: String::new(),
            path: path.to_owned(),
            bytes_id: String::new(),
            scanner: String::new(),
            siblings: String::new(),
            stage: String::new(),
            format: format.to_owned(),
            verdict: verdict.to_owned(),
            coverage: "complete".to_owned(),
            body,
            ranges: String::new(),
            made_at: 0,
        };
        Report::read(row, 1)
    }

    #[test]
    fn what_was_not_compared_is_missing_and_what_has_nothing_beside_it_has_no_twin() {
        let torch = |path, state: &str| file(path, "torch checkpoint", "clean", 3, &json!({"state": state}));
        let all = [
            file("model.safetensors", "safetensors", "clean", 3, &Value::Null),
            torch("equal.bin", "equal"),
            torch("unequal.bin", "unequal"),
            torch("odd.bin", "like new"),
            file("new.bin", "torch checkpoint", "clean", 3, &Value::Null),
            file("training_args.bin", "torch checkpoint", "clean", 0, &Value::Null),
            file("evil.bin", "torch checkpoint", "malicious", 3, &json!({"state": "equal"})),
            torch("old/pytorch_model.bin", "equal"),
            file("dirty/model.safetensors", "safetensors", "suspicious", 3, &Value::Null),
            torch("dirty/model.bin", "equal"),
        ];
        let twins = twins(&all);
        let of = |path: &str| twins.get(path).copied();
        assert_eq!((of("equal.bin"), of("unequal.bin")), (Some(Twin::Equal), Some(Twin::Unequal)));
        assert_eq!((of("odd.bin"), of("new.bin")), (Some(Twin::Missing), Some(Twin::Missing)));
        for alone in ["training_args.bin", "evil.bin", "old/pytorch_model.bin", "dirty/model.bin"] {
            assert_eq!(of(alone), Some(Twin::None), "{alone}");
        }
        assert_eq!(of("model.safetensors"), None);
        assert_eq!(Twin::Missing.fact(), None, "a rule that reads it finds nothing");
    }

    #[test]
    fn a_new_report_on_the_same_bytes_keeps_what_was_compared() {
        let twin = json!({"state": "unequal"});
        let mut before = file("a.bin", "torch checkpoint", "clean", 1, &twin).row;
        before.body =
            before.body.replace("\"findings\":[]", "\"findings\":[{\"rule\":\"WB-TWIN-001\"},{\"rule\":\"WB-X\"}]");
        let mut after = file("a.bin", "torch checkpoint", "clean", 1, &Value::Null).row;
        carry(&before, &mut after);
        let body: Value = serde_json::from_str(&after.body).unwrap_or_default();
        assert_eq!((&body["twin"], &body["findings"]), (&twin, &json!([{"rule": "WB-TWIN-001"}])));
        let mut other = report::Model { bytes_id: "another".to_owned(), ..file("a.bin", "", "", 1, &Value::Null).row };
        carry(&before, &mut other);
        assert!(!other.body.contains("unequal"));
    }
}
