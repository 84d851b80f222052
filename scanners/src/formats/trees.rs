//! Tree models: LightGBM's text, XGBoost's JSON and old binary form, CatBoost. UBJSON has a reader of its own.
//!
//! None of them can run anything; a reader of theirs can be made to read past its arrays. So structure and bounds are checked.

use crate::{
    formats::{Match, Probe, gap},
    read::{
        cursor::Cursor,
        json::{Event, Json},
    },
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// Whether the text is a LightGBM model.
pub(crate) fn is_lightgbm(text: &str) -> bool {
    text.starts_with("tree\n") || text.starts_with("tree\r\n")
}

/// LightGBM's text: every tree's arrays have the lengths that its number of leaves asks for.
pub(crate) fn lightgbm(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.is("lightgbm");
    if let Some(at) = text.bytes().position(|byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t')) {
        malformed(scan, source, at as u64, "The model's text holds control characters.");
        return Ok(());
    }
    // The leaves of the tree that is being read, none before it says how many.
    let mut tree: Option<u64> = None;
    let mut at = 0_u64;
    for line in text.split_inclusive('\n') {
        scan.steps(1 + line.len() as u64 / 64)?;
        let here = at;
        at += line.len() as u64;
        let line = line.trim_end();
        let Some((key, value)) = line.split_once('=') else {
            parameter(scan, source, here, line);
            if line == "end of trees" {
                tree = None;
            }
            continue;
        };
        let wrong = match key {
            "Tree" => {
                tree = Some(0);
                None
            }
            "tree_sizes" => {
                let wrong = value.split(' ').find(|size| size.parse::<u64>().is_err() && !size.is_empty());
                wrong.map(|size| format!("A tree is said to have the size {size:?}."))
            }
            "num_leaves" if tree.is_some() => {
                tree = value.parse().ok().filter(|leaves| (1..=1 << 24).contains(leaves));
                tree.is_none().then(|| format!("A tree is said to have {value:?} leaves."))
            }
            _ => tree.filter(|leaves| *leaves > 0).and_then(|leaves| list(key, value, leaves)),
        };
        if let Some(message) = wrong {
            malformed(scan, source, here, &message);
            return Ok(());
        }
    }
    if !text.contains("end of trees") && text.contains("Tree=") {
        malformed(scan, source, at, "The model ends before its trees do.");
        return Ok(());
    }
    scan.inspected(source, 0..source.len());
    Ok(())
}

/// What is wrong with one list of a tree with so many leaves.
fn list(key: &str, values: &str, leaves: u64) -> Option<String> {
    let wanted = match key {
        "split_feature" | "split_gain" | "threshold" | "decision_type" | "left_child" | "right_child"
        | "internal_value" | "internal_weight" | "internal_count" => leaves - 1,
        "leaf_value" => leaves,
        _ => return None,
    };
    let children = matches!(key, "left_child" | "right_child");
    let within = -leaves.cast_signed()..leaves.cast_signed() - 1;
    let mut count = 0;
    for item in values.split(' ').filter(|item| !item.is_empty()) {
        count += 1;
        let fits = if children {
            item.parse().is_ok_and(|child| within.contains(&child))
        } else {
            item.parse::<f64>().is_ok()
        };
        if !fits {
            return Some(format!("`{key}` of a tree with {leaves} leaves holds {item:?}."));
        }
    }
    (count != wanted && !(leaves == 1 && count <= 1))
        .then(|| format!("`{key}` of a tree with {leaves} leaves has {count} values instead of {wanted}."))
}

/// `[input_model: /data/model.txt]`, what the trainer was told. Paths of its own machine are ordinary.
fn parameter(scan: &mut Scan<'_>, source: &Source, at: u64, line: &str) {
    let Some((key, value)) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')?.split_once(": ")) else {
        return;
    };
    let system =
        ["/etc/", "/root/", "/proc/", "/sys/", "/dev/", "/boot/"].iter().any(|folder| value.starts_with(folder));
    if system || value.contains("://") {
        let message = format!("The model's parameter `{key}` is {value:?}, which is no place of a trainer's.");
        scan.found(&rules::CONFIG_ESCAPE, source, at, message);
    }
}

