//! R data: RDS and RDA files, unpacked. Finds promises, byte code, functions and calls within the data.
//!
//! Walks the serialised values with a list of what is still to come; numbers are left out. R runs a promise as soon as it is
//! touched (CVE-2024-27322); functions and calls run only when somebody calls them.

use crate::{
    formats::{
        Match, Probe, gap,
        r_calls::{self, Reach},
        wire::Skipped,
    },
    read::cursor::Cursor,
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// The longest name that is read.
const NAME: u64 = 64 << 10;

/// The mark of a binding that is a function's answer.
const ACTIVE: i32 = 1 << (12 + 15);

/// The longest text in code that is read.
const WORDS: u64 = 64 << 10;

/// What R's own reader, which recurses, gives up at.
const DEEP: usize = 20_000;

/// Names under which ordinary data and models keep a pointer, which is empty once it is read again.
const POINTERS: &[&str] = &[".internal.selfref", "handle", "ptr", "pointer", "Pointer", ".pointer", "xptr", "raw_ptr"];

/// Compact vectors that R's own packages make.
const COMPACT: &[&str] = &[
    "compact_intseq",
    "compact_realseq",
    "deferred_string",
    "wrap_real",
    "wrap_integer",
    "wrap_logical",
    "wrap_string",
    "wrap_complex",
    "wrap_raw",
    "wrap_list",
];

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let saved = [&b"RDX2\n"[..], b"RDX3\n", b"RDA2\n", b"RDA3\n", b"RDB2\n", b"RDB3\n"];
    let body = if saved.iter().any(|magic| probe.starts_with(magic)) { 5 } else { 0 };
    let known = [&b"X\n\0\0\0\x02"[..], b"X\n\0\0\0\x03", b"A\n2\n", b"A\n3\n", b"B\n\x02\0\0\0", b"B\n\x03\0\0\0"];
    if known.iter().any(|magic| probe.has_at(body, magic)) { Match::Content } else { Match::No }
}

/// How numbers are written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Xdr,
    Ascii,
    Little,
}

/// Parts of a call in byte code, which say their own type: what is called, and what stands behind it.
const HEAD: i32 = -3;
const REST: i32 = -2;

/// Where a value stands: whether it is part of code.
#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Data,
    /// Part of a function or a call.
    Code,
    /// What a call calls.
    Called,
}

/// What is still to be read.
enum Todo {
    Items(u64, Standing),
    /// The rest of byte code: so many constants.
    Constants(u64),
    /// One part of a call in byte code, of this type.
    Part(i32),
    /// A promise's value, which says whether it has run already.
    PromiseValue(u64),
    /// A compact vector's class.
    CompactClass,
}

struct Walk<'a, 'b> {
    scan: &'a mut Scan<'b>,
    source: &'a Source,
    cursor: Cursor<'a>,
    form: Form,
    todo: Vec<Todo>,
    /// The names of symbols, by the number by which later ones refer to them.
    names: Vec<Option<String>>,
    skipped: Skipped,
    /// The symbol read last: the name of what follows it.
    last_name: String,
}

/// Inspects one file.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut cursor = Cursor::at(source, 0);
    if source.read_up_to(0, 2)?.as_ref() == b"RD" {
        cursor.skip(5)?;
    }
    let form = match cursor.u8()? {
        b'X' => Form::Xdr,
        b'A' => Form::Ascii,
        _ => Form::Little,
    };
    cursor.skip(1)?;
    let mut walk = Walk {
        scan,
        source,
        cursor,
        form,
        todo: vec![Todo::Items(1, Standing::Data)],
        names: Vec::new(),
        skipped: Skipped::default(),
        last_name: String::new(),
    };
    let version = walk.int()?;
    walk.int()?;
    walk.int()?;
    if version == 3 {
        let length = walk.length()?;
        walk.text(length)?;
    }
    walk.run()?;
    let (end, skipped) = (walk.cursor.position(), std::mem::take(&mut walk.skipped));
    skipped.mark(scan, source, 0..end);
    gap::look(scan, source, end..source.len(), "behind the value")
}

