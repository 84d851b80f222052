//! Goes through Python statements in the order in which they run: first what an import runs, then what a caller would.
//!
//! Bounded: every expression is a step, functions of the file are gone into a few times each, and depth is counted.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use ruff_python_ast::{ExceptHandler, Expr, ExprLambda, Stmt, StmtFunctionDef};

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
    /// Files that the code writes or fetches, by their last names.
    pub(super) made: HashSet<String>,
    /// Python files of the same repository that the code reads, and where it runs what it read of them.
    pub(super) reads: BTreeSet<String>,
    pub(super) runs_own: Option<u32>,
    /// Why what was read is not what Python reads.
    pub(super) unread: Option<String>,
    /// How deep code lies in code.
    pub(super) nested: u32,
}

pub(super) struct Function<'a> {
    pub(super) def: &'a StmtFunctionDef,
    pub(super) class: Option<usize>,
    pub(super) defaults: Vec<(Rc<str>, Value)>,
    pub(super) outer: Option<Rc<HashMap<Rc<str>, Value>>>,
    pub(super) times: [u16; 2],
}

pub(super) struct Class {
    pub(super) names: HashMap<Rc<str>, Value>,
    pub(super) bases: Vec<Value>,
    pub(super) made: bool,
}

#[derive(Default)]
pub(super) struct Frame {
    pub(super) names: HashMap<Rc<str>, Value>,
    pub(super) defined: Vec<usize>,
    pub(super) returns: Value,
    pub(super) conditional: u32,
    pub(super) globals: HashSet<Rc<str>>,
    /// The class whose body this is.
    pub(super) class: Option<usize>,
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
    pub(super) running: Vec<usize>,
}

/// Deeper than this nothing is gone into: functions calling functions, expressions in expressions.
pub(super) const MOST_DEPTH: u32 = 6_000;

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
            Stmt::Delete(s) => {
                for target in &s.targets {
                    self.eval(target);
                }
            }
            Stmt::TypeAlias(_)
            | Stmt::Nonlocal(_)
            | Stmt::Pass(_)
            | Stmt::Break(_)
            | Stmt::Continue(_)
            | Stmt::IpyEscapeCommand(_) => {}
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
}

/// `if __name__ == "__main__":`: what follows runs only where the file is run as a program.
fn is_program_guard(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else { return false };
    let ([ruff_python_ast::CmpOp::Eq], [right]) = (&*compare.ops, &*compare.comparators) else { return false };
    let name = |e: &Expr| matches!(e, Expr::Name(name) if name.id.as_str() == "__name__");
    let main = |e: &Expr| matches!(e, Expr::StringLiteral(literal) if literal.value.to_str() == "__main__");
    name(&compare.left) && main(right) || main(&compare.left) && name(right)
}
