//! Following the hub: how a repository stands there now, and whether the branches that we point into have moved on.
//!
//! A newer commit goes through intake like any other; nothing points to it before it is approved. What the hub says of a
//! repository takes nothing away from what was approved of it, and is written down. What somebody tells us about the hub,
//! such as a webhook, is never believed: it only makes us look.

use serde_json::json;

use super::sql;
use crate::{
    app::App,
    clock,
    domain::{
        name::RepoName,
        refusal::{Fault, ascii_line},
        rev::Rev,
    },
    gate::{act::NoteRepository, grant::Granted, object::RepoNamed, resolve::short_name, tx::Change},
    intake::{list, sql::list_histories, worker::Outcome},
    jobs::{self, Work},
    store::tables::{history, hub_state, repository},
    upstream::{RepoFacts, Trouble},
};

/// How a repository stands at the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtHub {
    Live,
    /// There, and its files only for whoever has accepted its terms.
    Gated,
    /// Deleted, or hidden from us.
    Gone,
    Private,
    Disabled,
    /// Another repository has its name.
    Taken,
}

impl AtHub {
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Gated => "gated",
            Self::Gone => "gone",
            Self::Private => "private",
            Self::Disabled => "disabled",
            Self::Taken => "taken",
        }
    }

    /// What an answer says of it.
    pub fn of_facts(facts: &RepoFacts) -> Self {
        match facts {
            RepoFacts { disabled: true, .. } => Self::Disabled,
            RepoFacts { private: true, .. } => Self::Private,
            RepoFacts { gated: Some(_), .. } => Self::Gated,
            _ => Self::Live,
        }
    }

    /// What a trouble says about the repository itself; most say nothing.
    pub fn of(trouble: &Trouble) -> Option<Self> {
        match trouble {
            Trouble::RepoNotFound => Some(Self::Gone),
            Trouble::Disabled => Some(Self::Disabled),
            _ => None,
        }
    }

    /// Whether somebody should look again at what was approved before.
    fn asks_for_review(self) -> bool {
        matches!(self, Self::Private | Self::Disabled | Self::Taken)
    }
}

/// Looks a repository up. Nothing is known of it here: nothing is done.
pub async fn follow(app: &App, name: &RepoName) -> Result<Outcome, Fault> {
    let may = grant(app, name, "its turn has come")?;
    let Some(row) = sql::find_named(may.reader(), name.kind().word(), &name.key()).await? else {
        return Ok(Outcome::Done);
    };
    app.upstream.forget(name, None).await;
    let (stands, facts) = match app.upstream.repository(name).await {
        Ok(facts) => (stands(&facts, &row), Some(facts)),
        Err(trouble) => match AtHub::of(&trouble) {
            Some(stands) => (stands, None),
            None => return Ok(Outcome::of(&trouble)),
        },
    };
    note(app, &row, name, stands).await?;
    if let (AtHub::Live | AtHub::Gated, Some(facts)) = (stands, facts)
        && let Err(outcome) = catch_up(app, &may, &row, &facts).await?
    {
        return Ok(outcome);
    }
    sql::save_look(&app.chores, &row.id, clock::now()).await?;
    Ok(Outcome::Done)
}

fn stands(facts: &RepoFacts, row: &repository::Model) -> AtHub {
    if list::upstream_id(facts) == row.upstream_id { AtHub::of_facts(facts) } else { AtHub::Taken }
}

