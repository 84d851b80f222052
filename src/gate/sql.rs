//! The gate's questions to the database: what is this name, what points where, what has been decided.
//!
//! Reads only, but for the decision row that a denial leaves.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
    QueryTrait, sea_query::OnConflict,
};

use crate::{
    domain::{name::RepoKind, refusal::Fault, rev::Commit, role::Environment, time::Micros},
    store::{
        Reader,
        chores::Chores,
        fault,
        tables::{
            decision, denied_digest, directory_group, directory_member, elevation, file, hidden_file, history,
            hub_look, hub_state, person, person_group, pointer, repository, repository_name, revision, revision_use,
            revoked_file, role_grant, session, standing, token, token_use, workload_block,
        },
    },
};

pub(super) async fn find_token(db: &Reader, hash: &[u8; 32]) -> Result<Option<token::Model>, Fault> {
    let query = token::Entity::find().filter(token::Column::Hash.eq(hash.to_vec()));
    query.one(db).await.map_err(fault("looking a token up"))
}

pub(super) async fn find_token_by_id(db: &Reader, id: &str) -> Result<Option<token::Model>, Fault> {
    token::Entity::find_by_id(id).one(db).await.map_err(fault("looking a token up"))
}

pub(super) async fn find_session(db: &Reader, hash: &[u8; 32]) -> Result<Option<session::Model>, Fault> {
    let query = session::Entity::find().filter(session::Column::Hash.eq(hash.to_vec()));
    query.one(db).await.map_err(fault("looking a session up"))
}

pub(super) async fn find_session_by_id(db: &Reader, id: &str) -> Result<Option<session::Model>, Fault> {
    session::Entity::find_by_id(id).one(db).await.map_err(fault("looking a session up"))
}

pub(super) async fn find_person(db: &Reader, id: &str) -> Result<Option<person::Model>, Fault> {
    person::Entity::find_by_id(id).one(db).await.map_err(fault("looking a person up"))
}

