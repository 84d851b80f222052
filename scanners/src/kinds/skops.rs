//! skops files: a tree of typed nodes in `schema.json`, arrays beside it. Every type that the tree names is judged; nothing is
//! built.

use crate::{
    archive::{Archive, names::escapes},
    facts::GlobalFact,
    pickle::tables::{Tier, look_up},
    read::json::Tree,
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

const SCHEMA: &str = "schema.json";
const MOST_VALUES: usize = 5_000_000;
/// Types beyond these are judged and not listed.
const MOST_FACTS: usize = 2_000;

/// The node loaders of skops that only build what their type says.
const BUILDERS: &[&str] = &[
    "BytearrayNode",
    "BytesNode",
    "CachedNode",
    "DTypeNode",
    "DefaultDictNode",
    "DictNode",
    "JsonNode",
    "ListNode",
    "LossNode",
    "MaskedArrayNode",
    "NdArrayNode",
    "ObjectNode",
    "PartialNode",
    "QuantileForestNode",
    "RandomGeneratorNode",
    "RandomStateNode",
    "ReduceNode",
    "SGDNode",
    "SetNode",
    "SliceNode",
    "SparseMatrixNode",
    "TreeNode",
    "TupleNode",
    "TypeNode",
    "_DictWithDeprecatedKeysNode",
];

/// The types that skops itself takes for harmless.
const PLAIN: &[(&str, &[&str])] = &[
    (
        "builtins",
        &[
            "NoneType",
            "bool",
            "bytearray",
            "bytes",
            "complex",
            "dict",
            "float",
            "frozenset",
            "int",
            "list",
            "object",
            "range",
            "set",
            "slice",
            "str",
            "tuple",
            "type",
        ],
    ),
    ("collections", &["OrderedDict", "defaultdict"]),
    ("numpy", &["dtype", "generic", "ndarray", "float32", "float64", "int32", "int64", "bool_", "str_", "uint8"]),
    ("numpy.ma", &["MaskedArray"]),
    ("numpy.ma.core", &["MaskedArray"]),
    ("numpy.random.mtrand", &["RandomState"]),
    ("numpy.random._generator", &["Generator"]),
    ("scipy.sparse", &["csr_matrix", "csc_matrix", "coo_matrix"]),
    ("scipy.sparse._csr", &["csr_matrix", "csr_array"]),
    ("scipy.sparse._csc", &["csc_matrix", "csc_array"]),
];

pub(crate) fn recognise(archive: &Archive) -> bool {
    archive.find(SCHEMA).is_some()
}

#[expect(clippy::unnecessary_wraps, reason = "every kind has this form")]
pub(crate) fn inspect(scan: &mut Scan<'_>, archive: &Archive) -> Scanned<()> {
    for member in &archive.members {
        if member.name == SCHEMA {
            archive.inspect_as(scan, member, schema);
        } else {
            archive.inspect(scan, member);
        }
    }
    Ok(())
}

fn schema(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let bytes = source.read_all(scan.limits.text_bytes)?;
    let tree = Tree::parse(&bytes, MOST_VALUES).inspect_err(|stop| {
        if matches!(stop, Stop::Broken { .. }) {
            let message = "The schema cannot be read, so that nobody can say what loading the file would build.";
            scan.found(&rules::SKOPS_UNKNOWN, source, 0, message);
        }
    })?;
    for (id, _) in tree.all() {
        scan.steps(1)?;
        if let Some(key) = tree.duplicate(id) {
            let message =
                format!("The schema names `{key}` twice in one node: programs differ in which of the two they take.");
            scan.found(&rules::CONFIG_DUPLICATE, source, tree.at(id), message);
        }
        node(scan, source, &tree, id);
    }
    scan.inspected(source, 0..source.len());
    Ok(())
}

/// Judges what one node names.
fn node(scan: &mut Scan<'_>, source: &Source, tree: &Tree, id: usize) {
    let texts = |key: &'static str| tree.get_all(id, key).filter_map(|value| tree.text(value)).collect::<Vec<_>>();
    for (modules, names) in [("__module__", "__class__"), ("module_path", "function")] {
        for module in texts(modules) {
            for name in texts(names) {
                named(scan, source, tree.at(id), module, name);
            }
        }
    }
    for file in texts("file").into_iter().filter(|file| escapes(file)) {
        let message = format!("The schema takes a part of the model from `{file}`, outside the file.");
        scan.found(&rules::CONFIG_ESCAPE, source, tree.at(id), message);
    }
    for loader in texts("__loader__") {
        let at = tree.at(id);
        match loader {
            "OperatorFuncNode" => {
                let name = texts("__class__").join(", ");
                let message = format!("Loading this file calls `operator.{name}` with arguments of the file's choice.");
                scan.found(&rules::SKOPS_NODE, source, at, message);
            }
            "MethodNode" => method(scan, source, tree, id),
            "FunctionNode" => {}
            loader if BUILDERS.contains(&loader) => {}
            loader => {
                let message = format!("The file needs the node type `{loader}`, which skops does not have.");
                scan.found(&rules::SKOPS_UNKNOWN, source, at, message);
            }
        }
    }
}

/// A bound method: its object is judged as a node of its own, its name here.
fn method(scan: &mut Scan<'_>, source: &Source, tree: &Tree, id: usize) {
    for content in tree.get_all(id, "content") {
        for func in tree.get_all(content, "func").filter_map(|value| tree.text(value)) {
            let at = tree.at(id);
            if func.starts_with("__") {
                let message = format!(
                    "Loading this file takes the method `{func}` of an object, by which Python's insides are reached."
                );
                scan.found(&rules::SKOPS_NODE, source, at, message);
            } else {
                let message = format!("The file stores the method `{func}` of an object for later calls.");
                scan.found(&rules::SKOPS_UNKNOWN, source, at, message);
            }
        }
    }
}

fn named(scan: &mut Scan<'_>, source: &Source, at: u64, module: &str, name: &str) {
    let plain = PLAIN.iter().any(|(known, names)| *known == module && names.contains(&name));
    let entry = look_up(module, name);
    let tier = if plain { Tier::Inert } else { entry.map_or(Tier::Unknown, |entry| entry.tier) };
    match tier {
        Tier::Inert | Tier::Framework => {}
        Tier::Unknown => {
            let message = format!("Loading this file needs `{module}.{name}`, which nobody vouches for.");
            scan.found(&rules::SKOPS_UNKNOWN, source, at, message);
        }
        Tier::Code | Tier::Gadget | Tier::Execution => {
            let why = entry.map_or("", |entry| entry.why).trim_end_matches('.');
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            let message = format!("Loading this file builds `{module}.{name}`{why}.");
            scan.found(&rules::SKOPS_NODE, source, at, message);
        }
    }
    let word = match tier {
        Tier::Inert => "inert",
        Tier::Framework => "framework",
        Tier::Unknown => "unknown",
        Tier::Code => "code",
        Tier::Gadget => "gadget",
        Tier::Execution => "execution",
    };
    let package = module.split('.').next().unwrap_or(module).to_owned();
    let fact = GlobalFact { module: module.to_owned(), name: name.to_owned(), tier: word, package };
    if scan.facts.globals.len() < MOST_FACTS && !scan.facts.globals.contains(&fact) {
        scan.facts.globals.push(fact);
    }
}
