//! Python source: what it does when it is imported, and what it could do when it is called.
//!
//! The text is parsed and walked on a large stack, after its depth is known to be bounded. Nothing is run,
//! nothing is imported; names are followed as far as constants lead.

mod assign;
pub(crate) mod beside;
pub(crate) mod bytecode;
mod calls;
pub(crate) mod cells;
mod changes;
mod constants;
mod decode;
mod depth;
mod effects;
mod eval;
mod foreign;
mod functions;
mod hidden;
mod judge;
mod names;
mod network;
pub(crate) mod nul;
mod raw;
mod reach;
pub(crate) mod room;
#[cfg(test)]
mod tests;
mod value;
mod walk;

use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};

use self::{
    value::{Value, What},
    walk::{Account, Seen, Walk, When},
};
use crate::{
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// No file of Python that a person works with is larger.
const LONGEST: usize = 4 << 20;
/// Code in code in code: deeper than this it is only noted.
const MOST_NESTED: u32 = 4;

/// Inspects Python source. `at` is where the text begins in the source, for the places of findings.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, at: u64, text: &str) -> Scanned<()> {
    inspect_as(scan, source, text, When::Import, &|offset| at + offset)
}

/// The same for the cells of a notebook, one after the other. `place` says where in the source a byte of the text stands.
pub(crate) fn inspect_cells(
    scan: &mut Scan<'_>,
    source: &Source,
    text: &str,
    place: &dyn Fn(u64) -> u64,
) -> Scanned<()> {
    inspect_as(scan, source, text, When::Call, place)
}

fn inspect_as(scan: &mut Scan<'_>, source: &Source, text: &str, when: When, place: &dyn Fn(u64) -> u64) -> Scanned<()> {
    if text.len() > LONGEST {
        return Err(Stop::Spent(format!("{} bytes of Python are more than {LONGEST}", text.len())));
    }
    scan.steps(text.len() as u64 / 4)?;
    let judged = room::run("python", || judge_text(text, when))?;
    scan.steps(judged.account.steps)?;
    scan.facts.imports.extend(judged.account.imports);
    scan.facts.remote_code.extend(judged.account.remote_code);
    let found = !judged.account.seen.is_empty();
    for Seen { rule, at, message } in judged.account.seen {
        // What people do in notebooks by hand is not what a loader runs behind their back.
        if when == When::Call
            && [&rules::PYTHON_RISKY_CALL, &rules::PYTHON_NATIVE, &rules::PYTHON_TAMPERING].contains(&rule)
        {
            continue;
        }
        let line =
            text.as_bytes().get(..at as usize).map_or(1, |before| memchr::memchr_iter(b'\n', before).count() + 1);
        let line = if when == When::Import { format!(" (line {line})") } else { String::new() };
        scan.found(rule, source, place(u64::from(at)), format!("{message}{line}."));
    }
    if when == When::Import {
        beside::imported(scan, source, &judged.account.relative);
        if let Some(at) = judged.account.runs_own {
            beside::run(scan, source, place(u64::from(at)), &judged.account.reads);
        }
    }
    if let Some(why) = judged.account.unread.filter(|_| when == When::Import) {
        scan.left_out(source, why);
    }
    let not_read = match &judged.broken {
        Some(why) => Some(format!("could not be read as Python 3 ({why})")),
        None => judged.account.spent.then(|| "is too much to be followed to its end".to_owned()),
    };
    if let Some(why) = not_read {
        for word in raw::telling(text).into_iter().take(3).filter(|_| !found) {
            let message = format!("The code {why}, and it names `{word}`.");
            scan.found(&rules::PYTHON_RISKY_CALL, source, place(0), message);
        }
    }
    if let Some(why) = judged.broken
        && when == When::Import
    {
        scan.found(&rules::UNREADABLE, source, place(0), format!("Not all of it could be read as Python 3: {why}."));
        scan.left_out(source, format!("not all of it is Python 3: {why}"));
    }
    if judged.too_deep {
        let message =
            "The code is nested deeper than any loader reads, so that it was not looked at as code.".to_owned();
        scan.found(&rules::PYTHON_OBFUSCATED, source, place(0), message);
        scan.left_out(source, "Python nested too deep");
    }
    if judged.account.spent {
        return Err(Stop::Spent("more Python than is followed to its end".into()));
    }
    Ok(())
}

/// What the thread brings back.
#[derive(Default)]
struct Judged {
    account: Account,
    /// Why it is not all Python 3.
    broken: Option<String>,
    too_deep: bool,
}