fn malformed(scan: &mut Scan<'_>, source: &Source, at: u64, message: &str) {
    scan.found(&rules::TREES_MALFORMED, source, at, message);
    scan.inspected(source, 0..source.len());
}

/// What is counted of an object that may be a tree.
#[derive(Default)]
struct Counted {
    at: u64,
    key: String,
    /// Lists by their names: how many values, and the largest and the smallest of them.
    lists: Vec<(String, u64, f64, f64)>,
    /// How many nodes the tree says it has.
    nodes: Option<u64>,
}

/// The lists of a tree that have a value for each node.
const LISTS: &[&str] = &[
    "left_children",
    "right_children",
    "parents",
    "split_indices",
    "split_conditions",
    "default_left",
    "base_weights",
];

/// XGBoost's JSON: the lists of each tree have the same length, and children lie within it. Any other JSON is left alone.
/// The text is gone through once; a model has more numbers than one wants to keep.
pub(crate) fn xgboost(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let holds = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    if !(holds("\"learner\"") && holds("\"gradient_booster\"") && holds("\"objective\"")) {
        return Ok(());
    }
    scan.is("xgboost json");
    let mut json = Json::new(text.trim_start_matches('\u{feff}').as_bytes());
    let mut open: Vec<Counted> = Vec::new();
    // The list that is being read, if it is one of a tree's.
    let mut list: Option<(String, u64, f64, f64)> = None;
    while let Some((at, event)) = json.next()? {
        scan.steps(1)?;
        match event {
            Event::BeginObject => open.push(Counted { at: at as u64, ..Counted::default() }),
            Event::EndObject => {
                let Some(ended) = open.pop() else { continue };
                if let Some(outer) = open.last_mut().filter(|outer| outer.key == "tree_param") {
                    outer.nodes = ended.nodes;
                }
                tree(scan, source, &ended);
            }
            Event::Key(key) => {
                if let Some(last) = open.last_mut() {
                    last.key = key.into_owned();
                }
            }
            Event::BeginArray => {
                let key = open.last().map(|last| last.key.clone()).filter(|key| LISTS.contains(&key.as_str()));
                list = key.map(|key| (key, 0, f64::NEG_INFINITY, f64::INFINITY));
            }
            Event::EndArray => {
                if let (Some(last), Some(list)) = (open.last_mut(), list.take()) {
                    last.lists.push(list);
                }
            }
            Event::Number(number) => {
                if let Some((_, count, most, least)) = &mut list {
                    let value = number.parse().unwrap_or(f64::NAN);
                    *count += 1;
                    *most = f64::max(*most, value);
                    *least = f64::min(*least, value);
                }
            }
            Event::Bool(_) => {
                if let Some((_, count, ..)) = &mut list {
                    *count += 1;
                }
            }
            Event::String(words) => {
                if let Some(last) = open.last_mut().filter(|last| last.key == "num_nodes") {
                    last.nodes = words.parse().ok();
                }
            }
            Event::Null => {}
        }
    }
    Ok(())
}

fn tree(scan: &mut Scan<'_>, source: &Source, tree: &Counted) {
    let length = |name: &str| tree.lists.iter().find(|(key, ..)| key == name).map(|(_, count, ..)| *count);
    let (Some(left), Some(_)) = (length("left_children"), length("right_children")) else { return };
    let nodes = tree.nodes.unwrap_or(left);
    for (key, count, most, least) in &tree.lists {
        let child = key.ends_with("_children");
        #[expect(
            clippy::cast_precision_loss,
            reason = "no tree has 2^53 nodes, and one that says so does not fit its lists"
        )]
        let outside = child && *count > 0 && !(*most < nodes as f64 && *least >= -1.0);
        let message = if *count != nodes {
            format!("A tree of {nodes} nodes has {count} values in `{key}`.")
        } else if outside {
            format!("A tree of {nodes} nodes has children from {least} to {most} in `{key}`.")
        } else {
            continue;
        };
        scan.found(&rules::TREES_MALFORMED, source, tree.at, message);
    }
}

pub(crate) fn is_catboost(probe: &Probe<'_>) -> Match {
    if probe.starts_with(b"CBM1") {
        Match::Content
    } else if probe.named(&[".cbm"]) {
        Match::Name
    } else {
        Match::No
    }
}

