//! A model hub of our own, for the tests and the demo: faithful on the wire, faulty on demand.
//!
//! Two hosts on loopback, the hub and its content host (the CDN); all content is made up by the caller.
//! Never talks to the real hub and never writes to disk. Of the product only `weighbridge demo` holds it.

mod access;
mod admin;
mod answer;
mod body;
mod content;
mod counters;
mod dates;
mod fault;
mod finish;
mod grants;
mod hub;
mod info;
pub mod issuer;
mod owner;
mod pattern;
mod range;
mod reply;
mod repo;
mod route;
mod sample;
mod server;
mod showcase;
mod store;
mod tree;
pub mod weights;

pub use access::Token;
pub use content::Content;
pub use counters::{Count, RequestSeen, Side};
pub use fault::{Fault, FaultKind};
pub use hub::{Handle, Hub, Options};
pub use owner::Owner;
pub use repo::{Push, Repo};
pub use sample::load_sample;
pub use showcase::{Showcase, load_showcase};
pub use store::{Gated, Kind};
