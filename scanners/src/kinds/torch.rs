//! What `torch.save`, `torch.jit.save`, `torch.export.save` and `torch.package` write: a zip around pickles and storages.
//!
//! Storages are never read: they are numbers, and torch checks nothing in them. That they are there and long enough for
//! what the pickle says is checked. Which member is which is decided as torch decides it, without regard to case.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use crate::{
    archive::{Archive, Member},
    facts::InStorage,
    formats,
    pickle::{self, Loader, Pickled, Storage},
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

mod script;
mod tar;

pub(crate) use tar::{inspect as inspect_tar, is_tar};

/// Pickles whose loader is known, up to this size, are asked for all at once.
const ASKED_AT_ONCE: u64 = 16 << 20;
/// `version`, `byteorder` and their like.
const LONGEST_WORD: u64 = 256;

/// `torch.save`: `<root>/data.pkl` and nothing that makes it more.
pub(crate) fn is_checkpoint(archive: &Archive) -> bool {
    Layout::of(archive).is_some_and(|layout| layout.form == Form::Checkpoint)
}

/// `torch.jit.save`: code and constants beside it.
pub(crate) fn is_script(archive: &Archive) -> bool {
    Layout::of(archive).is_some_and(|layout| layout.form == Form::Script)
}

/// `torch.package`: Python source that is imported from the archive.
pub(crate) fn is_package(archive: &Archive) -> bool {
    Layout::of(archive).is_some_and(|layout| layout.form == Form::Package)
}

/// `torch.export.save` and AOTInductor: a graph in JSON, weights, libraries.
pub(crate) fn is_export(archive: &Archive) -> bool {
    Layout::of(archive).is_some_and(|layout| layout.form == Form::Export)
}

/// Inspects every member of any of these.
pub(crate) fn inspect(scan: &mut Scan<'_>, archive: &Archive) -> Scanned<()> {
    let Some(layout) = Layout::of(archive) else { return Ok(()) };
    archive.source.will_read(layout.asked_at_once());
    let (named, held) = layout.pickles(scan)?;
    layout.places(scan, &held)?;
    let referenced = layout.storages(scan, &named);
    layout.others(scan, &referenced);
    layout.findings(scan);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Checkpoint,
    Script,
    Package,
    Export,
}

/// Storages that pickles name, and tensors that lie in them, each with the folder where its pickle looks for it.
type Named = Vec<(String, Storage)>;
type Held = Vec<(String, InStorage)>;

/// The members by what they are called below the root.
struct Layout<'a> {
    archive: &'a Archive,
    form: Form,
    /// Each member with its folded name below the root; whole names for what lies elsewhere.
    members: Vec<(String, &'a Member)>,
}

/// Torch's reader looks names up without regard to case; Windows' separators are read as torch's own.
fn folded(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if lower.contains('\\') { lower.replace('\\', "/") } else { lower }
}

impl<'a> Layout<'a> {
    fn of(archive: &'a Archive) -> Option<Self> {
        if !archive.members.iter().any(|member| formats::ends_in(&member.name, ENDINGS)) {
            return None;
        }
        let names: Vec<String> = archive.members.iter().map(|member| folded(&member.name)).collect();
        let (form, root) = form(&names)?;
        let below = |name: &String| name.strip_prefix(&root).unwrap_or(name).to_owned();
        let members = names.iter().map(below).zip(&archive.members).collect();
        Some(Self { archive, form, members })
    }

    /// Everything but storages, headers and large files: with it one round of fetching is enough.
    fn asked_at_once(&self) -> Vec<Range<u64>> {
        let wanted = self.members.iter().filter(|(name, _)| storage_folder(name).is_none());
        wanted.filter_map(|(_, member)| member.stored()).filter(|at| at.end - at.start <= ASKED_AT_ONCE).collect()
    }

