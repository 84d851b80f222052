//! The tensors that a torch pickle builds, by name: facts for policy, never findings.

use std::collections::HashSet;

use super::{
    arena::{Id, Kind, NONE, Value},
    halt::Halt,
    machine::{End, Machine},
};
use crate::{
    facts::{InStorage, TensorFact},
    scan::{Scan, Scanned, Stop},
};

/// So many objects are looked at.
const LOOKED_AT: usize = 4_000_000;
/// All names together are no longer.
const MOST_NAMES: usize = 256 << 20;
/// A name is no longer.
const LONG: u32 = 500;

/// Notes every tensor in the dicts that a pickle builds.
pub(crate) fn note(scan: &mut Scan<'_>, machine: &Machine<'_>, end: &End) -> Scanned<()> {
    let Some(root) = end.value.and_then(Machine::node_of) else { return Ok(()) };
    let mut open = vec![(String::new(), root)];
    let mut seen = HashSet::new();
    let mut held = 0;
    while let Some((name, id)) = open.pop() {
        if scan.facts.tensors.len() as u64 >= scan.limits.tensors || seen.len() > LOOKED_AT {
            return Ok(());
        }
        if let Some((tensor, place)) = tensor(machine, &name, id) {
            let number = scan.facts.tensors.len();
            scan.in_storages.extend(place.map(|place| InStorage { tensor: number, ..place }));
            scan.facts.tensors.push(tensor);
            continue;
        }
        if !seen.insert(id) {
            continue;
        }
        let Some(node) = machine.arena().get(id) else { continue };
        let state = (node.c != NONE).then_some(Id(node.c));
        let dicts = [Some(id).filter(|_| matches!(node.kind, Kind::Dict | Kind::Made)), state];
        let mut inside = Vec::new();
        for dict in dicts.into_iter().flatten() {
            for (key, value) in machine.arena().pairs(dict) {
                let key = match key {
                    Value::Int(number) => number.to_string(),
                    key => machine.judge.text(key, LONG).map_err(stop)?.unwrap_or_default(),
                };
                let path = if name.is_empty() { key } else { format!("{name}.{key}") };
                held += path.len();
                if held > MOST_NAMES {
                    return Ok(());
                }
                if path.len() < 2000 {
                    inside.extend(Machine::node_of(value).map(|id| (path, id)));
                }
            }
        }
        open.extend(inside.into_iter().rev());
    }
    Ok(())
}

fn stop(halt: Halt) -> Stop {
    match halt {
        Halt::Stop(stop) => stop,
        Halt::Wrong(what) => Stop::broken(0, what),
    }
}

/// The tensor that a call builds, parameters looked through.
fn tensor(machine: &Machine<'_>, name: &str, id: Id) -> Option<(TensorFact, Option<InStorage>)> {
    let arena = machine.arena();
    let mut id = id;
    for _ in 0..3 {
        let callee = machine.judge.callee(id)?;
        let args = arena.get(id).map(|node| Id(node.b))?;
        let item = |place| arena.item(args, place).unwrap_or(Value::Absent);
        match callee.name.as_str() {
            "_rebuild_parameter" | "_rebuild_parameter_with_state" | "Parameter" | "Buffer" => match item(0) {
                Value::Node(inner) => id = inner,
                _ => return None,
            },
            "_rebuild_from_type_v2" => {
                let (inner, _) = arena.tuple(item(2))?;
                // A type of its own may hold its numbers as it likes.
                return fact(machine, name, inner).map(|tensor| (tensor, None));
            }
            "_rebuild_qtensor" => return fact(machine, name, args).map(|tensor| (tensor, None)),
            plain @ ("_rebuild_tensor_v2" | "_rebuild_tensor_v3" | "_rebuild_tensor") => {
                // What follows may say that the numbers are conjugated or negated when they are read.
                let known = match plain {
                    "_rebuild_tensor_v3" => 7,
                    _ => 6,
                };
                let plain = matches!(item(known), Value::Absent | Value::None);
                let tensor = fact(machine, name, args)?;
                let place = plain.then(|| place(machine, &tensor, args)).flatten();
                return Some((tensor, place));
            }
            _ => return None,
        }
    }
    None
}

