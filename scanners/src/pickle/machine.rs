//! CPython's unpickler as an abstract machine: the same stack, marks and memo, and values that say only what they are.
//!
//! Loads nothing, calls nothing, imports nothing. Long strings are stepped over without being read. What is used is judged
//! at the moment of its use (`judge`), so that a stream which breaks afterwards has still done what it has done.

use std::ops::Range;

use super::{
    arena::{Arena, Form, Id, Kind, Value},
    halt::{Halt, Step},
    judge::Judge,
    memo::Memo,
    spelling::{self, Integer},
};
use crate::{read::cursor::Cursor, scan::Stop, source::Source};

mod uses;

/// How one pickle ended.
#[derive(Debug)]
pub(crate) struct End {
    /// The byte after STOP, or the opcode that could not be done.
    pub(crate) at: u64,
    /// What loading gives, if STOP was reached.
    pub(crate) value: Option<Value>,
    pub(crate) trouble: Option<Halt>,
    pub(crate) ops: u64,
    /// How often something was stored in the memo.
    pub(crate) puts: u64,
}

impl End {
    pub(crate) fn stopped(&self) -> bool {
        self.value.is_some()
    }

    /// Whether only the end of the bytes kept it from going on.
    pub(crate) fn ran_out(&self) -> bool {
        matches!(self.trouble, Some(Halt::Stop(Stop::Broken { .. })))
    }
}

/// How the bytes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are a pickle.
    Sure,
    /// They may be anything: what no writer would write ends the attempt.
    Attempt,
}

pub(crate) struct Machine<'a> {
    cursor: Cursor<'a>,
    pub(crate) judge: Judge<'a>,
    stack: Vec<Value>,
    marks: Vec<usize>,
    /// Below this the stack cannot be reached: the last mark.
    fence: usize,
    memo: Memo,
    mode: Mode,
    /// The longest line of a string.
    longest_line: u64,
    /// Whether arrays lie between the opcodes, as joblib writes them.
    joblib: bool,
    /// What was done before is only supposed: what the memo holds is unknown.
    supposed: bool,
    /// How many arrays were tried as opcodes.
    tried: u32,
    frame_end: u64,
    ops: u64,
    puts: u64,
    most_ops: u64,
    last: u8,
    /// What was last taken from places of the memo that were stored to oddly.
    odd: [Value; 4],
}

/// A line of a text opcode is no longer than this, a string's excepted.
const LINE: u64 = 64 << 10;
/// The longest line of a string, and that of an attempt.
const LONG_LINE: u64 = 64 << 20;
const ATTEMPTED_LINE: u64 = 1 << 20;
/// So many values are held on the stack or in the memo, and no more.
const MOST_HELD: usize = 40_000_000;
/// Strings and integers from the first length on count as inert, and from the second on are stepped over unread.
const PASSIVE_STRING: u64 = 16;
const LONG_STRING: u64 = 64 << 10;
/// So much memory is used for each byte of the file, and so much for any file.
const HELD_FOR_EACH_BYTE: u64 = 64;
const HELD_ANYWAY: u64 = 128 << 20;
/// So many arrays of a file are tried as opcodes.
const MOST_TRIED: u32 = 1000;
/// Marks within marks that no writer reaches.
const MANY_MARKS: usize = 10_000;

impl<'a> Machine<'a> {
    pub(crate) fn new(source: &'a Source, start: u64, mode: Mode, most_ops: u64) -> Self {
        Self {
            cursor: Cursor::at(source, start),
            judge: Judge::new(source),
            stack: Vec::new(),
            marks: Vec::new(),
            fence: 0,
            memo: Memo::default(),
            mode,
            longest_line: if mode == Mode::Sure { LONG_LINE } else { ATTEMPTED_LINE },
            joblib: false,
            supposed: false,
            tried: 0,
            frame_end: 0,
            ops: 0,
            puts: 0,
            most_ops,
            last: 0,
            odd: [Value::Absent; 4],
        }
    }

