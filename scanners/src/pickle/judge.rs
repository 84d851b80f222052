//! What loading a pickle would do, judged use by use: what is vouched for in this use is silent, everything else is said.
//!
//! The list of harmful names only makes a finding worse; a name that nobody knows is a finding too. Nothing is said to the
//! scan from here: whoever ran the machine decides whether the bytes were a pickle at all.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{
    Storage,
    arena::{Arena, Id, Kind, NONE, NOT_PLAIN, NOT_TO_KEEP, Node, Value},
    code,
    halt::{Halt, Step},
    names::{self, Global, Globals},
    tables::{Arguments, Tier, UseKind},
};
use crate::{
    rules::{self, Rule, Weight},
    source::Source,
};

/// A finding that is not said yet.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) rule: &'static Rule,
    pub(crate) at: u64,
    pub(crate) message: String,
}

/// What is known of one pickle while the machine goes through it.
pub(crate) struct Judge<'a> {
    pub(crate) source: &'a Source,
    pub(crate) arena: Arena,
    pub(crate) globals: Globals,
    pub(crate) drafts: Vec<Draft>,
    told: HashSet<(&'static str, String)>,
    /// Stretches that nobody read, because no loader runs them.
    pub(crate) unread: Vec<Range<u64>>,
    /// Bytes that may be a pickle of their own.
    pub(crate) carried: Vec<Range<u64>>,
    /// Bytes that are loaded as a checkpoint of their own.
    pub(crate) checkpoints: Vec<Range<u64>>,
    /// Texts that become bytes that may be a pickle.
    pub(crate) spelled: Vec<Value>,
    /// Texts that become bytes that are loaded as a checkpoint of their own.
    pub(crate) spelled_checkpoints: Vec<Value>,
    pub(crate) storages: Vec<Storage>,
    /// Persistent ids that are no storage of torch.
    pub(crate) strange_ids: Vec<(u64, String)>,
    pub(crate) first_storage: Option<u64>,
    extensions: HashMap<u32, u32>,
    /// How many globals were called, made, or given something.
    pub(crate) uses: u64,
    /// More bytes that may be a pickle than are looked at.
    pub(crate) carries_more: bool,
    /// How many items were looked at to judge arguments and states.
    work: Cell<u64>,
    /// That it nests too deep was said.
    deep: bool,
}

/// Stands for the module of a name that is not written in the file.
pub(crate) const COMPUTED: &str = "(computed)";
/// More findings of one pickle than anybody reads.
const MOST_DRAFTS: usize = 1000;
/// So many items of arguments and states are looked at.
const MOST_WORK: u64 = 200_000_000;
/// More storages than any checkpoint names.
const MOST_STORAGES: usize = 4_000_000;
/// Of short texts, so many are told apart from the opcodes between them.
const MOST_PASSIVE: usize = 100_000;
/// No name of a global is longer.
const LONG_NAME: u32 = 4096;
/// No writer nests deeper.
const DEEP: u16 = 10_000;
/// A longer run of numbers fills memory when it is written out.
const LONG_RUN: i64 = 1 << 27;
/// Written out, no model has so many values.
const GROWN: f32 = 1e12;

