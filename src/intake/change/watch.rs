//! What nobody asks for: looking, twice a minute, whether anything has changed that decisions rest on, and whose turn it is
//! to be looked up at the hub. Asks for jobs and does none itself.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::{basis, redecide, sql};
use crate::{
    app::App,
    clock,
    domain::{
        name::{RepoKind, RepoName},
        refusal::Fault,
        time::Micros,
    },
    jobs::{self, Work},
};

/// Looks until told to stop.
pub async fn run(app: App, replica: String) {
    let mut stop = std::pin::pin!(app.stopping.begun());
    loop {
        if let Err(fault) = look(&app, &replica).await {
            tracing::warn!(%fault, "whether anything changed could not be looked at");
        }
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    basis::leave(&app, &replica).await;
}

/// One look. Several replicas may look at once: what they ask for is the same jobs.
pub async fn look(app: &App, replica: &str) -> Result<(), Fault> {
    basis::settle(app, replica).await?;
    if app.basis.is_behind() {
        return Ok(());
    }
    let at = clock::now();
    let environments: Vec<String> = app.gate.environments().iter().map(|one| one.name.to_string()).collect();
    let stale = sql::Stale { number: app.basis.number(), environments: &environments, at };
    let may = redecide::grant(app)?;
    if sql::list_stale(may.reader(), &stale, "", 1).await?.is_empty() {
        redecide::ask_for_rescans(app).await?;
    } else {
        // Bytes are read again after that: what is stored says most, and says it at once.
        jobs::ask(app, &Work::Redecide { everything: false }).await?;
    }
    let whole = Work::Redecide { everything: true };
    let last = jobs::sql::find(&app.chores, &whole.key()).await?;
    match last {
        // The first time is counted from the first look: at that everything is decided about that has to be.
        None => jobs::sql::note_done(&app.chores, &whole, at).await?,
        Some(row) if row.state != "running" && at.0 - row.run_at > Micros::DAY => jobs::ask(app, &whole).await?,
        Some(_) => {}
    }
    ask_for_looks(app, may.reader(), at).await
}

/// Asks for the repositories whose turn it is to be looked up at the hub.
async fn ask_for_looks(app: &App, db: &crate::store::Reader, at: Micros) -> Result<(), Fault> {
    let every = i64::try_from(app.following.every.as_micros()).unwrap_or(i64::MAX);
    if every == 0 {
        return Ok(());
    }
    let soonest = Micros(at.0 - early(every));
    let asked = jobs::sql::list_kind(&app.chores, "follow").await?;
    // A hub that does not answer is not pressed.
    let rests = |key: &str| {
        asked.get(key).is_some_and(|(state, run_at)| match state.as_str() {
            "waiting" | "running" => true,
            "failed" => at.0 - run_at < REST,
            _ => false,
        })
    };
    for one in sql::list_followed(db, Micros(at.0 - LATELY), soonest).await? {
        let Some(name) = RepoKind::from_word(&one.kind).and_then(|kind| RepoName::new(kind, &one.hub_name)) else {
            continue;
        };
        let due = one.looked_at.is_none_or(|last| at.0 - last >= turn(&one.id, last, every));
        let work = Work::follow(&name);
        if due && !rests(&work.key()) && !app.upstream.is_reserved(&name) {
            jobs::ask(app, &work).await?;
        }
    }
    Ok(())
}

/// How long after its last look a repository is looked up again: about the configured time, a tenth sooner or later, and
/// each time another tenth. All replicas come to the same.
fn turn(id: &str, last: i64, every: i64) -> i64 {
    let mut hasher = DefaultHasher::new();
    (id, last).hash(&mut hasher);
    let spread = i64::try_from(hasher.finish() % 2001).unwrap_or_default() - 1000;
    every.saturating_add(every / 10_000 * spread)
}

fn early(every: i64) -> i64 {
    every - every / 10
}

/// How long a repository is left alone that could not be looked up.
const REST: i64 = 600 * Micros::SECOND;
const LOOK: Duration = Duration::from_secs(30);
/// What was used within this time is followed, also where nothing of it is approved.
const LATELY: i64 = 30 * Micros::DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_spread_and_never_early() {
        let every = 3600 * Micros::SECOND;
        let turns: Vec<i64> = (0..500).map(|n| turn(&format!("r{n}"), n, every)).collect();
        assert!(turns.iter().all(|turn| *turn >= early(every) && *turn <= every + every / 10), "{turns:?}");
        let (first, last) = (turns.iter().min(), turns.iter().max());
        assert!(last.zip(first).is_some_and(|(last, first)| last - first > every / 10), "{first:?} {last:?}");
        assert_ne!(turn("r", 1, every), turn("r", 2, every), "not in step for ever");
    }
}
