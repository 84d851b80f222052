//! Tree models: LightGBM's text, XGBoost's JSON, UBJSON and old binary form, CatBoost.
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

/// Deeper than any model, and less than what readers that recurse can take.
const DEEP: usize = 1000;

/// Whether the text is a LightGBM model.
pub(crate) fn is_lightgbm(text: &str) -> bool {
    text.starts_with("tree\n") || text.starts_with("tree\r\n")
}

/// LightGBM's text: every tree's arrays have the lengths that its number of leaves asks for.
pub(crate) fn lightgbm(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.is("lightgbm");
    if let Some(at) = text.bytes().position(|byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t')) {
        return malformed(scan, source, at as u64, "The model's text holds control characters.");
    }
    let mut tree: Option<(u64, u64)> = None;
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
        match key {
            "Tree" => tree = Some((here, 0)),
            "tree_sizes" => {
                let wrong = value.split(' ').find(|size| size.parse::<u64>().is_err() && !size.is_empty());
                if let Some(size) = wrong {
                    return malformed(scan, source, here, &format!("A tree is said to have the size {size:?}."));
                }
            }
            "num_leaves" if tree.is_some() => match value.parse() {
                Ok(leaves) if (1..=1 << 24).contains(&leaves) => tree = tree.map(|(at, _)| (at, leaves)),
                _ => return malformed(scan, source, here, &format!("A tree is said to have {value:?} leaves.")),
            },
            _ => {
                let Some((_, leaves)) = tree.filter(|(_, leaves)| *leaves > 0) else { continue };
                let wanted = match key {
                    "split_feature" | "split_gain" | "threshold" | "decision_type" | "left_child" | "right_child"
                    | "internal_value" | "internal_weight" | "internal_count" => leaves - 1,
                    "leaf_value" => leaves,
                    _ => continue,
                };
                let items = value.split(' ').filter(|item| !item.is_empty());
                let (mut count, mut wrong) = (0, None);
                for item in items {
                    count += 1;
                    if matches!(key, "left_child" | "right_child") {
                        let fits = item
                            .parse::<i64>()
                            .is_ok_and(|child| child < leaves.cast_signed() - 1 && child >= -leaves.cast_signed());
                        wrong = wrong.or((!fits).then_some(item));
                    } else if item.parse::<f64>().is_err() {
                        wrong = wrong.or(Some(item));
                    }
                }
                if let Some(item) = wrong {
                    return malformed(
                        scan,
                        source,
                        here,
                        &format!("`{key}` of a tree with {leaves} leaves holds {item:?}."),
                    );
                }
                if count != wanted && !(leaves == 1 && count <= 1) {
                    let message =
                        format!("`{key}` of a tree with {leaves} leaves has {count} values instead of {wanted}.");
                    return malformed(scan, source, here, &message);
                }
            }
        }
    }
    if !text.contains("end of trees") && text.contains("Tree=") {
        return malformed(scan, source, at, "The model ends before its trees do.");
    }
    scan.inspected(source, 0..source.len());
    Ok(())
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

