//! Calls as a person reads them: `os.system("echo")`, never longer than a line.

use super::{
    arena::{Form, Id, Kind, NONE, Value},
    halt::Step,
    judge::Judge,
    spelling,
};

/// The longest rendering.
const LONG: usize = 120;

impl Judge<'_> {
    /// The text of a value, or what it is instead of one. At most `most` bytes are read.
    pub(crate) fn text(&self, value: Value, most: u32) -> Step<Option<String>> {
        match value {
            Value::Piece { form, len, at } if value.is_text() || value.is_bytes() => {
                let end = at.saturating_add(len.min(most).into());
                Ok(Some(spelling::text(form, &self.source.read(at..end)?)))
            }
            _ => Ok(None),
        }
    }

    /// `os.system("echo")`
    pub(crate) fn call_text(&self, path: &str, args: Value) -> Step<String> {
        let mut out = format!("{path}(");
        if let Some((id, node)) = self.arena.of(args) {
            if node.kind == Kind::Tuple {
                self.list(&mut out, id, 0)?;
            } else {
                self.write(&mut out, args, 0)?;
            }
        }
        out.push(')');
        Ok(out)
    }

    fn list(&self, out: &mut String, id: Id, depth: u8) -> Step<()> {
        for (place, value) in self.arena.items(id).enumerate() {
            if place > 0 {
                out.push_str(", ");
            }
            if out.len() > LONG || place > 8 {
                out.push('…');
                break;
            }
            self.write(out, value, depth)?;
        }
        Ok(())
    }

    /// `depth` bounds how far it looks into containers.
    fn write(&self, out: &mut String, value: Value, depth: u8) -> Step<()> {
        match value {
            Value::None => out.push_str("None"),
            Value::Bool(true) => out.push_str("True"),
            Value::Bool(false) => out.push_str("False"),
            Value::Int(number) => out.push_str(&number.to_string()),
            Value::Float => out.push_str("a number"),
            Value::Absent | Value::Unknown => out.push('?'),
            Value::Piece { form: Form::Long, .. } => out.push_str("a long integer"),
            Value::Piece { len, .. } => {
                if value.is_bytes() {
                    out.push('b');
                }
                let text = self.text(value, 100)?.unwrap_or_default();
                out.push('"');
                out.extend(text.chars().take(90).filter(|c| *c != '\u{fffd}'));
                out.push_str(if len > 90 { "…\"" } else { "\"" });
            }
            Value::Node(id) => self.write_node(out, id, depth)?,
        }
        Ok(())
    }

    fn write_node(&self, out: &mut String, id: Id, depth: u8) -> Step<()> {
        let Some(node) = self.arena.get(id).copied() else { return Ok(()) };
        let (open, close) = match node.kind {
            Kind::Tuple => ("(", ")"),
            Kind::List => ("[", "]"),
            Kind::Dict | Kind::Set | Kind::Frozen => ("{", "}"),
            Kind::Global => {
                out.push_str(&self.globals.get(node.a).map(super::names::Global::path).unwrap_or_default());
                return Ok(());
            }
            Kind::Made => {
                match self.callee(id) {
                    Some(global) => out.push_str(&global.path()),
                    None => out.push('?'),
                }
                ("(", ")")
            }
            Kind::Persistent => ("a persistent id(", ")"),
            Kind::Extension => ("an extension(", ")"),
        };
        if depth > 2 || out.len() > LONG {
            out.push_str(open);
            out.push('…');
            out.push_str(close);
            return Ok(());
        }
        out.push_str(open);
        if node.kind == Kind::Made {
            if node.b != NONE {
                self.list(out, Id(node.b), depth + 1)?;
            }
        } else {
            self.list(out, id, depth + 1)?;
        }
        out.push_str(close);
        Ok(())
    }
}
