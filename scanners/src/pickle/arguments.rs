//! What a vouched-for call may be given: each kind of arguments, compared with what is on the stack.
//!
//! Never lets a call pass because its arguments could not be understood.

use super::{
    arena::{Form, Id, Kind, NONE, NOT_PLAIN, NOT_TO_KEEP, Value},
    halt::Step,
    judge::Judge,
    names::Global,
    tables::{self, Arguments, Tier, UseKind},
};
use crate::rules::{self, Rule};

/// What is wrong with the arguments of a call.
type Fault = Option<(&'static Rule, String)>;

/// More than this is not made by a pickle of an ordinary model in one call.
const MUCH: i64 = 64 << 20;
/// So many objects are looked at to see whether arguments are plain.
const LOOKED_AT: usize = 4096;

impl Judge<'_> {
    /// Says what is wrong with the arguments of a vouched-for call. Answers a value where the call gives a global.
    pub(crate) fn check_arguments(
        &mut self,
        number: u32,
        arguments: Arguments,
        args: Value,
        named: Option<Value>,
        at: u64,
    ) -> Step<Option<Value>> {
        if arguments == Arguments::AttributeOfClass
            && let Some(attribute) = self.attribute(args, at)?
        {
            return Ok(Some(attribute));
        }
        let mut fault = self.fault(arguments, args, at)?;
        if let Some(named) = named
            && self.arena.of(named).is_none_or(|(_, node)| node.count > 0 && arguments != Arguments::Any)
            && fault.is_none()
        {
            fault = Some((&rules::UNKNOWN_GLOBAL, "with named arguments that nobody vouches for".into()));
        }
        let own = matches!(
            arguments,
            Arguments::VouchedCallee
                | Arguments::RebuildFromType
                | Arguments::CopyregReconstructor
                | Arguments::VouchedClass
                | Arguments::ArrayShell
        );
        if fault.is_none() && !own && self.arena.of(args).is_some_and(|(_, node)| node.taint & NOT_TO_KEEP != 0) {
            fault = Some((&rules::DEFERRED_CALL, "and hands it a function that it may call".into()));
        }
        if let Some((rule, what)) = fault.filter(|_| !self.has_said_enough()) {
            let path = self.globals.get(number).map(Global::path).unwrap_or_default();
            let call = self.call_text(&path, args)?;
            self.say(rule, at, format!("Loading this pickle calls `{call}` {what}."));
        }
        Ok(None)
    }

    fn fault(&mut self, arguments: Arguments, args: Value, at: u64) -> Step<Fault> {
        self.charge(self.arena.of(args).map_or(1, |(_, node)| node.count))?;
        let Some((id, count)) = self.arena.tuple(args) else {
            return Ok(Some((&rules::STACK_ODDITY, "with arguments that are no tuple".into())));
        };
        let item = |judge: &Self, place| judge.arena.item(id, place).unwrap_or(Value::Absent);
        let first = item(self, 0);
        let unvouched = |what: &str| Some((&rules::UNKNOWN_GLOBAL, what.to_owned()));
        Ok(match arguments {
            Arguments::Any => None,
            Arguments::None if count == 0 => None,
            Arguments::None => unvouched("with arguments, which it never has"),
            Arguments::Plain if self.is_plain(id)? => None,
            Arguments::Plain => unvouched("with more than plain values"),
            Arguments::SmallSize => self.size_fault(id, first)?,
            Arguments::Latin1 => self.latin1_fault(first, item(self, 1), count)?,
            Arguments::DtypeText => match self.text(first, 64)? {
                Some(text) if count <= 3 && is_dtype(&text) => None,
                _ if self.class_fault(first).is_none() => None,
                _ if self.global(first).is_some_and(|class| class.is_vouched() && class.name == "record") => None,
                _ => unvouched("with a description that numpy does not write"),
            },
            Arguments::AttributeOfClass => Some(self.attribute_fault(first, item(self, 1))?),
            Arguments::VouchedCallee => self.callee_fault(first, count).or_else(|| {
                let mut bound = self.arena.items(id).skip(1).filter_map(|value| self.arena.of(value));
                let kept = bound.any(|(_, node)| node.taint & NOT_TO_KEEP != 0);
                kept.then(|| (&rules::DEFERRED_CALL, "and hands on a function that may be called later".into()))
            }),
            Arguments::RebuildFromType => self.rebuild_fault(id, at)?,
            Arguments::CopyregReconstructor => self.reconstructor_fault(first, item(self, 1)),
            Arguments::VouchedClass => self.class_fault(first),
            Arguments::ArrayShell => {
                self.charge(self.arena.of(item(self, 1)).map_or(0, |(_, node)| node.count))?;
                self.class_fault(first).or_else(|| self.shape_fault(item(self, 1)))
            }
            Arguments::TensorParts => {
                self.charge(self.arena.of(item(self, 2)).map_or(0, |(_, node)| node.count))?;
                self.charge(self.arena.of(item(self, 3)).map_or(0, |(_, node)| node.count))?;
                self.tensor_fault(id)
            }
            Arguments::NestedCheckpoint => match first {
                Value::Piece { form: Form::Bytes, len, at } if count == 1 => {
                    self.checkpoints.push(at..at.saturating_add(len.into()));
                    None
                }
                // Protocol 2 has no bytes: they are a text that is encoded.
                _ if count == 1
                    && let Some(text) = self.text_of_encoded(first) =>
                {
                    self.spelled_checkpoints.push(text);
                    None
                }
                _ => unvouched("with bytes that it computes"),
            },
            Arguments::Keys => self.keys_fault(id)?,
        })
    }

    /// Only plain values, however deep.
    fn is_plain(&self, id: Id) -> Step<bool> {
        let (mut open, mut looked) = (vec![id], 0);
        while let Some(id) = open.pop() {
            looked += 1;
            let Some(node) = self.arena.get(id) else { return Ok(false) };
            self.charge(1_u32.saturating_add(node.count))?;
            let encoded = node.kind == Kind::Made && self.is_encoded(Value::Node(id));
            if encoded {
                continue;
            }
            if looked > LOOKED_AT || node.taint & NOT_PLAIN != 0 && node.kind == Kind::Made {
                return Ok(node.taint & NOT_PLAIN == 0);
            }
            if matches!(node.kind, Kind::Global | Kind::Made | Kind::Persistent | Kind::Extension) {
                return Ok(false);
            }
            open.extend(self.arena.items(id).filter_map(|value| self.arena.of(value).map(|(id, _)| id)));
        }
        Ok(true)
    }

    /// Whether it is `_codecs.encode(…)`: bytes, as protocol 2 writes them; or empty bytes as `bytes()`.
    fn is_encoded(&self, value: Value) -> bool {
        let Value::Node(id) = value else { return false };
        self.callee(id).is_some_and(|callee| {
            callee.name == "encode" && matches!(callee.module.as_str(), "_codecs" | "codecs")
                || matches!(callee.module.as_str(), "builtins" | "__builtin__")
                    && matches!(callee.name.as_str(), "bytes" | "bytearray")
        })
    }

    /// The text that `_codecs.encode` makes bytes of.
    fn text_of_encoded(&self, value: Value) -> Option<Value> {
        let Value::Node(id) = value else { return None };
        self.callee(id).filter(|callee| callee.name == "encode" && matches!(&*callee.module, "_codecs" | "codecs"))?;
        let args = self.arena.get(id).map(|node| Id(node.b))?;
        self.arena.item(args, 0).filter(|text| text.is_text())
    }

    fn size_fault(&self, id: Id, first: Value) -> Step<Fault> {
        if let Value::Int(size) = first
            && size > MUCH
        {
            return Ok(Some((&rules::HUGE_VALUE, format!("and so makes {size} bytes"))));
        }
        if matches!(first, Value::Piece { form: Form::Long, .. }) {
            return Ok(Some((&rules::HUGE_VALUE, "and so makes more than the machine has".into())));
        }
        let plain = self.is_plain(id)?;
        Ok((!plain).then(|| (&rules::UNKNOWN_GLOBAL, "with more than plain values".into())))
    }

    fn latin1_fault(&mut self, text: Value, encoding: Value, count: u32) -> Step<Fault> {
        let known = self.text(encoding, 32)?.is_some_and(|name| {
            matches!(
                name.to_ascii_lowercase().replace('_', "-").as_str(),
                "latin1" | "latin-1" | "iso-8859-1" | "iso8859-1"
            )
        });
        if count == 2 && known && text.is_text() {
            if self.spelled.len() < 1024 {
                self.spelled.push(text);
            }
            return Ok(None);
        }
        Ok(Some((&rules::COMPUTED_NAME, "and so computes a text".into())))
    }

    /// `getattr(class, 'name')` where both are known and harmless: the attribute.
    fn attribute(&mut self, args: Value, at: u64) -> Step<Option<Value>> {
        let Some((id, 2)) = self.arena.tuple(args) else { return Ok(None) };
        let (class, name) = (self.arena.item(id, 0), self.arena.item(id, 1));
        let (Some(class), Some(name)) = (class, name) else { return Ok(None) };
        let Some(global) = self.global(class).filter(|class| class.is_vouched()) else { return Ok(None) };
        let is_class =
            global.entry.is_some_and(|entry| entry.vouches_for(UseKind::New) || entry.vouches_for(UseKind::State));
        let is_enumeration = global
            .entry
            .is_some_and(|entry| entry.arguments == Arguments::Plain && entry.uses == [UseKind::Import, UseKind::Call]);
        let (module, class) = (global.module.clone(), global.name.clone());
        let Some(name) = self.text(name, 200)?.filter(|_| name.is_text()) else { return Ok(None) };
        let path = format!("{class}.{name}");
        // A member of an enumeration, or an attribute that is vouched for itself: any other may be a method that harms
        // whoever calls it later.
        let member = is_enumeration || !name.bytes().any(|byte| byte.is_ascii_lowercase());
        let vouched = tables::look_up(&module, &path).is_some_and(|entry| entry.tier <= Tier::Framework);
        let plain = !name.starts_with('_') && !name.contains('.');
        if !(vouched || (is_class || is_enumeration) && plain && member) {
            return Ok(None);
        }
        let new = self.globals.find(&module, &path).is_none();
        let value = self.named(&module, &path, at)?;
        if let Some((_, node)) = self.arena.of(value)
            && new
        {
            let number = node.a;
            if let Some(global) = self.globals.get_mut(number) {
                global.attribute = true;
            }
        }
        Ok(Some(value))
    }

    fn attribute_fault(&self, object: Value, name: Value) -> Step<(&'static Rule, String)> {
        let name = if name.is_text() { self.text(name, 200)? } else { None };
        let target = self.global(object).map_or(Tier::Unknown, |global| global.tier);
        Ok(match name {
            None => (&rules::RESOLVER_CALL, "and so reads an attribute whose name it computes".into()),
            Some(name) if name.starts_with('_') || name.contains('.') || target >= Tier::Gadget => {
                (&rules::RESOLVER_CALL, format!("and so reads `{name}`, which leads out of the object"))
            }
            Some(name) if self.global(object).is_some() => {
                (&rules::UNKNOWN_GLOBAL, format!("and so reads `{name}` of something that nobody vouches for"))
            }
            Some(name) => (&rules::COMPUTED_NAME, format!("and so reads `{name}` of an object that it made")),
        })
    }

    pub(crate) fn callee_fault(&self, first: Value, count: u32) -> Fault {
        if count == 0 || first == Value::None {
            return None;
        }
        let Some(callee) = self.global(first) else {
            return Some((&rules::COMPUTED_NAME, "and so calls, now or later, what it computes".into()));
        };
        let vouched = callee.entry.is_some_and(|entry| {
            (entry.vouches_for(UseKind::Call) || entry.vouches_for(UseKind::Import))
                && !matches!(entry.arguments, Arguments::VouchedCallee | Arguments::AttributeOfClass)
        });
        if vouched {
            return None;
        }
        let rule: &'static Rule =
            if callee.tier >= Tier::Gadget { &rules::INDIRECT_GADGET } else { &rules::DEFERRED_CALL };
        Some((rule, format!("and so calls, now or later, `{}`", callee.path())))
    }

    fn rebuild_fault(&mut self, id: Id, at: u64) -> Step<Fault> {
        let item = |place| self.arena.item(id, place).unwrap_or(Value::Absent);
        let (function, class, args) = (item(0), item(1), item(2));
        if let Some((_, node)) = self.arena.of(function)
            && node.kind == Kind::Global
        {
            // It is called with these arguments, so that is judged as the call it is.
            self.called(function, args, None, b'R', at)?;
            return Ok(self.class_fault(class));
        }
        Ok(Some((&rules::COMPUTED_NAME, "and so calls what it computes".into())))
    }

    fn reconstructor_fault(&self, class: Value, base: Value) -> Fault {
        let bases = [
            "object",
            "dict",
            "list",
            "tuple",
            "set",
            "frozenset",
            "int",
            "float",
            "str",
            "bytes",
            "complex",
            "bytearray",
            "unicode",
            "long",
        ];
        let known = self.global(base).is_some_and(|base| {
            matches!(base.module.as_str(), "builtins" | "__builtin__") && bases.contains(&base.name.as_str())
        });
        let fault = self.class_fault(class);
        if fault.is_none() && !known && self.class_fault(base).is_some() {
            return Some((&rules::UNKNOWN_GLOBAL, "on a base that nobody vouches for".into()));
        }
        fault
    }

    /// The class has to be vouched for. One that nobody knows is said once, by its name.
    fn class_fault(&self, class: Value) -> Fault {
        let Some(class) = self.global(class) else {
            return Some((&rules::COMPUTED_NAME, "with a class that it computes".into()));
        };
        let vouched = class.entry.is_some_and(|entry| {
            [UseKind::New, UseKind::Call, UseKind::State].iter().any(|kind| entry.vouches_for(*kind))
        });
        match class.tier {
            _ if vouched => None,
            Tier::Gadget | Tier::Execution => {
                let rule = class.entry.and_then(|entry| entry.rule).unwrap_or(&rules::INDIRECT_GADGET);
                Some((rule, format!("and so makes an object of `{}`", class.path())))
            }
            _ => Some((
                &rules::UNKNOWN_GLOBAL,
                format!("and so makes an object of `{}`, for which nobody vouches", class.path()),
            )),
        }
    }

    fn shape_fault(&self, shape: Value) -> Fault {
        let (id, _) = self.arena.tuple(shape)?;
        let product = self.arena.items(id).fold(1_i64, |product, value| match value {
            Value::Int(size) => product.saturating_mul(size),
            _ => i64::MAX,
        });
        (product > MUCH).then(|| (&rules::HUGE_VALUE, format!("and so makes an array of {product} elements")))
    }

    fn keys_fault(&self, id: Id) -> Step<Fault> {
        for value in self.arena.items(id) {
            let fits = match self.text(value, 200)? {
                Some(name) => value.is_text() && !name.starts_with('_') && !name.contains('.'),
                None => matches!(value, Value::Int(_)),
            };
            if !fits {
                return Ok(Some((&rules::INDIRECT_GADGET, "and so reads what it should not reach".into())));
            }
        }
        Ok(None)
    }

    /// A tensor is a stretch of a storage, which it must not leave.
    fn tensor_fault(&self, id: Id) -> Fault {
        let item = |place| self.arena.item(id, place).unwrap_or(Value::Absent);
        let (storage, offset, sizes, strides) = (item(0), item(1), item(2), item(3));
        let numbers = |value: Value| -> Option<Vec<u64>> {
            let (id, count) = self.arena.tuple(value)?;
            let all: Option<Vec<u64>> = self
                .arena
                .items(id)
                .map(|value| if let Value::Int(n) = value { u64::try_from(n).ok() } else { None })
                .collect();
            all.filter(|all| all.len() as u64 == u64::from(count))
        };
        let parts = (offset, numbers(sizes), numbers(strides));
        let (Value::Int(offset), Some(sizes), Some(strides)) = parts else {
            return Some((&rules::STORAGE_EXTENT, "whose place or shape is not made of numbers".into()));
        };
        let Ok(offset) = u64::try_from(offset) else {
            return Some((&rules::STORAGE_EXTENT, "which begins before its storage".into()));
        };
        let reach = if sizes.contains(&0) {
            Some(0)
        } else {
            let each = sizes.iter().zip(strides.iter()).map(|(size, stride)| (size - 1).checked_mul(*stride));
            each.fold(offset.checked_add(1), |sum, more| sum?.checked_add(more?))
        };
        let Some(needed) = reach.filter(|_| sizes.len() == strides.len()) else {
            return Some((&rules::STORAGE_EXTENT, "whose strides do not fit its shape".into()));
        };
        let node = self.arena.of(storage).filter(|(_, node)| node.kind == Kind::Persistent && node.a != NONE);
        let known = node.and_then(|(_, node)| self.storages.get(node.a as usize));
        let Some(storage) = known.cloned() else {
            return match self.arena.of(storage) {
                Some((_, node)) if matches!(node.kind, Kind::Made | Kind::Persistent) => None,
                _ => Some((&rules::STORAGE_EXTENT, "without a storage".into())),
            };
        };
        // An untyped storage counts bytes; the call says what its elements are.
        let size = match storage.kind.as_str() {
            "UntypedStorage" => self.global(item(6)).map_or(1, |dtype| element_size(&dtype.name)),
            _ => 1,
        };
        (needed.saturating_mul(size) > storage.count).then(|| {
            let what = format!("which needs {needed} elements of a storage that has {}", storage.count);
            (&rules::STORAGE_EXTENT, what)
        })
    }
}

