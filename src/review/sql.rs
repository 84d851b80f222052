//! The rows of deciding: revisions under examination, standings, approvals, pointers, requests and denials.
//!
//! What is written takes its object and actor from the grant that is spent on it.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, OnConflict},
};

use crate::{
    domain::{name::RepoName, pointers::Move, refusal::Fault, rev::Rev, role::Environment, time::Micros},
    gate::{
        act::{Act, ApproveRevision, PinPointer, RequestRevision, SearchCatalogue},
        grant::Granted,
        resolve::full_names,
        tx::Tx,
    },
    store::{
        fault,
        tables::{
            approval, decision, denied_digest, file, history, hub_look, hub_state, knowledge, pin, pointer, report,
            repository, repository_name, request, revision, revoked_file, standing,
        },
    },
};

pub async fn find_repository<A: Act>(may: &Granted<A>, name: &RepoName) -> Result<Option<repository::Model>, Fault> {
    let id = (name.kind().word().to_owned(), name.key());
    let named = repository_name::Entity::find_by_id(id).one(may.reader()).await.map_err(fault("looking a name up"))?;
    let Some(named) = named else { return Ok(None) };
    let row = repository::Entity::find_by_id(named.repository_id).one(may.reader()).await;
    row.map_err(fault("looking a repository up"))
}

pub async fn find_revision(
    db: &impl ConnectionTrait,
    repository_id: &str,
    commit: &str,
) -> Result<Option<revision::Model>, Fault> {
    let query = revision::Entity::find()
        .filter(revision::Column::RepositoryId.eq(repository_id))
        .filter(revision::Column::CommitId.eq(commit));
    query.one(db).await.map_err(fault("looking a revision up"))
}

pub async fn list_files(db: &impl ConnectionTrait, revision_id: &str) -> Result<Vec<file::Model>, Fault> {
    let query = file::Entity::find().filter(file::Column::RevisionId.eq(revision_id)).order_by_asc(file::Column::Path);
    query.all(db).await.map_err(fault("reading a revision's files"))
}

/// The files of a revision with these paths.
pub async fn list_named_files(
    db: &impl ConnectionTrait,
    revision_id: &str,
    paths: &[String],
) -> Result<Vec<file::Model>, Fault> {
    let query = file::Entity::find()
        .filter(file::Column::RevisionId.eq(revision_id))
        .filter(file::Column::Path.is_in(paths.iter().take(500)));
    query.all(db).await.map_err(fault("reading a revision's files"))
}

pub async fn list_histories(db: &impl ConnectionTrait, repository_id: &str) -> Result<Vec<history::Model>, Fault> {
    let query = history::Entity::find().filter(history::Column::RepositoryId.eq(repository_id));
    query.all(db).await.map_err(fault("reading histories"))
}

pub async fn find_standing(
    db: &impl ConnectionTrait,
    revision_id: &str,
    environment: &Environment,
) -> Result<Option<standing::Model>, Fault> {
    let query = standing::Entity::find_by_id((revision_id.to_owned(), environment.as_str().to_owned()));
    query.lock_exclusive().one(db).await.map_err(fault("reading a standing"))
}

/// The same without a lock, for those who only look.
pub async fn look_at_standing<A: Act>(
    may: &Granted<A>,
    revision_id: &str,
    environment: &Environment,
) -> Result<Option<standing::Model>, Fault> {
    let query = standing::Entity::find_by_id((revision_id.to_owned(), environment.as_str().to_owned()));
    query.one(may.reader()).await.map_err(fault("reading a standing"))
}

