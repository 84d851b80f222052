//! What a template would do to the program that renders it: reach into Python, call what is not there, or grow.

use super::{
    known::Knowledge,
    names,
    tree::{Args, ExprKind, Id, Op, StatementKind, Template},
    values::{self, Value},
};
use crate::rules::{self, Rule};

/// Something seen, and where in the template.
pub(crate) struct Seen {
    pub(crate) rule: &'static Rule,
    pub(crate) at: usize,
    /// The rest of a sentence whose subject is the template.
    pub(crate) what: String,
}

/// Loops and repetitions beyond this are a bomb; Jinja's own sandbox allows a range of 100,000.
const LARGE: i64 = 1_000_000;

pub(crate) fn judge(template: &Template, known: &Knowledge) -> Vec<Seen> {
    let mut judge = Judge { template, known, own: own_names(template), seen: Vec::new() };
    for (id, expr) in template.exprs.iter().enumerate() {
        match &expr.kind {
            ExprKind::Attribute(_, name) => judge.attribute(expr.at, name),
            ExprKind::Item(of, key) => {
                judge.item(expr.at, *key);
                judge.of_function(expr.at, *of);
            }
            ExprKind::Call(callee, args) => judge.call(expr.at, *callee, args),
            ExprKind::Filter(of, name, args) => judge.filter(expr.at, *of, name, args),
            ExprKind::Test(_, name, _) => judge.test(expr.at, name),
            ExprKind::Binary(op, a, b) => judge.growth(expr.at, *op, *a, *b),
            ExprKind::Name(name) if name.contains("__") => {
                judge.see(&rules::TEMPLATE_REACH, template.at(id), format!("names `{name}`"));
            }
            _ => {}
        }
    }
    for statement in &template.statements {
        if let StatementKind::Load(word) = &statement.kind {
            judge.see(
                &rules::TEMPLATE_UNKNOWN_CALL,
                statement.at,
                format!("takes in another template with `{word}`, which no chat template has"),
            );
        }
    }
    judge.seen
}

/// Macros, variables and parameters of the template itself.
fn own_names(template: &Template) -> Vec<&str> {
    template
        .statements
        .iter()
        .flat_map(|statement| match &statement.kind {
            StatementKind::Macro { name, parameters, .. } => {
                std::iter::once(name.as_str()).chain(parameters.iter().map(|(name, _)| name.as_str())).collect()
            }
            StatementKind::Set { names, .. } | StatementKind::For { names, .. } => {
                names.iter().map(String::as_str).collect()
            }
            StatementKind::SetBlock { name, .. } => vec![name.as_str()],
            _ => Vec::new(),
        })
        .collect()
}

struct Judge<'a> {
    template: &'a Template,
    known: &'a Knowledge,
    own: Vec<&'a str>,
    seen: Vec<Seen>,
}

