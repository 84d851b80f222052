//! Goes through Python statements in the order in which they run: first what an import runs, then what a caller would.
//!
//! Bounded: every expression is a step, functions of the file are gone into a few times each, and depth is counted.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use ruff_python_ast::{ExceptHandler, Expr, ExprLambda, Parameters, Stmt, StmtClassDef, StmtFunctionDef};

use super::{
    names,
    value::{Args, Value, What},
};
use crate::rules::Rule;

/// When code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// As soon as the file is imported.
    Import,
    /// When something calls it, or when the file is run as a program.
    Call,
}

/// One thing that the code does.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) rule: &'static Rule,
    /// The byte of the text.
    pub(super) at: u32,
    /// A sentence without its end.
    pub(super) message: String,
}

/// What the walk has to say, shared with the walks of code within code.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) seen: Vec<Seen>,
    pub(super) imports: HashSet<String>,
    pub(super) remote_code: HashSet<String>,
    /// Modules of the same folder, or above it, that are imported: how many folders up, and the name.
    pub(super) relative: BTreeSet<(u32, String)>,
    pub(super) steps: u64,
    /// The walk gave up: there was more than it may do.
    pub(super) spent: bool,
    /// Where the code connects, and where it hands its standard streams over: together a shell for somebody else.
    pub(super) connects: Option<u32>,
    pub(super) hands_over: Option<u32>,
    /// How deep code lies in code.
    pub(super) nested: u32,
}

pub(super) struct Function<'a> {
    pub(super) def: &'a StmtFunctionDef,
    class: Option<usize>,
    defaults: Vec<(Rc<str>, Value)>,
    outer: Option<Rc<HashMap<Rc<str>, Value>>>,
    times: [u16; 2],
}

pub(super) struct Class {
    names: HashMap<Rc<str>, Value>,
    bases: Vec<Value>,
    made: bool,
}

#[derive(Default)]
pub(super) struct Frame {
    pub(super) names: HashMap<Rc<str>, Value>,
    defined: Vec<usize>,
    returns: Value,
    conditional: u32,
    globals: HashSet<Rc<str>>,
    /// The class whose body this is.
    class: Option<usize>,
}

pub(super) struct Walk<'a> {
    pub(super) account: Account,
    pub(super) functions: Vec<Function<'a>>,
    pub(super) lambdas: Vec<&'a ExprLambda>,
    pub(super) lambda_numbers: HashMap<u32, usize>,
    pub(super) classes: Vec<Class>,
    pub(super) frames: Vec<Frame>,
    /// What was put into an attribute of any object, by the attribute's name.
    pub(super) attributes: HashMap<Rc<str>, Value>,
    /// Modules whose every name was imported.
    pub(super) stars: Vec<String>,
    pub(super) when: When,
    pub(super) depth: u32,
    pub(super) most_steps: u64,
    /// In methods that nothing in the file calls, but that the language may: with which arguments is anybody's guess.
    pub(super) guesses: u32,
    loops: u32,
    running: Vec<usize>,
}

/// Deeper than this nothing is gone into: functions calling functions, expressions in expressions.
pub(super) const MOST_DEPTH: u32 = 6_000;
/// How often one function is gone into at import and at call time, unless its arguments tell something new.
const MOST_TIMES: [u16; 2] = [12, 3];
const MOST_CALLS_DEEP: usize = 12;

impl<'a> Walk<'a> {
    pub(super) fn new(account: Account, when: When, most_steps: u64) -> Self {
        Self {
            account,
            functions: Vec::new(),
            lambdas: Vec::new(),
            lambda_numbers: HashMap::new(),
            classes: Vec::new(),
            frames: vec![Frame::default()],
            attributes: HashMap::new(),
            stars: Vec::new(),
            when,
            depth: 0,
            most_steps,
            guesses: 0,
            loops: 0,
            running: Vec::new(),
        }
    }

    /// The whole file: its statements, then every function that nothing has called.
    pub(super) fn module(&mut self, body: &'a [Stmt]) -> Value {
        let last = self.block(body);
        for name in ["__getattr__", "__dir__"] {
            let value = self.frames.first().and_then(|frame| frame.names.get(name)).cloned().unwrap_or_default();
            if let What::Function(id, _) = value.what {
                self.call_function(id, None, &Args::default());
            }
        }
        self.leftovers();
        last
    }

