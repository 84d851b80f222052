//! Code that a pickle carries: which names it uses, so that a reviewer knows what to look for. Nothing is disassembled.

use super::{
    arena::{Id, Kind, NONE, Value},
    halt::Step,
    judge::Judge,
};

/// Names in code that reach the system.
const REACHING: &[&str] = &[
    "os",
    "system",
    "popen",
    "subprocess",
    "Popen",
    "check_output",
    "exec",
    "eval",
    "compile",
    "__import__",
    "import_module",
    "socket",
    "connect",
    "urlopen",
    "urllib",
    "requests",
    "ctypes",
    "CDLL",
    "open",
    "environ",
    "remove",
    "unlink",
    "rmtree",
    "shutil",
    "pickle",
    "marshal",
    "loads",
    "builtins",
    "globals",
    "getattr",
    "spawn",
    "fork",
    "pty",
    "sys",
];

/// So many values of the arguments are looked at.
const LOOKED_AT: usize = 4096;

/// The names among the arguments that reach the system, for a sentence: `os`, `system`.
pub(crate) fn names_in(judge: &Judge<'_>, args: Value) -> Step<String> {
    let mut open: Vec<Id> = judge.arena.of(args).map(|(id, _)| id).into_iter().collect();
    let (mut seen, mut found) = (Vec::new(), Vec::<String>::new());
    let mut looked = 0;
    while let Some(id) = open.pop() {
        if seen.contains(&id) || looked > LOOKED_AT {
            continue;
        }
        seen.push(id);
        if let Some(node) = judge.arena.get(id)
            && node.kind == Kind::Made
            && node.b != NONE
        {
            open.push(Id(node.b));
        }
        for value in judge.arena.items(id) {
            looked += 1;
            match value {
                Value::Node(inner) if seen.len() < 200 => open.push(inner),
                Value::Piece { len: 2..=16, .. } if value.is_text() && looked < LOOKED_AT => {
                    let name = judge.text(value, 16)?.unwrap_or_default();
                    if REACHING.contains(&name.as_str()) && !found.contains(&name) {
                        found.push(name);
                    }
                }
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}
