//! Waiting at the door: what nobody has looked at yet is looked at, and whoever asked for it is held a little.
//!
//! Intake itself is jobs; this only asks for them and asks the gate again. Of all who wait for one revision one asks, and
//! the others ask again when that one has heard something. Nothing is let through that the gate does not let through.

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;

use std::{
    cell::OnceCell,
    time::{Duration, Instant},
};

use http::{HeaderMap, header};

use super::come_back;
use crate::{
    app::{
        App,
        vigils::{self, Looks},
    },
    clock,
    domain::{
        event::ObjectFact,
        name::{RepoKind, RepoName},
        refusal::{Code, Refusal},
        rev::Rev,
        time::Micros,
    },
    gate::{
        Call,
        act::{Act, Record},
        grant::Granted,
        identity::Actor,
        object::Object,
    },
    jobs::{self, State, Work},
};

/// The gate's answer, once it has one.
pub(super) async fn admit<A: Act>(
    app: &App,
    actor: Actor,
    asked: A::Asked,
    call: &Call,
    headers: &HeaderMap,
) -> Result<Granted<A>, Refusal> {
    let until = Instant::now() + patience::<A>(app, call, headers);
    let mut changes = app.gate.changes();
    let mut began: Option<Instant> = None;
    let vigil = OnceCell::new();
    let mut told = None;
    let mut turn: Option<Looks<'_>> = None;
    let mut hurried = None;
    loop {
        changes.mark_unchanged();
        if let Some(turn) = &turn {
            turn.count();
        }
        let answer = app.gate.admit::<A>(actor.clone(), asked.clone(), call).await;
        let Some((repo, rev)) = revision_in(&asked.fact()).filter(|_| PULLS.contains(&A::WORD)) else { return answer };
        let undecided = match answer {
            Err(refusal) if refusal.code == Code::Undecided => refusal,
            answer => {
                let known = answer.as_ref().map_or_else(|refusal| IS_KNOWN.contains(&refusal.code), |_| true);
                if known {
                    freshen(app, &actor, &repo, &rev).await;
                }
                if let Some(turn) = &turn {
                    turn.tell();
                }
                return answer;
            }
        };
        let vigil = vigil.get_or_init(|| app.vigils.at(&door(app, &actor, &repo, &rev)));
        let told = told.get_or_insert_with(|| vigil.told());
        told.mark_unchanged();
        turn = turn.or_else(|| vigil.try_look());
        let work = Work::examine(&repo, &rev, actor.reference());
        match jobs::look(app, &work.key()).await? {
            Some(State::UnderWay { .. }) => {}
            Some(State::Failed { at, why }) if began.is_some() || clock::now().0 - at.0 < REST => {
                if let Some(turn) = &turn {
                    turn.tell();
                }
                return Err(app.gate.turn_down::<A>(&actor, &asked, not_taken(&repo, &rev, &why), call).await);
            }
            // One asks for all: five hundred who come at once are no flood of questions.
            _ if turn.is_none() || began.is_some_and(|at| at.elapsed() < ASK_AGAIN) => {}
            _ => {
                app.gate.may_ask_upstream(&actor)?;
                jobs::ask(app, &work).await?;
                began = Some(Instant::now());
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let sends_a_body = A::RECORD == Record::Durable && !call.head;
            let code = if sends_a_body { come_back(headers) } else { Code::NotReady };
            return Err(Refusal { code, ..undecided });
        }
        if turn.is_some() {
            // It may have been prefetched so far, in the background.
            if hurried.is_none_or(|at: Instant| at.elapsed() >= HURRY) {
                jobs::hurry(app, &repo).await?;
                hurried = Some(Instant::now());
            }
            // A busy gateway changes often; several changes within a moment are one question.
            let _ = tokio::time::timeout(left.min(LOOK), changes.changed()).await;
            tokio::time::sleep(left.min(MOMENT)).await;
            continue;
        }
        tokio::select! {
            mine = vigil.look() => turn = Some(mine),
            _ = told.changed() => {}
            () = tokio::time::sleep(left) => {}
        }
    }
}

/// What those share who wait for the same answer.
fn door(app: &App, actor: &Actor, repo: &RepoName, rev: &Rev) -> String {
    let environment = app.gate.home(actor).map(ToString::to_string).unwrap_or_default();
    vigils::door(&environment, repo, rev)
}

/// Has the hub asked where a branch is now, in the background and not too often: a newer commit goes through intake, and
/// until it is approved nobody sees any of it.
async fn freshen(app: &App, actor: &Actor, repo: &RepoName, rev: &Rev) {
    if rev.as_commit().is_some() || !app.recent.due(&format!("{repo}@{rev}")) {
        return;
    }
    if app.gate.may_ask_upstream(actor).is_err() {
        return;
    }
    if let Err(fault) = jobs::ask(app, &Work::examine(repo, rev, "a pull by name")).await {
        tracing::warn!(%fault, %repo, "where the hub's branch is now cannot be asked");
    }
}

/// The revision that a hub path names; what else the gate guards has none.
fn revision_in(fact: &ObjectFact) -> Option<(RepoName, Rev)> {
    let kind = RepoKind::ALL.into_iter().find(|kind| Some(kind.singular()) == fact.repo_type)?;
    let repo = RepoName::new(kind, fact.repo.as_deref()?)?;
    let rev = match fact.rev.as_deref().or(fact.commit.as_deref()) {
        Some(rev) => Rev::new(rev)?,
        None => Rev::main(),
    };
    Some((repo, rev))
}

fn not_taken(repo: &RepoName, rev: &Rev, why: &str) -> Refusal {
    let code = if why.starts_with(jobs::NO_ROOM) { Code::StorageFull } else { Code::NotApproved };
    let why = why.trim_start_matches(jobs::MISMATCH).trim_start_matches(jobs::NO_ROOM).trim_end_matches('.');
    Refusal::new(code, format!("{repo}@{rev} could not be taken in: {why}."))
        .hint("It is tried again when asked for again.")
}

/// How long a caller waits before it is told to come back: as long as it waits without giving up.
fn patience<A: Act>(app: &App, call: &Call, headers: &HeaderMap) -> Duration {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if agent.contains("hf-hub/0.") {
        // Every "come back later" is the end for it.
        return Duration::from_mins(10);
    }
    if A::RECORD == Record::Durable || call.head {
        return app.face.hold;
    }
    // Questions about a revision are asked once, by clients that wait for the answer as long as it takes.
    if agent.contains("llama") { Duration::from_secs(25) } else { Duration::from_secs(50) }
}

/// Refusals that say something about a revision we hold: then the hub may have moved on.
const IS_KNOWN: [Code; 5] = [Code::Denied, Code::NotApproved, Code::Revoked, Code::RevokedByName, Code::Hidden];
/// The acts of clients that want something of a revision.
const PULLS: [&str; 3] = ["file.pull", "revision.view", "repository.view"];
/// How often what goes on in the background for a waiting request is looked for.
const HURRY: Duration = Duration::from_secs(2);
/// So many changes as come within this are one.
const MOMENT: Duration = Duration::from_millis(20);
/// How often a waiting request looks by itself: other replicas' decisions may reach it late.
const LOOK: Duration = Duration::from_secs(1);
/// How long it trusts that what it asked for goes on.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long a failed intake rests before somebody's question begins it again.
const REST: i64 = 15 * Micros::SECOND;
