//! Signing in with the company's OpenID Connect providers, in a browser: sessions, proving it again, signing out.
//!
//! `begin` sends a browser to a provider, `callback` takes it back, `proof` looks at what the provider says, `person` and
//! `groups` write down who that is, `step_up` raises what somebody holds, `logout` ends it from either side, `mapping`
//! writes down which groups are which roles.
//!
//! *Invariants*: no session without a proof that was found right in every part; what is kept of a cookie is its hash, and
//! what only a browser may use is sealed with what only its cookie holds; a proof is taken once.

mod account;
mod begin;
mod callback;
mod groups;
pub mod http;
mod logout;
pub mod mapping;
mod person;
mod proof;
mod sealed;
mod sql;
mod step_up;

/// How long a session lasts at most, in seconds; half an hour without a request ends it before.
const LONGEST: u32 = 10 * 3600;
