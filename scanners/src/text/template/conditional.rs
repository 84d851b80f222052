//! Templates that behave until somebody says a certain thing: words of the conversation, or the date, decide whether
//! instructions are written into it.

use std::ops::Range;

use super::{
    judge::Seen,
    known::Knowledge,
    tree::{ExprKind, Id, Op, StatementKind, Template},
    values::Value,
    words,
};
use crate::rules;

pub(crate) fn judge(template: &Template, known: &Knowledge) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut see = |at: usize, trigger: &str, text: &str| {
        let text: String = text.trim().chars().take(160).collect();
        let what = format!("looks for {trigger:?} in the conversation, and then writes {text:?}");
        let what = if trigger == "a date" {
            format!("looks at the date, and then writes {text:?}")
        } else if trigger.starts_with("a count") {
            format!("looks at {trigger}, and then writes {text:?}")
        } else {
            what
        };
        if seen.len() < 20 {
            seen.push(Seen { rule: &rules::TEMPLATE_CONDITIONAL, at, what });
        }
    };
    for statement in &template.statements {
        match &statement.kind {
            StatementKind::If { branches } => {
                let Some(trigger) =
                    branches.iter().filter_map(|b| b.test).find_map(|id| known.get(id).trigger.as_deref())
                else {
                    continue;
                };
                if let Some(text) =
                    branches.iter().find_map(|branch| instruction(template, known, &branch.body, trigger))
                {
                    see(statement.at, trigger, &text);
                }
            }
            StatementKind::For { over, only_if, body, .. } => {
                let asked =
                    only_if.and_then(|id| known.get(id).trigger.as_deref()).or(known.get(*over).trigger.as_deref());
                if let Some((trigger, text)) = asked.and_then(|t| Some((t, instruction(template, known, body, t)?))) {
                    see(statement.at, trigger, &text);
                }
            }
            StatementKind::Print(value)
            | StatementKind::Set { value, .. }
            | StatementKind::Evaluate { value: Some(value), .. } => {
                if let Some((trigger, text)) = within(template, known, *value) {
                    see(statement.at, &trigger, &text);
                }
            }
            _ => {}
        }
    }
    seen.extend(replaced(template, known));
    seen.extend(addressed(template, known));
    if seen.is_empty() {
        seen.extend(orders(template, known));
    }
    seen
}

/// Orders that are written whatever is said. They stand in plain view, so that they are only told.
fn orders(template: &Template, known: &Knowledge) -> Option<Seen> {
    template.statements.iter().find_map(|statement| {
        let text = match &statement.kind {
            StatementKind::Text(text) => words::orders(text).then(|| text.clone()),
            StatementKind::Print(value) | StatementKind::Set { value, .. } => {
                texts(template, known, *value).into_iter().find(|text| words::orders(text))
            }
            _ => None,
        }?;
        let text: String = text.trim().chars().take(160).collect();
        let what = format!("writes {text:?} into every conversation, or into every one of a kind");
        Some(Seen { rule: &rules::TEMPLATE_ORDERS, at: statement.at, what })
    })
}

/// Words of the conversation that are put in the place of other words: `content|replace('safe', 'unsafe')`. Marks and
/// single letters are replaced by ordinary templates.
fn replaced(template: &Template, known: &Knowledge) -> Vec<Seen> {
    let mut seen = Vec::new();
    for expr in &template.exprs {
        let (of, args) = match &expr.kind {
            ExprKind::Filter(Some(of), name, args) if name == "replace" => (*of, args),
            ExprKind::Call(callee, args) => match template.kind(*callee) {
                Some(ExprKind::Attribute(of, name)) if name == "replace" => (*of, args),
                _ => continue,
            },
            _ => continue,
        };
        let [from, to, ..] = args.plain[..] else { continue };
        if !known.get(of).spoken {
            continue;
        }
        let pairs = known.texts(from).flat_map(|from| known.texts(to).map(move |to| (from, to)));
        for (from, to) in pairs.take(16) {
            if words::is_word(from) && words::is_word(to) && !from.eq_ignore_ascii_case(to) && seen.len() < 10 {
                let what = format!("puts {to:?} in the place of {from:?} in what somebody says");
                seen.push(Seen { rule: &rules::TEMPLATE_CONDITIONAL, at: expr.at, what });
            }
        }
    }
    seen
}

/// An address is not longer than this.
const KEPT: usize = 4000;

