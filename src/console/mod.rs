//! The pages a browser sees, and the health answers machines look at.
//!
//! For now: how to set a client up, what to do with an id from a terminal. Both say the same to everybody, so they are
//! open. Loads nothing from anywhere else.

pub mod http;
