//! Values that are known without rendering, and what Jinja's operators, filters and methods make of them.
//!
//! Sizes are bounded: what would grow past them is unknown, never made.

/// The longest text that is followed.
pub(crate) const LONGEST: usize = 1000;
const MOST_ITEMS: usize = 200;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A number that nobody computes with.
    Other,
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As Jinja writes it out.
    fn written(&self) -> Option<String> {
        Some(match self {
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::None => "None".into(),
            Value::Bool(is) => if *is { "True" } else { "False" }.into(),
            _ => return None,
        })
    }

    fn items(&self) -> Option<Vec<Value>> {
        match self {
            Value::List(items) => Some(items.clone()),
            Value::Text(text) if text.len() <= LONGEST => {
                Some(text.chars().map(|c| Value::Text(c.to_string())).collect())
            }
            Value::Dict(entries) => Some(entries.iter().map(|(key, _)| key.clone()).collect()),
            _ => None,
        }
    }

    /// What a loop over it gives.
    pub(crate) fn each(&self) -> Vec<Value> {
        self.items().unwrap_or_default()
    }
}

fn text(made: String) -> Option<Value> {
    (made.len() <= LONGEST).then_some(Value::Text(made))
}

fn list(items: Vec<Value>) -> Option<Value> {
    (items.len() <= MOST_ITEMS).then_some(Value::List(items))
}

/// `a ~ b`
pub(crate) fn concat(a: &Value, b: &Value) -> Option<Value> {
    text(a.written()? + &b.written()?)
}

pub(crate) fn add(a: &Value, b: &Value) -> Option<Value> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => text(format!("{a}{b}")),
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int),
        (Value::List(a), Value::List(b)) => list(a.iter().chain(b).cloned().collect()),
        _ => None,
    }
}

pub(crate) fn multiply(a: &Value, b: &Value) -> Option<Value> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.checked_mul(*b).map(Value::Int),
        (Value::Text(of), Value::Int(times)) | (Value::Int(times), Value::Text(of)) => {
            let times = usize::try_from(*times).unwrap_or(0);
            (of.len().checked_mul(times)? <= LONGEST).then(|| Value::Text(of.repeat(times)))
        }
        _ => None,
    }
}

pub(crate) fn power(a: &Value, b: &Value) -> Option<Value> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.checked_pow(u32::try_from(*b).ok()?).map(Value::Int),
        _ => None,
    }
}

pub(crate) fn subtract(a: &Value, b: &Value) -> Option<Value> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.checked_sub(*b).map(Value::Int),
        _ => None,
    }
}

/// `"%s%s" % (a, b)`, `"%c"|format(95)`.
pub(crate) fn percent(format: &str, values: &[Value]) -> Option<Value> {
    let (mut out, mut values) = (String::new(), values.iter());
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let kind = chars.by_ref().find(|c| c.is_alphabetic() || *c == '%')?;
        match (kind, if kind == '%' { None } else { Some(values.next()?) }) {
            ('%', _) => out.push('%'),
            ('c', Some(Value::Int(code))) => out.push(char::from_u32(u32::try_from(*code).ok()?)?),
            ('s' | 'd' | 'i' | 'c' | 'r', Some(value)) => out.push_str(&value.written()?),
            _ => return None,
        }
    }
    text(out)
}

/// `"{}{x}".format(…)`; only plain fields.
pub(crate) fn braces(format: &str, plain: &[Value], named: &[(String, Value)]) -> Option<Value> {
    let (mut out, mut rest, mut next) = (String::new(), format, 0_usize);
    while let Some(open) = rest.find(['{', '}']) {
        out.push_str(rest.get(..open)?);
        let tail = rest.get(open..)?;
        if let Some(after) = tail.strip_prefix("{{") {
            out.push('{');
            rest = after;
        } else if let Some(after) = tail.strip_prefix("}}") {
            out.push('}');
            rest = after;
        } else {
            let end = tail.find('}')?;
            let field = tail.get(1..end)?;
            let (name, spec) = field.split_once(':').unwrap_or((field, ""));
            let value = if name.is_empty() {
                next += 1;
                plain.get(next - 1)?
            } else if let Ok(index) = name.parse::<usize>() {
                plain.get(index)?
            } else {
                &named.iter().find(|(key, _)| key == name)?.1
            };
            match (spec, value) {
                ("c", Value::Int(code)) => out.push(char::from_u32(u32::try_from(*code).ok()?)?),
                _ => out.push_str(&value.written()?),
            }
            rest = tail.get(end + 1..)?;
        }
    }
    out.push_str(rest);
    text(out)
}

/// `of[key]`
pub(crate) fn item(of: &Value, key: &Value) -> Option<Value> {
    match (of, key) {
        (Value::Dict(entries), key) => entries.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.clone()),
        (of, Value::Int(index)) => {
            let items = of.items()?;
            let index = if *index < 0 { index.checked_add(i64::try_from(items.len()).ok()?)? } else { *index };
            items.get(usize::try_from(index).ok()?).cloned()
        }
        _ => None,
    }
}

