//! What calls come to: names found by other names, functions of the file, and deeds that `judge` weighs.

use std::rc::Rc;

use super::{
    constants, decode, effects, names,
    names::Deed,
    value::{Args, HOLE, Taint, Value, What},
    walk::{Walk, When},
};

/// Methods that call the functions they are given.
#[rustfmt::skip]
const CALLERS: &[&str] = &[
    "map", "submit", "apply_async", "starmap", "start_new_thread", "call_soon", "run_in_executor", "imap", "starmap_async",
    "call_later", "call_at", "call_soon_threadsafe", "run_coroutine_threadsafe", "add_done_callback", "add_signal_handler", "add_reader",
    "add_writer", "after", "after_idle", "enter", "enterabs", "add_job", "callback", "finalize", "apply", "map_async", "imap_unordered",
    "callLater", "callFromThread", "deferToThread", "spawn", "spawn_later", "to_thread", "run_sync", "start_soon", "schedule", "defer",
    "call_every", "register", "register_at_fork", "addCleanup", "add_callback", "run_until_complete", "protocol", "bind",
];
/// Functions that call the functions they are given, now or when the program ends.
#[rustfmt::skip]
const CALLING: &[&str] = &[
    "builtins.map", "builtins.filter", "builtins.sorted", "builtins.min", "builtins.max", "builtins.next", "builtins.iter",
    "builtins.sum", "functools.reduce", "itertools.starmap", "itertools.accumulate", "itertools.takewhile", "atexit.register",
    "threading.Thread", "threading.Timer", "_thread.start_new_thread", "multiprocessing.Process", "asyncio.run",
    "asyncio.create_task", "signal.signal", "sys.settrace", "sys.setprofile", "threading.settrace", "sys.addaudithook",
    "weakref.finalize", "timeit.timeit", "operator.call", "contextvars.copy_context().run", "types.new_class", "types.coroutine",
    "functools.singledispatch", "functools.cached_property", "sched.scheduler().enter", "os.register_at_fork",
    "concurrent.futures.ThreadPoolExecutor().submit", "concurrent.futures.ProcessPoolExecutor().submit",
];

/// Magic words of notebooks that hand text to the shell.
const SHELLS: &[&str] = &["system", "sx", "sc", "!", "bash", "sh", "script", "cmd", "pip"];

