//! Room that is used again: what one file needed is kept for the next, as fresh memory costs more than the work in it.
//!
//! Each thread keeps its own, and only so much of it. What is given out is empty, or is written before it is read: nothing of
//! one file is seen in another.

use std::cell::{Cell, RefCell};

use bytes::Bytes;

/// A larger room is given back to the system.
const MOST_KEPT: usize = 32 << 20;
/// So many rooms for bytes are kept, of together this size.
const MOST_ROOMS: usize = 256;
const MOST_OF_ROOMS: usize = 64 << 20;
/// A smaller one is not worth keeping.
pub(crate) const SMALL: usize = 64 << 10;
/// So many bytes has a piece of a long list.
const PIECE: usize = 256 << 10;

/// Where a thread keeps the room of one kind of list.
pub(crate) type Kept<T> = Cell<Vec<T>>;

/// Takes what was kept, or begins anew.
pub(crate) fn take<T>(kept: &Kept<T>) -> Vec<T> {
    kept.take()
}

/// Keeps the larger of two rooms.
pub(crate) fn give<T>(kept: &Kept<T>, room: &mut Vec<T>) {
    let mut room = std::mem::take(room);
    room.clear();
    let before = kept.take();
    let fits = room.capacity().saturating_mul(size_of::<T>()) <= MOST_KEPT;
    kept.set(if fits && room.capacity() > before.capacity() { room } else { before });
}

/// What a list takes that has grown to this length, whatever room it was given.
pub(crate) fn grown<T>(list: &[T]) -> usize {
    grown_to::<T>(list.len())
}

fn grown_to<T>(len: usize) -> usize {
    if len == 0 { 0 } else { len.next_power_of_two().saturating_mul(size_of::<T>()) }
}

/// A long list in pieces: it grows without being copied, and its pieces are used again, each touched only as far as needed.
pub(crate) struct Long<T> {
    /// Those in use are full but for the last; behind it are empty ones from before.
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T> Long<T> {
    /// How many values a piece has, as a power of two.
    const BITS: u32 = (PIECE / size_of::<T>()).ilog2();

    /// An empty one with the room that was kept.
    pub(crate) fn take(kept: &Kept<Vec<T>>) -> Self {
        Self { pieces: kept.take(), len: 0 }
    }

    /// Keeps the larger of two rooms.
    pub(crate) fn give(&mut self, kept: &Kept<Vec<T>>) {
        let mut pieces = std::mem::take(&mut self.pieces);
        let used = self.len.div_ceil(1 << Self::BITS);
        pieces.iter_mut().take(used).for_each(Vec::clear);
        pieces.truncate(MOST_KEPT / PIECE);
        self.len = 0;
        let before = kept.take();
        kept.set(if pieces.len() > before.len() { pieces } else { before });
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        let piece = self.len >> Self::BITS;
        if let Some(piece) = self.pieces.get_mut(piece) {
            piece.push(value);
        } else {
            let mut piece = Vec::with_capacity(1 << Self::BITS);
            piece.push(value);
            self.pieces.push(piece);
        }
        self.len += 1;
    }

    fn place(at: usize) -> (usize, usize) {
        (at >> Self::BITS, at & ((1 << Self::BITS) - 1))
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        let (piece, at) = Self::place(at);
        self.pieces.get(piece)?.get(at)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let (piece, at) = Self::place(at);
        self.pieces.get_mut(piece)?.get_mut(at)
    }

    /// What it would take as a list in one piece: the same on every machine and for every file before.
    pub(crate) fn held(&self) -> usize {
        grown_to::<T>(self.len)
    }
}

thread_local! {
    /// The largest last, with the bytes still in them.
    static BYTES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes whose room is kept when nobody reads them any more.
#[derive(Default)]
pub(crate) struct Room(pub(crate) Vec<u8>);

impl Room {
    /// An empty one, the largest that there is: nobody knows what will be made.
    pub(crate) fn new() -> Self {
        let mut room = BYTES.try_with(|kept| kept.borrow_mut().pop()).ok().flatten().unwrap_or_default();
        room.clear();
        Self(room)
    }

    /// `size` bytes for somebody who writes before he reads, as they are not made zero for that: what they hold may be of
    /// another file. Nobody may see more of them than was written.
    pub(crate) fn to_write(size: usize) -> Self {
        let mut room = Self::of(size.max(SMALL));
        room.0.resize(size, 0);
        room
    }

    /// One for `size` bytes, the smallest that will do.
    fn of(size: usize) -> Self {
        let fitting = BYTES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            let place = kept.partition_point(|room| room.capacity() < size);
            (place < kept.len()).then(|| kept.remove(place))
        });
        Self(fitting.ok().flatten().unwrap_or_else(|| Vec::with_capacity(size)))
    }

    /// The bytes as they are now.
    pub(crate) fn freeze(self) -> Bytes {
        if self.0.len() < SMALL { Bytes::copy_from_slice(&self.0) } else { Bytes::from_owner(self) }
    }
}

impl AsRef<[u8]> for Room {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.0);
        if !(SMALL..=MOST_KEPT).contains(&room.capacity()) {
            return;
        }
        // A thread that ends keeps nothing.
        let _ = BYTES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            let all: usize = kept.iter().map(Vec::capacity).sum();
            if kept.len() < MOST_ROOMS && all + room.capacity() <= MOST_OF_ROOMS {
                let place = kept.partition_point(|other| other.capacity() < room.capacity());
                kept.insert(place, room);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_again_is_empty_and_bounded() {
        let mut room = Room::new();
        room.0.resize(SMALL, 7);
        let bytes = room.freeze();
        assert_eq!(bytes.len(), SMALL);
        drop(bytes);
        let again = Room::new();
        assert!(again.0.is_empty() && again.0.capacity() >= SMALL);
        let mut large = Room::new();
        large.0.reserve_exact(MOST_KEPT + 1);
        drop((large, again));
        BYTES.with_borrow(|kept| assert!(kept.iter().all(|room| room.capacity() <= MOST_KEPT) && kept.len() == 1));
        let (kept, mut list) = (Kept::default(), vec![1_u8; 5]);
        give(&kept, &mut list);
        assert!(list.is_empty() && take(&kept).is_empty());
        assert_eq!((grown(&[0_u16; 5]), grown::<u64>(&[])), (16, 0));
    }

    #[test]
    fn a_long_list_is_a_list_and_empty_when_it_is_used_again() {
        let kept = Kept::default();
        let many = 3 * PIECE / size_of::<usize>() + 5;
        for round in [many, 7, many] {
            let mut list = Long::take(&kept);
            for at in 0..round {
                assert!(list.get(at).is_none());
                list.push(at);
            }
            assert_eq!((list.len(), list.get(round), list.get(usize::MAX)), (round, None, None));
            assert!((0..round).all(|at| list.get_mut(at).is_some_and(|value| *value == at)));
            assert_eq!(list.held(), round.next_power_of_two() * size_of::<usize>());
            list.give(&kept);
        }
        let pieces = kept.take();
        assert_eq!(pieces.len(), 4);
        assert!(pieces.iter().all(|piece| piece.is_empty() && piece.capacity() >= PIECE / size_of::<usize>()));
    }
}
