//! What is known of each expression without rendering: the values it can have, what it is pieced together from, and whether
//! it holds what somebody wrote in the conversation.
//!
//! Assignments are followed without regard to their order: a name has every value that any statement gives it.

mod expression;

use std::collections::HashMap;

use super::{
    tree::{ExprKind, Id, Op, StatementKind, Template},
    values::{self, Value},
};

/// What is known of one expression or one name.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any of them can meet any other")]
pub(crate) struct Known {
    /// Every value it can have, as far as they could be followed.
    pub(crate) values: Vec<Value>,
    /// It is pieced together at rendering, not only looked up.
    pub(crate) built: bool,
    /// The constants from which it is pieced together.
    pub(crate) bits: Vec<String>,
    /// It holds words of the conversation.
    pub(crate) spoken: bool,
    /// It is today's date, or made from it.
    pub(crate) dated: bool,
    /// It counts messages, rounds or letters of the conversation.
    pub(crate) counted: bool,
    /// It is a piece of something, cut out at a fixed place.
    pub(crate) piece: bool,
    /// It tells whether certain words were said; these.
    pub(crate) trigger: Option<String>,
}

/// Possible values followed for each expression.
const VALUES: usize = 6;
const BITS: usize = 32;
/// How often assignments are followed through assignments.
const ROUNDS: usize = 4;

/// All that is known of a template.
pub(crate) struct Knowledge {
    pub(crate) exprs: Vec<Known>,
    pub(crate) names: HashMap<String, Known>,
}

impl Knowledge {
    pub(crate) fn of(template: &Template) -> Self {
        let mut knowledge = Self { exprs: Vec::new(), names: HashMap::new() };
        for _ in 0..ROUNDS {
            knowledge.exprs.clear();
            for expr in &template.exprs {
                let known = knowledge.expression(template, &expr.kind);
                knowledge.exprs.push(known);
            }
            knowledge.assignments(template);
        }
        knowledge
    }

    pub(crate) fn get(&self, id: Id) -> &Known {
        static NOTHING: Known = Known {
            values: Vec::new(),
            built: false,
            bits: Vec::new(),
            spoken: false,
            dated: false,
            counted: false,
            piece: false,
            trigger: None,
        };
        self.exprs.get(id).unwrap_or(&NOTHING)
    }

    /// The texts that an expression can have.
    pub(crate) fn texts(&self, id: Id) -> impl Iterator<Item = &str> {
        self.get(id).values.iter().filter_map(Value::text)
    }

    fn assign(&mut self, name: &str, known: Known) {
        let into = self.names.entry(name.to_owned()).or_default();
        for value in known.values {
            if into.values.len() < VALUES && !into.values.contains(&value) {
                into.values.push(value);
            }
        }
        merge(into, &Known { values: Vec::new(), ..known });
    }

    fn assignments(&mut self, template: &Template) {
        let asked = self.asked(template);
        for (place, statement) in template.statements.iter().enumerate() {
            match &statement.kind {
                StatementKind::Set { names, value } => {
                    self.set(template, names, *value);
                    // A constant that is set behind a question is its answer.
                    if let (Some(trigger), Some(ExprKind::Const(_))) = (asked.get(&place), template.kind(*value)) {
                        for name in names {
                            let known = self.names.entry(name.clone()).or_default();
                            known.trigger.get_or_insert_with(|| trigger.clone());
                        }
                    }
                }
                StatementKind::SetBlock { name, body } => {
                    let mut known = Known { built: true, ..Known::default() };
                    for inner in template.statements.get(body.clone()).unwrap_or_default() {
                        match &inner.kind {
                            StatementKind::Text(text) => {
                                known.bits.extend(constant(&Value::Text(text.clone())).bits);
                            }
                            StatementKind::Print(id) => {
                                let printed = self.get(*id).clone();
                                known.bits.extend(printed.values.iter().filter_map(Value::text).map(str::to_owned));
                                merge(&mut known, &printed);
                            }
                            _ => {}
                        }
                    }
                    // A block of one text, or of constants one after the other, is a constant.
                    known.values = written_block(self, template, body.clone()).map(Value::Text).into_iter().collect();
                    self.assign(name, known);
                }
                StatementKind::For { names, over, .. } => {
                    let over = self.get(*over).clone();
                    let values: Vec<Value> = over.values.iter().flat_map(Value::each).collect();
                    for (place, name) in names.iter().enumerate() {
                        let mut known = Known { values: Vec::new(), trigger: None, ..over.clone() };
                        known.bits.extend(values.iter().filter_map(Value::text).map(str::to_owned).take(BITS));
                        known.values = if names.len() == 1 {
                            values.clone()
                        } else {
                            let place = i64::try_from(place).unwrap_or(0);
                            values.iter().filter_map(|v| values::item(v, &Value::Int(place))).collect()
                        };
                        known.values.truncate(VALUES);
                        self.assign(name, known);
                    }
                }
                StatementKind::Macro { parameters, .. } => {
                    for (name, default) in parameters {
                        if let Some(default) = default {
                            let known = self.get(*default).clone();
                            self.assign(name, known);
                        }
                    }
                }
                _ => {}
            }
        }
        self.macro_calls(template);
        self.macro_answers(template);
    }

