//! From what the judge noted to what the scan says: findings, facts, and which bytes were looked at.

use std::{collections::HashSet, ops::Range};

use super::{
    Loader,
    halt::Halt,
    machine::{End, Machine},
    nested,
    tables::Tier,
    tensors,
};
use crate::{
    facts::GlobalFact,
    rules::{self, Weight},
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// More globals than any model names.
const MOST_FACTS: usize = 20_000;

/// Says everything about the pickle in `range`.
pub(crate) fn all(
    scan: &mut Scan<'_>,
    source: &Source,
    machine: &mut Machine<'_>,
    end: &End,
    range: Range<u64>,
    loader: Loader,
) -> Scanned<()> {
    machine.judge.finish();
    persistent_ids(scan, source, machine, loader);
    facts(scan, source, machine, loader);
    if matches!(loader, Loader::TorchZip | Loader::TorchLegacy) {
        tensors::note(scan, machine, end)?;
    }
    let harmed = machine.judge.uses > 0 && machine.judge.worst() >= Some(Weight::Suspicious);
    for draft in std::mem::take(&mut machine.judge.drafts) {
        scan.found(draft.rule, source, draft.at, draft.message);
    }
    coverage(scan, source, machine.unread(), range);
    nested::inspect(scan, source, &machine.judge)?;
    if let Some(halt) = &end.trouble {
        broken(scan, source, halt, end.at, harmed);
    }
    Ok(())
}

fn persistent_ids(scan: &mut Scan<'_>, source: &Source, machine: &Machine<'_>, loader: Loader) {
    let judge = &machine.judge;
    for (at, shown) in &judge.strange_ids {
        let message = format!("It asks its loader for the object {shown}, which is no storage of a torch file.");
        scan.found(&rules::PERSISTENT_ID, source, *at, message);
    }
    if matches!(loader, Loader::Plain | Loader::Numpy)
        && let Some(at) = judge.first_storage
    {
        let message = "It asks its loader for a storage as torch files do, but it is none.";
        scan.found(&rules::PERSISTENT_ID, source, at, message);
    }
}

fn facts(scan: &mut Scan<'_>, source: &Source, machine: &Machine<'_>, loader: Loader) {
    let known: HashSet<(String, String)> =
        scan.facts.globals.iter().map(|fact| (fact.module.clone(), fact.name.clone())).collect();
    for global in
        machine.judge.globals.iter().filter(|global| global.module != super::judge::COMPUTED && !global.attribute)
    {
        let package = super::judge::package(&global.module).to_owned();
        neighbour(scan, source, &global.module, &global.path(), global.at);
        scan.facts.imports.insert(package.clone());
        let named = (global.module.clone(), global.name.clone());
        if matches!(loader, Loader::TorchZip | Loader::TorchLegacy) && !is_weights_only(&global.module, &global.name) {
            let message = format!("It names `{}`, which torch.load takes only with weights_only=False.", global.path());
            scan.found(&rules::NOT_WEIGHTS_ONLY, source, global.at, message);
        }
        if scan.facts.globals.len() < MOST_FACTS && !known.contains(&named) {
            let tier = match global.tier {
                Tier::Inert => "inert",
                Tier::Framework => "framework",
                Tier::Unknown => "unknown",
                Tier::Code => "code",
                Tier::Gadget => "gadget",
                Tier::Execution => "execution",
            };
            scan.facts.globals.push(GlobalFact { module: named.0, name: named.1, tier, package });
        }
    }
}

/// Whether the module lies beside the file: then Python may take it from there.
fn neighbour(scan: &mut Scan<'_>, source: &Source, module: &str, path: &str, at: u64) {
    let Some(neighbours) = scan.neighbours else { return };
    let file = source.path().split('!').next().unwrap_or_default();
    let folder = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let (whole, first) = (module.replace('.', "/"), super::judge::package(module));
    let places = [folder.as_str(), ""];
    let beside = places.iter().find_map(|place| {
        [format!("{place}{first}.py"), format!("{place}{first}/__init__.py"), format!("{place}{whole}.py")]
            .into_iter()
            .find(|name| neighbours.contains_key(name))
    });
    if let Some(beside) = beside {
        let message = format!("Loading this pickle imports `{path}`, which Python would take from {beside} beside it.");
        scan.facts.remote_code.insert(beside);
        scan.found(&rules::NEIGHBOUR_IMPORTED, source, at, message);
    }
}

/// What was read is inspected; what was stepped over is inert.
fn coverage(scan: &mut Scan<'_>, source: &Source, unread: &[Range<u64>], range: Range<u64>) {
    let mut at = range.start;
    let mut skipped: Vec<&Range<u64>> = unread.iter().collect();
    skipped.sort_by_key(|range| range.start);
    for gap in skipped {
        if gap.start > at {
            scan.inspected(source, at..gap.start.min(range.end));
        }
        scan.inert(source, gap.start..gap.end.min(range.end));
        at = at.max(gap.end);
    }
    scan.inspected(source, at..range.end);
}

fn broken(scan: &mut Scan<'_>, source: &Source, halt: &Halt, at: u64, used: bool) {
    let (stop, what) = match halt {
        Halt::Wrong(what) => (Stop::broken(at, what.clone()), what.clone()),
        Halt::Stop(Stop::Broken { what, .. }) => (Stop::broken(at, what.clone()), "the bytes end".to_owned()),
        Halt::Stop(Stop::Spent(what)) => (Stop::Spent(what.clone()), String::new()),
        Halt::Stop(Stop::Unreadable(why)) => (Stop::Unreadable(why.clone()), String::new()),
        Halt::Stop(Stop::NotHere) => (Stop::NotHere, String::new()),
    };
    if used && !what.is_empty() {
        let message = format!("The pickle breaks here ({what}); what it did before has happened by then.");
        scan.found(&rules::BROKEN_AFTER_USE, source, at, message);
    }
    scan.stopped(source, stop);
}

/// What torch's own unpickler takes with `weights_only=True`.
fn is_weights_only(module: &str, name: &str) -> bool {
    match module {
        "collections" => matches!(name, "OrderedDict" | "Counter" | "defaultdict"),
        "torch._utils" => name.starts_with("_rebuild_"),
        "torch._tensor" => name == "_rebuild_from_type_v2",
        "torch.nn.parameter" => {
            matches!(name, "Parameter" | "Buffer" | "UninitializedParameter" | "UninitializedBuffer")
        }
        "torch.storage" => matches!(name, "TypedStorage" | "UntypedStorage" | "_load_from_bytes"),
        "torch.serialization" => name == "_get_layout",
        "torch" => !name.contains('.') && !matches!(name, "load" | "save" | "compile"),
        "_codecs" => name == "encode",
        // Names of compiled classes, which TorchScript's own loader resolves.
        _ if module.starts_with("__torch__") => true,
        "builtins" | "__builtin__" => {
            matches!(
                name,
                "set"
                    | "bytearray"
                    | "complex"
                    | "frozenset"
                    | "slice"
                    | "range"
                    | "xrange"
                    | "int"
                    | "float"
                    | "bool"
                    | "str"
                    | "bytes"
                    | "tuple"
                    | "list"
                    | "dict"
            )
        }
        _ => false,
    }
}
