//! What a template consists of: expressions and statements, each kind in one list, so that nothing walks by recursion.

use std::ops::Range;

use super::values::Value;

/// The place of an expression in [`Template::exprs`]. What an expression is made of always comes before it.
pub(crate) type Id = usize;

/// A template that was read.
#[derive(Debug, Default)]
pub(crate) struct Template {
    pub(crate) exprs: Vec<Expr>,
    /// In the order of the source; blocks name what lies in them by range.
    pub(crate) statements: Vec<Statement>,
}

#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    pub(crate) kind: ExprKind,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Const(Value),
    Name(String),
    /// `of.name`
    Attribute(Id, String),
    /// `of[key]`
    Item(Id, Id),
    /// `of[from:to:step]`
    Slice(Id, [Option<Id>; 3]),
    Call(Id, Args),
    /// A filter block has no subject.
    Filter(Option<Id>, String, Args),
    Test(Id, String, Args),
    Binary(Op, Id, Id),
    Not(Id),
    Negative(Id),
    Choice {
        test: Id,
        then: Id,
        other: Option<Id>,
    },
    /// A list or a tuple.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
}

#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) plain: Vec<Id>,
    pub(crate) named: Vec<(String, Id)>,
}

impl Args {
    pub(crate) fn all(&self) -> impl Iterator<Item = Id> + '_ {
        self.plain.iter().copied().chain(self.named.iter().map(|(_, id)| *id))
    }

    pub(crate) fn named(&self, name: &str) -> Option<Id> {
        self.named.iter().find(|(key, _)| key == name).map(|(_, id)| *id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Equal,
    Less,
    In,
    Add,
    Subtract,
    Concat,
    Multiply,
    Divide,
    Modulo,
    Power,
}

#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) at: usize,
    pub(crate) kind: StatementKind,
}

#[derive(Debug)]
pub(crate) enum StatementKind {
    Text(String),
    Print(Id),
    /// `set a, b = value`; `ns.a` is one name.
    Set {
        names: Vec<String>,
        value: Id,
    },
    /// `set a` … `endset`
    SetBlock {
        name: String,
        body: Range<usize>,
    },
    For {
        names: Vec<String>,
        over: Id,
        only_if: Option<Id>,
        body: Range<usize>,
    },
    If {
        branches: Vec<Branch>,
    },
    Macro {
        name: String,
        parameters: Vec<(String, Option<Id>)>,
        body: Range<usize>,
    },
    /// Evaluated and thrown away, or a block whose expression is a call or a filter.
    Evaluate {
        value: Option<Id>,
        body: Range<usize>,
    },
    /// Takes another template: `include`, `import`, `from`, `extends`.
    Load(String),
    /// The end of a block, a `break`, an `else`: nothing of its own.
    Mark,
}

#[derive(Debug)]
pub(crate) struct Branch {
    /// None for `else`.
    pub(crate) test: Option<Id>,
    pub(crate) body: Range<usize>,
}

impl Template {
    pub(crate) fn kind(&self, id: Id) -> Option<&ExprKind> {
        self.exprs.get(id).map(|expr| &expr.kind)
    }

    pub(crate) fn at(&self, id: Id) -> usize {
        self.exprs.get(id).map_or(0, |expr| expr.at)
    }

    /// The name, where the expression is nothing but one.
    pub(crate) fn name(&self, id: Id) -> Option<&str> {
        match self.kind(id) {
            Some(ExprKind::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// What an expression is directly made of.
    pub(crate) fn parts(&self, id: Id) -> Vec<Id> {
        match self.kind(id) {
            None | Some(ExprKind::Const(_) | ExprKind::Name(_)) => Vec::new(),
            Some(ExprKind::Attribute(of, _) | ExprKind::Not(of) | ExprKind::Negative(of)) => vec![*of],
            Some(ExprKind::Item(a, b) | ExprKind::Binary(_, a, b)) => vec![*a, *b],
            Some(ExprKind::Slice(of, bounds)) => std::iter::once(*of).chain(bounds.iter().flatten().copied()).collect(),
            Some(ExprKind::Call(of, args) | ExprKind::Test(of, _, args)) => {
                std::iter::once(*of).chain(args.all()).collect()
            }
            Some(ExprKind::Filter(of, _, args)) => of.iter().copied().chain(args.all()).collect(),
            Some(ExprKind::Choice { test, then, other }) => [*test, *then].into_iter().chain(*other).collect(),
            Some(ExprKind::List(items)) => items.clone(),
            Some(ExprKind::Dict(entries)) => entries.iter().flat_map(|(key, value)| [*key, *value]).collect(),
        }
    }

    /// The expression and everything it is made of.
    pub(crate) fn whole(&self, id: Id) -> Vec<Id> {
        let (mut out, mut next) = (Vec::new(), 0);
        out.push(id);
        while let Some(here) = out.get(next).copied() {
            out.extend(self.parts(here));
            next += 1;
        }
        out
    }
}