impl Walk<'_, '_> {
    fn run(&mut self) -> Scanned<()> {
        while let Some(todo) = self.todo.pop() {
            self.scan.steps(1)?;
            if self.todo.len() > DEEP {
                return Err(Stop::broken(self.cursor.position(), "values lie in one another deeper than R reads"));
            }
            match todo {
                Todo::Items(0, _) | Todo::Constants(0) => {}
                Todo::Items(left, standing) => {
                    if left > 1 {
                        self.todo.push(Todo::Items(left - 1, standing));
                    }
                    self.item(standing)?;
                }
                Todo::Constants(left) => {
                    self.todo.push(Todo::Constants(left - 1));
                    match self.int()? {
                        21 => self.byte_code()?,
                        kind @ (6 | 2 | 239 | 240 | 243 | 244) => self.todo.push(Todo::Part(kind)),
                        _ => self.todo.push(Todo::Items(1, Standing::Code)),
                    }
                }
                Todo::Part(kind) => self.part(kind)?,
                Todo::PromiseValue(at) => self.promise(at)?,
                Todo::CompactClass => self.compact()?,
            }
        }
        Ok(())
    }

    /// One value. What it holds is put on the list, the last first.
    fn item(&mut self, standing: Standing) -> Scanned<()> {
        let at = self.cursor.position();
        let flags = self.int()?;
        let (kind, attributes, tag) = (flags & 0xff, flags & 0x200 != 0, flags & 0x400 != 0);
        let inner = standing;
        match kind {
            // Nothing, and the environments that every R has.
            241 | 242 | 250..=254 => {}
            // A symbol, or what was read before.
            1 => {
                let name = self.characters()?;
                if let Some(name) = &name {
                    self.named(at, standing, name);
                    self.last_name.clone_from(name);
                }
                self.names.push(name);
            }
            255 => self.reference(at, flags, standing)?,
            // Environments by name, and hooks.
            247..=249 => {
                self.int()?;
                let count = self.length()?;
                self.names.push(None);
                self.todo.push(Todo::Items(count, inner));
            }
            // An environment: what it lies in, its frame, its table, its attributes.
            4 => {
                self.int()?;
                self.names.push(None);
                self.todo.push(Todo::Items(4, inner));
            }
            2 | 3 | 5 | 6 | 17 => {
                // In an environment, and only there, a name can stand for a call.
                if kind == 2 && flags & ACTIVE != 0 {
                    self.function(at, "a name that calls a function whenever it is looked at");
                }
                self.list(at, kind, standing, attributes, tag);
            }
            22 => {
                if !POINTERS.contains(&self.last_name.as_str()) {
                    self.function(at, "a pointer of the process that wrote it");
                }
                self.names.push(None);
                self.todo.push(Todo::Items(2 + u64::from(attributes), inner));
            }
            23 | 25 => {
                if kind == 23 {
                    self.names.push(None);
                }
                self.todo.push(Todo::Items(u64::from(attributes), inner));
            }
            // A function that R brings.
            7 | 8 => {
                let length = self.length()?;
                let name = self.text(length)?;
                self.named(at, Standing::Code, &name);
            }
            9 => {
                self.string(standing)?;
                self.todo.push(Todo::Items(u64::from(attributes), inner));
            }
            10 | 13 | 14 | 15 | 24 => {
                self.numbers(kind)?;
                self.todo.push(Todo::Items(u64::from(attributes), inner));
            }
            16 | 19 | 20 => {
                let count = self.length()?;
                self.todo.push(Todo::Items(u64::from(attributes), inner));
                self.todo.push(Todo::Items(count, if kind == 20 { Standing::Code } else { inner }));
            }
            21 => {
                if standing == Standing::Data {
                    let message = "The data holds byte code outside of any function.";
                    self.scan.found(&rules::R_CODE, self.source, at, message);
                }
                self.todo.push(Todo::Items(u64::from(attributes), inner));
                self.int()?;
                self.byte_code()?;
            }
            // A compact vector: its class, its state, its attributes.
            238 => {
                self.todo.push(Todo::Items(2, inner));
                self.todo.push(Todo::CompactClass);
            }
            other => return Err(Stop::broken(at, format!("R has no values of type {other}"))),
        }
        Ok(())
    }

