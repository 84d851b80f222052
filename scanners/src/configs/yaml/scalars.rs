//! The texts of YAML: plain ones, quoted ones and blocks. They hold no tags, and where they end decides what else does.

use super::lex::Lexer;

/// Of one text this many bytes are kept; it is read to its end all the same.
const KEPT: usize = 1 << 20;

fn keep(out: &mut String, c: char) {
    if out.len() < KEPT {
        out.push(c);
    }
}

impl Lexer<'_> {
    /// A text without quotes, over as many lines as are indented further than the block that it lies in.
    pub(super) fn plain(&mut self) -> String {
        let (mut out, least) = (String::new(), self.indent + 1);
        let (start, mut spaces) = (self.at, String::new());
        loop {
            if self.peek() == '#' && self.at > start {
                return out;
            }
            let from = self.at;
            while !self.ends_plain() || self.at == start {
                let c = self.peek();
                if self.is_blank(c) {
                    break;
                }
                spaces.drain(..).for_each(|c| keep(&mut out, c));
                keep(&mut out, c);
                self.forward();
            }
            if self.at == from {
                return out;
            }
            self.allow_key = false;
            let Some(between) = self.plain_spaces() else { return out };
            let column = isize::try_from(self.column).unwrap_or(isize::MAX);
            if self.peek() == '#' || self.flow == 0 && column < least || self.peek() == '\0' {
                return out;
            }
            spaces = between;
        }
    }

    fn ends_plain(&self) -> bool {
        let c = self.peek();
        let next = self.rest().chars().nth(1).unwrap_or('\0');
        self.is_blank(c)
            || c == ':' && (self.is_blank(next) || self.flow > 0 && matches!(next, ',' | '[' | ']' | '{' | '}'))
            || self.flow > 0 && (matches!(c, ',' | '[' | ']' | '{' | '}') || c == '?' && !self.rules.lib)
    }

    /// The spaces and ends of lines within a plain text; nothing where the text ends here.
    fn plain_spaces(&mut self) -> Option<String> {
        let mut spaces = String::new();
        while matches!(self.peek(), ' ' | '\t') {
            keep(&mut spaces, self.peek());
            self.forward();
        }
        if !self.is_break(self.peek()) {
            return (!spaces.is_empty()).then_some(spaces);
        }
        self.line_break();
        self.allow_key = true;
        let mut breaks = String::new();
        loop {
            if self.is_marker() {
                return None;
            }
            match self.peek() {
                ' ' | '\t' => self.forward(),
                c if self.is_break(c) => {
                    self.line_break();
                    keep(&mut breaks, '\n');
                }
                _ => break,
            }
        }
        Some(if breaks.is_empty() { " ".to_owned() } else { breaks })
    }

    /// `|` and `>`: everything that is indented further, and empty lines.
    pub(super) fn block_text(&mut self) -> String {
        let folded = self.peek() == '>';
        self.forward();
        let mut given = None;
        while let c @ ('+' | '-' | '0'..='9') = self.peek() {
            given = given.or(c.to_digit(10).filter(|digit| *digit > 0));
            self.forward();
        }
        self.skip_line();
        self.line_break();
        let least = usize::try_from(self.indent + 1).unwrap_or(0).max(1);
        let indent = match given {
            Some(by) => {
                let indent = (least - 1).saturating_add(by as usize);
                self.block_breaks(indent);
                indent
            }
            None => self.block_indent().max(least),
        };
        let mut out = String::new();
        while self.column == indent && self.peek() != '\0' {
            while self.peek() != '\0' && !self.is_break(self.peek()) {
                keep(&mut out, self.peek());
                self.forward();
            }
            self.line_break();
            let empty = self.block_breaks(indent);
            // What a fold makes of lines matters only where one goes on with the next.
            keep(&mut out, if folded && empty == 0 && self.column == indent { ' ' } else { '\n' });
            (0..empty.min(1024)).for_each(|_| keep(&mut out, '\n'));
        }
        while out.ends_with('\n') {
            out.pop();
        }
        out
    }

    /// How far the first line that is not empty is indented, or the longest empty one before it.
    fn block_indent(&mut self) -> usize {
        let mut most = 0;
        loop {
            match self.peek() {
                ' ' => {
                    self.forward();
                    most = most.max(self.column);
                }
                c if self.is_break(c) => {
                    self.line_break();
                }
                _ => return most,
            }
        }
    }

    /// Steps over empty lines to the indentation of the next one.
    fn block_breaks(&mut self, indent: usize) -> usize {
        let mut count = 0;
        loop {
            while self.column < indent && self.peek() == ' ' {
                self.forward();
            }
            if !self.line_break() {
                return count;
            }
            count += 1;
        }
    }

    /// A quoted text, over as many lines as it takes.
    pub(super) fn quoted(&mut self, quote: char) -> String {
        self.forward();
        let mut out = String::new();
        while self.peek() != '\0' {
            let c = self.peek();
            if c == quote {
                self.forward();
                if quote == '\'' && self.peek() == '\'' {
                    self.forward();
                    keep(&mut out, '\'');
                    continue;
                }
                return out;
            }
            if c == '\\' && quote == '"' {
                self.forward();
                self.escape(&mut out);
            } else if c == ' ' || c == '\t' || self.is_break(c) {
                self.quoted_spaces(&mut out);
            } else {
                keep(&mut out, c);
                self.forward();
            }
        }
        out
    }

    /// Spaces are kept within a line; the end of a line is one space, and empty lines are ends of lines.
    fn quoted_spaces(&mut self, out: &mut String) {
        let mut spaces = String::new();
        while matches!(self.peek(), ' ' | '\t') {
            keep(&mut spaces, self.peek());
            self.forward();
        }
        if !self.line_break() {
            spaces.chars().for_each(|c| keep(out, c));
            return;
        }
        let empty = self.empty_lines();
        (0..empty.min(1024)).for_each(|_| keep(out, '\n'));
        if empty == 0 {
            keep(out, ' ');
        }
    }

    fn empty_lines(&mut self) -> usize {
        let mut count = 0;
        loop {
            while matches!(self.peek(), ' ' | '\t') {
                self.forward();
            }
            if !self.line_break() {
                return count;
            }
            count += 1;
        }
    }

    fn escape(&mut self, out: &mut String) {
        let c = self.peek();
        if self.is_break(c) {
            self.line_break();
            let empty = self.empty_lines();
            (0..empty.min(1024)).for_each(|_| keep(out, '\n'));
            return;
        }
        self.forward();
        let mut hex = |digits: usize| {
            let rest = self.rest();
            let code = rest.get(..digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let letter = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
            self.forward_by(code.map_or(0, str::len));
            letter.unwrap_or('\u{fffd}')
        };
        let letter = match c {
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            'e' => '\u{1b}',
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => hex(2),
            'u' => hex(4),
            'U' => hex(8),
            other => other,
        };
        keep(out, letter);
    }
}