impl Walk<'_> {
    /// `function(arguments)`.
    pub(super) fn call(&mut self, function: &Value, args: &Args, at: u32) -> Value {
        match &function.what {
            What::Path(path) => self.call_path(&path.clone(), function.taint, args, at),
            What::Function(id, on) => self.call_function(*id, *on, args),
            What::Lambda(id) => self.call_lambda(*id, args),
            What::Class(class) => {
                self.make_bases(*class, args, at);
                self.make(*class, args)
            }
            What::Object(class) => match self.class_name(*class, "__call__").map(|value| value.what) {
                Some(What::Function(id, _)) => self.call_function(id, Some(*class), args),
                Some(What::Path(path)) if names::is_weapon(&path) => self.call_path(&path, Taint::default(), args, at),
                _ => Value::unknown(args.taint()),
            },
            What::Partial(partial) => {
                let (inner, first) = &*partial.clone();
                let mut all = first.clone();
                all.given.extend(args.given.iter().cloned());
                all.named.extend(args.named.iter().cloned());
                self.depth += 1;
                let value = if self.step() { self.call(inner, &all, at) } else { Value::default() };
                self.depth -= 1;
                value
            }
            What::Getter(name, then) => {
                let (name, then) = (name.clone(), then.clone());
                let mut value = args.at(0);
                for part in name.split('.') {
                    value = self.attribute(&value, part);
                }
                match then {
                    Some(then) => self.call(&value, &then, at),
                    None => super::reach::marked(value),
                }
            }
            What::Either(choices) => {
                let mut value = Value::default();
                for choice in choices.clone().iter() {
                    value = value.or(self.call(choice, args, at));
                }
                value
            }
            _ => {
                self.hand_over("", args, at);
                self.weigh_texts("", args, at);
                Value::unknown(function.taint.with(args.taint()))
            }
        }
    }

    /// `receiver.name(arguments)`.
    pub(super) fn call_on(&mut self, receiver: &Value, name: &str, args: &Args, at: u32) -> Value {
        if let What::Either(choices) = &receiver.what {
            let mut value = Value::default();
            for choice in choices.clone().iter() {
                value = value.or(self.call_on(choice, name, args, at));
            }
            return value;
        }
        if name == "__call__" {
            return self.call(&super::reach::marked(receiver.clone()), args, at);
        }
        if matches!(name, "get" | "pop" | "__getitem__" | "setdefault")
            && let (Some(path), Some(key)) = (receiver.as_path(), args.at(0).as_pattern())
            && let Some(found) = self.item_of_path(path, key)
        {
            return found;
        }
        if matches!(receiver.what, What::Text(_))
            && let Some(value) = self.file_method(receiver, name, args, at)
        {
            return value;
        }
        self.charge(receiver);
        if let Some(value) = constants::method(receiver, name, args) {
            self.charge(&value);
            return value.tainted(args.taint());
        }
        if matches!(name, "__getattribute__" | "__getattr__")
            && let Some(wanted) = args.given.last().and_then(Value::as_text)
        {
            let on = if args.given.len() > 1 { args.at(0) } else { receiver.clone() };
            let wanted = wanted.to_owned();
            return self.attribute(&on, &wanted);
        }
        if receiver.as_path() == Some("os.environ") && matches!(name, "copy" | "items" | "values" | "__str__") {
            return Value::unknown(Taint::ENVIRONMENT);
        }
        if CALLERS.contains(&name) {
            self.call_what_is_given(args, at);
        }
        let function = self.attribute(receiver, name);
        let value = if function.is_unknown() {
            self.hand_over(name, args, at);
            self.weigh_texts(name, args, at);
            self.weigh_starter(name, args, at);
            Value::default()
        } else {
            self.call(&function, args, at)
        };
        let decoded = matches!(name, "decrypt" | "decompress" | "b64decode");
        let taint = receiver.deep_taint().with(args.taint());
        value.tainted(if decoded { taint.with(Taint::DECODED) } else { taint })
    }

    /// What `pathlib` does with a path.
    fn file_method(&mut self, path: &Value, name: &str, args: &Args, at: u32) -> Option<Value> {
        let first = |more: &Args| Args {
            given: std::iter::once(path.clone()).chain(more.given.iter().cloned()).collect(),
            named: more.named.clone(),
        };
        let deed = match name {
            "read_text" | "read_bytes" | "iterdir" | "glob" | "rglob" => Deed::Read,
            "write_text" | "write_bytes" | "touch" => Deed::Write,
            "open" => Deed::Open,
            "unlink" | "rmdir" => Deed::Delete,
            "rename" | "symlink_to" => Deed::Copy,
            _ => return None,
        };
        Some(self.did(deed, &format!("pathlib.Path.{name}"), &first(args), at))
    }

    fn call_path(&mut self, path: &str, taint: Taint, args: &Args, at: u32) -> Value {
        if taint.has(Taint::REACHED) {
            self.weigh_detour(path, at);
        }
        let taint = taint.without(Taint::REACHED);
        if let Some(value) = self.found_by_name(path, args, at) {
            return value;
        }
        for given in &args.given {
            self.charge(given);
        }
        if let Some(value) = constants::function(path, args) {
            self.charge(&value);
            return value;
        }
        if let Some(method) = path.strip_prefix("builtins.str.").or_else(|| path.strip_prefix("builtins.bytes.")) {
            let method = method.to_owned();
            let rest = Args { given: args.given.get(1..).unwrap_or_default().to_vec(), named: args.named.clone() };
            if method == "fromhex" {
                return decode::library("binascii.unhexlify", &args.at(0)).unwrap_or_default();
            }
            if method != "maketrans" {
                return self.call_on(&args.at(0), &method, &rest, at);
            }
        }
        if path.ends_with(".__subclasses__")
            && ["__base__", "__bases__", "__mro__"].iter().any(|part| path.contains(part))
            || path == "builtins.object.__subclasses__"
        {
            self.every_class(at);
        }
        if path == "get_ipython().cell_line" {
            // A notebook's line for the shell, with what its names stand for.
            if let Some(line) = args.at(0).as_pattern() {
                let line = line.replace(HOLE, "…");
                self.cell_command(&line, at);
            }
            return Value::default();
        }
        if path.ends_with("get_ipython().run_line_magic") || path.ends_with("get_ipython().run_cell_magic") {
            let named = args.at(0);
            if named.as_text().is_some_and(|name| SHELLS.contains(&name)) {
                let given = args.given.last().cloned().unwrap_or_default();
                let line = Args { given: vec![given], named: Vec::new() };
                return self.did(Deed::Run, path, &line, at);
            }
        }
        if path.ends_with("HfFolder.get_token")
            || path == "huggingface_hub.get_token"
            || path == "huggingface_hub.utils.get_token"
        {
            return super::network::hub_token();
        }
        if let Some(value) = self.changing(path, args, at) {
            return value;
        }
        if let Some(deed) = names::deed(path) {
            return self.did(deed, path, args, at).tainted(taint);
        }
        self.weigh_unknown(path, args, at);
        self.weigh_texts(path, args, at);
        if CALLING.contains(&path) || path.rsplit('.').next().is_some_and(|last| CALLERS.contains(&last)) {
            let made = self.call_what_is_given(args, at);
            if !made.is_unknown() {
                return made;
            }
        } else {
            self.hand_over(path, args, at);
        }
        let made = if super::network::tells_of_the_machine(path) { Taint::MACHINE } else { Taint::default() };
        Value::path(format!("{path}()")).tainted(taint.with(args.taint()).with(made))
    }

    /// Functions that find things by names, or bind arguments to them.
    #[expect(clippy::too_many_lines, reason = "a table of functions")]
    fn found_by_name(&mut self, path: &str, args: &Args, at: u32) -> Option<Value> {
        let first = args.at(0);
        Some(match path {
            "builtins.__import__" | "importlib.__import__" => {
                let Some(name) = first.as_pattern() else { return Some(self.import_unknown(args, at)) };
                // With `fromlist` it is the inner module, without the outer one.
                let inner = args.get(3, "fromlist").items().is_some_and(|list| !list.is_empty());
                let name = if inner { name } else { name.split('.').next().unwrap_or(name) };
                super::reach::marked(self.tainted_path(&names::canonical(name)))
            }
            "importlib.import_module"
            | "importlib.reload"
            | "builtins.reload"
            | "pkgutil.resolve_name"
            | "pydoc.locate"
            | "sys.modules.get"
            | "sys.modules.__getitem__"
            | "zope.dottedname.resolve"
            | "django.utils.module_loading.import_string" => {
                if let Some(given) = first.as_path() {
                    // What a call returned is a name that nobody can read here; else it is the module itself.
                    let unknown = given.contains("()") || given.contains("[]");
                    return Some(if unknown { Value::path("importlib.import_module()") } else { first });
                }
                let name = first.as_pattern()?.replace(':', ".");
                super::reach::marked(self.tainted_path(&names::canonical(&name)))
            }
            "builtins.getattr" | "builtins.object.__getattribute__" | "inspect.getattr_static" => {
                let name = args.at(1);
                match name.as_text() {
                    Some(name) => {
                        let found = self.attribute(&first, name);
                        if found.is_unknown() { args.at(2) } else { super::reach::marked(found) }
                    }
                    None => return self.attribute_unknown(&first, &name, at),
                }
            }
            "builtins.setattr" => {
                let name = args.at(1);
                self.put(&first, name.as_text()?, args.at(2), at);
                Value::default()
            }
            "builtins.vars" | "builtins.globals" | "builtins.locals" | "builtins.dir" => match first.as_path() {
                Some(module) => Value::path(format!("{module}.__dict__")),
                None => Value::path(format!("{path}()")),
            },
            "operator.attrgetter" => Value::new(What::Getter(first.as_text()?.into(), None)),
            "operator.methodcaller" => {
                let rest = Args { given: args.given.get(1..).unwrap_or_default().to_vec(), named: args.named.clone() };
                Value::new(What::Getter(first.as_text()?.into(), Some(Rc::new(rest))))
            }
            "operator.itemgetter" => {
                let rest = Args { given: vec![first], named: Vec::new() };
                Value::new(What::Getter("__getitem__".into(), Some(Rc::new(rest))))
            }
            "operator.getitem" => self.item(&first, &args.at(1)),
            "operator.add" | "operator.concat" => self.operate(&first, ruff_python_ast::Operator::Add, &args.at(1)),
            "operator.xor" => self.operate(&first, ruff_python_ast::Operator::BitXor, &args.at(1)),
            "functools.partial" | "functools.partialmethod" => {
                let rest = Args { given: args.given.get(1..).unwrap_or_default().to_vec(), named: args.named.clone() };
                Value::new(What::Partial(Rc::new((first, rest))))
            }
            "operator.call" => {
                let rest = Args { given: args.given.get(1..).unwrap_or_default().to_vec(), named: args.named.clone() };
                self.call(&first, &rest, at)
            }
            "functools.reduce" if first.as_path().is_some() => {
                let mut value = args.at(2);
                for item in args.at(1).items()? {
                    let both = Args { given: vec![value, item], named: Vec::new() };
                    value = self.call(&first, &both, at);
                }
                value
            }
            "builtins.map" | "itertools.starmap" | "builtins.filter" => {
                let items = self.items(&args.at(1)).filter(|items| items.len() <= 4096)?;
                let mut made = Vec::new();
                for item in items {
                    let one = match (&item.what, path) {
                        (What::List(all), "itertools.starmap") => Args { given: all.to_vec(), named: Vec::new() },
                        _ => Args { given: vec![item], named: Vec::new() },
                    };
                    made.push(self.call(&first, &one, at));
                    if !self.step() {
                        break;
                    }
                }
                Value::list(made)
            }
            "hydra.utils.instantiate" | "hydra.utils.call" => {
                let What::Dict(entries) = &first.what else { return None };
                let target = entries.iter().find(|(key, _)| key.as_text() == Some("_target_"))?;
                let target = names::canonical(target.1.as_text()?);
                let given: Vec<Value> = entries.iter().map(|(_, value)| value.clone()).skip(1).collect();
                return names::is_weapon(&target)
                    .then(|| self.call(&Value::path(target), &Args { given, named: Vec::new() }, at));
            }
            "builtins.staticmethod" | "builtins.classmethod" => first,
            "typing.cast" => args.at(1),
            // `type.__call__(X, …)` is `X(…)`; a class that is made of another one does what that does.
            "builtins.type" if args.given.len() > 1 => match (&first.what, args.at(1).items()) {
                (What::Path(path), _) if does(path) => {
                    let rest = args.given.get(1..).unwrap_or_default().to_vec();
                    self.call(&first, &Args { given: rest, named: args.named.clone() }, at)
                }
                (_, bases) => {
                    // What stands in the table is what objects of the class do.
                    let body = Args { given: vec![args.at(2)], named: Vec::new() };
                    self.hand_over("", &body, at);
                    bases?.into_iter().find(|base| base.as_path().is_some_and(does))?
                }
            },
            // A callback of the file is the file's function still; a prototype that names a library's function is no address.
            "ctypes.CFUNCTYPE()" | "ctypes.PYFUNCTYPE()" | "ctypes.WINFUNCTYPE()" => match &first.what {
                What::Function(..) | What::Lambda(_) | What::Partial(_) => first,
                What::List(_) => Value::path("ctypes.prototype"),
                _ => return None,
            },
            "builtins.compile" => first.clone().tainted(args.taint()),
            "codeop.compile_command" | "ast.parse" if first.as_text().is_some() => first.clone().tainted(args.taint()),
            "socket.socket" if is_datagram(&args.get(1, "type")) => Value::path("socket.datagram()"),
            "builtins.next" => first.items()?.first().cloned()?,
            "builtins.super" => Value::default(),
            _ => return None,
        })
    }

    /// Calls functions among the arguments, with what else is given.
    pub(super) fn call_what_is_given(&mut self, args: &Args, at: u32) -> Value {
        let mut made = Value::default();
        for place in 0..args.len() {
            let Some(function) = args.all().nth(place).cloned() else { break };
            let callable = match &function.what {
                What::Path(path) => does(path),
                What::Function(..) | What::Lambda(_) | What::Partial(_) | What::Getter(..) => true,
                What::Either(choices) => choices.iter().any(|choice| choice.as_path().is_none_or(does)),
                _ => false,
            };
            if !callable {
                continue;
            }
            let rest = if let Some(items) = args.named("args").and_then(Value::items) {
                items
            } else {
                // What comes behind the function is for it; before it stand times and signals.
                match args.given.get(place + 1..) {
                    Some(behind) if !behind.is_empty() => behind.to_vec(),
                    _ => {
                        let others = args.given.iter().enumerate().filter(|(other, _)| *other != place);
                        others.map(|(_, value)| value.clone()).collect()
                    }
                }
            };
            made = made.or(self.call(&function, &Args { given: rest, named: Vec::new() }, at));
        }
        made
    }

    /// `@with` above a function or class.
    pub(super) fn decorate(&mut self, with: &Value, on: &Value, at: u32) -> Value {
        let args = Args { given: vec![on.clone()], named: Vec::new() };
        match &with.what {
            What::Path(path)
                if names::deed(path).is_some()
                    || &**path == "atexit.register"
                    || path.rsplit('.').next().is_some_and(|last| CALLERS.contains(&last) && last != "register") =>
            {
                self.call(with, &args, at)
            }
            What::Function(..)
            | What::Lambda(_)
            | What::Class(_)
            | What::Object(_)
            | What::Partial(_)
            | What::Either(_) => self.call(with, &args, at),
            _ => Value::default(),
        }
    }

    /// Whether this runs as soon as the file is imported.
    pub(super) fn at_import(&self) -> bool {
        self.when == When::Import
    }
}

/// `socket.SOCK_DGRAM`: connecting such a socket sends nothing, it only chooses an address.
fn is_datagram(kind: &Value) -> bool {
    kind.as_path().is_some_and(|path| path.ends_with("SOCK_DGRAM")) || kind.as_number() == Some(2)
}

/// Whether calling `path` does something of its own.
fn does(path: &str) -> bool {
    names::deed(path).is_some() || effects::acts(path).is_some()
}
