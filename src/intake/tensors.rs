//! Lists of tensors, as they are kept beside reports: what two files of weights are compared by.
//!
//! The child that read them may have been owned by the file: a place is only where bytes are read for a comparison, and
//! what is compared are the bytes. Pure; never opens a file.

use std::{collections::HashMap, ops::Range};

use serde::{Deserialize, Serialize};
use weighbridge_scanners::Report;

/// One tensor: its name, type and shape, and where its numbers lie, if they lie as safetensors would write them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor(pub String, pub String, pub Vec<u64>, pub Option<(u64, u64)>);

impl Tensor {
    pub fn name(&self) -> &str {
        &self.0
    }

    pub fn place(&self) -> Option<Range<u64>> {
        self.3.map(|(start, end)| start..end)
    }

    fn kind(&self) -> (&str, &[u64]) {
        (&self.1, &self.2)
    }
}

/// The list of a report, as text. `None` where there is none, or where it is longer than what is kept.
pub fn text(report: &Report) -> Option<String> {
    let facts = &report.facts;
    if facts.tensors.is_empty() || facts.tensors.len() > MOST {
        return None;
    }
    let mut list: Vec<Tensor> =
        facts.tensors.iter().map(|one| Tensor(one.name.clone(), one.dtype.clone(), one.shape.clone(), None)).collect();
    for place in &facts.places {
        if let Some(one) = list.get_mut(place.tensor) {
            one.3 = Some((place.start, place.end));
        }
    }
    serde_json::to_string(&list).ok().filter(|text| text.len() <= LONGEST)
}

pub fn read(text: &str) -> Option<Vec<Tensor>> {
    serde_json::from_str(text).ok()
}

/// A safe file and its list.
pub struct Safe<'a> {
    pub path: &'a str,
    pub tensors: &'a [Tensor],
}

/// One tensor of a pickle with the safe one that stands for it: which file, and which tensor of it.
pub type Pair<'a> = (&'a Tensor, usize, &'a Tensor);

/// How the tensors of a pickle stand to those of some safe files, by name, type and shape.
#[derive(Debug)]
pub enum Matched<'a> {
    /// Each has one that stands for it.
    All(Vec<Pair<'a>>),
    /// They have names in common, and this is different.
    Differ(String),
    /// They have no name in common: these are other weights.
    Strangers,
}

/// Holds the tensors of a pickle against those of some safe files, taken together. A tensor that the pickle has under two
/// names needs to be there once: safetensors keeps one name of what shares its bytes.
pub fn matched<'a>(pickle: &'a [Tensor], safe: &[Safe<'a>]) -> Matched<'a> {
    let mut there: HashMap<&str, (usize, &'a Tensor)> = HashMap::new();
    for (file, one) in safe.iter().enumerate() {
        for tensor in one.tensors {
            if there.insert(tensor.name(), (file, tensor)).is_some() {
                return Matched::Differ(format!("{} is there twice", quoted(tensor.name())));
            }
        }
    }
    let mut shared: HashMap<(u64, u64, &str, &[u64]), &str> = HashMap::new();
    for tensor in pickle.iter().filter(|tensor| there.contains_key(tensor.name())) {
        if let Some((start, end)) = tensor.3 {
            shared.insert((start, end, &tensor.1, &tensor.2), tensor.name());
        }
    }
    let (mut pairs, mut differ, mut common) = (Vec::with_capacity(pickle.len()), None, false);
    for tensor in pickle {
        let other_name = || {
            let (start, end) = tensor.3?;
            there.get(*shared.get(&(start, end, &*tensor.1, &*tensor.2))?)
        };
        let named = there.get(tensor.name());
        common |= named.is_some();
        match named.or_else(other_name) {
            Some((file, other)) if other.kind() == tensor.kind() => pairs.push((tensor, *file, *other)),
            Some((_, other)) => {
                let (theirs, ours) = (shown(other), shown(tensor));
                differ.get_or_insert(format!("{} is {theirs} there and {ours} here", quoted(tensor.name())));
            }
            None => {
                differ.get_or_insert(format!("{} is not there", quoted(tensor.name())));
            }
        }
    }
    match differ {
        _ if !common => Matched::Strangers,
        Some(what) => Matched::Differ(what),
        None => Matched::All(pairs),
    }
}

fn shown(tensor: &Tensor) -> String {
    let kind: String = tensor.1.chars().take(20).collect();
    format!("{kind} of {:?}", tensor.2.iter().take(8).collect::<Vec<_>>())
}

/// A name that a file made up, for a sentence.
pub fn quoted(name: &str) -> String {
    let name: String = name.chars().take(80).flat_map(char::escape_default).collect();
    format!("`{name}`")
}

/// Which safe files may stand together for one set of weights: each alone, the parts of one set, and all of a folder.
pub fn sets(paths: &[&str]) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = (0..paths.len()).map(|one| vec![one]).collect();
    let mut parts: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (number, path) in paths.iter().enumerate() {
        if let Some(set) = part_of(path) {
            parts.entry(set).or_default().push(number);
        }
    }
    let mut parts: Vec<_> = parts.into_values().collect();
    parts.sort();
    sets.extend(parts);
    sets.push((0..paths.len()).collect());
    sets.dedup();
    sets
}

/// `model-00001-of-00003.safetensors` is a part of `model` in `00003`.
fn part_of(path: &str) -> Option<(&str, &str)> {
    let stem = path.strip_suffix(".safetensors")?;
    let (stem, total) = stem.rsplit_once("-of-")?;
    let (stem, part) = stem.rsplit_once('-')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(total) && number(part)).then_some((stem, total))
}

