//! Files that are text: which kind, and which reader looks at it.

pub(crate) mod notebook;
pub(crate) mod page;
pub(crate) mod python;
pub(crate) mod secrets;
pub(crate) mod shell;
pub(crate) mod template;
