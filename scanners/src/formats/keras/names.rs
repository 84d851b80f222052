//! Which names in a Keras config belong to Keras, which reach out of it, and which are somebody else's.

use std::{collections::HashSet, sync::LazyLock};

use crate::pickle::tables::{self, Entry, Tier, UseKind};

/// Classes whose config is code.
pub(crate) const CARRIES_CODE: &[&str] = &["Lambda", "__lambda__"];

/// Classes that load a model of another format.
pub(crate) const LOADS_OTHERS: &[&str] = &["TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"];

/// Layers that look words up.
pub(crate) const LOOKUPS: &[&str] =
    &["StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup", "WordPieceTokenizer", "BytePairTokenizer"];

/// Keys under which layers take a path.
pub(crate) const READ_FROM: &[&str] = &[
    "vocabulary",
    "vocabulary_file",
    "vocabulary_path",
    "vocab_file",
    "vocab_path",
    "merges",
    "merges_file",
    "merges_path",
    "proto",
    "filepath",
    "file_path",
    "filename",
    "file_name",
    "fname",
    "path",
    "origin",
    "url",
    "cache_dir",
    "directory",
    "asset_path",
    "assets_path",
    "model_path",
    "model_file",
    "checkpoint",
    "checkpoint_path",
    "weights",
    "weights_path",
    "weights_file",
    "tokenizer_path",
    "lookup_file",
];

/// Packages of Keras's makers, whose layers and models are like Keras's own.
pub(crate) const TRUSTED_PACKAGES: &[&str] =
    &["keras", "tf_keras", "keras_core", "keras_nlp", "keras_cv", "keras_hub", "Addons", "tensorflow_addons"];

/// Functions that reach files, the network, settings or other code, wherever they are said to come from.
const DANGEROUS: &[&str] = &[
    "get_file",
    "enable_unsafe_deserialization",
    "load_model",
    "load_weights",
    "save_model",
    "save_weights",
    "load_data",
    "load_img",
    "save_img",
    "load_npz",
    "func_load",
    "model_from_json",
    "model_from_yaml",
    "model_from_config",
    "deserialize_keras_object",
    "deserialize",
    "from_config",
    "functional_from_config",
    "clone_model",
    "clone_and_build_model",
    "load_from_saved_model",
    "extract_archive",
    "set_backend",
    "custom_object_scope",
    "get_custom_objects",
    "plot_model",
    "import_module",
    "system",
    "popen",
    "Popen",
    "check_output",
    "call",
    "run",
    "spawn",
    "urlretrieve",
    "urlopen",
    "py_function",
    "numpy_function",
    "load_library",
    "load_op_library",
    "read_file",
    "write_file",
    "write_graph",
];

/// Parts of Keras that no layer, loss or metric comes from.
const REACHES_OUT: &[&str] = &[
    "utils",
    "config",
    "saving",
    "export",
    "datasets",
    "preprocessing",
    "applications",
    "callbacks",
    "trainers",
    "backend",
    "wrappers",
    "legacy.saving",
    "legacy.backend",
    "engine.training_utils",
    "api",
    "tools",
    "visualization",
    "distillation",
];

/// Parts of Keras that models are made of.
const ORDINARY: &[&str] = &[
    "layers",
    "models",
    "optimizers",
    "losses",
    "metrics",
    "initializers",
    "regularizers",
    "constraints",
    "activations",
    "dtype_policies",
    "quantizers",
    "ops",
    "random",
    "engine",
    "mixed_precision",
    "legacy.layers",
    "legacy.losses",
    "distribution",
];

/// Parts of Keras whose functions a config may name.
const COMPUTES: &[&str] = &[
    "activations",
    "losses",
    "metrics",
    "initializers",
    "regularizers",
    "constraints",
    "layers",
    "ops",
    "random",
    "legacy.losses",
    "legacy.layers",
    "image",
    "seq2seq",
];

/// Packages that a config has no business to name, beside Python's own: those that load and run things.
const FOREIGN: &[&str] = &[
    "torch",
    "joblib",
    "dill",
    "cloudpickle",
    "numpy",
    "pandas",
    "scipy",
    "jinja2",
    "yaml",
    "requests",
    "httpx",
    "aiohttp",
    "paramiko",
    "fabric",
    "pexpect",
    "IPython",
    "huggingface_hub",
    "datasets",
    "transformers",
    "jax",
    "flax",
    "google",
    "tensorflow",
    "h5py",
    "PIL",
    "cv2",
    "matplotlib",
];

static CLASSES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../../data/keras-classes.txt").lines().filter(|line| !line.starts_with('#')).collect()
});