/// Longer lists are not kept, and what is in them is not compared.
const MOST: usize = 200_000;
const LONGEST: usize = 16 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    fn tensor(name: &str, dtype: &str, shape: &[u64], start: u64) -> Tensor {
        let size = shape.iter().product::<u64>() * 4;
        Tensor(name.to_owned(), dtype.to_owned(), shape.to_vec(), Some((start, start + size)))
    }

    fn against<'a>(pickle: &'a [Tensor], safe: &'a [&'a [Tensor]]) -> Matched<'a> {
        let safe: Vec<_> = safe.iter().map(|tensors| Safe { path: "m.safetensors", tensors }).collect();
        matched(pickle, &safe)
    }

    #[test]
    fn every_tensor_needs_one_of_its_name_type_and_shape() {
        let pickle = [tensor("a", "F32", &[2, 2], 0), tensor("b", "F32", &[3], 16)];
        let same = [tensor("b", "F32", &[3], 100), tensor("a", "F32", &[2, 2], 200), tensor("more", "F32", &[1], 0)];
        let beside: [&[Tensor]; 1] = [&same];
        let Matched::All(pairs) = against(&pickle, &beside) else { panic!("all are there") };
        assert_eq!(pairs.len(), 2);
        // Spread over two files, they are there too.
        assert!(matches!(against(&pickle, &[&same[..1], &same[1..]]), Matched::All(_)));
        for (wrong, word) in [
            (vec![tensor("a", "F32", &[2, 2], 0)], "`b` is not there"),
            (vec![tensor("a", "F16", &[2, 2], 0), tensor("b", "F32", &[3], 0)], "`a` is F16 of [2, 2] there"),
            (vec![tensor("a", "F32", &[4], 0), tensor("b", "F32", &[3], 0)], "`a` is F32 of [4] there"),
            (vec![tensor("a", "F32", &[2, 2], 0), tensor("a", "F32", &[2, 2], 0)], "there twice"),
        ] {
            let beside: [&[Tensor]; 1] = [&wrong];
            let Matched::Differ(what) = against(&pickle, &beside) else { panic!("{word}") };
            assert!(what.contains(word), "{what}");
        }
        assert!(matches!(against(&pickle, &[&[tensor("c", "F32", &[2, 2], 0)]]), Matched::Strangers));
    }

    /// safetensors drops the second name of what shares its bytes; a tensor of its own under another name is not dropped.
    #[test]
    fn two_names_of_the_same_bytes_need_one() {
        let tied = [tensor("embed", "F32", &[2, 2], 0), tensor("head", "F32", &[2, 2], 0)];
        let safe = [tensor("embed", "F32", &[2, 2], 64)];
        assert!(matches!(against(&tied, &[&safe]), Matched::All(pairs) if pairs.len() == 2));
        let apart = [tensor("embed", "F32", &[2, 2], 0), tensor("head", "F32", &[2, 2], 16)];
        assert!(matches!(against(&apart, &[&safe]), Matched::Differ(_)));
        let viewed = [tensor("embed", "F32", &[2, 2], 0), tensor("head", "F32", &[4], 0)];
        assert!(matches!(against(&viewed, &[&safe]), Matched::Differ(_)), "another shape of them is another tensor");
    }

    #[test]
    fn parts_of_a_set_stand_together() {
        let paths = ["a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors", "b.safetensors"];
        let sets = sets(&paths);
        assert!(sets.contains(&vec![0, 1]) && sets.contains(&vec![2]) && sets.contains(&vec![0, 1, 2]));
        assert_eq!(super::sets(&["only.safetensors"]), [vec![0]]);
        for other in ["model.safetensors", "a-b-of-c.safetensors", "a-1-of-2.bin"] {
            assert_eq!(part_of(other), None, "{other}");
        }
    }
}