impl Judge<'_> {
    fn see(&mut self, rule: &'static Rule, at: usize, what: String) {
        if self.seen.len() < 100 {
            self.seen.push(Seen { rule, at, what });
        }
    }

    fn attribute(&mut self, at: usize, name: &str) {
        if names::reaches(name) {
            self.see(
                &rules::TEMPLATE_REACH,
                at,
                format!("reads the attribute `{name}`, which leads from a value into Python"),
            );
        } else if name.starts_with('_') {
            let what = format!("reads the private attribute `{name}`, which a sandbox refuses");
            self.see(&rules::TEMPLATE_UNKNOWN_CALL, at, what);
        }
    }

    /// `of[key]` is an attribute too where the key is one.
    fn item(&mut self, at: usize, key: Id) {
        let reached: Option<String> = self.known.texts(key).find(|name| names::reaches(name)).map(str::to_owned);
        if let Some(name) = reached {
            self.see(
                &rules::TEMPLATE_REACH,
                at,
                format!("reads the attribute `{name}`, which leads from a value into Python"),
            );
        } else {
            self.built_key(at, key);
        }
    }

    /// `lipsum[name]`: whatever is read from a function leads into Python.
    fn of_function(&mut self, at: usize, of: Id) {
        if let Some(name) = self.template.name(of).filter(|name| *name != "loop" && !self.own.contains(name))
            && names::OF_JINJA.contains(&name)
        {
            let what = format!("reads something of the function `{name}`, which leads into Python");
            self.see(&rules::TEMPLATE_OBFUSCATED, at, what);
        }
    }

    /// A key that is pieced together from bits of attribute names. Sums of numbers and keys of dictionaries are not.
    fn built_key(&mut self, at: usize, key: Id) {
        let known = self.known.get(key);
        let settled = !known.values.is_empty() && !known.values.iter().any(|value| value.text().is_some());
        if known.built && !settled && known.bits.iter().any(|bit| names::could_become(bit)) {
            let bits: Vec<&str> =
                known.bits.iter().filter(|bit| names::could_become(bit)).take(4).map(String::as_str).collect();
            let what = format!("pieces the name of an attribute together from {bits:?}");
            self.see(&rules::TEMPLATE_OBFUSCATED, at, what);
        }
    }

    fn call(&mut self, at: usize, callee: Id, args: &Args) {
        match self.template.kind(callee) {
            Some(ExprKind::Name(name)) => {
                if name == "range" {
                    self.range(at, args);
                }
                if names::PYTHON.contains(&name.as_str()) && !self.own.contains(&name.as_str()) {
                    let what = format!("calls Python's `{name}`, which no server gives to templates");
                    self.see(&rules::TEMPLATE_UNKNOWN_CALL, at, what);
                } else if !names::FUNCTIONS.contains(&name.as_str()) && !self.own.contains(&name.as_str()) {
                    self.see(
                        &rules::TEMPLATE_UNKNOWN_CALL,
                        at,
                        format!("calls `{name}`, which no server gives to templates"),
                    );
                }
            }
            Some(ExprKind::Attribute(of, method)) => {
                let (of, method) = (*of, method.clone());
                self.method(at, of, &method, args);
            }
            // `x['strip']()` is `x.strip()`.
            Some(ExprKind::Item(of, key)) => {
                let (of, methods): (Id, Vec<String>) = (*of, self.known.texts(*key).map(str::to_owned).collect());
                for method in methods {
                    self.method(at, of, &method, args);
                }
            }
            _ => {}
        }
    }

    fn method(&mut self, at: usize, of: Id, method: &str, args: &Args) {
        if method == "format" || method == "format_map" {
            self.format_string(at, of);
        }
        if matches!(method, "ljust" | "rjust" | "center" | "zfill" | "expandtabs") {
            self.width(at, args);
        }
        let own = self.own.contains(&method)
            || self.template.name(of).is_some_and(|base| self.known.names.contains_key(&format!("{base}.{method}")));
        if names::RUNNING.contains(&method) && !own {
            self.see(&rules::TEMPLATE_REACH, at, format!("calls `{method}`, which runs commands or code"));
        } else if !own && !names::METHODS.contains(&method) && !names::reaches(method) {
            self.see(
                &rules::TEMPLATE_UNKNOWN_CALL,
                at,
                format!("calls the method `{method}`, which no value in a chat has"),
            );
        }
    }

    /// `"{0.__class__}".format(x)` reads attributes, and a sandbox that does not know `format` lets it.
    fn format_string(&mut self, at: usize, of: Id) {
        let texts: Vec<String> = self.known.texts(of).map(str::to_owned).collect();
        for text in &texts {
            for field in text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or_default()) {
                let name = field.split([':', '!']).next().unwrap_or_default();
                if name.contains(['.', '[']) && name.split(['.', '[', ']']).any(names::reaches) {
                    let what = format!("reads `{name}` through a format string, which leads from a value into Python");
                    self.see(&rules::TEMPLATE_REACH, at, what);
                }
                let width: String = field.chars().rev().take_while(char::is_ascii_digit).collect();
                if width.len() > 6 {
                    self.see(&rules::TEMPLATE_BOMB, at, format!("writes a field as wide as `{{{field}}}` says"));
                }
            }
        }
        if texts.is_empty() && (self.known.get(of).spoken || self.known.get(of).built) {
            let what =
                "uses a format string that is only known when it is rendered, and format strings read attributes";
            self.see(&rules::TEMPLATE_OBFUSCATED, at, what.to_owned());
        }
    }

    fn filter(&mut self, at: usize, of: Option<Id>, name: &str, args: &Args) {
        if !names::FILTERS.contains(&name) {
            self.see(&rules::TEMPLATE_UNKNOWN_CALL, at, format!("uses the filter `{name}`, which no server has"));
        }
        match name {
            "attr" => {
                let Some(key) = args.all().next() else { return };
                let known: Vec<String> = self.known.texts(key).map(str::to_owned).collect();
                match known.iter().find(|name| names::reaches(name)) {
                    Some(name) => {
                        let what = format!("reads the attribute `{name}`, which leads from a value into Python");
                        self.see(&rules::TEMPLATE_REACH, at, what);
                    }
                    None if known.is_empty() => {
                        let what = "reads an attribute whose name is only known when it is rendered".to_owned();
                        self.see(&rules::TEMPLATE_OBFUSCATED, at, what);
                    }
                    None => {}
                }
            }
            "map" | "select" | "reject" | "selectattr" | "rejectattr" | "groupby" | "sort" | "sum" | "unique"
            | "min" | "max" | "join" => self.attribute_argument(at, name, args),
            "center" | "indent" | "wordwrap" | "truncate" | "batch" | "slice" => self.width(at, args),
            "format" => {
                if let Some(of) = of {
                    self.wide_format(at, of);
                }
            }
            _ => {}
        }
    }

    /// Filters that read an attribute of each item: `map(attribute='a.b')`, `map('attr', 'a')`, `selectattr('a')`.
    fn attribute_argument(&mut self, at: usize, filter: &str, args: &Args) {
        let reached: Vec<String> = args
            .all()
            .flat_map(|id| self.known.texts(id).map(str::to_owned).collect::<Vec<_>>())
            .filter(|text| filter != "join" && text.split('.').any(names::reaches))
            .collect();
        for name in reached {
            let what = format!("reads `{name}` of each item through `{filter}`, which leads from a value into Python");
            self.see(&rules::TEMPLATE_REACH, at, what);
        }
        let by_attribute = args.plain.first().is_some_and(|id| self.known.texts(*id).any(|name| name == "attr"));
        let attribute = match filter {
            "selectattr" | "rejectattr" | "groupby" => args.plain.first().copied(),
            "join" => args.plain.get(1).copied(),
            _ if by_attribute => args.plain.get(1).copied(),
            _ => None,
        };
        let named = args.named("attribute");
        for id in attribute.into_iter().chain(named) {
            let texts: Vec<String> = self.known.texts(id).map(str::to_owned).collect();
            if filter == "join" && texts.iter().any(|text| text.split('.').any(names::reaches)) {
                self.see(
                    &rules::TEMPLATE_REACH,
                    at,
                    format!("reads `{}` of each item through `join`", texts.join("`, `")),
                );
            }
            if texts.is_empty() && self.known.get(id).values.is_empty() && self.known.get(id).built {
                let what =
                    format!("reads an attribute through `{filter}` whose name is only known when it is rendered");
                self.see(&rules::TEMPLATE_OBFUSCATED, at, what);
            }
        }
        let unknown: Vec<String> = match filter {
            "map" | "select" | "reject" => {
                args.plain.first().into_iter().flat_map(|id| self.known.texts(*id)).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let fits = |name: &str| {
            if filter == "map" { names::FILTERS.contains(&name) } else { names::TESTS.contains(&name) || is_sign(name) }
        };
        for name in unknown.iter().filter(|name| !fits(name) && !names::reaches(name)) {
            self.see(
                &rules::TEMPLATE_UNKNOWN_CALL,
                at,
                format!("uses `{name}` through `{filter}`, which no server has"),
            );
        }
    }

    fn test(&mut self, at: usize, name: &str) {
        if !names::TESTS.contains(&name) {
            self.see(&rules::TEMPLATE_UNKNOWN_CALL, at, format!("uses the test `{name}`, which no server has"));
        }
    }

    fn range(&mut self, at: usize, args: &Args) {
        if let Some(length) = self.range_length(args).filter(|length| *length > LARGE) {
            self.see(&rules::TEMPLATE_BOMB, at, format!("counts to {length}"));
        }
    }

    fn range_length(&self, args: &Args) -> Option<i64> {
        let number = |id: &Id| {
            self.known
                .get(*id)
                .values
                .iter()
                .filter_map(|value| match value {
                    Value::Int(number) => Some(*number),
                    _ => None,
                })
                .max()
        };
        match &args.plain[..] {
            [to] => number(to),
            [from, to] | [from, to, _] => Some(number(to)?.saturating_sub(number(from)?).saturating_abs()),
            _ => None,
        }
    }

    fn width(&mut self, at: usize, args: &Args) {
        let large = args.all().find_map(|id| {
            self.known.get(id).values.iter().find_map(|value| match value {
                Value::Int(number) if *number > LARGE => Some(*number),
                _ => None,
            })
        });
        if let Some(width) = large {
            self.see(&rules::TEMPLATE_BOMB, at, format!("pads text to {width} characters"));
        }
    }

    /// `'%999999999d' % 1`
    fn wide_format(&mut self, at: usize, of: Id) {
        let wide = |text: &str| {
            let mut specs = text.split('%').map(|spec| spec.trim_start_matches(['-', '+', ' ', '#']));
            specs.any(|spec| spec.chars().take_while(|c| c.is_ascii_digit() || *c == '.').count() > 6)
        };
        if self.known.texts(of).any(wide) {
            self.see(&rules::TEMPLATE_BOMB, at, "writes a field as wide as its format says".to_owned());
        }
    }

    fn growth(&mut self, at: usize, op: Op, a: Id, b: Id) {
        let first = |id: Id| self.known.get(id).values.first();
        let number = |id: Id| match first(id) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        };
        match op {
            Op::Multiply => {
                let textual = |id: Id| matches!(first(id), Some(Value::Text(_) | Value::List(_)) | None);
                let times = match (number(a), number(b)) {
                    (Some(times), None) if textual(b) => times,
                    (None, Some(times)) if textual(a) => times,
                    _ => return,
                };
                if times > LARGE {
                    self.see(&rules::TEMPLATE_BOMB, at, format!("repeats a value {times} times"));
                }
            }
            Op::Modulo => self.wide_format(at, a),
            Op::Power => {
                let too_large = match (first(a), first(b)) {
                    (Some(x), Some(y)) => values::power(x, y).is_none(),
                    (None, Some(Value::Int(exponent))) => *exponent > 64,
                    _ => false,
                };
                if too_large {
                    self.see(
                        &rules::TEMPLATE_BOMB,
                        at,
                        "raises a number to a power too large to write down".to_owned(),
                    );
                }
            }
            _ => {}
        }
    }
}

fn is_sign(name: &str) -> bool {
    matches!(name, "==" | "!=" | "<" | ">" | "<=" | ">=")
}
