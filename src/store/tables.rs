//! The rows of every table, as sea-orm sees them; one module a table, a file for each subject.
//!
//! Never a query: those live in files named `sql.rs`, and in `ledger/`. Times are whole microseconds, ids are text.

mod bytes;
mod credentials;
mod decisions;
mod entries;
mod people;
mod revisions;

pub use bytes::{blob, blob_leaving, blob_use, job, replica, streamed};
pub use credentials::{
    device_sign_in, elevation, host_code, seen_once, session, sign_in, terms, token, token_use, upstream_credential,
    upstream_opening, workload_block,
};
pub use decisions::{
    approval, basis, decision, denied_digest, hidden_file, pin, pointer, request, revoked_file, standing,
};
pub use entries::{ledger_checkpoint, ledger_entry, ledger_head, ledger_pending, setting, subject};
pub use people::{directory_group, directory_member, person, person_group, role_grant, role_mapping};
pub use revisions::{
    file, history, hub_look, hub_state, knowledge, listing, report, repository, repository_name, revision,
    revision_use, tensor_list,
};
