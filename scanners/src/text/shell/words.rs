//! Shell text as commands: words without their quotes, what flows into what, and the texts that are commands again.
//!
//! What a shell knows before it runs anything is worked out: quotes, backslashes, `$'…'`, braces, names that were given a
//! text. Nothing recurses and nothing is run.

use std::{collections::HashMap, ops::Range, rc::Rc};

use super::spelling::{CLOSE, COMMA, OPEN, assignment, escape, expanded};

/// Texts of commands lie in texts of commands; deeper than this nobody writes them.
const MOST_DEEP: u32 = 8;
/// What names may grow a text to.
const MOST_GROWN: usize = 1 << 18;
const MOST_TEXTS: usize = 4096;
/// So many bytes of commands within commands are read. Each level holds all those below it.
const MOST_WITHIN: usize = 1 << 20;
const MOST_NAMES: usize = 64;
/// `x=$(f "$x")` holds itself: names that hold commands are followed no deeper than this.
const MOST_NAMED: u32 = 3;
const LONGEST_NAMED: usize = 2048;

/// All commands of a text, and of the texts in it.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The first is the text itself; every other belongs to a command of one before it.
    pub(super) texts: Vec<Text>,
    /// Something was left out, because it lies too deep.
    pub(super) deep: bool,
    /// Something was left out, because there is too much of it.
    pub(super) many: bool,
}

/// The commands of one text.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) commands: Vec<Simple>,
    /// The command that reads or runs it: the text, and the place in it.
    pub(super) of: Option<(usize, usize)>,
}

