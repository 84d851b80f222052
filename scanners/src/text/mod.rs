//! Files that are text: which kind, and which reader looks at it.

pub(crate) mod python;
pub(crate) mod template;
