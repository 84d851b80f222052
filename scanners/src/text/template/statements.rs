//! Statements read from pieces: which block lies in which, as ranges in one list.

use super::{
    expressions::Reader,
    lex::{self, Piece, Token, Unread},
    tree::{Branch, Id, Statement, StatementKind, Template},
};

/// Blocks within blocks.
const OPEN: usize = 200;

/// Reads a template as Jinja2 does.
pub(crate) fn read(text: &str) -> Result<Template, Unread> {
    let mut building = Building { template: Template::default(), open: Vec::new() };
    for piece in lex::pieces(text)? {
        match piece {
            Piece::Text { at, text } => {
                building.push(at, StatementKind::Text(text));
            }
            Piece::Print { at, tokens } => {
                let mut reader = Reader::new(&mut building.template, &tokens, at);
                let value = reader.tuple()?;
                reader.end()?;
                building.push(at, StatementKind::Print(value));
            }
            Piece::Tag { at, tokens } => building.tag(at, &tokens)?,
        }
    }
    match building.open.last() {
        Some(open) => Err(Unread::new(text.len(), format!("`{}` has no end", open.word))),
        None => Ok(building.template),
    }
}

struct Open {
    word: &'static str,
    /// The statement that the block is.
    statement: usize,
}

struct Building {
    template: Template,
    open: Vec<Open>,
}

