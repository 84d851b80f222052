//! nb
/// What is to be said of a line that a notebook hands to the shell.
pub(crate) fn shell_message(line: &str) -> Option<String> { let _ = line; None }