    /// The items of a constant; making them is work.
    pub(super) fn items(&mut self, value: &Value) -> Option<Vec<Value>> {
        let items = value.items()?;
        self.account.steps += items.len() as u64 / 2;
        Some(items)
    }

    /// What making or copying a constant costs.
    pub(super) fn charge(&mut self, value: &Value) {
        self.account.steps += match &value.what {
            What::Text(text) => text.len() as u64 / 64,
            What::Bytes(bytes) => bytes.len() as u64 / 64,
            What::List(items) => items.len() as u64 / 2,
            What::Dict(items) => items.len() as u64 / 2,
            _ => 0,
        };
    }

    /// Half of the work is done: from here on loops are gone through once, so that the rest of the file is reached.
    pub(super) fn is_tired(&self) -> bool {
        self.account.steps > self.most_steps / 2
    }

    /// A step of work; whether there may be more.
    pub(super) fn step(&mut self) -> bool {
        self.account.steps += 1;
        if self.account.steps > self.most_steps {
            self.account.spent = true;
        }
        !self.account.spent
    }

    pub(super) fn found(&mut self, rule: &'static Rule, at: u32, message: String) {
        if self.account.seen.len() < 400 {
            self.account.seen.push(Seen { rule, at, message });
        }
    }

    /// Every statement; the value of the last expression.
    pub(super) fn block(&mut self, body: &'a [Stmt]) -> Value {
        let mut last = Value::default();
        for statement in body {
            if !self.step() || self.depth >= MOST_DEPTH {
                self.account.spent = true;
                return last;
            }
            self.depth += 1;
            last = self.statement(statement);
            self.depth -= 1;
        }
        last
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of statement")]
    fn statement(&mut self, statement: &'a Stmt) -> Value {
        match statement {
            Stmt::Expr(s) => return self.eval(&s.value),
            Stmt::FunctionDef(def) => self.define(def),
            Stmt::ClassDef(def) => self.class(def),
            Stmt::Return(s) => {
                let value = s.value.as_deref().map(|value| self.eval(value)).unwrap_or_default();
                self.returns(value);
            }
            Stmt::Assign(s) => {
                let value = self.eval(&s.value);
                for target in &s.targets {
                    self.assign(target, value.clone());
                }
            }
            Stmt::AnnAssign(s) => {
                self.annotation(&s.annotation);
                if let Some(value) = &s.value {
                    let value = self.eval(value);
                    self.assign(&s.target, value);
                }
            }
            Stmt::AugAssign(s) => {
                let (old, new) = (self.eval(&s.target), self.eval(&s.value));
                if let (Some(path), What::Dict(_)) = (old.as_path(), &new.what) {
                    let args = Args { given: vec![new.clone()], named: Vec::new() };
                    self.changing(&format!("{path}.update"), &args, s.range.start().to_u32());
                }
                let value = self.operate(&old, s.op, &new);
                self.assign(&s.target, value);
            }
            Stmt::For(s) => self.for_loop(s),
            Stmt::While(s) => {
                self.conditionally(|walk| {
                    walk.eval(&s.test);
                    walk.block(&s.body);
                    if walk.loops == 0 {
                        walk.loops += 1;
                        walk.eval(&s.test);
                        walk.block(&s.body);
                        walk.loops -= 1;
                    }
                    walk.block(&s.orelse);
                });
            }
            Stmt::If(s) => self.branches(s),
            Stmt::With(s) => {
                for item in &s.items {
                    let value = self.eval(&item.context_expr);
                    let entered = self.call_method(&value, "__enter__").unwrap_or(value);
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, entered);
                    }
                }
                return self.block(&s.body);
            }
            Stmt::Match(s) => {
                self.eval(&s.subject);
                self.conditionally(|walk| {
                    for case in &s.cases {
                        if let Some(guard) = &case.guard {
                            walk.eval(guard);
                        }
                        walk.block(&case.body);
                    }
                });
            }
            Stmt::Try(s) => {
                self.block(&s.body);
                self.conditionally(|walk| {
                    for ExceptHandler::ExceptHandler(handler) in &s.handlers {
                        if let Some(kind) = &handler.type_ {
                            walk.eval(kind);
                        }
                        walk.block(&handler.body);
                    }
                    walk.block(&s.orelse);
                });
                self.block(&s.finalbody);
            }
            Stmt::Import(s) => {
                for alias in &s.names {
                    let name = alias.name.as_str();
                    let top = name.split('.').next().unwrap_or(name);
                    self.account.imports.insert(top.to_owned());
                    match &alias.asname {
                        Some(bound) => self.bind(bound.as_str(), Value::path(names::canonical(name))),
                        None => self.bind(top, Value::path(names::canonical(top))),
                    }
                }
            }
            Stmt::ImportFrom(s) => self.import_from(s),
            Stmt::Global(s) => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.globals.extend(s.names.iter().map(|name| Rc::from(name.as_str())));
                }
            }
            Stmt::Raise(s) => {
                for part in [&s.exc, &s.cause].into_iter().flatten() {
                    self.eval(part);
                }
            }
            Stmt::Assert(s) => {
                self.eval(&s.test);
                if let Some(message) = &s.msg {
                    self.eval(message);
                }
            }
            Stmt::IpyEscapeCommand(s) => self.shell_line(s.kind, &s.value, s.range.start().to_u32()),
            Stmt::Delete(s) => {
                for target in &s.targets {
                    self.eval(target);
                }
            }
            Stmt::TypeAlias(_) | Stmt::Nonlocal(_) | Stmt::Pass(_) | Stmt::Break(_) | Stmt::Continue(_) => {}
        }
        Value::default()
    }

    fn import_from(&mut self, s: &ruff_python_ast::StmtImportFrom) {
        let module = s.module.as_ref().map_or("", |module| module.as_str());
        if s.level == 0 {
            self.account.imports.insert(module.split('.').next().unwrap_or(module).to_owned());
        }
        if s.level > 0 && self.account.relative.len() < 256 {
            let inner =
                |name: &str| (s.level, if module.is_empty() { name.to_owned() } else { format!("{module}.{name}") });
            if !module.is_empty() {
                self.account.relative.insert((s.level, module.to_owned()));
            }
            self.account.relative.extend(s.names.iter().map(|alias| inner(alias.name.as_str())));
        }
        let dots = if s.level > 0 { "." } else { "" };
        for alias in &s.names {
            let name = alias.name.as_str();
            if name == "*" {
                self.stars.push(format!("{dots}{module}"));
                continue;
            }
            let path = self.tainted_path(&names::canonical(&format!("{dots}{module}.{name}")));
            self.bind(alias.asname.as_ref().map_or(name, |bound| bound.as_str()), path);
        }
    }

    fn for_loop(&mut self, s: &'a ruff_python_ast::StmtFor) {
        let iterated = self.eval(&s.iter);
        let few = s.body.len() <= 6 && self.loops < 2 && !self.is_tired();
        let items = self.items(&iterated).filter(|items| few && items.len() <= 2048);
        if let Some(items) = items {
            // Small loops over constants are how texts are decoded: they are gone through as they would run.
            self.loops += 1;
            for item in items {
                self.assign(&s.target, item.tainted(iterated.taint));
                self.block(&s.body);
                if self.is_tired() {
                    break;
                }
            }
            self.loops -= 1;
        } else {
            let taint = iterated.deep_taint();
            let item = match self.items(&iterated) {
                Some(items) => items.into_iter().take(16).fold(Value::default(), Value::or),
                None => Value::unknown(taint),
            };
            self.conditionally(|walk| {
                walk.assign(&s.target, item);
                walk.block(&s.body);
                if walk.loops == 0 {
                    walk.loops += 1;
                    walk.block(&s.body);
                    walk.loops -= 1;
                }
            });
        }
        self.conditionally(|walk| {
            walk.block(&s.orelse);
        });
    }

    fn branches(&mut self, s: &'a ruff_python_ast::StmtIf) {
        self.eval(&s.test);
        let program = is_program_guard(&s.test);
        let before = self.when;
        if program {
            self.when = When::Call;
        }
        self.conditionally(|walk| {
            walk.block(&s.body);
        });
        self.when = before;
        self.conditionally(|walk| {
            for clause in &s.elif_else_clauses {
                if let Some(test) = &clause.test {
                    walk.eval(test);
                }
                walk.block(&clause.body);
            }
        });
    }

    /// What is bound in there may be bound or not.
    pub(super) fn conditionally(&mut self, run: impl FnOnce(&mut Self)) {
        if let Some(frame) = self.frames.last_mut() {
            frame.conditional += 1;
        }
        run(self);
        if let Some(frame) = self.frames.last_mut() {
            frame.conditional = frame.conditional.saturating_sub(1);
        }
    }

    /// As it would be when somebody calls it later.
    pub(super) fn as_called<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.when, When::Call);
        let made = run(self);
        self.when = before;
        made
    }

    pub(super) fn returns(&mut self, value: Value) {
        if let Some(frame) = self.frames.last_mut() {
            frame.returns = std::mem::take(&mut frame.returns).or(value);
        }
    }

    pub(super) fn bind(&mut self, name: &str, value: Value) {
        let name: Rc<str> = names::normal(name).into();
        let global = self.frames.last().is_some_and(|frame| frame.globals.contains(&name));
        let inner = self.frames.len() > 1;
        let frame = if global { self.frames.first_mut() } else { self.frames.last_mut() };
        let Some(frame) = frame else { return };
        if frame.conditional > 0 || global && inner {
            let old = frame.names.remove(&name).unwrap_or_default();
            frame.names.insert(name, value.or(old));
        } else {
            frame.names.insert(name, value);
        }
    }

    fn define(&mut self, def: &'a StmtFunctionDef) {
        let defaults = self.defaults(&def.parameters);
        if let Some(returns) = &def.returns {
            self.annotation(returns);
        }
        let class = self.frames.last().and_then(|frame| frame.class);
        let outer = match self.frames.get(1..) {
            Some([.., last]) if last.class.is_none() => Some(Rc::new(last.names.clone())),
            _ => None,
        };
        let id = self.functions.len();
        self.functions.push(Function { def, class, defaults, outer, times: [0; 2] });
        if let Some(frame) = self.frames.last_mut() {
            frame.defined.push(id);
        }
        let mut value = Value::new(What::Function(id, None));
        for decorator in def.decorator_list.iter().rev() {
            let with = self.eval(&decorator.expression);
            let made = self.decorate(&with, &value, decorator.range.start().to_u32());
            value = made.or(value);
        }
        self.bind(def.name.as_str(), value);
    }

    fn defaults(&mut self, parameters: &'a Parameters) -> Vec<(Rc<str>, Value)> {
        let mut defaults = Vec::new();
        for parameter in parameters.iter_non_variadic_params() {
            if let Some(annotation) = &parameter.parameter.annotation {
                self.annotation(annotation);
            }
            if let Some(default) = &parameter.default {
                let value = self.eval(default);
                defaults.push((parameter.parameter.name.as_str().into(), value));
            }
        }
        for variadic in [&parameters.vararg, &parameters.kwarg].into_iter().flatten() {
            if let Some(annotation) = &variadic.annotation {
                self.annotation(annotation);
            }
        }
        defaults
    }

    fn class(&mut self, def: &'a StmtClassDef) {
        let mut bases = Vec::new();
        let mut metaclass = None;
        if let Some(arguments) = &def.arguments {
            for base in &arguments.args {
                bases.push(self.eval(base));
            }
            for keyword in &arguments.keywords {
                let value = self.eval(&keyword.value);
                if keyword.arg.as_ref().is_some_and(|name| name.as_str() == "metaclass") {
                    metaclass = Some(value);
                }
            }
        }
        let id = self.classes.len();
        self.classes.push(Class { names: HashMap::new(), bases: bases.clone(), made: false });
        self.frames.push(Frame { class: Some(id), ..Frame::default() });
        self.block(&def.body);
        if let Some(frame) = self.frames.pop() {
            if let Some(outer) = self.frames.last_mut() {
                outer.defined.extend(&frame.defined);
            }
            for (name, value) in &frame.names {
                self.call_method(value, "__set_name__");
                self.weigh_reducer(name, value, def.range.start().to_u32());
            }
            if let Some(class) = self.classes.get_mut(id) {
                class.names = frame.names;
            }
        }
        let mut value = Value::new(What::Class(id));
        for base in &bases {
            self.call_method(base, "__init_subclass__");
        }
        if let Some(metaclass) = metaclass {
            for method in ["__prepare__", "__new__", "__init__", "__call__"] {
                self.call_method(&metaclass, method);
            }
            if matches!(metaclass.what, What::Function(..) | What::Lambda(_)) {
                self.call(&metaclass, &Args::default(), def.range.start().to_u32());
            }
        }
        for decorator in def.decorator_list.iter().rev() {
            let with = self.eval(&decorator.expression);
            value = self.decorate(&with, &value, decorator.range.start().to_u32()).or(value);
        }
        self.bind(def.name.as_str(), value);
    }

    /// What a class of the file has under a name, itself or from a class of the file that it derives from.
    pub(super) fn class_name(&self, class: usize, name: &str) -> Option<Value> {
        let (mut open, mut seen) = (vec![class], 0);
        while let Some(id) = open.pop() {
            let class = self.classes.get(id)?;
            if let Some(value) = class.names.get(name) {
                return Some(value.clone());
            }
            seen += 1;
            if seen > 32 {
                return None;
            }
            open.extend(class.bases.iter().filter_map(|base| match base.what {
                What::Class(id) => Some(id),
                _ => None,
            }));
        }
        None
    }

    /// Calls a method that the language calls by itself, if the value is of a class of the file that has it.
    pub(super) fn call_method(&mut self, value: &Value, name: &str) -> Option<Value> {
        let (What::Object(class) | What::Class(class)) = value.what else { return None };
        let method = self.class_name(class, name)?;
        let What::Function(id, _) = method.what else { return None };
        Some(self.call_function(id, Some(class), &Args::default()))
    }

    /// The same where the method may be any callable that the class was given under that name.
    pub(super) fn call_method_with(&mut self, value: &Value, name: &str, args: &Args, at: u32) -> Option<Value> {
        let (What::Object(class) | What::Class(class)) = value.what else { return None };
        match self.class_name(class, name)? {
            Value { what: What::Function(id, _), .. } => Some(self.call_function(id, Some(class), args)),
            other => Some(self.call(&other, args, at)),
        }
    }

    /// An object of a class of the file. At import, whatever the language may call on it by itself counts as called.
    pub(super) fn make(&mut self, class: usize, args: &Args) -> Value {
        let object = Value::new(What::Object(class));
        for name in ["__new__", "__init__", "__post_init__"] {
            if let Some(What::Function(id, _)) = self.class_name(class, name).map(|value| value.what) {
                self.call_function(id, Some(class), args);
            }
        }
        let first = self.classes.get_mut(class).is_some_and(|class| !std::mem::replace(&mut class.made, true));
        if first && self.when == When::Import {
            let names: Vec<Value> = self
                .classes
                .get(class)
                .map(|c| {
                    c.names
                        .iter()
                        .filter(|(n, _)| n.starts_with("__") && &***n != "__call__" && &***n != "__reduce__")
                        .map(|(_, v)| v.clone())
                        .collect()
                })
                .unwrap_or_default();
            self.guesses += 1;
            for value in names {
                match &value.what {
                    What::Function(id, _) => drop(self.call_function(*id, Some(class), &Args::default())),
                    What::Path(path) if names::is_weapon(path) => drop(self.call(&value, args, 0)),
                    _ => {}
                }
            }
            self.guesses -= 1;
        }
        object
    }

    /// Goes into a function of the file with these arguments.
    pub(super) fn call_function(&mut self, id: usize, on: Option<usize>, args: &Args) -> Value {
        let now = usize::from(self.when == When::Call);
        let telling = args.all().any(Value::is_telling);
        let deep = self.running.len() >= MOST_CALLS_DEEP || self.running.contains(&id);
        let Some(function) = self.functions.get_mut(id) else { return Value::default() };
        let (Some(times), Some(most)) = (function.times.get_mut(now), MOST_TIMES.get(now)) else {
            return Value::default();
        };
        let most = if telling { most.saturating_mul(16) } else { *most };
        let tired = self.account.steps > self.most_steps / 4 * 3 && *times > 0;
        if deep || tired || *times >= most || self.depth >= MOST_DEPTH / 2 {
            return Value::unknown(args.taint());
        }
        *times += 1;
        let (def, class) = (function.def, on.or(function.class));
        let mut names: HashMap<Rc<str>, Value> = function.outer.as_ref().map(|o| (**o).clone()).unwrap_or_default();
        names.extend(function.defaults.iter().cloned());
        let is_static = def
            .decorator_list
            .iter()
            .any(|d| matches!(&d.expression, Expr::Name(n) if n.id.as_str() == "staticmethod"));
        let this = class.filter(|_| !is_static).map(|class| Value::new(What::Object(class)));
        place(&def.parameters, this, args, &mut names);
        self.running.push(id);
        self.frames.push(Frame { names, ..Frame::default() });
        self.block(&def.body);
        self.leftovers();
        let returns = self.frames.pop().map(|frame| frame.returns).unwrap_or_default();
        self.running.pop();
        if matches!(def.name.as_str(), "__reduce__" | "__reduce_ex__" | "reducer_override") {
            self.reduced(&returns, def.range.start().to_u32());
        }
        returns
    }

    /// Whether this is a method through which a model is used.
    pub(super) fn is_in_model(&self) -> bool {
        self.running.iter().any(|id| {
            let name = self.functions.get(*id).map_or("", |function| function.def.name.as_str());
            matches!(name, "forward" | "generate" | "__call__" | "encode" | "decode" | "from_pretrained")
        })
    }

    /// Goes into a lambda.
    pub(super) fn call_lambda(&mut self, id: usize, args: &Args) -> Value {
        let Some(lambda) = self.lambdas.get(id).copied() else { return Value::default() };
        // Numbers from the end of the range, so that they are never a function's.
        let number = usize::MAX - id;
        if self.running.contains(&number) || self.running.len() >= MOST_CALLS_DEEP || self.depth >= MOST_DEPTH / 2 {
            return Value::unknown(args.taint());
        }
        let mut names = HashMap::new();
        if let Some(parameters) = &lambda.parameters {
            names.extend(self.defaults(parameters));
            place(parameters, None, args, &mut names);
        }
        self.running.push(number);
        self.frames.push(Frame { names, ..Frame::default() });
        let made = self.eval(&lambda.body);
        self.frames.pop();
        self.running.pop();
        made
    }

    /// Functions that were defined here and that nothing has called: somebody will.
    fn leftovers(&mut self) {
        let defined = self.frames.last_mut().map(|frame| std::mem::take(&mut frame.defined)).unwrap_or_default();
        for id in defined {
            if self.functions.get(id).is_some_and(|function| function.times == [0; 2]) {
                self.as_called(|walk| walk.call_function(id, None, &Args::default()));
            }
        }
    }
}

