//! Expressions read from tokens, by Jinja2's own order of precedence. How deep they nest is bounded.

use super::{
    lex::{Token, TokenKind, Unread},
    tree::{Args, Expr, ExprKind, Id, Op, Template},
    values::Value,
};

/// Brackets within brackets, or signs before signs. Real templates nest less than twenty; Python's own reader gives up at
/// about two hundred.
const DEPTH: usize = 120;

/// The words that say that a template nests too deep; whoever judges it looks for them.
pub(crate) const TOO_DEEP: &str = "it nests deeper than any template does";

/// The tokens of one `{{ }}` or `{% %}`, and how far they are read.
pub(crate) struct Reader<'a> {
    pub(crate) template: &'a mut Template,
    tokens: &'a [Token],
    next: usize,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(template: &'a mut Template, tokens: &'a [Token], at: usize) -> Self {
        Self { template, tokens, next: 0, at, depth: 0 }
    }

    pub(crate) fn done(&self) -> bool {
        self.next >= self.tokens.len()
    }

    pub(crate) fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.at, |token| token.at)
    }

    fn peek(&self, ahead: usize) -> Option<&'a TokenKind> {
        self.tokens.get(self.next + ahead).map(|token| &token.kind)
    }

    pub(crate) fn sign(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(0), Some(TokenKind::Sign(s)) if *s == sign);
        self.next += usize::from(is);
        is
    }

    pub(crate) fn word(&mut self, word: &str) -> bool {
        let is = self.is_word(0, word);
        self.next += usize::from(is);
        is
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek(ahead), Some(TokenKind::Name(name)) if name == word)
    }

    pub(crate) fn name(&mut self) -> Result<String, Unread> {
        match self.peek(0) {
            Some(TokenKind::Name(name)) => {
                self.next += 1;
                Ok(name.clone())
            }
            _ => Err(self.wrong("a name is missing")),
        }
    }

    pub(crate) fn wrong(&self, why: &str) -> Unread {
        Unread::new(self.at(), why)
    }

    fn expect(&mut self, sign: &str) -> Result<(), Unread> {
        if self.sign(sign) { Ok(()) } else { Err(self.wrong(&format!("`{sign}` is missing"))) }
    }

    pub(crate) fn end(&self) -> Result<(), Unread> {
        if self.done() { Ok(()) } else { Err(self.wrong("something is left over")) }
    }

    pub(crate) fn push(&mut self, at: usize, kind: ExprKind) -> Id {
        self.template.exprs.push(Expr { at, kind });
        self.template.exprs.len() - 1
    }

    /// One expression, or several with commas between, which are a tuple.
    pub(crate) fn tuple(&mut self) -> Result<Id, Unread> {
        let at = self.at();
        let first = self.expression()?;
        if !matches!(self.peek(0), Some(TokenKind::Sign(","))) {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.sign(",") {
            if self.done()
                || matches!(self.peek(0), Some(TokenKind::Sign(")" | "]" | "=")))
                || self.is_word(0, "recursive")
            {
                break;
            }
            items.push(self.expression()?);
        }
        Ok(self.push(at, ExprKind::List(items)))
    }

    /// `a if b else c`, or anything that binds tighter.
    pub(crate) fn expression(&mut self) -> Result<Id, Unread> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong(TOO_DEEP));
        }
        let at = self.at();
        let mut value = self.without_choice()?;
        while self.word("if") {
            let test = self.without_choice()?;
            let other = if self.word("else") { Some(self.expression()?) } else { None };
            value = self.push(at, ExprKind::Choice { test, then: value, other });
        }
        self.depth -= 1;
        Ok(value)
    }

    /// What stands where `if` has another meaning: after `in` of a `for`.
    pub(crate) fn without_choice(&mut self) -> Result<Id, Unread> {
        self.binary(1)
    }

    fn binary(&mut self, least: u8) -> Result<Id, Unread> {
        self.depth += 1;
        if self.depth > DEPTH * 3 {
            return Err(self.wrong(TOO_DEEP));
        }
        let at = self.at();
        let mut left = if self.is_word(0, "not") && !self.is_word(1, "in") {
            self.next += 1;
            let operand = self.binary(3)?;
            self.push(at, ExprKind::Not(operand))
        } else {
            self.unary()?
        };
        while let Some((op, binds, negated, length)) = self.operator().filter(|(_, binds, ..)| *binds >= least) {
            let at = self.at();
            self.next += length;
            let right = self.binary(binds + 1)?;
            left = self.push(at, ExprKind::Binary(op, left, right));
            if negated {
                left = self.push(at, ExprKind::Not(left));
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The operator that comes next: what it is, how tight it binds, whether it is negated, and its tokens.
    fn operator(&self) -> Option<(Op, u8, bool, usize)> {
        Some(match self.peek(0)? {
            TokenKind::Name(name) => match name.as_str() {
                "or" => (Op::Or, 1, false, 1),
                "and" => (Op::And, 2, false, 1),
                "in" => (Op::In, 4, false, 1),
                "not" if self.is_word(1, "in") => (Op::In, 4, true, 2),
                _ => return None,
            },
            TokenKind::Sign(sign) => match *sign {
                "==" => (Op::Equal, 4, false, 1),
                "!=" => (Op::Equal, 4, true, 1),
                "<" | ">" | "<=" | ">=" => (Op::Less, 4, false, 1),
                "+" => (Op::Add, 5, false, 1),
                "-" => (Op::Subtract, 5, false, 1),
                "~" => (Op::Concat, 6, false, 1),
                "*" => (Op::Multiply, 7, false, 1),
                "/" | "//" => (Op::Divide, 7, false, 1),
                "%" => (Op::Modulo, 7, false, 1),
                "**" => (Op::Power, 8, false, 1),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn unary(&mut self) -> Result<Id, Unread> {
        let at = self.at();
        let mut signs = Vec::new();
        while let Some(TokenKind::Sign(sign @ ("-" | "+"))) = self.peek(0) {
            signs.push(*sign);
            self.next += 1;
        }
        let mut value = self.primary()?;
        value = self.after(value)?;
        if signs.iter().filter(|sign| **sign == "-").count() % 2 == 1 {
            value = self.push(at, ExprKind::Negative(value));
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Id, Unread> {
        let at = self.at();
        let Some(token) = self.peek(0) else { return Err(self.wrong("a value is missing")) };
        self.next += 1;
        let kind = match token {
            TokenKind::Name(name) => match name.as_str() {
                "true" | "True" => ExprKind::Const(Value::Bool(true)),
                "false" | "False" => ExprKind::Const(Value::Bool(false)),
                "none" | "None" => ExprKind::Const(Value::None),
                _ => ExprKind::Name(name.clone()),
            },
            TokenKind::Text(text) => {
                let mut whole = text.clone();
                while let Some(TokenKind::Text(more)) = self.peek(0) {
                    whole.push_str(more);
                    self.next += 1;
                }
                ExprKind::Const(Value::Text(whole))
            }
            TokenKind::Int(value) => ExprKind::Const(Value::Int(*value)),
            TokenKind::Float => ExprKind::Const(Value::Other),
            TokenKind::Sign("(") => {
                if self.sign(")") {
                    ExprKind::List(Vec::new())
                } else {
                    let inner = self.tuple()?;
                    self.expect(")")?;
                    return Ok(inner);
                }
            }
            TokenKind::Sign("[") => {
                let mut items = Vec::new();
                while !self.sign("]") {
                    if !items.is_empty() {
                        self.expect(",")?;
                        if self.sign("]") {
                            break;
                        }
                    }
                    items.push(self.expression()?);
                }
                ExprKind::List(items)
            }
            TokenKind::Sign("{") => ExprKind::Dict(self.entries()?),
            TokenKind::Sign(sign) => return Err(Unread::new(at, format!("`{sign}` stands where a value should"))),
        };
        Ok(self.push(at, kind))
    }

    fn entries(&mut self) -> Result<Vec<(Id, Id)>, Unread> {
        let mut entries = Vec::new();
        while !self.sign("}") {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.sign("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
        }
        Ok(entries)
    }

    /// Everything that can follow a value: `.name`, `[…]`, `(…)`, `|filter`, `is test`.
    fn after(&mut self, mut value: Id) -> Result<Id, Unread> {
        loop {
            let at = self.at();
            if self.sign(".") {
                let kind = if let Some(TokenKind::Int(number)) = self.peek(0) {
                    self.next += 1;
                    let key = self.push(at, ExprKind::Const(Value::Int(*number)));
                    ExprKind::Item(value, key)
                } else {
                    ExprKind::Attribute(value, self.name()?)
                };
                value = self.push(at, kind);
            } else if self.sign("[") {
                value = self.subscript(value, at)?;
            } else if matches!(self.peek(0), Some(TokenKind::Sign("("))) {
                let args = self.args()?;
                value = self.push(at, ExprKind::Call(value, args));
            } else if self.sign("|") {
                let (name, args) = self.filter()?;
                value = self.push(at, ExprKind::Filter(Some(value), name, args));
            } else if self.word("is") {
                value = self.test(value, at)?;
            } else {
                return Ok(value);
            }
        }
    }

    /// A filter's name and what it is given; its `|` is already read.
    pub(crate) fn filter(&mut self) -> Result<(String, Args), Unread> {
        let mut name = self.name()?;
        while self.sign(".") {
            name = format!("{name}.{}", self.name()?);
        }
        let args = if matches!(self.peek(0), Some(TokenKind::Sign("("))) { self.args()? } else { Args::default() };
        Ok((name, args))
    }

    fn test(&mut self, value: Id, at: usize) -> Result<Id, Unread> {
        let negated = self.word("not");
        let mut name = self.name()?;
        while self.sign(".") {
            name = format!("{name}.{}", self.name()?);
        }
        let args = match self.peek(0) {
            Some(TokenKind::Sign("(")) => self.args()?,
            Some(TokenKind::Text(_) | TokenKind::Int(_) | TokenKind::Float | TokenKind::Sign("[" | "{")) => {
                self.bare_argument()?
            }
            Some(TokenKind::Name(word))
                if !matches!(word.as_str(), "else" | "or" | "and" | "is" | "if" | "in" | "not" | "recursive") =>
            {
                self.bare_argument()?
            }
            _ => Args::default(),
        };
        let test = self.push(at, ExprKind::Test(value, name, args));
        Ok(if negated { self.push(at, ExprKind::Not(test)) } else { test })
    }

    /// `x is divisibleby 3`
    fn bare_argument(&mut self) -> Result<Args, Unread> {
        let mut value = self.primary()?;
        loop {
            let at = self.at();
            if self.sign(".") {
                let name = self.name()?;
                value = self.push(at, ExprKind::Attribute(value, name));
            } else if self.sign("[") {
                value = self.subscript(value, at)?;
            } else if matches!(self.peek(0), Some(TokenKind::Sign("("))) {
                let args = self.args()?;
                value = self.push(at, ExprKind::Call(value, args));
            } else {
                return Ok(Args { plain: vec![value], named: Vec::new() });
            }
        }
    }

    fn subscript(&mut self, of: Id, at: usize) -> Result<Id, Unread> {
        let mut bounds = [None; 3];
        let (mut part, mut colons) = (0, 0);
        let mut several = Vec::new();
        loop {
            if self.sign("]") {
                break;
            }
            if self.sign(":") {
                colons += 1;
                part += 1;
                continue;
            }
            if self.sign(",") {
                several.extend(bounds.first().copied().flatten());
                continue;
            }
            let value = self.expression()?;
            match bounds.get_mut(part) {
                Some(bound) => *bound = Some(value),
                None => return Err(self.wrong("a slice has too many parts")),
            }
        }
        let key = bounds.first().copied().flatten();
        Ok(match (colons, key, several.is_empty()) {
            (0, Some(key), true) => self.push(at, ExprKind::Item(of, key)),
            (0, Some(key), false) => {
                several.push(key);
                let key = self.push(at, ExprKind::List(several));
                self.push(at, ExprKind::Item(of, key))
            }
            (0, None, _) => return Err(self.wrong("a subscript is empty")),
            _ => self.push(at, ExprKind::Slice(of, bounds)),
        })
    }

    pub(crate) fn args(&mut self) -> Result<Args, Unread> {
        let mut args = Args::default();
        self.expect("(")?;
        let mut first = true;
        while !self.sign(")") {
            if !first {
                self.expect(",")?;
                if self.sign(")") {
                    break;
                }
            }
            first = false;
            let named = matches!(self.peek(1), Some(TokenKind::Sign("=")));
            if let (Some(TokenKind::Name(name)), true) = (self.peek(0), named) {
                self.next += 2;
                args.named.push((name.clone(), self.expression()?));
            } else {
                // `*list` and `**dict` are given as what they are.
                let _ = self.sign("**") || self.sign("*");
                args.plain.push(self.expression()?);
            }
        }
        Ok(args)
    }
}
