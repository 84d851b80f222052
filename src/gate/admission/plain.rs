//! The same rows, evaluated a second time without Casbin.
//!
//! Walks the condition as it was understood, with true, false and unknown as three answers; it shares nothing with what
//! `compile` writes, so that a fault in one does not hide in both.

use super::{
    Asked, Sense,
    expr::{Expr, Literal, Op},
    rows::{Kind, Row},
    view::View,
};
use crate::domain::facts::{Field, Value};

/// Whether some row allows and none denies, and the ids of all that match; rows of `without` are not heard.
pub(super) fn decide(rows: &[Row], asked: Asked, view: &View, without: Option<&str>) -> (bool, Vec<String>) {
    let (mut allows, mut against, mut matched) = (0, 0, Vec::new());
    for row in rows {
        if without == Some(row.id.as_str()) || !row.is_for(asked, view) || !holds(&row.when, row.kind.sense(), view) {
            continue;
        }
        matched.push(row.key());
        *(if row.kind == Kind::Allow { &mut allows } else { &mut against }) += 1;
    }
    (allows > 0 && against == 0, matched)
}

pub(super) fn holds(expr: &Expr, sense: Sense, view: &View) -> bool {
    answer(expr, view).unwrap_or(sense == Sense::UnlessCertainlyNot)
}

/// True, false, or unknown.
pub(super) fn answer(expr: &Expr, view: &View) -> Option<bool> {
    match expr {
        Expr::Constant(constant) => Some(*constant),
        Expr::Not(part) => answer(part, view).map(|so| !so),
        Expr::And(parts) => all(parts.iter().map(|part| answer(part, view))),
        Expr::Or(parts) => all(parts.iter().map(|part| answer(part, view).map(|so| !so))).map(|none| !none),
        Expr::Truth(field) => of(*field, view, |value| value == &Value::Bool(true)),
        Expr::Compare(field, op, literal) => of(*field, view, |value| compares(value, *op, literal)),
        Expr::OneOf(field, literals) => of(*field, view, |value| literals.iter().any(|literal| literal.is(value))),
        Expr::Holds(field, word) => {
            of(*field, view, |value| matches!(value, Value::Words(words) if words.contains(word)))
        }
        Expr::Missing(field) => Some(view.value(*field).is_none()),
        Expr::Answered(rule) => Some(view.answered.contains(rule)),
        Expr::Waived(rule) => Some(view.waived.contains(rule)),
    }
}

fn of(field: Field, view: &View, so: impl Fn(&Value) -> bool) -> Option<bool> {
    view.value(field).as_ref().map(so)
}

/// One false settles it; else one unknown leaves it unknown.
fn all(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut whole = Some(true);
    for answer in answers {
        match answer {
            Some(false) => return Some(false),
            None => whole = None,
            Some(true) => {}
        }
    }
    whole
}

fn compares(value: &Value, op: Op, literal: &Literal) -> bool {
    match (op, value, literal) {
        (Op::Equal, ..) => literal.is(value),
        (Op::Unequal, ..) => !literal.is(value),
        (_, Value::Int(value), Literal::Int(literal)) => {
            let order = value.cmp(&i64::from(*literal));
            match op {
                Op::Less => order.is_lt(),
                Op::AtMost => order.is_le(),
                Op::More => order.is_gt(),
                _ => order.is_ge(),
            }
        }
        _ => false,
    }
}
