//! YAML into tokens, in the order and by the rules of PyYAML's own scanner. What that scanner refuses is read leniently,
//! as other readers would. Holds back no more tokens than fit into a key.

use std::collections::VecDeque;

/// One token, and the byte where it begins.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
    line: usize,
    index: usize,
}

#[derive(Debug)]
pub(super) enum TokenKind {
    /// `%TAG handle prefix`
    Handle(String, String),
    /// `---`, `...` and every directive: a document ends here.
    DocumentStart,
    DocumentEnd,
    Sequence,
    Mapping,
    BlockEnd,
    FlowSequence,
    FlowMapping,
    FlowEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    /// Its handle, if it has one, and the rest. More than one where readers differ in how far a tag goes.
    Tag(Vec<(Option<String>, String)>),
    Scalar(String),
}

/// Where a key without `?` could have begun.
#[derive(Clone, Copy)]
struct Begun {
    token: usize,
    line: usize,
    index: usize,
    column: usize,
    at: usize,
}

/// A key without `?` is no longer than this, and stands on one line.
const LONGEST_KEY: usize = 1024;

/// In what readers differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// U+0085, U+2028 and U+2029 end a line, as in YAML 1.1.
    pub(super) wide: bool,
    /// libyaml: a byte order mark may begin any line, and `?` stands in texts within brackets.
    pub(super) lib: bool,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    pub(super) at: usize,
    index: usize,
    line: usize,
    pub(super) column: usize,
    pub(super) rules: Rules,
    pub(super) flow: usize,
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) allow_key: bool,
    /// For each level of flow collections the key that may have begun in it.
    begun: Vec<Option<Begun>>,
    tokens: VecDeque<Token>,
    taken: usize,
    done: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, rules: Rules) -> Self {
        Self {
            text,
            at: 0,
            index: 0,
            line: 0,
            column: 0,
            rules,
            flow: 0,
            indent: -1,
            indents: Vec::new(),
            allow_key: true,
            begun: vec![None],
            tokens: VecDeque::new(),
            taken: 0,
            done: false,
        }
    }

    /// The next token; nothing at the end of the text.
    pub(super) fn next(&mut self) -> Option<Token> {
        while !self.done && !self.settled() {
            self.fetch();
        }
        let token = self.tokens.pop_front()?;
        self.taken += 1;
        Some(token)
    }

    /// Whether nothing can be put before the first token any more: no key began there that could still be one.
    fn settled(&self) -> bool {
        self.tokens
            .front()
            .is_some_and(|first| first.line != self.line || self.index.saturating_sub(first.index) > LONGEST_KEY)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The letter here; NUL at the end. A text holds no other NUL.
    pub(super) fn peek(&self) -> char {
        match self.text.as_bytes().get(self.at) {
            None => '\0',
            Some(byte) if byte.is_ascii() => char::from(*byte),
            Some(_) => self.rest().chars().next().unwrap_or('\0'),
        }
    }

    /// The letter behind `before`, which stands here.
    fn behind(&self, before: usize) -> char {
        self.text.get(self.at + before..).and_then(|rest| rest.chars().next()).unwrap_or('\0')
    }

    pub(super) fn is_break(&self, c: char) -> bool {
        matches!(c, '\n' | '\r') || self.rules.wide && matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
    }

    /// A space, a tab, the end of a line or of the text.
    pub(super) fn is_blank(&self, c: char) -> bool {
        matches!(c, ' ' | '\t' | '\0') || self.is_break(c)
    }

    pub(super) fn forward(&mut self) {
        let c = self.peek();
        if self.at >= self.text.len() {
            return;
        }
        self.at += c.len_utf8();
        self.index += 1;
        if c == '\r' && self.peek() == '\n' {
            return;
        }
        if self.is_break(c) {
            self.line += 1;
            self.column = 0;
        } else if c != '\u{feff}' || self.rules.lib {
            self.column += 1;
        }
    }

    pub(super) fn forward_by(&mut self, letters: usize) {
        for _ in 0..letters {
            self.forward();
        }
    }

    /// Steps over one end of a line, if there is one.
    pub(super) fn line_break(&mut self) -> bool {
        let c = self.peek();
        if !self.is_break(c) {
            return false;
        }
        self.forward();
        if c == '\r' && self.peek() == '\n' {
            self.forward();
        }
        true
    }

    pub(super) fn skip_line(&mut self) {
        while self.at < self.text.len() && !self.is_break(self.peek()) {
            self.forward();
        }
    }

    /// `---` or `...` at the beginning of a line.
    pub(super) fn is_marker(&self) -> bool {
        let rest = self.rest();
        self.column == 0 && (rest.starts_with("---") || rest.starts_with("...")) && self.is_blank(self.behind(3))
    }

    fn push(&mut self, kind: TokenKind) {
        self.tokens.push_back(Token { at: self.at, kind, line: self.line, index: self.index });
    }

    /// Pushes a token that is one letter here.
    fn sign(&mut self, kind: TokenKind) {
        self.push(kind);
        self.forward();
    }

    fn skip_blanks(&mut self) {
        loop {
            if self.rules.lib && self.column == 0 && self.peek() == '\u{feff}' {
                self.forward();
            }
            // Tabs here are refused by PyYAML; readers that take them take them for spaces.
            while matches!(self.peek(), ' ' | '\t') {
                self.forward();
            }
            if self.peek() == '#' {
                self.skip_line();
            }
            if !self.line_break() {
                return;
            }
            if self.flow == 0 {
                self.allow_key = true;
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each sign that can begin a token")]
    fn fetch(&mut self) {
        self.skip_blanks();
        self.unwind(isize::try_from(self.column).unwrap_or(isize::MAX));
        let (c, next) = (self.peek(), self.behind(self.peek().len_utf8()));
        if self.at >= self.text.len() {
            self.unwind(-1);
            self.done = true;
            return;
        }
        let apart = self.flow > 0 || self.is_blank(next);
        match c {
            '%' if self.column == 0 => self.directive(),
            '-' | '.' if self.is_marker() => {
                self.unwind(-1);
                self.forget_key();
                self.allow_key = false;
                self.push(if c == '-' { TokenKind::DocumentStart } else { TokenKind::DocumentEnd });
                self.forward_by(3);
            }
            '[' | '{' => {
                self.save_key();
                self.push(if c == '[' { TokenKind::FlowSequence } else { TokenKind::FlowMapping });
                self.flow += 1;
                self.begun.push(None);
                self.allow_key = true;
                self.forward();
            }
            ']' | '}' => {
                self.forget_key();
                if self.flow > 0 {
                    self.flow -= 1;
                    self.begun.pop();
                    self.push(TokenKind::FlowEnd);
                }
                self.allow_key = false;
                self.forward();
            }
            ',' => {
                self.allow_key = true;
                self.forget_key();
                self.sign(TokenKind::FlowEntry);
            }
            '-' if self.is_blank(next) => {
                if self.flow == 0 && self.add_indent(self.column) {
                    self.push(TokenKind::Sequence);
                }
                self.allow_key = true;
                self.forget_key();
                self.sign(TokenKind::BlockEntry);
            }
            '?' if self.is_blank(next) || self.flow > 0 && !self.rules.lib => {
                if self.flow == 0 && self.add_indent(self.column) {
                    self.push(TokenKind::Mapping);
                }
                self.allow_key = self.flow == 0;
                self.forget_key();
                self.sign(TokenKind::Key);
            }
            ':' if apart => self.value(),
            '*' | '&' => {
                self.save_key();
                self.allow_key = false;
                self.anchor(c);
            }
            '!' => {
                self.save_key();
                self.allow_key = false;
                self.tag();
            }
            '|' | '>' if self.flow == 0 => {
                self.allow_key = true;
                self.forget_key();
                let place = (self.at, self.line, self.index);
                let text = self.block_text();
                self.scalar(place, text);
            }
            _ => {
                self.save_key();
                self.allow_key = false;
                let place = (self.at, self.line, self.index);
                let text = if matches!(c, '\'' | '"') { self.quoted(c) } else { self.plain() };
                if self.at == place.0 {
                    self.forward();
                }
                self.scalar(place, text);
            }
        }
    }

    fn scalar(&mut self, (at, line, index): (usize, usize, usize), text: String) {
        self.tokens.push_back(Token { at, kind: TokenKind::Scalar(text), line, index });
    }

    /// Ends the blocks that begin further to the right. Within brackets no column counts.
    fn unwind(&mut self, column: isize) {
        while self.flow == 0 && self.indent > column {
            self.indent = self.indents.pop().unwrap_or(-1);
            self.push(TokenKind::BlockEnd);
        }
    }

    fn add_indent(&mut self, column: usize) -> bool {
        let column = isize::try_from(column).unwrap_or(isize::MAX);
        let deeper = self.indent < column;
        if deeper {
            self.indents.push(self.indent);
            self.indent = column;
        }
        deeper
    }

    fn save_key(&mut self) {
        if self.allow_key {
            let token = self.taken + self.tokens.len();
            let begun = Begun { token, line: self.line, index: self.index, column: self.column, at: self.at };
            if let Some(last) = self.begun.last_mut() {
                *last = Some(begun);
            }
        }
    }

    fn forget_key(&mut self) {
        if let Some(last) = self.begun.last_mut() {
            *last = None;
        }
    }

    /// `:`, which makes a key of what stands before it on the line.
    fn value(&mut self) {
        let begun = self.begun.last_mut().and_then(Option::take);
        let begun = begun.filter(|begun| begun.line == self.line && self.index - begun.index <= LONGEST_KEY);
        if let Some(begun) = begun {
            let place = begun.token.saturating_sub(self.taken).min(self.tokens.len());
            let token = |kind| Token { at: begun.at, kind, line: begun.line, index: begun.index };
            self.tokens.insert(place, token(TokenKind::Key));
            if self.flow == 0 && self.add_indent(begun.column) {
                self.tokens.insert(place, token(TokenKind::Mapping));
            }
            self.allow_key = false;
        } else {
            if self.flow == 0 && self.allow_key && self.add_indent(self.column) {
                self.push(TokenKind::Mapping);
            }
            self.allow_key = self.flow == 0;
        }
        self.sign(TokenKind::Value);
    }

    fn directive(&mut self) {
        self.unwind(-1);
        self.forget_key();
        self.allow_key = false;
        let rest = self.rest();
        let line = rest.split(|c| self.is_break(c)).next().unwrap_or(rest);
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        if let (Some("%TAG"), Some(handle), Some(prefix)) = (words.next(), words.next(), words.next()) {
            self.push(TokenKind::Handle(handle.to_owned(), super::unescape(prefix)));
        }
        self.skip_line();
    }

    fn anchor(&mut self, sign: char) {
        let (at, line, index) = (self.at, self.line, self.index);
        self.forward();
        let from = self.at;
        while !self.is_blank(self.peek()) && !matches!(self.peek(), ',' | '[' | ']' | '{' | '}' | '?' | ':') {
            self.forward();
        }
        let name = self.text.get(from..self.at).unwrap_or_default().to_owned();
        let kind = if sign == '*' { TokenKind::Alias(name) } else { TokenKind::Anchor(name) };
        self.tokens.push_back(Token { at, kind, line, index });
    }

    /// `!local`, `!!core`, `!handle!name`, `!<whole>`.
    fn tag(&mut self) {
        let (at, line, index) = (self.at, self.line, self.index);
        let rest = self.rest();
        let end = rest.find(|c| self.is_blank(c)).unwrap_or(rest.len());
        let raw = rest.get(..end).unwrap_or_default();
        let (spellings, length) = if let Some(whole) = raw.strip_prefix("!<") {
            let end = whole.find('>').unwrap_or(whole.len());
            let name = whole.get(..end).unwrap_or_default();
            (vec![(None, super::unescape(name))], (end + 3).min(raw.len()))
        } else {
            // PyYAML takes commas and brackets into a tag; libyaml ends it there where a collection goes on.
            let cut = raw.find([',', '[', ']', '{', '}']).filter(|_| self.flow > 0).unwrap_or(raw.len());
            let whole = raw.find(['{', '}', '"']).unwrap_or(raw.len());
            let mut spellings = vec![split(raw.get(..cut).unwrap_or_default())];
            if cut < whole {
                spellings.push(split(raw.get(..whole).unwrap_or_default()));
            }
            (spellings, cut)
        };
        let letters = raw.get(..length).unwrap_or_default().chars().count();
        self.forward_by(letters.max(1));
        self.tokens.push_back(Token { at, kind: TokenKind::Tag(spellings), line, index });
    }
}

/// The handle and the rest of a tag as it is written.
fn split(raw: &str) -> (Option<String>, String) {
    let inner = raw.strip_prefix('!').unwrap_or(raw);
    let named = |handle: &str| handle.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    match inner.split_once('!') {
        Some((handle, rest)) if named(handle) => (Some(format!("!{handle}!")), super::unescape(rest)),
        None if inner.is_empty() => (None, "!".to_owned()),
        _ => (Some("!".to_owned()), super::unescape(inner)),
    }
}