/// Has every branch listed that we point into and that has moved on at the hub; a new name is listed with it.
async fn catch_up(
    app: &App,
    may: &Granted<NoteRepository>,
    row: &repository::Model,
    facts: &RepoFacts,
) -> Result<Result<(), Outcome>, Fault> {
    let pointed = sql::list_pointed(may.reader(), &row.id).await?;
    let histories = list_histories(may.reader(), &row.id).await?;
    let heads: Vec<(String, String)> = if pointed.iter().all(|name| name == MAIN) {
        facts.commit.iter().map(|commit| (MAIN.to_owned(), commit.to_string())).collect()
    } else {
        let refs = match app.upstream.refs(&facts.name).await {
            Ok(refs) => refs,
            Err(trouble) => return Ok(Err(Outcome::of(&trouble))),
        };
        let there = refs.iter().filter(|one| pointed.iter().any(|name| name == one.reference.as_str()));
        there.map(|one| (one.reference.to_string(), one.commit.to_string())).collect()
    };
    let mut moved = Vec::new();
    let renamed = facts.name.path() != row.hub_name;
    for (name, head) in heads {
        // That a commit stands in a history says only that somebody read that; its revision may never have been listed.
        let known = newest(&histories, &name) == Some(head.as_str());
        if renamed || !known || !sql::is_known(may.reader(), &row.id, &head).await? {
            moved.push(name);
        }
    }
    for name in moved {
        let Some(rev) = Rev::new(short_name(&name)) else { continue };
        app.upstream.forget(&facts.name, Some(&rev)).await;
        let outcome = list::examine(app, &facts.name, &rev, "a look at the hub").await?;
        // What cannot be listed is no reason to leave the other branches.
        if matches!(outcome, Outcome::Later { .. }) {
            return Ok(Err(outcome));
        }
    }
    Ok(Ok(()))
}

fn newest<'a>(histories: &'a [history::Model], name: &str) -> Option<&'a str> {
    histories.iter().find(|one| one.ref_name == name)?.commits.split_whitespace().next()
}

/// Writes down how a repository stands, when that is something new, and has what is not approved of it decided anew. Who
/// has to look again at what was approved gets a request.
pub async fn note(app: &App, row: &repository::Model, name: &RepoName, stands: AtHub) -> Result<(), Fault> {
    let may = grant(app, name, "the hub says something else of it than before")?;
    let before = sql::find_state(may.reader(), &row.id).await?.map_or_else(|| "live".to_owned(), |row| row.state);
    if before == stands.word() {
        return Ok(());
    }
    let served_in = sql::list_served_in(may.reader(), &row.id).await?;
    let at = clock::now();
    let why = ascii_line(&sentence(name, stands), 200);
    let tx = may.begin().await?;
    let state = hub_state::Model {
        repository_id: row.id.clone(),
        state: stands.word().to_owned(),
        why: why.clone(),
        since: at.0,
    };
    sql::save_state(&tx, &may, state).await?;
    sql::save_unsettled(&tx, &may, &row.id).await?;
    let asks = if stands.asks_for_review() { served_in } else { Vec::new() };
    for environment in &asks {
        sql::save_review(&tx, &may, row, environment, &why, at).await?;
    }
    let detail = json!({"from": before, "to": stands.word(), "why": why, "asked_for_review": asks});
    tx.commit(may, Change::new(detail)).await?;
    tracing::info!(repo = %name, from = before, to = stands.word(), "a repository stands otherwise at the hub");
    jobs::ask(app, &Work::Redecide { everything: false }).await
}

/// The same for a name, if anything is known under it.
pub async fn note_name(app: &App, name: &RepoName, stands: AtHub) -> Result<(), Fault> {
    let may = grant(app, name, "it was asked for")?;
    match sql::find_named(may.reader(), name.kind().word(), &name.key()).await? {
        Some(row) => note(app, &row, name, stands).await,
        None => Ok(()),
    }
}

fn sentence(name: &RepoName, stands: AtHub) -> String {
    match stands {
        AtHub::Live => format!("{name} is at the hub and open."),
        AtHub::Gated => format!("{name} is gated at the hub: its files are for whoever accepted its terms."),
        AtHub::Gone => format!("{name} is not at the hub any more, or hidden from us."),
        AtHub::Private => format!("{name} has become private at the hub."),
        AtHub::Disabled => format!("The hub has disabled {name}."),
        AtHub::Taken => format!("The name {name} belongs to another repository at the hub now."),
    }
}

fn grant(app: &App, name: &RepoName, why: &str) -> Result<Granted<NoteRepository>, Fault> {
    let cause = format!("{name}: {why}");
    app.gate.admit_work::<NoteRepository>(&cause, RepoNamed(name.clone())).map_err(|refusal| Fault::new(refusal.line()))
}

const MAIN: &str = "refs/heads/main";
