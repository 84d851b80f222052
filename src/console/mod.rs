//! The pages a browser sees, and the health answers machines look at.
//!
//! For now: how to set a client up, which says the same to everybody and is open. Loads nothing from anywhere else.

pub mod http;