fn fact(machine: &Machine<'_>, name: &str, args: Id) -> Option<TensorFact> {
    let arena = machine.arena();
    let item = |place| arena.item(args, place).unwrap_or(Value::Absent);
    let (_, node) = arena.of(item(0)).filter(|(_, node)| node.kind == Kind::Persistent && node.a != NONE)?;
    let storage = machine.judge.storages.get(node.a as usize)?;
    let (shape, _) = arena.tuple(item(2))?;
    let shape: Option<Vec<u64>> =
        arena.items(shape).map(|size| if let Value::Int(n) = size { u64::try_from(n).ok() } else { None }).collect();
    // Of an untyped storage, the call itself names the type.
    let typed = machine.judge.global(item(6)).map(|global| global.name.as_str());
    let dtype = match storage.kind.as_str() {
        "UntypedStorage" => typed.unwrap_or("unknown"),
        kind => kind.strip_suffix("Storage").unwrap_or(kind),
    };
    Some(TensorFact { name: name.to_owned(), dtype: dtype_word(dtype), shape: shape? })
}

/// Where in its storage a tensor's numbers lie, if they lie there one after another, row by row.
fn place(machine: &Machine<'_>, tensor: &TensorFact, args: Id) -> Option<InStorage> {
    let arena = machine.arena();
    let item = |place| arena.item(args, place).unwrap_or(Value::Absent);
    let whole = |value| if let Value::Int(number) = value { u64::try_from(number).ok() } else { None };
    let (persistent, node) = arena.of(item(0))?;
    let storage = machine.judge.storages.get(node.a as usize)?;
    // Old files give some storages as a view into others.
    let (id, parts) = arena.tuple(arena.item(persistent, 0)?)?;
    if parts > 5 && arena.item(id, 5) != Some(Value::None) {
        return None;
    }
    let size = number_size(&tensor.dtype)?;
    let (strides, count) = arena.tuple(item(3))?;
    if usize::try_from(count).ok()? != tensor.shape.len() {
        return None;
    }
    let mut numbers = 1_u64;
    let strides: Vec<Value> = arena.items(strides).collect();
    for (length, stride) in tensor.shape.iter().zip(strides).rev() {
        // Of a dimension of one, nobody uses the stride.
        if *length > 1 && !tensor.shape.contains(&0) && whole(stride)? != numbers {
            return None;
        }
        numbers = numbers.checked_mul(*length)?;
    }
    let start = whole(item(1))?.checked_mul(size)?;
    let end = start.checked_add(numbers.checked_mul(size)?)?;
    let held = storage.count.checked_mul(super::element_size(&storage.kind)?)?;
    (end <= held).then(|| InStorage { tensor: 0, key: storage.key.clone(), start, end })
}

/// Bytes of one number.
fn number_size(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "U8" | "I8" | "BOOL" | "F8_E4M3" | "F8_E5M2" => 1,
        "F16" | "BF16" | "I16" | "U16" => 2,
        "F32" | "I32" | "U32" => 4,
        "F64" | "I64" | "U64" | "C64" => 8,
        _ => return None,
    })
}

/// The word that safetensors has for it.
fn dtype_word(torch: &str) -> String {
    match torch {
        "Float" | "float32" => "F32",
        "Half" | "float16" => "F16",
        "BFloat16" | "bfloat16" => "BF16",
        "Double" | "float64" => "F64",
        "Long" | "int64" => "I64",
        "Int" | "int32" => "I32",
        "Short" | "int16" => "I16",
        "Char" | "int8" => "I8",
        "Byte" | "uint8" => "U8",
        "Bool" | "bool" => "BOOL",
        "ComplexFloat" | "complex64" => "C64",
        "float8_e4m3fn" => "F8_E4M3",
        "float8_e5m2" => "F8_E5M2",
        "uint16" => "U16",
        "uint32" => "U32",
        "uint64" => "U64",
        other => return other.to_owned(),
    }
    .to_owned()
}