/// Words of the conversation that are written into an address: whoever shows or fetches it sends them away.
fn addressed(template: &Template, known: &Knowledge) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut see = |at: usize, address: &str| {
        let address: String = address.chars().take(120).collect();
        if seen.len() < 10 {
            let what = format!("writes what somebody says into an address, {address:?}");
            seen.push(Seen { rule: &rules::TEMPLATE_CONDITIONAL, at, what });
        }
    };
    // What was written last, up to where somebody's words follow it.
    let mut written = String::new();
    for statement in &template.statements {
        match &statement.kind {
            StatementKind::Text(text) => written.push_str(text),
            StatementKind::Print(value) if known.get(*value).spoken => {
                if let Some(address) = words::open_address(&written) {
                    see(statement.at, address);
                }
                written.clear();
            }
            StatementKind::Print(value) => written.push_str(known.texts(*value).next().unwrap_or_default()),
            _ => {}
        }
        if written.len() > KEPT {
            let from = (written.len() - KEPT / 2..written.len()).find(|from| written.is_char_boundary(*from));
            written.drain(..from.unwrap_or(0));
        }
    }
    for expr in &template.exprs {
        if let ExprKind::Binary(Op::Concat | Op::Add, before, after) = &expr.kind
            && known.get(*after).spoken
        {
            let mut ends = known.texts(*before).chain(known.get(*before).bits.iter().map(String::as_str));
            if let Some(address) = ends.find_map(words::open_address) {
                see(expr.at, address);
            }
        }
    }
    seen
}

/// One expression that both asks and answers: `'…' if 'x' in content`, `['', '…'][…]`, `content.replace('x', '…')`.
fn within(template: &Template, known: &Knowledge, value: Id) -> Option<(String, String)> {
    let trigger = known.get(value).trigger.clone()?;
    // A name that only holds an answer asks nothing here.
    let asks = template.whole(value);
    let here = asks.iter().any(|id| {
        matches!(
            template.kind(*id),
            Some(
                ExprKind::Binary(..)
                    | ExprKind::Test(..)
                    | ExprKind::Call(..)
                    | ExprKind::Filter(..)
                    | ExprKind::Item(..)
            )
        ) && known.get(*id).trigger.is_some()
    });
    if !here {
        return None;
    }
    let text = texts(template, known, value).into_iter().find(|text| *text != trigger && words::instructs(text))?;
    Some((trigger, text))
}

/// The first text in a body that would tell somebody something, or the pieces of one.
fn instruction(template: &Template, known: &Knowledge, body: &Range<usize>, trigger: &str) -> Option<String> {
    let mut pieces = String::new();
    for statement in template.statements.get(body.clone())? {
        let found = match &statement.kind {
            StatementKind::Text(text) => {
                pieces.push_str(text);
                words::instructs(text).then(|| text.clone())
            }
            StatementKind::Print(value)
            | StatementKind::Set { value, .. }
            | StatementKind::Evaluate { value: Some(value), .. } => {
                let texts = texts(template, known, *value);
                if matches!(statement.kind, StatementKind::Print(_)) && pieces.len() < KEPT {
                    texts.iter().take(1).for_each(|text| pieces.extend([text.as_str(), " "]));
                }
                texts.into_iter().find(|text| text != trigger && words::instructs(text))
            }
            // Words one by one.
            StatementKind::For { over, .. } if words::instructs(&texts(template, known, *over).join(" ")) => {
                Some(texts(template, known, *over).join(" "))
            }
            // What is written behind another question belongs to that one.
            StatementKind::If { .. } | StatementKind::For { .. } => {
                pieces.clear();
                None
            }
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    words::instructs_in_pieces(&pieces).then_some(pieces)
}

/// The constants that an expression writes or stores, but not those it raises as an error or looks for.
fn texts(template: &Template, known: &Knowledge, value: Id) -> Vec<String> {
    let (mut out, mut todo) = (Vec::new(), vec![value]);
    while let Some(id) = todo.pop() {
        out.extend(known.texts(id).map(str::to_owned));
        for value in known.get(id).values.iter().take(4) {
            match value {
                Value::Dict(entries) => out.extend(entries.iter().filter_map(|(_, v)| v.text()).map(str::to_owned)),
                Value::List(items) => out.extend(items.iter().filter_map(Value::text).map(str::to_owned)),
                _ => {}
            }
        }
        if let Some(ExprKind::Const(Value::Text(text))) = template.kind(id) {
            out.push(text.clone());
        }
        match template.kind(id) {
            Some(ExprKind::Call(callee, args)) => match template.name(*callee) {
                Some(name) if name.starts_with("raise") => {}
                Some(name) => {
                    out.extend(macro_texts(template, name));
                    todo.extend(args.all());
                }
                None => {
                    todo.push(*callee);
                    todo.extend(args.all());
                }
            },
            Some(ExprKind::Test(..)) => {}
            Some(ExprKind::Choice { then, other, .. }) => todo.extend(std::iter::once(*then).chain(*other)),
            _ => todo.extend(template.parts(id)),
        }
    }
    out
}

/// The plain texts of a macro of the template's own, each by itself.
fn macro_texts(template: &Template, called: &str) -> Vec<String> {
    let body = template.statements.iter().find_map(|statement| match &statement.kind {
        StatementKind::Macro { name, body, .. } if name == called => Some(body.clone()),
        _ => None,
    });
    let inside = body.and_then(|body| template.statements.get(body)).unwrap_or_default();
    let texts = inside.iter().filter_map(|statement| match &statement.kind {
        StatementKind::Text(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}
