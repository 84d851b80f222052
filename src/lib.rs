//! Weighbridge: the checkpoint between a company and the public model hub.
//!
//! Floors, lowest first: `domain` (words and rules) · `store`, `blobs`, `upstream`, `outbound`, `sandbox`, `keys`, `clock`,
//! `tasks` (the outside) · `ledger` · `gate` · `app`, `endpoint`, `jobs` · the features · `cli`, `config`, `logs`, `routes`, `serve`.
//! A file imports only from lower floors; `tests/house.rs` checks it. The map is in `src/README.md`.

pub mod accounts;
pub mod app;
pub mod blobs;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod domain;
pub mod endpoint;
pub mod gate;
pub mod hub;
pub mod intake;
pub mod jobs;
pub mod keys;
pub mod ledger;
pub mod logs;
pub mod outbound;
pub mod review;
pub mod routes;
pub mod sandbox;
pub mod serve;
pub mod store;
pub mod tasks;
pub mod upstream;

/// Where `tests/frame.rs` puts what must not compile: inside the crate, where private is what features see.
#[cfg(any(weighbridge_case = "wrong", weighbridge_case = "right"))]
mod case {
    include!(env!("WEIGHBRIDGE_CASE"));
}
