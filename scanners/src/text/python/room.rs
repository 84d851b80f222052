//! Where Python is parsed and walked: on a large stack, since parsers of nested text recurse, and so does freeing what they
//! made.
//!
//! A thread for each text costs more than most texts do, so that a program which scans many files makes the room once.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread::Builder,
};

use crate::scan::{Scanned, Stop};

/// For one text. Address space only: pages are used as far as the text is deep.
const STACK: usize = 256 << 20;
/// For what calls upon the reader of Python: files within files, and their readers.
const BELOW: usize = 16 << 20;

thread_local! {
    static HAS_ROOM: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` where every scan finds the room that Python needs. Without this each text gets a thread of its own, which
/// comes to the same and takes longer.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let mut work = Some(work);
    let done = std::thread::scope(|scope| {
        let thread = Builder::new().name("scan".into()).stack_size(STACK + BELOW).spawn_scoped(scope, || {
            HAS_ROOM.set(true);
            work.take().map(|work| work())
        });
        thread.ok().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    match done.flatten() {
        Some(done) => done,
        // There is no memory for such a thread: then here, as without it.
        None => match work {
            Some(work) => work(),
            None => unreachable!("work that was taken has ended or panicked"),
        },
    }
}

/// Does `work` with a large stack around it. The parser is another's, and has been seen to panic: that ends here and is a
/// reason in the coverage. What is printed of it is the program's to decide, by its panic hook: a library leaves that alone.
pub(super) fn run<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Scanned<T> {
    let gave_up = || Stop::broken(0, "the Python parser gave up");
    if HAS_ROOM.get() {
        return catch_unwind(AssertUnwindSafe(work)).map_err(|_| gave_up());
    }
    std::thread::scope(|scope| {
        let thread = Builder::new()
            .name(name.into())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|error| Stop::Unreadable(format!("there is no room to read Python in: {error}")))?;
        thread.join().map_err(|_| gave_up())
    })
}

#[cfg(test)]
#[expect(clippy::panic, reason = "the parser's panics are what is tested")]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_reason_with_room_and_without() {
        let broken =
            || run("python", || panic!("as the parser does")).is_err_and(|why| matches!(why, Stop::Broken { .. }));
        assert!(broken());
        let (inside, has) = with_room(|| (broken(), HAS_ROOM.get()));
        assert!(inside && has && !HAS_ROOM.get());
    }
}
