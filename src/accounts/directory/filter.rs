//! The filters of RFC 7644, section 3.4.2.2: parsed to a tree, and asked of one resource at a time.
//!
//! Never becomes SQL: what a directory sends is compared with values, in memory, and nothing else is done with it.

use serde_json::Value;

use super::path::{AttrPath, same};
use crate::domain::time::Micros;

/// What a resource must be to be listed, or an element to be meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    Present(AttrPath),
    Compare(AttrPath, Op, Value),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    /// `emails[type eq "work" and value co "@acme"]`: one element must be all of it.
    Within(AttrPath, Box<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Equal,
    Differs,
    Contains,
    Starts,
    Ends,
    Greater,
    AtLeast,
    Less,
    AtMost,
}

impl Op {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Equal,
            "ne" => Self::Differs,
            "co" => Self::Contains,
            "sw" => Self::Starts,
            "ew" => Self::Ends,
            "gt" => Self::Greater,
            "ge" => Self::AtLeast,
            "lt" => Self::Less,
            "le" => Self::AtMost,
            _ => return None,
        })
    }
}

impl Filter {
    /// Reads a filter; the error says what cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > LONGEST {
            return Err(format!("a filter has at most {LONGEST} letters"));
        }
        let mut reader = Reader { rest: text, depth: 0 };
        let filter = reader.any()?;
        reader.space();
        if reader.rest.is_empty() { Ok(filter) } else { Err(format!("`{}` is one too many", short(reader.rest))) }
    }

    /// Whether a resource, or an element of a list, is what is asked for.
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Present(path) => path.values(value).into_iter().any(is_there),
            Self::Compare(path, op, wanted) => compare(path, *op, wanted, value),
            Self::And(one, other) => one.fits(value) && other.fits(value),
            Self::Or(one, other) => one.fits(value) || other.fits(value),
            Self::Not(inner) => !inner.fits(value),
            Self::Within(path, inner) => path.values(value).into_iter().any(|element| inner.fits(element)),
        }
    }

    /// The value that an attribute must be equal to, where the filter is no more than that: then a row can be looked up.
    pub fn only(&self, attribute: &str) -> Option<&str> {
        match self {
            Self::Compare(path, Op::Equal, Value::String(text)) if path.is(attribute) => Some(text),
            _ => None,
        }
    }

    /// Whether an attribute is looked at anywhere.
    pub fn mentions(&self, attribute: &str) -> bool {
        match self {
            Self::Present(path) | Self::Compare(path, ..) | Self::Within(path, _) => same(&path.name, attribute),
            Self::And(one, other) | Self::Or(one, other) => one.mentions(attribute) || other.mentions(attribute),
            Self::Not(inner) => inner.mentions(attribute),
        }
    }

    /// The pairs that an element has which this filter was written for: `type eq "work"` and nothing but such.
    pub fn pairs(&self) -> Option<Vec<(String, Value)>> {
        match self {
            Self::Compare(path, Op::Equal, value) if path.sub.is_none() => {
                Some(vec![(path.name.clone(), value.clone())])
            }
            Self::And(one, other) => {
                let mut all = one.pairs()?;
                all.extend(other.pairs()?);
                Some(all)
            }
            _ => None,
        }
    }
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compare(path: &AttrPath, op: Op, wanted: &Value, value: &Value) -> bool {
    let found = path.values(value);
    if wanted.is_null() {
        let there = found.into_iter().any(is_there);
        return match op {
            Op::Equal => !there,
            Op::Differs => there,
            _ => false,
        };
    }
    let exact = ["id", "externalId", "$ref"].iter().any(|name| path.is(name));
    // A list of things with a value is compared by that value.
    let plain = |value: &Value| value.get("value").cloned().unwrap_or_else(|| value.clone());
    let mut one_by_one = found.into_iter().map(plain);
    match op {
        Op::Differs => !one_by_one.any(|value| holds(Op::Equal, &value, wanted, exact)),
        op => one_by_one.any(|value| holds(op, &value, wanted, exact)),
    }
}

