//! What expressions come to: constants, names of things outside the file, functions of the file.

use std::rc::Rc;

use ruff_python_ast::{
    Comprehension, Expr, ExprCall, FStringPart, InterpolatedStringElement, Number, Operator, UnaryOp,
};
use ruff_text_size::Ranged;

use super::{
    constants, effects, names,
    value::{Args, HOLE, LONGEST, Taint, Value, What},
    walk::{MOST_DEPTH, Walk},
};

impl<'a> Walk<'a> {
    pub(super) fn eval(&mut self, expr: &'a Expr) -> Value {
        if !self.step() || self.depth >= MOST_DEPTH {
            self.account.spent = true;
            return Value::default();
        }
        self.depth += 1;
        let value = self.evaluate(expr);
        self.depth -= 1;
        value
    }

    fn all(&mut self, exprs: &'a [Expr]) -> Vec<Value> {
        let mut out = Vec::new();
        for expr in exprs {
            let value = self.eval(expr);
            let items = if matches!(expr, Expr::Starred(_)) { self.items(&value) } else { None };
            match items {
                Some(items) => out.extend(items),
                None => out.push(value),
            }
        }
        out
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
    fn evaluate(&mut self, expr: &'a Expr) -> Value {
        match expr {
            Expr::StringLiteral(e) => Value::text(e.value.to_str()),
            Expr::BytesLiteral(e) => Value::bytes(e.value.bytes().collect::<Vec<u8>>()),
            Expr::NumberLiteral(e) => match &e.value {
                Number::Int(number) => number.as_i64().map_or_else(Value::default, |n| Value::new(What::Number(n))),
                _ => Value::default(),
            },
            Expr::Name(e) => self.name(e.id.as_str()),
            Expr::Attribute(e) => {
                let value = self.eval(&e.value);
                let attribute = names::normal(e.attr.as_str());
                self.attribute(&value, &attribute)
            }
            Expr::Call(e) => self.call_expression(e),
            Expr::List(e) => Value::list(self.all(&e.elts)),
            Expr::Tuple(e) => Value::list(self.all(&e.elts)),
            Expr::Set(e) => Value::list(self.all(&e.elts)),
            Expr::Dict(e) => {
                let mut items = Vec::with_capacity(e.items.len().min(1024));
                for item in &e.items {
                    let key = item.key.as_ref().map(|key| self.eval(key));
                    let value = self.eval(&item.value);
                    match (key, &value.what) {
                        (Some(key), _) => items.push((key, value)),
                        (None, What::Dict(inner)) => items.extend(inner.iter().cloned()),
                        (None, _) => items.push((Value::default(), value)),
                    }
                }
                Value::new(What::Dict(Rc::new(items)))
            }
            Expr::BinOp(e) => self.chain(e),
            Expr::BoolOp(e) => {
                let values = self.all(&e.values);
                values.into_iter().fold(Value::default(), Value::or)
            }
            Expr::UnaryOp(e) => {
                let value = self.eval(&e.operand);
                match (e.op, value.as_number()) {
                    (UnaryOp::USub, Some(number)) => Value::new(What::Number(number.wrapping_neg())),
                    (UnaryOp::Invert, Some(number)) => Value::new(What::Number(!number)),
                    (UnaryOp::UAdd, Some(_)) => value,
                    _ => Value::unknown(value.taint),
                }
            }
            Expr::If(e) => {
                self.eval(&e.test);
                let value = self.eval(&e.body);
                value.or(self.eval(&e.orelse))
            }
            Expr::Named(e) => {
                let value = self.eval(&e.value);
                self.assign(&e.target, value.clone());
                value
            }
            Expr::Lambda(e) => {
                let number = if let Some(number) = self.lambda_numbers.get(&e.range.start().to_u32()) {
                    *number
                } else {
                    let number = self.lambdas.len();
                    self.lambdas.push(e);
                    self.lambda_numbers.insert(e.range.start().to_u32(), number);
                    self.as_called(|walk| walk.call_lambda(number, &Args::default()));
                    number
                };
                Value::new(What::Lambda(number))
            }
            Expr::ListComp(e) => self.comprehension(&e.generators, &[&e.elt]),
            Expr::SetComp(e) => self.comprehension(&e.generators, &[&e.elt]),
            Expr::Generator(e) => self.comprehension(&e.generators, &[&e.elt]),
            Expr::DictComp(e) => {
                let parts: Vec<&'a Expr> = e.key.as_deref().into_iter().chain([&*e.value]).collect();
                let made = self.comprehension(&e.generators, &parts);
                Value::unknown(made.deep_taint())
            }
            Expr::Await(e) => self.eval(&e.value),
            Expr::Yield(e) => {
                let value = e.value.as_deref().map(|value| self.eval(value)).unwrap_or_default();
                self.returns(value);
                Value::default()
            }
            Expr::YieldFrom(e) => {
                let value = self.eval(&e.value);
                self.returns(value);
                Value::default()
            }
            Expr::Compare(e) => {
                self.eval(&e.left);
                for other in &e.comparators {
                    self.eval(other);
                }
                Value::default()
            }
            Expr::FString(e) => {
                let mut text = String::new();
                let mut taint = Taint::default();
                for part in e.value.as_slice() {
                    match part {
                        FStringPart::Literal(literal) => text.push_str(&literal.value),
                        FStringPart::FString(inner) => {
                            for element in &inner.elements {
                                taint = taint.with(self.interpolated(element, &mut text));
                            }
                        }
                    }
                }
                Value::text(text).tainted(taint)
            }
            Expr::TString(e) => {
                let mut text = String::new();
                let mut taint = Taint::default();
                for element in e.value.elements() {
                    taint = taint.with(self.interpolated(element, &mut text));
                }
                Value::text(text).tainted(taint)
            }
            Expr::Subscript(e) => self.subscript(e),
            Expr::Starred(e) => self.eval(&e.value),
            Expr::Slice(e) => {
                for part in [&e.lower, &e.upper, &e.step].into_iter().flatten() {
                    self.eval(part);
                }
                Value::default()
            }
            Expr::BooleanLiteral(e) => Value::new(What::Number(i64::from(e.value))),
            // Commands of notebooks are read before (`notebook`): this reader takes plain Python only.
            Expr::NoneLiteral(_) | Expr::EllipsisLiteral(_) | Expr::IpyEscapeCommand(_) => Value::default(),
        }
    }

    fn interpolated(&mut self, element: &'a InterpolatedStringElement, text: &mut String) -> Taint {
        match element {
            InterpolatedStringElement::Literal(literal) => {
                text.push_str(&literal.value);
                Taint::default()
            }
            InterpolatedStringElement::Interpolation(inner) => {
                let value = self.eval(&inner.expression);
                if let Some(spec) = &inner.format_spec {
                    let mut unused = String::new();
                    for element in &spec.elements {
                        self.interpolated(element, &mut unused);
                    }
                }
                if text.len() < LONGEST {
                    text.push_str(&value.shown());
                }
                value.deep_taint()
            }
        }
    }

    /// What a name stands for: here, further out, in a module imported whole, or in every module.
    pub(super) fn name(&mut self, name: &str) -> Value {
        let name = names::normal(name);
        for frame in self.frames.iter().rev() {
            if let Some(value) = frame.names.get(&*name) {
                return value.clone();
            }
        }
        for module in &self.stars {
            let path = names::canonical(&format!("{module}.{name}"));
            let made = [format!("{path}()"), format!("{path}()()")];
            let leads = names::deed(&path).is_some() || made.iter().any(|path| names::deed(path).is_some());
            let builtin = names::BUILTINS.contains(&&*name);
            if leads || builtin && module == "os" || !builtin && effects::is_acting_module(module) {
                return Value::path(path);
            }
        }
        if let Some(value) = self.attributes.get(format!("builtins.{name}").as_str()) {
            return value.clone();
        }
        match &*name {
            "__builtins__" => Value::path("builtins").tainted(Taint::REACHED),
            "get_ipython" => Value::path("get_ipython"),
            "__file__" => Value::text(format!("{HOLE}/here.py")),
            name if names::BUILTINS.contains(&name) => Value::path(format!("builtins.{name}")),
            _ => Value::default(),
        }
    }

    pub(super) fn tainted_path(&self, path: &str) -> Value {
        if let Some(value) = self.attributes.get(path) {
            return value.clone();
        }
        match path {
            "os.environ" | "os.environb" => Value::path(path).tainted(Taint::ENVIRONMENT),
            "sys.executable" => Value::text("python"),
            "mmap.PROT_READ" => Value::new(What::Number(1)),
            "mmap.PROT_WRITE" => Value::new(What::Number(2)),
            "mmap.PROT_EXEC" => Value::new(What::Number(4)),
            _ => Value::path(path),
        }
    }

    /// `value.name`.
    pub(super) fn attribute(&mut self, value: &Value, name: &str) -> Value {
        let found = match &value.what {
            What::Path(path) => self.attribute_of_path(path, name),
            What::Object(class) | What::Class(class) => match self.class_name(*class, name) {
                Some(Value { what: What::Function(id, _), .. }) => {
                    let on = Value::new(What::Function(id, Some(*class)));
                    let property = self.functions.get(id).is_some_and(|function| {
                        function.def.decorator_list.iter().any(|decorator| match &decorator.expression {
                            Expr::Name(name) => name.id.as_str().ends_with("property"),
                            Expr::Attribute(attribute) => attribute.attr.as_str().ends_with("property"),
                            _ => false,
                        })
                    });
                    if property { self.call_function(id, Some(*class), &Args::default()) } else { on }
                }
                Some(found) => found,
                None => match self.attributes.get(name) {
                    Some(found) => found.clone(),
                    None => self.foreign_method(*class, name).unwrap_or_default(),
                },
            },
            What::Either(choices) => {
                let mut found = Value::default();
                for choice in choices.clone().iter() {
                    found = found.or(self.attribute(choice, name));
                }
                found
            }
            What::Text(_) if matches!(name, "parent" | "parents" | "name" | "stem") => value.clone(),
            _ if matches!(
                name,
                "__class__"
                    | "__base__"
                    | "__bases__"
                    | "__mro__"
                    | "__subclasses__"
                    | "__globals__"
                    | "__builtins__"
                    | "f_globals"
                    | "f_builtins"
                    | "f_locals"
                    | "f_back"
                    | "gi_frame"
                    | "tb_frame"
                    | "cr_frame"
            ) =>
            {
                Value::path(format!("object.{name}"))
            }
            What::Unknown => self.attributes.get(name).cloned().unwrap_or_default(),
            _ => Value::default(),
        };
        found.tainted(value.taint)
    }

    fn attribute_of_path(&self, path: &str, name: &str) -> Value {
        // What a function of a module belongs to is the module.
        let found = match (name, path.rsplit_once('.')) {
            ("__self__", Some((module, _))) if !path.contains("()") => Value::path(module),
            ("__call__", Some(_)) => Value::path(path),
            _ => self.tainted_path(&names::canonical(&format!("{path}.{name}"))),
        };
        if found.as_path() == Some("builtins") { found.tainted(Taint::REACHED) } else { found }
    }

    fn subscript(&mut self, e: &'a ruff_python_ast::ExprSubscript) -> Value {
        let value = self.eval(&e.value);
        if let Expr::Slice(slice) = &*e.slice {
            let mut bounds = [None; 3];
            let mut known = true;
            for (bound, part) in bounds.iter_mut().zip([&slice.lower, &slice.upper, &slice.step]) {
                if let Some(part) = part {
                    *bound = self.eval(part).as_number();
                    known &= bound.is_some() || matches!(**part, Expr::NoneLiteral(_));
                }
            }
            self.charge(&value);
            let made = if known { constants::slice(&value, bounds) } else { None };
            return made.unwrap_or_default().tainted(value.taint);
        }
        let place = self.eval(&e.slice);
        if let What::Class(_) = value.what {
            let args = Args { given: vec![place], named: Vec::new() };
            self.call_method_with(&value, "__class_getitem__", &args, e.range().start().to_u32());
            return value;
        }
        if let What::Object(_) = value.what {
            let args = Args { given: vec![place], named: Vec::new() };
            let at = e.range().start().to_u32();
            return self.call_method_with(&value, "__getitem__", &args, at).unwrap_or_default();
        }
        self.item(&value, &place)
    }

    /// `value[place]`.
    pub(super) fn item(&mut self, value: &Value, place: &Value) -> Value {
        if let What::Either(choices) = &value.what {
            let mut found = Value::default();
            for choice in choices.clone().iter() {
                found = found.or(self.item(choice, place));
            }
            return found;
        }
        if let (Some(path), Some(key)) = (value.as_path(), place.as_pattern())
            && let Some(found) = self.item_of_path(path, key)
        {
            return found;
        }
        self.charge(value);
        if let Some(found) = constants::index(value, place) {
            return found.tainted(value.taint);
        }
        // Nobody knows which: any of them that could matter.
        let choices = match &value.what {
            What::Dict(items) => items.iter().take(256).map(|(_, value)| value.clone()).collect(),
            What::List(items) => items.iter().take(256).cloned().collect(),
            What::Path(path) => vec![Value::path(format!("{path}[]"))],
            _ => Vec::new(),
        };
        let telling = choices.into_iter().filter(Value::is_telling).take(8).fold(Value::default(), Value::or);
        telling.tainted(value.deep_taint())
    }

    /// What a module, a namespace or the environment has under a key.
    pub(super) fn item_of_path(&mut self, path: &str, key: &str) -> Option<Value> {
        self.found_in_namespace(path, key).map(super::reach::marked)
    }

    fn found_in_namespace(&mut self, path: &str, key: &str) -> Option<Value> {
        Some(match path {
            "os.environ" | "os.environb" => super::network::variable(key),
            "sys.modules" => self.tainted_path(&names::canonical(key)),
            "builtins.globals()" | "builtins.locals()" | "builtins.vars()" => self.name(key),
            "builtins" => Value::path(format!("builtins.{key}")),
            _ => {
                if let Some(module) = path.strip_suffix(".__dict__") {
                    self.tainted_path(&names::canonical(&format!("{module}.{key}")))
                } else if path.ends_with(".__globals__") || path.ends_with(".f_globals") || path.ends_with(".f_locals")
                {
                    let own = format!("builtins.{key}");
                    match key {
                        "__builtins__" => Value::path("builtins"),
                        _ if names::makes_code(&own) => Value::path(own),
                        _ => Value::path(names::canonical(key)),
                    }
                } else if path.ends_with(".__builtins__") || path.ends_with(".f_builtins") {
                    Value::path(format!("builtins.{key}"))
                } else {
                    return None;
                }
            }
        })
    }

    /// `a + b + c + …`, without going down the left side by recursion.
    fn chain(&mut self, e: &'a ruff_python_ast::ExprBinOp) -> Value {
        let mut rights = vec![(e.op, &*e.right)];
        let mut left = &*e.left;
        while let Expr::BinOp(inner) = left {
            rights.push((inner.op, &inner.right));
            left = &inner.left;
        }
        let mut value = self.eval(left);
        for (op, right) in rights.into_iter().rev() {
            let right = self.eval(right);
            value = self.operate(&value, op, &right);
        }
        value
    }

    /// `a op b` of constants.
    pub(super) fn operate(&mut self, a: &Value, op: Operator, b: &Value) -> Value {
        self.charge(a);
        self.charge(b);
        let taint = a.deep_taint().with(b.deep_taint());
        let made = match (&a.what, op, &b.what) {
            (What::Text(text), Operator::Mod, _) => Some(constants::percent(text, b)),
            (What::Text(_), Operator::Add, _) | (_, Operator::Add, What::Text(_)) => {
                Some(Value::text(format!("{}{}", a.shown(), b.shown())))
            }
            (What::Text(_), Operator::Div, _) | (_, Operator::Div, What::Text(_)) => {
                Some(constants::joined(a, std::slice::from_ref(b)))
            }
            (What::Bytes(x), Operator::Add, What::Bytes(y)) => Some(Value::bytes([&**x, &**y].concat())),
            (What::List(x), Operator::Add, What::List(y)) => Some(Value::list([&***x, &***y].concat())),
            (What::Text(text), Operator::Mult, What::Number(n))
            | (What::Number(n), Operator::Mult, What::Text(text)) => {
                let times = usize::try_from(*n).unwrap_or(0);
                (text.len().saturating_mul(times) <= LONGEST).then(|| Value::text(text.repeat(times)))
            }
            (What::Dict(x), Operator::BitOr, What::Dict(y)) => {
                Some(Value::new(What::Dict(Rc::new([&***x, &***y].concat()))))
            }
            (What::Number(x), _, What::Number(y)) => arithmetic(*x, op, *y).map(|n| Value::new(What::Number(n))),
            _ => None,
        };
        if let What::Object(_) = a.what {
            let method = match op {
                Operator::Add => "__add__",
                Operator::BitOr => "__or__",
                Operator::Div => "__truediv__",
                Operator::MatMult => "__matmul__",
                Operator::RShift => "__rshift__",
                _ => "__mul__",
            };
            self.call_method(a, method);
        }
        made.unwrap_or_default().tainted(taint)
    }

    fn comprehension(&mut self, generators: &'a [Comprehension], elements: &[&'a Expr]) -> Value {
        let Some((first, more)) = generators.split_first() else { return Value::default() };
        let iterated = self.eval(&first.iter);
        let tired = self.is_tired();
        let items = self.items(&iterated).filter(|items| items.len() <= 4096 && !tired);
        let known = items.is_some() && more.is_empty();
        let items = if known {
            items.unwrap_or_default()
        } else {
            let telling = self.items(&iterated).into_iter().flatten().take(64).fold(Value::default(), Value::or);
            vec![telling.tainted(iterated.deep_taint())]
        };
        let mut made = Vec::new();
        for item in items {
            let before = self.when;
            self.assign_now(&first.target, item.tainted(iterated.taint));
            for generator in more {
                let inner = self.eval(&generator.iter);
                let item = self.items(&inner).into_iter().flatten().take(64).fold(Value::default(), Value::or);
                self.assign_now(&generator.target, item.tainted(inner.deep_taint()));
            }
            for condition in first.ifs.iter().chain(more.iter().flat_map(|generator| &generator.ifs)) {
                self.eval(condition);
            }
            for element in elements {
                made.push(self.eval(element));
            }
            self.when = before;
            if self.is_tired() {
                break;
            }
        }
        if known && first.ifs.is_empty() {
            return Value::list(made);
        }
        let taint = made.iter().fold(Taint::default(), |taint, value| taint.with(value.deep_taint()));
        let telling = made.into_iter().filter(Value::is_telling).collect::<Vec<_>>();
        if telling.is_empty() { Value::unknown(taint) } else { Value::list(telling).tainted(taint) }
    }