/// How many bytes an element of a dtype has, at least.
fn element_size(dtype: &str) -> u64 {
    match dtype {
        "float16" | "bfloat16" | "int16" | "uint16" | "half" | "short" => 2,
        "float32" | "int32" | "uint32" | "float" | "int" => 4,
        "float64" | "int64" | "uint64" | "complex64" | "double" | "long" => 8,
        "complex128" => 16,
        _ => 1,
    }
}

/// `f8`, `<U5`, `M8[ns]`: what numpy writes for a dtype.
fn is_dtype(text: &str) -> bool {
    let text = text.trim_start_matches(['<', '>', '|', '=']);
    let mut chars = text.chars();
    let letter = chars.next().is_some_and(|c| "?bBhHiIlLqQefdgFDGSUVOMmuctTn".contains(c));
    let rest = chars.as_str();
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    letter && (digits.is_empty() || digits.starts_with('[') && digits.ends_with(']') && digits.len() < 16)
        || matches!(
            text,
            "bool"
                | "object"
                | "str"
                | "float16"
                | "float32"
                | "float64"
                | "int8"
                | "int16"
                | "int32"
                | "int64"
                | "uint8"
                | "uint16"
                | "uint32"
                | "uint64"
                | "complex64"
                | "complex128"
        )
}
