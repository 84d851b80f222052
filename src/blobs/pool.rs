//! Buffers for reading blobs, used again and again.
//!
//! A fresh buffer of 1 MiB is 256 page faults and as many pages zeroed by the kernel, about as much work as the copy
//! out of the page cache that follows: reuse halves the cost. The pool also says how large a chunk may be, so that all
//! streams together stay within `BUDGET`. Never makes a reader wait: a consumer that collects chunks would wait for
//! itself.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

#[derive(Default)]
pub(super) struct Pool {
    shelves: [Mutex<Vec<Vec<u8>>>; SHELVES],
    readers: AtomicUsize,
    /// Bytes in all buffers, and in those that are filled, being filled or being sent.
    held: AtomicUsize,
    live: AtomicUsize,
}

/// A filled buffer on its way to a client; goes back to its shelf when the last byte is sent.
pub(super) struct Buffer {
    data: Vec<u8>,
    len: usize,
    pool: Arc<Pool>,
}

/// Counts one stream while it lives.
pub(super) struct Reading(Arc<Pool>);

impl Pool {
    pub(super) fn reading(self: &Arc<Self>) -> Reading {
        self.readers.fetch_add(1, Relaxed);
        Reading(Arc::clone(self))
    }

    /// What one read may ask for now: each stream holds a chunk that is being sent and one read ahead.
    pub(super) fn chunk(&self) -> usize {
        let share = BUDGET / (2 * self.readers.load(Relaxed).max(1));
        let mut chunk = LARGEST;
        while chunk > share && chunk > SMALLEST {
            chunk /= 2;
        }
        chunk
    }

    /// A buffer of `len` bytes, at most a chunk. What is in it is left from before.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let row = row(len);
        let size = SMALLEST << row;
        self.live.fetch_add(size, Relaxed);
        let old = self.shelf(row).pop();
        let data = old.unwrap_or_else(|| {
            self.make_room(size);
            self.held.fetch_add(size, Relaxed);
            vec![0; size]
        });
        Buffer { data, len, pool: Arc::clone(self) }
    }

    /// Gives back idle buffers of other sizes, largest first, until `size` more stays within the budget.
    fn make_room(&self, size: usize) {
        for row in (0..SHELVES).rev() {
            while self.held.load(Relaxed) + size > BUDGET && self.let_go(row) {}
        }
    }

    fn let_go(&self, row: usize) -> bool {
        let gone = self.shelf(row).pop().map(|data| self.held.fetch_sub(data.len(), Relaxed));
        gone.is_some()
    }

    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    fn shelf(&self, row: usize) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.shelves[row].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.data[..self.len]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.data[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let data = mem::take(&mut self.data);
        let size = data.len();
        self.pool.live.fetch_sub(size, Relaxed);
        if self.pool.held.load(Relaxed) <= BUDGET {
            self.pool.shelf(row(size)).push(data);
        } else {
            self.pool.held.fetch_sub(size, Relaxed);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.0.readers.fetch_sub(1, Relaxed) == 1 {
            // The rush is over.
            for row in 0..SHELVES {
                while self.0.shelf(row).len() > IDLE && self.0.let_go(row) {}
            }
        }
    }
}

/// The shelf of the smallest buffers that hold `len`.
fn row(len: usize) -> usize {
    (0..SHELVES - 1).find(|row| SMALLEST << row >= len).unwrap_or(SHELVES - 1)
}

const SMALLEST: usize = 32 << 10;
pub(super) const LARGEST: usize = 1 << 20;
const SHELVES: usize = 6;
/// What all streams together should hold.
pub(super) const BUDGET: usize = 64 << 20;
/// How many buffers a shelf keeps while nobody reads.
const IDLE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_streams_get_smaller_chunks_and_stay_within_the_budget() {
        assert_eq!(SMALLEST << (SHELVES - 1), LARGEST);
        let pool = Arc::new(Pool::default());
        for streams in [1, 8, 32, 33, 200, 1000] {
            let held: Vec<_> = (0..streams).map(|_| pool.reading()).collect();
            assert!(pool.chunk() * 2 * streams <= BUDGET, "{streams}: {}", pool.chunk());
            drop(held);
        }
        assert_eq!(pool.chunk(), LARGEST);
    }

    #[test]
    fn a_buffer_is_used_again() {
        let pool = Arc::new(Pool::default());
        for len in [1, SMALLEST, SMALLEST + 1, LARGEST] {
            let mut buffer = pool.take(len);
            assert_eq!(buffer.space().len(), len);
            let place = buffer.as_ref().as_ptr();
            drop(buffer);
            assert_eq!(pool.take(len).as_ref().as_ptr(), place);
        }
        assert_eq!(pool.live(), 0);
    }
}
