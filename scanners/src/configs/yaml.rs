//! YAML into the same tree as JSON, and every tag in it, as PyYAML reads it. No recursion; aliases are counted, not expanded.
//!
//! Lenient: what is not YAML becomes text. Quoted text, block text and comments hold no tags.

use std::{cell::Cell, collections::HashMap};

use crate::{
    read::json::{Kind, Tree, Value},
    scan::{Scanned, Stop},
};

/// More values than this after aliases are put in place is a bomb.
pub(crate) const MOST_EXPANDED: u64 = 10_000_000;

/// A YAML stream: its documents in one list.
pub(crate) struct Document {
    pub(crate) tree: Tree,
    pub(crate) tags: Vec<Tag>,
    /// How many values there are when aliases are put in place.
    pub(crate) expanded: u64,
}

/// A tag: `!!python/object/apply:os.system`.
pub(crate) struct Tag {
    pub(crate) at: u64,
    /// With its handle resolved: `tag:yaml.org,2002:python/object/apply:os.system`, or `!new:torch.nn.Linear`.
    pub(crate) name: String,
}

/// One open block or flow collection.
struct Open {
    id: usize,
    /// The column where it begins; flow collections have none.
    indent: Option<usize>,
    key: Option<String>,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: Vec<Value>,
    /// For each value, how many values it comes to.
    weights: Vec<u64>,
    open: Vec<Open>,
    tags: Vec<Tag>,
    handles: HashMap<String, String>,
    anchors: HashMap<String, usize>,
    anchor: Option<String>,
    most: usize,
    steps: usize,
    /// Where the value that is being read began.
    began: usize,
    line_start: Cell<usize>,
    line_end: Cell<usize>,
    /// The next text is a key: `? key`.
    explicit: bool,
}

