//! Asking for a revision, and reading requests and decisions: one's own, or everybody's for those who decide or audit.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{approve::reason, examine, sql};
use crate::{
    clock,
    domain::{
        name::{RepoKind, RepoName},
        refusal::{Code, Fault, Refusal},
        rev::Rev,
        role::{Environment, Role},
        time::Micros,
    },
    gate::{
        act::{Act, ReadDecision, ReadRequest, ReadRequests, RequestRevision},
        grant::Granted,
        identity::Actor,
        resolve::full_names,
        tx::Change,
    },
    store::tables::{decision, request},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    reason: String,
}

pub async fn make(may: Granted<RequestRevision>, input: Wish) -> Result<Value, Refusal> {
    if may.everywhere() {
        return Err(Refusal::bad_input("A request is for one environment; name it instead of `all`."));
    }
    let reason = reason(&input.reason)?;
    if let Some(open) = sql::find_open_request(&may).await? {
        return Ok(
            json!({"id": open.id, "state": open.state, "message": "You have asked for this already; it waits for a reviewer."}),
        );
    }
    let object = may.object().clone();
    let row = request::Model {
        id: clock::new_id(),
        repo_kind: object.repo.kind().word().to_owned(),
        repo: object.repo.path().to_owned(),
        rev: object.rev.to_string(),
        commit_id: object.rev.as_commit().map(|c| c.to_string()),
        environment: may.environment().to_string(),
        reason: reason.clone(),
        actor_ref: may.actor().reference().to_owned(),
        actor_name: may.actor().name().to_owned(),
        made_at: clock::now().0,
        state: "open".to_owned(),
        decided_at: None,
    };
    let (id, environment) = (row.id.clone(), row.environment.clone());
    let tx = may.begin().await?;
    sql::save_request(&tx, &may, row).await?;
    tx.commit(may, Change::new(json!({"request": id, "reason": reason}))).await?;
    let message = format!(
        "Asked for. A reviewer decides with: weighbridge approve {}@{} --env {environment} --reason TEXT",
        object.repo, object.rev
    );
    Ok(json!({"id": id, "state": "open", "message": message}))
}

pub async fn list(may: &Granted<ReadRequests>) -> Result<Value, Refusal> {
    let own = (!sees_all(may.actor())).then(|| may.actor().reference().to_owned());
    let rows = sql::list_requests(may, own.as_deref()).await?;
    Ok(json!({"requests": rows.iter().map(request).collect::<Vec<_>>()}))
}

pub async fn show(may: &Granted<ReadRequest>) -> Result<Value, Refusal> {
    find(may, &may.object().0).await?.ok_or_else(|| unknown("request"))
}

/// Whatever an id means that somebody was shown: a decision, or a request.
pub async fn either(may: &Granted<ReadDecision>) -> Result<Value, Refusal> {
    match find(may, &may.object().0).await? {
        Some(request) => Ok(request),
        None => decision(may).await,
    }
}

async fn find<A: Act>(may: &Granted<A>, id: &str) -> Result<Option<Value>, Refusal> {
    let row = sql::find_request(may, id).await?;
    // Whose it is not, to them it does not exist.
    let row = row.filter(|row| sees_all(may.actor()) || row.actor_ref == may.actor().reference());
    Ok(row.as_ref().map(request))
}

pub async fn decision(may: &Granted<ReadDecision>) -> Result<Value, Refusal> {
    let row = sql::find_decision(may, &may.object().0).await?;
    let row = row.filter(|row| sees_all(may.actor()) || row.actor_ref == may.actor().reference());
    let row = row.ok_or_else(|| unknown("decision"))?;
    let now = standing_now(may, &row).await?;
    Ok(json!({
        "id": row.id, "act": row.act, "repo": name(&row.repo_kind, &row.repo), "rev": row.rev, "path": row.path,
        "environment": row.environment, "code": row.code, "sentence": row.sentence, "hint": row.hint,
        "policy": row.policy_rev, "by": row.actor_name, "made_at": Micros(row.made_at).to_millis_text(), "standing_now": now,
    }))
}

/// How the refused revision stands today.
async fn standing_now<A: Act>(may: &Granted<A>, row: &decision::Model) -> Result<&'static str, Fault> {
    let environment = Environment::new(&row.environment);
    let repo = RepoName::parse(&name(&row.repo_kind, &row.repo));
    let (Some(environment), Some(repo)) = (environment, repo) else { return Ok("undecided") };
    let Some(repository) = sql::find_repository(may, &repo).await? else { return Ok("undecided") };
    let rev = Rev::new(&row.rev);
    let commit = match rev.as_ref().map(|rev| (rev, rev.as_commit())) {
        Some((_, Some(commit))) => Some(commit.to_string()),
        Some((rev, None)) => {
            let pointer = sql::find_pointer(may.reader(), &repository.id, &environment, rev).await?;
            match pointer {
                Some(pointer) => Some(pointer.commit_id),
                None => newest(may, &repository.id, rev).await?,
            }
        }
        None => None,
    };
    let Some(commit) = commit else { return Ok("undecided") };
    let Some(revision) = sql::find_revision(may.reader(), &repository.id, &commit).await? else {
        return Ok("undecided");
    };
    let standing = sql::look_at_standing(may, &revision.id, &environment).await?;
    Ok(examine::standing_word(standing.as_ref()))
}

/// Where a branch of which nothing is approved was when the hub was last asked.
async fn newest<A: Act>(may: &Granted<A>, repository_id: &str, rev: &Rev) -> Result<Option<String>, Fault> {
    let histories = sql::list_histories(may.reader(), repository_id).await?;
    let walk = full_names(rev).into_iter().find_map(|name| histories.iter().find(|walk| walk.ref_name == name));
    Ok(walk.and_then(|walk| walk.commits.split(' ').next()).map(str::to_owned))
}

fn request(row: &request::Model) -> Value {
    json!({
        "id": row.id, "repo": name(&row.repo_kind, &row.repo), "rev": row.rev, "environment": row.environment,
        "reason": row.reason, "by": row.actor_name, "made_at": Micros(row.made_at).to_millis_text(), "state": row.state,
        "decided_at": row.decided_at.map(|at| Micros(at).to_millis_text()),
    })
}

/// The command-line form of a stored name; the kind may be stored in either number.
fn name(kind: &str, repo: &str) -> String {
    let kind = RepoKind::ALL.into_iter().find(|k| k.word() == kind || k.singular() == kind);
    format!("{}{repo}", kind.map(RepoKind::prefix).unwrap_or_default())
}

fn sees_all(actor: &Actor) -> bool {
    [Role::Reviewer, Role::Auditor, Role::PolicyAdmin, Role::Operator].into_iter().any(|role| actor.has(role))
}

fn unknown(what: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("There is no {what} with this id that you may see."))
}
