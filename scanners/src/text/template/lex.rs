//! Jinja source as pieces: plain text, and the tokens between `{{ }}` and `{% %}`.
//!
//! Follows Jinja2's own lexer (its string escapes, its bracket balancing, `raw` blocks). Never decides what a token means.

/// A stretch of a template.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Written out as it is.
    Text { at: usize, text: String },
    /// `{{ … }}`
    Print { at: usize, tokens: Vec<Token> },
    /// `{% … %}`
    Tag { at: usize, tokens: Vec<Token> },
}

/// One token of an expression.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) at: usize,
    pub(crate) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    Name(String),
    Text(String),
    Int(i64),
    Float,
    Sign(&'static str),
}

/// Why a template could not be read, and where.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) at: usize,
    pub(crate) why: String,
}

impl Unread {
    pub(crate) fn new(at: usize, why: impl Into<String>) -> Self {
        Self { at, why: why.into() }
    }
}

/// Longest first.
const SIGNS: [&str; 27] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";", "!",
];

/// Cuts a template into its pieces.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, Unread> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let (mut at, mut plain) = (0, 0);
    while let Some(open) = memchr::memchr(b'{', bytes.get(at..).unwrap_or_default()).map(|found| at + found) {
        let kind = bytes.get(open + 1).copied();
        if !matches!(kind, Some(b'{' | b'%' | b'#')) {
            at = open + 1;
            continue;
        }
        push_text(&mut out, text, plain..open);
        let inner = open + 2;
        if kind == Some(b'#') {
            let rest = bytes.get(inner..).unwrap_or_default();
            let Some(end) = memchr::memmem::find(rest, b"#}") else {
                return Err(Unread::new(open, "a comment has no end"));
            };
            at = inner + end + 2;
        } else if let Some((start, end, after)) = (kind == Some(b'%')).then(|| raw_block(text, inner)).flatten() {
            let Some(end) = end else { return Err(Unread::new(open, "a raw block has no end")) };
            push_text(&mut out, text, start..end);
            at = after;
        } else {
            let (tokens, after) = tokens(text, inner, if kind == Some(b'{') { "}}" } else { "%}" })?;
            out.push(if kind == Some(b'{') {
                Piece::Print { at: open, tokens }
            } else {
                Piece::Tag { at: open, tokens }
            });
            at = after;
        }
        plain = at;
    }
    push_text(&mut out, text, plain..text.len());
    Ok(out)
}

fn push_text(out: &mut Vec<Piece>, text: &str, range: std::ops::Range<usize>) {
    let at = range.start;
    if let Some(text) = text.get(range).filter(|text| !text.is_empty()) {
        out.push(Piece::Text { at, text: text.to_owned() });
    }
}

/// `{% raw %} … {% endraw %}`: where its text begins and ends, and where the template goes on.
fn raw_block(text: &str, inner: usize) -> Option<(usize, Option<usize>, usize)> {
    let after_word = |from: usize, word: &str| -> Option<usize> {
        let rest = text.get(from..)?;
        let trimmed = rest.trim_start_matches(['-', '+']).trim_start().strip_prefix(word)?.trim_start();
        let trimmed = trimmed.trim_start_matches(['-', '+']).strip_prefix("%}")?;
        Some(text.len() - trimmed.len())
    };
    let start = after_word(inner, "raw")?;
    let mut from = start;
    while let Some(found) = text.get(from..)?.find("{%") {
        if let Some(after) = after_word(from + found + 2, "endraw") {
            return Some((start, Some(from + found), after));
        }
        from += found + 2;
    }
    Some((start, None, start))
}