/// Every approved revision of a repository, or one revision's approvals.
pub async fn list_approved(
    db: &impl ConnectionTrait,
    repository_id: &str,
    revision_id: Option<&str>,
    environments: &[Environment],
) -> Result<Vec<(standing::Model, revision::Model)>, Fault> {
    let names = environments.iter().map(Environment::as_str);
    let mut query = standing::Entity::find()
        .filter(standing::Column::RepositoryId.eq(repository_id))
        .filter(standing::Column::Environment.is_in(names))
        .filter(standing::Column::State.ne("revoked"));
    if let Some(id) = revision_id {
        query = query.filter(standing::Column::RevisionId.eq(id));
    }
    let mut found = Vec::new();
    for row in query.all(db).await.map_err(fault("reading standings"))? {
        let revision = revision::Entity::find_by_id(row.revision_id.clone()).one(db).await;
        if let Some(revision) = revision.map_err(fault("looking a revision up"))? {
            found.push((row, revision));
        }
    }
    Ok(found)
}

/// Where a name points: a branch before a tag.
pub async fn find_pointer(
    db: &impl ConnectionTrait,
    repository_id: &str,
    environment: &Environment,
    rev: &Rev,
) -> Result<Option<pointer::Model>, Fault> {
    for name in full_names(rev) {
        let id = (repository_id.to_owned(), environment.as_str().to_owned(), name);
        let row = pointer::Entity::find_by_id(id).one(db).await.map_err(fault("looking a pointer up"))?;
        if row.is_some() {
            return Ok(row);
        }
    }
    Ok(None)
}

/// Holds everybody else who decides about this repository until this change is done: pointers and standings are read,
/// then written.
pub async fn lock_repository(db: &Tx, id: &str) -> Result<(), Fault> {
    let query = repository::Entity::find_by_id(id).lock_exclusive();
    query.one(db).await.map_err(fault("locking a repository"))?;
    Ok(())
}

pub async fn list_pointers(
    db: &impl ConnectionTrait,
    repository_id: &str,
    environment: &Environment,
) -> Result<Vec<pointer::Model>, Fault> {
    let query = pointer::Entity::find()
        .filter(pointer::Column::RepositoryId.eq(repository_id))
        .filter(pointer::Column::Environment.eq(environment.as_str()));
    query.all(db).await.map_err(fault("reading pointers"))
}

/// A file of the revision whose bytes are denied everywhere.
pub async fn find_denied(db: &impl ConnectionTrait, files: &[file::Model]) -> Result<Option<(String, String)>, Fault> {
    for some in files.chunks(500) {
        let digests = some.iter().filter_map(|f| f.sha256.clone());
        let row = denied_digest::Entity::find().filter(denied_digest::Column::Sha256.is_in(digests)).one(db).await;
        if let Some(row) = row.map_err(fault("reading the deny list"))? {
            let path = some.iter().find(|f| f.sha256.as_deref() == Some(&row.sha256)).map(|f| f.path.clone());
            return Ok(Some((path.unwrap_or_default(), row.reason)));
        }
    }
    Ok(None)
}

/// What is known of a revision, as policy read it.
pub async fn find_knowledge(db: &impl ConnectionTrait, revision_id: &str) -> Result<Option<knowledge::Model>, Fault> {
    knowledge::Entity::find_by_id(revision_id).one(db).await.map_err(fault("reading what is known of a revision"))
}

pub async fn list_reports<A: Act>(may: &Granted<A>, revision_id: &str) -> Result<Vec<report::Model>, Fault> {
    let query =
        report::Entity::find().filter(report::Column::RevisionId.eq(revision_id)).order_by_asc(report::Column::Path);
    query.all(may.reader()).await.map_err(fault("reading reports"))
}

/// What an approval writes.
pub struct Approved<'a> {
    pub revision: &'a revision::Model,
    pub tree_digest: String,
    pub evidence_digest: String,
    pub approval_id: &'a str,
    pub reason: &'a str,
    /// The review rules that this answers.
    pub answers: String,
    pub at: Micros,
    pub expires_at: Micros,
    pub moves: &'a [Move],
    /// What the rules it answers rest on.
    pub basis: i64,
    /// The approval that this one replaces.
    pub ends: Option<String>,
}

