//! What a pickle sets and puts in: states that BUILD gives, and items that APPEND, SETITEM and ADDITEMS give.
//!
//! An object may keep any plain state; it may not get methods, another class, or functions that nobody vouches for.

use super::{
    arena::{Form, Id, Kind, NOT_TO_KEEP, Node, Value},
    halt::{Halt, Step},
    judge::Judge,
    names::Global,
    tables::{Arguments, Tier, UseKind},
};
use crate::rules;

impl Judge<'_> {
    pub(crate) fn built(&mut self, target: Value, state: Value, at: u64) -> Step<()> {
        self.uses += 1;
        let Some((id, node)) = self.arena.of(target).map(|(id, node)| (id, *node)) else {
            if target == Value::Unknown {
                return Ok(());
            }
            if self.is_nothing(state) {
                self.say(&rules::STACK_ODDITY, at, "It gives a plain value an empty state, which does nothing.".into());
                return Ok(());
            }
            return Err(Halt::wrong("a plain value is given a state"));
        };
        match node.kind {
            Kind::Global => {
                let path = self.global(target).map(Global::path).unwrap_or_default();
                let message =
                    format!("Loading this pickle sets attributes of `{path}` itself, for everybody who uses it.");
                self.say(&rules::METHOD_PATCHED, at, message);
                if let Some(global) = self.globals.get_mut(node.a) {
                    global.called = true;
                }
            }
            Kind::Made => self.state_of_made(&node, state, at)?,
            _ => {}
        }
        self.check_state(&node, state, at)?;
        self.keep_state(id, state);
        self.check_elements(target, at)?;
        self.grew(id, at);
        Ok(())
    }

    /// States that loaders take for none, so that they ask nothing of the object.
    fn is_nothing(&self, state: Value) -> bool {
        match state {
            Value::None | Value::Bool(false) | Value::Int(0) | Value::Piece { len: 0, .. } => true,
            Value::Node(id) => self.arena.get(id).is_some_and(|node| match node.kind {
                Kind::Tuple => matches!(node.count, 0 | 2),
                Kind::List | Kind::Dict | Kind::Set | Kind::Frozen => node.count == 0,
                _ => false,
            }),
            _ => false,
        }
    }

    fn state_of_made(&mut self, made: &Node, state: Value, at: u64) -> Step<()> {
        let callee = self.global(Value::Node(Id(made.a)));
        let Some(class) = self.class_of(made) else { return Ok(()) };
        let vouches = |global: &Global| global.entry.is_some_and(|entry| entry.vouches_for(UseKind::State));
        // A function that is vouched for gives an object of its own kind, which knows its state.
        let rebuilds = |callee: &Global| {
            callee.entry.is_some_and(|entry| entry.vouches_for(UseKind::Call) && !entry.vouches_for(UseKind::New))
        };
        let fits = vouches(class) || callee.is_some_and(|callee| vouches(callee) || rebuilds(callee));
        let (name, known, array) = (class.path(), class.is_vouched(), is_far_array(class));
        if known && !fits {
            let message = format!("Loading this pickle changes the state of `{name}`, for which nobody vouches.");
            self.say(&rules::UNKNOWN_GLOBAL, at, message);
        }
        if array {
            let file = self.entry_of(state, "filename")?.unwrap_or(Value::Unknown);
            let file = self.text(file, 300)?.unwrap_or_else(|| "a name that it computes".into());
            self.say(
                &rules::ARRAY_ELSEWHERE,
                at,
                format!("Loading this pickle opens another file for an array: {file}."),
            );
        }
        Ok(())
    }

    pub(crate) fn keep_state(&mut self, id: Id, state: Value) {
        let Some((inner, inside)) = self.arena.of(state).map(|(id, node)| (id, *node)) else { return };
        if let Some(node) = self.arena.get_mut(id)
            && inner != id
        {
            node.c = inner.0;
            node.depth = node.depth.max(inside.depth.saturating_add(1));
            node.grown += inside.grown;
        }
    }

    pub(crate) fn filled(&mut self, target: Value, values: &[Value], kind: Kind, at: u64) -> Step<()> {
        let Some((id, node)) = self.arena.of(target).map(|(id, node)| (id, *node)) else {
            if target == Value::Unknown {
                return Ok(());
            }
            // Without items the loader does not look at what it is given; and bytes of protocol 5 can be changed.
            if values.is_empty() || target.is_bytes() {
                self.say(&rules::STACK_ODDITY, at, "It puts items, or none, into a plain value.".into());
                return Ok(());
            }
            return Err(Halt::wrong("items are put into a plain value"));
        };
        match node.kind {
            _ if node.kind == kind => {}
            Kind::Made => {
                self.uses += 1;
                self.items_of_made(&node, at);
            }
            Kind::Global => {
                self.uses += 1;
                let path = self.global(target).map(Global::path).unwrap_or_default();
                let message =
                    format!("Loading this pickle puts items into `{path}`, which belongs to the whole process.");
                self.say(&rules::FOREIGN_OBJECT_CHANGED, at, message);
                let tuple = self.arena.container(Kind::Tuple, values.get(..values.len().min(8)).unwrap_or_default())?;
                self.condemn(node.a, Value::Node(tuple), UseKind::Items, at)?;
                if let Some(global) = self.globals.get_mut(node.a) {
                    global.called = true;
                }
                return Ok(());
            }
            Kind::Persistent | Kind::Extension => {
                self.say(
                    &rules::FOREIGN_OBJECT_CHANGED,
                    at,
                    "Loading this pickle puts items into an object of its loader.".into(),
                );
            }
            Kind::Tuple | Kind::Frozen if values.is_empty() => {
                self.say(&rules::STACK_ODDITY, at, "It puts no items into what cannot be changed.".into());
                return Ok(());
            }
            Kind::Tuple | Kind::Frozen => {
                return Err(Halt::wrong("items are put into a container that cannot be changed"));
            }
            Kind::List | Kind::Dict | Kind::Set => {
                let message = format!("It puts items into a {:?} as if it were a {kind:?}.", node.kind).to_lowercase();
                self.say(&rules::STACK_ODDITY, at, message.replacen("it", "It", 1));
            }
        }
        self.arena.put_in(id, values)?;
        self.grew(id, at);
        Ok(())
    }

    fn items_of_made(&mut self, made: &Node, at: u64) {
        let callee = self.global(Value::Node(Id(made.a)));
        let Some(class) = self.class_of(made) else { return };
        let vouches = |global: &Global| global.entry.is_some_and(|entry| entry.vouches_for(UseKind::Items));
        if class.is_vouched() && !vouches(class) && !callee.is_some_and(|callee| callee.is_vouched() && vouches(callee))
        {
            let message = format!("Loading this pickle puts items into a `{}`, which is no container.", class.path());
            self.say(&rules::FOREIGN_OBJECT_CHANGED, at, message);
        }
    }

    /// The value under a key of a dict, or of the dicts of a state; the last of several.
    pub(crate) fn entry_of(&self, state: Value, key: &str) -> Step<Option<Value>> {
        let Some((id, node)) = self.arena.of(state) else { return Ok(None) };
        self.charge(node.count)?;
        let mut found = None;
        if node.kind == Kind::Dict {
            for (name, value) in self.arena.pairs(id) {
                if name.is_text() && self.text(name, 100)?.as_deref() == Some(key) {
                    found = Some(value);
                }
            }
        }
        Ok(found)
    }

    /// What a state sets that an object's own class has to say.
    fn check_state(&mut self, target: &Node, state: Value, at: u64) -> Step<()> {
        let Some((id, node)) = self.arena.of(state).map(|(id, node)| (id, *node)) else { return Ok(()) };
        let owner = self.class_of(target).map_or_else(|| "an object".into(), Global::path);
        let mut dicts = vec![];
        match node.kind {
            Kind::Dict => dicts.push(id),
            // (state, state of the slots)
            Kind::Tuple => {
                dicts.extend(self.arena.items(id).take(4).filter_map(|value| {
                    self.arena.of(value).filter(|(_, node)| node.kind == Kind::Dict).map(|(id, _)| id)
                }));
            }
            _ => {}
        }
        if let Some(callee) = self.arena.item(id, 0)
            && node.kind == Kind::Tuple
            && self
                .class_of(target)
                .is_some_and(|class| class.entry.is_some_and(|e| e.arguments == Arguments::VouchedCallee))
            && let Some((rule, what)) = self.callee_fault(callee, 1)
        {
            self.say(rule, at, format!("Loading this pickle gives `{owner}` a new function {what}."));
        }
        let mut seen = 0;
        while let Some(dict) = dicts.pop() {
            seen += 1;
            self.check_keys(dict, &owner, at, if seen < 8 { Some(&mut dicts) } else { None })?;
        }
        if node.taint & NOT_TO_KEEP != 0 && self.class_of(target).is_some_and(Global::is_vouched) {
            let message =
                format!("`{owner}` keeps a function that is vouched for only while loading; a later use may call it.");
            self.say(&rules::DEFERRED_CALL, at, message);
        }
        Ok(())
    }

    fn check_keys(&mut self, dict: Id, owner: &str, at: u64, more: Option<&mut Vec<Id>>) -> Step<()> {
        let mut said = Vec::new();
        let mut inner = None;
        self.charge(self.arena.get(dict).map_or(0, |node| node.count))?;
        for (key, value) in self.arena.pairs(dict) {
            let tier = self.global(value).map(|global| global.tier);
            let short = matches!(key, Value::Piece { len, .. } if len <= 40);
            if !key.is_text() || !short || tier.is_none() && !self.may_be_dunder(key)? {
                continue;
            }
            let Some(name) = self.text(key, 40)? else { continue };
            let callable = tier.is_some() || matches!(self.arena.of(value), Some((_, node)) if node.kind == Kind::Made);
            if name == "__dict__" {
                inner = self.arena.of(value).filter(|(_, node)| node.kind == Kind::Dict).map(|(id, _)| id);
                if inner.is_none() {
                    said.push((
                        &rules::METHOD_PATCHED,
                        format!("Loading this pickle replaces the attributes of `{owner}` as a whole."),
                    ));
                }
            } else if NEVER_STATE.contains(&name.as_str()) || callable && is_special(&name) {
                said.push((&rules::METHOD_PATCHED, format!("Loading this pickle replaces `{name}` of `{owner}`.")));
            } else if let Some(tier) = tier.filter(|tier| *tier >= Tier::Code) {
                let path = self.global(value).map(Global::path).unwrap_or_default();
                if METHODS.contains(&name.as_str()) && tier >= Tier::Gadget {
                    said.push((
                        &rules::METHOD_PATCHED,
                        format!("Loading this pickle replaces the method `{name}` of `{owner}` by `{path}`."),
                    ));
                }
                let message =
                    format!("`{owner}` keeps `{path}` as `{name}`, where a later use of the object calls it.");
                said.push((&rules::DEFERRED_CALL, message));
            }
        }
        if let (Some(more), Some(inner)) = (more, inner) {
            more.push(inner);
        }
        for (rule, message) in said {
            self.say(rule, at, message);
        }
        Ok(())
    }

    fn may_be_dunder(&self, key: Value) -> Step<bool> {
        match key {
            Value::Piece { form: Form::Utf8 | Form::Short, at, len } if len >= 5 => {
                Ok(self.source.read(at..at.saturating_add(2))?.as_ref() == b"__")
            }
            Value::Piece { .. } => Ok(true),
            _ => Ok(false),
        }
    }
}