    /// Lists, functions, promises and calls: attributes, tag, head and rest.
    fn list(&mut self, at: u64, kind: i32, standing: Standing, attributes: bool, tag: bool) {
        let inner = standing;
        let inside = match kind {
            // `base::system("…")` calls what a call answers.
            6 if standing == Standing::Called => Standing::Called,
            3 | 5 | 6 => Standing::Code,
            _ => inner,
        };
        if kind == 3 && standing == Standing::Data {
            self.function(at, "a function");
        }
        self.todo.push(Todo::Items(1, inside));
        let head = if kind == 6 { Standing::Called } else { inside };
        self.todo.push(if kind == 5 { Todo::PromiseValue(at) } else { Todo::Items(1, head) });
        self.todo.push(Todo::Items(u64::from(tag), inner));
        self.todo.push(Todo::Items(u64::from(attributes), inner));
    }

    /// A promise whose value is not there yet runs its expression as soon as R touches it.
    fn promise(&mut self, at: u64) -> Scanned<()> {
        let here = self.cursor.position();
        let unbound = self.int()? & 0xff == 252;
        self.cursor.go(here);
        if unbound {
            let message =
                "The data holds a promise that has not run yet: R runs its expression when the data is touched.";
            self.scan.found(&rules::R_CODE, self.source, at, message);
        }
        self.todo.push(Todo::Items(1, Standing::Code));
        Ok(())
    }

    /// The class of a compact vector is a list: its name, its package, its type.
    fn compact(&mut self) -> Scanned<()> {
        let at = self.cursor.position();
        if self.int()? & 0xfff != 2 {
            return Err(Stop::broken(at, "a compact vector has no class"));
        }
        self.todo.push(Todo::Items(1, Standing::Data));
        let before = self.names.len();
        let place = self.cursor.position();
        let flags = self.int()?;
        self.cursor.go(place);
        self.item(Standing::Data)?;
        let name = match flags & 0xff {
            1 => self.names.get(before).cloned().flatten(),
            255 => self.reference_name(i64::from(flags >> 8)),
            _ => None,
        };
        if !name.as_deref().is_some_and(|name| COMPACT.contains(&name)) {
            let name = name.unwrap_or_else(|| "?".into());
            let message = format!("A vector is built by the class `{name}`, which R does not bring for data files.");
            self.scan.found(&rules::R_FUNCTION, self.source, at, message);
        }
        Ok(())
    }

    fn reference_name(&self, number: i64) -> Option<String> {
        self.names.get(usize::try_from(number).ok()?.checked_sub(1)?).cloned().flatten()
    }

    fn reference(&mut self, at: u64, flags: i32, standing: Standing) -> Scanned<()> {
        let packed = flags >> 8;
        let number = if packed == 0 { self.int()? } else { packed };
        let known = usize::try_from(number).is_ok_and(|number| number > 0 && number <= self.names.len());
        if !known {
            return Err(Stop::broken(at, format!("value {number} is referred to and was not there before")));
        }
        if let Some(name) = self.reference_name(i64::from(number)) {
            self.named(at, standing, &name);
            self.last_name = name;
        }
        Ok(())
    }

    /// Byte code: instructions and constants, which can hold more byte code.
    fn byte_code(&mut self) -> Scanned<()> {
        let at = self.cursor.position();
        if self.int()? & 0xfff != 13 {
            return Err(Stop::broken(at, "byte code does not begin with its instructions"));
        }
        self.numbers(13)?;
        let count = self.length()?;
        self.todo.push(Todo::Constants(count));
        Ok(())
    }

