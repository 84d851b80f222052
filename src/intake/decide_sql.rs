//! What decisions read and write: standings, pointers, what is known of a revision, and what is hidden of it.

use std::collections::{BTreeMap, HashSet};

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, OnConflict, SelectStatement},
};

use super::sql;
use crate::{
    clock,
    domain::{name::RepoName, pointers::Move, refusal::Fault, role::Environment, time::Micros},
    gate::{
        act::{DecideRevision, SuspendRevision},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{
            approval, hidden_file, knowledge, pin, pointer, repository, request, revision, revoked_file, standing,
        },
    },
};

/// Suspends a revision wherever it is approved. Answers the environments, for the event.
pub async fn suspend(
    db: &Tx,
    _: &Granted<SuspendRevision>,
    revision_id: &str,
    reason: &str,
    at: Micros,
) -> Result<Vec<String>, Fault> {
    let rows = standing::Entity::find()
        .filter(standing::Column::RevisionId.eq(revision_id))
        .filter(standing::Column::State.eq("approved"))
        .lock_exclusive()
        .all(db)
        .await
        .map_err(fault("reading standings"))?;
    let mut environments = Vec::new();
    for row in rows {
        environments.push(row.environment.clone());
        end_approval(db, row.approval_id.as_deref(), at).await?;
        let mut row = row.into_active_model();
        row.state = Set("suspended".to_owned());
        row.reason = Set(reason.to_owned());
        row.changed_at = Set(at.0);
        row.update(db).await.map_err(fault("suspending a revision"))?;
    }
    Ok(environments)
}

/// The names of the repositories that something is approved of, as many as are worth comparing with.
/// Only repositories that were known before: a stranger who takes a near name later takes nothing from whoever was first.
pub async fn list_served_names(db: &Reader, at: Micros, before: i64) -> Result<Vec<String>, Fault> {
    let served = standing::Entity::find()
        .select_only()
        .column(standing::Column::RepositoryId)
        .distinct()
        .filter(approved_at(at))
        .into_query();
    let query = repository::Entity::find()
        .select_only()
        .column(repository::Column::Name)
        .filter(repository::Column::Id.in_subquery(served))
        .filter(repository::Column::FirstSeenAt.lt(before))
        .limit(5000);
    query.into_tuple().all(db).await.map_err(fault("reading the names of what is served"))
}

/// The pointers of a repository, and the names of those that no rule moves: a person pinned them where they stand, or
/// their commit was stopped.
pub struct Places {
    pub there: Vec<pointer::Model>,
    pub frozen: HashSet<String>,
}

pub async fn list_places(
    db: &impl ConnectionTrait,
    repository_id: &str,
    environment: &Environment,
) -> Result<Places, Fault> {
    let pins = pin::Entity::find()
        .filter(pin::Column::RepositoryId.eq(repository_id))
        .filter(pin::Column::Environment.eq(environment.as_str()));
    let pins = pins.all(db).await.map_err(fault("reading pins"))?;
    let stopped = revision::Entity::find()
        .select_only()
        .column(revision::Column::CommitId)
        .filter(revision::Column::RepositoryId.eq(repository_id))
        .filter(revision::Column::Id.in_subquery(stopped_in(repository_id, environment)));
    let stopped: Vec<String> = stopped.into_tuple().all(db).await.map_err(fault("reading what was stopped"))?;
    let frozen = |place: &&pointer::Model| {
        let pinned = pins.iter().any(|pin| pin.name == place.name && pin.commit_id == place.commit_id);
        pinned || stopped.contains(&place.commit_id)
    };
    let there = sql::list_pointers(db, repository_id, environment).await?;
    let frozen = there.iter().filter(frozen).map(|place| place.name.clone()).collect();
    Ok(Places { there, frozen })
}

fn stopped_in(repository_id: &str, environment: &Environment) -> SelectStatement {
    standing::Entity::find()
        .select_only()
        .column(standing::Column::RevisionId)
        .filter(standing::Column::RepositoryId.eq(repository_id))
        .filter(standing::Column::Environment.eq(environment.as_str()))
        .filter(standing::Column::State.is_in(["revoked", "suspended"]))
        .into_query()
}

/// Standings of a repository in an environment, the newest first.
pub async fn list_standings(
    db: &impl ConnectionTrait,
    repository_id: &str,
    environment: &Environment,
    state: &str,
) -> Result<Vec<standing::Model>, Fault> {
    let query = standing::Entity::find()
        .filter(standing::Column::RepositoryId.eq(repository_id))
        .filter(standing::Column::Environment.eq(environment.as_str()))
        .filter(standing::Column::State.eq(state))
        .order_by_desc(standing::Column::ChangedAt)
        .limit(200);
    query.all(db).await.map_err(fault("reading how revisions stand"))
}