/// `of[from:to:step]`
pub(crate) fn slice(of: &Value, bounds: [Option<i64>; 3]) -> Option<Value> {
    let items = of.items()?;
    let length = i64::try_from(items.len()).ok()?;
    let [from, to, step] = bounds;
    let step = step.unwrap_or(1);
    if step == 0 {
        return None;
    }
    let place = |bound: i64| if bound < 0 { (bound.saturating_add(length)).max(-1) } else { bound.min(length) };
    let (mut at, end) = if step > 0 {
        (from.map_or(0, |b| place(b).max(0)), to.map_or(length, |b| place(b).max(0)))
    } else {
        (from.map_or(length - 1, |b| place(b).min(length - 1)), to.map_or(-1, place))
    };
    let mut out = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        out.extend(usize::try_from(at).ok().and_then(|at| items.get(at).cloned()));
        at = at.checked_add(step)?;
    }
    joined_like(of, out)
}

/// Text stays text.
fn joined_like(of: &Value, items: Vec<Value>) -> Option<Value> {
    match of {
        Value::Text(_) => text(items.iter().filter_map(Value::text).collect()),
        _ => list(items),
    }
}

/// What a filter or a method of the same meaning makes. `None`: not known.
pub(crate) fn apply(name: &str, of: &Value, args: &[Value]) -> Option<Value> {
    let first = args.first();
    match (name, of) {
        ("lower", Value::Text(t)) => text(t.to_lowercase()),
        ("upper", Value::Text(t)) => text(t.to_uppercase()),
        ("swapcase", Value::Text(t)) => text(
            t.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect(),
        ),
        ("trim" | "strip", Value::Text(t)) => text(match first.and_then(Value::text) {
            Some(set) => t.trim_matches(|c| set.contains(c)).to_owned(),
            None => t.trim().to_owned(),
        }),
        ("lstrip", Value::Text(t)) => text(match first.and_then(Value::text) {
            Some(set) => t.trim_start_matches(|c| set.contains(c)).to_owned(),
            None => t.trim_start().to_owned(),
        }),
        ("rstrip", Value::Text(t)) => text(match first.and_then(Value::text) {
            Some(set) => t.trim_end_matches(|c| set.contains(c)).to_owned(),
            None => t.trim_end().to_owned(),
        }),
        ("removeprefix", Value::Text(t)) => {
            let prefix = first?.text()?;
            text(t.strip_prefix(prefix).unwrap_or(t).to_owned())
        }
        ("removesuffix", Value::Text(t)) => {
            let suffix = first?.text()?;
            text(t.strip_suffix(suffix).unwrap_or(t).to_owned())
        }
        ("replace", Value::Text(t)) => {
            let (from, to) = (first?.text()?, args.get(1)?.text()?);
            let grown = t.matches(from).count().checked_mul(to.len())?;
            if grown > LONGEST { None } else { text(t.replace(from, to)) }
        }
        ("split", Value::Text(t)) => {
            let parts: Vec<Value> = match first.and_then(Value::text) {
                Some("") => return None,
                Some(by) => t.split(by).map(|p| Value::Text(p.to_owned())).collect(),
                None => t.split_whitespace().map(|p| Value::Text(p.to_owned())).collect(),
            };
            list(parts)
        }
        ("string" | "e" | "escape" | "safe" | "forceescape", of) => text(of.written()?),
        ("int", Value::Text(t)) => t.trim().parse().ok().map(Value::Int),
        ("int", Value::Int(i)) => Some(Value::Int(*i)),
        ("int", Value::Bool(b)) => Some(Value::Int(i64::from(*b))),
        ("list", of) => list(of.items()?),
        ("first" | "random", of) => of.items()?.first().cloned(),
        ("last", of) => of.items()?.last().cloned(),
        ("length" | "count", of) if args.is_empty() => i64::try_from(of.items()?.len()).ok().map(Value::Int),
        ("reverse", of) => {
            let mut items = of.items()?;
            items.reverse();
            joined_like(of, items)
        }
        ("join", Value::Text(by)) if first.is_some_and(|v| matches!(v, Value::List(_))) => join(first?, by),
        ("join", of) => join(of, first.and_then(Value::text).unwrap_or_default()),
        ("default" | "d" | "sort" | "unique", of) => Some(of.clone()),
        ("format", Value::Text(t)) => percent(t, args),
        ("keys", Value::Dict(entries)) => list(entries.iter().map(|(key, _)| key.clone()).collect()),
        ("values", Value::Dict(entries)) => list(entries.iter().map(|(_, value)| value.clone()).collect()),
        ("get", of @ Value::Dict(_)) => item(of, first?).or_else(|| args.get(1).cloned()),
        _ => None,
    }
}

fn join(of: &Value, by: &str) -> Option<Value> {
    let parts: Option<Vec<String>> = of.items()?.iter().map(Value::written).collect();
    text(parts?.join(by))
}