    /// One part of a call in byte code.
    fn part(&mut self, kind: i32) -> Scanned<()> {
        match kind {
            243 => {
                self.int()?;
            }
            244 | 239 | 240 | 2 | 6 => {
                let mut kind = kind;
                if kind == 244 {
                    self.int()?;
                    kind = self.int()?;
                }
                // The head and the rest say their own types; they are read in order, so the list is filled backwards.
                self.todo.push(Todo::Part(REST));
                self.todo.push(Todo::Part(if matches!(kind, 6 | 240) { HEAD } else { REST }));
                self.todo.push(Todo::Items(1, Standing::Code));
                if matches!(kind, 239 | 240) {
                    self.todo.push(Todo::Items(1, Standing::Code));
                }
            }
            REST | HEAD => {
                let standing = if kind == HEAD { Standing::Called } else { Standing::Code };
                let of_calls = |kind: &i32| matches!(kind, 243 | 244 | 239 | 240 | 2 | 6);
                let part = Some(self.int()?).filter(of_calls).map(Todo::Part);
                self.todo.push(part.unwrap_or(Todo::Items(1, standing)));
            }
            _ => self.todo.push(Todo::Items(1, Standing::Code)),
        }
        Ok(())
    }

    /// A name was read where code or data stands.
    fn named(&mut self, at: u64, standing: Standing, name: &str) {
        if standing == Standing::Data || (standing == Standing::Code && r_calls::is_word(name) && name != "system") {
            return;
        }
        match r_calls::reach(name) {
            Some(Reach::Leaves) => {
                let message = format!("The data holds code that uses `{name}`, which reaches beyond R.");
                self.scan.found(&rules::R_CODE, self.source, at, message);
            }
            Some(Reach::Changes) => {
                self.function(at, &format!("code that uses `{name}`, which changes files, settings or other code"));
            }
            Some(Reach::Finds) => {
                self.function(at, &format!("code that uses `{name}`, which finds or makes other code"));
            }
            None => {}
        }
    }

    /// A text in code: the name of a function that is called by it, or a place from which programs start.
    fn words(&mut self, at: u64, text: &str) {
        if let Some(place) = r_calls::start_place(text) {
            let message = format!("The data holds code that names `{place}`, from where programs start by themselves.");
            self.scan.found(&rules::R_CODE, self.source, at, message);
        } else if r_calls::reach(text) == Some(Reach::Leaves) && (!r_calls::is_word(text) || text == "system") {
            self.function(at, &format!("code with the word `{text}`, by which it can find what reaches beyond R"));
        }
    }

    fn function(&mut self, at: u64, what: &str) {
        let message = format!("The data holds {what}. It does not run by itself; whoever uses the data may run it.");
        self.scan.found(&rules::R_FUNCTION, self.source, at, message);
    }

    /// The characters of a symbol.
    fn characters(&mut self) -> Scanned<Option<String>> {
        let at = self.cursor.position();
        let flags = self.int()?;
        if flags & 0xff != 9 || flags & 0x200 != 0 {
            return Err(Stop::broken(at, "a symbol has no name"));
        }
        let length = self.int()?;
        let Ok(length) = u64::try_from(length) else { return Ok(None) };
        self.text(length).map(Some)
    }

    /// A string, whose content matters only in code.
    fn string(&mut self, standing: Standing) -> Scanned<()> {
        let at = self.cursor.position();
        let length = self.int()?;
        let Ok(length) = u64::try_from(length) else { return Ok(()) };
        if standing != Standing::Data && length <= WORDS {
            let bytes =
                if self.form == Form::Ascii { self.escaped(length)? } else { self.cursor.bytes(length)?.to_vec() };
            self.words(at, &String::from_utf8_lossy(&bytes));
        } else if self.form == Form::Ascii {
            self.escaped(length)?;
        } else {
            let text = self.cursor.skip(length)?;
            // Short ones are not worth a mark of their own.
            if length > 16 {
                self.skipped.data(text);
            }
        }
        Ok(())
    }

