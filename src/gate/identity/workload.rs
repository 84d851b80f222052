//! Tokens of other issuers: pods, build jobs and services that hold a proof of who they are and no secret of ours.
//!
//! Nothing is taken from a token before its signature, its audience and its time were found right, and nothing but exact
//! claims gives a role.

use std::collections::BTreeMap;

use super::{Actor, not_accepted};
use crate::{
    domain::{
        refusal::{Fault, Refusal},
        role::{Environment, Role},
        time::Micros,
    },
    gate::{Gate, sql},
};

/// One row of `[[identity.workloads]]`: whose tokens with which claims are what here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadRule {
    pub issuer: String,
    pub audience: String,
    /// Dotted paths of claims and the exact texts they must have.
    pub claims: Claims,
    pub role: Role,
    pub environment: Environment,
    pub cluster: Option<String>,
    /// The issuer's keys as a file, for clusters that nobody can reach.
    pub jwks_file: Option<std::path::PathBuf>,
}

pub type Claims = BTreeMap<String, String>;

/// Whether a text can be a signed token at all: three parts of base64url.
pub(super) fn plausible(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    text.len() <= LONGEST && text.split('.').count() == 3 && text.split('.').all(part)
}

pub(super) async fn load(_: &Gate, _: &str) -> Result<Actor, Refusal> {
    Err(not_accepted("Tokens of other issuers are not taken here."))
}

/// Whether somebody has stopped this token, or this workload's tokens of that time.
pub(super) async fn is_blocked(
    gate: &Gate,
    issuer: &str,
    subject: &str,
    id: &str,
    issued_at: Micros,
) -> Result<bool, Fault> {
    let blocks = sql::list_workload_blocks(gate.reader(), issuer).await?;
    Ok(blocks.iter().any(|block| {
        let named = block.subject.as_deref().is_none_or(|blocked| blocked == subject);
        let this = block.token_id.as_deref().is_none_or(|blocked| blocked == id);
        named && this && issued_at.0 < block.not_before
    }))
}

/// What a workload's reference is made of.
pub(in crate::gate) fn clear(issuer: &str, subject: &str) -> String {
    format!("workload {subject} of {issuer}")
}

const LONGEST: usize = 16 * 1024;
