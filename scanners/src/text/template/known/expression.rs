//! What is known of one expression, from what is known of its parts and of the names in it.
//!
//! Only looks things up: what statements make of names is `known` itself.

use super::{Knowledge, Known, VALUES, constant, merge};
use crate::text::template::{
    tree::{Args, ExprKind, Id, Op, Template},
    values::{self, Value},
    words,
};

impl Knowledge {
    pub(super) fn expression(&self, template: &Template, kind: &ExprKind) -> Known {
        match kind {
            ExprKind::Const(value) => constant(value),
            ExprKind::Name(name) => {
                let mut known = self.names.get(name).cloned().unwrap_or_default();
                known.spoken |= matches!(name.as_str(), "content" | "prompt" | "query" | "user_message");
                known
            }
            ExprKind::Attribute(of, name) => {
                let mut known = self.member(template, *of, name);
                known.counted |= template.name(*of) == Some("loop")
                    && matches!(name.as_str(), "index" | "index0" | "revindex" | "revindex0" | "length");
                known
            }
            ExprKind::Item(of, key) => self.item(template, *of, *key),
            ExprKind::Slice(of, bounds) => {
                let numbers = bounds.map(|id| id.and_then(|id| self.get(id).values.first().cloned()));
                let mut known = self.like(*of);
                if bounds.iter().zip(&numbers).all(|(id, value)| id.is_none() || matches!(value, Some(Value::Int(_)))) {
                    let numbers = numbers.map(|value| match value {
                        Some(Value::Int(number)) => Some(number),
                        _ => None,
                    });
                    known.values = self.get(*of).values.iter().filter_map(|v| values::slice(v, numbers)).collect();
                }
                known.built |= known.values.is_empty();
                known.piece = true;
                known
            }
            ExprKind::Call(callee, args) => self.call(template, *callee, args),
            ExprKind::Filter(of, name, args) => self.filter(template, *of, name, args),
            ExprKind::Test(of, name, args) => {
                let mut known = self.compared(*of, args.all().next());
                if matches!(name.as_str(), "odd" | "even" | "divisibleby") && self.get(*of).counted {
                    known.trigger.get_or_insert("a count".to_owned());
                }
                known
            }
            ExprKind::Binary(op, a, b) => self.binary(*op, *a, *b),
            ExprKind::Not(of) => Known { trigger: self.get(*of).trigger.clone(), ..Known::default() },
            ExprKind::Negative(of) => {
                let values = self.get(*of).values.iter();
                let negative = values.filter_map(|v| values::subtract(&Value::Int(0), v)).collect();
                Known { values: negative, ..Known::default() }
            }
            ExprKind::Choice { test, then, other } => {
                let mut known = self.get(*then).clone();
                if let Some(other) = other {
                    let other = self.get(*other);
                    known.values.extend(other.values.iter().cloned());
                    known.values.truncate(VALUES);
                    merge(&mut known, other);
                }
                known.trigger = self.get(*test).trigger.clone().or(known.trigger);
                known
            }
            ExprKind::List(items) => {
                let mut known = self.together(items.iter().copied());
                if items.len() <= 200 {
                    known.values = self.choices(items).into_iter().map(Value::List).collect();
                }
                known
            }
            ExprKind::Dict(entries) => {
                let mut known = self.together(entries.iter().flat_map(|(key, value)| [*key, *value]));
                let first = |id: Id| self.get(id).values.first().cloned();
                let each: Option<Vec<(Value, Value)>> =
                    entries.iter().map(|(key, value)| Some((first(*key)?, first(*value)?))).collect();
                known.values = each.filter(|all| all.len() <= 200).map(Value::Dict).into_iter().collect();
                known
            }
        }
    }

