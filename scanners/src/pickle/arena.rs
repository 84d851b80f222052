//! What is on the machine's stack: small values that are copied, and nodes in one arena that refer to each other by number.
//!
//! A list of a billion numbers costs nothing: only its first numbers are kept. Cycles and shared values cost nothing either,
//! because nothing here is ever walked by recursion. Nothing is copied out of the file.

use super::{
    halt::{Halt, Step},
    small::Small,
};
use crate::reuse::{self, Kept, Long};

/// One value, as far as it matters what it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing is stored here: an empty place of the memo.
    Absent,
    None,
    Bool(bool),
    Int(i64),
    Float,
    /// Bytes of the file: a text, bytes, or an integer of more than eight bytes.
    Piece {
        form: Form,
        /// The most that fits, if it is longer.
        len: u32,
        at: u64,
    },
    Node(Id),
    /// Something that the file does not say: a buffer from elsewhere.
    Unknown,
}

/// How a piece of the file is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// UTF-8, with surrogates.
    Utf8,
    /// `\u0041` escapes, in Latin-1: UNICODE.
    Escaped,
    /// Python's quoted strings without their quotes: STRING.
    Quoted,
    /// A byte string of Python 2, which loads as a text.
    Short,
    Bytes,
    /// An integer in two's complement.
    Long,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tuple,
    List,
    Dict,
    Set,
    Frozen,
    /// `a` is its number among the globals.
    Global,
    /// The result of a call. `a` is what was called, `b` the arguments, `c` the last state; the items were put into it.
    Made,
    /// What a loader gives for a persistent id, which is its only item.
    Persistent,
    /// An object named by a number nobody registered.
    Extension,
}

/// Something lies in it that is no plain value.
pub(crate) const NOT_PLAIN: u8 = 1;
/// A global lies in it that is vouched for when it is called, and not when something else keeps it.
pub(crate) const NOT_TO_KEEP: u8 = 2;

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// A container, a global, or the result of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) taint: u8,
    /// How deep the nodes in it go.
    pub(crate) depth: u16,
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) c: u32,
    first: u32,
    last: u32,
    /// How many values were put in, kept or not.
    pub(crate) count: u32,
    /// How many values it has when everything shared is written out.
    pub(crate) grown: f32,
}

/// Values of one container that lie next to each other.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    start: u32,
    len: u32,
    next: u32,
}

/// Every node of one pickle.
pub(crate) struct Arena {
    nodes: Long<Node>,
    chunks: Long<Chunk>,
    values: Long<Small>,
    wide: Vec<Value>,
}

/// The most nodes of one pickle.
const MOST_NODES: usize = 40_000_000;
/// The most values that are kept of all containers together.
const MOST_VALUES: usize = 60_000_000;
/// Of numbers and the like only so many are kept for each container.
const PLAIN_KEPT: u32 = 64;

thread_local! {
    static NODES: Kept<Vec<Node>> = const { Kept::new(Vec::new()) };
    static CHUNKS: Kept<Vec<Chunk>> = const { Kept::new(Vec::new()) };
    static VALUES: Kept<Vec<Small>> = const { Kept::new(Vec::new()) };
}

impl Default for Arena {
    fn default() -> Self {
        Self {
            nodes: NODES.with(Long::take),
            chunks: CHUNKS.with(Long::take),
            values: VALUES.with(Long::take),
            wide: Vec::new(),
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        NODES.with(|kept| self.nodes.give(kept));
        CHUNKS.with(|kept| self.chunks.give(kept));
        VALUES.with(|kept| self.values.give(kept));
    }
}

impl Arena {
    #[inline]
    pub(crate) fn node(&mut self, kind: Kind, a: u32, b: u32) -> Step<Id> {
        if self.nodes.len() >= MOST_NODES {
            return Err(Halt::spent(format!("more than {MOST_NODES} objects in a pickle")));
        }
        let taint = match kind {
            Kind::Tuple | Kind::List | Kind::Dict | Kind::Set | Kind::Frozen => 0,
            Kind::Global | Kind::Made | Kind::Persistent | Kind::Extension => NOT_PLAIN,
        };
        let node = Node { kind, taint, depth: 0, a, b, c: NONE, first: NONE, last: NONE, count: 0, grown: 1.0 };
        self.nodes.push(node);
        Ok(Id(u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)))
    }

    pub(crate) fn container(&mut self, kind: Kind, values: &[Value]) -> Step<Id> {
        let id = self.node(kind, NONE, NONE)?;
        self.put_in(id, values)?;
        Ok(id)
    }

    #[inline]
    pub(crate) fn get(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.get_mut(id.0 as usize)
    }

    /// The node behind a value.
    #[inline]
    pub(crate) fn of(&self, value: Value) -> Option<(Id, &Node)> {
        match value {
            Value::Node(id) => self.get(id).map(|node| (id, node)),
            _ => None,
        }
    }

