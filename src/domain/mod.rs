//! The words of Weighbridge and the rules that need nothing else: no async, no IO, no clock, no database.
//!
//! Every other floor stands on this one; this one imports nothing of ours.

pub mod basis;
pub mod digest;
pub mod event;
pub mod evidence;
pub mod facts;
pub mod file;
pub mod glob;
pub mod mapping;
pub mod name;
pub mod network;
pub mod pattern;
pub mod pointers;
pub mod range;
pub mod refusal;
pub mod rev;
pub mod role;
pub mod scope;
#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod sequences;
pub mod span;
pub mod spelling;
pub mod standing;
pub mod subnet;
pub mod terms;
pub mod time;
pub mod token;
pub mod user_code;
