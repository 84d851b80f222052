//! The world tests: the built gateway as a process of its own, between a hub of ours and clients that nobody changed.
//!
//! `tests/run` starts what they need and says where it is; a test whose part is missing fails and says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::similar_names,
    clippy::disallowed_methods,
    reason = "a test that cannot go on stops"
)]

mod golden;
mod provider;
mod stock;
mod wire;
mod world;

mod bytes;
mod changing;
mod clients;
mod commands;
mod crash;
mod deciding;
mod demo;
mod front;
mod gated;
mod herd;
mod intake;
mod leaks;
mod names;
mod offline;
mod people;
mod prefetching;
mod refused;
mod revoking;
mod sandbox;
mod scanning;
mod sign_in;
mod signed_in;
mod stores;
mod streaming;
mod terminal;
mod tokens;
mod trouble;
mod walk;
mod workloads;
mod wrong_proofs;
