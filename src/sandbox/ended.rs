//! How a child came to its end, and the sentence for the person who reads the report.
//!
//! What the child wrote to its standard error is data from a process that a file may own: it is cut, escaped and logged, and
//! it never changes more than the choice between two reasons.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use rustix::process::Signal;

use super::{frame::Cut, limits::Limits};

/// Whether a report is the child's, or what stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The child judged the file.
    Judged,
    /// Judging it takes more of it than is fetched for a scan: once the file is here, scan it again.
    TooFar,
    /// Processor time or memory ran out. It will again.
    Limit,
    /// It was not done in time, and hardly used a processor meanwhile: perhaps the machine had no time for it.
    TimedOut,
    /// The child died.
    Crashed,
    /// The child said something that the scanner never says.
    Nonsense,
}

impl Ended {
    /// Whether the same scan may well end otherwise at another time: nothing says that it was the file's doing.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::TimedOut | Self::Crashed | Self::Nonsense)
    }
}

/// What ended a child before it had an answer.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is gone: its exit says why.
    Gone,
    /// It was not done in time.
    TimedOut,
    /// It asked for more than one file may cost.
    TooMuch(String),
    /// It broke the protocol.
    Nonsense(String),
}

impl Stop {
    /// For the log: what exactly was wrong.
    pub(super) fn detail(&self) -> &str {
        match self {
            Self::Gone | Self::TimedOut => "",
            Self::TooMuch(what) | Self::Nonsense(what) => what,
        }
    }
}

impl From<Cut> for Stop {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Gone => Self::Gone,
            Cut::Nonsense(why) => Self::Nonsense(why),
        }
    }
}

/// The word and the reason. `exit` is none where the gateway had to kill it, `wrote` is what it left on standard error.
pub(super) fn reason(stop: &Stop, exit: Option<ExitStatus>, wrote: &str, limits: &Limits) -> (Ended, String) {
    let memory = || format!("the scan needs more memory than the {} MiB it may have", limits.memory_bytes >> 20);
    match stop {
        Stop::TimedOut => (Ended::TimedOut, "the scan was not done in the time that it may take".into()),
        Stop::TooMuch(why) => (Ended::TooFar, why.clone()),
        Stop::Nonsense(_) => (Ended::Nonsense, "the scanner's answer was none that it ever gives".into()),
        Stop::Gone => match (exit.and_then(|exit| exit.signal()), exit.and_then(|exit| exit.code())) {
            (Some(signal), _) if is(signal, Signal::XCPU) => {
                (Ended::Limit, "the scan used more processor time than it may".into())
            }
            (Some(signal), _) if is(signal, Signal::ABORT) && wrote.contains("memory allocation of") => {
                (Ended::Limit, memory())
            }
            (Some(signal), _) if is(signal, Signal::SYS) => {
                let why = "the scanner tried to do what no scan does, and the kernel stopped it";
                (Ended::Crashed, why.into())
            }
            (Some(signal), _) if is(signal, Signal::KILL) => {
                let why = "the scanner was killed from outside, perhaps because the machine ran out of memory";
                (Ended::Crashed, why.into())
            }
            (Some(signal), _) => (Ended::Crashed, format!("the scanner crashed (signal {signal})")),
            (None, Some(0) | None) => (Ended::Crashed, "the scanner ended without an answer".into()),
            (None, Some(code)) => (Ended::Crashed, format!("the scanner gave up (exit {code})")),
        },
    }
}

fn is(number: i32, signal: Signal) -> bool {
    number == signal.as_raw()
}

/// What a child wrote, as one line for a log.
pub(super) fn line(wrote: &[u8]) -> String {
    let text = String::from_utf8_lossy(wrote);
    text.trim().chars().take(LINE).flat_map(char::escape_default).collect()
}

const LINE: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_reason() {
        let limits = Limits::default();
        let gone = |raw: i32, wrote: &str| reason(&Stop::Gone, Some(ExitStatus::from_raw(raw)), wrote, &limits);
        let said = |(ended, why): (Ended, String), is: Ended, word: &str| {
            assert_eq!(ended, is, "{why}");
            assert!(why.contains(word), "{why}");
        };
        said(gone(24, ""), Ended::Limit, "processor time");
        said(gone(6, "memory allocation of 9 bytes failed"), Ended::Limit, "2048 MiB");
        said(gone(6, ""), Ended::Crashed, "signal 6");
        said(gone(11, "memory allocation of"), Ended::Crashed, "signal 11");
        said(gone(31, ""), Ended::Crashed, "no scan does");
        said(gone(9, ""), Ended::Crashed, "killed from outside");
        said(gone(101 << 8, ""), Ended::Crashed, "exit 101");
        said(gone(0, ""), Ended::Crashed, "without an answer");
        said(reason(&Stop::TimedOut, None, "", &limits), Ended::TimedOut, "in the time");
        said(reason(&Stop::Nonsense("x".into()), None, "", &limits), Ended::Nonsense, "none that it ever gives");
    }

    #[test]
    fn what_it_wrote_is_one_short_line() {
        let wrote = line(&[b"\x1b[31m\nred \xe2\x80\xae\xff".as_slice(), &[b'a'; 5000]].concat());
        assert!(wrote.starts_with(r"\u{1b}[31m\nred \u{202e}") && wrote.len() < 1000, "{wrote}");
        assert!(wrote.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{wrote}");
    }
}
