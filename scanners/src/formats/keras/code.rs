//! The bytecode in a Lambda layer: which names it mentions, so that a reviewer sees what it is about.
//!
//! Only words are picked out. That there is bytecode at all is the finding; nothing here makes it better.

use crate::read::{
    base64,
    json::{Kind, Tree},
};

/// Names worth telling, as they stand in bytecode.
const TELLING: &[&str] = &[
    "os",
    "system",
    "popen",
    "subprocess",
    "Popen",
    "check_output",
    "eval",
    "exec",
    "__import__",
    "import_module",
    "socket",
    "connect",
    "urllib",
    "urlopen",
    "requests",
    "open",
    "builtins",
    "ctypes",
    "shutil",
    "rmtree",
    "environ",
    "base64",
    "b64decode",
    "marshal",
    "loads",
    "pickle",
    "compile",
    "getattr",
];

/// Values below the object that are looked at.
const VALUES: usize = 200;

/// The telling names in the encoded texts below this object.
pub(crate) fn mentioned(tree: &Tree, id: usize) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let (mut todo, mut looked) = (vec![id], 0);
    while let Some(id) = todo.pop() {
        looked += 1;
        if looked > VALUES {
            break;
        }
        match tree.value(id).map(|value| &value.kind) {
            Some(Kind::Object(entries)) => todo.extend(entries.iter().map(|(_, value)| *value)),
            Some(Kind::Array(items)) => todo.extend(items),
            Some(Kind::String(text)) if text.len() > 40 => {
                let bytes = base64::decode(text.as_bytes());
                for word in bytes.split(|b| !b.is_ascii_alphanumeric() && *b != b'_') {
                    // A short text in bytecode has its length before it, which may be a letter.
                    let tails = [word, word.get(1..).unwrap_or_default()];
                    let telling = TELLING.iter().find(|name| tails.contains(&name.as_bytes()));
                    if let Some(name) = telling.filter(|name| !found.contains(name)) {
                        found.push(name);
                    }
                }
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found
}