    /// Inspects the pickles that torch itself loads, and collects the storages that they name, by folder.
    fn pickles(&self, scan: &mut Scan<'_>) -> Scanned<(Named, Held)> {
        let (mut named, mut held) = (Named::new(), Held::new());
        let mut missing = false;
        for (name, member) in self.members.iter().filter(|(name, _)| self.loads(name)) {
            let folder = match (self.form, name.strip_suffix(".pkl")) {
                (Form::Package, _) => ".data".to_owned(),
                (_, stem) => stem.unwrap_or_default().to_owned(),
            };
            self.archive.inspect_as(scan, member, |scan, source| {
                let before = scan.in_storages.len();
                let pickled = pickle::inspect_as(scan, source, Loader::TorchZip);
                missing |= matches!(pickled, Err(Stop::NotHere));
                let Pickled { storages } = pickled?;
                named.extend(storages.into_iter().map(|storage| (folder.clone(), storage)));
                held.extend(scan.in_storages.drain(before..).map(|one| (folder.clone(), one)));
                if name == "bytecode.pkl" { script::inspect_bytecode(scan, source) } else { Ok(()) }
            });
        }
        // Without the pickles nobody knows which members are storages, and all of them would be asked for.
        if missing { Err(Stop::NotHere) } else { Ok((named, held)) }
    }

    /// Says where the numbers of tensors lie in the file: in members that are stored as they are, little-endian.
    fn places(&self, scan: &mut Scan<'_>, held: &[(String, InStorage)]) -> Scanned<()> {
        let whole = |member: &Member| member.stored().filter(|_| member.readings.len() == 1);
        for (_, member) in self.members.iter().filter(|(name, _)| name == "byteorder") {
            let Some(at) = whole(member).filter(|at| at.end - at.start <= LONGEST_WORD) else { return Ok(()) };
            if self.archive.source.read(at)?.as_ref() != b"little" {
                return Ok(());
            }
        }
        let by_name = self.by_name();
        for (folder, tensor) in held {
            let found = self.storage_names(folder, &tensor.key).iter().find_map(|at| by_name.get(at.as_str()).copied());
            if let Some(at) = found.and_then(whole)
                && tensor.end <= at.end - at.start
            {
                scan.placed(tensor.tensor, &self.archive.source, at.start + tensor.start..at.start + tensor.end);
            }
        }
        Ok(())
    }

    fn by_name(&self) -> BTreeMap<&str, &Member> {
        self.members.iter().map(|(name, member)| (name.as_str(), *member)).collect()
    }

    /// What the member of a storage may be called.
    fn storage_names(&self, folder: &str, key: &str) -> Vec<String> {
        let key = folded(key);
        match self.form {
            Form::Package => vec![format!(".data/{key}.storage"), format!(".data/{key}")],
            _ => vec![format!("{folder}/{key}"), format!("constants/{key}")],
        }
    }

    /// Whether torch loads this member as a pickle.
    fn loads(&self, name: &str) -> bool {
        match self.form {
            Form::Package => ending(name) == "pkl" && !name.starts_with(".data/"),
            _ => matches!(name, "data.pkl" | "constants.pkl" | "bytecode.pkl" | "attributes.pkl"),
        }
    }

