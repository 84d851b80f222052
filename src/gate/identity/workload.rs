//! Tokens of other issuers: pods, build jobs and services that hold a proof of who they are and no secret of ours.
//!
//! Nothing is taken from a token before its signature, its audience and its time were found right, and nothing but exact
//! claims gives a role. Never keeps a token, and never sends one to anybody.

mod issuers;
mod keys;
mod strict;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::issuers::{IssuerState, Issuers};
use super::{
    Actor, Credential,
    actor::{Inner, Who},
    hash,
};
use crate::{
    clock,
    domain::{
        digest::Sha256,
        refusal::{Code, Fault, Refusal, ascii_line},
        role::{Environment, Held, Reach, Role},
        scope::Scopes,
        time::Micros,
    },
    gate::{Gate, sql},
    ledger::About,
};

/// One row of `[[identity.workloads]]`: whose tokens with which claims are what here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadRule {
    /// As its tokens say it; of SPIFFE's tokens, which need not, the trust domain: `spiffe://acme.example`.
    pub issuer: String,
    pub audience: String,
    /// Names of claims, or JSON pointers into them, and the exact texts they must have.
    pub claims: Claims,
    pub role: Role,
    pub environment: Environment,
    pub cluster: Option<String>,
    /// The issuer's keys as a file, for clusters that nobody can reach.
    pub jwks_file: Option<std::path::PathBuf>,
    /// The address of the issuer's keys, where its discovery document does not say it or another host has them.
    pub jwks_url: Option<String>,
    /// Whether one token is exchanged as often as its holder likes: a whole job shares it.
    pub exchange_again: bool,
}

pub type Claims = BTreeMap<String, String>;

/// A workload that has just proved who it is, and what the configuration makes of it.
#[derive(Clone, Debug)]
pub struct Proven {
    pub workload: Workload,
    pub name: String,
    pub role: Role,
    pub environment: Environment,
    pub cluster: Option<String>,
    pub expires_at: Micros,
    pub exchange_again: bool,
}

/// Which token of whom: what a block is compared with, and what an exchanged token remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    pub issuer: String,
    pub subject: String,
    /// The hash of the token's own id.
    pub id: String,
    pub issued_at: i64,
}

/// Whether a text can be a signed token at all: three parts of base64url.
pub(super) fn plausible(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    text.len() <= LONGEST && text.split('.').count() == 3 && text.split('.').all(part)
}

pub(super) async fn load(gate: &Gate, token: &str) -> Result<Actor, Refusal> {
    let Proven { workload, name, role, environment, cluster, expires_at, .. } = prove(gate, token).await?;
    let Workload { issuer, subject, id, issued_at } = workload;
    let reference = gate.ledger().reference(About::Actor, &clear(&issuer, &subject)).await?;
    Ok(Actor::of(Inner {
        who: Who::Holder(vec![Held { role, reach: Reach::These(vec![environment]) }]),
        kind: "workload",
        reference: Some(reference),
        name,
        credential: Credential::Workload { issuer, subject, id, issued_at: Micros(issued_at) },
        scopes: Scopes::Everything,
        person: None,
        proved: None,
        cluster,
        // As long as it is taken: our clocks may be apart.
        expires_at: Some(expires_at.plus_seconds(token::SKEW)),
        cause: None,
    }))
}

/// Who a token is of, if it is right and nobody has stopped it; the first rule that fits says what they are.
pub(in crate::gate) async fn prove(gate: &Gate, text: &str) -> Result<Proven, Refusal> {
    let rules = &gate.identity().workloads;
    if rules.is_empty() {
        return Err(wrong("no other issuer's tokens are taken here"));
    }
    let signed = token::read(&gate.identity().issuers, text, clock::now()).await?;
    let mut meant = rules.iter().filter(|r| r.issuer == signed.issuer && token::is_for(&signed.claims, &r.audience));
    if meant.clone().next().is_none() {
        return Err(wrong("it is meant for somebody else: none of its audiences is ours"));
    }
    let rule = meant.find(|rule| token::has(&signed.claims, &rule.claims));
    let rule = rule.ok_or_else(|| wrong("no rule here is for who it says it is"))?;
    let own = signed.claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty());
    let id = own.map_or_else(|| id_of_text(&signed.message), |own| id_of(&signed.issuer, own));
    let name = ascii_line(&token::name(&signed.claims, &signed.subject), 200);
    let workload = Workload { issuer: signed.issuer, subject: signed.subject, id, issued_at: signed.issued_at.0 };
    if is_blocked(gate, &workload).await? {
        return Err(wrong("it was stopped here"));
    }
    Ok(Proven {
        workload,
        name,
        role: rule.role,
        environment: rule.environment.clone(),
        cluster: rule.cluster.clone(),
        expires_at: signed.expires_at,
        exchange_again: rule.exchange_again,
    })
}

/// What a token is known by here: a hash of the id that its issuer gave it (`jti`).
pub fn id_of(issuer: &str, jti: &str) -> String {
    Sha256(hash(&format!("{issuer}\n{jti}"))).to_string()
}

fn id_of_text(message: &str) -> String {
    Sha256(hash(message)).to_string()
}

/// Whether somebody has stopped this token, or this workload's tokens of that time.
pub(super) async fn is_blocked(gate: &Gate, workload: &Workload) -> Result<bool, Fault> {
    let blocks = sql::list_workload_blocks(gate.reader(), &workload.issuer).await?;
    Ok(blocks.iter().any(|block| {
        let named = block.subject.as_deref().is_none_or(|blocked| blocked == workload.subject);
        let this = block.token_id.as_deref().is_none_or(|blocked| blocked == workload.id);
        named && this && workload.issued_at < block.not_before
    }))
}

/// The same for a token of ours that was given for another's.
pub(super) async fn is_source_blocked(gate: &Gate, workload: Option<&str>) -> Result<bool, Fault> {
    let Some(text) = workload else { return Ok(false) };
    let workload = serde_json::from_str(text).map_err(|_| Fault::new("reading what a token was exchanged for"))?;
    is_blocked(gate, &workload).await
}

/// What a workload's reference is made of.
pub(in crate::gate) fn clear(issuer: &str, subject: &str) -> String {
    format!("workload {subject} of {issuer}")
}

fn wrong(why: &str) -> Refusal {
    let hint = "Compare what it says with [[identity.workloads]] of the gateway, or ask its operator.";
    Refusal::new(Code::TokenNotAccepted, format!("This workload's token is not accepted: {why}.")).hint(hint)
}

const LONGEST: usize = 16 * 1024;
