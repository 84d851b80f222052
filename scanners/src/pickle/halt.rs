//! Why the machine stops before the end of a pickle. Never a reason to forget what was seen before.

use crate::scan::Stop;

/// What a step of the machine answers.
pub(crate) type Step<T> = Result<T, Halt>;

/// Why the machine cannot go on.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The bytes end, are not here, or a limit was reached.
    Stop(Stop),
    /// No loader would go on: the opcodes are wrong.
    Wrong(String),
}

impl Halt {
    pub(crate) fn spent(what: impl Into<String>) -> Self {
        Halt::Stop(Stop::Spent(what.into()))
    }

    pub(crate) fn wrong(what: impl Into<String>) -> Self {
        Halt::Wrong(what.into())
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Halt::Stop(stop)
    }
}