    /// What several expressions can be together: the first value of each, and every other value of one of them.
    fn choices(&self, ids: &[Id]) -> Vec<Vec<Value>> {
        let first: Option<Vec<Value>> = ids.iter().map(|id| self.get(*id).values.first().cloned()).collect();
        let Some(first) = first else { return Vec::new() };
        let mut all = vec![first.clone()];
        for (place, id) in ids.iter().enumerate() {
            for other in self.get(*id).values.iter().skip(1) {
                if all.len() >= VALUES {
                    return all;
                }
                let mut choice = first.clone();
                if let Some(value) = choice.get_mut(place) {
                    *value = other.clone();
                }
                all.push(choice);
            }
        }
        all
    }

    /// The same origin, without its values.
    fn like(&self, id: Id) -> Known {
        Known { values: Vec::new(), ..self.get(id).clone() }
    }

    fn together(&self, ids: impl Iterator<Item = Id>) -> Known {
        let mut known = Known::default();
        for id in ids {
            merge(&mut known, self.get(id));
        }
        known
    }

    fn member(&self, template: &Template, of: Id, name: &str) -> Known {
        let mut known =
            template.name(of).and_then(|base| self.names.get(&format!("{base}.{name}"))).cloned().unwrap_or_default();
        let key = Value::Text(name.to_owned());
        known.values.extend(self.get(of).values.iter().filter_map(|v| values::item(v, &key)));
        known.values.truncate(VALUES);
        known.spoken |= holds_words(name);
        known
    }

    fn item(&self, template: &Template, of: Id, key: Id) -> Known {
        let (whole, keys) = (self.get(of), self.get(key));
        if let [Value::Text(name)] = &keys.values[..] {
            return self.member(template, of, name);
        }
        let mut known = Known { values: Vec::new(), ..whole.clone() };
        for value in &whole.values {
            known.values.extend(keys.values.iter().filter_map(|key| values::item(value, key)));
        }
        known.values.truncate(VALUES);
        known.piece = matches!(keys.values[..], [Value::Int(_)]);
        known.trigger = whole.trigger.clone().or_else(|| keys.trigger.clone()).or_else(|| self.looked_up(of, key));
        known
    }

    fn call(&self, template: &Template, callee: Id, args: &Args) -> Known {
        let Some(ExprKind::Attribute(of, method)) = template.kind(callee) else {
            let name = template.name(callee).unwrap_or_default();
            let mut known = if name == "dict" || name == "namespace" || name == "range" {
                Known::default()
            } else {
                self.together(args.all())
            };
            known.dated |= name.starts_with("strftime") || name == "now";
            known.counted |= name == "len" && args.plain.first().is_some_and(|id| self.can_be_counted(template, *id));
            known.trigger = self.names.get(&format!("{name}()")).and_then(|called| called.trigger.clone());
            if name == "dict" {
                let entries: Option<Vec<(Value, Value)>> = args
                    .named
                    .iter()
                    .map(|(key, id)| Some((Value::Text(key.clone()), self.get(*id).values.first()?.clone())))
                    .collect();
                known.values = entries.map(Value::Dict).into_iter().collect();
            }
            return known;
        };
        let mut known = self.like(*of);
        merge(&mut known, &self.together(args.all()));
        known.built = true;
        let choices = self.choices(&args.plain);
        let pairs = self.get(*of).values.iter().flat_map(|value| choices.iter().map(move |plain| (value, plain)));
        for (value, plain) in pairs.take(VALUES * 2) {
            known.values.extend(match (method.as_str(), value) {
                ("format", Value::Text(format)) => {
                    let first = |id: &Id| self.get(*id).values.first().cloned();
                    let named: Option<Vec<(String, Value)>> =
                        args.named.iter().map(|(key, id)| Some((key.clone(), first(id)?))).collect();
                    named.and_then(|named| values::braces(format, plain, &named))
                }
                (method, value) => values::apply(method, value, plain),
            });
        }
        known.values.truncate(VALUES);
        if method == "get" {
            known.trigger = known.trigger.or_else(|| args.plain.first().and_then(|key| self.looked_up(*of, *key)));
        }
        known.counted |= self.get(*of).spoken && matches!(method.as_str(), "count" | "find" | "rfind" | "index");
        if method == "get"
            && known.values.is_empty()
            && let Some(name) = args.plain.first().and_then(|id| self.texts(*id).next())
        {
            known = self.member(template, *of, name);
        }
        let asks = matches!(
            method.as_str(),
            "startswith"
                | "endswith"
                | "find"
                | "rfind"
                | "index"
                | "count"
                | "split"
                | "rsplit"
                | "replace"
                | "partition"
                | "rpartition"
                | "match"
                | "search"
        );
        if asks {
            known.trigger = self.compared(*of, args.plain.first().copied()).trigger.or(known.trigger);
        }
        known
    }