    fn call_expression(&mut self, e: &'a ExprCall) -> Value {
        let at = e.range().start().to_u32();
        if let Expr::Attribute(function) = &*e.func {
            let receiver = self.eval(&function.value);
            let name = names::normal(function.attr.as_str()).into_owned();
            let args = self.arguments(&e.arguments);
            self.weigh_remote_code(&receiver, &name, &args, at);
            let value = self.call_on(&receiver, &name, &args, at);
            self.grow(&function.value, &receiver, &name, &args);
            return value;
        }
        let function = self.eval(&e.func);
        let args = self.arguments(&e.arguments);
        let name = function.as_path().map(|path| path.rsplit('.').next().unwrap_or(path).to_owned());
        self.weigh_remote_code(&function, &name.unwrap_or_default(), &args, at);
        self.call(&function, &args, at)
    }

    /// `items.append(…)` and its kind change what a name holds.
    fn grow(&mut self, target: &'a Expr, receiver: &Value, name: &str, args: &Args) {
        let (Expr::Name(target), What::List(items)) = (target, &receiver.what) else { return };
        if items.len() >= 512 {
            return;
        }
        let mut items = items.to_vec();
        match name {
            "append" | "add" => items.push(args.at(0)),
            "insert" => items.push(args.at(1)),
            "extend" | "update" => items.extend(args.at(0).items().unwrap_or_default()),
            "reverse" => items.reverse(),
            _ => return,
        }
        self.bind(target.id.as_str(), Value::list(items).tainted(receiver.taint));
    }