fn holds(op: Op, value: &Value, wanted: &Value, exact: bool) -> bool {
    match (value, wanted) {
        (Value::String(value), Value::String(wanted)) => {
            if let (Some(value), Some(wanted)) = (Micros::parse(value), Micros::parse(wanted)) {
                return ordered(op, value.cmp(&wanted));
            }
            let fold = |text: &str| if exact { text.to_owned() } else { text.to_lowercase() };
            let (value, wanted) = (fold(value), fold(wanted));
            match op {
                Op::Contains => value.contains(&wanted),
                Op::Starts => value.starts_with(&wanted),
                Op::Ends => value.ends_with(&wanted),
                op => ordered(op, value.cmp(&wanted)),
            }
        }
        // One directory writes truth as text.
        (Value::Bool(value), Value::String(wanted)) => {
            op == Op::Equal && wanted.eq_ignore_ascii_case(if *value { "true" } else { "false" })
        }
        (Value::Bool(value), Value::Bool(wanted)) => op == Op::Equal && value == wanted,
        (Value::Number(value), Value::Number(wanted)) => {
            let order = value.as_f64().partial_cmp(&wanted.as_f64());
            order.is_some_and(|order| ordered(op, order))
        }
        _ => false,
    }
}

fn ordered(op: Op, order: std::cmp::Ordering) -> bool {
    match op {
        Op::Equal => order.is_eq(),
        Op::Differs => order.is_ne(),
        Op::Greater => order.is_gt(),
        Op::AtLeast => order.is_ge(),
        Op::Less => order.is_lt(),
        Op::AtMost => order.is_le(),
        Op::Contains | Op::Starts | Op::Ends => false,
    }
}

/// Reads from the left; `or` binds weakest, then `and`, then `not`.
pub(super) struct Reader<'t> {
    pub rest: &'t str,
    depth: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, depth: 0 }
    }

    pub(super) fn any(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("a filter has at most {DEEPEST} levels"));
        }
        let mut filter = self.all()?;
        while self.takes("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.all()?));
        }
        self.depth -= 1;
        Ok(filter)
    }

    fn all(&mut self) -> Result<Filter, String> {
        let mut filter = self.one()?;
        while self.takes("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Ok(filter)
    }

    fn one(&mut self) -> Result<Filter, String> {
        self.space();
        if self.takes_mark('(') {
            return self.grouped();
        }
        let before = self.rest;
        if self.takes("not") {
            if self.takes_mark('(') {
                return Ok(Filter::Not(Box::new(self.grouped()?)));
            }
            self.rest = before;
        }
        let path = self.path()?;
        if self.rest.starts_with('[') {
            self.takes_mark('[');
            let inner = self.any()?;
            return if self.takes_mark(']') {
                Ok(Filter::Within(path, Box::new(inner)))
            } else {
                Err("a ] is missing".to_owned())
            };
        }
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let op = Op::from_word(word).ok_or_else(|| format!("`{}` is no operator", short(word)))?;
        Ok(Filter::Compare(path, op, self.value()?))
    }

    fn grouped(&mut self) -> Result<Filter, String> {
        let inner = self.any()?;
        if self.takes_mark(')') { Ok(inner) } else { Err("a ) is missing".to_owned()) }
    }

    /// An attribute: letters, digits and what stands between the parts of its name.
    pub(super) fn path(&mut self) -> Result<AttrPath, String> {
        self.space();
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "$-_.:".contains(c)));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        AttrPath::read(name).ok_or_else(|| format!("`{}` is no attribute", short(name)))
    }

    fn value(&mut self) -> Result<Value, String> {
        self.space();
        let wrong = || "after an operator comes a value: text in quotation marks, a number, true or false".to_owned();
        if self.rest.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<Value>();
            let Some(Ok(value)) = values.next() else { return Err(wrong()) };
            self.rest = self.rest.get(values.byte_offset()..).unwrap_or_default();
            return Ok(value);
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || c == ')' || c == ']').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        // One directory writes True and False.
        let value = serde_json::from_str(&word.to_ascii_lowercase()).ok();
        value.filter(|value: &Value| !value.is_object() && !value.is_array()).ok_or_else(wrong)
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        if self.word().eq_ignore_ascii_case(wanted) {
            return true;
        }
        self.rest = before;
        false
    }

    fn takes_mark(&mut self, mark: char) -> bool {
        self.space();
        let after = self.rest.strip_prefix(mark);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn word(&mut self) -> &'t str {
        self.space();
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    pub(super) fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

const LONGEST: usize = 4000;
/// A filter of so many parentheses in each other is nobody's.
const DEEPEST: usize = 30;
