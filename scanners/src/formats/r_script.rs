//! R source: what runs other programs, or code that comes from elsewhere.
//!
//! Reads words, texts and brackets, so that a call is a call on whatever line its brackets stand. Nothing is parsed further and
//! nothing is run.

use crate::{
    formats::r_calls::{self, Reach},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

use tokens::{Token, tokens};

mod tokens;

/// Whether the file is R source by its name.
pub(crate) fn is(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("r")) || is_profile(name)
}

/// What R runs at every start in this folder.
fn is_profile(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), ".rprofile" | "rprofile.site" | ".first.r")
}

/// Inspects R source.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.steps(text.len() as u64 / 8)?;
    if is_profile(source.file_name()) {
        let message = "R runs this file at every start in its folder, before anything else.";
        scan.found(&rules::SCRIPT_FILE, source, 0, message);
    }
    let mut reader =
        Reader { text, open: Vec::new(), before: Vec::new(), connects: None, reads: false, seen: Vec::new() };
    for token in tokens(text) {
        reader.take(token);
    }
    if let (Some(at), true) = (reader.connects, reader.reads) {
        reader.tell(at, "url", "reads code or data, and opens an address with");
    }
    reader.seen.sort_unstable();
    for (at, name, why) in reader.seen {
        let line = text.get(..at).map_or(0, |before| before.rfind('\n').map_or(0, |end| end + 1));
        let shown: String =
            text.get(line..).unwrap_or_default().lines().next().unwrap_or_default().trim().chars().take(120).collect();
        scan.found(&rules::SCRIPT_FILE, source, at as u64, format!("The R script {why} `{name}`: `{shown}`."));
    }
    scan.is("r script");
    scan.inspected(source, 0..source.len());
    Ok(())
}

/// A call whose bracket is open.
struct Open<'a> {
    at: usize,
    name: &'a str,
    /// Whether an address stands in it.
    address: bool,
    /// Whether a text in it is put together from pieces.
    made: bool,
    /// Whether a text stands in it as it is.
    literal: bool,
}

/// Brackets within brackets that are followed.
const DEEP: usize = 10_000;
/// Calls that are told.
const TOLD: usize = 200;

struct Reader<'a> {
    text: &'a str,
    open: Vec<Open<'a>>,
    /// The last tokens, the newest last.
    before: Vec<Token<'a>>,
    /// Where an address is opened.
    connects: Option<usize>,
    /// Whether something that is known only when it runs is read as code or data.
    reads: bool,
    /// Where, the name, and how it is used.
    seen: Vec<(usize, &'a str, &'static str)>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: Token<'a>) {
        match token {
            Token::Mark(_, '(') => self.opens(),
            Token::Mark(at, ')') => self.closes(at),
            Token::Name(at, name) => self.value(at, name),
            Token::Text(at, text) => self.words(at, text),
            Token::Mark(..) => {}
        }
        // A text can stand where a name does: `"system"("ls")`.
        if !matches!(token, Token::Mark(_, '\n')) {
            self.before.push(token);
            if self.before.len() > 8 {
                self.before.remove(0);
            }
        }
    }

    fn last(&self) -> Option<Token<'a>> {
        self.before.last().copied()
    }

    fn opens(&mut self) {
        let (at, name) = match self.last() {
            Some(Token::Name(at, name) | Token::Text(at, name)) => (at, name),
            _ => (0, ""),
        };
        if let Some(outer) = self.open.last_mut() {
            outer.made |= matches!(name, "paste" | "paste0" | "rawToChar" | "intToUtf8" | "chartr" | "rev" | "strtoi");
        }
        let within = |names: &[&str]| self.open.iter().rev().take(64).any(|open| names.contains(&open.name));
        if r_calls::reach(name) == Some(Reach::Leaves) && !matches!(name, "source" | "sys.source") {
            self.tell(at, name, "calls");
        } else if matches!(name, "parse" | "str2lang" | "str2expression") && within(&["eval", "evalq"]) {
            self.tell(at, name, "runs text as code with");
        }
        if self.open.len() < DEEP {
            self.open.push(Open { at, name, address: false, made: false, literal: false });
        }
    }

    fn closes(&mut self, at: usize) {
        let Some(done) = self.open.pop() else { return };
        let reads = matches!(done.name, "source" | "sys.source" | "load" | "readRDS" | "unserialize" | "attach");
        self.reads |= (reads && !done.literal && !done.made) || done.name == "eval";
        if done.name == "url" {
            self.connects = Some(done.at);
        }
        if done.address && reads {
            self.tell(done.at, done.name, "reads code or data from an address with");
        }
        let called = self.text.get(at + 1..).is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('('));
        if called && done.made && matches!(done.name, "get" | "get0" | "match.fun" | "getFunction") {
            self.tell(done.at, done.name, "calls a function whose name it makes up with");
        }
        if let Some(outer) = self.open.last_mut() {
            outer.address |= done.address;
            outer.made |= done.made;
        }
    }

    /// A name that stands for itself: what is handed on as a function, or gets another name.
    fn value(&mut self, at: usize, name: &'a str) {
        if r_calls::reach(name) != Some(Reach::Leaves) {
            return;
        }
        let given = self.open.last().is_some_and(|open| r_calls::calls_what_it_is_given(open.name));
        let renamed = matches!(self.last(), Some(Token::Mark(_, '<' | '='))) && !self.continues(at + name.len());
        let word = r_calls::is_word(name) && name != "system";
        if (given || renamed) && !word && !matches!(self.last(), Some(Token::Mark(_, '$' | '@'))) {
            self.tell(at, name, "hands on");
        }
    }

    /// Whether more of an expression follows on the line.
    fn continues(&self, end: usize) -> bool {
        let rest = self.text.get(end..).unwrap_or_default().trim_start_matches(['`', ' ', '\t']);
        !(rest.is_empty() || rest.starts_with(['\n', '\r', ';', '#', '}']))
    }

    fn words(&mut self, at: usize, text: &'a str) {
        let address = text.contains("://") && !text.starts_with("file://");
        let place = r_calls::start_place(text);
        if let Some(open) = self.open.last_mut() {
            open.address |= address;
            open.literal = true;
        }
        let Some(open) = self.open.last() else { return };
        if r_calls::calls_what_it_is_given(open.name)
            && r_calls::reach(text) == Some(Reach::Leaves)
            && (!r_calls::is_word(text) || matches!(text, "system" | "shell"))
        {
            self.tell(at, text, "hands on");
        }
        let changes = |open: &&Open<'a>| {
            r_calls::reach(open.name) == Some(Reach::Changes) || matches!(open.name, "file" | "write.table")
        };
        if place.is_some()
            && let Some(change) = self.open.iter().rev().take(64).find(changes)
        {
            let (at, name) = (change.at, change.name);
            self.tell(at, name, "changes what programs start from with");
        }
    }

    fn tell(&mut self, at: usize, name: &'a str, why: &'static str) {
        if self.seen.len() < TOLD && !self.seen.contains(&(at, name, why)) {
            self.seen.push((at, name, why));
        }
    }
}

#[cfg(test)]
mod tests;
