//! What is known of Python's globals: who vouches for which, how each may be used, and which of them run things.
//!
//! The names live in `data/globals/*.txt` (vouched for) and `data/gadgets.txt` (warned of), a sentence each. A function is
//! only ever vouched for by its full name, never by a pattern. Nothing here reads a pickle.

use std::{
    collections,
    hash::{BuildHasherDefault, Hasher},
    sync::LazyLock,
};

use crate::rules::{self, Rule};

/// How far a global is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// Containers and plain values.
    Inert,
    /// Classes and rebuilders of a framework that we vouch for, in the uses listed.
    Framework,
    /// Nobody vouches for it.
    Unknown,
    /// It rebuilds functions or code objects.
    Code,
    /// It reaches execution, files or the network through another function.
    Gadget,
    /// It executes, opens or connects.
    Execution,
}

/// The ways in which a pickle uses a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseKind {
    /// Named only: its module is imported. A global with this use may also be stored in another object's state, where the
    /// object may call it later with arguments of the attacker's; only what harms nobody then has this use.
    Import,
    /// Called with arguments: REDUCE. A class that is vouched for [`UseKind::New`] is not thereby vouched for this: its
    /// `__init__` runs, and that of some fetches or opens what its arguments name (`SentenceTransformer(name)`).
    Call,
    /// Made without its `__init__`: NEWOBJ, NEWOBJ_EX, and OBJ and INST without arguments. OBJ and INST with arguments
    /// call the class, and so are a [`UseKind::Call`].
    New,
    /// Given a state: BUILD.
    State,
    /// Given items: APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS.
    Items,
}

/// What the arguments of a vouched-for call (or making) have to be. Whatever the variant says, every value among the
/// arguments has itself to be vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Anything that is itself vouched for.
    Any,
    /// No argument at all.
    None,
    /// Plain values only: text, bytes, numbers, booleans, None, and tuples, lists, sets and dicts of them. No globals and
    /// nothing that was called or made.
    Plain,
    /// `_codecs.encode(text, 'latin1')` (or `latin-1`, `iso-8859-1`): how protocol 2 writes bytes.
    Latin1,
    /// `numpy.dtype(text, 0, 1)`: a description such as `f8`, `<U5`, `V12`, `M8[ns]`, then numbers or booleans.
    DtypeText,
    /// Plain values, and where a number says how much is allocated (`bytearray(n)`, `range`, `deque(…, n)` do not
    /// allocate by it), at most 64 MiB; above that [`rules::HUGE_VALUE`].
    SmallSize,
    /// `getattr(class, 'name')`: a class that is vouched for, and a constant name that has no dot and does not begin with
    /// an underscore, `_unpickle` excepted.
    AttributeOfClass,
    /// The first argument is called, now or later, with the others (`functools.partial`): it has to be a global that is
    /// vouched for a [`UseKind::Call`] or [`UseKind::Import`], and never one that itself has `VouchedCallee` or
    /// `AttributeOfClass`. No first argument, or None, is fine (`defaultdict`). The same holds for the first element of the
    /// state that such an object is given (`partial` takes its function from there).
    VouchedCallee,
    /// `torch._tensor._rebuild_from_type_v2(function, class, arguments, state)`: the function is called with the arguments
    /// (so it is judged as a call of its own), the class has to be vouched for.
    RebuildFromType,
    /// `copyreg._reconstructor(class, base, value)`: the class has to be vouched for [`UseKind::New`], the base has to be
    /// `object` with the value None, or a builtin container or number with a plain value.
    CopyregReconstructor,
    /// The first argument is a class that is vouched for [`UseKind::New`] (`copyreg.__newobj__`, Cython's
    /// `__pyx_unpickle_…`, pandas' `_new_Index`), the others are anything vouched for.
    VouchedClass,
    /// `numpy.core.multiarray._reconstruct(class, shape, code)`: the class has to be vouched for; the shape is a tuple of
    /// numbers whose product is at most 64 Mi (writers give `(0,)`), above that [`rules::HUGE_VALUE`].
    ArrayShell,
    /// `torch._utils._rebuild_tensor_v2(storage, offset, sizes, strides, …)`: a storage (a persistent id, or what
    /// `_load_from_bytes` gave), a number, two tuples of numbers. Where a persistent id says how many elements the storage
    /// has, `offset + Σ (size-1)·stride` has to lie within; otherwise [`rules::STORAGE_EXTENT`].
    TensorParts,
    /// One bytes value that is itself a checkpoint (`torch.storage._load_from_bytes`): it is inspected as a file of its
    /// own, and is no finding if that has none.
    NestedCheckpoint,
    /// Names and places to pick from an object (`operator.itemgetter`): numbers, and texts that have no dot and do not begin
    /// with an underscore.
    Keys,
}

