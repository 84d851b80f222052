//! Which names in a Keras config belong to Keras, which reach out of it, and which are somebody else's.

use std::{collections::HashSet, sync::LazyLock};

/// Classes whose config is code.
pub(crate) const CARRIES_CODE: &[&str] = &["Lambda", "__lambda__"];

/// Classes that load a model of another format.
pub(crate) const LOADS_OTHERS: &[&str] = &["TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"];

/// Layers that look words up.
pub(crate) const LOOKUPS: &[&str] =
    &["StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup", "WordPieceTokenizer", "BytePairTokenizer"];

/// Keys under which layers take a path.
pub(crate) const READ_FROM: &[&str] =
    &["vocabulary", "vocabulary_file", "merges", "proto", "filepath", "file_path", "fname"];

pub(crate) const BUILTIN_TYPES: &[&str] =
    &["int", "float", "str", "bool", "bytes", "dict", "list", "tuple", "set", "complex", "slice", "NoneType", "type"];

/// Packages of Keras's makers, whose classes are layers and models like Keras's own.
pub(crate) const TRUSTED_PACKAGES: &[&str] = &[
    "keras",
    "tf_keras",
    "keras_core",
    "keras_nlp",
    "keras_cv",
    "keras_hub",
    "keras_tuner",
    "Addons",
    "tensorflow_addons",
];

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
    "extract_archive",
    "set_backend",
    "custom_object_scope",
    "get_custom_objects",
    "plot_model",
    "eval",
    "exec",
    "compile",
    "open",
    "input",
    "getattr",
    "setattr",
    "delattr",
    "globals",
    "locals",
    "vars",
    "breakpoint",
    "__import__",
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

/// Packages that a config has no business to name: Python's own, and those that load and run things.
const FOREIGN: &[&str] = &[
    "os",
    "posix",
    "nt",
    "ntpath",
    "posixpath",
    "subprocess",
    "sys",
    "shutil",
    "builtins",
    "__builtin__",
    "importlib",
    "imp",
    "runpy",
    "pty",
    "code",
    "codeop",
    "codecs",
    "socket",
    "ssl",
    "ctypes",
    "_ctypes",
    "pickle",
    "_pickle",
    "marshal",
    "shelve",
    "multiprocessing",
    "threading",
    "_thread",
    "concurrent",
    "urllib",
    "http",
    "ftplib",
    "smtplib",
    "poplib",
    "imaplib",
    "telnetlib",
    "xmlrpc",
    "webbrowser",
    "tempfile",
    "pathlib",
    "io",
    "_io",
    "asyncio",
    "types",
    "inspect",
    "pydoc",
    "timeit",
    "cProfile",
    "profile",
    "trace",
    "pdb",
    "bdb",
    "doctest",
    "operator",
    "_operator",
    "functools",
    "itertools",
    "platform",
    "signal",
    "site",
    "sysconfig",
    "ensurepip",
    "venv",
    "zipfile",
    "tarfile",
    "zipimport",
    "sqlite3",
    "dbm",
    "glob",
    "fileinput",
    "linecache",
    "mmap",
    "logging",
    "atexit",
    "gc",
    "pkgutil",
    "getpass",
    "commands",
    "distutils",
    "setuptools",
    "pip",
    "antigravity",
    "this",
    "idlelib",
    "lib2to3",
    "unittest",
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

pub(crate) fn is_dangerous(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| DANGEROUS.contains(&last))
}

/// Operations that read, write, load or call Python.
pub(crate) fn is_dangerous_operation(name: &str) -> bool {
    let parts =
        ["py_func", "PyFunc", "numpy_function", "ReadFile", "WriteFile", "read_file", "write_file", "load_op_library"];
    let matching = ["MatchingFiles", "matching_files", "SaveV2", "RestoreV2", "PrintV2", "raw_ops.Save"];
    // Whole parts of TensorFlow and Keras whose functions reach files, libraries and other models.
    let reaching = [
        "gfile",
        "saved_model",
        "get_file",
        "load_library",
        "load_model",
        "keras.utils",
        "data_utils",
        "config.experimental",
    ];
    parts.iter().chain(&matching).chain(&reaching).any(|part| name.contains(part)) || is_dangerous(name)
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
    let package = module.split('.').next().unwrap_or(module);
    FOREIGN.contains(&package)
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