impl<'a> Judge<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self {
            source,
            arena: Arena::default(),
            globals: Globals::default(),
            drafts: Vec::new(),
            told: HashSet::new(),
            unread: Vec::new(),
            carried: Vec::new(),
            checkpoints: Vec::new(),
            spelled: Vec::new(),
            spelled_checkpoints: Vec::new(),
            storages: Vec::new(),
            strange_ids: Vec::new(),
            first_storage: None,
            extensions: HashMap::new(),
            uses: 0,
            carries_more: false,
            work: Cell::new(0),
            deep: false,
        }
    }

    pub(crate) fn say(&mut self, rule: &'static Rule, at: u64, message: String) {
        let full = self.drafts.len() >= MOST_DRAFTS && rule.weight < Weight::Malicious;
        if !full && self.drafts.len() < 2 * MOST_DRAFTS && self.told.insert((rule.id, message.clone())) {
            self.drafts.push(Draft { rule, at, message });
        }
    }

    /// The worst that was said so far.
    pub(crate) fn worst(&self) -> Option<Weight> {
        self.drafts.iter().map(|draft| draft.rule.weight).max()
    }

    /// Looking at the same values again and again has an end.
    pub(crate) fn charge(&self, items: u32) -> Step<()> {
        self.work.set(self.work.get().saturating_add(items.into()));
        if self.work.get() > MOST_WORK {
            return Err(Halt::spent(format!("more than {MOST_WORK} values of arguments and states")));
        }
        Ok(())
    }

    /// Whether nobody would read more findings.
    pub(crate) fn has_said_enough(&self) -> bool {
        self.drafts.len() >= 2 * MOST_DRAFTS
    }

    // --- Names ---

    pub(crate) fn named(&mut self, module: &str, name: &str, at: u64) -> Step<Value> {
        if let Some(known) = self.globals.find(module, name) {
            return Ok(Value::Node(known.node));
        }
        let number = self.globals.add(module, name, at);
        let id = self.arena.node(Kind::Global, number, NONE)?;
        let Some(global) = self.globals.get_mut(number) else { return Ok(Value::Unknown) };
        global.node = id;
        let keep = global.entry.is_none_or(|entry| !global.is_vouched() || entry.vouches_for(UseKind::Import));
        if let Some(node) = self.arena.get_mut(id)
            && !keep
        {
            node.taint |= NOT_TO_KEEP;
        }
        self.look_of(module, name, at);
        Ok(Value::Node(id))
    }

    /// A name that is not written as it seems.
    fn look_of(&mut self, module: &str, name: &str, at: u64) {
        if module == COMPUTED {
            return;
        }
        let (plain_module, plain_name) = (names::normal(module), names::normal(name));
        if plain_module != module || plain_name != name {
            let message = format!(
                "`{}.{}` is written with characters that make it look like `{plain_module}.{plain_name}`.",
                module.escape_debug(),
                name.escape_debug()
            );
            self.say(&rules::NAME_NOT_NORMAL, at, message);
        }
    }

    /// A name that is taken from the stack.
    pub(crate) fn named_by(&mut self, module: Value, name: Value, at: u64) -> Step<Value> {
        if let (Some(module), Some(name)) = (self.text(module, LONG_NAME)?, self.text(name, LONG_NAME)?) {
            return self.named(&module, &name, at);
        }
        let made = |value: Value| matches!(value, Value::Node(_) | Value::Unknown);
        if !made(module) && !made(name) {
            return Err(Halt::wrong("the name of a global is no text"));
        }
        let shown = (self.call_text("", module)?, self.call_text("", name)?);
        let message = format!("The name of what it loads is computed: module {}, name {}.", shown.0, shown.1);
        self.say(&rules::COMPUTED_NAME, at, message);
        self.named(COMPUTED, &format!("at {at}"), at)
    }

    /// The global behind a value.
    pub(crate) fn global(&self, value: Value) -> Option<&Global> {
        self.number(value).and_then(|number| self.globals.get(number))
    }

    fn number(&self, value: Value) -> Option<u32> {
        self.arena.of(value).filter(|(_, node)| node.kind == Kind::Global).map(|(_, node)| node.a)
    }

    /// What was called to make this.
    pub(crate) fn callee(&self, made: Id) -> Option<&Global> {
        let node = self.arena.get(made).filter(|node| node.kind == Kind::Made)?;
        self.global(Value::Node(Id(node.a)))
    }

    /// The class of what was made, where the call tells.
    pub(crate) fn class_of(&self, made: &Node) -> Option<&Global> {
        let callee = self.global(Value::Node(Id(made.a)))?;
        let place = match callee.entry.map(|entry| entry.arguments) {
            Some(Arguments::CopyregReconstructor | Arguments::ArrayShell | Arguments::VouchedClass) => 0,
            Some(Arguments::RebuildFromType) => 1,
            _ => return Some(callee),
        };
        self.arena.item(Id(made.b), place).and_then(|class| self.global(class))
    }

    // --- Calls ---

    pub(crate) fn called(&mut self, callee: Value, args: Value, named: Option<Value>, op: u8, at: u64) -> Step<Value> {
        self.uses += 1;
        let kind = if op == b'R' { UseKind::Call } else { UseKind::New };
        let Some((callee_id, node)) = self.arena.of(callee).map(|(id, node)| (id, *node)) else {
            if callee == Value::Unknown {
                self.say(&rules::COMPUTED_NAME, at, "It calls something that does not lie in the file.".into());
                return Ok(Value::Unknown);
            }
            return Err(Halt::wrong("what is called is no function"));
        };
        match node.kind {
            Kind::Global => {
                if let Some(attribute) = self.judge_call(node.a, args, named, (kind, op), at)? {
                    return Ok(attribute);
                }
            }
            Kind::Made => self.call_made(callee_id, &node, args, at)?,
            Kind::Persistent | Kind::Extension => {
                self.say(&rules::COMPUTED_NAME, at, "It calls something that only its loader can find.".into());
            }
            _ => return Err(Halt::wrong("what is called is a container")),
        }
        let args_id = self.arena.of(args).map_or(NONE, |(id, _)| id.0);
        let inside = self.arena.of(args).map_or((0, 1.0), |(_, node)| (node.depth.saturating_add(1), node.grown));
        let id = self.arena.node(Kind::Made, callee_id.0, args_id)?;
        if let Some(node) = self.arena.get_mut(id) {
            (node.depth, node.grown) = inside;
        }
        if let Some(named) = named {
            self.keep_state(id, named);
        }
        self.grew(id, at);
        Ok(Value::Node(id))
    }

    /// A call of what an earlier call gave.
    fn call_made(&mut self, id: Id, made: &Node, args: Value, at: u64) -> Step<()> {
        let Some(callee) = self.callee(id) else { return Ok(()) };
        let (path, vouched) = (callee.path(), callee.is_vouched());
        let partial = vouched && callee.entry.is_some_and(|entry| entry.arguments == Arguments::VouchedCallee);
        if partial
            && let Some(inner) = self.arena.item(Id(made.b), 0)
            && let Some(number) = self.number(inner)
        {
            // What it was bound to comes before what it is given.
            let bound: Vec<Value> = self.arena.items(Id(made.b)).skip(1).collect();
            let all = match self.arena.tuple(args) {
                Some((given, _)) if !bound.is_empty() => {
                    let values: Vec<Value> = bound.into_iter().chain(self.arena.items(given)).collect();
                    self.charge(u32::try_from(values.len()).unwrap_or(NONE))?;
                    Value::Node(self.arena.container(Kind::Tuple, &values)?)
                }
                _ => args,
            };
            self.judge_call(number, all, None, (UseKind::Call, b'R'), at)?;
            return Ok(());
        }
        let shown = self.call_text(&path, Value::Node(Id(made.b)))?;
        let rule = if vouched {
            &rules::COMPUTED_NAME
        } else if path.starts_with("cloudpickle.") && path.ends_with("._builtin_type") {
            // A type of Python's own, of which code is built: how every function is written that agents and schedules keep.
            &rules::CODE_REBUILT
        } else {
            &rules::RESOLVER_CALL
        };
        self.say(rule, at, format!("Loading this pickle calls whatever `{shown}` gives."));
        Ok(())
    }

    /// Judges the call of a global. Answers a value only where the call is known to give a global.
    fn judge_call(
        &mut self,
        number: u32,
        args: Value,
        named: Option<Value>,
        (kind, op): (UseKind, u8),
        at: u64,
    ) -> Step<Option<Value>> {
        let Some(global) = self.globals.get_mut(number) else { return Ok(None) };
        global.called = true;
        let (entry, tier) = (global.entry, global.tier);
        if let Some(entry) = entry
            && tier <= Tier::Framework
        {
            // OBJ and INST with arguments call the class, which runs its `__init__`.
            let given = matches!(op, b'o' | b'i') && self.arena.tuple(args).is_none_or(|(_, count)| count > 0);
            let fits = entry.vouches_for(if given { UseKind::Call } else { kind });
            let taint = self.arena.of(args).map_or(0, |(_, node)| node.taint);
            if taint & NOT_PLAIN != 0 {
                self.endless(args, at)?;
            }
            if fits && entry.arguments == Arguments::Any && taint & NOT_TO_KEEP == 0 && named.is_none() {
                return Ok(None);
            }
            if !fits {
                let path = self.globals.get(number).map(Global::path).unwrap_or_default();
                let message =
                    format!("Loading this pickle {} `{path}`, for which nobody vouches in this use.", verb(kind));
                self.say(&rules::UNKNOWN_GLOBAL, at, message);
            }
            return self.check_arguments(number, entry.arguments, args, named, at);
        }
        self.condemn(number, args, kind, at)?;
        self.remember_extension(number, args, at)?;
        Ok(None)
    }

    /// Says what is wrong with using a global that nobody vouches for.
    pub(crate) fn condemn(&mut self, number: u32, args: Value, kind: UseKind, at: u64) -> Step<()> {
        let Some(global) = self.globals.get(number) else { return Ok(()) };
        let (path, tier, entry) = (global.path(), global.tier, global.entry);
        let (hop, package) = (global.hop.clone(), package(&global.module).to_owned());
        let (told, many) = (global.told, self.drafts.len() >= MOST_DRAFTS);
        if told && (many || tier == Tier::Unknown && hop.is_none() && global.module != COMPUTED) {
            return Ok(());
        }
        let computed = global.module == COMPUTED;
        let call = self.call_text(&path, args)?;
        let why = entry.map_or("", |entry| entry.why);
        if let Some(part) = hop {
            let message =
                format!("Loading this pickle {} `{call}`, which goes through `{part}` to something else.", verb(kind));
            self.say(&rules::DOTTED_HOP, at, message);
        }
        let (rule, message) = match tier {
            _ if computed => {
                (&rules::RESOLVER_CALL, format!("Loading this pickle {} something whose name it computes.", verb(kind)))
            }
            Tier::Inert | Tier::Framework => return Ok(()),
            Tier::Unknown => {
                let rule = entry.and_then(|entry| entry.rule).unwrap_or(&rules::UNKNOWN_GLOBAL);
                let why = if why.is_empty() {
                    format!("Nobody vouches for the package `{package}`.")
                } else {
                    why.to_owned()
                };
                (rule, format!("Loading this pickle {} `{path}`. {why}", verb(kind)))
            }
            Tier::Code => {
                let reached = code::names_in(self, args)?;
                let reached = if reached.is_empty() { String::new() } else { format!(" The code names {reached}.") };
                let rule = entry.and_then(|entry| entry.rule).unwrap_or(&rules::CODE_REBUILT);
                (rule, format!("Loading this pickle {} `{path}`. {why}{reached}", verb(kind)))
            }
            Tier::Gadget | Tier::Execution => {
                let rule = entry.and_then(|entry| entry.rule).unwrap_or(&rules::INDIRECT_GADGET);
                (rule, format!("Loading this pickle {} `{call}`. {why}", verb(kind)))
            }
        };
        self.say(rule, at, message);
        if let Some(global) = self.globals.get_mut(number) {
            global.told = true;
        }
        Ok(())
    }

    // --- What the loader gives ---

    pub(crate) fn persistent(&mut self, id: Value, at: u64) -> Step<Value> {
        let node = self.arena.container(Kind::Persistent, &[id])?;
        let storage = self.storage(id, at)?;
        if let Some(storage) = storage {
            self.first_storage.get_or_insert(at);
            if self.storages.len() >= MOST_STORAGES {
                return Err(Halt::spent(format!("more than {MOST_STORAGES} storages")));
            }
            let number = u32::try_from(self.storages.len()).unwrap_or(NONE);
            self.storages.push(storage);
            if let Some(node) = self.arena.get_mut(node) {
                node.a = number;
                node.taint |= super::arena::NOT_PLAIN;
            }
        } else if self.strange_ids.len() < 100 {
            let shown = self.call_text("", id)?;
            self.strange_ids.push((at, shown));
        }
        Ok(Value::Node(node))
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 10)`, and in older files a view behind it.
    fn storage(&mut self, id: Value, at: u64) -> Step<Option<Storage>> {
        let Some((tuple, 5..=6)) = self.arena.tuple(id) else { return Ok(None) };
        let item = |place| self.arena.item(tuple, place).unwrap_or(Value::Unknown);
        let (word, class, key, place, count) = (item(0), item(1), item(2), item(3), item(4));
        let location = self.text(place, 40)?.filter(|_| place.is_text()).is_some_and(|place| is_device(&place));
        let is_storage = location && word.is_text() && self.text(word, 16)?.as_deref() == Some("storage");
        let kind = self.global(class).filter(|class| {
            matches!(class.module.as_str(), "torch" | "torch.storage" | "torch.cuda") && class.name.ends_with("Storage")
        });
        let (Some(kind), Value::Int(count), true) = (kind, count, is_storage && key.is_text() && place.is_text())
        else {
            return Ok(None);
        };
        let Ok(count) = u64::try_from(count) else { return Ok(None) };
        let kind = kind.name.clone();
        let key = self.text(key, 300)?.unwrap_or_default();
        if let Some(number) = self.number(class)
            && let Some(global) = self.globals.get_mut(number)
        {
            global.called = true;
        }
        Ok(Some(Storage { key, kind, count, at }))
    }

    pub(crate) fn extension(&mut self, code: u32, at: u64) -> Step<Value> {
        if let Some(global) = self.extensions.get(&code).and_then(|number| self.globals.get(*number)) {
            let (message, node) = (
                format!("It names `{}` only by the number {code}, which it registered itself.", global.path()),
                global.node,
            );
            self.say(&rules::EXTENSION_CODE, at, message);
            return Ok(Value::Node(node));
        }
        let message = format!("It names an object by the number {code}; what that is, only the loading program knows.");
        self.say(&rules::EXTENSION_CODE, at, message);
        self.arena.node(Kind::Extension, code, NONE).map(Value::Node)
    }

    fn remember_extension(&mut self, number: u32, args: Value, at: u64) -> Step<()> {
        let registers = |global: &Global| {
            global.name == "add_extension" && matches!(global.module.as_str(), "copyreg" | "copy_reg")
        };
        if !self.globals.get(number).is_some_and(registers) {
            return Ok(());
        }
        let Some((tuple, 3)) = self.arena.tuple(args) else { return Ok(()) };
        let item = |place| self.arena.item(tuple, place).unwrap_or(Value::Unknown);
        let (module, name, code) = (item(0), item(1), item(2));
        if let Value::Int(code) = code
            && let Ok(code) = u32::try_from(code)
        {
            let value = self.named_by(module, name, at)?;
            if let Some(number) = self.number(value) {
                self.extensions.insert(code, number);
            }
        }
        Ok(())
    }

    // --- Sizes ---

    #[inline]
    pub(crate) fn grew(&mut self, id: Id, at: u64) {
        let Some(node) = self.arena.get(id).copied() else { return };
        if node.depth >= DEEP {
            self.too_deep(at);
        }
        if node.grown > GROWN {
            let message =
                "Written out, what it builds has more than a trillion values: it refers to itself again and again.";
            self.say(&rules::DEEP_STRUCTURE, at, message.into());
        }
    }

    /// Said once, and not thought of again: every object that lies still deeper would say the same.
    pub(crate) fn too_deep(&mut self, at: u64) {
        if std::mem::replace(&mut self.deep, true) {
            return;
        }
        let message = format!("It nests more than {DEEP} objects in one another.");
        self.say(&rules::DEEP_STRUCTURE, at, message);
    }

    /// A run of numbers costs nothing until it is written out, as every container does that is given one.
    fn endless(&mut self, args: Value, at: u64) -> Step<()> {
        let Some((id, 1)) = self.arena.tuple(args) else { return Ok(()) };
        let Some(Value::Node(run)) = self.arena.item(id, 0) else { return Ok(()) };
        let is_run = self.callee(run).is_some_and(|callee| matches!(callee.name.as_str(), "range" | "xrange"));
        let bounds = self.arena.get(run).map(|node| Id(node.b));
        let large = |value| {
            matches!(value, Value::Int(n) if !(-LONG_RUN..=LONG_RUN).contains(&n)) || !matches!(value, Value::Int(_))
        };
        if is_run && bounds.is_some_and(|bounds| self.arena.items(bounds).any(large)) {
            let shown = self.call_text("", args)?;
            self.huge(at, &format!("a container of every number in {shown}"));
        }
        Ok(())
    }

    pub(crate) fn huge(&mut self, at: u64, what: &str) {
        self.say(&rules::HUGE_VALUE, at, format!("Loading this pickle makes {what}."));
    }

    /// CPython makes room for every memo number up to the largest.
    pub(crate) fn memo_place(&mut self, place: u64, at: u64) {
        if place > 1 << 24 && place > self.source.len().saturating_mul(4) {
            self.huge(at, &format!("room for {place} memo entries"));
        }
    }

    pub(crate) fn length(&mut self, len: u64, left: u64, at: u64) {
        if len > left.saturating_add(64 << 20) && len / 16 > self.source.len() {
            let message = format!("A length of {len} bytes is announced where only {left} are left.");
            self.say(&rules::LENGTH_PAST_END, at, message);
        }
    }

    /// A text or bytes that nothing runs, as far as this pickle goes.
    pub(crate) fn passive(&mut self, range: Range<u64>, long: bool) {
        if long || self.unread.len() < MOST_PASSIVE {
            self.unread.push(range);
        }
    }

    pub(crate) fn buffer(&mut self, at: u64) {
        self.say(&rules::PERSISTENT_ID, at, "It takes a buffer from outside the file.".into());
    }

    /// Bytes whose first byte is `first` may be a pickle.
    pub(crate) fn carries(&mut self, first: Option<u8>, at: u64, len: u64) {
        let may = first.is_some_and(|byte| {
            byte == 0x80 || b"c(]})SVIXUKNJ\x8c\x95\x88\x89MGLFTCB\x8e\x96\x8a\x8f\x8dP".contains(&byte)
        });
        // What begins as protocols 2 to 5 do is always looked at; the others are many by chance.
        let certain = first == Some(0x80);
        if may && self.carried.len() < if certain { 1 << 20 } else { 1024 } {
            self.carried.push(at..at.saturating_add(len));
        } else if certain {
            self.carries_more = true;
        }
    }

    // --- The end ---

    /// What is to be said of globals that were named and never called.
    pub(crate) fn finish(&mut self) {
        let mut said = Vec::new();
        for global in self.globals.iter().filter(|global| !global.called && !global.told && !global.attribute) {
            if global.is_vouched() || global.module == COMPUTED {
                continue;
            }
            let (path, why) = (global.path(), global.entry.map_or("", |entry| entry.why));
            if let Some(part) = &global.hop {
                said.push((&rules::DOTTED_HOP, global.at, format!("This pickle reaches `{path}` through `{part}`.")));
            }
            let rule = global.entry.and_then(|entry| entry.rule);
            said.push(match global.tier {
                Tier::Execution => (
                    rule.unwrap_or(&rules::DIRECT_EXECUTION),
                    global.at,
                    format!("This pickle names `{path}`. {why} It is not called while loading, but whoever uses the object may."),
                ),
                Tier::Gadget => (
                    &rules::DEFERRED_CALL,
                    global.at,
                    format!("This pickle keeps `{path}` without calling it: whoever uses the object may. {why}"),
                ),
                Tier::Code => {
                    (rule.unwrap_or(&rules::CODE_REBUILT), global.at, format!("This pickle names `{path}`. {why}"))
                }
                _ => {
                    let package = package(&global.module);
                    let message = format!("This pickle names `{path}`, which imports the package `{package}`. Nobody vouches for it.");
                    (&rules::UNKNOWN_GLOBAL, global.at, message)
                }
            });
        }
        for (rule, at, message) in said {
            self.say(rule, at, message);
        }
    }
}

pub(crate) fn verb(kind: UseKind) -> &'static str {
    match kind {
        UseKind::Import => "names",
        UseKind::Call => "calls",
        UseKind::New => "makes an object of",
        UseKind::State => "changes the state of",
        UseKind::Items => "puts items into",
    }
}

pub(crate) fn package(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

/// `cpu`, `cuda:0`
fn is_device(place: &str) -> bool {
    let (kind, number) = place.split_once(':').unwrap_or((place, "0"));
    kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && number.bytes().all(|byte| byte.is_ascii_digit())
}