/// The groups of a person that count: what the directory pushed, and what was said at the last sign-in if that was whole.
pub(super) async fn list_groups(db: &Reader, person_id: &str, claims_count: bool) -> Result<Vec<String>, Fault> {
    let failed = fault("reading somebody's groups");
    let rows = person_group::Entity::find().filter(person_group::Column::PersonId.eq(person_id)).all(db).await;
    let mut names: Vec<String> = rows
        .map_err(&failed)?
        .into_iter()
        .filter(|row| claims_count || row.source != "claim")
        .map(|row| row.group_name)
        .collect();
    let pushed = directory_group::Entity::find()
        .filter(
            directory_group::Column::Id.in_subquery(
                directory_member::Entity::find()
                    .select_only()
                    .column(directory_member::Column::GroupId)
                    .filter(directory_member::Column::PersonId.eq(person_id))
                    .into_query(),
            ),
        )
        .all(db)
        .await
        .map_err(&failed)?;
    names.extend(pushed.into_iter().map(|group| group.name));
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The roles that people granted somebody and that still hold.
pub(super) async fn list_role_grants(
    db: &Reader,
    person_id: &str,
    at: Micros,
) -> Result<Vec<role_grant::Model>, Fault> {
    let query = role_grant::Entity::find()
        .filter(role_grant::Column::PersonId.eq(person_id))
        .filter(role_grant::Column::WithdrawnAt.is_null());
    let rows = query.all(db).await.map_err(fault("reading somebody's roles"))?;
    Ok(rows.into_iter().filter(|row| row.expires_at.is_none_or(|end| end > at.0)).collect())
}

/// What stops tokens of an issuer.
pub(super) async fn list_workload_blocks(db: &Reader, issuer: &str) -> Result<Vec<workload_block::Model>, Fault> {
    let query = workload_block::Entity::find().filter(workload_block::Column::Issuer.eq(issuer));
    query.all(db).await.map_err(fault("reading which workloads are blocked"))
}

pub(super) async fn find_elevation(db: &Reader, credential_id: &str) -> Result<Option<elevation::Model>, Fault> {
    elevation::Entity::find_by_id(credential_id).one(db).await.map_err(fault("looking a step-up up"))
}

/// The repository that a name, in any spelling, means here.
pub(super) async fn find_repository(
    db: &Reader,
    kind: RepoKind,
    key: &str,
) -> Result<Option<repository::Model>, Fault> {
    let named = repository_name::Entity::find_by_id((kind.word().to_owned(), key.to_owned()));
    let Some(named) = named.one(db).await.map_err(fault("looking a name up"))? else { return Ok(None) };
    repository::Entity::find_by_id(named.repository_id).one(db).await.map_err(fault("looking a repository up"))
}

pub(super) async fn find_repository_by_upstream_id(
    db: &Reader,
    kind: RepoKind,
    upstream_id: &str,
) -> Result<Option<repository::Model>, Fault> {
    let query = repository::Entity::find()
        .filter(repository::Column::Kind.eq(kind.word()))
        .filter(repository::Column::UpstreamId.eq(upstream_id));
    query.one(db).await.map_err(fault("looking a repository up"))
}

pub(super) async fn find_pointer(
    db: &Reader,
    repository_id: &str,
    environment: &Environment,
    name: &str,
) -> Result<Option<String>, Fault> {
    let id = (repository_id.to_owned(), environment.as_str().to_owned(), name.to_owned());
    let row = pointer::Entity::find_by_id(id).one(db).await.map_err(fault("looking a pointer up"))?;
    Ok(row.map(|row| row.commit_id))
}

pub(super) async fn find_revision(
    db: &Reader,
    repository_id: &str,
    commit: &Commit,
) -> Result<Option<revision::Model>, Fault> {
    let query = revision::Entity::find()
        .filter(revision::Column::RepositoryId.eq(repository_id))
        .filter(revision::Column::CommitId.eq(commit.as_str()));
    query.one(db).await.map_err(fault("looking a revision up"))
}

pub(super) async fn find_standing(
    db: &Reader,
    revision_id: &str,
    environment: &Environment,
) -> Result<Option<standing::Model>, Fault> {
    let id = (revision_id.to_owned(), environment.as_str().to_owned());
    standing::Entity::find_by_id(id).one(db).await.map_err(fault("looking a standing up"))
}

/// Everything that has been decided about a repository in this environment.
pub(super) async fn list_standings(
    db: &Reader,
    repository_id: &str,
    environment: &Environment,
) -> Result<Vec<standing::Model>, Fault> {
    let query = standing::Entity::find()
        .filter(standing::Column::RepositoryId.eq(repository_id))
        .filter(standing::Column::Environment.eq(environment.as_str()));
    query.all(db).await.map_err(fault("looking standings up"))
}

pub(super) async fn find_file(db: &Reader, revision_id: &str, path: &str) -> Result<Option<file::Model>, Fault> {
    let id = (revision_id.to_owned(), path.to_owned());
    file::Entity::find_by_id(id).one(db).await.map_err(fault("looking a file up"))
}

/// Why a single file of a revision was revoked, if it was.
pub(super) async fn find_revoked_file(
    db: &Reader,
    revision_id: &str,
    environment: &Environment,
    path: &str,
) -> Result<Option<String>, Fault> {
    let id = (revision_id.to_owned(), environment.as_str().to_owned(), path.to_owned());
    let row = revoked_file::Entity::find_by_id(id).one(db).await.map_err(fault("looking a revoked file up"))?;
    Ok(row.map(|row| row.reason))
}

/// Why a file is hidden: the rule, and its reason.
pub(super) async fn find_hidden_file(
    db: &Reader,
    revision_id: &str,
    environment: &Environment,
    path: &str,
) -> Result<Option<(String, String)>, Fault> {
    let id = (revision_id.to_owned(), environment.as_str().to_owned(), path.to_owned());
    let row = hidden_file::Entity::find_by_id(id).one(db).await.map_err(fault("looking a hidden file up"))?;
    Ok(row.map(|row| (row.rule, row.reason)))
}

/// A file of this revision whose bytes are on the deny list: one malicious file denies its whole revision.
pub(super) async fn find_denied_digest(db: &Reader, revision_id: &str) -> Result<Option<(String, String)>, Fault> {
    let denied = denied_digest::Entity::find()
        .filter(
            denied_digest::Column::Sha256.in_subquery(
                file::Entity::find()
                    .select_only()
                    .column(file::Column::Sha256)
                    .filter(file::Column::RevisionId.eq(revision_id))
                    .filter(file::Column::Sha256.is_not_null())
                    .into_query(),
            ),
        )
        .limit(1);
    let Some(denied) = denied.one(db).await.map_err(fault("reading the deny list"))? else { return Ok(None) };
    let named = file::Entity::find()
        .filter(file::Column::RevisionId.eq(revision_id))
        .filter(file::Column::Sha256.eq(denied.sha256))
        .one(db)
        .await
        .map_err(fault("reading the deny list"))?;
    Ok(Some((named.map(|f| f.path).unwrap_or_default(), denied.reason)))
}

/// The newest commit of a branch as the hub had it when we last looked, and when its history was read.
pub(super) async fn find_newest(
    db: &Reader,
    repository_id: &str,
    name: &str,
) -> Result<Option<(String, Micros)>, Fault> {
    let id = (repository_id.to_owned(), name.to_owned());
    let row = history::Entity::find_by_id(id).one(db).await.map_err(fault("reading a branch's history"))?;
    Ok(row.and_then(|row| Some((row.commits.split_whitespace().next()?.to_owned(), Micros(row.seen_at)))))
}

/// When the hub was last asked about a repository, and how it stands there when it is not simply there.
pub(super) async fn find_hub(db: &Reader, repository_id: &str) -> Result<(Option<Micros>, Option<String>), Fault> {
    let look = hub_look::Entity::find_by_id(repository_id).one(db).await;
    let look = look.map_err(fault("reading when the hub was asked"))?;
    let state = hub_state::Entity::find_by_id(repository_id).one(db).await;
    let state = state.map_err(fault("reading how a repository stands"))?;
    let state = state.map(|row| row.state).filter(|state| state != "live");
    Ok((look.map(|row| Micros(row.looked_at)), state))
}

/// Keeps a denial, so that the id in somebody's terminal can be asked about.
pub(super) async fn save_decision(db: &impl ConnectionTrait, row: decision::Model) -> Result<(), Fault> {
    let row: decision::ActiveModel = row.into();
    let row = row.reset_all();
    decision::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing a decision"))?;
    Ok(())
}

/// When a token or a session was last used, as far as that is written down.
pub(super) async fn find_use(db: &Reader, id: &str) -> Result<Option<Micros>, Fault> {
    let row = token_use::Entity::find_by_id(id).one(db).await.map_err(fault("reading when a session was used"))?;
    Ok(row.map(|row| Micros(row.last_used_at)))
}

/// When a token or a session was last used.
pub(super) async fn save_use(db: &Chores, token_id: &str, at: Micros) -> Result<(), Fault> {
    let row = token_use::ActiveModel { token_id: Set(token_id.to_owned()), last_used_at: Set(at.0) };
    let conflict =
        OnConflict::column(token_use::Column::TokenId).update_column(token_use::Column::LastUsedAt).to_owned();
    let insert = token_use::Entity::insert(row).on_conflict(conflict);
    insert.exec_without_returning(db).await.map_err(fault("writing when a token was last used"))?;
    Ok(())
}

/// When a revision was last pulled or looked at.
pub(super) async fn save_revision_use(db: &Chores, repository_id: &str, commit: &str, at: Micros) -> Result<(), Fault> {
    let row = revision_use::ActiveModel {
        repository_id: Set(repository_id.to_owned()),
        commit_id: Set(commit.to_owned()),
        used_at: Set(at.0),
    };
    let conflict = OnConflict::columns([revision_use::Column::RepositoryId, revision_use::Column::CommitId])
        .update_column(revision_use::Column::UsedAt)
        .to_owned();
    let insert = revision_use::Entity::insert(row).on_conflict(conflict);
    insert.exec_without_returning(db).await.map_err(fault("writing when a revision was last used"))?;
    Ok(())
}

/// A name that turned out to mean a repository we know.
pub(super) async fn save_name(
    db: &impl ConnectionTrait,
    kind: RepoKind,
    key: &str,
    repository_id: &str,
    at: i64,
) -> Result<(), Fault> {
    let row = repository_name::ActiveModel {
        kind: Set(kind.word().to_owned()),
        key: Set(key.to_owned()),
        repository_id: Set(repository_id.to_owned()),
        first_seen_at: Set(at),
    };
    let insert = repository_name::Entity::insert(row).on_conflict_do_nothing();
    insert.exec_without_returning(db).await.map_err(fault("writing a name"))?;
    Ok(())
}