/// `if __name__ == "__main__":`: what follows runs only where the file is run as a program.
fn is_program_guard(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else { return false };
    let ([ruff_python_ast::CmpOp::Eq], [right]) = (&*compare.ops, &*compare.comparators) else { return false };
    let name = |e: &Expr| matches!(e, Expr::Name(name) if name.id.as_str() == "__name__");
    let main = |e: &Expr| matches!(e, Expr::StringLiteral(literal) if literal.value.to_str() == "__main__");
    name(&compare.left) && main(right) || main(&compare.left) && name(right)
}

/// Puts arguments where the parameters say.
fn place(parameters: &Parameters, this: Option<Value>, args: &Args, names: &mut HashMap<Rc<str>, Value>) {
    let mut given = this.into_iter().chain(args.given.iter().cloned());
    for parameter in parameters.posonlyargs.iter().chain(&parameters.args) {
        let name: Rc<str> = parameter.parameter.name.as_str().into();
        match given.next().or_else(|| args.named(&name).cloned()) {
            Some(value) => drop(names.insert(name, value)),
            None => drop(names.entry(name).or_default()),
        }
    }
    for parameter in &parameters.kwonlyargs {
        let name: Rc<str> = parameter.parameter.name.as_str().into();
        match args.named(&name) {
            Some(value) => drop(names.insert(name, value.clone())),
            None => drop(names.entry(name).or_default()),
        }
    }
    if let Some(rest) = &parameters.vararg {
        let rest_values: Vec<Value> = given.collect();
        let value = if rest_values.is_empty() { Value::default() } else { Value::list(rest_values) };
        names.insert(rest.name.as_str().into(), value);
    }
    if let Some(rest) = &parameters.kwarg {
        let items = args.named.iter().map(|(name, value)| (Value::text(name), value.clone())).collect();
        names.insert(rest.name.as_str().into(), Value::new(What::Dict(Rc::new(items))));
    }
}