    /// Checks that each storage is there and long enough, and says which members are storages and how long those are.
    fn storages(&self, scan: &mut Scan<'_>, named: &[(String, Storage)]) -> HashMap<String, u64> {
        let by_name = self.by_name();
        let mut referenced = HashMap::new();
        let pickle = self.members.iter().find(|(name, _)| self.loads(name)).map(|(_, member)| *member);
        let place = |member: &Member| member.stored().map(|at| self.archive.source.member(&member.name, at));
        let place = pickle.and_then(place).unwrap_or_else(|| self.archive.source.clone());
        for (folder, storage) in named {
            let key = folded(&storage.key);
            let places = self.storage_names(folder, &storage.key);
            let Some((name, member)) = places.iter().find_map(|at| by_name.get_key_value(at.as_str())) else {
                let message = format!(
                    "The pickle names a storage `{}` of {} elements, and the archive has no such member.",
                    storage.key, storage.count
                );
                scan.found(&rules::STORAGE_EXTENT, &place, storage.at, message);
                continue;
            };
            let needed = storage.count.checked_mul(pickle::element_size(&storage.kind).unwrap_or(1));
            // Torch numbers its storages. What has another name is looked at, whatever the pickle calls it.
            if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit()) {
                let longest: &mut u64 = referenced.entry((*name).to_owned()).or_default();
                *longest = needed.unwrap_or(u64::MAX).max(*longest);
            }
            if needed.is_none_or(|needed| needed > member.size) {
                let message = format!(
                    "The pickle says that storage `{}` has {} elements of {}, and its member has {} bytes.",
                    storage.key, storage.count, storage.kind, member.size
                );
                scan.found(&rules::STORAGE_EXTENT, &place, storage.at, message);
            }
        }
        referenced
    }

    /// Inspects what is neither a loaded pickle nor a storage.
    fn others(&self, scan: &mut Scan<'_>, referenced: &HashMap<String, u64>) {
        for (name, member) in &self.members {
            if self.loads(name) {
                continue;
            }
            if let Some(length) = referenced.get(name) {
                if member.size <= *length {
                    self.archive.inert(scan, member);
                } else {
                    self.archive.inspect_as(scan, member, |scan, source| {
                        scan.inert(source, 0..*length);
                        forgotten(scan, &source.part(*length..source.len()))
                    });
                }
            } else if self.form != Form::Export && storage_folder(name).is_some() {
                self.archive.inspect_as(scan, member, forgotten);
            } else if WORDS.contains(&name.as_str()) && member.size <= LONGEST_WORD {
                self.archive.inspect_as(scan, member, word);
            } else if self.form == Form::Script && is_code(name) {
                self.archive.inspect_as(scan, member, script::inspect);
            } else if self.form == Form::Package && name.starts_with(".data/") && is_list(name) {
                self.archive.inspect_as(scan, member, word_list);
            } else {
                let debug = is_debug(name) || self.form == Form::Export;
                self.archive.inspect_as(scan, member, |scan, source| {
                    native(scan, source)?;
                    let format = scan.inner(source);
                    if format.contains("pickle") && !debug {
                        other_pickle(scan, source);
                    }
                    Ok(())
                });
            }
        }
    }

    /// What the names alone say.
    fn findings(&self, scan: &mut Scan<'_>) {
        let seconds = self.members.iter().filter(|(name, _)| name == "data.pkl").skip(1);
        for (_, member) in seconds {
            let message = format!(
                "`{}` is a second `data.pkl`: which of them is loaded depends on the version of torch.",
                member.name
            );
            scan.found(&rules::OTHER_PICKLE, &self.archive.source, start(member), message);
        }
        let sources: Vec<&str> = self
            .members
            .iter()
            .filter(|(name, _)| self.form == Form::Package && ending(name) == "py")
            .map(|(_, member)| member.name.as_str())
            .collect();
        if let Some(first) = sources.first() {
            let message = format!(
                "The archive is a torch package: loading it imports {} Python files from it, `{first}` among them.",
                sources.len()
            );
            scan.found(&rules::TORCH_PACKAGE, &self.archive.source, 0, message);
        }
    }
}

/// One of these ends a name of every archive that has a form: most archives have none, and their names are not all folded.
const ENDINGS: &[&str] = &[
    "extern_modules",
    "python_version",
    "version",
    "archive_format",
    "serialized_exported_program.json",
    "model.json",
    "data.pkl",
];

/// Which form it is, and the folder that holds it.
fn form(names: &[String]) -> Option<(Form, String)> {
    let root_of = |end: &str| {
        let found = names.iter().filter_map(|name| name.strip_suffix(end));
        found.filter(|root| root.is_empty() || root.ends_with('/')).min_by_key(|root| root.len()).map(str::to_owned)
    };
    let package = [".data/extern_modules", ".data/python_version"].iter().find_map(|end| root_of(end)).or_else(|| {
        // Old packages have only a version beside their sources, and no `data.pkl` at the root.
        let root = root_of(".data/version")?;
        let bare = !names.contains(&format!("{root}data.pkl"));
        (bare && names.iter().any(|name| matches!(ending(name), "pkl" | "py"))).then_some(root)
    });
    if let Some(root) = package {
        return Some((Form::Package, root));
    }
    let export = ["archive_format", "serialized_exported_program.json", "models/model.json"];
    if let Some(root) = export.iter().find_map(|end| root_of(end)) {
        return Some((Form::Export, root));
    }
    let root = root_of("data.pkl")?;
    let has = |end: &str| names.iter().any(|name| name.strip_prefix(&root).is_some_and(|name| name.starts_with(end)));
    let library = names.iter().any(|name| name.contains("/aotinductor/"));
    let form = match () {
        () if library => Form::Export,
        () if has("constants.pkl") || has("bytecode.pkl") => Form::Script,
        () => Form::Checkpoint,
    };
    Some((form, root))
}

