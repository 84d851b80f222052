//! What is known of Python's globals: who vouches for which, how each may be used, and which of them run things.
//!
//! The names live in `data/globals/*.txt`, a sentence each. Nothing here reads a pickle.

use crate::rules::Rule;

/// How far a global is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// Containers and plain values.
    Inert,
    /// Classes and rebuilders of a framework that we vouch for, in the uses listed.
    Framework,
    /// Nobody vouches for it.
    Unknown,
    /// It rebuilds functions or code objects.
    Code,
    /// It reaches execution, files or the network through another function.
    Gadget,
    /// It executes, opens or connects.
    Execution,
}

/// The ways in which a pickle uses a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseKind {
    /// Named only: its module is imported.
    Import,
    /// Called with arguments: REDUCE.
    Call,
    /// Made: NEWOBJ, NEWOBJ_EX, OBJ, INST.
    New,
    /// Given a state: BUILD.
    State,
    /// Given items: APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS.
    Items,
}

/// What the arguments of a vouched-for call have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Anything that is itself vouched for.
    Any,
}

/// What is known of one global.
pub(crate) struct Entry {
    pub(crate) tier: Tier,
    /// The uses that are vouched for (tiers Inert and Framework).
    pub(crate) uses: &'static [UseKind],
    pub(crate) arguments: Arguments,
    /// The rule that its mention comes under (tiers Code, Gadget and Execution).
    pub(crate) rule: Option<&'static Rule>,
    /// The sentence from the data file.
    pub(crate) why: &'static str,
}

/// What is known of `module.name`; nothing where nobody vouches for it and nobody warns of it.
pub(crate) fn look_up(_module: &str, _name: &str) -> Option<&'static Entry> {
    None
}
