//! Random sequences of everything that can happen to a repository's revisions, over the pure rules of standings and
//! pointers. A test only.
//!
//! The invariants are those of the product's state machine that rows and rules alone can keep:
//! 1. Nothing is served that was not inspected: no path leads from never seen to served past the rules.
//! 2. What is suspended, revoked, denied, over, cooling or pending is not served, and what was suspended or revoked never is
//!    again.
//! 5. Losing the hub turns no no into a yes, and
//! 7. changes nothing that was decided.
//! 6. A pointer moves only when something is approved, only to what is approved, and only forward along the hub's history
//!    as long as that holds both.
//! 8. Every approval has an end.
//!
//! The third (two people) and the fourth (one entry a byte) are not decided here: `review/tests.rs` has the fourth.

use proptest::prelude::*;

use super::{
    pointers::{self, Pointer, Walk},
    standing::{self, Now, Ruled, State, Step},
    time::Micros,
};

#[derive(Clone, Debug)]
enum Event {
    /// The rules are asked about a revision, after its inspection or anew.
    Ruled(usize, Ruled),
    Approve(usize),
    Revoke(usize),
    Suspend(usize),
    /// Upstream pushes the next commit.
    Push,
    /// Upstream rewrites its branch so that it begins with this commit alone.
    Rewrite(usize),
    /// The repository is gone at the hub.
    Gone,
    /// Time passes.
    Wait(i64),
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    state: Option<State>,
    expires_at: Option<Micros>,
    until_at: Option<Micros>,
}

#[derive(Debug, Default)]
struct World {
    rows: [Row; COMMITS],
    inspected: [bool; COMMITS],
    stopped: [bool; COMMITS],
    history: Vec<usize>,
    pointer: Option<usize>,
    at: i64,
}

impl World {
    fn now(&self, of: usize) -> Now {
        let row = self.rows[of];
        standing::now(row.state, row.expires_at, row.until_at, Micros(self.at))
    }

    /// As `decide` and `approve` do it.
    fn step(&mut self, of: usize, step: Step) {
        let now = self.now(of);
        let Ok((state, _)) = standing::step(now, step) else { return };
        if now == Now::Approved && state == State::Approved && step != Step::Approve {
            return self.point(of);
        }
        let expires_at = match state {
            State::Approved => Some(Micros(self.at + LIFE)),
            _ => self.rows[of].expires_at,
        };
        let until_at = (state == State::Cooling).then_some(Micros(self.at + LIFE / 2));
        self.rows[of] = Row { state: Some(state), expires_at, until_at };
        if state == State::Approved {
            self.point(of);
        }
    }

    fn point(&mut self, to: usize) {
        let names: Vec<String> = self.history.iter().map(|n| format!("c{n}")).collect();
        let commits = names.join(" ");
        let there: Vec<String> = self.pointer.iter().map(|n| format!("c{n}")).collect();
        let there: Vec<Pointer<'_>> = there.iter().map(|commit| Pointer { name: "main", commit }).collect();
        let walk = Walk { name: "main", kind: "branch", commits: &commits };
        for one in pointers::moves(&format!("c{to}"), [walk], &there) {
            self.pointer = one.to.trim_start_matches('c').parse().ok();
        }
    }

    fn place(&self, commit: usize) -> Option<usize> {
        self.history.iter().position(|one| *one == commit)
    }
}

fn event() -> impl Strategy<Value = Event> {
    let ruled = prop_oneof![Just(Ruled::Allow), Just(Ruled::Review), Just(Ruled::Wait), Just(Ruled::Deny)];
    prop_oneof![
        4 => (0..COMMITS, ruled).prop_map(|(of, ruled)| Event::Ruled(of, ruled)),
        3 => (0..COMMITS).prop_map(Event::Approve),
        1 => (0..COMMITS).prop_map(Event::Revoke),
        1 => (0..COMMITS).prop_map(Event::Suspend),
        2 => Just(Event::Push),
        1 => (0..COMMITS).prop_map(Event::Rewrite),
        1 => Just(Event::Gone),
        2 => (0..LIFE).prop_map(Event::Wait),
    ]
}

fn run(events: &[Event]) -> Result<(), TestCaseError> {
    let mut world = World { history: vec![0], ..World::default() };
    let mut pushed = 0;
    for event in events {
        let before: Vec<Now> = (0..COMMITS).map(|n| world.now(n)).collect();
        let (pointer, place) = (world.pointer, world.pointer.and_then(|n| world.place(n)));
        let mut decides = None;
        match event {
            Event::Ruled(of, ruled) => {
                world.inspected[*of] = true;
                decides = Some(*of);
                world.step(*of, Step::Rule(*ruled));
            }
            Event::Approve(of) => {
                decides = Some(*of);
                world.step(*of, Step::Approve);
            }
            Event::Revoke(of) => world.step(*of, Step::Revoke),
            Event::Suspend(of) => world.step(*of, Step::Suspend),
            Event::Push => {
                pushed = (pushed + 1).min(COMMITS - 1);
                if world.place(pushed).is_none() {
                    world.history.insert(0, pushed);
                }
            }
            Event::Rewrite(to) => world.history = vec![*to],
            Event::Gone => {}
            Event::Wait(time) => world.at += time,
        }
        for (n, before) in before.iter().copied().enumerate() {
            let now = world.now(n);
            let served = now == Now::Approved;
            prop_assert!(!served || world.inspected[n], "1: {n} is served and was never inspected");
            prop_assert!(!served || !world.stopped[n], "2: {n} was stopped and is served again");
            world.stopped[n] |= matches!(now, Now::Revoked | Now::Suspended);
            if matches!(event, Event::Gone | Event::Push | Event::Rewrite(_)) {
                prop_assert_eq!(now, before, "5, 7: the hub changed what was decided");
            }
            if matches!(event, Event::Wait(_)) {
                prop_assert!(!served || before == Now::Approved, "5: time alone serves {}", n);
            }
            prop_assert!(world.rows[n].state != Some(State::Approved) || world.rows[n].expires_at.is_some(), "8: {n}");
        }
        if world.pointer != pointer {
            prop_assert_eq!(world.pointer, decides, "6: the pointer moved to something else than what was decided");
            let to = world.pointer.unwrap_or_default();
            prop_assert_eq!(world.now(to), Now::Approved, "6: the pointer moved to what is not approved");
            if let (Some(old), Some(new)) = (place, world.place(to)) {
                prop_assert!(new < old, "6: the pointer moved back, from {:?} to {}", pointer, to);
            }
        }
    }
    Ok(())
}

#[test]
fn no_sequence_breaks_the_invariants() {
    let cases = if std::env::var_os("WEIGHBRIDGE_TEST_LONG").is_some() { 300_000 } else { 3_000 };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let all = proptest::collection::vec(event(), 1..40);
    let ran = runner.run(&all, |events| run(&events));
    assert!(ran.is_ok(), "{}", ran.err().map(|why| why.to_string()).unwrap_or_default());
}

const COMMITS: usize = 5;
const LIFE: i64 = 100;