pub async fn save_approval(db: &Tx, may: &Granted<ApproveRevision>, approved: &Approved<'_>) -> Result<(), Fault> {
    let environment = may.environment().as_str();
    let Approved { revision, at, expires_at, .. } = approved;
    let row = standing::Model {
        revision_id: revision.id.clone(),
        environment: environment.to_owned(),
        repository_id: revision.repository_id.clone(),
        state: "approved".to_owned(),
        reason: approved.reason.to_owned(),
        approval_id: Some(approved.approval_id.to_owned()),
        evidence_digest: Some(approved.evidence_digest.clone()),
        expires_at: Some(expires_at.0),
        changed_at: at.0,
        decided_by: "person".to_owned(),
        rules: approved.answers.clone(),
        until_at: None,
        basis: approved.basis,
    };
    save_standing(db, row).await?;
    end_approval(db, approved.ends.as_deref(), *at).await?;
    let row = approval::Model {
        id: approved.approval_id.to_owned(),
        revision_id: revision.id.clone(),
        environment: environment.to_owned(),
        evidence_digest: approved.evidence_digest.clone(),
        reason: approved.reason.to_owned(),
        actor_ref: may.actor().reference().to_owned(),
        given_at: at.0,
        expires_at: Some(expires_at.0),
        ended_at: None,
    };
    approval::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing an approval"))?;
    revision::Entity::update_many()
        .col_expr(revision::Column::TreeDigest, Expr::value(approved.tree_digest.clone()))
        .filter(revision::Column::Id.eq(&revision.id))
        .exec(db)
        .await
        .map_err(fault("writing a tree digest"))?;
    for step in approved.moves {
        save_pointer(db, may, &revision.repository_id, step, *at).await?;
    }
    Ok(())
}

/// Moves a pointer in the grant's environment.
pub async fn save_pointer<A: Act>(
    db: &Tx,
    may: &Granted<A>,
    repository_id: &str,
    step: &Move,
    at: Micros,
) -> Result<(), Fault> {
    let row = pointer::Model {
        repository_id: repository_id.to_owned(),
        environment: may.environment().to_string(),
        name: step.name.clone(),
        kind: step.kind.clone(),
        commit_id: step.to.clone(),
        moved_at: at.0,
    };
    let key = [pointer::Column::RepositoryId, pointer::Column::Environment, pointer::Column::Name];
    let update = [pointer::Column::CommitId, pointer::Column::MovedAt, pointer::Column::Kind];
    pointer::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::columns(key).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("moving a pointer"))?;
    Ok(())
}

/// Remembers that a person put a pointer there: while it stays, nothing of that commit is evicted.
pub async fn save_pin(
    db: &Tx,
    may: &Granted<PinPointer>,
    repository_id: &str,
    step: &Move,
    at: Micros,
) -> Result<(), Fault> {
    let row = pin::Model {
        repository_id: repository_id.to_owned(),
        environment: may.environment().to_string(),
        name: step.name.clone(),
        commit_id: step.to.clone(),
        pinned_at: at.0,
    };
    let key = [pin::Column::RepositoryId, pin::Column::Environment, pin::Column::Name];
    pin::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::columns(key).update_columns([pin::Column::CommitId, pin::Column::PinnedAt]).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("remembering a pin"))?;
    Ok(())
}