/// CatBoost: a length, a flatbuffer of numbers, and parts that the flatbuffer names.
pub(crate) fn catboost(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    if source.read_up_to(0, 4)?.as_ref() != b"CBM1" {
        return Err(Stop::broken(0, "it does not begin as a model of CatBoost"));
    }
    let mut cursor = Cursor::at(source, 4);
    let core = u64::from(cursor.u32_le()?);
    if core < 8 || core > cursor.left() {
        let message = format!("The model is said to have {core} bytes, and {} follow.", cursor.left());
        scan.found(&rules::TREES_MALFORMED, source, 4, message);
        return Err(Stop::broken(4, "the model's length does not fit the file"));
    }
    let root = u64::from(cursor.u32_le()?);
    if root >= core {
        scan.found(&rules::TREES_MALFORMED, source, 8, "The model's root lies outside of it.");
        return Err(Stop::broken(8, "the model's root lies outside of it"));
    }
    scan.inspected(source, 0..12);
    scan.inert(source, 12..8 + core);
    let rest = 8 + core..source.len();
    gap::look(scan, source, rest, "behind the trees")
}

/// XGBoost's old binary form, with and without its mark: the name of an objective stands behind a block of numbers.
pub(crate) fn is_xgboost_binary(probe: &Probe<'_>) -> Match {
    let start = if probe.starts_with(b"binf") { 4 } else { 0 };
    if objective(probe, start).is_some() { Match::Content } else { Match::No }
}

/// The length of the learner's numbers.
const LEARNER: usize = 136;

fn objective(probe: &Probe<'_>, start: usize) -> Option<()> {
    let place = start + LEARNER;
    let length: [u8; 8] = probe.head.get(place..place + 8)?.try_into().ok()?;
    let length = usize::try_from(u64::from_le_bytes(length)).ok().filter(|length| (4..64).contains(length))?;
    let name = probe.head.get(place + 8..place + 8 + length)?;
    let kinds = ["reg:", "binary:", "multi:", "rank:", "survival:", "count:"];
    kinds.iter().any(|kind| name.starts_with(kind.as_bytes())).then_some(())
}

/// The numbers and the names are looked at; the trees are numbers up to the end, and no other program opens this form.
pub(crate) fn xgboost_binary(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut cursor = Cursor::at(source, 0);
    if source.read_up_to(0, 4)?.as_ref() == b"binf" {
        cursor.skip(4)?;
    }
    let numbers = cursor.skip(LEARNER as u64)?;
    scan.inspected(source, 0..numbers.start);
    scan.inert(source, numbers.clone());
    for _ in 0..2 {
        let length = cursor.u64_le()?;
        if length > 64 {
            scan.found(
                &rules::TREES_MALFORMED,
                source,
                cursor.position(),
                format!("A name is said to have {length} bytes."),
            );
            return Err(Stop::broken(cursor.position(), "a name is too long"));
        }
        cursor.skip(length)?;
    }
    let trees = cursor.u32_le()?;
    let more = cursor.skip(156)?;
    scan.inspected(source, numbers.end..more.start);
    scan.inert(source, more);
    for _ in 0..trees {
        scan.steps(1)?;
        let at = cursor.position();
        cursor.skip(4)?;
        let nodes = cursor.u32_le()?.cast_signed();
        cursor.skip(140)?;
        let bytes = u64::try_from(nodes).ok().filter(|nodes| *nodes > 0).map(|nodes| nodes * (20 + 16));
        let Some(bytes) = bytes.filter(|bytes| *bytes <= cursor.left()) else {
            scan.found(
                &rules::TREES_MALFORMED,
                source,
                at,
                format!("A tree is said to have {nodes} nodes, which do not fit the file."),
            );
            return Err(Stop::broken(at, "a tree does not fit the file"));
        };
        let data = cursor.skip(bytes)?;
        scan.inspected(source, at..at + 8);
        scan.inert(source, at + 8..data.end);
    }
    let groups = cursor.skip(u64::from(trees) * 4)?;
    let end = groups.end;
    scan.inert(source, groups);
    // Attributes and names of metrics: short texts.
    if source.len() - end <= 64 << 10 {
        scan.inert(source, end..source.len());
    }
    Ok(())
}
