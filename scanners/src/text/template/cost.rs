//! How large a template's output and its values can become: statements are gone through in their order, with sizes in place of
//! values. Nothing is rendered; loops are gone through a few times, and the rest is what that growth comes to.

use std::collections::HashMap;

use super::{
    judge::Seen,
    known::Knowledge,
    sizes::{self, Size},
    tree::{ExprKind, Id, Op, StatementKind, Template},
};
use crate::rules;

/// Text of this size is made by no conversation.
const LARGE: f64 = 268_435_456.0;
/// No number of a conversation is larger.
const LARGEST_NUMBER: f64 = 1e25;
/// Rounds of all loops together.
const MANY: f64 = 10_000_000.0;
/// Rounds in which a loop is gone through.
const ROUNDS: u32 = 6;
/// Growth by more than this in every round is a doubling.
const DOUBLING: f64 = 1.7;
/// Expressions that are looked at in all.
const STEPS: usize = 300_000;
/// What a macro's parameters are taken to be, to see how often it writes them.
const PROBE: f64 = 1e6;

/// A loop that is being gone through.
struct Loop {
    start: usize,
    end: usize,
    round: u32,
    /// How often it runs; nothing where the conversation says.
    times: Option<f64>,
    /// The sizes after the last rounds, the newest last.
    before: Vec<HashMap<String, Size>>,
}

/// A part whose output goes into a name.
struct Capture {
    start: usize,
    end: usize,
    name: String,
    is_macro: bool,
}

struct Machine<'a> {
    template: &'a Template,
    known: &'a Knowledge,
    names: HashMap<String, Size>,
    macros: HashMap<String, f64>,
    loops: Vec<Loop>,
    captures: Vec<Capture>,
    sizes: Vec<Size>,
    steps: usize,
    seen: Vec<Seen>,
}

pub(crate) fn judge(template: &Template, known: &Knowledge) -> Vec<Seen> {
    let mut machine = Machine {
        template,
        known,
        names: HashMap::from([(output_of(""), Size::text(0.0))]),
        macros: HashMap::new(),
        loops: Vec::new(),
        captures: Vec::new(),
        sizes: vec![Size::unknown(); template.exprs.len()],
        steps: 0,
        seen: Vec::new(),
    };
    let mut at = 0;
    while at <= template.statements.len() && machine.seen.is_empty() {
        machine.ended(&mut at);
        if let Some(statement) = template.statements.get(at) {
            machine.statement(at, statement.at, &statement.kind);
        }
        at += 1;
    }
    machine.calls_itself();
    machine.seen
}