/// Ends approvals: what a revocation does to each of its targets.
pub async fn save_revoked<A: Act>(
    db: &Tx,
    _: &Granted<A>,
    row: standing::Model,
    reason: &str,
    at: Micros,
) -> Result<(), Fault> {
    end_approval(db, row.approval_id.as_deref(), at).await?;
    save_standing(
        db,
        standing::Model { state: "revoked".to_owned(), reason: reason.to_owned(), changed_at: at.0, ..row },
    )
    .await
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

pub async fn save_revoked_file<A: Act>(
    db: &Tx,
    _: &Granted<A>,
    target: &standing::Model,
    path: &str,
    reason: &str,
    at: Micros,
) -> Result<(), Fault> {
    let row = revoked_file::Model {
        revision_id: target.revision_id.clone(),
        environment: target.environment.clone(),
        path: path.to_owned(),
        reason: reason.to_owned(),
        revoked_at: at.0,
    };
    revoked_file::Entity::insert(row.into_active_model().reset_all())
        .on_conflict_do_nothing()
        .exec_without_returning(db)
        .await
        .map_err(fault("revoking a file"))?;
    Ok(())
}

pub async fn save_denied<A: Act>(db: &Tx, _: &Granted<A>, sha256: &str, reason: &str, at: Micros) -> Result<(), Fault> {
    let row = denied_digest::Model { sha256: sha256.to_owned(), reason: reason.to_owned(), denied_at: at.0 };
    denied_digest::Entity::insert(row.into_active_model().reset_all())
        .on_conflict_do_nothing()
        .exec_without_returning(db)
        .await
        .map_err(fault("writing the deny list"))?;
    Ok(())
}

/// The approved revisions, anywhere, that hold one of these digests.
pub async fn list_holders<A: Act>(
    may: &Granted<A>,
    digests: &[String],
) -> Result<Vec<(standing::Model, revision::Model, String)>, Fault> {
    let files = file::Entity::find().filter(file::Column::Sha256.is_in(digests)).all(may.reader()).await;
    let ids: std::collections::BTreeSet<_> =
        files.map_err(fault("looking digests up"))?.into_iter().map(|f| f.revision_id).collect();
    let mut found = Vec::new();
    for id in ids {
        let rows = standing::Entity::find()
            .filter(standing::Column::RevisionId.eq(&id))
            .filter(standing::Column::State.eq("approved"))
            .all(may.reader())
            .await
            .map_err(fault("reading standings"))?;
        for row in rows {
            let revision = revision::Entity::find_by_id(id.clone())
                .one(may.reader())
                .await
                .map_err(fault("looking a revision up"))?;
            let repository = repository::Entity::find_by_id(row.repository_id.clone()).one(may.reader()).await;
            let repository = repository.map_err(fault("looking a repository up"))?;
            if let (Some(revision), Some(repository)) = (revision, repository) {
                found.push((row, revision, repository.name));
            }
        }
    }
    Ok(found)
}

/// Where one pointer of an environment is, and what is known of the branch it follows.
pub struct Pointed {
    pub pointer: pointer::Model,
    pub repository: repository::Model,
    pub history: Option<history::Model>,
    pub looked_at: Option<i64>,
    pub hub: Option<hub_state::Model>,
    /// How the newest commit there stands here.
    pub newest: Option<standing::Model>,
}

/// Every pointer of the grant's environment into repositories of a kind.
pub async fn list_pointed(may: &Granted<SearchCatalogue>) -> Result<Vec<Pointed>, Fault> {
    let (db, environment) = (may.reader(), may.environment().as_str());
    let of_kind = repository::Entity::find()
        .select_only()
        .column(repository::Column::Id)
        .filter(repository::Column::Kind.eq(may.object().0.word()))
        .into_query();
    let query = pointer::Entity::find()
        .filter(pointer::Column::Environment.eq(environment))
        .filter(pointer::Column::RepositoryId.in_subquery(of_kind))
        .order_by_asc(pointer::Column::RepositoryId)
        .order_by_asc(pointer::Column::Name)
        .limit(MOST_POINTERS);
    let mut found = Vec::new();
    for pointer in query.all(db).await.map_err(fault("reading pointers"))? {
        let id = pointer.repository_id.clone();
        let repository = repository::Entity::find_by_id(&id).one(db).await.map_err(fault("looking a repository up"))?;
        let Some(repository) = repository else { continue };
        let history = history::Entity::find_by_id((id.clone(), pointer.name.clone())).one(db).await;
        let history = history.map_err(fault("reading a branch's history"))?;
        let look = hub_look::Entity::find_by_id(&id).one(db).await.map_err(fault("reading when the hub was asked"))?;
        let hub = hub_state::Entity::find_by_id(&id).one(db).await.map_err(fault("reading how a repository stands"))?;
        let head = history.as_ref().and_then(|one| one.commits.split_whitespace().next());
        let newest = match head {
            Some(commit) => match find_revision(db, &id, commit).await? {
                Some(revision) => look_at_standing(may, &revision.id, may.environment()).await?,
                None => None,
            },
            None => None,
        };
        let looked_at = look.map(|row| row.looked_at);
        found.push(Pointed { pointer, repository, history, looked_at, hub, newest });
    }
    Ok(found)
}

/// Pointers in one answer.
pub const MOST_POINTERS: u64 = 2000;

async fn save_standing(db: &Tx, row: standing::Model) -> Result<(), Fault> {
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
    standing::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::columns([C::RevisionId, C::Environment]).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing a standing"))?;
    Ok(())
}

pub async fn save_request(db: &Tx, _: &Granted<RequestRevision>, row: request::Model) -> Result<(), Fault> {
    let insert = request::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(db).await.map_err(fault("writing a request"))?;
    Ok(())
}

/// The open requests that an approval answers: for this commit, or for a name that means it from now on. Says who made
/// them.
pub async fn close_requests(
    db: &Tx,
    may: &Granted<ApproveRevision>,
    commit: &str,
    now_means: &[&str],
    at: Micros,
) -> Result<Vec<String>, Fault> {
    let object = may.object();
    let open = request::Entity::find()
        .filter(request::Column::RepoKind.eq(object.repo.kind().word()))
        .filter(request::Column::Environment.eq(may.environment().as_str()))
        .filter(request::Column::State.eq("open"))
        .all(db)
        .await
        .map_err(fault("reading requests"))?;
    let mut made_by = Vec::new();
    for row in open {
        let asked = Rev::new(&row.rev).map(|rev| full_names(&rev)).unwrap_or_default();
        let answered = row.rev == commit || asked.iter().any(|name| now_means.contains(&name.as_str()));
        if answered && row.repo.eq_ignore_ascii_case(object.repo.path()) {
            made_by.push(row.actor_ref.clone());
            let mut row = row.into_active_model();
            row.state = Set("approved".to_owned());
            row.decided_at = Set(Some(at.0));
            row.update(db).await.map_err(fault("closing a request"))?;
        }
    }
    Ok(made_by)
}

pub async fn find_open_request(may: &Granted<RequestRevision>) -> Result<Option<request::Model>, Fault> {
    let object = may.object();
    let query = request::Entity::find()
        .filter(request::Column::RepoKind.eq(object.repo.kind().word()))
        .filter(request::Column::Repo.eq(object.repo.path()))
        .filter(request::Column::Rev.eq(object.rev.as_str()))
        .filter(request::Column::Environment.eq(may.environment().as_str()))
        .filter(request::Column::ActorRef.eq(may.actor().reference()))
        .filter(request::Column::State.eq("open"));
    query.one(may.reader()).await.map_err(fault("looking a request up"))
}

/// Requests, newest first: everybody's, or only one actor's.
pub async fn list_requests<A: Act>(may: &Granted<A>, of: Option<&str>) -> Result<Vec<request::Model>, Fault> {
    let mut query = request::Entity::find().order_by_desc(request::Column::MadeAt).limit(500);
    if let Some(actor) = of {
        query = query.filter(request::Column::ActorRef.eq(actor));
    }
    query.all(may.reader()).await.map_err(fault("reading requests"))
}

pub async fn find_request<A: Act>(may: &Granted<A>, id: &str) -> Result<Option<request::Model>, Fault> {
    request::Entity::find_by_id(id).one(may.reader()).await.map_err(fault("looking a request up"))
}

pub async fn find_decision<A: Act>(may: &Granted<A>, id: &str) -> Result<Option<decision::Model>, Fault> {
    decision::Entity::find_by_id(id).one(may.reader()).await.map_err(fault("looking a decision up"))
}
