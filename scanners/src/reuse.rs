//! Room that is used again: what one file needed is kept for the next, as fresh memory costs more than the work in it.
//!
//! Each thread keeps its own, and only so much of it. What is given out is empty: nothing of one file is seen in another.

use std::cell::{Cell, RefCell};

use bytes::Bytes;

/// A larger room is given back to the system.
const MOST_KEPT: usize = 32 << 20;
/// So many rooms for bytes are kept, of together this size.
const MOST_ROOMS: usize = 256;
const MOST_OF_ROOMS: usize = 64 << 20;
/// A smaller one is not worth keeping.
const SMALL: usize = 64 << 10;

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
    if list.is_empty() { 0 } else { list.len().next_power_of_two().saturating_mul(size_of::<T>()) }
}

thread_local! {
    /// The largest last.
    static BYTES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes whose room is kept when nobody reads them any more.
#[derive(Default)]
pub(crate) struct Room(pub(crate) Vec<u8>);

impl Room {
    /// An empty one, the largest that there is: nobody knows what will be made.
    pub(crate) fn new() -> Self {
        Self(BYTES.try_with(|kept| kept.borrow_mut().pop()).ok().flatten().unwrap_or_default())
    }

    /// An empty one for `size` bytes, the smallest that will do.
    pub(crate) fn of(size: usize) -> Self {
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
        let mut room = std::mem::take(&mut self.0);
        if !(SMALL..=MOST_KEPT).contains(&room.capacity()) {
            return;
        }
        room.clear();
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
}