/// The part of Keras that a module is: `layers.core` of `keras.src.layers.core`.
pub(crate) fn inside_keras(module: &str) -> Option<&str> {
    const ROOTS: [&str; 7] = [
        "keras.src.",
        "keras.",
        "tf_keras.src.",
        "tf_keras.",
        "tensorflow.python.keras.",
        "tensorflow.keras.",
        "keras_core.",
    ];
    if matches!(module, "keras" | "tf_keras" | "keras.src" | "tensorflow.keras" | "keras_core") {
        return Some("");
    }
    let inside = ROOTS.iter().find_map(|root| module.strip_prefix(root))?;
    let inside = inside.strip_prefix("api.").unwrap_or(inside);
    let inside = inside.strip_prefix("_tf_keras.keras.").unwrap_or(inside);
    Some(inside.strip_prefix("_v2.keras.").or_else(|| inside.strip_prefix("api._v2.keras.")).unwrap_or(inside))
}

fn within(inside: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| inside.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

pub(crate) fn reaches_out(inside: &str) -> bool {
    within(inside, REACHES_OUT)
}

pub(crate) fn is_ordinary(inside: &str) -> bool {
    inside.is_empty() || within(inside, ORDINARY)
}

/// Whether functions of this part only compute, as losses and activations do.
pub(crate) fn has_functions(inside: &str) -> bool {
    within(inside, COMPUTES)
}

/// The part of a trusted package that a module is: `layers.modeling` of `keras_hub.src.layers.modeling`; nothing where the
/// package is not trusted.
pub(crate) fn inside_trusted(module: &str) -> Option<&str> {
    let (package, inside) = module.split_once('.').unwrap_or((module, ""));
    let inside = inside.strip_prefix("src.").or_else(|| inside.strip_prefix("api.")).unwrap_or(inside);
    TRUSTED_PACKAGES.contains(&package).then_some(inside)
}

/// The same as [`is_ordinary`] for a trusted package, some of which have parts that Keras itself has not.
pub(crate) fn is_ordinary_of_trusted(inside: &str) -> bool {
    is_ordinary(inside) || within(inside, &["tokenizers", "samplers", "rnn", "seq2seq", "image", "text", "core"])
}

/// Functions that reach out, wherever they are said to come from. What Python itself has is known from pickles.
pub(crate) fn is_dangerous(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| {
        DANGEROUS.contains(&last)
            || tables::look_up("builtins", last).is_some_and(|entry| entry.tier == Tier::Execution)
    })
}

/// What Python's own functions and types are to a config.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// A type or a function that harms nobody.
    Plain,
    /// It runs, opens or reaches something.
    Harmful,
    /// Python has no such name: it is a function of Keras or of somebody else.
    None,
}

pub(crate) fn builtin(name: &str) -> Builtin {
    // What the table says of any name that it does not have says that it does not have this one.
    let others = tables::look_up("builtins", "?");
    let known = |entry: &&'static Entry| others.is_none_or(|others| !std::ptr::eq(*entry, others));
    match tables::look_up("builtins", name).filter(known) {
        _ if name == "NoneType" => Builtin::Plain,
        Some(entry) if entry.vouches_for(UseKind::Import) => Builtin::Plain,
        Some(_) => Builtin::Harmful,
        None if name.starts_with("__") => Builtin::Harmful,
        None => Builtin::None,
    }
}

pub(crate) fn is_known_class(name: &str) -> bool {
    CLASSES.contains(name)
}

/// Names that Keras gives to plain values and functions.
pub(crate) fn special(class: &str) -> bool {
    matches!(
        class,
        "function" | "builtin_function_or_method" | "type" | "__typespec__" | "dtype" | "TrackedDict" | "TrackedList"
    )
}

/// Whether a module is one that a config has no business to name.
pub(crate) fn is_foreign(module: &str) -> bool {
    is_of_python(module) || FOREIGN.contains(&tables::package(module))
}

/// Whether a module is Python's own, or one that pickles are warned of. A script's own classes are its own.
pub(crate) fn is_of_python(module: &str) -> bool {
    let package = tables::package(module);
    package != "__main__" && tables::look_up(package, "?").is_some()
}

/// Places that no vocabulary lies in: addresses, the system's own files, credentials, folders above the model.
pub(crate) fn is_secret(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let systems = ["/etc/", "/proc/", "/dev/", "/sys/", "/root/.", "/var/run/", "/run/", "c:\\windows", "\\\\"];
    let secrets = [".ssh", ".aws", ".netrc", ".env", "credential", "id_rsa", "huggingface/token", "shadow"];
    // Buckets are where people who train in the cloud keep their vocabularies.
    let address = lower.contains("://") && !lower.starts_with("gs://");
    address
        || systems.iter().any(|place| lower.starts_with(place))
        || secrets.iter().any(|part| lower.contains(part))
        || path.split(['/', '\\']).any(|part| part == "..")
}