/// Members that hold one word or number.
const WORDS: &[&str] = &[
    "version",
    "byteorder",
    ".format_version",
    ".storage_alignment",
    ".data/serialization_id",
    ".data/version",
    ".data/python_version",
    "archive_format",
    "archive_version",
    "extra/producer_info.json",
];

/// What stands behind the last dot of a folded name.
fn ending(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

fn is_list(name: &str) -> bool {
    name == ".data/extern_modules" || name == ".data/dependencies"
}

fn is_code(name: &str) -> bool {
    name.starts_with("code/") && ending(name) == "py"
}

/// Where a script's lines came from, in a pickle of its own; `torch.jit` reads it when an error is shown.
fn is_debug(name: &str) -> bool {
    ending(name) == "debug_pkl" || matches!(name, "mobile_debug_handles.pkl" | "callstack_debug_map.pkl")
}

/// The folder of a storage by its name alone.
fn storage_folder(name: &str) -> Option<&str> {
    let (folder, key) = name.rsplit_once('/')?;
    let plain = key.trim_end_matches(".storage");
    let numbered = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && matches!(folder, "data" | "constants" | "bytecode" | ".data")).then_some(folder)
}

fn start(member: &Member) -> u64 {
    member.readings.first().map_or(0, |reading| reading.packed.start)
}

/// A storage that no pickle names, or the rest of one that is longer than its elements: torch never looks at it, so that numbers there are as good as none. What is more than
/// numbers is inspected.
fn forgotten(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    if source.len() > 0 && formats::knows(source)? {
        scan.inner(source);
    } else {
        scan.inert(source, 0..source.len());
    }
    Ok(())
}

/// One word, which torch compares and nothing runs.
fn word(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let text = source.read_all(LONGEST_WORD)?;
    let plain = text.iter().all(|byte| byte.is_ascii_alphanumeric() || b" .\n\r_-{}\":,[]".contains(byte));
    // `N.` and its like are pickles too; no word ends so.
    if plain && !text.ends_with(b".") {
        scan.inspected(source, 0..source.len());
    } else {
        scan.inner(source);
    }
    Ok(())
}

/// Names, one a line.
fn word_list(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let text = source.read_all(scan.limits.text_bytes)?;
    let plain = text.iter().all(|byte| byte.is_ascii_alphanumeric() || b" .\n\r_-*".contains(byte));
    if plain && !text.ends_with(b".") {
        scan.inspected(source, 0..source.len());
    } else {
        scan.inner(source);
    }
    Ok(())
}

fn native(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    const MAGICS: [&[u8]; 6] =
        [b"\x7fELF", b"MZ\x90", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xca\xfe\xba\xbe", b"!<arch>\n"];
    let head = source.read_up_to(0, 8)?;
    let name = source.file_name().to_ascii_lowercase();
    let named = [".so", ".dll", ".dylib", ".pyd"].iter().any(|end| name.ends_with(end));
    if named || MAGICS.iter().any(|magic| head.starts_with(magic)) {
        let message =
            format!("The archive carries the native library `{}`, which torch loads and runs with it.", source.name());
        scan.found(&rules::TORCH_NATIVE, source, 0, message);
    }
    Ok(())
}

fn other_pickle(scan: &mut Scan<'_>, source: &Source) {
    let message = format!("`{}` is a pickle, and torch puts none of this name into its files.", source.name());
    scan.found(&rules::OTHER_PICKLE, source, 0, message);
}

#[cfg(test)]
mod tests;