/// Whether something of a revision was decided about on a newer basis.
pub async fn rests_on_newer(db: &Reader, revision_id: &str, number: i64) -> Result<bool, Fault> {
    let query = standing::Entity::find()
        .filter(standing::Column::RevisionId.eq(revision_id))
        .filter(standing::Column::Basis.gt(number));
    Ok(query.one(db).await.map_err(fault("reading what a standing rests on"))?.is_some())
}

/// Whether files of a revision were revoked by name.
pub async fn has_revoked_files(db: &Reader, revision_id: &str, environment: &Environment) -> Result<bool, Fault> {
    let query = revoked_file::Entity::find()
        .filter(revoked_file::Column::RevisionId.eq(revision_id))
        .filter(revoked_file::Column::Environment.eq(environment.as_str()));
    Ok(query.one(db).await.map_err(fault("reading revoked files"))?.is_some())
}

/// Approved, and not over: an approval ends at its time, whenever somebody writes so.
fn approved_at(at: Micros) -> Condition {
    let goes_on = Condition::any().add(standing::Column::ExpiresAt.is_null()).add(standing::Column::ExpiresAt.gt(at.0));
    Condition::all().add(standing::Column::State.eq("approved")).add(goes_on)
}

/// Whether anything of this model is approved in an environment.
pub async fn is_served_somehow(db: &Reader, name: &str, environment: &Environment, at: Micros) -> Result<bool, Fault> {
    let Some(name) = RepoName::parse(name) else { return Ok(false) };
    let Some(id) = sql::find_repository_id_of_name(db, name.kind().word(), &name.key()).await? else {
        return Ok(false);
    };
    let query = standing::Entity::find()
        .filter(standing::Column::RepositoryId.eq(id))
        .filter(standing::Column::Environment.eq(environment.as_str()))
        .filter(approved_at(at));
    Ok(query.one(db).await.map_err(fault("reading standings"))?.is_some())
}

pub async fn find_standing(
    db: &Tx,
    revision_id: &str,
    environment: &Environment,
) -> Result<Option<standing::Model>, Fault> {
    let query = standing::Entity::find_by_id((revision_id.to_owned(), environment.to_string()));
    query.lock_exclusive().one(db).await.map_err(fault("reading a standing"))
}

/// Holds everybody else who decides about this repository until this change is done.
pub async fn lock_repository(db: &Tx, id: &str) -> Result<(), Fault> {
    let query = repository::Entity::find_by_id(id).lock_exclusive();
    query.one(db).await.map_err(fault("locking a repository"))?;
    Ok(())
}

pub async fn find_knowledge(db: &Reader, revision_id: &str) -> Result<Option<knowledge::Model>, Fault> {
    knowledge::Entity::find_by_id(revision_id).one(db).await.map_err(fault("reading what is known of a revision"))
}

pub async fn save_knowledge(
    db: &Tx,
    _: &Granted<DecideRevision>,
    row: knowledge::Model,
    tree_digest: &str,
) -> Result<(), Fault> {
    use knowledge::Column as C;
    let id = row.revision_id.clone();
    let update = [C::Scanner, C::Verdict, C::Coverage, C::Facts, C::FindingsDigest, C::SeenAt];
    knowledge::Entity::insert(sql::all_set(row))
        .on_conflict(OnConflict::column(C::RevisionId).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing what is known of a revision"))?;
    revision::Entity::update_many()
        .col_expr(revision::Column::TreeDigest, Expr::value(tree_digest))
        .filter(revision::Column::Id.eq(id))
        .exec(db)
        .await
        .map_err(fault("writing a tree digest"))?;
    Ok(())
}

/// The hidden files of a revision in an environment, anew.
pub async fn replace_hidden(
    db: &Tx,
    _: &Granted<DecideRevision>,
    revision_id: &str,
    environment: &Environment,
    hidden: &BTreeMap<String, (String, String)>,
) -> Result<(), Fault> {
    hidden_file::Entity::delete_many()
        .filter(hidden_file::Column::RevisionId.eq(revision_id))
        .filter(hidden_file::Column::Environment.eq(environment.as_str()))
        .exec(db)
        .await
        .map_err(fault("hiding files"))?;
    for (path, (rule, reason)) in hidden {
        let row = hidden_file::Model {
            revision_id: revision_id.to_owned(),
            environment: environment.to_string(),
            path: path.clone(),
            rule: rule.clone(),
            reason: reason.clone(),
        };
        hidden_file::Entity::insert(sql::all_set(row))
            .exec_without_returning(db)
            .await
            .map_err(fault("hiding a file"))?;
    }
    Ok(())
}

/// The files that are hidden in an environment, each with its rule and reason.
pub async fn list_hidden(
    db: &Reader,
    revision_id: &str,
    environment: &Environment,
) -> Result<BTreeMap<String, (String, String)>, Fault> {
    let query = hidden_file::Entity::find()
        .filter(hidden_file::Column::RevisionId.eq(revision_id))
        .filter(hidden_file::Column::Environment.eq(environment.as_str()));
    let rows = query.all(db).await.map_err(fault("reading hidden files"))?;
    Ok(rows.into_iter().map(|row| (row.path, (row.rule, row.reason))).collect())
}

/// What rules decided in one environment.
pub struct Decided<'a> {
    pub standing: standing::Model,
    pub moves: &'a [Move],
    /// The approval that this replaces or ends.
    pub ends: Option<&'a str>,
    pub at: Micros,
}

