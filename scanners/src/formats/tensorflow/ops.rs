//! What is known of TensorFlow's operations: which compute, which reach files, Python or native code.
//!
//! The names live in `data/ops/tensorflow.txt`. Nothing here reads a graph.

use std::{collections::HashMap, sync::OnceLock};

/// What running an operation can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// It computes.
    Plain,
    /// It reads or writes files, or connects; the words say what.
    File(&'static str),
    /// The same, and ordinary where the loader gives the path: the input that holds the path, and what is done.
    Path(usize, &'static str),
    /// It calls into the Python process.
    Python,
    /// It runs code that is no graph; the words say what.
    Library(&'static str),
}

/// What is known of the operation; nothing where nobody vouches for it and nobody warns of it.
pub(crate) fn look_up(name: &str) -> Option<Op> {
    static TABLE: OnceLock<HashMap<&'static str, Op>> = OnceLock::new();
    TABLE.get_or_init(|| read(include_str!("../../../data/ops/tensorflow.txt"))).get(name).copied()
}

fn read(text: &'static str) -> HashMap<&'static str, Op> {
    let mut section = "";
    let mut table = HashMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            continue;
        }
        let (name, words) = line.split_once(' ').unwrap_or((line, ""));
        let op = match section {
            "file" => Op::File(words),
            "path" => {
                let (input, words) = words.split_once(' ').unwrap_or(("0", words));
                Op::Path(input.parse().unwrap_or(0), words)
            }
            "python" => Op::Python,
            "library" => Op::Library(words),
            _ => Op::Plain,
        };
        table.insert(name, op);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Op, look_up};

    #[test]
    fn every_section_is_read() {
        assert_eq!(look_up("MatMul"), Some(Op::Plain));
        assert_eq!(look_up("ReadFile"), Some(Op::File("reads a file")));
        assert_eq!(look_up("MergeV2Checkpoints"), Some(Op::Path(1, "writes and deletes checkpoints")));
        assert_eq!(look_up("EagerPyFunc"), Some(Op::Python));
        assert!(matches!(look_up("TRTEngineOp"), Some(Op::Library(_))));
        assert_eq!(look_up("StealEverything"), None);
    }
}