    fn filter(&self, template: &Template, of: Option<Id>, name: &str, args: &Args) -> Known {
        let mut known = self.together(of.into_iter().chain(args.all()));
        known.built = true;
        let counts = matches!(name, "length" | "count" | "wordcount" | "int" | "float");
        known.counted |= counts && of.is_some_and(|of| self.can_be_counted(template, of));
        known.piece = matches!(name, "first" | "last");
        // The whole conversation as one text.
        known.spoken |= matches!(name, "tojson" | "string" | "pprint")
            && of.and_then(|of| template.name(of)).is_some_and(|name| name.ends_with("messages"));
        if let Some(of) = of {
            let choices = self.choices(&args.plain);
            let pairs = self.get(of).values.iter().flat_map(|value| choices.iter().map(move |plain| (value, plain)));
            known.values = pairs.filter_map(|(value, plain)| values::apply(name, value, plain)).take(VALUES).collect();
        }
        if matches!(name, "map" | "selectattr" | "rejectattr") {
            let named = args.all().flat_map(|id| self.texts(id).map(str::to_owned).collect::<Vec<_>>());
            known.spoken |= named.into_iter().any(|name| holds_words(&name));
        }
        if let Some(of) = of {
            // `selectattr('content', 'in', words)` asks for words, `selectattr('type', 'equalto', 'text')` does not.
            let (spoken, from) = match name {
                "selectattr" | "rejectattr" => {
                    (args.plain.first().is_some_and(|id| self.texts(*id).any(holds_words)), 2)
                }
                "select" | "reject" => {
                    let by = args.plain.iter().skip(1).find(|id| self.get(**id).spoken);
                    known.trigger = by.and_then(|_| self.compared_known(true, of)).or(known.trigger);
                    (self.get(of).spoken, 1)
                }
                "replace" | "split" | "regex_search" | "regex_match" | "regex_replace" | "startswith" | "endswith"
                | "starts_with" | "ends_with" | "contains" => (self.get(of).spoken, 0),
                _ => (false, 0),
            };
            let mut asked = args.plain.iter().skip(from).filter_map(|id| self.compared_known(spoken, *id));
            known.trigger = asked.next().or(known.trigger);
        }
        known
    }

    fn binary(&self, op: Op, a: Id, b: Id) -> Known {
        match op {
            Op::Equal | Op::Less | Op::In => self.compared(a, Some(b)),
            Op::And | Op::Or => self.together([a, b].into_iter()),
            _ => {
                let mut known = self.together([a, b].into_iter());
                known.built = true;
                // Every seventh message: what is left of a division is asked for whatever it is compared with.
                let rest = op == Op::Modulo && self.get(a).counted;
                if let Some(by) = self.get(b).values.iter().find_map(large).filter(|_| rest) {
                    known.trigger.get_or_insert(format!("a count, {by} by {by}"));
                }
                for x in &self.get(a).values {
                    known.values.extend(self.get(b).values.iter().filter_map(|y| match op {
                        Op::Concat => values::concat(x, y),
                        Op::Add => values::add(x, y),
                        Op::Subtract => values::subtract(x, y),
                        Op::Multiply => values::multiply(x, y),
                        Op::Power => values::power(x, y),
                        Op::Modulo => match (x, y) {
                            (Value::Text(format), Value::List(items)) => values::percent(format, items),
                            (Value::Text(format), one) => values::percent(format, std::slice::from_ref(one)),
                            _ => None,
                        },
                        _ => None,
                    }));
                }
                known.values.truncate(VALUES);
                known
            }
        }
    }

