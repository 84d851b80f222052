//! Python literals as numpy writes them into headers: dictionaries, lists, tuples, texts, whole numbers, True, False, None.
//!
//! Nothing is evaluated; a name, a call or an operator is code, and is told apart from what is merely broken.

/// One value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    /// Nothing where it does not fit or is negative.
    Number(Option<u64>),
    Bool(bool),
    None,
    List(Vec<Literal>),
    Tuple(Vec<Literal>),
    Dict(Vec<(Literal, Literal)>),
}

/// Why a text is no literal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It has this, which only an evaluator understands.
    Code(String),
    Broken(String),
}

/// A container that is not closed yet.
struct Open {
    bracket: u8,
    items: Vec<Literal>,
    /// Keys of a dictionary whose values follow.
    key: Option<Literal>,
    entries: Vec<(Literal, Literal)>,
    comma: bool,
    /// Whether a value was just read, so that a comma or an end has to come.
    full: bool,
}

/// Reads one literal, nested at most `deepest`, and blanks around it.
pub(super) fn parse(text: &[u8], deepest: usize) -> Result<Literal, Fault> {
    let broken = |what: &str| Fault::Broken(format!("the array's header is no Python literal: {what}"));
    let mut open: Vec<Open> = Vec::new();
    let mut done: Option<Literal> = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte.is_ascii_whitespace() {
            continue;
        }
        if done.is_some() {
            return Err(Fault::Code(shown(text, at - 1)));
        }
        let full = open.last().is_some_and(|open| open.full);
        let value = match byte {
            b',' | b':' if full => {
                let Some(last) = open.last_mut() else { return Err(broken("a comma stands alone")) };
                last.separator(byte).ok_or_else(|| broken("a comma or colon is in the wrong place"))?;
                continue;
            }
            b'(' | b'[' | b'{' if !full => {
                if open.len() >= deepest {
                    return Err(broken("it is nested too deep"));
                }
                open.push(Open {
                    bracket: byte,
                    items: Vec::new(),
                    key: None,
                    entries: Vec::new(),
                    comma: false,
                    full: false,
                });
                continue;
            }
            b')' | b']' | b'}' => {
                let closed = open.pop().and_then(|open| open.close(byte));
                closed.ok_or_else(|| broken("brackets do not match"))?
            }
            b'\'' | b'"' if !full => {
                Literal::Text(string(text, &mut at, byte).ok_or_else(|| broken("a text has no end"))?)
            }
            b'0'..=b'9' | b'-' if !full => number(text, &mut at),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' if !full => word(text, &mut at)?,
            _ => return Err(Fault::Code(shown(text, at - 1))),
        };
        match open.last_mut() {
            Some(last) => last.take(value),
            None => done = Some(value),
        }
    }
    match done {
        Some(value) if open.is_empty() => Ok(value),
        _ => Err(broken("it ends in the middle")),
    }
}

impl Open {
    fn take(&mut self, value: Literal) {
        self.full = true;
        match self.key.take() {
            Some(key) if self.bracket == b'{' => {
                self.entries.push((key, value));
            }
            _ => self.items.push(value),
        }
    }

    fn separator(&mut self, byte: u8) -> Option<()> {
        self.full = false;
        match (byte, self.bracket) {
            (b':', b'{') => {
                self.key = Some(self.items.pop()?);
                Some(())
            }
            (b',', b'{') => (self.items.is_empty() && self.key.is_none()).then_some(()),
            (b',', _) => {
                self.comma = true;
                Some(())
            }
            _ => None,
        }
    }

    fn close(self, byte: u8) -> Option<Literal> {
        match (self.bracket, byte) {
            (b'[', b']') => Some(Literal::List(self.items)),
            // `(3)` is a number and `(3,)` a tuple.
            (b'(', b')') if self.items.len() == 1 && !self.comma => self.items.into_iter().next(),
            (b'(', b')') => Some(Literal::Tuple(self.items)),
            (b'{', b'}') => (self.items.is_empty() && self.key.is_none()).then_some(Literal::Dict(self.entries)),
            _ => None,
        }
    }
}

/// A text, with what its escapes stand for.
fn string(text: &[u8], at: &mut usize, quote: u8) -> Option<String> {
    let mut out = Vec::new();
    loop {
        let byte = *text.get(*at)?;
        *at += 1;
        match byte {
            b'\\' => out.extend(escape(text, at)?.encode_utf8(&mut [0; 4]).bytes()),
            byte if byte == quote => return Some(String::from_utf8_lossy(&out).into_owned()),
            byte => out.push(byte),
        }
    }
}

/// What an escape stands for: by code, or the character itself.
fn escape(text: &[u8], at: &mut usize) -> Option<char> {
    let byte = *text.get(*at)?;
    *at += 1;
    let (radix, most) = match byte {
        b'x' => (16, 2),
        b'u' => (16, 4),
        b'U' => (16, 8),
        b'0'..=b'7' => {
            *at -= 1;
            (8, 3)
        }
        other => return Some(char::from(other)),
    };
    let mut code = 0;
    for _ in 0..most {
        let Some(digit) = text.get(*at).and_then(|byte| char::from(*byte).to_digit(radix)) else { break };
        code = code * radix + digit;
        *at += 1;
    }
    char::from_u32(code)
}

/// A whole number; Python 2 put an `L` behind long ones.
fn number(text: &[u8], at: &mut usize) -> Literal {
    let start = *at - 1;
    while text.get(*at).is_some_and(u8::is_ascii_digit) {
        *at += 1;
    }
    let digits = text.get(start..*at).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default();
    if text.get(*at) == Some(&b'L') {
        *at += 1;
    }
    Literal::Number(digits.parse().ok())
}

fn word(text: &[u8], at: &mut usize) -> Result<Literal, Fault> {
    let start = *at - 1;
    while text.get(*at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        *at += 1;
    }
    match text.get(start..*at) {
        Some(b"True") => Ok(Literal::Bool(true)),
        Some(b"False") => Ok(Literal::Bool(false)),
        Some(b"None") => Ok(Literal::None),
        // `u'f4'` and `b'f4'`: Python 2 wrote such texts.
        Some(b"u" | b"b") if matches!(text.get(*at), Some(b'\'' | b'"')) => {
            let quote = text.get(*at).copied().unwrap_or_default();
            *at += 1;
            string(text, at, quote).map(Literal::Text).ok_or_else(|| Fault::Broken("a text has no end".into()))
        }
        _ => Err(Fault::Code(shown(text, start))),
    }
}

/// What stands there, for people.
fn shown(text: &[u8], at: usize) -> String {
    let rest = text.get(at..).unwrap_or_default();
    String::from_utf8_lossy(rest.get(..60).unwrap_or(rest)).trim().to_owned()
}