impl Machine<'_> {
    fn see(&mut self, at: usize, what: String) {
        if self.seen.is_empty() {
            self.seen.push(Seen { rule: &rules::TEMPLATE_BOMB, at, what });
        }
    }

    /// Closes what ends before this statement; a loop begins again or comes to its end.
    fn ended(&mut self, at: &mut usize) {
        loop {
            let capture = self.captures.last().filter(|capture| capture.end <= *at).map(|capture| capture.start);
            let open = self.loops.last().filter(|open| open.end <= *at).map(|open| open.start);
            match (capture, open) {
                (None, None) => return,
                // What began later ends first.
                (Some(begun), open) if open.is_none_or(|start| begun > start) => self.captured(),
                (_, Some(start)) if self.again() => *at = start,
                _ => {}
            }
        }
    }

    fn captured(&mut self) {
        let Some(capture) = self.captures.pop() else { return };
        let out = self.names.remove(&output_of(&capture.name)).unwrap_or_default().letters;
        if capture.is_macro {
            self.macros.insert(capture.name, out);
        } else {
            self.set(0, &capture.name, Size::text(out));
        }
    }

    fn statement(&mut self, index: usize, at: usize, kind: &StatementKind) {
        match kind {
            StatementKind::Text(text) => self.write(at, sizes::length(text)),
            StatementKind::Print(id) => {
                let size = self.size(*id).letters;
                self.write(at, size);
            }
            StatementKind::Set { names, value } => {
                let size = self.size(*value);
                for name in names {
                    self.set(at, name, size);
                }
                if let (Some(ExprKind::Call(_, args)), [name]) = (self.template.kind(*value), &names[..]) {
                    for (field, id) in &args.named {
                        let size = self.sizes.get(*id).copied().unwrap_or_default();
                        self.set(at, &format!("{name}.{field}"), size);
                    }
                }
            }
            StatementKind::SetBlock { name, body } => {
                self.names.insert(output_of(name), Size::text(0.0));
                self.captures.push(Capture { start: index + 1, end: body.end, name: name.clone(), is_macro: false });
            }
            StatementKind::Macro { name, parameters, body } => {
                self.names.insert(output_of(name), Size::text(0.0));
                for (parameter, _) in parameters {
                    let probe = Size { letters: PROBE, ..Size::unknown() };
                    self.names.insert(parameter.clone(), probe);
                }
                self.captures.push(Capture { start: index + 1, end: body.end, name: name.clone(), is_macro: true });
            }
            StatementKind::For { names, over, body, .. } => {
                let over = self.size(*over);
                for name in names {
                    self.names.insert(name.clone(), over.each());
                }
                self.steps += self.names.len();
                let before = if self.steps < STEPS { vec![self.names.clone()] } else { Vec::new() };
                self.loops.push(Loop { start: index + 1, end: body.end, round: 0, times: over.items, before });
                let rounds = self.loops.iter().fold(1.0, |all, open| all * open.times.unwrap_or(1.0).max(1.0));
                if rounds > MANY && self.loops.len() > 1 {
                    self.see(at, format!("runs loops within loops {rounds:.0} times"));
                } else if rounds > MANY {
                    self.see(at, format!("runs a loop {rounds:.0} times"));
                }
            }
            StatementKind::If { branches } => {
                for test in branches.iter().filter_map(|branch| branch.test) {
                    self.size(test);
                }
            }
            StatementKind::Evaluate { value: Some(value), .. } => {
                self.size(*value);
            }
            _ => {}
        }
    }

    fn write(&mut self, at: usize, size: f64) {
        let into = self.captures.last().map_or_else(|| output_of(""), |capture| output_of(&capture.name));
        let all = self.names.get(&into).map_or(0.0, |out| out.letters) + size;
        self.set(at, &into, Size::text(all));
    }

    fn set(&mut self, at: usize, name: &str, size: Size) {
        self.large(at, size.letters);
        self.names.insert(name.to_owned(), size);
    }

    fn large(&mut self, at: usize, size: f64) {
        // Within a macro sizes are only a measure of how often it writes what it is given.
        if size > LARGE && !self.captures.iter().any(|capture| capture.is_macro) {
            let place = if at == 0 { self.loops.first().map_or(0, |open| open.start) } else { at };
            let shown = if size < 1e12 { format!("{size:.0}") } else { "a million million".to_owned() };
            self.see(place, format!("makes a text of {shown} characters or more"));
        }
    }

    /// Whether the innermost loop is gone through once more. At its end, sizes are what the rounds left would make of them.
    fn again(&mut self) -> bool {
        let Some(mut open) = self.loops.pop() else { return false };
        open.round += 1;
        self.steps += self.names.len();
        let rounds = open.times.map_or(ROUNDS, |times| ROUNDS.min(sizes::whole(times)));
        if open.round < rounds && self.steps < STEPS {
            open.before.push(self.names.clone());
            self.loops.push(open);
            return true;
        }
        let left = open.times.map(|times| times - f64::from(open.round));
        let at = self.template.statements.get(open.start.saturating_sub(1)).map_or(0, |statement| statement.at);
        let history = |name: &str, back: usize| {
            open.before
                .len()
                .checked_sub(back)
                .and_then(|at| open.before.get(at))
                .and_then(|names| names.get(name).copied())
        };
        let mut grown: Vec<(String, Size)> = Vec::new();
        for (name, now) in &self.names {
            if let (Some(last), Some(earlier)) = (history(name, 1), history(name, 2)) {
                let steady = open.round >= 4;
                let size = goes_on([earlier.letters, last.letters, now.letters], left, steady);
                let number = goes_on([earlier.number, last.number, now.number], left, steady);
                let items = now
                    .items
                    .map(|items| if size > now.letters { items * (size / now.letters.max(1.0)) } else { items });
                grown.push((name.clone(), Size { letters: size, number, items, ..*now }));
            }
        }
        for (name, size) in grown {
            if size.numeric && size.number > LARGEST_NUMBER {
                self.see(at, "computes a number that gets longer and longer".to_owned());
            }
            self.set(at, &name, size);
        }
        false
    }

    /// The size of an expression; what it is made of comes first.
    fn size(&mut self, id: Id) -> Size {
        if self.steps > STEPS {
            return Size::unknown();
        }
        let mut parts = self.template.whole(id);
        parts.sort_unstable();
        parts.dedup();
        self.steps += parts.len();
        for part in parts {
            let size = self.expression(part);
            if let Some(own) = self.sizes.get_mut(part) {
                *own = size;
            }
            let at = self.template.at(part);
            self.large(at, size.letters);
            if size.numeric && size.number > LARGEST_NUMBER {
                self.see(at, "computes a number that gets longer and longer".to_owned());
            }
        }
        self.sizes.get(id).copied().unwrap_or_default()
    }

    fn expression(&mut self, id: Id) -> Size {
        let Some(kind) = self.template.kind(id) else { return Size::unknown() };
        let of = |id: &Id| self.sizes.get(*id).copied().unwrap_or_default();
        match kind {
            ExprKind::Const(value) => Size::of(value),
            ExprKind::Name(name) => self.names.get(name).copied().unwrap_or_default(),
            ExprKind::Attribute(base, name) => {
                let field = self.template.name(*base).map(|base| format!("{base}.{name}"));
                field.and_then(|field| self.names.get(&field).copied()).unwrap_or_else(|| of(base).part())
            }
            ExprKind::Item(base, _) => of(base).part(),
            ExprKind::Slice(base, _) => of(base),
            ExprKind::Test(..) | ExprKind::Not(_) => Size::number(1.0),
            ExprKind::Negative(inner) => of(inner),
            ExprKind::Choice { then, other, .. } => of(then).or(other.map_or(Size::text(0.0), |other| of(&other))),
            ExprKind::List(items) => Size::list(items.iter().map(of)),
            ExprKind::Dict(entries) => Size::list(entries.iter().map(|(key, value)| of(key).and(of(value)))),
            ExprKind::Binary(op, a, b) => match op {
                Op::Equal | Op::Less | Op::In => Size::number(1.0),
                Op::And | Op::Or => of(a).or(of(b)),
                Op::Modulo if !of(a).numeric => sizes::formatted(self.places(*a, '%'), of(a), of(b)),
                op => sizes::binary(*op, of(a), of(b)),
            },
            ExprKind::Filter(base, name, args) => {
                let base_size = base.as_ref().map_or(Size::unknown(), of);
                let given: Vec<Size> = args.all().map(|id| of(&id)).collect();
                let places = base.map_or(1.0, |base| self.places(base, '%'));
                let from = args.plain.first().and_then(|id| self.known.texts(*id).map(sizes::length).reduce(f64::min));
                sizes::made(name, base_size, &given, places, from)
            }
            ExprKind::Call(callee, args) => {
                let given: Vec<Size> = args.all().map(|id| of(&id)).collect();
                match self.template.kind(*callee) {
                    Some(ExprKind::Attribute(base, method)) => {
                        let (base, method) = (*base, method.clone());
                        let from =
                            args.plain.first().and_then(|id| self.known.texts(*id).map(sizes::length).reduce(f64::min));
                        let size = of(&base);
                        if matches!(method.as_str(), "append" | "extend" | "insert" | "update" | "add") {
                            self.added(base, &method, &given);
                            return Size::number(1.0);
                        }
                        let name = if method == "join" { "joined by" } else { &method };
                        sizes::made(name, size, &given, self.places(base, '{'), from)
                    }
                    Some(ExprKind::Name(name)) => self.called(name, &given),
                    _ => Size::unknown(),
                }
            }
        }
    }

    /// How many places a format has for what it is given.
    fn places(&self, id: Id, sign: char) -> f64 {
        let most = self.known.texts(id).map(|text| text.matches(sign).count()).max().unwrap_or(1);
        f64::from(u32::try_from(most).unwrap_or(u32::MAX))
    }

    /// A list that is changed in place.
    fn added(&mut self, base: Id, method: &str, given: &[Size]) {
        let name = match self.template.kind(base) {
            Some(ExprKind::Name(name)) => Some(name.clone()),
            Some(ExprKind::Attribute(of, field)) => self.template.name(*of).map(|of| format!("{of}.{field}")),
            _ => None,
        };
        let (Some(name), Some(last)) = (name, given.last()) else { return };
        let last = if method == "append" { Size { items: Some(1.0), ..*last } } else { *last };
        let own = self.names.get(&name).copied().unwrap_or_default();
        let at = self.template.at(base);
        self.set(at, &name, own.and(last));
    }

    fn called(&self, name: &str, given: &[Size]) -> Size {
        let all = given.iter().fold(0.0, |sum, size| sum + size.letters);
        if let Some(out) = self.macros.get(name) {
            // How often it writes its parameters, and what it writes besides.
            let (times, rest) = ((out / PROBE).floor(), out % PROBE);
            return Size::text(rest + times * given.iter().fold(0.0, |most, size| size.letters.max(most)));
        }
        match (name, given) {
            ("range", [to]) => Size::range(to.number),
            ("range", [from, to, ..]) => Size::range(if from.number < to.number { to.number } else { from.number }),
            ("lipsum", _) => Size::text(given.iter().fold(8.0, |all, size| all * size.number.max(1.0))),
            ("raise_exception" | "raise_error" | "raise", _) => Size::text(0.0),
            ("len" | "length" | "int" | "abs" | "min" | "max" | "round", [of, ..]) => {
                sizes::made("length", *of, &[], 1.0, None)
            }
            ("dict" | "namespace" | "list" | "str" | "string" | "zip" | "sorted" | "tuple" | "join", _)
                if all > 0.0 =>
            {
                Size { letters: all, ..given.first().copied().unwrap_or_default() }
            }
            _ => Size::unknown(),
        }
    }

    /// A macro that calls itself more than once, but not for the parts of what it was given: each level doubles the work.
    fn calls_itself(&mut self) {
        let parts: Vec<&str> = self
            .template
            .statements
            .iter()
            .flat_map(|statement| match &statement.kind {
                StatementKind::For { names, .. } => names.iter().map(String::as_str).collect(),
                _ => Vec::new(),
            })
            .collect();
        for statement in &self.template.statements {
            let StatementKind::Macro { name, body, .. } = &statement.kind else { continue };
            let count = self.own_calls(name, body.clone(), &parts, true);
            if count > 1 {
                let what =
                    format!("has a macro, `{name}`, that calls itself more than once, and not for parts of anything");
                self.seen.push(Seen { rule: &rules::TEMPLATE_BOMB, at: statement.at, what });
                return;
            }
        }
    }

    /// Calls of a macro in its own body; those in a loop count twice.
    fn own_calls(&self, name: &str, body: std::ops::Range<usize>, parts: &[&str], outer: bool) -> usize {
        let mut count = 0;
        for statement in self.template.statements.get(body).unwrap_or_default() {
            if let (StatementKind::For { body, .. }, true) = (&statement.kind, outer) {
                count += self.own_calls(name, body.clone(), parts, false);
            }
            for id in roots(&statement.kind).into_iter().flat_map(|root| self.template.whole(root)) {
                let Some(ExprKind::Call(callee, args)) = self.template.kind(id) else { continue };
                let own = self.template.name(*callee) == Some(name);
                count += usize::from(own && args.all().all(|arg| self.is_no_part(arg, parts)));
            }
        }
        count
    }

    fn is_no_part(&self, arg: Id, parts: &[&str]) -> bool {
        self.template.whole(arg).iter().all(|id| match self.template.kind(*id) {
            Some(ExprKind::Name(name)) => !parts.contains(&name.as_str()),
            Some(ExprKind::Attribute(..) | ExprKind::Item(..) | ExprKind::Slice(..) | ExprKind::Filter(..)) => false,
            _ => true,
        })
    }
}