fn malformed(scan: &mut Scan<'_>, source: &Source, at: u64, message: &str) -> Scanned<()> {
    scan.found(&rules::TREES_MALFORMED, source, at, message);
    scan.inspected(source, 0..source.len());
    Ok(())
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

pub(crate) fn is_ubjson(probe: &Probe<'_>) -> Match {
    let lengths = [&b"{L\0\0\0\0\0\0\0"[..], b"{i", b"{U"];
    let named = if probe.named(&[".ubj"]) { Match::Name } else { Match::No };
    let (Some(place), true) = (lengths.iter().position(|start| probe.starts_with(start)), probe.len() > 16) else {
        return named;
    };
    let (length, key) = if place == 0 { (9, 10) } else { (2, 3) };
    let length = probe.head.get(length).copied().map(usize::from).unwrap_or_default();
    let word = probe.head.get(key..key + length).unwrap_or_default();
    let plain = !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if plain { Match::Content } else { named }
}

/// UBJSON: every length fits what is left, and every container ends.
pub(crate) fn ubjson(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut cursor = Cursor::at(source, 0);
    // For each open container: whether it is an object, and how many values are left where it says so.
    let mut open: Vec<(bool, Option<u64>)> = Vec::new();
    let mut from = 0;
    loop {
        scan.steps(1)?;
        if let Some((object, left)) = open.last_mut() {
            let ended = match left {
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => {
                    let end = if *object { b'}' } else { b']' };
                    let ends = cursor.peek()? == Some(end);
                    if ends {
                        cursor.u8()?;
                    }
                    ends
                }
            };
            if ended {
                open.pop();
                if open.is_empty() {
                    break;
                }
                continue;
            }
            if *object {
                let length = count(&mut cursor)?;
                let key = cursor.skip(length)?;
                from = unread(scan, source, from, key);
            }
        }
        match cursor.u8()? {
            b'Z' | b'T' | b'F' | b'N' => {}
            b'i' | b'U' | b'C' => drop(cursor.skip(1)?),
            b'I' => drop(cursor.skip(2)?),
            b'l' | b'd' => drop(cursor.skip(4)?),
            b'L' | b'D' => drop(cursor.skip(8)?),
            b'S' | b'H' => {
                // Some writers mark the length of a text as they mark a count.
                if cursor.peek()? == Some(b'#') {
                    cursor.u8()?;
                }
                let length = count(&mut cursor)?;
                let text = cursor.skip(length)?;
                from = unread(scan, source, from, text);
            }
            mark @ (b'[' | b'{') => {
                let kind = if cursor.peek()? == Some(b'$') {
                    cursor.u8()?;
                    Some(cursor.u8()?)
                } else {
                    None
                };
                let counted = cursor.peek()? == Some(b'#');
                let many = if counted {
                    cursor.u8()?;
                    Some(count(&mut cursor)?)
                } else {
                    None
                };
                match (mark, kind, many) {
                    (b'[', Some(kind), Some(many)) => {
                        let width = match kind {
                            b'i' | b'U' | b'C' => 1,
                            b'I' => 2,
                            b'l' | b'd' => 4,
                            b'L' | b'D' => 8,
                            b'Z' | b'T' | b'F' | b'N' => 0,
                            _ => return Err(Stop::broken(cursor.position(), "a list of such values does not exist")),
                        };
                        let bytes = many.checked_mul(width);
                        let bytes =
                            bytes.ok_or_else(|| Stop::broken(cursor.position(), "a list's length overflows"))?;
                        if bytes > cursor.left() {
                            let (at, left) = (cursor.position(), cursor.left());
                            let message = format!("A list of {many} values needs {bytes} bytes, and {left} are left.");
                            scan.found(&rules::TREES_MALFORMED, source, at, message);
                        }
                        let data = cursor.skip(bytes)?;
                        scan.inspected(source, from..data.start);
                        from = data.end;
                        scan.inert(source, data);
                    }
                    (_, None, many) => {
                        if many.is_some_and(|many| many > cursor.left()) {
                            return Err(Stop::broken(
                                cursor.position(),
                                "a container holds more values than bytes are left",
                            ));
                        }
                        if open.len() >= DEEP {
                            return Err(Stop::broken(
                                cursor.position(),
                                format!("containers lie in one another deeper than {DEEP}"),
                            ));
                        }
                        open.push((mark == b'{', many));
                    }
                    _ => return Err(Stop::broken(cursor.position(), "a container has a type and no count")),
                }
            }
            other => {
                let message = format!("UBJSON has no value that begins with byte {other}");
                return Err(Stop::broken(cursor.position(), message));
            }
        }
        if open.is_empty() {
            break;
        }
    }
    let end = cursor.position();
    scan.inspected(source, from..end);
    gap::look(scan, source, end..source.len(), "behind the UBJSON value")
}

/// A text that nobody reads. A short one is not worth a mark of its own. Answers from where on nothing is marked yet.
fn unread(scan: &mut Scan<'_>, source: &Source, from: u64, text: std::ops::Range<u64>) -> u64 {
    if text.end - text.start <= 16 {
        return from;
    }
    scan.inspected(source, from..text.start);
    scan.inert(source, text.clone());
    text.end
}

/// A length: a number with its type before it.
fn count(cursor: &mut Cursor<'_>) -> Scanned<u64> {
    let at = cursor.position();
    let length = match cursor.u8()? {
        b'U' | b'i' => i64::from(cursor.u8()?.cast_signed()) & 0xff,
        b'I' => i64::from(cursor.u16_be()?.cast_signed()),
        b'l' => i64::from(cursor.u32_be()?.cast_signed()),
        b'L' => cursor.u64_be()?.cast_signed(),
        _ => return Err(Stop::broken(at, "a length is missing")),
    };
    u64::try_from(length).map_err(|_| Stop::broken(at, "a length is negative"))
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
