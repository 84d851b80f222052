//! Safe twins: pickled weights whose tensors a safetensors file of the same folder also holds.
//!
//! Compared by the names, types and shapes that the scanner read, without loading either. Never opens a file.

use std::collections::BTreeMap;

use super::knowledge::Report;

/// What stands beside a file with a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    None,
    Equal,
    Unequal,
}

impl Twin {
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Equal => "equal",
            Self::Unequal => "unequal",
        }
    }
}

/// The tensors of one or more files: how many, and a sum over their names, types and shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tensors {
    pub count: u64,
    pub sum: u128,
}

impl Tensors {
    fn with(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum.wrapping_add(other.sum) }
    }
}

/// For every file with a pickle: whether a safetensors file of its folder, or all of them together, hold the same tensors.
/// Weights may be spread over files, on either side.
pub fn twins(reports: &[Report]) -> BTreeMap<String, Twin> {
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let mut plain: BTreeMap<String, Vec<Tensors>> = BTreeMap::new();
    let mut pickled: BTreeMap<String, Vec<(&Report, Tensors)>> = BTreeMap::new();
    for one in reports {
        let place = folder(&one.row.path);
        if one.row.format == "safetensors" && one.is_clean() {
            plain.entry(place).or_default().push(one.tensors());
        } else if one.is_pickle() {
            pickled.entry(place).or_default().push((one, one.tensors()));
        }
    }
    let mut twins = BTreeMap::new();
    for (place, files) in &pickled {
        let there = plain.get(place).map(Vec::as_slice).unwrap_or_default();
        let sum = |all: &mut dyn Iterator<Item = Tensors>| all.fold(Tensors::default(), Tensors::with);
        let (all_safe, all_pickled) = (sum(&mut there.iter().copied()), sum(&mut files.iter().map(|(_, t)| *t)));
        for (one, tensors) in files {
            let same =
                tensors.count > 0 && (there.contains(tensors) || *tensors == all_safe || all_pickled == all_safe);
            let twin = match (tensors.count, there.is_empty(), same) {
                (0, ..) | (_, true, _) => Twin::None,
                (_, _, true) => Twin::Equal,
                _ => Twin::Unequal,
            };
            twins.insert(one.row.path.clone(), twin);
        }
    }
    twins
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::tables::report;

    fn file(path: &str, format: &str, verdict: &str, tensors: (u64, u128)) -> Report {
        let sum = format!("{:032x}", tensors.1);
        let body = json!({"facts": {"tensors": {"count": tensors.0, "sum": sum}}, "findings": []}).to_string();
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
    fn a_twin_holds_the_same_tensors_in_the_same_folder() {
        let safe = |path, tensors| file(path, "safetensors", "clean", tensors);
        let torch = |path, tensors| file(path, "torch checkpoint", "clean", tensors);
        let all = [
            safe("model.safetensors", (3, 70)),
            torch("pytorch_model.bin", (3, 70)),
            torch("other.bin", (3, 71)),
            torch("training_args.bin", (0, 0)),
            torch("old/pytorch_model.bin", (3, 70)),
        ];
        let twins = twins(&all);
        let of = |path: &str| twins.get(path).copied();
        assert_eq!(of("pytorch_model.bin"), Some(Twin::Equal));
        assert_eq!(of("other.bin"), Some(Twin::Unequal));
        assert_eq!((of("training_args.bin"), of("old/pytorch_model.bin")), (Some(Twin::None), Some(Twin::None)));
        assert_eq!(of("model.safetensors"), None);
    }

    #[test]
    fn weights_in_parts_are_compared_as_a_whole_and_a_dirty_twin_is_none() {
        let all = [
            file("a-1.safetensors", "safetensors", "clean", (1, 5)),
            file("a-2.safetensors", "safetensors", "clean", (2, 7)),
            file("b-1.bin", "torch checkpoint", "clean", (2, 11)),
            file("b-2.bin", "torch checkpoint", "clean", (1, 1)),
        ];
        assert!(twins(&all).values().all(|twin| *twin == Twin::Equal));
        let dirty =
            [file("a.safetensors", "safetensors", "suspicious", (1, 5)), file("a.bin", "pickle", "clean", (1, 5))];
        assert_eq!(twins(&dirty).get("a.bin"), Some(&Twin::None));
    }
}