/// Moves pointers, in the environment of a standing.
pub async fn save_moves(
    db: &Tx,
    _: &Granted<DecideRevision>,
    row: &standing::Model,
    at: Micros,
    moves: &[Move],
) -> Result<(), Fault> {
    for step in moves {
        let place = pointer::Model {
            repository_id: row.repository_id.clone(),
            environment: row.environment.clone(),
            name: step.name.clone(),
            kind: step.kind.clone(),
            commit_id: step.to.clone(),
            moved_at: at.0,
        };
        let key = [pointer::Column::RepositoryId, pointer::Column::Environment, pointer::Column::Name];
        let update = [pointer::Column::CommitId, pointer::Column::MovedAt, pointer::Column::Kind];
        pointer::Entity::insert(sql::all_set(place))
            .on_conflict(OnConflict::columns(key).update_columns(update).to_owned())
            .exec_without_returning(db)
            .await
            .map_err(fault("moving a pointer"))?;
    }
    Ok(())
}

pub async fn save_decided(db: &Tx, may: &Granted<DecideRevision>, decided: &Decided<'_>) -> Result<(), Fault> {
    let row = &decided.standing;
    if let (Some(id), Some(evidence_digest)) = (&row.approval_id, &row.evidence_digest) {
        let given = approval::Model {
            id: id.clone(),
            revision_id: row.revision_id.clone(),
            environment: row.environment.clone(),
            evidence_digest: evidence_digest.clone(),
            reason: row.reason.clone(),
            actor_ref: may.actor().reference().to_owned(),
            given_at: row.changed_at,
            expires_at: row.expires_at,
            ended_at: None,
        };
        approval::Entity::insert(sql::all_set(given))
            .exec_without_returning(db)
            .await
            .map_err(fault("writing an approval"))?;
    }
    end_approval(db, decided.ends, decided.at).await?;
    save_moves(db, may, row, decided.at, decided.moves).await?;
    save_standing(db, may, row.clone()).await
}

async fn end_approval(db: &Tx, id: Option<&str>, at: Micros) -> Result<(), Fault> {
    let Some(id) = id else { return Ok(()) };
    approval::Entity::update_many()
        .col_expr(approval::Column::EndedAt, Expr::value(at.0))
        .filter(approval::Column::Id.eq(id))
        .filter(approval::Column::EndedAt.is_null())
        .exec(db)
        .await
        .map_err(fault("ending an approval"))?;
    Ok(())
}

pub async fn save_standing(db: &Tx, _: &Granted<DecideRevision>, row: standing::Model) -> Result<(), Fault> {
    use standing::Column as C;
    let update = [
        C::State,
        C::Reason,
        C::ApprovalId,
        C::EvidenceDigest,
        C::ExpiresAt,
        C::ChangedAt,
        C::DecidedBy,
        C::Rules,
        C::UntilAt,
        C::Basis,
    ];
    standing::Entity::insert(sql::all_set(row))
        .on_conflict(OnConflict::columns([C::RevisionId, C::Environment]).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing a standing"))?;
    Ok(())
}

/// An approval from before there was a scan is a request to look at it now.
pub async fn save_old_approval_as_request(
    db: &Tx,
    may: &Granted<DecideRevision>,
    name: &RepoName,
    commit: &str,
    environment: &Environment,
    at: Micros,
) -> Result<(), Fault> {
    let row = request::Model {
        id: clock::new_id(),
        repo_kind: name.kind().word().to_owned(),
        repo: name.path().to_owned(),
        rev: commit.to_owned(),
        commit_id: Some(commit.to_owned()),
        environment: environment.to_string(),
        reason: "It was approved before files were scanned.".to_owned(),
        actor_ref: may.actor().reference().to_owned(),
        actor_name: "weighbridge".to_owned(),
        made_at: at.0,
        state: "open".to_owned(),
        decided_at: None,
    };
    request::Entity::insert(sql::all_set(row)).exec_without_returning(db).await.map_err(fault("writing a request"))?;
    Ok(())
}
