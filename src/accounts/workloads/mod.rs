//! Stopping workloads: one token of theirs, or all that were issued to one of them until now.
//!
//! What a workload is let do says the configuration; a block only takes away, and what it stops ends at every replica,
//! exchanged tokens and running streams included.

pub mod http;
pub mod sql;

use serde_json::json;

use crate::{
    clock,
    domain::{refusal::Refusal, time::Micros},
    gate::{
        act::BlockWorkload,
        grant::Granted,
        identity::{self, WorkloadRule},
        tx::Change,
    },
    store::tables,
};

/// Who is stopped, as somebody names it.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub issuer: String,
    /// All tokens of this subject that were issued before `not_before`.
    pub subject: Option<String>,
    /// One token, by the id that the ledger knows it by.
    pub token_id: Option<String>,
    /// One token, by the id that its issuer gave it.
    pub jti: Option<String>,
    /// RFC 3339; now, where nobody says anything else.
    pub not_before: Option<String>,
    pub reason: String,
}

/// A block that stands.
#[derive(Clone, Debug)]
pub struct Blocked {
    pub id: String,
    pub token_id: Option<String>,
    pub not_before: Micros,
}

/// Stops what was named, at once. The ledger learns the token's id, never the subject's name.
pub async fn block(may: Granted<BlockWorkload>, rules: &[WorkloadRule], wanted: Wanted) -> Result<Blocked, Refusal> {
    let now = clock::now();
    let row = row(rules, wanted, now, may.actor().reference())?;
    let blocked = Blocked { id: row.id.clone(), token_id: row.token_id.clone(), not_before: Micros(row.not_before) };
    let detail = json!({
        "block_id": row.id, "issuer": row.issuer, "token_id": row.token_id, "reason": row.reason,
        "not_before": blocked.not_before.to_string(),
    });
    let tx = may.begin().await?;
    sql::save_block(&tx, &may, row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(blocked)
}

fn row(
    rules: &[WorkloadRule],
    wanted: Wanted,
    now: Micros,
    by: &str,
) -> Result<tables::workload_block::Model, Refusal> {
    let Wanted { issuer, subject, token_id, jti, not_before, reason } = wanted;
    if !rules.iter().any(|rule| rule.issuer == issuer) {
        let mut known: Vec<&str> = rules.iter().map(|rule| rule.issuer.as_str()).collect();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Refusal::bad_input(format!(
            "No tokens of the issuer {issuer} are taken here. There are: {known}."
        )));
    }
    if reason.trim().is_empty() || reason.len() > 1000 {
        return Err(Refusal::bad_input("Say why, in up to 1,000 letters: the ledger keeps it."));
    }
    let token_id = match (&subject, token_id, jti) {
        (Some(subject), None, None) if !subject.is_empty() && subject.len() <= 1000 => None,
        (None, Some(id), None) if id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some(id.to_ascii_lowercase())
        }
        (None, None, Some(jti)) if !jti.is_empty() && jti.len() <= 1000 => Some(identity::id_of(&issuer, &jti)),
        _ => {
            return Err(Refusal::bad_input(
                "Name one of: a subject, a token_id of 64 hexadecimal digits (as the ledger has it), or a jti.",
            ));
        }
    };
    let not_before = match (not_before, &token_id) {
        (Some(_), Some(_)) => return Err(Refusal::bad_input("One token is stopped for good: leave not_before out.")),
        (None, Some(_)) => now.plus_seconds(A_DAY + 3600),
        (None, None) => now,
        (Some(text), None) => Micros::parse(&text).filter(|at| *at <= now.plus_seconds(A_DAY)).ok_or_else(|| {
            Refusal::bad_input("not_before is a time like 2026-11-21T12:00:00Z, at most a day from now.")
        })?,
    };
    Ok(tables::workload_block::Model {
        id: clock::new_id(),
        issuer,
        subject,
        token_id,
        not_before: not_before.0,
        reason,
        created_by: by.to_owned(),
        created_at: now.0,
        // No token lives longer than a day: then there is nothing left to stop, nor an exchanged one.
        expires_at: Some(not_before.plus_seconds(2 * A_DAY).0),
    })
}

const A_DAY: i64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::role::{Environment, Role};

    #[test]
    fn a_block_names_one_thing_of_an_issuer_that_is_known() {
        let rule = Environment::new("prod").map(|environment| WorkloadRule {
            issuer: "https://issuer".to_owned(),
            audience: "a".to_owned(),
            claims: BTreeMap::new(),
            role: Role::Cluster,
            environment,
            cluster: None,
            jwks_file: None,
            jwks_url: None,
            exchange_again: false,
        });
        let rules: Vec<WorkloadRule> = rule.into_iter().collect();
        let now = Micros(1_800_000_000_000_000);
        let base = || Wanted { issuer: "https://issuer".to_owned(), reason: "stolen".to_owned(), ..Wanted::default() };
        let some = |text: &str| Some(text.to_owned());
        let of = |wanted: Wanted| row(&rules, wanted, now, "me").map_err(|refusal| refusal.code.status());
        let subject = of(Wanted { subject: some("s"), ..base() });
        assert!(matches!(&subject, Ok(row) if row.not_before == now.0 && row.token_id.is_none()));
        let token = of(Wanted { jti: some("one"), ..base() });
        let known = identity::id_of("https://issuer", "one");
        assert!(matches!(&token, Ok(row) if row.token_id.as_deref() == Some(&known) && row.subject.is_none()));
        let wrong = [
            base(),
            Wanted { subject: some("s"), jti: some("one"), ..base() },
            Wanted { subject: some(""), ..base() },
            Wanted { token_id: some("short"), ..base() },
            Wanted { subject: some("s"), reason: " ".to_owned(), ..base() },
            Wanted { subject: some("s"), issuer: "https://issuer/".to_owned(), ..base() },
            Wanted { subject: some("s"), not_before: some("2100-01-01T00:00:00Z"), ..base() },
            Wanted { subject: some("s"), not_before: some("yesterday"), ..base() },
            Wanted { jti: some("one"), not_before: some("2026-01-01T00:00:00Z"), ..base() },
        ];
        for wanted in wrong {
            assert_eq!(of(wanted.clone()).err(), Some(400), "{wanted:?}");
        }
    }
}
