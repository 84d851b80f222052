//! How far our pointers are behind the hub's branches, and how old what we know of those is. Changes nothing.

use serde_json::{Value, json};

use super::{examine, sql};
use crate::{
    clock,
    domain::{name::RepoKind, refusal::Refusal, time::Micros},
    gate::{
        Gate,
        act::SearchCatalogue,
        grant::Granted,
        resolve::{repo_of, short_name},
    },
};

pub async fn list(gate: &Gate, may: &Granted<SearchCatalogue>) -> Result<Value, Refusal> {
    let kind = may.object().0;
    let mut rows = Vec::new();
    let found = sql::list_pointed(may).await?;
    let complete = u64::try_from(found.len()).is_ok_and(|count| count < sql::MOST_POINTERS);
    for row in found {
        if gate.may_know_of(may.actor(), may.environment(), &repo_of(row.repository.clone())?.name).await? {
            rows.push(row);
        }
    }
    let pointers: Vec<Value> = rows.iter().map(|row| of(kind, row)).collect();
    Ok(json!({
        "environment": may.environment().as_str(), "at": clock::now().to_millis_text(), "pointers": pointers,
        "complete": complete,
    }))
}

fn of(kind: RepoKind, row: &sql::Pointed) -> Value {
    let commits: Vec<&str> = row.history.iter().flat_map(|history| history.commits.split_whitespace()).collect();
    // None: the branch is gone there, or was rewritten and does not hold our commit any more.
    let behind = commits.iter().position(|commit| *commit == row.pointer.commit_id);
    let checked = row.looked_at.max(row.history.as_ref().map(|history| history.seen_at));
    let newest = commits.first().copied();
    let same = newest == Some(row.pointer.commit_id.as_str());
    json!({
        "repo": format!("{}{}", kind.prefix(), row.repository.name), "pointer": short_name(&row.pointer.name),
        "commit": row.pointer.commit_id, "upstream_commit": newest, "behind": behind,
        "upstream_standing": (!same).then(|| examine::standing_word(row.newest.as_ref())),
        "upstream_reason": row.newest.as_ref().filter(|_| !same).map(|row| row.reason.clone()),
        "checked_at": checked.map(|at| Micros(at).to_millis_text()),
        "upstream": row.hub.as_ref().map_or("live", |hub| hub.state.as_str()),
        "upstream_since": row.hub.as_ref().map(|hub| Micros(hub.since).to_millis_text()),
        "upstream_why": row.hub.as_ref().map(|hub| hub.why.clone()),
    })
}
