//! Arrays between the opcodes, as joblib writes them: how many bytes they take, and what lies in an array of objects.
//!
//! Never steps over bytes whose extent the pickle does not say plainly: then they are read as opcodes, and break.

use super::{
    arena::{Id, Kind, NONE, Value},
    halt::Step,
    judge::Judge,
    machine::{Machine, Mode},
    names::Global,
    tables::Arguments,
};
use crate::rules;

/// What a dtype says of its elements.
#[derive(Debug, PartialEq, Eq)]
enum Elements {
    Bytes(u64),
    Objects,
    Unclear,
}

impl Judge<'_> {
    /// If `target` has just become a description of an array whose data follows at `from`: where the opcodes go on.
    pub(crate) fn array_behind(
        &mut self,
        target: Value,
        state: Value,
        from: u64,
        frame_end: u64,
        most_ops: u64,
    ) -> Step<Option<u64>> {
        if !self.is_array(target) {
            return Ok(None);
        }
        if from < frame_end {
            let message =
                "An array begins inside a frame: its loader and this reader would take different bytes for it.";
            self.say(&rules::STACK_ODDITY, from, message.into());
            return Ok(None);
        }
        if !self.has_plain_keys(state)? {
            self.unclear(from);
            return Ok(None);
        }
        let dtype = self.entry_of(state, "dtype")?.unwrap_or(Value::Absent);
        match (self.elements(dtype)?, self.count(state)?) {
            (Elements::Objects, _) => self.objects(from, most_ops).map(Some),
            (Elements::Bytes(size), Some(count)) => {
                let alignment =
                    self.entry_of(state, "numpy_array_alignment_bytes")?.filter(|value| *value != Value::None);
                let mut start = from;
                if let Some(alignment) = alignment {
                    let pad = self.source.read(from..from.saturating_add(1))?.first().copied().unwrap_or(0);
                    if !matches!(alignment, Value::Int(most) if i64::from(pad) <= most && most <= 4096) {
                        let message =
                            format!("{pad} bytes are left out before an array, more than its alignment needs.");
                        self.say(&rules::STACK_ODDITY, from, message);
                    }
                    start = from.saturating_add(1).saturating_add(pad.into());
                }
                let end = size.checked_mul(count).and_then(|bytes| start.checked_add(bytes));
                match end.filter(|end| *end <= self.source.len()) {
                    Some(end) => {
                        self.unread.push(from..end);
                        Ok(Some(end))
                    }
                    None => Err(super::halt::Halt::Stop(crate::scan::Stop::broken(
                        from,
                        "an array's data goes past the end",
                    ))),
                }
            }
            _ => {
                self.unclear(from);
                Ok(None)
            }
        }
    }

    fn unclear(&mut self, from: u64) {
        let message = "An array's type or shape is not said plainly, so that nobody can tell where its data ends.";
        self.say(&rules::STACK_ODDITY, from, message.into());
    }

    /// Whether it describes an array as joblib writes them.
    fn is_array(&self, target: Value) -> bool {
        let made = self.arena.of(target).map(|(_, node)| node).filter(|node| node.kind == Kind::Made);
        made.and_then(|node| self.class_of(node))
            .is_some_and(|class| class.is("joblib.numpy_pickle", "NumpyArrayWrapper"))
    }

    /// Whether it was given attributes before.
    pub(crate) fn has_state(&self, target: Value) -> bool {
        self.arena.of(target).is_some_and(|(_, node)| {
            let callee = self.global(Value::Node(Id(node.a))).and_then(|callee| callee.entry);
            // This one sets attributes by itself.
            let sets = callee.is_some_and(|entry| entry.arguments == Arguments::RebuildFromType);
            node.c != NONE || node.kind == Kind::Made && sets
        })
    }

    /// A description that is given a second state: what it has of the first, only joblib knows.
    pub(crate) fn array_again(&mut self, target: Value, from: u64) {
        if self.is_array(target) {
            self.unclear(from);
        }
    }

    /// Whether every key of a state is written in the file; one that is computed may replace any other.
    fn has_plain_keys(&self, state: Value) -> Step<bool> {
        let Some((id, node)) = self.arena.of(state).filter(|(_, node)| node.kind == Kind::Dict) else {
            return Ok(false);
        };
        self.charge(node.count)?;
        Ok(self.arena.pairs(id).all(|(key, _)| key.is_text()))
    }

    /// How many elements the shape has.
    fn count(&self, state: Value) -> Step<Option<u64>> {
        let Some(shape) = self.entry_of(state, "shape")? else { return Ok(None) };
        let Some((id, count)) = self.arena.tuple(shape) else { return Ok(None) };
        let sizes: Option<Vec<u64>> = self
            .arena
            .items(id)
            .map(|value| if let Value::Int(size) = value { u64::try_from(size).ok() } else { None })
            .collect();
        let sizes = sizes.filter(|sizes| sizes.len() as u64 == u64::from(count));
        Ok(sizes.and_then(|sizes| sizes.iter().try_fold(1_u64, |product, size| product.checked_mul(*size))))
    }

    /// What `numpy.dtype(text, …)` and the state it was given say.
    fn elements(&self, dtype: Value) -> Step<Elements> {
        // Texts of any length lie in a pickle, as objects do.
        let texts = |callee: &Global| matches!(&*callee.name, "_convert_to_stringdtype_kwargs" | "StringDType");
        if self
            .arena
            .of(dtype)
            .and_then(|(id, _)| self.callee(id))
            .is_some_and(|callee| callee.is_vouched() && texts(callee))
        {
            return Ok(Elements::Objects);
        }
        let Some((text, state)) = self.dtype_parts(dtype)? else { return Ok(Elements::Unclear) };
        let item = |place| state.and_then(|state| self.arena.item(state, place));
        let flags = match item(7) {
            Some(Value::Int(flags)) => Some(flags),
            Some(_) => return Ok(Elements::Unclear),
            None => None,
        };
        let named_object = self.holds_objects(dtype)?;
        if flags.is_some_and(|flags| (flags & 1 == 1) != named_object) {
            return Ok(Elements::Unclear);
        }
        if named_object {
            return Ok(Elements::Objects);
        }
        let plain = text.trim_start_matches(['<', '>', '|', '=']);
        let number = plain.get(1..).unwrap_or_default();
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        let named = digits.parse::<u64>().ok();
        let size = match (plain.chars().next(), named, item(5)) {
            (Some('V' | 'S' | 'U'), _, Some(Value::Int(size))) if size >= 0 => u64::try_from(size).ok(),
            (Some('U'), Some(letters), _) => letters.checked_mul(4),
            (Some('b' | 'B' | 'i' | 'u' | 'f' | 'c' | 'S' | 'V' | 'M' | 'm'), Some(size), _) => Some(size),
            (Some('?'), _, _) => Some(1),
            _ => None,
        };
        Ok(size.map_or(Elements::Unclear, Elements::Bytes))
    }

    /// numpy takes bytes for the addresses of objects where a description of objects says that they are none.
    pub(crate) fn check_elements(&mut self, dtype: Value, at: u64) -> Step<()> {
        let Some((_, Some(state))) = self.dtype_parts(dtype)? else { return Ok(()) };
        let counted = match self.arena.item(state, 7) {
            Some(Value::Int(flags)) => flags & 1 == 1,
            Some(_) => false,
            None => return Ok(()),
        };
        if !counted && self.holds_objects(dtype)? {
            let message = "It describes objects as plain bytes, so that numpy takes bytes of the file for addresses.";
            self.say(&rules::STACK_ODDITY, at, message.into());
        }
        Ok(())
    }

    /// The text of a dtype, and the tuple of its state.
    fn dtype_parts(&self, dtype: Value) -> Step<Option<(String, Option<Id>)>> {
        let Some((id, node)) = self.arena.of(dtype) else { return Ok(None) };
        if !self.callee(id).is_some_and(|callee| callee.module == "numpy" && callee.name == "dtype") {
            return Ok(None);
        }
        let Some(first) = self.arena.item(Id(node.b), 0) else { return Ok(None) };
        let text = if first.is_text() { self.text(first, 64)? } else { None };
        let state = (node.c != NONE).then_some(Id(node.c));
        let state = state.filter(|state| self.arena.get(*state).is_some_and(|node| node.kind == Kind::Tuple));
        Ok(text.map(|text| (text, state)))
    }

    /// Whether a dtype, or any in its fields, is one of objects.
    fn holds_objects(&self, dtype: Value) -> Step<bool> {
        let mut open: Vec<Id> = self.arena.of(dtype).map(|(id, _)| id).into_iter().collect();
        let mut seen = Vec::new();
        while let Some(id) = open.pop() {
            self.charge(u32::try_from(seen.len() / 8 + 1).unwrap_or(NONE))?;
            if seen.contains(&id) || seen.len() > 2000 {
                continue;
            }
            self.charge(self.arena.get(id).map_or(0, |node| node.count))?;
            seen.push(id);
            if self.callee(id).is_some_and(|callee| callee.name == "ObjectDType") {
                return Ok(true);
            }
            if let Some((text, state)) = self.dtype_parts(Value::Node(id))? {
                if text.trim_start_matches(['<', '>', '|', '=']).starts_with(['O', 'o']) {
                    return Ok(true);
                }
                open.extend(state);
            }
            open.extend(self.arena.items(id).filter_map(|value| self.arena.of(value).map(|(id, _)| id)));
        }
        Ok(false)
    }

    /// An array of objects is a whole pickle at this place. Answers where it ends.
    fn objects(&mut self, from: u64, most_ops: u64) -> Step<u64> {
        let mut machine = Machine::new(self.source, from, Mode::Sure, most_ops);
        let end = machine.run();
        machine.judge.finish();
        let inner = machine.judge;
        self.uses += inner.uses;
        self.unread.extend(inner.unread);
        self.carried.extend(inner.carried);
        self.checkpoints.extend(inner.checkpoints);
        self.spelled.extend(inner.spelled);
        self.strange_ids.extend(inner.strange_ids);
        for draft in inner.drafts {
            self.say(draft.rule, draft.at, draft.message);
        }
        for global in inner.globals.iter() {
            self.named(&global.module, &global.name, global.at)?;
            if let Some(known) = self.globals.find(&global.module, &global.name).map(|known| known.node)
                && let Some(number) = self.arena.get(known).map(|node| node.a)
                && let Some(known) = self.globals.get_mut(number)
            {
                known.told = true;
            }
        }
        match end.trouble {
            Some(halt) => Err(halt),
            None => Ok(end.at),
        }
    }
}