/// Names that no object keeps as its own state, whatever the value.
const NEVER_STATE: &[&str] = &[
    "__setstate__",
    "__class__",
    "__reduce__",
    "__reduce_ex__",
    "__getattr__",
    "__getattribute__",
    "__init_subclass__",
    "__new__",
    "__del__",
    "__getstate__",
    "__setattr__",
    "__subclasshook__",
    "__bases__",
    "__mro__",
    "__code__",
    "__globals__",
];

/// Methods of models that others call.
const METHODS: &[&str] = &[
    "predict",
    "fit",
    "transform",
    "forward",
    "predict_proba",
    "fit_transform",
    "decode",
    "encode",
    "score",
    "partial_fit",
    "append",
    "extend",
    "update",
    "get",
    "items",
    "keys",
    "eval",
    "train",
    "to",
    "state_dict",
    "load_state_dict",
    "step",
    "close",
    "read",
    "write",
    "call",
    "apply",
    "setstate",
    "add",
];

/// What Python itself calls.
fn is_special(name: &str) -> bool {
    name.len() > 4
        && name.starts_with("__")
        && name.ends_with("__")
        && !matches!(
            name,
            "__doc__"
                | "__module__"
                | "__qualname__"
                | "__name__"
                | "__annotations__"
                | "__slots__"
                | "__orig_class__"
                | "__origin__"
                | "__args__"
                | "__parameters__"
                | "__wrapped__"
                | "__version__"
                | "__objclass__"
        )
        && !name.starts_with("__pydantic")
        && !name.starts_with("__fields")
}

fn is_far_array(class: &Global) -> bool {
    class.module.starts_with("joblib.") && matches!(class.name.as_str(), "NDArrayWrapper" | "ZNDArrayWrapper")
}
