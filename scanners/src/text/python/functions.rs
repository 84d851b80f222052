//! Functions and classes of the file: what defining one runs, and what calling one runs. Never goes into one without end.

use std::{collections::HashMap, rc::Rc};

use ruff_python_ast::{Expr, Parameters, StmtClassDef, StmtFunctionDef};

use super::{
    names,
    value::{Args, Value, What},
    walk::{Class, Frame, Function, MOST_DEPTH, Walk, When},
};

/// How often one function is gone into at import and at call time, unless its arguments tell something new.
const MOST_TIMES: [u16; 2] = [12, 3];
const MOST_CALLS_DEEP: usize = 12;

impl<'a> Walk<'a> {
    pub(super) fn define(&mut self, def: &'a StmtFunctionDef) {
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

    pub(super) fn class(&mut self, def: &'a StmtClassDef) {
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

    /// Classes from outside the file that a class of the file derives from.
    pub(super) fn foreign_bases(&mut self, class: usize) -> Vec<Rc<str>> {
        let (mut open, mut seen, mut found) = (vec![class], 0_u64, Vec::new());
        while let Some(class) = open.pop().and_then(|id| self.classes.get(id)).filter(|_| seen < 32) {
            seen += 1;
            for base in class.bases.iter().flat_map(Value::choices).take(16) {
                match base.what {
                    What::Class(id) => open.push(id),
                    What::Path(path) => found.push(path),
                    _ => {}
                }
            }
        }
        self.account.steps += seen + 4 * found.len() as u64;
        found
    }

    /// What making an object of a class does by what the class derives from.
    pub(super) fn make_bases(&mut self, class: usize, args: &Args, at: u32) {
        for base in self.foreign_bases(class) {
            if !base.contains("()") && names::deed(&base).is_some() {
                self.call(&Value::path(base), args, at);
            }
        }
        // Without a function that takes them, they are kept under names that nobody wrote down: fields.
        if !["__init__", "__new__", "__post_init__"].iter().any(|name| self.class_name(class, name).is_some()) {
            self.hand_over("", args, at);
        }
    }

    /// A method that an object has from outside the file, as far as it does something.
    pub(super) fn foreign_method(&mut self, class: usize, name: &str) -> Option<Value> {
        let paths = self.foreign_bases(class).into_iter().map(|base| format!("{base}().{name}"));
        paths.into_iter().find(|path| names::deed(path).is_some()).map(Value::path)
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
    pub(super) fn leftovers(&mut self) {
        let defined = self.frames.last_mut().map(|frame| std::mem::take(&mut frame.defined)).unwrap_or_default();
        for id in defined {
            if self.functions.get(id).is_some_and(|function| function.times == [0; 2]) {
                self.as_called(|walk| walk.call_function(id, None, &Args::default()));
            }
        }
    }
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
