//! Chat templates: Jinja that a server renders with every conversation.
//!
//! Reads them as Jinja2 does and never renders one. What cannot be read is never called harmless.

mod conditional;
mod cost;
mod expressions;
mod judge;
mod known;
mod lex;
mod names;
mod sizes;
mod statements;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod words;

use crate::{
    facts::TemplateFact,
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// A template longer than this is not read; the longest real ones have 50,000 bytes.
const LONGEST: usize = 1 << 20;

/// Expressions and statements of one template; the largest real ones have some thousands.
const MOST: usize = 20_000;

/// Inspects one template. `name` says where it was (`chat_template`); `at` is where its text begins in the source.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, at: u64, name: &str, text: &str) -> Scanned<()> {
    scan.facts.templates.push(TemplateFact { name: name.to_owned(), bytes: text.len() });
    scan.steps(text.len() as u64)?;
    if text.len() > LONGEST {
        let message = format!("The chat template `{name}` has {} bytes and is not read.", text.len());
        scan.found(&rules::TEMPLATE_BOMB, source, at, message);
        scan.left_out(source, "a chat template is too long to be read");
        return Ok(());
    }
    // In a text file the places are exact; in a config the text was unescaped, and its beginning has to do.
    let plain =
        source.read(at..at.saturating_add(text.len() as u64)).is_ok_and(|bytes| bytes.as_ref() == text.as_bytes());
    let place = |inner: usize| if plain { at + inner as u64 } else { at };
    let template = match statements::read(text) {
        Ok(template) => template,
        Err(unread) => {
            let lead = line_of(text, unread.at);
            if unread.why == expressions::TOO_DEEP {
                let message = format!("The chat template `{name}` cannot be rendered within bounds: {}.", unread.why);
                scan.found(&rules::TEMPLATE_BOMB, source, place(unread.at), message);
            } else {
                let message =
                    format!("The chat template `{name}` is not the Jinja that we read: {}, in {lead}.", unread.why);
                scan.found(&rules::TEMPLATE_UNUSUAL, source, place(unread.at), message);
            }
            scan.left_out(source, format!("the chat template `{name}` could not be read"));
            lexical(scan, source, place(0), name, text);
            return Ok(());
        }
    };
    if template.exprs.len() > MOST || template.statements.len() > MOST {
        let message = format!(
            "The chat template `{name}` consists of {} expressions and {} statements, more than any template has.",
            template.exprs.len(),
            template.statements.len()
        );
        scan.found(&rules::TEMPLATE_BOMB, source, at, message);
        scan.left_out(source, format!("the chat template `{name}` is too large to be judged"));
        lexical(scan, source, place(0), name, text);
        return Ok(());
    }
    scan.steps(template.exprs.len() as u64 * 8)?;
    let known = known::Knowledge::of(&template);
    let mut seen = judge::judge(&template, &known);
    // What already shows in one expression is not told again of the whole.
    if !seen.iter().any(|seen| seen.rule.id == rules::TEMPLATE_BOMB.id) {
        seen.extend(cost::judge(&template, &known));
    }
    seen.extend(conditional::judge(&template, &known));
    for seen in seen {
        let message = format!("The chat template `{name}` {}: {}.", seen.what, line_of(text, seen.at));
        scan.found(seen.rule, source, place(seen.at), message);
    }
    Ok(())
}

/// What can be said of a template that cannot be read: it names what no template has to.
fn lexical(scan: &mut Scan<'_>, source: &Source, at: u64, name: &str, text: &str) {
    const SIGNS: [&str; 8] =
        ["__class__", "__globals__", "__subclasses__", "__import__", "__init__", "__builtins__", "__mro__", "|attr"];
    let inside = text.split("{{").skip(1).map(|part| part.split("}}").next().unwrap_or_default());
    let tags = text.split("{%").skip(1).map(|part| part.split("%}").next().unwrap_or_default());
    for part in inside.chain(tags) {
        if let Some(sign) = SIGNS.iter().find(|sign| part.contains(**sign)) {
            let message = format!("The chat template `{name}` names `{sign}`, which leads from a value into Python.");
            scan.found(&rules::TEMPLATE_REACH, source, at, message);
            return;
        }
    }
}

/// The line of the template around a place, cut to what can be shown.
fn line_of(text: &str, at: usize) -> String {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (before, after) = text.split_at(at);
    let start = before.rfind('\n').map_or(0, |found| found + 1);
    let line = before.get(start..).unwrap_or_default();
    let lead: String = line.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
    let rest: String = after.lines().next().unwrap_or_default().chars().take(100).collect();
    format!("`{}{}`", lead.trim_start(), rest.trim_end())
}
