//! Layers that stand for one operation of TensorFlow: which operations only compute.
//!
//! The operations of graphs are those of `tensorflow`'s table; functions are told by the part of TensorFlow that they are
//! of. Nothing here reads a graph.

use super::names;
use crate::formats::tensorflow::ops::{self, Op};

/// What calling an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It computes.
    Nothing,
    /// It reaches files, the network, Python or other models.
    Out,
    /// Nobody vouches for it.
    Unknown,
}

/// Parts of TensorFlow whose functions only compute.
const COMPUTES: &[&str] = &[
    "math",
    "nn",
    "linalg",
    "image",
    "strings",
    "signal",
    "random",
    "sparse",
    "ragged",
    "quantization",
    "dtypes",
    "bitwise",
    "sets",
    "audio",
    "nest",
    "__operators__",
];

/// Parts that read and write files, load libraries and models, or change the process.
const REACHES: &[&str] = &[
    "data",
    "train",
    "summary",
    "saved_model",
    "lite",
    "profiler",
    "distribute",
    "config",
    "autograph",
    "sysconfig",
    "lookup",
    "estimator",
    "gfile",
    "io",
    "python_io",
    "app",
    "test",
    "tpu",
    "mlir",
];

/// Functions that call into Python.
const OUT: &[&str] = &["py_function", "py_func", "numpy_function"];

/// What a function does, by the name under which a layer calls it: `math.multiply`, `compat.v1.io.read_file`.
pub(crate) fn function(name: &str) -> Reach {
    let name = ["tensorflow.", "tf.", "_api.v2.", "compat.v1.", "compat.v2.", "v1.", "v2."]
        .iter()
        .fold(name, |name, front| name.strip_prefix(front).unwrap_or(name));
    let (part, rest) = name.split_once('.').unwrap_or(("", name));
    let last = rest.rsplit('.').next().unwrap_or(rest);
    if OUT.contains(&last) || names::is_dangerous(last) {
        return Reach::Out;
    }
    match part {
        // It writes to the screen, or to any file that it is given.
        "" if matches!(rest, "print" | "Print") => Reach::Unknown,
        "" => Reach::Nothing,
        "raw_ops" => operation(rest),
        // Reading what lies in memory already.
        "io" if ["decode_", "encode_", "parse_", "serialize_"].iter().any(|front| rest.starts_with(front)) => {
            Reach::Nothing
        }
        "debugging" if rest.starts_with("assert") || rest == "check_numerics" => Reach::Nothing,
        "experimental" if rest.starts_with("numpy.") => Reach::Nothing,
        "keras" => keras(rest),
        part if COMPUTES.contains(&part) => Reach::Nothing,
        part if REACHES.contains(&part) => Reach::Out,
        _ => Reach::Unknown,
    }
}

fn keras(rest: &str) -> Reach {
    let part = rest.rsplit_once('.').map_or("", |(part, _)| part);
    if names::has_functions(part) || part == "backend" {
        Reach::Nothing
    } else if names::reaches_out(part) {
        Reach::Out
    } else {
        Reach::Unknown
    }
}

/// What an operation of a graph does.
pub(crate) fn operation(name: &str) -> Reach {
    match ops::look_up(name) {
        Some(Op::Plain) => Reach::Nothing,
        Some(_) => Reach::Out,
        None => Reach::Unknown,
    }
}

/// The operation that a node is of, where the node is written as JSON or as a message's text.
pub(crate) fn of_node(node: &str) -> Option<&str> {
    let key = node.match_indices("op").find_map(|(at, _)| {
        let (before, after) = (node.get(..at)?, node.get(at + 2..)?);
        let alone = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let value = after.trim_start_matches('"').trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        alone.then_some(value)
    })?;
    key.split('"').next()
}