/// Reads a stream of documents.
pub(crate) fn read(text: &str, most: usize) -> Scanned<Document> {
    let text = text.trim_start_matches('\u{feff}');
    let root = Value { at: 0, kind: Kind::Array(Vec::new()) };
    let mut reader = Reader {
        text,
        at: 0,
        values: vec![root],
        weights: vec![1],
        open: Vec::new(),
        tags: Vec::new(),
        handles: HashMap::new(),
        anchors: HashMap::new(),
        anchor: None,
        most,
        steps: 0,
        began: 0,
        line_start: Cell::new(1),
        line_end: Cell::new(0),
        explicit: false,
    };
    while reader.at < text.len() {
        reader.line()?;
        reader.steps += 1;
    }
    let expanded = reader.expanded();
    // A stream of one document is that document.
    let mut values = reader.values;
    let only = match values.first().map(|value| &value.kind) {
        Some(Kind::Array(items)) if items.len() == 1 => items.first().copied(),
        _ => None,
    };
    if let Some(only) = only {
        let (from, to) = (values.get(only).map(|v| v.at), only);
        if let Some(at) = from {
            let kind = values.get_mut(to).map(|value| std::mem::replace(&mut value.kind, Kind::Null));
            if let (Some(kind), Some(first)) = (kind, values.first_mut()) {
                *first = Value { at, kind };
            }
        }
    }
    Ok(Document { tree: Tree::of(values), tags: reader.tags, expanded })
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The rest of this line. Where it ends is looked up once for each line: a file can be one line.
    fn line_rest(&self) -> &str {
        let known = self.line_end.get();
        let end = if self.line_start.get() <= self.at && self.at <= known {
            known
        } else {
            let rest = self.rest().as_bytes();
            let end = self.at + memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            self.line_start.set(self.at);
            self.line_end.set(end);
            end
        };
        self.text.get(self.at..end).unwrap_or_default()
    }

    fn next_line(&mut self) {
        match memchr::memchr2(b'\n', b'\r', self.rest().as_bytes()) {
            Some(found) => {
                let crlf = self.rest().as_bytes().get(found..found + 2) == Some(b"\r\n");
                self.at += found + 1 + usize::from(crlf);
            }
            None => self.at = self.text.len(),
        }
    }

    fn spaces(&mut self) -> usize {
        let count = self.rest().bytes().take_while(|byte| *byte == b' ').count();
        self.at += count;
        count
    }

    fn in_flow(&self) -> bool {
        self.open.last().is_some_and(|open| open.indent.is_none())
    }

    /// One line outside of flow collections and texts; those read their own lines.
    fn line(&mut self) -> Scanned<()> {
        let start = self.at;
        let mut column = self.spaces();
        let line = self.line_rest();
        if line.trim().is_empty() || line.starts_with('#') {
            self.next_line();
            return Ok(());
        }
        if column == 0 {
            let marker =
                |mark: &str| line.strip_prefix(mark).is_some_and(|r| r.is_empty() || r.starts_with([' ', '\t']));
            if marker("---") || marker("...") {
                self.open.clear();
                self.anchors.clear();
                self.at += 3;
                column = 3;
            } else if let Some(directive) = line.strip_prefix("%TAG") {
                let mut words = directive.split_whitespace();
                if let (Some(handle), Some(prefix)) = (words.next(), words.next()) {
                    self.handles.insert(handle.to_owned(), prefix.to_owned());
                }
                self.next_line();
                return Ok(());
            } else if line.starts_with('%') && self.open.is_empty() {
                self.next_line();
                return Ok(());
            }
        }
        while self.open.last().is_some_and(|open| open.indent.is_some_and(|indent| indent > column)) {
            self.open.pop();
        }
        // A sequence in a mapping may stand at its key's column; anything else there ends it.
        let dash = self.is_dash();
        while !dash
            && self.open.last().is_some_and(|open| {
                open.indent == Some(column) && matches!(self.values.get(open.id).map(|v| &v.kind), Some(Kind::Array(_)))
            })
        {
            self.open.pop();
        }
        self.tokens(start)?;
        self.next_line();
        Ok(())
    }

    fn is_dash(&self) -> bool {
        self.rest().strip_prefix('-').is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
    }

    /// What stands on one line: dashes, keys, properties and a value. `start`: where the line begins.
    #[expect(clippy::too_many_lines, reason = "one arm for each sign that can begin a node")]
    fn tokens(&mut self, start: usize) -> Scanned<()> {
        // Where the node began, with its tag and anchor: a key's column is that of its tag.
        let mut node: Option<usize> = None;
        loop {
            while self.rest().starts_with([' ', '\t']) {
                self.at += 1;
            }
            let column = node.unwrap_or(self.at).saturating_sub(start);
            let Some(first) = self.line_rest().chars().next() else { return Ok(()) };
            self.began = self.at;
            match first {
                '#' => return Ok(()),
                '-' if self.is_dash() => {
                    self.at += 1;
                    self.enter(column, false)?;
                    node = None;
                    continue;
                }
                '?' if self.line_rest().get(1..).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) => {
                    self.at += 1;
                    self.enter(column, true)?;
                    self.explicit = true;
                    node = None;
                    continue;
                }
                ':' if self.line_rest().get(1..).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) => {
                    self.at += 1;
                    self.explicit = false;
                    node = None;
                    continue;
                }
                '!' => {
                    node.get_or_insert(self.at);
                    self.tag();
                    continue;
                }
                '&' => {
                    node.get_or_insert(self.at);
                    self.anchor = Some(self.word());
                    continue;
                }
                '|' | '>' => {
                    let text = self.block_text();
                    self.add(Kind::String(text))?;
                    return Ok(());
                }
                '[' | '{' => {
                    self.flow()?;
                    // A flow collection can be a key; whatever it is, the next colon begins a value.
                    node = None;
                    continue;
                }
                _ => {}
            }
            let (at, alias) = (self.at, first == '*');
            let quoted = first == '"' || first == '\'';
            let text = if alias {
                self.word()
            } else if quoted {
                self.quoted(first)
            } else {
                self.plain()
            };
            if self.at == at {
                self.at += first.len_utf8();
            }
            let after = self.line_rest().trim_start_matches([' ', '\t']);
            let is_key = after.strip_prefix(':').is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
            // A key stands on one line.
            let one_line = !self.text.get(at..self.at).unwrap_or_default().contains(['\n', '\r']);
            if is_key && one_line {
                self.at += self.line_rest().len() - after.len() + 1;
                self.anchor = None;
                self.enter(column, true)?;
                if let Some(open) = self.open.last_mut() {
                    open.key = Some(text);
                }
                node = None;
                continue;
            }
            if alias {
                self.alias(&text)?;
            } else {
                let text = if quoted { text } else { self.continued(text) };
                if std::mem::take(&mut self.explicit) {
                    if let Some(open) = self.open.last_mut() {
                        open.key = Some(text);
                    }
                } else {
                    self.add(Kind::String(text))?;
                }
            }
            if !quoted && !alias {
                return Ok(());
            }
            node = None;
        }
    }

    /// Makes sure that the innermost collection begins at this column and is of this kind.
    fn enter(&mut self, column: usize, mapping: bool) -> Scanned<()> {
        while self.open.last().is_some_and(|open| open.indent.is_some_and(|indent| indent > column)) {
            self.open.pop();
        }
        let fits = self.open.last().is_some_and(|open| {
            open.indent == Some(column)
                && matches!(self.values.get(open.id).map(|v| &v.kind), Some(Kind::Object(_))) == mapping
        });
        if !fits {
            let kind = if mapping { Kind::Object(Vec::new()) } else { Kind::Array(Vec::new()) };
            let id = self.add(kind)?;
            self.open.push(Open { id, indent: Some(column), key: None });
        }
        Ok(())
    }

    fn add(&mut self, kind: Kind) -> Scanned<usize> {
        let id = self.values.len();
        if id >= self.most {
            return Err(Stop::Spent(format!("more than {} YAML values", self.most)));
        }
        let (parent, key) = match self.open.last_mut() {
            Some(open) => (open.id, open.key.take()),
            None => (0, None),
        };
        match self.values.get_mut(parent).map(|value| &mut value.kind) {
            Some(Kind::Object(entries)) => entries.push((key.unwrap_or_default(), id)),
            Some(Kind::Array(items)) => items.push(id),
            _ => {}
        }
        if let Some(anchor) = self.anchor.take() {
            self.anchors.insert(anchor, id);
        }
        self.values.push(Value { at: self.began as u64, kind });
        self.weights.push(1);
        Ok(id)
    }

    /// An alias stands for all that its anchor comes to, counted as far as it is read.
    fn alias(&mut self, name: &str) -> Scanned<()> {
        let target = self.anchors.get(name).copied();
        let id = self.add(Kind::Null)?;
        if let Some(target) = target {
            let weight = self.weight(target, id);
            if let Some(own) = self.weights.get_mut(id) {
                *own = weight;
            }
            let copied = match self.values.get(target).map(|value| &value.kind) {
                Some(Kind::String(text)) => Some(Kind::String(text.clone())),
                _ => None,
            };
            if let (Some(kind), Some(value)) = (copied, self.values.get_mut(id)) {
                value.kind = kind;
            }
        }
        Ok(())
    }

    /// What `id` and all that lies under it comes to. Values stand in the order in which they are read, so that what lies
    /// under one value stands behind it, up to the next value beside it.
    fn weight(&mut self, id: usize, before: usize) -> u64 {
        let (mut sum, mut todo, mut looked) = (0_u64, vec![id], 0_usize);
        while let Some(id) = todo.pop() {
            looked += 1;
            self.steps += 1;
            sum = sum.saturating_add(self.weights.get(id).copied().unwrap_or(1));
            if looked > 10_000 || self.steps > 20_000_000 || id >= before {
                continue;
            }
            match self.values.get(id).map(|value| &value.kind) {
                Some(Kind::Object(entries)) => todo.extend(entries.iter().map(|(_, id)| *id)),
                Some(Kind::Array(items)) => todo.extend(items),
                _ => {}
            }
        }
        sum
    }

    fn expanded(&self) -> u64 {
        self.weights.iter().fold(0, |sum, weight| sum.saturating_add(*weight))
    }

    fn word(&mut self) -> String {
        self.at += 1;
        let word: String = self
            .rest()
            .chars()
            .take_while(|c| !c.is_whitespace() && !matches!(c, ',' | '[' | ']' | '{' | '}'))
            .collect();
        let word = word.strip_suffix(':').map(str::to_owned).unwrap_or(word);
        self.at += word.len();
        word
    }

    /// `!local`, `!!core`, `!handle!name`, `!<whole>`.
    fn tag(&mut self) {
        let at = self.at as u64;
        let rest = self.line_rest();
        let (raw, length) = if let Some(whole) = rest.strip_prefix("!<") {
            let end = whole.find('>').unwrap_or(whole.len());
            (whole.get(..end).unwrap_or_default().to_owned(), end + 3)
        } else {
            let flow = self.in_flow();
            let end = rest
                .find(|c: char| c.is_whitespace() || (flow && matches!(c, ',' | '[' | ']' | '{' | '}')))
                .unwrap_or(rest.len());
            (rest.get(..end).unwrap_or_default().to_owned(), end)
        };
        let whole = rest.starts_with("!<");
        self.at = (self.at + length.max(1)).min(self.text.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        let raw = unescape(&raw);
        let name = if whole {
            raw
        } else if let Some((handle, suffix)) = raw.strip_prefix('!').and_then(|rest| rest.split_once('!')) {
            let handle = format!("!{handle}!");
            match self.handles.get(&handle) {
                Some(prefix) => format!("{prefix}{suffix}"),
                None if handle == "!!" => format!("tag:yaml.org,2002:{suffix}"),
                None => raw,
            }
        } else {
            match (self.handles.get("!"), raw.strip_prefix('!')) {
                (Some(prefix), Some(suffix)) => format!("{prefix}{suffix}"),
                _ => raw,
            }
        };
        self.tags.push(Tag { at, name });
    }

    /// `|` and `>`: everything that is indented further, and empty lines. Holds no tags.
    fn block_text(&mut self) -> String {
        let header = self.line_rest().to_owned();
        let given = header
            .chars()
            .find_map(|c| c.to_digit(10))
            .filter(|_| header.get(1..).is_some_and(|rest| rest.chars().take(2).any(|c| c.is_ascii_digit())));
        let parent = self.open.iter().rev().find_map(|open| open.indent);
        let least = parent.map_or(0, |indent| indent + 1);
        let mut indent = given.map(|by| least.saturating_sub(1) * usize::from(parent.is_some()) + by as usize);
        if parent.is_none() {
            indent = given.map(|by| by as usize);
        }
        self.next_line();
        let mut out = String::new();
        while self.at < self.text.len() {
            let line = self.line_rest();
            let blank = line.trim_matches(' ').is_empty();
            let spaces = line.bytes().take_while(|byte| *byte == b' ').count();
            if !blank {
                let wanted = *indent.get_or_insert(spaces.max(least));
                if spaces < wanted {
                    break;
                }
                if spaces == 0 && (line.starts_with("---") || line.starts_with("...")) {
                    break;
                }
            }
            if out.len() < 1 << 20 {
                out.push_str(line.trim_start_matches(' '));
                out.push('\n');
            }
            self.next_line();
        }
        // The caller goes to the next line itself; here it stands at the beginning of one.
        self.step_back();
        out
    }

    fn step_back(&mut self) {
        if self.at > 0 && self.at <= self.text.len() {
            let before = self.text.as_bytes();
            if matches!(before.get(self.at - 1), Some(b'\n')) {
                self.at -= 1;
                if self.at > 0 && matches!(before.get(self.at - 1), Some(b'\r')) {
                    self.at -= 1;
                }
            } else if matches!(before.get(self.at - 1), Some(b'\r')) {
                self.at -= 1;
            }
        }
    }

    /// A quoted text, over as many lines as it takes.
    fn quoted(&mut self, quote: char) -> String {
        self.at += 1;
        let mut out = String::new();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut chars = rest.char_indices().peekable();
        while let Some((here, c)) = chars.next() {
            if c == quote {
                if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                    chars.next();
                    out.push('\'');
                    continue;
                }
                self.at += here + 1;
                return out;
            }
            if c == '\\' && quote == '"' {
                let Some((_, escape)) = chars.next() else { break };
                let mut hex = |digits: usize| {
                    let code: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                    u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
                };
                out.push(match escape {
                    'n' => '\n',
                    't' | '\t' => '\t',
                    'r' => '\r',
                    '0' => '\0',
                    'x' => hex(2),
                    'u' => hex(4),
                    'U' => hex(8),
                    'e' => '\u{1b}',
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    'N' => '\u{85}',
                    '_' => '\u{a0}',
                    other => other,
                });
                continue;
            }
            out.push(c);
        }
        self.at = self.text.len();
        out
    }

    /// A plain text, up to what ends it on this line.
    fn plain(&mut self) -> String {
        let flow = self.in_flow();
        let line = self.line_rest();
        let bytes = line.as_bytes();
        let mut end = bytes.len();
        for (place, byte) in bytes.iter().enumerate() {
            let next = bytes.get(place + 1);
            let blank_next = matches!(next, None | Some(b' ' | b'\t'));
            let stops = match byte {
                b':' => blank_next || (flow && matches!(next, Some(b',' | b'[' | b']' | b'{' | b'}'))),
                b'#' => place > 0 && matches!(bytes.get(place - 1), Some(b' ' | b'\t')),
                b',' | b'[' | b']' | b'{' | b'}' => flow,
                _ => false,
            };
            if stops {
                end = place;
                break;
            }
        }
        let text = line.get(..end).unwrap_or_default();
        let (length, text) = (text.len(), text.trim_end().to_owned());
        self.at += length;
        text
    }

    /// The lines that a plain text goes on over: those that are indented further than the collection it lies in.
    fn continued(&mut self, mut text: String) -> String {
        let indent = self.open.iter().rev().find_map(|open| open.indent).map_or(0, |indent| indent + 1);
        // A comment ends a plain text.
        if !self.line_rest().trim().is_empty() {
            return text;
        }
        loop {
            let back = self.at;
            self.next_line();
            let mut ahead = self.at;
            // Empty lines belong to it only if it goes on behind them.
            loop {
                let line = self.line_rest();
                if !line.trim().is_empty() || self.at >= self.text.len() {
                    break;
                }
                self.next_line();
                ahead = self.at;
            }
            let line = self.line_rest();
            let spaces = line.bytes().take_while(|byte| *byte == b' ').count();
            let marker = spaces == 0 && (line.starts_with("---") || line.starts_with("..."));
            let trimmed = line.trim_start_matches([' ', '\t']);
            if ahead >= self.text.len() || spaces < indent || trimmed.starts_with('#') || marker {
                self.at = back;
                return text;
            }
            self.at += line.len() - trimmed.len();
            let more = self.plain();
            if text.len() < 1 << 20 {
                text.push(' ');
                text.push_str(&more);
            }
            if !self.line_rest().trim().is_empty() {
                return text;
            }
        }
    }

    /// `[…]` and `{…}` to the end of the outermost one.
    fn flow(&mut self) -> Scanned<()> {
        let outside = self.open.len();
        loop {
            self.steps += 1;
            let Some(first) = self.rest().chars().next() else {
                self.open.truncate(outside);
                return Ok(());
            };
            self.began = self.at;
            match first {
                ' ' | '\t' | '\n' | '\r' | ',' | ':' | '?' => self.at += 1,
                '#' => self.next_line(),
                '[' | '{' => {
                    let kind = if first == '[' { Kind::Array(Vec::new()) } else { Kind::Object(Vec::new()) };
                    let id = self.add(kind)?;
                    self.open.push(Open { id, indent: None, key: None });
                    self.at += 1;
                }
                ']' | '}' => {
                    self.at += 1;
                    self.open.pop();
                    if self.open.len() <= outside {
                        return Ok(());
                    }
                }
                '!' => self.tag(),
                '&' => self.anchor = Some(self.word()),
                '*' => {
                    let name = self.word();
                    self.alias(&name)?;
                }
                _ => {
                    let quoted = first == '"' || first == '\'';
                    let before = self.at;
                    let text = if quoted { self.quoted(first) } else { self.plain() };
                    if self.at == before {
                        self.at += first.len_utf8();
                    }
                    let after = self.line_rest().trim_start_matches([' ', '\t']);
                    let key = after.strip_prefix(':').is_some_and(|rest| {
                        quoted || rest.is_empty() || rest.starts_with([' ', '\t', ',', '[', ']', '{', '}'])
                    });
                    if key {
                        self.at += self.line_rest().len() - after.len() + 1;
                        // `[a: b]` is a list of one mapping; its key and value stand in for it.
                        if let Some(open) = self.open.last_mut() {
                            open.key = Some(text);
                        }
                    } else {
                        self.add(Kind::String(text))?;
                    }
                }
            }
        }
    }
}

/// `%70ython` is `python`.
fn unescape(tag: &str) -> String {
    if !tag.contains('%') {
        return tag.to_owned();
    }
    let mut out: Vec<u8> = Vec::new();
    let mut bytes = tag.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let ahead: Vec<u8> = bytes.clone().take(2).collect();
        match (byte, &ahead[..]) {
            (b'%', [a, b]) if hex(*a).is_some() && hex(*b).is_some() => {
                out.push(hex(*a).unwrap_or(0) * 16 + hex(*b).unwrap_or(0));
                bytes.nth(1);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