impl Building {
    fn push(&mut self, at: usize, kind: StatementKind) {
        self.template.statements.push(Statement { at, kind });
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each statement that Jinja has")]
    fn tag(&mut self, at: usize, tokens: &[Token]) -> Result<(), Unread> {
        let next = self.template.statements.len() + 1;
        let mut reader = Reader::new(&mut self.template, tokens, at);
        let word = reader.name()?;
        let (kind, opens): (StatementKind, Option<&'static str>) = match word.as_str() {
            "set" => set(&mut reader, next)?,
            "for" => (loops(&mut reader, next)?, Some("for")),
            "if" => {
                let test = reader.tuple()?;
                (StatementKind::If { branches: vec![Branch { test: Some(test), body: next..next }] }, Some("if"))
            }
            "macro" => (a_macro(&mut reader, next)?, Some("macro")),
            "call" => {
                let mut value = None;
                if !reader.done() {
                    // `call(parameter)` comes before the call itself.
                    value = Some(reader.expression()?);
                    if !reader.done() {
                        value = Some(reader.expression()?);
                    }
                }
                (StatementKind::Evaluate { value, body: next..next }, Some("call"))
            }
            "filter" => {
                let value = filter_chain(&mut reader, at, None)?;
                (StatementKind::Evaluate { value: Some(value), body: next..next }, Some("filter"))
            }
            "with" => {
                let (mut names, mut values) = (Vec::new(), Vec::new());
                while !reader.done() {
                    names.push(reader.name()?);
                    if !reader.sign("=") {
                        return Err(reader.wrong("`=` is missing"));
                    }
                    values.push(reader.expression()?);
                    reader.sign(",");
                }
                (with(&mut reader, at, names, values), Some("with"))
            }
            "autoescape" => {
                let value = Some(reader.expression()?);
                (StatementKind::Evaluate { value, body: next..next }, Some("autoescape"))
            }
            "block" => {
                reader.name()?;
                while !reader.done() {
                    reader.name()?;
                }
                (StatementKind::Evaluate { value: None, body: next..next }, Some("block"))
            }
            "generation" => (StatementKind::Evaluate { value: None, body: next..next }, Some("generation")),
            "print" => (StatementKind::Print(reader.tuple()?), None),
            "do" => {
                let value = Some(reader.tuple()?);
                (StatementKind::Evaluate { value, body: next..next }, None)
            }
            "break" | "continue" => (StatementKind::Mark, None),
            "include" | "import" | "from" | "extends" => {
                let value = reader.expression();
                return self.load(at, &word, value);
            }
            "elif" | "else" => {
                let test = if word == "elif" { Some(reader.tuple()?) } else { None };
                reader.end()?;
                return self.otherwise(at, test);
            }
            _ => {
                let known = ENDS.iter().find(|(end, _)| *end == word.as_str());
                let Some((_, opened)) = known else {
                    return Err(Unread::new(at, format!("`{word}` is no statement that templates have")));
                };
                return self.close(at, opened);
            }
        };
        reader.end()?;
        if let Some(word) = opens {
            if self.open.len() >= OPEN {
                return Err(Unread::new(at, super::expressions::TOO_DEEP));
            }
            self.open.push(Open { word, statement: next - 1 });
        }
        self.push(at, kind);
        Ok(())
    }

    fn load(&mut self, at: usize, word: &str, value: Result<Id, Unread>) -> Result<(), Unread> {
        value?;
        self.push(at, StatementKind::Load(word.to_owned()));
        Ok(())
    }

    /// `elif` and `else`: the branch before ends, and the next begins.
    fn otherwise(&mut self, at: usize, test: Option<Id>) -> Result<(), Unread> {
        let here = self.template.statements.len();
        let Some(open) = self.open.last() else { return Err(Unread::new(at, "`else` without `if`")) };
        match self.template.statements.get_mut(open.statement).map(|statement| &mut statement.kind) {
            Some(StatementKind::If { branches }) => {
                if let Some(last) = branches.last_mut() {
                    last.body.end = here;
                }
                branches.push(Branch { test, body: here + 1..here + 1 });
            }
            // What a loop over nothing writes lies in the loop's body.
            Some(StatementKind::For { .. }) if test.is_none() => {}
            _ => return Err(Unread::new(at, "`else` without `if`")),
        }
        self.push(at, StatementKind::Mark);
        Ok(())
    }

    fn close(&mut self, at: usize, word: &str) -> Result<(), Unread> {
        let here = self.template.statements.len();
        let Some(open) = self.open.pop().filter(|open| open.word == word) else {
            return Err(Unread::new(at, format!("the end of `{word}` stands where nothing like it is open")));
        };
        match self.template.statements.get_mut(open.statement).map(|statement| &mut statement.kind) {
            Some(StatementKind::If { branches }) => {
                if let Some(last) = branches.last_mut() {
                    last.body.end = here;
                }
            }
            Some(
                StatementKind::For { body, .. }
                | StatementKind::Macro { body, .. }
                | StatementKind::SetBlock { body, .. }
                | StatementKind::Evaluate { body, .. },
            ) => body.end = here,
            _ => {}
        }
        self.push(at, StatementKind::Mark);
        Ok(())
    }
}

const ENDS: [(&str, &str); 10] = [
    ("endif", "if"),
    ("endfor", "for"),
    ("endset", "set"),
    ("endmacro", "macro"),
    ("endcall", "call"),
    ("endfilter", "filter"),
    ("endwith", "with"),
    ("endautoescape", "autoescape"),
    ("endblock", "block"),
    ("endgeneration", "generation"),
];

/// A dotted name on the left of `=`.
fn target(reader: &mut Reader<'_>) -> Result<Vec<String>, Unread> {
    let bracket = reader.sign("(");
    let mut names = Vec::new();
    loop {
        let mut name = reader.name()?;
        while reader.sign(".") {
            name = format!("{name}.{}", reader.name()?);
        }
        names.push(name);
        if !reader.sign(",") {
            break;
        }
    }
    if bracket && !reader.sign(")") {
        return Err(reader.wrong("`)` is missing"));
    }
    Ok(names)
}

fn set(reader: &mut Reader<'_>, next: usize) -> Result<(StatementKind, Option<&'static str>), Unread> {
    let names = target(reader)?;
    if reader.sign("=") {
        let value = reader.tuple()?;
        return Ok((StatementKind::Set { names, value }, None));
    }
    let name = names.into_iter().next().unwrap_or_default();
    if !reader.done() {
        if !reader.sign("|") {
            return Err(reader.wrong("`=` is missing"));
        }
        let at = reader.at();
        filter_chain(reader, at, None)?;
    }
    Ok((StatementKind::SetBlock { name, body: next..next }, Some("set")))
}

fn filter_chain(reader: &mut Reader<'_>, at: usize, mut subject: Option<Id>) -> Result<Id, Unread> {
    loop {
        let (name, args) = reader.filter()?;
        let value = reader.push(at, super::tree::ExprKind::Filter(subject, name, args));
        if !reader.sign("|") {
            return Ok(value);
        }
        subject = Some(value);
    }
}

fn loops(reader: &mut Reader<'_>, next: usize) -> Result<StatementKind, Unread> {
    let names = target(reader)?;
    if !reader.word("in") {
        return Err(reader.wrong("`in` is missing"));
    }
    let at = reader.at();
    let mut over = reader.without_choice()?;
    if reader.sign(",") {
        let mut items = vec![over];
        while !reader.done() {
            items.push(reader.without_choice()?);
            reader.sign(",");
        }
        over = reader.push(at, super::tree::ExprKind::List(items));
    }
    let only_if = if reader.word("if") { Some(reader.expression()?) } else { None };
    reader.word("recursive");
    Ok(StatementKind::For { names, over, only_if, body: next..next })
}

fn a_macro(reader: &mut Reader<'_>, next: usize) -> Result<StatementKind, Unread> {
    let name = reader.name()?;
    let mut parameters = Vec::new();
    if !reader.sign("(") {
        return Err(reader.wrong("`(` is missing"));
    }
    while !reader.sign(")") {
        let parameter = reader.name()?;
        let default = if reader.sign("=") { Some(reader.expression()?) } else { None };
        parameters.push((parameter, default));
        reader.sign(",");
        if reader.done() {
            return Err(reader.wrong("`)` is missing"));
        }
    }
    Ok(StatementKind::Macro { name, parameters, body: next..next })
}

/// `with a = 1, b = 2` sets its names, as far as anybody who judges it cares.
fn with(reader: &mut Reader<'_>, at: usize, names: Vec<String>, values: Vec<Id>) -> StatementKind {
    let value = match values[..] {
        [only] => only,
        _ => reader.push(at, super::tree::ExprKind::List(values)),
    };
    StatementKind::Set { names, value }
}