fn tokens(text: &str, start: usize, end: &'static str) -> Result<(Vec<Token>, usize), Unread> {
    let mut out = Vec::new();
    let mut at = start;
    if matches!(text.as_bytes().get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let mut open = 0_usize;
    loop {
        let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else {
            return Err(Unread::new(start, format!("`{end}` is missing")));
        };
        let Some(first) = rest.chars().next() else { break };
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if open == 0 {
            if rest.starts_with(end) {
                return Ok((out, at + 2));
            }
            if (first == '-' || first == '+') && rest.get(1..).is_some_and(|rest| rest.starts_with(end)) {
                return Ok((out, at + 3));
            }
        }
        let (kind, length) = token(rest, at)?;
        match kind {
            TokenKind::Sign("(" | "[" | "{") => open += 1,
            TokenKind::Sign(")" | "]" | "}") if open == 0 => {
                return Err(Unread::new(at, "a bracket closes that none opened"));
            }
            TokenKind::Sign(")" | "]" | "}") => open -= 1,
            _ => {}
        }
        out.push(Token { at, kind });
        at += length;
    }
    Ok((out, at))
}

fn token(rest: &str, at: usize) -> Result<(TokenKind, usize), Unread> {
    let first = rest.chars().next().unwrap_or_default();
    if first == '"' || first == '\'' {
        return string(rest, at);
    }
    if first.is_ascii_digit() {
        return Ok(number(rest));
    }
    if first.is_alphabetic() || first == '_' {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let length = name.len();
        return Ok((TokenKind::Name(name), length));
    }
    SIGNS
        .iter()
        .find(|sign| rest.starts_with(**sign))
        .map(|sign| (TokenKind::Sign(sign), sign.len()))
        .ok_or_else(|| Unread::new(at, format!("`{first}` means nothing here")))
}

fn number(rest: &str) -> (TokenKind, usize) {
    let bytes = rest.as_bytes();
    let radix = match bytes.get(1) {
        Some(b'x' | b'X') if bytes.first() == Some(&b'0') => 16,
        Some(b'o' | b'O') if bytes.first() == Some(&b'0') => 8,
        Some(b'b' | b'B') if bytes.first() == Some(&b'0') => 2,
        _ => 10,
    };
    let skip = if radix == 10 { 0 } else { 2 };
    let body = |more: fn(&u8) -> bool, from: usize| {
        bytes.get(from..).unwrap_or_default().iter().take_while(|b| more(b)).count()
    };
    let mut length = skip
        + if radix == 16 {
            body(|b| b.is_ascii_hexdigit() || *b == b'_', skip)
        } else {
            body(|b| b.is_ascii_digit() || *b == b'_', skip)
        };
    let mut float = false;
    if radix == 10 {
        let digits = |from: usize| body(|b| b.is_ascii_digit() || *b == b'_', from);
        if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
            length += 1 + digits(length + 1);
            float = true;
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            if digits(length + 1 + sign) > 0 {
                length += 1 + sign + digits(length + 1 + sign);
                float = true;
            }
        }
    }
    if float {
        return (TokenKind::Float, length);
    }
    let digits: String = rest.get(skip..length).unwrap_or_default().chars().filter(|c| *c != '_').collect();
    // A number that does not fit is as large as one can be.
    (TokenKind::Int(i64::from_str_radix(&digits, radix).unwrap_or(i64::MAX)), length)
}

/// A string with Python's escapes resolved, as Jinja2 does.
fn string(rest: &str, at: usize) -> Result<(TokenKind, usize), Unread> {
    let mut out = String::new();
    let mut chars = rest.char_indices();
    let Some((_, quote)) = chars.next() else { return Err(Unread::new(at, "a string has no end")) };
    while let Some((here, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((TokenKind::Text(out), here + c.len_utf8())),
            '\\' => {
                let Some((_, escape)) = chars.next() else { break };
                let digits = |most: usize, chars: &mut std::str::CharIndices<'_>, first: Option<char>, radix: u32| {
                    let mut digits: String = first.into_iter().collect();
                    while digits.len() < most
                        && let Some(digit) = chars.as_str().chars().next().filter(|c| c.is_digit(radix))
                    {
                        digits.push(digit);
                        chars.next();
                    }
                    u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32)
                };
                match escape {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    'a' => out.push('\u{7}'),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'v' => out.push('\u{b}'),
                    '\n' => {}
                    'x' => out.extend(digits(2, &mut chars, None, 16)),
                    'u' => out.extend(digits(4, &mut chars, None, 16)),
                    'U' => out.extend(digits(8, &mut chars, None, 16)),
                    '0'..='7' => out.extend(digits(3, &mut chars, Some(escape), 8)),
                    'N' if chars.as_str().starts_with('{') => {
                        let name: String = chars.by_ref().map(|(_, c)| c).take_while(|c| *c != '}').collect();
                        out.push(match name.trim_start_matches('{').to_ascii_uppercase().as_str() {
                            "LOW LINE" | "UNDERSCORE" | "SPACING UNDERSCORE" => '_',
                            _ => '\u{fffd}',
                        });
                    }
                    '\\' | '\'' | '"' => out.push(escape),
                    other => out.extend(['\\', other]),
                }
            }
            c => out.push(c),
        }
    }
    Err(Unread::new(at, "a string has no end"))
}
