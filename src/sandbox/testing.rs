//! Real children for tests of the library: this test program, started again as one of the parts below.
//!
//! `cargo test --lib` builds no gateway. A child speaks over its descriptor 0 only, so that what the test program says of
//! itself on its standard output disturbs nobody. Never part of a release: only tests compile it.

#![allow(clippy::expect_used, clippy::panic, clippy::exit, reason = "tests say what went wrong by panicking")]

use std::{ffi::OsString, io::Write as _, ops::Range, time::Duration};

use bytes::Bytes;

use super::{
    Limits, Sandbox, Strength, Supply,
    child::{Socket, child},
    frame::{Kind, receive, send},
    wire::Hello,
};

/// A sandbox whose children are real.
pub(crate) fn sandbox(limits: Limits) -> Sandbox {
    acted("an_honest_child", limits)
}

/// A sandbox whose children are another part of this file.
pub(crate) fn acted(part: &str, limits: Limits) -> Sandbox {
    Sandbox::of_program(super::this_program(), arguments(&format!("sandbox::testing::{part}")), limits)
}

/// What makes the test program run one ignored test and nothing else.
pub(super) fn arguments(test: &str) -> Vec<OsString> {
    [test, "--exact", "--ignored", "--nocapture", "--test-threads=1"].map(OsString::from).to_vec()
}

/// Bytes in memory that are given when they are asked for, until the patience of whoever has them ends.
pub(crate) struct Given {
    pub(crate) bytes: Bytes,
    pub(crate) requests: usize,
    /// After so many requests there is trouble.
    pub(crate) most: usize,
}

impl Given {
    pub(crate) fn all(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), requests: 0, most: usize::MAX }
    }
}

impl Supply for Given {
    type Trouble = String;