    fn text(&mut self, length: u64) -> Scanned<String> {
        if length > NAME {
            return Err(Stop::broken(self.cursor.position(), format!("a name has {length} bytes")));
        }
        let bytes = if self.form == Form::Ascii { self.escaped(length)? } else { self.cursor.bytes(length)?.to_vec() };
        // Names can be in the old encodings of other systems; what they hold is shown with marks.
        if bytes.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t')) {
            return Err(Stop::broken(self.cursor.position(), "a name holds control characters"));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A string in the text form, of which only the first characters are kept.
    fn escaped(&mut self, length: u64) -> Scanned<Vec<u8>> {
        let mut out = Vec::new();
        while self.cursor.peek()?.is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.cursor.u8()?;
        }
        for _ in 0..length {
            self.scan.steps(1)?;
            let mut byte = self.cursor.u8()?;
            if byte == b'\\' {
                byte = match self.cursor.u8()? {
                    b'n' => b'\n',
                    digit @ b'0'..=b'7' => {
                        let mut value = u32::from(digit - b'0');
                        for _ in 0..2 {
                            match self.cursor.peek()? {
                                Some(next @ b'0'..=b'7') => {
                                    value = value * 8 + u32::from(next - b'0');
                                    self.cursor.u8()?;
                                }
                                _ => break,
                            }
                        }
                        value.to_le_bytes()[0]
                    }
                    other => other,
                };
            }
            if (out.len() as u64) < NAME {
                out.push(byte);
            }
        }
        Ok(out)
    }

    /// A vector of numbers or bytes, which are left out.
    fn numbers(&mut self, kind: i32) -> Scanned<()> {
        let count = self.length()?;
        let (size, words) = match kind {
            24 => (1, 1),
            14 => (8, 1),
            15 => (16, 2),
            _ => (4, 1),
        };
        if self.form == Form::Ascii {
            for _ in 0..count.saturating_mul(words) {
                self.scan.steps(1)?;
                self.word()?;
            }
            return Ok(());
        }
        let bytes =
            count.checked_mul(size).ok_or_else(|| Stop::broken(self.cursor.position(), "a length overflows"))?;
        let numbers = self.cursor.skip(bytes)?;
        if bytes > 16 {
            self.skipped.data(numbers);
        }
        Ok(())
    }

    fn length(&mut self) -> Scanned<u64> {
        let at = self.cursor.position();
        match self.int()? {
            -1 => {
                let (high, low) = (self.int()?, self.int()?);
                Ok((u64::from(high.cast_unsigned()) << 32) | u64::from(low.cast_unsigned()))
            }
            length => u64::try_from(length).map_err(|_| Stop::broken(at, "a length is negative")),
        }
    }

    fn int(&mut self) -> Scanned<i32> {
        match self.form {
            Form::Xdr => Ok(self.cursor.u32_be()?.cast_signed()),
            Form::Little => Ok(self.cursor.u32_le()?.cast_signed()),
            Form::Ascii => {
                let at = self.cursor.position();
                let word = self.word()?;
                if word == "NA" {
                    Ok(i32::MIN)
                } else {
                    word.parse().map_err(|_| Stop::broken(at, "a number is missing"))
                }
            }
        }
    }

    /// A word of the text form.
    fn word(&mut self) -> Scanned<String> {
        let mut word = String::new();
        while let Some(byte) = self.cursor.peek()? {
            self.cursor.u8()?;
            match (byte.is_ascii_whitespace(), word.is_empty()) {
                (true, true) => {}
                (true, false) => break,
                (false, _) if word.len() < 64 => word.push(char::from(byte)),
                (false, _) => return Err(Stop::broken(self.cursor.position(), "a number is too long")),
            }
        }
        Ok(word)
    }
}

#[cfg(test)]
mod tests;