    /// How many nodes and how many values there are.
    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.nodes.len(), self.values.len())
    }

    /// How many bytes of memory all of them take.
    pub(crate) fn held(&self) -> usize {
        self.nodes.held() + self.chunks.held() + self.values.held() + reuse::grown(&self.wide)
    }

    /// Puts values in. Those of a dict are keys and values in turn.
    pub(crate) fn put_in(&mut self, id: Id, values: &[Value]) -> Step<()> {
        let Some(mut node) = self.get(id).copied() else { return Ok(()) };
        let pairs = node.kind == Kind::Dict || node.kind == Kind::Made && values.len().is_multiple_of(2);
        // What is to be kept and was not yet: neighbours are kept together.
        let (mut from, mut to) = (0, 0);
        for entry in values.chunks(if pairs { 2 } else { 1 }) {
            let mut plain = true;
            for value in entry {
                if let Some((inner, inside)) = self.of(*value) {
                    plain = false;
                    node.taint |= inside.taint;
                    if inner != id {
                        node.depth = node.depth.max(inside.depth.saturating_add(1));
                        node.grown += inside.grown;
                    }
                } else {
                    plain &= !matches!(value, Value::Piece { .. });
                    node.grown += 1.0;
                }
            }
            let full = self.values.len() + (to - from) >= MOST_VALUES;
            if full && !plain {
                return Err(Halt::spent(format!("more than {MOST_VALUES} values in a pickle")));
            }
            if plain && (node.count >= PLAIN_KEPT || full) {
                self.keep(&mut node, values.get(from..to).unwrap_or_default());
                (from, to) = (to + entry.len(), to + entry.len());
            } else {
                to += entry.len();
            }
            node.count = node.count.saturating_add(u32::try_from(entry.len()).unwrap_or(NONE));
        }
        self.keep(&mut node, values.get(from..to).unwrap_or_default());
        if let Some(place) = self.get_mut(id) {
            *place = node;
        }
        Ok(())
    }

    #[inline]
    fn keep(&mut self, node: &mut Node, values: &[Value]) {
        if values.is_empty() {
            return;
        }
        let start = u32::try_from(self.values.len()).unwrap_or(NONE);
        let len = u32::try_from(values.len()).unwrap_or(NONE);
        for value in values {
            self.values.push(Small::of(*value, &mut self.wide));
        }
        if let Some(last) = self.chunks.get_mut(node.last as usize)
            && last.start.saturating_add(last.len) == start
        {
            last.len += len;
            return;
        }
        let number = u32::try_from(self.chunks.len()).unwrap_or(NONE);
        self.chunks.push(Chunk { start, len, next: NONE });
        match self.chunks.get_mut(node.last as usize) {
            Some(last) => last.next = number,
            None => node.first = number,
        }
        node.last = number;
    }

    /// What was kept of the values put into it, in order.
    pub(crate) fn items(&self, id: Id) -> Items<'_> {
        let chunk = self.get(id).map_or(NONE, |node| node.first);
        Items { arena: self, chunk, at: 0 }
    }

    /// The same as keys and values.
    pub(crate) fn pairs(&self, id: Id) -> Pairs<'_> {
        Pairs(self.items(id))
    }

    /// The value at a place of a tuple or list; places up to 64 are exact.
    pub(crate) fn item(&self, id: Id, place: usize) -> Option<Value> {
        if place >= PLAIN_KEPT as usize { None } else { self.items(id).nth(place) }
    }

    /// The places of the tuple behind a value.
    pub(crate) fn tuple(&self, value: Value) -> Option<(Id, u32)> {
        self.of(value).filter(|(_, node)| node.kind == Kind::Tuple).map(|(id, node)| (id, node.count))
    }
}

pub(crate) struct Items<'a> {
    arena: &'a Arena,
    chunk: u32,
    at: u32,
}

impl Iterator for Items<'_> {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        loop {
            let chunk = self.arena.chunks.get(self.chunk as usize)?;
            if self.at < chunk.len {
                self.at += 1;
                let value = self.arena.values.get((chunk.start + self.at - 1) as usize);
                return value.map(|value| value.value(&self.arena.wide));
            }
            (self.chunk, self.at) = (chunk.next, 0);
        }
    }
}

pub(crate) struct Pairs<'a>(Items<'a>);

impl Iterator for Pairs<'_> {
    type Item = (Value, Value);

    fn next(&mut self) -> Option<(Value, Value)> {
        Some((self.0.next()?, self.0.next()?))
    }
}

impl Value {
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Value::Piece { form: Form::Utf8 | Form::Escaped | Form::Quoted | Form::Short, .. })
    }

    pub(crate) fn is_bytes(self) -> bool {
        matches!(self, Value::Piece { form: Form::Bytes, .. })
    }
}
