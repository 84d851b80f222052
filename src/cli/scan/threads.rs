//! The threads that read: as many as were asked for, the largest files first, and the answers in the order of the files.
//!
//! Answers are fetched forty times a second, and not one at a time: to wake somebody for each of thousands of small files
//! takes longer than to read them. Never holds back an answer for longer than that once those before it are there.

use std::{
    collections::BTreeMap,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::find::Wanted;

/// Reads with `jobs` threads and hands on what `read` answers, in the order of the files, all that is ready at a time. Also
/// hands on nothing, now and then, while all that is ready was handed on.
pub(super) fn in_order<T: Send>(
    files: &[Wanted],
    jobs: usize,
    read: impl Fn(&Wanted) -> T + Sync,
    mut each: impl FnMut(Vec<T>),
) {
    keep_memory();
    let (order, next) = (largest_first(files), AtomicUsize::new(0));
    let threads = jobs.min(files.len());
    let done = Done { state: Mutex::new(State { answers: Vec::new(), reading: threads }), woken: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (order, next, done, read) = (&order, &next, &done, &read);
            let work = move || {
                let ended = Ended(done);
                while let Some(&place) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(file) = files.get(place) else { break };
                    done.add(place, read(file));
                }
                drop(ended);
            };
            scope.spawn(move || weighbridge_scanners::with_room(work));
        }
        let (mut early, mut due) = (BTreeMap::new(), 0);
        loop {
            let (answers, all) = done.take();
            early.extend(answers);
            let mut ready = Vec::new();
            while let Some(answer) = early.remove(&due) {
                ready.push(answer);
                due += 1;
            }
            each(ready);
            if all {
                return;
            }
        }
    });
}

/// What was read and not handed on yet.
struct Done<T> {
    state: Mutex<State<T>>,
    woken: Condvar,
}

struct State<T> {
    /// Each with the place of its file.
    answers: Vec<(usize, T)>,
    /// How many threads may still add some.
    reading: usize,
}

impl<T> Done<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, place: usize, answer: T) {
        let mut state = self.state();
        state.answers.push((place, answer));
        if state.answers.len() == MANY {
            self.woken.notify_one();
        }
    }

    /// What was added since, after a while or as soon as it is much or all; and whether it is all.
    fn take(&self) -> (Vec<(usize, T)>, bool) {
        let more = |state: &mut State<T>| state.reading > 0 && state.answers.len() < MANY;
        let waited = self.woken.wait_timeout_while(self.state(), PAUSE, more);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        (std::mem::take(&mut state.answers), state.reading == 0)
    }
}

/// A thread that ends, however it ends, is not waited for.
struct Ended<'a, T>(&'a Done<T>);

impl<T> Drop for Ended<'_, T> {
    fn drop(&mut self) {
        self.0.state().reading -= 1;
        self.0.woken.notify_one();
    }
}

/// From now on the system's allocator keeps blocks of up to this size when they are freed: one of them is made and freed,
/// which glibc takes as a sign that such blocks are usual. Else it returns each large block, and gets it back as pages that
/// the system has to make anew for the next file. Nothing is written to the block, so that it takes no memory.
fn keep_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(USUAL)));
}

/// The large files come first, so that nobody waits for the last of them alone; the others in their own order.
fn largest_first(files: &[Wanted]) -> Vec<usize> {
    let size = |place: &usize| {
        let file = files.get(*place)?;
        file.neighbours.as_deref()?.get(&file.name).copied().filter(|size| *size >= LARGE)
    };
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_cached_key(|place| std::cmp::Reverse(size(place)));
    order
}

/// A file of this size is begun with.
const LARGE: u64 = 1 << 20;
/// As large as glibc believes, less what it adds itself.
const USUAL: usize = 31 << 20;
/// How long an answer may lie before it is handed on, and how many may.
const PAUSE: Duration = Duration::from_millis(25);
const MANY: usize = 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        path::PathBuf,
        sync::{Arc, mpsc},
    };

    use super::*;

    fn files(sizes: &[u64]) -> Vec<Wanted> {
        let name = |place: usize| format!("{place:05}");
        let neighbours: Arc<_> = Arc::new(sizes.iter().enumerate().map(|(place, size)| (name(place), *size)).collect());
        let file = |place| Wanted {
            path: PathBuf::from(name(place)),
            shown: name(place),
            name: name(place),
            closed: None,
            neighbours: Some(Arc::clone(&neighbours)),
        };
        (0..sizes.len()).map(file).collect()
    }

    #[test]
    fn answers_come_in_the_order_of_the_files_whoever_reads_them_when() {
        let sizes: Vec<u64> = (0..5000).map(|place| if place % 7 == 0 { LARGE + place } else { place }).collect();
        let files = files(&sizes);
        let shown: Vec<String> = files.iter().map(|file| file.shown.clone()).collect();
        for jobs in [1, 2, 16] {
            let mut got = Vec::new();
            in_order(&files, jobs, |file| file.shown.clone(), |answers| got.extend(answers));
            assert_eq!(got, shown);
        }
        in_order(&[], 2, |_| (), |answers| assert!(answers.is_empty()));
    }

    #[test]
    fn an_answer_does_not_wait_for_a_slow_file_behind_it() {
        let files = files(&[1, 2]);
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let slow = |file: &Wanted| {
            if file.name == "00001" {
                // Until the first answer was handed on.
                wait.lock().unwrap().recv().unwrap();
            }
        };
        let mut got = 0;
        in_order(&files, 1, slow, |answers| {
            got += answers.len();
            if got == 1 {
                let _ = go.send(());
            }
        });
        assert_eq!(got, 2);
    }

    #[test]
    fn a_thread_that_dies_is_not_waited_for() {
        let files = files(&[1, 2]);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            in_order(&files, 1, |_| std::panic::resume_unwind(Box::new(())), |_: Vec<()>| ());
        }));
        assert!(ended.is_err());
    }
}