/// What is known of one global.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tier: Tier,
    /// The uses that are vouched for (tiers Inert and Framework).
    pub(crate) uses: &'static [UseKind],
    pub(crate) arguments: Arguments,
    /// The rule that its mention comes under (tiers Unknown, Code, Gadget and Execution).
    pub(crate) rule: Option<&'static Rule>,
    /// The sentence from the data file, with its full stop: `Runs a shell command.`
    pub(crate) why: &'static str,
}

impl Entry {
    /// Whether this use is vouched for.
    pub(crate) fn vouches_for(&self, kind: UseKind) -> bool {
        self.tier <= Tier::Framework && self.uses.contains(&kind)
    }
}

/// What is known of `module.name`; nothing where nobody vouches for it and nobody warns of it. Python 2's names and the
/// underscored twins of modules (`__builtin__`, `copy_reg`, `_operator`) are known under both.
pub(crate) fn look_up(module: &str, name: &str) -> Option<&'static Entry> {
    let tables: &'static Tables = &TABLES;
    let (module, name) = tables.today(module, name);
    if let Some(entry) = tables.vouched.get(module).and_then(|names| names.get(name)) {
        return Some(entry);
    }
    if package(module) == SCRIPT {
        return script_class(module);
    }
    // A module's global can be another module: `collections` has `_sys`, `random` has `_os`.
    let first = name.split('.').next().unwrap_or(name);
    if tables.hops.contains(first) {
        return Some(&HOP);
    }
    tables.warned(module, name)
}

/// The package that a reader would have to trust: `torch` of `torch._utils`.
pub(crate) fn package(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

/// A table of ours. Nobody else puts names into it, so that its hash can be quick instead of hard to predict.
type HashMap<K, V> = collections::HashMap<K, V, BuildHasherDefault<Quick>>;

#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
            self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
}

/// Everything that the data files say, ready to be looked up.
struct Tables {
    vouched: HashMap<&'static str, HashMap<&'static str, Entry>>,
    /// By module, then by name; `*` is every other name.
    warned: HashMap<&'static str, HashMap<&'static str, Entry>>,
    /// A module and everything below it: `os.*`.
    below: HashMap<&'static str, HashMap<&'static str, Entry>>,
    /// Modules of Python's standard library, all of which no model needs but for what is vouched for.
    library: HashMap<&'static str, Entry>,
    hops: collections::HashSet<&'static str, BuildHasherDefault<Quick>>,
    old: HashMap<&'static str, Old>,
    /// Lines that could not be read. A test says that there are none.
    faults: Vec<String>,
}

