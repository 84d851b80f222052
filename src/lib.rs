//! Weighbridge: the checkpoint between a company and the public model hub.
//!
//! Floors, lowest first: `domain` (words and rules) · `store`, `blobs`, `upstream`, `keys`, `clock` (the outside) ·
//! `ledger` · `gate` · `app`, `endpoint` · the features · `cli`, `config`, `serve`, `work`. A file imports only from
//! lower floors; `tests/house.rs` checks it. The map is in `src/README.md`.

pub mod app;
pub mod blobs;
pub mod clock;
pub mod domain;
pub mod endpoint;
pub mod gate;
pub mod intake;
pub mod jobs;
pub mod keys;
pub mod ledger;
pub mod serve;
pub mod store;
pub mod tasks;
pub mod upstream;