    async fn ranges(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, String> {
        self.requests += 1;
        if self.requests > self.most {
            return Err("the hub is gone".into());
        }
        let at = |place: u64| usize::try_from(place).expect("it is in memory");
        Ok(ranges.iter().map(|range| self.bytes.slice(at(range.start)..at(range.end))).collect())
    }
}

/// A part that this program plays when it is started for that alone, and nothing at all when somebody runs what is ignored.
macro_rules! part {
    ($(#[doc = $about:literal])* fn $name:ident() $play:block) => {
        $(#[doc = $about])*
        #[test]
        #[ignore = "the child of other tests"]
        fn $name() {
            if crate::sandbox::testing::is_a_child() {
                $play
            }
        }
    };
}
pub(super) use part;

pub(super) fn is_a_child() -> bool {
    arguments("").iter().skip(1).all(|word| std::env::args_os().any(|given| given == *word))
}

part! {
    fn an_honest_child() {
        let _ = child();
        // The test program would go on to say how it went, which a confined one may not.
        std::process::exit(0);
    }
}

/// Plays a child up to the hello, unconfined, and waits for a subject.
fn up_to_a_subject(strength: Strength) {
    let Ok(Some((Kind::Setup, _))) = receive(&mut Socket) else { panic!("no setup") };
    hello(strength);
    let Ok(Some((Kind::Subject, _))) = receive(&mut Socket) else { std::process::exit(0) };
}

fn hello(strength: Strength) {
    let hello = Hello { version: weighbridge_scanners::VERSION.into(), strength };
    send(&mut Socket, Kind::Hello, &serde_json::to_vec(&hello).expect("it is JSON")).expect("somebody listens");
}

part! {
    fn of_another_version() {
        let _ = receive(&mut Socket);
        let hello = Hello { version: "0.0.0-other".into(), strength: Strength::default() };
        let _ = send(&mut Socket, Kind::Hello, &serde_json::to_vec(&hello).expect("it is JSON"));
    }
}

part! {
    fn dead_at_once() {
        let _ = write!(std::io::stderr(), "no room");
        std::process::exit(3);
    }
}

part! {
    /// Says in its hello what it was born with.
    fn showing_itself() {
        let list = |folder: &str| {
            let mut names: Vec<_> = std::fs::read_dir(folder)
                .expect("it is not confined")
                .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
                .map(|target| target.to_string_lossy().into_owned())
                .collect();
            names.sort();
            names.join(" ")
        };
        let environment: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
        let folder = std::env::current_dir().expect("there is one").to_string_lossy().into_owned();
        let why = vec![environment.join(" "), folder, list("/proc/self/fd")];
        up_to_a_subject(Strength { why, ..Strength::default() });
    }
}

part! {
    /// Tells how much processor time it has been allowed, as the reason in a report.
    fn telling_its_limit() {
        let Ok(Some((Kind::Setup, _))) = receive(&mut Socket) else { panic!("no setup") };
        hello(Strength::default());
        while let Ok(Some((Kind::Subject, task))) = receive(&mut Socket) {
            let task: super::wire::Task = serde_json::from_slice(&task).expect("it is JSON");
            let seconds = rustix::process::getrlimit(rustix::process::Resource::Cpu).current;
            let report = super::unjudged(&task.name, task.size, &format!("{seconds:?}"));
            send(&mut Socket, Kind::Report, &super::wire::write(&report).expect("it is JSON")).expect("somebody listens");
        }
        std::process::exit(0);
    }
}

part! {
    /// Has less processor time than it uses.
    fn busy_beyond_its_limit() {
        use rustix::process::{Resource, getrlimit, setrlimit};
        up_to_a_subject(Strength::default());
        let limit = rustix::process::Rlimit { current: Some(1), ..getrlimit(Resource::Cpu) };
        setrlimit(Resource::Cpu, limit).expect("it only gets less");
        loop {
            std::hint::spin_loop();
        }
    }
}

part! {
    fn silent_for_ever() {
        up_to_a_subject(Strength::default());
        std::thread::sleep(Duration::from_mins(10));
    }
}

part! {
    /// Fills its standard error and then asks for bytes without end.
    fn asking_for_ever() {
        up_to_a_subject(Strength::default());
        loop {
            let request = [0_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat();
            if send(&mut Socket, Kind::Ask, &request).is_err() || receive(&mut Socket).is_err() {
                std::process::exit(0);
            }
        }
    }
}

part! {
    fn out_of_memory() {
        let Ok(Some((Kind::Setup, _))) = receive(&mut Socket) else { panic!("no setup") };
        hello(super::confine::confine(1 << 30).expect("it can be confined"));
        let _ = receive(&mut Socket);
        let all: Vec<Vec<u8>> = (0..64).map(|_| vec![1; 64 << 20]).collect();
        std::hint::black_box(all);
    }
}

part! {
    fn panicking() {
        let Ok(Some((Kind::Setup, _))) = receive(&mut Socket) else { panic!("no setup") };
        hello(super::confine::confine(2 << 30).expect("it can be confined"));
        let _ = receive(&mut Socket);
        let caught = std::panic::catch_unwind(|| panic!("\u{1b}[31mall is lost"));
        std::process::exit(if caught.is_err() { 101 } else { 0 });
    }
}

part! {
    fn a_long_frame() {
        up_to_a_subject(Strength::default());
        let _ = Socket.write_all(&[Kind::Report as u8, 255, 255, 255, 255]);
        let _ = receive(&mut Socket);
    }
}

part! {
    fn a_range_outside() {
        up_to_a_subject(Strength::default());
        let _ = send(&mut Socket, Kind::Ask, &[0_u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat());
        let _ = receive(&mut Socket);
    }
}

part! {
    /// Says that another file is malicious.
    fn a_report_on_another() {
        up_to_a_subject(Strength::default());
        let report = super::unjudged("another.pkl", 3, "it is bad");
        let _ = send(&mut Socket, Kind::Report, &super::wire::write(&report).expect("it is JSON"));
        let _ = receive(&mut Socket);
    }
}