/// What became of a module of Python 2, or of an inner one.
#[derive(Default)]
struct Old {
    module: Option<&'static str>,
    /// Names that went to other modules than the rest.
    names: HashMap<&'static str, (&'static str, &'static str)>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::read);

/// Every file of globals that are vouched for.
const VOUCHED: &[(Tier, &str, &str)] = &[
    (Tier::Framework, "accelerate", include_str!("../../data/globals/accelerate.txt")),
    (Tier::Framework, "agents", include_str!("../../data/globals/agents.txt")),
    (Tier::Framework, "audio", include_str!("../../data/globals/audio.txt")),
    (Tier::Inert, "builtins", include_str!("../../data/globals/builtins.txt")),
    (Tier::Framework, "catboost", include_str!("../../data/globals/catboost.txt")),
    (Tier::Framework, "clustering", include_str!("../../data/globals/clustering.txt")),
    (Tier::Framework, "fairseq", include_str!("../../data/globals/fairseq.txt")),
    (Tier::Framework, "flair", include_str!("../../data/globals/flair.txt")),
    (Tier::Framework, "gensim", include_str!("../../data/globals/gensim.txt")),
    (Tier::Framework, "imblearn", include_str!("../../data/globals/imblearn.txt")),
    (Tier::Framework, "joblib", include_str!("../../data/globals/joblib.txt")),
    (Tier::Framework, "lightgbm", include_str!("../../data/globals/lightgbm.txt")),
    (Tier::Framework, "lightning", include_str!("../../data/globals/lightning.txt")),
    (Tier::Framework, "nltk", include_str!("../../data/globals/nltk.txt")),
    (Tier::Framework, "numpy", include_str!("../../data/globals/numpy.txt")),
    (Tier::Framework, "omegaconf", include_str!("../../data/globals/omegaconf.txt")),
    (Tier::Framework, "paddle", include_str!("../../data/globals/paddle.txt")),
    (Tier::Framework, "pandas", include_str!("../../data/globals/pandas.txt")),
    (Tier::Framework, "peft", include_str!("../../data/globals/peft.txt")),
    (Tier::Framework, "prophet", include_str!("../../data/globals/prophet.txt")),
    (Tier::Framework, "scipy", include_str!("../../data/globals/scipy.txt")),
    (Tier::Framework, "sentence_transformers", include_str!("../../data/globals/sentence_transformers.txt")),
    (Tier::Framework, "settings", include_str!("../../data/globals/settings.txt")),
    (Tier::Framework, "sklearn", include_str!("../../data/globals/sklearn.txt")),
    (Tier::Framework, "spacy", include_str!("../../data/globals/spacy.txt")),
    (Tier::Framework, "speechbrain", include_str!("../../data/globals/speechbrain.txt")),
    (Tier::Framework, "statsmodels", include_str!("../../data/globals/statsmodels.txt")),
    (Tier::Inert, "stdlib", include_str!("../../data/globals/stdlib.txt")),
    (Tier::Framework, "timm", include_str!("../../data/globals/timm.txt")),
    (Tier::Framework, "torch", include_str!("../../data/globals/torch.txt")),
    (Tier::Framework, "torchmetrics", include_str!("../../data/globals/torchmetrics.txt")),
    (Tier::Framework, "torchvision", include_str!("../../data/globals/torchvision.txt")),
    (Tier::Framework, "training", include_str!("../../data/globals/training.txt")),
    (Tier::Framework, "transformers", include_str!("../../data/globals/transformers.txt")),
    (Tier::Framework, "trl", include_str!("../../data/globals/trl.txt")),
    (Tier::Framework, "ultralytics", include_str!("../../data/globals/ultralytics.txt")),
    (Tier::Framework, "xgboost", include_str!("../../data/globals/xgboost.txt")),
    (Tier::Framework, "yolo", include_str!("../../data/globals/yolo.txt")),
];
const WARNED: &str = include_str!("../../data/gadgets.txt");
const LIBRARY: &str = include_str!("../../data/library.txt");
const OLD_NAMES: &str = include_str!("../../data/old_names.txt");
const LIBRARY_WHY: &str = "It is a part of Python's standard library that no model needs.";

/// The package that TorchScript gives to the classes of an archive's own code. Python cannot import it; torch makes them from
/// the code beside the pickle, which has its own reader.
const SCRIPT: &str = "__torch__";
/// Libraries of torch itself that bring classes of their own.
const SCRIPT_LIBRARIES: &[&str] = &["quantized", "rnn", "xnnpack", "sparse", "mkldnn", "vulkan", "metal"];
static SCRIPT_CLASS: LazyLock<Entry> = LazyLock::new(|| Entry {
    tier: Tier::Framework,
    uses: &[UseKind::Import, UseKind::Call, UseKind::New, UseKind::State],
    arguments: Arguments::Any,
    rule: None,
    why: "A class of the archive's own TorchScript.",
});

/// Names under which harmless modules hold modules and tables that lead anywhere.
const HOPS: &[&str] = &[
    "os",
    "_os",
    "sys",
    "_sys",
    "subprocess",
    "builtins",
    "_builtins",
    "importlib",
    "_importlib",
    "shutil",
    "_shutil",
    "socket",
    "_socket",
    "ctypes",
    "_ctypes",
    "pickle",
    "_pickle",
    "marshal",
    "runpy",
    "pty",
    "posix",
    "nt",
    "multiprocessing",
    "tempfile",
    "urllib",
    "pkgutil",
    "__builtins__",
    "__loader__",
    "__spec__",
    "__import__",
    "__globals__",
    "__dict__",
    "__subclasses__",
    "__class__",
    "__base__",
    "__bases__",
    "__mro__",
    "__getattribute__",
    "__code__",
    "__reduce__",
    "__reduce_ex__",
];
static HOP: LazyLock<Entry> =
    LazyLock::new(|| warning(Tier::Gadget, &rules::DOTTED_HOP, "It leads from a harmless module to another one."));

impl Tables {
    fn read() -> Self {
        let mut tables = Self {
            vouched: HashMap::default(),
            warned: HashMap::default(),
            below: HashMap::default(),
            library: HashMap::default(),
            hops: HOPS.iter().copied().collect(),
            old: HashMap::default(),
            faults: Vec::new(),
        };
        let mut uses = HashMap::default();
        for (tier, file, text) in VOUCHED {
            tables.each(file, text, |tables, line| tables.read_vouched(*tier, line, &mut uses));
        }
        tables.each("gadgets", WARNED, Self::read_warned);
        tables.each("library", LIBRARY, |tables, line| {
            let entry = warning(Tier::Gadget, &rules::INDIRECT_GADGET, LIBRARY_WHY);
            tables.library.insert(line, entry).is_none().then_some(())
        });
        tables.each("old_names", OLD_NAMES, Self::read_old_name);
        tables
    }