/// The name under which the output of a macro or a block is among the names, and the template's own.
fn output_of(name: &str) -> String {
    format!("\0{name}")
}

/// The expressions that stand in a statement itself.
fn roots(kind: &StatementKind) -> Vec<Id> {
    match kind {
        StatementKind::Print(id)
        | StatementKind::Set { value: id, .. }
        | StatementKind::Evaluate { value: Some(id), .. } => {
            vec![*id]
        }
        StatementKind::For { over, only_if, .. } => std::iter::once(*over).chain(*only_if).collect(),
        StatementKind::If { branches } => branches.iter().filter_map(|branch| branch.test).collect(),
        _ => Vec::new(),
    }
}

/// What three sizes in a row come to after the rounds that are left. Where the conversation says how many those are, only what
/// doubles goes on: a conversation has more rounds than a doubling needs.
fn goes_on([earlier, last, now]: [f64; 3], left: Option<f64>, steady: bool) -> f64 {
    let ratio = now / last.max(1.0);
    let doubles = steady && ratio > DOUBLING && last / earlier.max(1.0) > DOUBLING && now > 8.0;
    let grown = match left {
        _ if now <= last => now,
        Some(left) if doubles => now * ratio.powf(left.min(1000.0)),
        None if doubles => now * ratio.powf(40.0),
        Some(left) => {
            let (step, faster) = (now - last, (now - last - (last - earlier)).max(0.0));
            now + step * left + faster * left * left / 2.0
        }
        None => now,
    };
    sizes::capped(grown)
}
