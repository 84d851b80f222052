//! Reading a condition: `r.m.secrets > 0 && !(r.x.production || r.m.license_family in ["research", "unknown"])`.
//!
//! The text is read here and nowhere else: what Casbin gets is written anew from what was understood. Never guesses: an
//! unknown field, a comparison of another type, or a text too long or too deep is an error that says where.

use crate::domain::facts::{Field, Group, Kind, is_name};

use super::expr::{Expr, Literal, Op};
use crate::{domain::refusal::ascii_line, gate::access::rows};

pub(super) fn parse(text: &str) -> Result<Expr, String> {
    if text.len() > LONGEST {
        return Err(format!("a condition is at most {LONGEST} characters"));
    }
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, next: 0, depth: 0 };
    let whole = reader.either()?;
    match reader.peek() {
        None => Ok(whole),
        Some(token) => Err(format!("`{}` is not expected after a whole condition", token.text())),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Sign(&'static str),
    /// A word or a path: `missing`, `r.m.secrets`.
    Name(String),
    Text(String),
    Number(i32),
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Sign(sign) => (*sign).to_owned(),
            Self::Name(name) => name.clone(),
            Self::Text(text) => format!("\"{text}\""),
            Self::Number(number) => number.to_string(),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            sign.len()
        } else if first == '"' {
            let (inner, _) = rest[1..].split_once('"').ok_or("a text in quotes has no end")?;
            tokens.push(Token::Text(inner.to_owned()));
            inner.len() + 2
        } else if first.is_ascii_digit() || first == '-' {
            let length = 1 + rest[1..].bytes().take_while(u8::is_ascii_digit).count();
            // The smallest number is not its opposite's opposite, and Casbin reads a sign and a number apart.
            let number = rest[..length].parse().ok().filter(|number| *number != i32::MIN);
            tokens.push(Token::Number(number.ok_or_else(|| format!("`{}` is no number of 32 bits", &rest[..length]))?));
            length
        } else if first.is_ascii_alphabetic() {
            let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
            let length = rest.bytes().take_while(plain).count();
            tokens.push(Token::Name(rest[..length].to_owned()));
            length
        } else {
            return Err(format!("`{}` means nothing here", first.escape_default()));
        };
        rest = rest[taken..].trim_start();
    }
    if tokens.len() > MOST_TOKENS {
        return Err(format!("a condition has at most {MOST_TOKENS} words and signs"));
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: &'a [Token],
    next: usize,
    depth: usize,
}

impl Reader<'_> {
    fn either(&mut self) -> Result<Expr, String> {
        self.joined("||", Self::both, Expr::Or)
    }

    fn both(&mut self) -> Result<Expr, String> {
        self.joined("&&", Self::one, Expr::And)
    }

    fn joined(
        &mut self,
        sign: &'static str,
        part: fn(&mut Self) -> Result<Expr, String>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, String> {
        let mut parts = vec![part(self)?];
        while self.takes(sign) {
            parts.push(part(self)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { join(parts) })
    }

    fn one(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("a condition is at most {DEEPEST} deep"));
        }
        let read = if self.takes("!") {
            self.one()?.not()
        } else if self.takes("(") {
            let inner = self.either()?;
            self.must(")")?;
            inner
        } else {
            self.leaf()?
        };
        self.depth -= 1;
        Ok(read)
    }

    fn leaf(&mut self) -> Result<Expr, String> {
        match self.take()? {
            Token::Name(name) if name == "missing" => {
                self.must("(")?;
                let field = match self.take()? {
                    Token::Name(name) => field(&name)?,
                    other => return Err(format!("`missing` asks about a field, not about {}", other.text())),
                };
                self.must(")")?;
                Ok(Expr::Missing(field))
            }
            Token::Name(name) if name == "r.m.answered" => self.rule_named().map(Expr::Answered),
            Token::Name(name) if name == "r.m.waived" => self.rule_named().map(Expr::Waived),
            Token::Name(name) if name.contains('.') => {
                let field = field(&name)?;
                if self.takes("in") {
                    return self.list_of(field);
                }
                match self.operator() {
                    Some(op) => self.literal().and_then(|literal| compare(field, op, literal)),
                    None if field.kind() == Kind::Bool => Ok(Expr::Truth(field)),
                    None => Err(format!("`{name}` is {}: compare it with something", field.kind().sentence())),
                }
            }
            token => {
                self.next -= 1;
                let literal = self.literal().map_err(|_| format!("`{}` is no condition", token.text()))?;
                if let (Literal::Word(word), true) = (&literal, self.takes("in")) {
                    return self.holder_of(word.clone());
                }
                match (self.operator(), literal) {
                    (Some(op), literal) => match self.take()? {
                        Token::Name(name) if name.contains('.') => compare(field(&name)?, op.turned(), literal),
                        other => Err(format!("one side of a comparison is a field, not {}", other.text())),
                    },
                    (None, Literal::Bool(constant)) => Ok(Expr::Constant(constant)),
                    (None, _) => Err(format!("{} is no condition", token.text())),
                }
            }
        }
    }

    /// `r.m.license_family in ["research", "unknown"]`.
    fn list_of(&mut self, field: Field) -> Result<Expr, String> {
        self.must("[")?;
        let mut literals = Vec::new();
        loop {
            let literal = self.literal()?;
            compare(field, Op::Equal, literal.clone())?;
            literals.push(literal);
            if !self.takes(",") {
                break;
            }
        }
        self.must("]")?;
        Ok(Expr::OneOf(field, literals))
    }

    /// `"biometric" in r.m.capability_flags`.
    fn holder_of(&mut self, word: String) -> Result<Expr, String> {
        let Token::Name(name) = self.take()? else { return Err("after `in` stands a field".to_owned()) };
        let field = field(&name)?;
        match field.kind() {
            Kind::Words(words) if words.contains(&word.as_str()) => Ok(Expr::Holds(field, word)),
            Kind::Words(words) => Err(unknown(&format!("word of `{name}`"), &word, words)),
            Kind::Names if is_name(&word) => Ok(Expr::Holds(field, word)),
            kind => Err(format!("`{name}` is {}, and holds no words", kind.sentence())),
        }
    }

    fn rule_named(&mut self) -> Result<String, String> {
        self.must("(")?;
        let Token::Text(rule) = self.take()? else { return Err("it asks about a rule's id in quotes".to_owned()) };
        self.must(")")?;
        // The id is written into what Casbin runs: it is letters, digits and a dash before anything else is asked of it.
        if is_id(&rule) { Ok(rule) } else { Err(format!("`{}` is no rule's id", ascii_line(&rule, 60))) }
    }

    fn operator(&mut self) -> Option<Op> {
        [Op::Equal, Op::Unequal, Op::Less, Op::AtMost, Op::More, Op::AtLeast]
            .into_iter()
            .find(|op| self.takes(op.sign()))
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.take()? {
            Token::Text(word) => Ok(Literal::Word(word)),
            Token::Number(number) => Ok(Literal::Int(number)),
            Token::Name(name) if name == "true" => Ok(Literal::Bool(true)),
            Token::Name(name) if name == "false" => Ok(Literal::Bool(false)),
            other => Err(format!("`{}` is no text in quotes, number, true or false", other.text())),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("the condition ends too early")?;
        self.next += 1;
        Ok(token)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let there = match self.peek() {
            Some(Token::Sign(here)) => *here == sign,
            Some(Token::Name(here)) => here == sign,
            _ => false,
        };
        self.next += usize::from(there);
        there
    }

    fn must(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "nothing".to_owned(), |token| format!("`{}`", token.text()));
        Err(format!("`{sign}` is expected, and {found} is there"))
    }
}

