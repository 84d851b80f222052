//! Writing a condition as text for Casbin, which knows only true and false.
//!
//! Unknown is told apart by asking twice: what is certainly so, and what is certainly not so. A permission matches when
//! its condition certainly holds, everything else unless it certainly does not: a missing fact never helps. Never reads
//! a rule's own text: names and literals are written from what was understood, so nothing of a row is ever run.

use super::{
    Sense,
    expr::{Expr, Literal, Op},
};
use crate::domain::facts::Field;

pub(super) fn compile(expr: &Expr, sense: Sense) -> String {
    match sense {
        Sense::OnlyIfCertain => certainly(expr, true),
        Sense::UnlessCertainlyNot => format!("!{}", certainly(expr, false)),
    }
}

/// The field's key in what Casbin is asked. Prefixed: some words of ours are words of its language too.
pub(super) fn key(field: Field) -> String {
    format!("f_{}", field.word())
}

/// That the condition certainly has this outcome. Always one operand: in brackets, or a single word.
fn certainly(expr: &Expr, outcome: bool) -> String {
    match expr {
        Expr::Constant(constant) => (*constant == outcome).to_string(),
        Expr::Not(part) => certainly(part, !outcome),
        Expr::And(parts) => join(parts, outcome, if outcome { " && " } else { " || " }),
        Expr::Or(parts) => join(parts, outcome, if outcome { " || " } else { " && " }),
        Expr::Truth(field) => known(*field, outcome, &format!("{} == true", place(*field))),
        Expr::Compare(field, op, literal) => known(*field, outcome, &comparison(*field, *op, literal)),
        Expr::OneOf(field, literals) => {
            let each: Vec<_> = literals.iter().map(|literal| comparison(*field, Op::Equal, literal)).collect();
            known(*field, outcome, &each.join(" || "))
        }
        Expr::Holds(field, word) => known(*field, outcome, &format!("\"{word}\" in {}", place(*field))),
        Expr::Missing(field) => format!("({} {} ())", place(*field), if outcome { "==" } else { "!=" }),
        Expr::Answered(rule) => lifted("answered", rule, outcome),
        Expr::Waived(rule) => lifted("waived", rule, outcome),
    }
}

fn join(parts: &[Expr], outcome: bool, sign: &str) -> String {
    let parts: Vec<_> = parts.iter().map(|part| certainly(part, outcome)).collect();
    format!("({})", parts.join(sign))
}

fn known(field: Field, outcome: bool, holds: &str) -> String {
    let not = if outcome { "" } else { "!" };
    format!("({} != () && {not}({holds}))", place(field))
}

fn comparison(field: Field, op: Op, literal: &Literal) -> String {
    let literal = match literal {
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Word(value) => format!("\"{value}\""),
    };
    format!("{} {} {literal}", place(field), op.sign())
}

fn lifted(how: &str, rule: &str, outcome: bool) -> String {
    format!("({}(\"{rule}\" in r_m.{how}))", if outcome { "" } else { "!" })
}

fn place(field: Field) -> String {
    format!("r_{}.{}", field.group().letter(), key(field))
}
