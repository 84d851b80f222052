//! The memo, with CPython's meaning: numbers may be any, a later store wins, and MEMOIZE counts the entries.
//!
//! Never as large as the largest number: what is far from the others is kept apart.

use std::collections::{HashMap, HashSet};

use super::{arena::Value, small::Small};
use crate::reuse::{self, Kept};

pub(crate) struct Memo {
    near: Vec<Small>,
    wide: Vec<Value>,
    far: HashMap<u64, Value>,
    entries: u64,
    /// Places that were stored to in a way that no writer has.
    odd: HashSet<u64>,
}

thread_local! {
    static NEAR: Kept<Small> = const { Kept::new(Vec::new()) };
}

impl Default for Memo {
    fn default() -> Self {
        Self { near: NEAR.with(reuse::take), wide: Vec::new(), far: HashMap::new(), entries: 0, odd: HashSet::new() }
    }
}

impl Drop for Memo {
    fn drop(&mut self) {
        NEAR.with(|kept| reuse::give(kept, &mut self.near));
    }
}

impl Memo {
    /// How many places are taken.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// How many bytes of memory they take.
    pub(crate) fn held(&self) -> usize {
        reuse::grown(&self.near) + reuse::grown(&self.wide) + self.far.capacity() * 48 + self.odd.capacity() * 16
    }

    #[inline]
    pub(crate) fn put(&mut self, place: u64, value: Value) {
        let limit = (self.near.len() as u64).saturating_mul(2).saturating_add(1024);
        let before = match usize::try_from(place) {
            Ok(near) if place < limit && !self.far.contains_key(&place) => {
                if near >= self.near.len() {
                    self.near.resize(near + 1, Small::ABSENT);
                }
                let small = Small::of(value, &mut self.wide);
                let before = self.near.get_mut(near).map_or(Small::ABSENT, |slot| std::mem::replace(slot, small));
                before.value(&self.wide)
            }
            _ => self.far.insert(place, value).unwrap_or(Value::Absent),
        };
        if before == Value::Absent {
            self.entries += 1;
        } else if before != value {
            self.odd.insert(place);
        }
    }

    /// The place was stored to right after something was thrown away.
    pub(crate) fn is_odd(&mut self, place: u64) {
        self.odd.insert(place);
    }

    #[inline]
    pub(crate) fn was_odd(&self, place: u64) -> bool {
        !self.odd.is_empty() && self.odd.contains(&place)
    }

    #[inline]
    pub(crate) fn get(&self, place: u64) -> Option<Value> {
        let near = usize::try_from(place).ok().and_then(|near| self.near.get(near)).map(|near| near.value(&self.wide));
        near.filter(|value| *value != Value::Absent).or_else(|| self.far.get(&place).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_number_costs_nothing_and_stays_findable() {
        let mut memo = Memo::default();
        memo.put(1 << 40, Value::Int(1));
        for place in 0..4000 {
            memo.put(place, Value::Int(2));
        }
        memo.put(1 << 40, Value::Int(3));
        assert_eq!((memo.get(1 << 40), memo.get(17), memo.get(5000)), (Some(Value::Int(3)), Some(Value::Int(2)), None));
        assert_eq!(memo.entries(), 4001);
        assert!(memo.was_odd(1 << 40) && !memo.was_odd(17));
    }
}
