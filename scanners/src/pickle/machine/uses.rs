//! The opcodes that use what lies outside the file: names, calls, states, persistent ids; and what a stream says of itself.
//!
//! Judges nothing by itself: each use is given to the judge at the moment it happens.

use super::{LINE, MOST_TRIED, Machine, Mode};
use crate::{
    pickle::{
        arena::{Form, Kind, Value},
        halt::{Halt, Step},
        spelling,
    },
    rules::{self, Weight},
    scan::Stop,
};

impl Machine<'_> {
    pub(super) fn global(&mut self, at: u64) -> Step<()> {
        let (module, name) = (self.cursor.line(LINE)?, self.cursor.line(LINE)?);
        self.plausible(&module, &name)?;
        let (module, name) = (String::from_utf8_lossy(&module), String::from_utf8_lossy(&name));
        let value = self.judge.named(&module, &name, at)?;
        self.push(value);
        Ok(())
    }

    fn plausible(&self, module: &[u8], name: &[u8]) -> Step<()> {
        if self.mode == Mode::Attempt && !(spelling::is_module(module) && spelling::is_dotted_name(name)) {
            return Err(Halt::wrong("this is no name"));
        }
        Ok(())
    }

    pub(super) fn stack_global(&mut self, at: u64) -> Step<()> {
        let name = self.pop()?;
        let module = self.pop()?;
        self.odd_use(&[module, name], at, "the name of what it loads");
        let value = self.judge.named_by(module, name, at)?;
        self.push(value);
        Ok(())
    }

    /// Something important was taken from a place of the memo that no writer would have stored to in this way.
    fn odd_use(&mut self, used: &[Value], at: u64, what: &str) {
        if used.iter().any(|value| *value != Value::Absent && self.odd.contains(value)) {
            let message =
                format!("It takes {what} from a memo entry that was overwritten or hidden behind another value.");
            self.judge.say(&rules::STACK_ODDITY, at, message);
        }
    }

    pub(super) fn call(&mut self, op: u8, at: u64) -> Step<()> {
        let (callee, args, named) = match op {
            b'R' | 0x81 => {
                let args = self.pop()?;
                (self.pop()?, args, None)
            }
            0x92 => {
                let named = self.pop()?;
                let args = self.pop()?;
                (self.pop()?, args, Some(named))
            }
            b'o' => {
                let start = self.pop_mark()?;
                if start >= self.stack.len() {
                    return Err(self.empty());
                }
                let args = self.judge.arena.container(Kind::Tuple, self.stack.get(start + 1..).unwrap_or_default())?;
                self.stack.truncate(start + 1);
                (self.pop()?, Value::Node(args), None)
            }
            _ => {
                let start = self.pop_mark()?;
                let args = self.judge.arena.container(Kind::Tuple, self.stack.get(start..).unwrap_or_default())?;
                self.stack.truncate(start);
                let (module, name) = (self.cursor.line(LINE)?, self.cursor.line(LINE)?);
                self.plausible(&module, &name)?;
                let (module, name) = (String::from_utf8_lossy(&module), String::from_utf8_lossy(&name));
                (self.judge.named(&module, &name, at)?, Value::Node(args), None)
            }
        };
        self.odd_use(&[callee], at, "what it calls");
        let value = self.judge.called(callee, args, named, op, at)?;
        self.push(value);
        Ok(())
    }

    pub(super) fn build(&mut self, at: u64) -> Step<()> {
        let state = self.pop()?;
        let target = self.top()?;
        let again = self.judge.has_state(target);
        self.judge.built(target, state, at)?;
        if !self.joblib {
            return Ok(());
        }
        let from = self.cursor.position();
        if again {
            self.judge.array_again(target, from);
        } else if let Some(past) = self.judge.array_behind(target, state, from, self.frame_end, self.most_ops)? {
            self.as_opcodes(from)?;
            self.cursor.go(past);
        }
        Ok(())
    }

    /// `pickle.load` does not step over arrays. Where it would go on into the data and find a payload, that is said.
    ///
    /// joblib itself writes a byte from 1 to 16 first, which is no opcode, so that this ends at once.
    fn as_opcodes(&mut self, from: u64) -> Step<()> {
        self.tried += 1;
        if self.tried > MOST_TRIED {
            return Ok(());
        }
        let mut other = Machine::new(self.judge.source, from, Mode::Attempt, 10_000);
        other.stack = vec![Value::Unknown; self.stack.len().min(1000)];
        other.supposed = true;
        let end = other.run();
        if let Some(Halt::Stop(Stop::NotHere)) = end.trouble {
            return Err(Halt::Stop(Stop::NotHere));
        }
        if other.judge.uses > 0 && other.judge.worst() >= Some(Weight::Malicious) {
            for draft in other.judge.drafts {
                self.judge.say(draft.rule, draft.at, draft.message);
            }
            let message = "An array's data are opcodes: joblib steps over them, and pickle.load runs them.";
            self.judge.say(&rules::STACK_ODDITY, from, message.into());
        }
        Ok(())
    }

    pub(super) fn persistent(&mut self, op: u8, at: u64) -> Step<()> {
        let id = if op == b'Q' {
            self.pop()?
        } else {
            let start = self.cursor.position();
            let line = self.cursor.line(LINE)?;
            if self.mode == Mode::Attempt && !line.iter().all(u8::is_ascii_graphic) {
                return Err(Halt::wrong("this is no persistent id"));
            }
            Value::Piece { form: Form::Utf8, len: u32::try_from(line.len()).unwrap_or(u32::MAX), at: start }
        };
        let value = self.judge.persistent(id, at)?;
        self.push(value);
        Ok(())
    }

    pub(super) fn extension(&mut self, op: u8, at: u64) -> Step<()> {
        let code = match op {
            0x82 => self.cursor.u8()?.into(),
            0x83 => self.cursor.u16_le()?.into(),
            _ => self.cursor.u32_le()?,
        };
        let value = self.judge.extension(code, at)?;
        self.push(value);
        Ok(())
    }

    // --- What says something about the stream ---

    pub(super) fn protocol(&mut self, at: u64) -> Step<()> {
        let protocol = self.cursor.u8()?;
        if protocol > 5 {
            self.judge.say(
                &rules::FRAME_LIE,
                at,
                format!("It says that it is of protocol {protocol}, which does not exist."),
            );
        } else if self.ops > 1 {
            self.judge.say(&rules::FRAME_LIE, at, "It names its protocol again in the middle.".to_owned());
        }
        if self.mode == Mode::Attempt && protocol > 5 {
            return Err(Halt::wrong("no such protocol"));
        }
        Ok(())
    }

    pub(super) fn frame(&mut self, at: u64) -> Step<()> {
        let size = self.cursor.u64_le()?;
        let (here, left) = (self.cursor.position(), self.cursor.left());
        if size > left {
            let message = format!("A frame is said to be {size} bytes long where only {left} are left.");
            self.judge.say(&rules::FRAME_LIE, at, message);
            self.judge.length(size, left, at);
        } else if here < self.frame_end {
            self.judge.say(&rules::FRAME_LIE, at, "A frame begins inside another one.".to_owned());
        }
        self.frame_end = here.saturating_add(size);
        Ok(())
    }
}