    /// This is the only attempt on these bytes, so that it may read lines of any length.
    pub(crate) fn with_long_lines(mut self) -> Self {
        self.longest_line = LONG_LINE;
        self
    }

    /// Arrays lie between the opcodes.
    pub(crate) fn with_arrays(mut self) -> Self {
        self.joblib = true;
        self
    }

    /// Goes through one pickle, to its STOP or to where it breaks.
    pub(crate) fn run(&mut self) -> End {
        loop {
            let at = self.cursor.position();
            match self.step(at) {
                Ok(None) => {}
                Ok(Some(value)) => return self.end(self.cursor.position(), Some(value), None),
                Err(halt) => return self.end(at, None, Some(halt)),
            }
        }
    }

    fn end(&self, at: u64, value: Option<Value>, trouble: Option<Halt>) -> End {
        End { at, value, trouble, ops: self.ops, puts: self.puts }
    }

    /// One opcode. Answers the result at STOP.
    #[expect(
        clippy::too_many_lines,
        reason = "one line or two for each opcode: a table is easiest to compare with CPython"
    )]
    fn step(&mut self, at: u64) -> Step<Option<Value>> {
        let op = self.cursor.u8()?;
        self.ops += 1;
        if self.ops > self.most_ops {
            return Err(Halt::spent(format!("more than {} opcodes", self.most_ops)));
        }
        if self.stack.len() > MOST_HELD || self.memo.entries() > MOST_HELD as u64 {
            return Err(Halt::spent(format!("more than {MOST_HELD} values on the stack of a pickle")));
        }
        if self.ops.is_multiple_of(1 << 16) {
            self.is_within_memory()?;
        }
        match op {
            b'.' => return self.pop().map(Some),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => {
                let number = self.cursor.u8()?;
                self.push(Value::Int(number.into()));
            }
            b'M' => {
                let number = self.cursor.u16_le()?;
                self.push(Value::Int(number.into()));
            }
            b'J' => {
                let number = self.cursor.u32_le()?;
                self.push(Value::Int(i64::from(number.cast_signed())));
            }
            b'G' => {
                self.cursor.skip(8)?;
                self.push(Value::Float);
            }
            b'(' => self.mark(at)?,
            b')' => self.make(Kind::Tuple)?,
            b']' => self.make(Kind::List)?,
            b'}' => self.make(Kind::Dict)?,
            0x8f => self.make(Kind::Set)?,
            0x94 => self.put(self.memo.entries())?,
            b'q' => {
                let place = self.cursor.u8()?;
                self.put(place.into())?;
            }
            b'r' => {
                let place = self.cursor.u32_le()?;
                self.judge.memo_place(place.into(), at);
                self.put(place.into())?;
            }
            b'p' => {
                let place = self.place(at)?;
                self.judge.memo_place(place, at);
                self.put(place)?;
            }
            b'h' => {
                let place = self.cursor.u8()?;
                self.fetch(place.into())?;
            }
            b'j' => {
                let place = self.cursor.u32_le()?;
                self.fetch(place.into())?;
            }
            b'g' => {
                let place = self.place(at)?;
                self.fetch(place)?;
            }
            0x8c | b'U' | b'C' => {
                let len = self.cursor.u8()?;
                self.string(op, len.into())?;
            }
            b'X' | b'B' | b'T' => {
                let len = self.cursor.u32_le()?;
                if op == b'T' && len > i32::MAX.cast_unsigned() {
                    return Err(Halt::wrong("a string has a negative length"));
                }
                self.string(op, len.into())?;
            }
            0x8d | 0x8e | 0x96 => {
                let len = self.cursor.u64_le()?;
                self.string(op, len)?;
            }
            0x8a => {
                let len = self.cursor.u8()?;
                self.long(len.into(), at)?;
            }
            0x8b => {
                let len = self.cursor.u32_le()?;
                self.long(len, at)?;
            }
            0x85..=0x87 => self.short_tuple(usize::from(op - 0x84))?,
            b't' => self.gather(Kind::Tuple)?,
            b'l' => self.gather(Kind::List)?,
            b'd' => self.gather(Kind::Dict)?,
            0x91 => self.gather(Kind::Frozen)?,
            b'a' => self.append(1, at)?,
            b's' => self.append(2, at)?,
            b'e' | b'u' | 0x90 => self.append_many(op, at)?,
            b'0' => self.throw_away()?,
            b'1' => {
                let start = self.pop_mark()?;
                self.stack.truncate(start);
            }
            b'2' => {
                let top = self.top()?;
                self.push(top);
            }
            b'c' => self.global(at)?,
            0x93 => self.stack_global(at)?,
            b'R' | 0x81 | 0x92 | b'o' | b'i' => self.call(op, at)?,
            b'b' => self.build(at)?,
            b'P' | b'Q' => self.persistent(op, at)?,
            0x82..=0x84 => self.extension(op, at)?,
            b'I' | b'L' | b'F' | b'S' | b'V' => self.line(op, at)?,
            0x80 => self.protocol(at)?,
            0x95 => self.frame(at)?,
            0x97 => {
                self.judge.buffer(at);
                self.push(Value::Unknown);
            }
            0x98 => {
                self.top()?;
            }
            other => return Err(Halt::wrong(format!("{other:#04x} is no opcode"))),
        }
        self.last = op;
        Ok(None)
    }

    /// A file may not make this reader hold more than some multiple of its own size.
    fn is_within_memory(&self) -> Step<()> {
        let held = self.judge.arena.held()
            + self.memo.held()
            + self.stack.capacity() * size_of::<Value>()
            + self.marks.capacity() * size_of::<usize>();
        let most = self.judge.source.len().saturating_mul(HELD_FOR_EACH_BYTE).saturating_add(HELD_ANYWAY);
        if held as u64 > most {
            return Err(Halt::spent(format!("more than {most} bytes of memory for one pickle")));
        }
        Ok(())
    }

    // --- The stack ---

    #[inline]
    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    #[inline]
    fn pop(&mut self) -> Step<Value> {
        if self.stack.len() <= self.fence {
            return Err(self.empty());
        }
        self.stack.pop().ok_or_else(|| self.empty())
    }

    #[inline]
    fn top(&self) -> Step<Value> {
        if self.stack.len() <= self.fence {
            return Err(self.empty());
        }
        self.stack.last().copied().ok_or_else(|| self.empty())
    }

    fn empty(&self) -> Halt {
        Halt::wrong(if self.marks.is_empty() { "the stack is empty" } else { "a mark stands where a value is needed" })
    }

    fn mark(&mut self, at: u64) -> Step<()> {
        self.marks.push(self.stack.len());
        self.fence = self.stack.len();
        if self.marks.len() == MANY_MARKS {
            self.judge.too_deep(at);
        }
        if self.marks.len() > 64 << 20 {
            return Err(Halt::spent("more than 64 million marks"));
        }
        Ok(())
    }

    /// Where the values above the last mark begin.
    fn pop_mark(&mut self) -> Step<usize> {
        let start = self.marks.pop().ok_or_else(|| Halt::wrong("there is no mark"))?;
        self.fence = self.marks.last().copied().unwrap_or(0);
        Ok(start)
    }

    /// POP takes the mark if nothing is above it, as both of CPython's unpicklers do.
    fn throw_away(&mut self) -> Step<()> {
        if self.marks.last() == Some(&self.stack.len()) { self.pop_mark().map(drop) } else { self.pop().map(drop) }
    }

    #[inline]
    fn put(&mut self, place: u64) -> Step<()> {
        let value = self.top()?;
        self.puts += 1;
        self.memo.put(place, value);
        if matches!(self.last, b'0' | b'1') && value.is_text() {
            self.memo.is_odd(place);
        }
        Ok(())
    }

    #[inline]
    fn fetch(&mut self, place: u64) -> Step<()> {
        let value = match self.memo.get(place) {
            Some(value) => value,
            None if self.supposed => Value::Unknown,
            None => return Err(Halt::wrong(format!("nothing is stored under {place}"))),
        };
        if self.memo.was_odd(place) {
            self.odd.rotate_right(1);
            self.odd[0] = value;
        }
        self.push(value);
        Ok(())
    }

    /// A memo number in a line.
    fn place(&mut self, at: u64) -> Step<u64> {
        let line = self.cursor.line(LINE)?;
        let number = match spelling::integer(&line, false) {
            Some(Integer::Small(number)) => u64::try_from(number).ok(),
            _ => None,
        };
        number.ok_or_else(|| Halt::wrong(format!("the memo number at {at} is none")))
    }

    // --- Values ---

    fn make(&mut self, kind: Kind) -> Step<()> {
        let id = self.judge.arena.container(kind, &[])?;
        self.push(Value::Node(id));
        Ok(())
    }

    fn short_tuple(&mut self, count: usize) -> Step<()> {
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= self.fence);
        let start = start.ok_or_else(|| self.empty())?;
        self.collect(Kind::Tuple, start)
    }

    fn gather(&mut self, kind: Kind) -> Step<()> {
        let start = self.pop_mark()?;
        if kind == Kind::Dict && !(self.stack.len() - start).is_multiple_of(2) {
            return Err(Halt::wrong("a dict has a key without a value"));
        }
        self.collect(kind, start)
    }

    fn collect(&mut self, kind: Kind, start: usize) -> Step<()> {
        let values = self.stack.get(start..).unwrap_or_default();
        let id = self.judge.arena.container(kind, values)?;
        self.stack.truncate(start);
        self.judge.grew(id, self.cursor.position());
        self.push(Value::Node(id));
        Ok(())
    }

    /// A string with its length in front.
    fn string(&mut self, op: u8, len: u64) -> Step<()> {
        let at = self.cursor.position();
        if len > self.cursor.left() {
            self.judge.length(len, self.cursor.left(), at);
        }
        let form = match op {
            b'U' | b'T' => Form::Short,
            b'X' | 0x8c | 0x8d => Form::Utf8,
            _ => Form::Bytes,
        };
        if form == Form::Bytes && len >= 4 && len <= self.cursor.left() {
            let first = self.cursor.peek()?;
            self.judge.carries(first, at, len);
        }
        let range = self.cursor.skip(len)?;
        if len >= PASSIVE_STRING {
            self.judge.passive(range, len >= LONG_STRING);
        }
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.push(Value::Piece { form, len, at });
        Ok(())
    }

    fn long(&mut self, len: u32, at: u64) -> Step<()> {
        if len > i32::MAX.cast_unsigned() {
            self.judge.huge(at, "an integer of a negative length");
            return Err(Halt::wrong("an integer has a negative length"));
        }
        if len > 1 << 20 {
            self.judge.huge(at, &format!("an integer of {len} bytes"));
        }
        let here = self.cursor.position();
        if u64::from(len) > self.cursor.left() {
            self.judge.length(len.into(), self.cursor.left(), at);
        }
        if len > 8 {
            let range = self.cursor.skip(len.into())?;
            if u64::from(len) >= PASSIVE_STRING {
                self.judge.passive(range, false);
            }
            self.push(Value::Piece { form: Form::Long, len, at: here });
            return Ok(());
        }
        let bytes = self.cursor.bytes(len.into())?;
        let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut whole = [fill; 8];
        whole.iter_mut().zip(bytes.iter()).for_each(|(to, from)| *to = *from);
        self.push(Value::Int(i64::from_le_bytes(whole)));
        Ok(())
    }

    /// The values that are written as a line of text.
    fn line(&mut self, op: u8, at: u64) -> Step<()> {
        let start = self.cursor.position();
        let left = self.cursor.left();
        let line = self.cursor.line(self.longest_line).map_err(|stop| match stop {
            // It may end further on: then whatever follows it was not looked at.
            Stop::Broken { .. } if self.longest_line == LONG_LINE && left > LONG_LINE => {
                Halt::spent("a line of more than 64 MiB")
            }
            stop => Halt::Stop(stop),
        })?;
        let (len, wrong) = (line.len(), |what: &str| Err(Halt::wrong(format!("{what} at {at} is none"))));
        let value = match op {
            b'I' if line.as_ref() == b"00" => Value::Bool(false),
            b'I' if line.as_ref() == b"01" => Value::Bool(true),
            b'I' | b'L' => {
                let digits = if op == b'L' { line.strip_suffix(b"L").unwrap_or(&line) } else { &line };
                if len > 4300 {
                    self.judge.huge(at, &format!("an integer of {len} digits"));
                }
                match spelling::integer(digits, true) {
                    Some(Integer::Small(number)) => Value::Int(number),
                    Some(Integer::Large) => {
                        Value::Piece { form: Form::Long, len: u32::try_from(len).unwrap_or(u32::MAX), at: start }
                    }
                    None => return wrong("the integer"),
                }
            }
            b'F' if spelling::is_float(&line) => Value::Float,
            b'F' => return wrong("the number"),
            b'S' => {
                let end = line.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
                let quote = line.first().filter(|byte| matches!(byte, b'\'' | b'"'));
                if end < 2 || quote.is_none() || quote != line.get(end - 1) {
                    return wrong("the quoted string");
                }
                let len = u32::try_from(end - 2).unwrap_or(u32::MAX);
                Value::Piece { form: Form::Quoted, len, at: start + 1 }
            }
            _ => Value::Piece { form: Form::Escaped, len: u32::try_from(len).unwrap_or(u32::MAX), at: start },
        };
        // What a text holds is numbers or words to whoever loads it.
        if matches!(op, b'S' | b'V') && len as u64 >= PASSIVE_STRING {
            self.judge.passive(start..start + len as u64, false);
        }
        self.push(value);
        Ok(())
    }

    // --- Containers ---

    /// APPEND and SETITEM.
    fn append(&mut self, count: usize, at: u64) -> Step<()> {
        let start = self.stack.len().checked_sub(count).filter(|start| *start > self.fence);
        let start = start.ok_or_else(|| self.empty())?;
        self.put_in(start, if count == 2 { Kind::Dict } else { Kind::List }, at)
    }

    /// APPENDS, SETITEMS and ADDITEMS.
    fn append_many(&mut self, op: u8, at: u64) -> Step<()> {
        let start = self.pop_mark()?;
        if start <= self.fence {
            return Err(self.empty());
        }
        let kind = match op {
            b'e' => Kind::List,
            b'u' => Kind::Dict,
            _ => Kind::Set,
        };
        if kind == Kind::Dict && !(self.stack.len() - start).is_multiple_of(2) {
            return Err(Halt::wrong("a dict is given a key without a value"));
        }
        self.put_in(start, kind, at)
    }

    fn put_in(&mut self, start: usize, kind: Kind, at: u64) -> Step<()> {
        let target = start.checked_sub(1).and_then(|below| self.stack.get(below)).copied().unwrap_or(Value::Unknown);
        let values = self.stack.get(start..).unwrap_or_default();
        self.judge.filled(target, values, kind, at)?;
        self.stack.truncate(start);
        Ok(())
    }
}

impl Machine<'_> {
    /// The nodes of its result, for whoever wants to know what loading gives.
    pub(crate) fn arena(&self) -> &Arena {
        &self.judge.arena
    }

    /// The stretches that were stepped over unread.
    pub(crate) fn unread(&self) -> &[Range<u64>] {
        &self.judge.unread
    }

    pub(crate) fn node_of(value: Value) -> Option<Id> {
        match value {
            Value::Node(id) => Some(id),
            _ => None,
        }
    }
}