    fn set(&mut self, template: &Template, names: &[String], value: Id) {
        if let (Some(ExprKind::List(items)), true) = (template.kind(value), names.len() > 1) {
            for (name, item) in names.iter().zip(items) {
                let known = self.get(*item).clone();
                self.assign(name, known);
            }
            return;
        }
        if let (Some(ExprKind::Call(callee, args)), [name]) = (template.kind(value), names)
            && template.name(*callee) == Some("namespace")
        {
            for (field, id) in &args.named {
                let known = self.get(*id).clone();
                self.assign(&format!("{name}.{field}"), known);
            }
            return;
        }
        for name in names {
            let mut known = self.get(value).clone();
            known.counted |= counts_up(template, value, name);
            self.assign(name, known);
        }
    }

    /// Which statements stand behind a question for certain words, and for which.
    fn asked(&self, template: &Template) -> HashMap<usize, String> {
        let mut asked = HashMap::new();
        for statement in &template.statements {
            let StatementKind::If { branches } = &statement.kind else { continue };
            let mut tests = branches.iter().filter_map(|branch| branch.test);
            let Some(trigger) = tests.find_map(|test| self.get(test).trigger.clone()) else { continue };
            for place in branches.iter().flat_map(|branch| branch.body.clone()) {
                asked.entry(place).or_insert_with(|| trigger.clone());
            }
        }
        asked
    }

    /// What a macro writes is what calling it gives, as far as that answers a question.
    fn macro_answers(&mut self, template: &Template) {
        for statement in &template.statements {
            let StatementKind::Macro { name, body, .. } = &statement.kind else { continue };
            let inside = template.statements.get(body.clone()).unwrap_or_default();
            let trigger = inside.iter().find_map(|inner| match &inner.kind {
                StatementKind::Print(value) => self.get(*value).trigger.clone(),
                StatementKind::If { branches } => {
                    branches.iter().filter_map(|branch| branch.test).find_map(|test| self.get(test).trigger.clone())
                }
                _ => None,
            });
            if trigger.is_some() {
                self.names.entry(format!("{name}()")).or_default().trigger = trigger;
            }
        }
    }

    /// What a macro is called with is what its parameters hold.
    fn macro_calls(&mut self, template: &Template) {
        let macros: HashMap<&str, &Vec<(String, Option<Id>)>> = template
            .statements
            .iter()
            .filter_map(|s| match &s.kind {
                StatementKind::Macro { name, parameters, .. } => Some((name.as_str(), parameters)),
                _ => None,
            })
            .collect();
        if macros.is_empty() {
            return;
        }
        for expr in &template.exprs {
            let ExprKind::Call(callee, args) = &expr.kind else { continue };
            let Some(parameters) = template.name(*callee).and_then(|name| macros.get(name)) else { continue };
            for ((name, _), given) in parameters.iter().zip(&args.plain) {
                let known = self.get(*given).clone();
                self.assign(name, known);
            }
            for (name, given) in &args.named {
                let known = self.get(*given).clone();
                self.assign(name, known);
            }
        }
    }
}

/// `set n = n + 1`
fn counts_up(template: &Template, value: Id, name: &str) -> bool {
    let Some(ExprKind::Binary(Op::Add, a, b)) = template.kind(value) else { return false };
    let own = |id: Id| match template.kind(id) {
        Some(ExprKind::Name(own)) => own == name,
        Some(ExprKind::Attribute(of, field)) => template.name(*of).is_some_and(|of| name == format!("{of}.{field}")),
        _ => false,
    };
    let one = |id: Id| matches!(template.kind(id), Some(ExprKind::Const(Value::Int(_))));
    own(*a) && one(*b) || own(*b) && one(*a)
}

/// A long text is not followed, only that it is one from which a name can be cut.
fn constant(value: &Value) -> Known {
    let text = value.text().unwrap_or_default();
    if text.len() > values::LONGEST {
        let bits = if text.contains('_') { vec!["_".to_owned()] } else { Vec::new() };
        return Known { bits, ..Known::default() };
    }
    let bits = value.text().map(|text| text.chars().take(200).collect()).into_iter().collect();
    Known { values: vec![value.clone()], bits, ..Known::default() }
}

fn merge(into: &mut Known, from: &Known) {
    into.built |= from.built;
    into.spoken |= from.spoken;
    into.dated |= from.dated;
    into.counted |= from.counted;
    if into.trigger.is_none() {
        into.trigger.clone_from(&from.trigger);
    }
    for bit in &from.bits {
        if into.bits.len() < BITS && !into.bits.contains(bit) {
            into.bits.push(bit.clone());
        }
    }
}

fn written_block(knowledge: &Knowledge, template: &Template, body: std::ops::Range<usize>) -> Option<String> {
    let mut out = String::new();
    for statement in template.statements.get(body)? {
        match &statement.kind {
            StatementKind::Text(text) => out.push_str(text),
            StatementKind::Print(id) => out.push_str(knowledge.texts(*id).next()?),
            StatementKind::Mark => {}
            _ => return None,
        }
    }
    (out.len() <= values::LONGEST).then_some(out)
}