    /// Two things held against each other: whether that asks for certain words of the conversation, or for a date.
    fn compared(&self, a: Id, b: Option<Id>) -> Known {
        let trigger = b.and_then(|b| {
            let (x, y) = (self.get(a), self.get(b));
            let date = |one: &Known, other: &Known| one.dated && !other.values.is_empty() && !other.dated;
            if date(x, y) || date(y, x) {
                return Some("a date".to_owned());
            }
            let count = |one: &Known, other: &Known| {
                let number = other.values.iter().find_map(large).filter(|_| one.counted && !other.counted)?;
                Some(format!("a count of {number}"))
            };
            let letter = |one: &Known, other: &Known| {
                let text =
                    other.values.iter().filter_map(Value::text).find(|text| text.chars().any(char::is_alphabetic));
                text.filter(|text| one.spoken && one.piece && text.chars().count() < 3).map(str::to_owned)
            };
            self.compared_known(x.spoken, b)
                .or_else(|| self.compared_known(y.spoken, a))
                .or_else(|| count(x, y).or_else(|| count(y, x)))
                .or_else(|| letter(x, y).or_else(|| letter(y, x)))
        });
        let inner = self.get(a).trigger.clone().or_else(|| b.and_then(|b| self.get(b).trigger.clone()));
        Known { trigger: trigger.or(inner), ..Known::default() }
    }

    /// A table whose key is what somebody said answers to certain words.
    fn looked_up(&self, table: Id, key: Id) -> Option<String> {
        if !self.get(key).spoken {
            return None;
        }
        let table = self.get(table);
        let keys = table.values.iter().filter_map(|value| match value {
            Value::Dict(entries) => Some(entries),
            _ => None,
        });
        let mut texts = keys.flatten().filter_map(|(key, _)| key.text());
        let said = |text: &&str| words::could_be_said(text);
        // Of a table that is not followed some of its constants are known.
        let unknown = table.bits.iter().map(String::as_str).filter(|_| table.values.is_empty() && !table.spoken);
        texts.find(said).or_else(|| unknown.into_iter().find(said)).map(str::to_owned)
    }

    /// Messages, and what is said in them. A long chain is not followed to its end.
    fn can_be_counted(&self, template: &Template, id: Id) -> bool {
        let (mut todo, mut looked) = (vec![id], 0);
        while let Some(id) = todo.pop().filter(|_| looked < 64) {
            looked += 1;
            if self.get(id).spoken || template.name(id).is_some_and(|name| name.ends_with("messages")) {
                return true;
            }
            todo.extend(template.parts(id));
        }
        false
    }

    fn compared_known(&self, spoken: bool, words: Id) -> Option<String> {
        if !spoken {
            return None;
        }
        let known = self.get(words);
        let inner = known.values.iter().flat_map(|value| match value {
            Value::Text(text) => vec![text.clone()],
            other => other.each().iter().filter_map(Value::text).map(str::to_owned).collect(),
        });
        inner.into_iter().find(|text| words::could_be_said(text))
    }
}

/// A number that no ordinary template asks a conversation for; `messages|length > 1` is ordinary.
fn large(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) if *number >= 3 => Some(*number),
        Value::List(items) => items.iter().take(20).find_map(|item| match item {
            Value::Int(number) if *number >= 3 => Some(*number),
            _ => None,
        }),
        _ => None,
    }
}

/// Fields of a message that hold what somebody said.
fn holds_words(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    matches!(last, "content" | "text" | "value" | "prompt" | "query" | "instruction" | "input")
}