    fn each(&mut self, file: &str, text: &'static str, mut read: impl FnMut(&mut Self, &'static str) -> Option<()>) {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if !line.is_empty() && !line.starts_with('#') && read(self, line).is_none() {
                self.faults.push(format!("{file}.txt:{}: {line}", number + 1));
            }
        }
    }

    /// `module name | uses | arguments | sentence`
    fn read_vouched(
        &mut self,
        tier: Tier,
        line: &'static str,
        known: &mut HashMap<&'static str, &'static [UseKind]>,
    ) -> Option<()> {
        let [path, words, arguments, why] = columns(line)?;
        let (module, name) = path.split_once(' ')?;
        let uses = if let Some(uses) = known.get(words) {
            uses
        } else {
            let uses: Option<Vec<UseKind>> = words.split(' ').map(use_kind).collect();
            known.entry(words).or_insert(uses?.leak())
        };
        let entry = Entry { tier, uses, arguments: arguments_named(arguments)?, rule: None, why: sentence(why)? };
        self.vouched.entry(module).or_default().insert(name, entry).is_none().then_some(())
    }

    /// `module[.*] name-or-* | tier | rule | sentence`
    fn read_warned(&mut self, line: &'static str) -> Option<()> {
        let [path, tier, rule, why] = columns(line)?;
        let (module, name) = path.split_once(' ')?;
        let tier = match tier {
            "unknown" => Tier::Unknown,
            "code" => Tier::Code,
            "gadget" => Tier::Gadget,
            "execution" => Tier::Execution,
            _ => return None,
        };
        let rule = rules::ALL.iter().find(|known| known.id == rule)?;
        let (into, module) = match module.strip_suffix(".*") {
            Some(module) => (&mut self.below, module),
            None => (&mut self.warned, module),
        };
        into.entry(module).or_default().insert(name, warning(tier, rule, sentence(why)?)).is_none().then_some(())
    }

    /// `copy_reg -> copyreg` or `__builtin__ xrange -> builtins range`
    fn read_old_name(&mut self, line: &'static str) -> Option<()> {
        let (old, new) = line.split_once(" -> ")?;
        match (old.split_once(' '), new.split_once(' ')) {
            (Some((module, name)), Some(new)) => {
                self.old.entry(module).or_default().names.insert(name, new).is_none().then_some(())
            }
            (None, None) => self.old.entry(old).or_default().module.replace(new).is_none().then_some(()),
            _ => None,
        }
    }

    /// What Python 3 makes of Python 2's names, and what a module's underscored twin is.
    fn today<'a>(&self, module: &'a str, name: &'a str) -> (&'a str, &'a str) {
        match self.old.get(module) {
            Some(old) => old.names.get(name).copied().unwrap_or((old.module.unwrap_or(module), name)),
            None => (module, name),
        }
    }

    fn warned(&self, module: &str, name: &str) -> Option<&Entry> {
        let first = name.split('.').next().unwrap_or(name);
        if let Some(names) = self.warned.get(module)
            && let Some(entry) = names.get(first).or_else(|| names.get("*"))
        {
            return Some(entry);
        }
        let mut above = Some(module);
        while let Some(path) = above {
            if let Some(names) = self.below.get(path)
                && let Some(entry) = names.get(first).or_else(|| names.get("*"))
            {
                return Some(entry);
            }
            above = path.rsplit_once('.').map(|(above, _)| above);
        }
        self.library.get(package(module))
    }
}