fn judge_text(text: &str, when: When) -> Judged {
    if depth::deepest(text, Mode::Module) > depth::MOST {
        return Judged { too_deep: true, ..Judged::default() };
    }
    let parsed = parse_unchecked(text, ParseOptions::from(Mode::Module));
    let broken = parsed.errors().first().map(|error| error.error.to_string());
    let mut account = Account::default();
    hidden::look(text, parsed.tokens(), &mut account);
    let Some(module) = parsed.try_into_module() else { return Judged { account, broken, too_deep: false } };
    let most = 2_000_000 + 16 * text.len() as u64;
    let mut walk = Walk::new(account, when, most);
    walk.module(module.suite());
    let mut account = std::mem::take(&mut walk.account);
    if let (Some(_), Some(at)) = (account.connects, account.hands_over) {
        let message =
            "The code connects to another machine and hands its input and output over to it: a shell for somebody else";
        account.seen.push(Seen { rule: &rules::PYTHON_ATTACK, at, message: message.to_owned() });
    }
    Judged { account, broken, too_deep: false }
}

impl Walk<'_> {
    /// What the worst thing is that a text would do, were it run as code here; nothing where it is no code or does no harm.
    pub(super) fn would_harm(&mut self, text: &str) -> Option<String> {
        if self.account.nested >= MOST_NESTED || depth::deepest(text, Mode::Module) > depth::MOST {
            return None;
        }
        self.account.steps += text.len() as u64 / 4;
        let parsed = parse_unchecked(text.trim(), ParseOptions::from(Mode::Module));
        if !parsed.errors().is_empty() {
            return None;
        }
        let module = parsed.try_into_module()?;
        let own = Account { steps: self.account.steps, nested: self.account.nested + 1, ..Account::default() };
        let mut inner = Walk::new(own, self.when, self.most_steps);
        inner.depth = self.depth;
        inner.module(module.suite());
        self.account.steps = inner.account.steps;
        self.account.spent |= inner.account.spent;
        let harms = |seen: &&Seen| seen.rule.weight == rules::Weight::Malicious;
        inner.account.seen.iter().find(harms).map(|seen| seen.message.clone())
    }

    /// Code that is text in this code: walked where it is run, with what it can see there.
    pub(super) fn inner_code(&mut self, text: &str, at: u32) -> Value {
        if self.account.nested >= MOST_NESTED || text.len() > value::LONGEST {
            let message = "Code lies in code in code, deeper than it is followed".to_owned();
            self.found(&rules::PYTHON_OBFUSCATED, at, message);
            return Value::default();
        }
        if depth::deepest(text, Mode::Module) > depth::MOST {
            self.account.spent = true;
            return Value::default();
        }
        self.account.steps += text.len() as u64 / 4;
        let parsed = parse_unchecked(text.trim(), ParseOptions::from(Mode::Module));
        let Some(module) = parsed.try_into_module() else { return Value::default() };
        let before = self.account.seen.len();
        let mut account = std::mem::take(&mut self.account);
        account.nested += 1;
        let mut inner = Walk::new(account, self.when, self.most_steps);
        inner.depth = self.depth;
        for frame in &self.frames {
            let seen = frame.names.iter().map(|(name, value)| (name.clone(), portable(value)));
            if let Some(names) = inner.frames.first_mut() {
                names.names.extend(seen);
            }
        }
        let last = inner.module(module.suite());
        let names = inner.frames.first_mut().map(|frame| std::mem::take(&mut frame.names)).unwrap_or_default();
        self.account = std::mem::take(&mut inner.account);
        self.account.nested -= 1;
        for seen in self.account.seen.iter_mut().skip(before) {
            seen.at = at;
        }
        for (name, value) in names {
            let value = portable(&value);
            if matches!(value.what, What::Path(_) | What::Text(_)) && self.name(&name) != value {
                self.bind(&name, value);
            }
        }
        portable(&last)
    }
}

/// A value without the functions and classes of one walk, whose numbers mean nothing in another.
fn portable(value: &Value) -> Value {
    match &value.what {
        What::Function(..) | What::Lambda(_) | What::Class(_) | What::Object(_) | What::Partial(_) => {
            Value::unknown(value.taint)
        }
        What::Either(choices) => choices.iter().map(portable).fold(Value::unknown(value.taint), Value::or),
        _ => value.clone(),
    }
}