    fn arguments(&mut self, arguments: &'a ruff_python_ast::Arguments) -> Args {
        let given = self.all(&arguments.args);
        let mut named = Vec::new();
        for keyword in &arguments.keywords {
            let value = self.eval(&keyword.value);
            match (&keyword.arg, &value.what) {
                (Some(name), _) => named.push((Rc::from(name.as_str()), value)),
                (None, What::Dict(items)) => {
                    let known = items.iter().take(256);
                    named.extend(known.map(|(key, value)| (Rc::from(key.shown()), value.clone())));
                }
                (None, _) => named.push((Rc::from("**"), value)),
            }
        }
        Args { given, named }
    }
}

fn arithmetic(x: i64, op: Operator, y: i64) -> Option<i64> {
    match op {
        Operator::Add => x.checked_add(y),
        Operator::Sub => x.checked_sub(y),
        Operator::Mult => x.checked_mul(y),
        Operator::Mod => x.checked_rem_euclid(y),
        Operator::FloorDiv => x.checked_div_euclid(y),
        Operator::BitXor => Some(x ^ y),
        Operator::BitAnd => Some(x & y),
        Operator::BitOr => Some(x | y),
        Operator::LShift => u32::try_from(y).ok().and_then(|y| x.checked_shl(y)),
        Operator::RShift => u32::try_from(y).ok().and_then(|y| x.checked_shr(y)),
        Operator::Pow => u32::try_from(y).ok().and_then(|y| x.checked_pow(y)),
        Operator::Div | Operator::MatMult => None,
    }
}