fn field(name: &str) -> Result<Field, String> {
    let parts: Vec<_> = name.split('.').collect();
    let group = |letter: &str| Group::ALL.into_iter().find(|group| group.letter() == letter);
    let ["r", letter, word] = parts[..] else {
        return Err(format!("`{name}` is no field: a field is `r.m.`, `r.f.`, `r.s.` or `r.x.` and its word"));
    };
    let group = group(letter).ok_or_else(|| format!("`r.{letter}` is none of `r.m`, `r.f`, `r.s`, `r.x`"))?;
    let readable = |field: &&Field| field.group() == group && field.kind() != Kind::Moment;
    let words: Vec<_> = Field::ALL.iter().filter(readable).map(|field| field.word()).collect();
    match Field::find(group, word) {
        Some(field) if field.kind() == Kind::Moment => {
            Err(format!("`{name}` is a point in time; compare its age instead"))
        }
        found => found.ok_or_else(|| unknown(&format!("field of `r.{letter}`"), word, &words)),
    }
}

fn compare(field: Field, op: Op, literal: Literal) -> Result<Expr, String> {
    let ordered = !matches!(op, Op::Equal | Op::Unequal);
    let name = format!("r.{}.{}", field.group().letter(), field.word());
    match (field.kind(), &literal) {
        (Kind::Int | Kind::Hours(_) | Kind::Days(_), Literal::Int(_)) => return Ok(Expr::Compare(field, op, literal)),
        (Kind::Word(_) | Kind::Name | Kind::Bool, _) if ordered => {
            return Err(format!("`{name}` has no order: only == and != compare it"));
        }
        (Kind::Bool, Literal::Bool(_)) => {}
        // It is written into what Casbin runs: a name has nothing in it that ends a text.
        (Kind::Name, Literal::Word(word)) if is_name(word) => {}
        (Kind::Word(words), Literal::Word(word)) if words.contains(&word.as_str()) => {}
        (Kind::Word(words), Literal::Word(word)) => return Err(unknown(&format!("word of `{name}`"), word, words)),
        (kind, _) => return Err(format!("`{name}` is {}, and is compared with something else", kind.sentence())),
    }
    Ok(Expr::Compare(field, op, literal))
}

pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    rows::unknown(what, &ascii_line(word, 60), known)
}

/// `W-001`: a capital letter, a dash and three digits.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b'-', rest @ ..]
        if letter.is_ascii_uppercase() && rest.len() == 3 && rest.iter().all(u8::is_ascii_digit))
}

/// The longer first, so that `<=` is not read as `<`.
const SIGNS: [&str; 14] = ["==", "!=", "<=", ">=", "&&", "||", "!", "<", ">", "(", ")", "[", "]", ","];

const LONGEST: usize = 1500;
const MOST_TOKENS: usize = 200;
const DEEPEST: usize = 16;
