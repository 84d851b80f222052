//! Accepting the terms of a gated repository for an environment, on record: who, when, why, and the sha256 of the very
//! text that they were shown.
//!
//! Another text is another acceptance: what the card asks later is missing again. Never accepts anything at the hub.

pub mod http;
pub mod sql;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    clock,
    domain::{
        refusal::{Code, Refusal},
        terms::{self, Terms},
        time::Micros,
    },
    gate::{
        act::{AcceptTerms, Act, ReadTerms, WithdrawTerms},
        grant::Granted,
        object::RepoInEnvironment,
        tx::Change,
    },
    jobs::{self, Work},
    store::tables::{repository, terms as row},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Of the text that was shown.
    text_sha256: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    reason: String,
}

/// The text as it is now, and whether it is accepted.
pub async fn show(app: &App, may: &Granted<ReadTerms>) -> Result<Value, Refusal> {
    let (repository, terms, commit) = find(app, may).await?;
    let accepted = sql::find_acceptance(may.reader(), &repository.id, may.environment()).await?;
    let holds = accepted.as_ref().is_some_and(|row| row.text_sha256 == terms.sha256);
    let accepted = accepted.map(|row| {
        json!({
            "id": row.id, "text_sha256": row.text_sha256, "reason": row.reason,
            "accepted_at": Micros(row.accepted_at).to_millis_text(),
        })
    });
    Ok(json!({
        "repo": repository.name, "commit": commit, "environment": may.environment().as_str(), "text": terms.text,
        "text_sha256": terms.sha256, "accepted": holds, "acceptance": accepted,
    }))
}

pub async fn accept(app: &App, may: Granted<AcceptTerms>, input: Acceptance) -> Result<Value, Refusal> {
    let reason = reason(&input.reason)?;
    let (repository, terms, commit) = find(app, &may).await?;
    if input.text_sha256 != terms.sha256 {
        let sentence = "The terms are another text by now than the one that was shown; nothing was accepted.";
        return Err(Refusal::new(Code::Conflict, sentence).hint("Read them again: weighbridge terms show."));
    }
    let at = clock::now();
    let made = row::Model {
        id: clock::new_id(),
        repository_id: repository.id.clone(),
        environment: may.environment().to_string(),
        text_sha256: terms.sha256.clone(),
        accepted_by: may.actor().reference().to_owned(),
        accepted_at: at.0,
        reason: reason.clone(),
        withdrawn_at: None,
    };
    let (id, environment) = (made.id.clone(), made.environment.clone());
    let detail = json!({
        "acceptance": id, "repository": repository.id, "commit": commit, "text_sha256": terms.sha256, "reason": reason,
    });
    let tx = may.begin().await?;
    sql::end_acceptance(&tx, &may, &repository.id, at).await?;
    sql::save_acceptance(&tx, &may, made).await?;
    sql::save_unsettled(&tx, &may, &repository.id).await?;
    tx.commit(may, Change::new(detail)).await?;
    jobs::ask(app, &Work::Redecide { everything: false }).await?;
    Ok(json!({"id": id, "repo": repository.name, "environment": environment, "text_sha256": terms.sha256}))
}

/// Takes an acceptance back. What was approved on it stays; what is decided from now on has none.
pub async fn withdraw(app: &App, may: Granted<WithdrawTerms>, input: Withdrawal) -> Result<Value, Refusal> {
    let reason = reason(&input.reason)?;
    let (repository, _, _) = find(app, &may).await?;
    let Some(there) = sql::find_acceptance(may.reader(), &repository.id, may.environment()).await? else {
        return Err(Refusal::new(Code::NotFound, "Nobody has accepted its terms here."));
    };
    let tx = may.begin().await?;
    sql::end_acceptance(&tx, &may, &repository.id, clock::now()).await?;
    sql::save_unsettled(&tx, &may, &repository.id).await?;
    tx.commit(may, Change::new(json!({"acceptance": there.id, "repository": repository.id, "reason": reason}))).await?;
    jobs::ask(app, &Work::Redecide { everything: false }).await?;
    Ok(json!({"id": there.id, "withdrawn": true}))
}

/// The repository, its terms as they were last listed, and at which commit. To whom it is not open it is not there.
async fn find<A: Act<Found = RepoInEnvironment>>(
    app: &App,
    may: &Granted<A>,
) -> Result<(repository::Model, Terms, String), Refusal> {
    if may.everywhere() {
        return Err(Refusal::bad_input("Terms are accepted for one environment; name it instead of `all`."));
    }
    let name = &may.object().repo;
    let unknown = || {
        Refusal::new(Code::RepoNotFound, format!("Nothing of {name} was listed here."))
            .hint(format!("Ask for it first: weighbridge request {name} --reason TEXT, or pull it."))
    };
    if !app.gate.may_know_of(may.actor(), may.environment(), name).await? {
        return Err(unknown());
    }
    let found = sql::find_newest(may.reader(), name).await?;
    let (repository, revision) = found.ok_or_else(unknown)?;
    let listed: Value = serde_json::from_str(&revision.facts).unwrap_or_default();
    let terms = terms::of(&listed).ok_or_else(|| {
        let sentence = match listed["gated"].as_str() {
            None => format!("{name} asks for no terms: it is not gated at the hub."),
            Some(_) => {
                format!("The card of {name} is too large to be shown whole, so its terms cannot be accepted here.")
            }
        };
        Refusal::new(Code::NotFound, sentence)
    })?;
    Ok((repository, terms, revision.commit_id))
}

fn reason(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let fine = (3..=1000).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fine {
        Ok(text.to_owned())
    } else {
        Err(Refusal::bad_input("A reason of 3 to 1000 characters on one line is needed."))
    }
}