fn script_class(module: &str) -> Option<&'static Entry> {
    let library = module.strip_prefix("__torch__.torch.classes.").map(package);
    library.is_none_or(|library| SCRIPT_LIBRARIES.contains(&library)).then(|| &*SCRIPT_CLASS)
}

fn warning(tier: Tier, rule: &'static Rule, why: &'static str) -> Entry {
    Entry { tier, uses: &[], arguments: Arguments::Any, rule: Some(rule), why }
}

fn columns(line: &'static str) -> Option<[&'static str; 4]> {
    let columns: Vec<&str> = line.splitn(4, '|').map(str::trim).collect();
    columns.try_into().ok()
}

/// A sentence for people: it begins large and ends with a full stop.
fn sentence(text: &'static str) -> Option<&'static str> {
    (text.ends_with('.') && text.starts_with(|c: char| !c.is_lowercase()) && text.len() > 5).then_some(text)
}

fn use_kind(word: &str) -> Option<UseKind> {
    Some(match word {
        "import" => UseKind::Import,
        "call" => UseKind::Call,
        "new" => UseKind::New,
        "state" => UseKind::State,
        "items" => UseKind::Items,
        _ => return None,
    })
}

fn arguments_named(word: &str) -> Option<Arguments> {
    Some(match word {
        "any" => Arguments::Any,
        "none" => Arguments::None,
        "plain" => Arguments::Plain,
        "latin1" => Arguments::Latin1,
        "dtype" => Arguments::DtypeText,
        "small" => Arguments::SmallSize,
        "attribute" => Arguments::AttributeOfClass,
        "callee" => Arguments::VouchedCallee,
        "rebuild-from-type" => Arguments::RebuildFromType,
        "reconstructor" => Arguments::CopyregReconstructor,
        "class" => Arguments::VouchedClass,
        "array-shell" => Arguments::ArrayShell,
        "tensor" => Arguments::TensorParts,
        "nested-checkpoint" => Arguments::NestedCheckpoint,
        "keys" => Arguments::Keys,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