/// One command.
#[derive(Debug, Default, Clone)]
pub(super) struct Simple {
    /// Where it begins in its text.
    pub(super) at: usize,
    pub(super) words: Vec<Word>,
    /// The commands whose output flows into it.
    pub(super) feed: Option<Range<usize>>,
    /// What is given to it as its input: a text, or a file.
    pub(super) input: Option<Input>,
    /// Files that it writes its output to.
    pub(super) writes: Vec<String>,
    /// Texts that are run as a part of it: `$(…)`, `<(…)`, and what `-c` says.
    pub(super) inner: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Input {
    Text(String),
    File(Word),
}

/// One word.
#[derive(Debug, Default, Clone)]
pub(super) struct Word {
    pub(super) text: String,
    /// Which files it stands for is known only where it runs.
    pub(super) pattern: bool,
    /// The texts in it whose output it takes.
    pub(super) inner: Vec<usize>,
}

/// The values of names that are known.
type Names = HashMap<Rc<str>, Rc<str>>;

/// What is still to be read: a text, whose it is, how deep it lies, and the names that it knows.
struct Todo {
    number: usize,
    text: String,
    depth: u32,
    names: Rc<Names>,
}

/// Reads a text. `programs` says which texts a command runs itself.
pub(super) fn parse(text: &str, programs: fn(&Text, usize) -> Vec<String>) -> Parsed {
    let mut parsed = Parsed { texts: vec![Text::default()], ..Parsed::default() };
    let mut todo = vec![Todo { number: 0, text: text.to_owned(), depth: 0, names: Rc::default() }];
    let (mut grown, mut within) = (0, 0);
    while let Some(next) = todo.pop() {
        let Todo { number, text, depth, names } = next;
        let mut reader = Reader { text: &text, names, grown, own: depth < MOST_NAMED, ..Reader::default() };
        reader.read();
        let (commands, inner, names) = (reader.commands, reader.inner, reader.names);
        grown = reader.grown;
        parsed.texts[number].commands = commands;
        let mut more: Vec<(usize, String)> = inner.into_iter().collect();
        let count = parsed.texts[number].commands.len();
        let first_program = more.len();
        for command in 0..count {
            more.extend(programs(&parsed.texts[number], command).into_iter().map(|text| (command, text)));
        }
        within += more.iter().map(|(_, text)| text.len()).sum::<usize>();
        let many = parsed.texts.len() + more.len() > MOST_TEXTS || grown > MOST_GROWN || within > MOST_WITHIN;
        if depth + 1 > MOST_DEEP || many {
            parsed.deep |= depth + 1 > MOST_DEEP && !more.is_empty();
            parsed.many |= depth < MOST_DEEP && !more.is_empty();
            words_of(&mut parsed.texts[number]).for_each(|word| word.inner.clear());
            continue;
        }
        // Until now the numbers in words are places in `inner`.
        let base = parsed.texts.len();
        words_of(&mut parsed.texts[number]).for_each(|word| word.inner.iter_mut().for_each(|inner| *inner += base));
        for (place, (command, text)) in more.into_iter().enumerate() {
            let id = base + place;
            parsed.texts.push(Text { commands: Vec::new(), of: Some((number, command)) });
            if let Some(command) = parsed.texts[number].commands.get_mut(command) {
                command.inner.push(id);
            }
            if place >= first_program {
                grown += text.len();
            }
            todo.push(Todo { number: id, text, depth: depth + 1, names: Rc::clone(&names) });
        }
    }
    parsed
}

impl Parsed {
    /// All words of all commands without their quotes, in lower case, a command a line.
    pub(super) fn flat(&self) -> String {
        let mut out = String::new();
        for simple in self.texts.iter().flat_map(|text| &text.commands) {
            out.push_str(if simple.feed.is_some() { " | " } else { "\n" });
            let writes = simple.writes.iter().flat_map(|file| [">", file.as_str()]);
            let words = simple.words.iter().map(|word| word.text.as_str()).chain(writes);
            out.push_str(&words.collect::<Vec<_>>().join(" "));
            if out.len() > MOST_GROWN {
                break;
            }
        }
        out.to_lowercase()
    }
}

fn words_of(text: &mut Text) -> impl Iterator<Item = &mut Word> {
    text.commands.iter_mut().flat_map(|command| {
        let file = match &mut command.input {
            Some(Input::File(word)) => Some(word),
            _ => None,
        };
        command.words.iter_mut().chain(file)
    })
}

/// One group of commands, in brackets or between words like `do` and `done`.
#[derive(Default, Clone)]
struct Level {
    /// The first command of the pipe that is being read.
    pipe: usize,
    feed: Option<Range<usize>>,
    /// What flows into the whole group.
    outer: Option<Range<usize>>,
}

#[derive(Default)]
struct Reader<'a> {
    text: &'a str,
    at: usize,
    names: Rc<Names>,
    /// What names hold of commands is followed here.
    own: bool,
    grown: usize,
    commands: Vec<Simple>,
    /// Texts in words: the command they stand in, and the text.
    inner: Vec<(usize, String)>,
    levels: Vec<Level>,
    level: Level,
    /// A pipe waits for its next command, which may stand on the next line.
    piping: bool,
    current: Simple,
    word: Option<Word>,
    /// What the next word is: a file to write, a file to read, a text to read.
    awaits: Option<Awaits>,
    /// Texts that begin on the next line: the command, the word that ends them, and whether tabs go.
    here: Vec<(usize, String, bool)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Write,
    Read,
    Said,
    Here { tabs: bool },
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().text.push(c);
    }

    fn read(&mut self) {
        while let Some(c) = self.rest().chars().next() {
            let start = self.at;
            if self.word.is_none() && self.current.words.is_empty() {
                self.current.at = start;
            }
            self.at += c.len_utf8();
            match c {
                '\n' if self.piping && self.word.is_none() && self.current.words.is_empty() => self.here_texts(),
                '\n' => {
                    self.end_command();
                    self.here_texts();
                }
                c if c.is_whitespace() => self.end_word(),
                '#' if self.word.is_none() => {
                    self.at = self.rest().find('\n').map_or(self.text.len(), |end| self.at + end);
                }
                '\\' => match self.rest().chars().next() {
                    Some('\n') => self.at += 1,
                    Some(next) => {
                        self.at += next.len_utf8();
                        self.push(next);
                    }
                    None => {}
                },
                '\'' => self.single(),
                '"' => self.double(),
                '$' => self.dollar(false),
                '`' => self.ticks(),
                '<' | '>' => self.redirect(c),
                '|' => {
                    let double = self.rest().starts_with('|');
                    self.at += usize::from(double || self.rest().starts_with('&'));
                    self.end_simple();
                    if double {
                        self.separate();
                    } else {
                        self.level.feed = Some(self.level.pipe..self.commands.len());
                        self.piping = true;
                    }
                }
                '&' if self.rest().starts_with('>') => {
                    self.end_word();
                    self.at += 1;
                    self.at += usize::from(self.rest().starts_with('>'));
                    self.awaits = Some(Awaits::Write);
                }
                ';' | '&' => self.end_command(),
                '(' => {
                    self.end_simple();
                    self.open();
                }
                ')' => {
                    self.end_simple();
                    self.close();
                }
                '{' => self.push(OPEN),
                ',' => self.push(COMMA),
                '}' => self.push(CLOSE),
                '?' | '*' | '[' => {
                    self.push(c);
                    self.word.get_or_insert_default().pattern = true;
                }
                c => self.push(c),
            }
        }
        self.end_command();
    }

    fn open(&mut self) {
        if self.levels.len() < 1000 {
            let feed = self.level.feed.clone();
            let inner = Level { pipe: self.commands.len(), feed: feed.clone(), outer: feed };
            self.levels.push(std::mem::replace(&mut self.level, inner));
        }
    }

    fn close(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.level = level;
        }
    }

    fn separate(&mut self) {
        self.level.pipe = self.commands.len();
        self.level.feed = self.level.outer.clone();
    }

    fn end_command(&mut self) {
        self.end_simple();
        self.separate();
    }

    fn end_simple(&mut self) {
        self.end_word();
        let mut simple = std::mem::take(&mut self.current);
        self.awaits = None;
        // A command of nothing but names and their values gives them these.
        let setting = simple
            .words
            .first()
            .is_some_and(|w| matches!(w.text.as_str(), "export" | "local" | "declare" | "readonly"));
        let given = |word: &Word| assignment(&word.text).map(|(name, value)| (name.to_owned(), value.to_owned()));
        if simple.words.iter().skip(usize::from(setting)).all(|word| given(word).is_some() || setting) {
            for (name, value) in simple.words.iter().filter_map(given) {
                if value.len() <= LONGEST_NAMED
                    && (self.names.len() < MOST_NAMES || self.names.contains_key(name.as_str()))
                {
                    Rc::make_mut(&mut self.names).insert(name.into(), value.into());
                } else {
                    Rc::make_mut(&mut self.names).remove(name.as_str());
                }
            }
        }
        if simple.words.is_empty() && simple.input.is_none() && simple.writes.is_empty() {
            return;
        }
        simple.feed.clone_from(&self.level.feed);
        self.piping = false;
        self.commands.push(simple);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        let plain = |text: &str| text.replace(OPEN, "{").replace(COMMA, ",").replace(CLOSE, "}");
        match self.awaits.take() {
            Some(Awaits::Write) => self.current.writes.push(plain(&word.text)),
            Some(Awaits::Read) => self.current.input = Some(Input::File(Word { text: plain(&word.text), ..word })),
            Some(Awaits::Said) => {
                self.current.words.first_mut().into_iter().for_each(|first| first.inner.extend(&word.inner));
                self.current.input = Some(Input::Text(plain(&word.text)));
            }
            Some(Awaits::Here { tabs }) => self.here.push((self.commands.len(), plain(&word.text), tabs)),
            None => {
                let text = plain(&word.text);
                // Words that only hold commands together.
                if self.current.words.is_empty() && word.inner.is_empty() {
                    match text.as_str() {
                        "{" | "if" | "while" | "until" | "for" | "case" | "select" => return self.open(),
                        "}" | "fi" | "done" | "esac" => return self.close(),
                        "then" | "do" | "else" | "elif" | "!" => return,
                        _ => {}
                    }
                }
                for text in expanded(&word.text) {
                    self.current.words.push(Word { text: plain(&text), ..word.clone() });
                }
            }
        }
    }

    fn single(&mut self) {
        // A quote that nothing closes is an apostrophe.
        let Some(end) = self.rest().find('\'') else { return };
        let inner = self.rest().get(..end).unwrap_or_default().to_owned();
        self.word.get_or_insert_default().text.push_str(&inner);
        self.at += end + 1;
    }

    fn double(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            match c {
                '"' => return,
                '\\' => match self.rest().chars().next() {
                    Some('\n') => self.at += 1,
                    Some(next @ ('$' | '`' | '"' | '\\')) => {
                        self.at += 1;
                        self.push(next);
                    }
                    _ => self.push('\\'),
                },
                '$' => self.dollar(true),
                '`' => self.ticks(),
                c => self.push(c),
            }
        }
    }

    fn ticks(&mut self) {
        let rest = self.rest();
        let end = rest.find('`').unwrap_or(rest.len());
        let inner = rest.get(..end).unwrap_or_default().replace("\\$", "$");
        self.at = (self.at + end + 1).min(self.text.len());
        self.within("$(", inner);
    }

    /// A text in a word whose output the word takes.
    fn within(&mut self, open: &str, text: String) {
        let place = self.inner.len();
        let word = self.word.get_or_insert_default();
        word.text.push_str(open);
        word.text.push_str(&text);
        word.text.push(')');
        word.inner.push(place);
        self.inner.push((self.commands.len(), text));
    }

    /// The text up to the bracket that closes, or all of it.
    fn bracketed(&mut self) -> String {
        let rest = self.rest();
        let (mut depth, mut quote, mut skip) = (0_usize, None, false);
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            if std::mem::take(&mut skip) {
                continue;
            }
            match (quote, c) {
                (None | Some('"'), '\\') => skip = true,
                (Some(open), c) if open == c => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                (None, '(') => depth += 1,
                (None, ')') if depth == 0 => {
                    end = at;
                    break;
                }
                (None, ')') => depth -= 1,
                _ => {}
            }
        }
        let inner = rest.get(..end).unwrap_or_default().to_owned();
        self.at = (self.at + end + 1).min(self.text.len());
        inner
    }

    fn dollar(&mut self, quoted: bool) {
        let rest = self.rest();
        let next = rest.chars().next().unwrap_or(' ');
        match next {
            '(' => {
                self.at += 1;
                let inner = self.bracketed();
                self.within("$(", inner);
            }
            '\'' if !quoted => {
                self.at += 1;
                self.spelled();
            }
            '"' if !quoted => {}
            '{' => {
                let short: String = rest.chars().take(200).collect();
                let Some(end) = short.find('}') else { return self.push('$') };
                let name = short.get(1..end).unwrap_or_default().to_owned();
                self.at += end + 1;
                self.value(&name, &format!("${{{name}}}"), quoted);
            }
            '@' | '*' => {
                self.at += 1;
                if self.word.is_none() || quoted {
                    self.push('$');
                    self.push(next);
                }
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                self.at += name.len();
                self.value(&name, &format!("${name}"), quoted);
            }
            _ => self.push('$'),
        }
    }

    /// What a name stands for, where that is known.
    fn value(&mut self, name: &str, written: &str, quoted: bool) {
        if name == "IFS" || name.starts_with("IFS%") {
            if quoted {
                self.push(' ');
            } else {
                self.end_word();
            }
            return;
        }
        let other = name.split_once(":-").map(|(_, other)| other.to_owned());
        let known = self.names.get(name).map(ToString::to_string);
        let value = known.or(other).unwrap_or_else(|| written.to_owned());
        self.grown += value.len();
        if self.grown > MOST_GROWN {
            return;
        }
        // What a name holds of commands has been run by the time it is used.
        if let Some((before, inner)) = value.split_once("$(").filter(|_| value != written)
            && let Some((inner, after)) = inner.rsplit_once(')')
        {
            if !self.own {
                written.chars().for_each(|c| self.push(c));
                return;
            }
            self.grown += inner.len();
            before.chars().for_each(|c| self.push(c));
            self.within("$(", inner.to_owned());
            after.chars().for_each(|c| self.push(c));
            return;
        }
        for c in value.chars() {
            if c.is_whitespace() && !quoted && value != written { self.end_word() } else { self.push(c) }
        }
    }

    /// `$'\x63url'`
    fn spelled(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            match c {
                '\'' => return,
                '\\' => {
                    let (c, length) = escape(self.rest());
                    self.at += length;
                    self.push(c);
                }
                c => self.push(c),
            }
        }
    }

    fn redirect(&mut self, c: char) {
        // `2>` writes errors; the number is no word.
        if self.word.as_ref().is_some_and(|word| word.text.bytes().all(|b| b.is_ascii_digit())) {
            self.word = None;
        }
        let before = self.word.is_some();
        if self.rest().starts_with('(') {
            self.at += 1;
            let inner = self.bracketed();
            self.within(if c == '<' { "<(" } else { ">(" }, inner);
            return;
        }
        if before {
            self.end_word();
        }
        let rest = self.rest();
        let (length, awaits) = match c {
            '<' if rest.starts_with("<<") => (2, Awaits::Said),
            '<' if rest.starts_with("<-") => (2, Awaits::Here { tabs: true }),
            '<' if rest.starts_with('<') => (1, Awaits::Here { tabs: false }),
            '<' => (usize::from(rest.starts_with(['&', '>'])), Awaits::Read),
            _ => (usize::from(rest.starts_with(['>', '|', '&'])), Awaits::Write),
        };
        self.at += length;
        self.awaits = Some(awaits);
    }

    /// The texts that were announced on the line before.
    fn here_texts(&mut self) {
        for (command, end, tabs) in std::mem::take(&mut self.here) {
            let mut body = String::new();
            loop {
                let rest = self.rest();
                let line = rest.split_inclusive('\n').next().unwrap_or_default().to_owned();
                if line.is_empty() {
                    break;
                }
                self.at += line.len();
                let bare = if tabs { line.trim_start_matches('\t') } else { &line };
                if bare.trim_end_matches(['\n', '\r']) == end {
                    break;
                }
                body.push_str(bare);
            }
            if let Some(command) = self.commands.get_mut(command) {
                command.input = Some(Input::Text(body));
            }
        }
    }
}
