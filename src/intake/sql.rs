//! The intake's rows: what the hub said of repositories, revisions and files, and the blobs that were stored.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Alias, Expr, ExprTrait, OnConflict, SelectStatement},
};

use crate::{
    app::Basis,
    clock,
    domain::{
        basis::LIMITED, digest::Sha256, name::RepoName, pointers::Move, refusal::Fault, role::Environment, time::Micros,
    },
    gate::{
        act::{CloseBlob, DecideRevision, InspectRevision, ListRevision, StoreBlob, SuspendRevision},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{
            approval, blob, file, hidden_file, history, knowledge, listing, pin, pointer, report, repository,
            repository_name, request, revision, revoked_file, standing, tensor_list, terms,
        },
    },
};

pub async fn find_repository_id_of_name(
    db: &impl ConnectionTrait,
    kind: &str,
    key: &str,
) -> Result<Option<String>, Fault> {
    let id = (kind.to_owned(), key.to_owned());
    let row = repository_name::Entity::find_by_id(id).one(db).await.map_err(fault("looking a name up"))?;
    Ok(row.map(|row| row.repository_id))
}

pub async fn find_repository_by_upstream(
    db: &impl ConnectionTrait,
    kind: &str,
    upstream_id: &str,
) -> Result<Option<String>, Fault> {
    let query = repository::Entity::find()
        .filter(repository::Column::Kind.eq(kind))
        .filter(repository::Column::UpstreamId.eq(upstream_id));
    Ok(query.one(db).await.map_err(fault("looking a repository up"))?.map(|row| row.id))
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

/// The sha256 of files outside LFS that we have stored, by git id and size.
pub async fn find_digests(db: &Reader, git_ids: &[String]) -> Result<HashMap<(String, i64), String>, Fault> {
    let mut found = HashMap::new();
    for some in git_ids.chunks(500) {
        let known = file::Entity::find()
            .select_only()
            .columns([file::Column::GitId, file::Column::Size, file::Column::Sha256])
            .distinct()
            .filter(file::Column::GitId.is_in(some))
            .filter(file::Column::Lfs.is_null())
            .filter(file::Column::Sha256.is_not_null());
        let rows: Vec<(String, i64, String)> = known.into_tuple().all(db).await.map_err(fault("looking digests up"))?;
        found.extend(rows.into_iter().map(|(git_id, size, sha256)| ((git_id, size), sha256)));
    }
    Ok(found)
}

/// The next files of a revision, by path, whose sha256 nobody knows yet.
pub async fn list_unknown(db: &Reader, revision_id: &str, after: &str, most: u64) -> Result<Vec<file::Model>, Fault> {
    let query = file::Entity::find()
        .filter(file::Column::RevisionId.eq(revision_id))
        .filter(file::Column::Path.gt(after))
        .filter(file::Column::Sha256.is_null())
        .order_by_asc(file::Column::Path)
        .limit(most);
    query.all(db).await.map_err(fault("reading a revision's files"))
}

/// How many bytes of a revision nobody has seen yet.
pub async fn count_unknown_bytes(db: &Reader, revision_id: &str) -> Result<u64, Fault> {
    let query = file::Entity::find()
        .select_only()
        .column_as(Expr::col(file::Column::Size).sum().cast_as("BIGINT"), "bytes")
        .filter(file::Column::RevisionId.eq(revision_id))
        .filter(file::Column::Sha256.is_null());
    let bytes: Option<Option<i64>> = query.into_tuple().one(db).await.map_err(fault("reading a revision's files"))?;
    Ok(bytes.flatten().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default())
}

/// What the hub said of one revision, as rows. The ids in them are proposals: `begin_listing` says which ones hold.
pub struct Listing {
    pub repository: repository::Model,
    pub names: Vec<String>,
    pub revision: revision::Model,
    pub files: Vec<file::Model>,
    pub histories: Vec<history::Model>,
}

/// The ids under which a revision is written down: those of whoever began first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    pub repository: String,
    pub revision: String,
    /// It is listed already, and a commit does not change.
    pub listed: bool,
}

/// Writes the repository and its names down and settles the ids. Several replicas may list one revision at once, and one
/// that died leaves half of it behind: all of them go on under the same id. `None` when a name means another repository.
pub async fn begin_listing(db: &Tx, _: &Granted<ListRevision>, listing: &Listing) -> Result<Option<Ids>, Fault> {
    let Listing { repository, names, revision, .. } = listing;
    let unique = [repository::Column::Kind, repository::Column::UpstreamId];
    let update = [repository::Column::HubName, repository::Column::Facts, repository::Column::SeenAt];
    repository::Entity::insert(all_set(repository.clone()))
        .on_conflict(OnConflict::columns(unique).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing a repository"))?;
    let id = find_repository_by_upstream(db, &repository.kind, &repository.upstream_id).await?;
    let id = id.ok_or_else(|| Fault::new("writing a repository: it is gone again").passing())?;
    for key in names {
        let row = repository_name::Model {
            kind: repository.kind.clone(),
            key: key.clone(),
            repository_id: id.clone(),
            first_seen_at: revision.listed_at,
        };
        repository_name::Entity::insert(all_set(row))
            .on_conflict_do_nothing()
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a name"))?;
        if find_repository_id_of_name(db, &repository.kind, key).await?.as_deref() != Some(&id) {
            return Ok(None);
        }
    }
    let mine = listing::Model {
        repository_id: id.clone(),
        commit_id: revision.commit_id.clone(),
        revision_id: revision.id.clone(),
        begun_at: revision.listed_at,
    };
    let place = (id.clone(), revision.commit_id.clone());
    listing::Entity::insert(all_set(mine))
        .on_conflict_do_nothing()
        .exec_without_returning(db)
        .await
        .map_err(fault("beginning a listing"))?;
    let begun = listing::Entity::find_by_id(place).one(db).await.map_err(fault("beginning a listing"))?;
    let begun = begun.ok_or_else(|| Fault::new("beginning a listing: it is gone again").passing())?;
    // Looked at last: whoever finished meanwhile has taken the row above away, and left the revision.
    if let Some(done) = find_revision(db, &id, &revision.commit_id).await? {
        delete_listing(db, &id, &revision.commit_id).await?;
        return Ok(Some(Ids { repository: id, revision: done.id, listed: true }));
    }
    Ok(Some(Ids { repository: id, revision: begun.revision_id, listed: false }))
}

/// Some of a revision's files. Nobody sees them before `end_listing`.
pub async fn save_files(db: &Tx, _: &Granted<ListRevision>, rows: Vec<file::Model>) -> Result<(), Fault> {
    let mut rows = rows.into_iter().map(all_set).peekable();
    while rows.peek().is_some() {
        // 500 rows of six values stay under every database's limit of bound values.
        file::Entity::insert_many(rows.by_ref().take(500))
            .on_conflict_do_nothing()
            .exec_without_returning(db)
            .await
            .map_err(fault("writing files"))?;
    }
    Ok(())
}

/// The last part of a listing: the revision itself, and the branches it lies on.
pub async fn end_listing(
    db: &Tx,
    _: &Granted<ListRevision>,
    ids: &Ids,
    revision: revision::Model,
    histories: Vec<history::Model>,
) -> Result<(), Fault> {
    if !ids.listed {
        delete_listing(db, &ids.repository, &revision.commit_id).await?;
        let row = revision::Model { id: ids.revision.clone(), repository_id: ids.repository.clone(), ..revision };
        revision::Entity::insert(all_set(row))
            .on_conflict_do_nothing()
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a revision"))?;
    }
    for row in histories {
        let row = history::Model { repository_id: ids.repository.clone(), ..row };
        let update = [history::Column::Commits, history::Column::SeenAt, history::Column::RefKind];
        history::Entity::insert(all_set(row))
            .on_conflict(
                OnConflict::columns([history::Column::RepositoryId, history::Column::RefName])
                    .update_columns(update)
                    // Of two that asked the hub at once, the one that asked first may write last.
                    .action_and_where(
                        Expr::col((history::Entity, history::Column::SeenAt))
                            .lte(Expr::col((Alias::new("excluded"), history::Column::SeenAt))),
                    )
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a branch's history"))?;
    }
    Ok(())
}

async fn delete_listing(db: &Tx, repository_id: &str, commit: &str) -> Result<(), Fault> {
    let place = (repository_id.to_owned(), commit.to_owned());
    listing::Entity::delete_by_id(place).exec(db).await.map_err(fault("ending a listing"))?;
    Ok(())
}

/// Every file with this git id learns its sha256, and the blob gets its row.
pub async fn save_blob(
    db: &Tx,
    may: &Granted<StoreBlob>,
    git_id: Option<&str>,
    seal: &str,
    at: Micros,
) -> Result<(), Fault> {
    let object = may.object();
    let (sha256, size) = (object.0.to_string(), i64::try_from(object.1).unwrap_or(i64::MAX));
    let row = blob::Model {
        sha256: sha256.clone(),
        size,
        seal: seal.to_owned(),
        state: "stored".to_owned(),
        stored_at: at.0,
    };
    let update = [blob::Column::Seal, blob::Column::State, blob::Column::StoredAt];
    blob::Entity::insert(all_set(row))
        .on_conflict(OnConflict::column(blob::Column::Sha256).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing a blob"))?;
    if let Some(git_id) = git_id {
        file::Entity::update_many()
            .col_expr(file::Column::Sha256, Expr::value(sha256))
            .filter(file::Column::GitId.eq(git_id))
            .filter(file::Column::Size.eq(size))
            .filter(file::Column::Lfs.is_null())
            .filter(file::Column::Sha256.is_null())
            .exec(db)
            .await
            .map_err(fault("writing a file's digest"))?;
    }
    Ok(())
}

/// A stored blob is no longer what was verified: nobody reads it until it has been fetched again.
pub async fn close_blob(db: &Tx, may: &Granted<CloseBlob>) -> Result<(), Fault> {
    blob::Entity::delete_by_id(may.object().0.to_string()).exec(db).await.map_err(fault("closing a blob"))?;
    Ok(())
}

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

/// Every file of a revision, by path.
pub async fn list_all_files(db: &Reader, revision_id: &str) -> Result<Vec<file::Model>, Fault> {
    let query = file::Entity::find().filter(file::Column::RevisionId.eq(revision_id)).order_by_asc(file::Column::Path);
    query.all(db).await.map_err(fault("reading a revision's files"))
}

/// The files of a revision that this scanner, or one that replaces it, has reported on.
pub async fn list_reported(
    db: &Reader,
    revision_id: &str,
    (basis, limited): (&Basis, &str),
    siblings: &str,
) -> Result<HashSet<String>, Fault> {
    let query = report::Entity::find()
        .select_only()
        .columns([report::Column::Path, report::Column::Scanner])
        .filter(report::Column::RevisionId.eq(revision_id))
        .filter(report::Column::Siblings.eq(siblings));
    let rows: Vec<(String, String)> = query.into_tuple().all(db).await.map_err(fault("reading reports"))?;
    // Under another limit than today's, what was over it may not be so any more.
    let holds = |scanner: &str| basis.leaves(scanner) && (scanner == limited || !scanner.contains(LIMITED));
    Ok(rows.into_iter().filter(|(_, scanner)| holds(scanner)).map(|(path, _)| path).collect())
}

/// What is known of these bytes among the same neighbours, in whatever revision.
pub async fn list_same(
    db: &Reader,
    bytes_ids: &[String],
    scanner: &str,
    siblings: &str,
) -> Result<Vec<report::Model>, Fault> {
    let mut found = Vec::new();
    for some in bytes_ids.chunks(500) {
        let query = report::Entity::find()
            .filter(report::Column::BytesId.is_in(some))
            .filter(report::Column::Scanner.eq(scanner))
            .filter(report::Column::Siblings.eq(siblings));
        found.extend(query.all(db).await.map_err(fault("reading reports"))?);
    }
    // What was read whole is worth more than what was read by ranges.
    found.sort_by_key(|row| row.stage != super::inspect::VERIFIED);
    Ok(found)
}

pub async fn list_reports(db: &impl ConnectionTrait, revision_id: &str) -> Result<Vec<report::Model>, Fault> {
    let query =
        report::Entity::find().filter(report::Column::RevisionId.eq(revision_id)).order_by_asc(report::Column::Path);
    query.all(db).await.map_err(fault("reading reports"))
}

pub async fn find_report(db: &Reader, revision_id: &str, path: &str) -> Result<Option<report::Model>, Fault> {
    let id = (revision_id.to_owned(), path.to_owned());
    report::Entity::find_by_id(id).one(db).await.map_err(fault("reading a report"))
}

/// How a stored blob was left.
pub async fn find_seal(db: &Reader, sha256: &Sha256) -> Result<Option<String>, Fault> {
    let row = blob::Entity::find_by_id(sha256.to_string()).one(db).await.map_err(fault("looking a blob up"))?;
    Ok(row.map(|row| row.seal))
}

/// Writes reports, but never over those of a scanner that replaces the one they come from.
pub async fn save_reports(
    db: &Tx,
    _: &Granted<InspectRevision>,
    basis: &Basis,
    rows: Vec<report::Model>,
) -> Result<(), Fault> {
    use report::Column as C;
    let Some(first) = rows.first() else { return Ok(()) };
    // Whoever else writes reports of this revision waits here, so that what is looked at stays so.
    let held = revision::Entity::find_by_id(&first.revision_id).lock_exclusive();
    held.one(db).await.map_err(fault("locking a revision"))?;
    let paths = rows.iter().map(|row| row.path.as_str());
    let there: Vec<(String, String)> = report::Entity::find()
        .select_only()
        .columns([C::Path, C::Scanner])
        .filter(C::RevisionId.eq(&first.revision_id))
        .filter(C::Path.is_in(paths))
        .into_tuple()
        .all(db)
        .await
        .map_err(fault("reading reports"))?;
    let newer: HashSet<String> =
        there.into_iter().filter(|(_, scanner)| basis.is_newer(scanner)).map(|(path, _)| path).collect();
    let update = [
        C::BytesId,
        C::Scanner,
        C::Siblings,
        C::Stage,
        C::Format,
        C::Verdict,
        C::Coverage,
        C::Body,
        C::Ranges,
        C::MadeAt,
    ];
    for row in rows.into_iter().filter(|row| !newer.contains(&row.path)) {
        report::Entity::insert(all_set(row))
            .on_conflict(OnConflict::columns([C::RevisionId, C::Path]).update_columns(update).to_owned())
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a report"))?;
    }
    Ok(())
}

/// The tensors of these files, anew.
pub async fn save_tensors(
    db: &Tx,
    _: &Granted<InspectRevision>,
    revision_id: &str,
    lists: Vec<(String, String)>,
) -> Result<(), Fault> {
    use tensor_list::Column as C;
    for (path, list) in lists {
        let row = tensor_list::Model { revision_id: revision_id.to_owned(), path, list };
        tensor_list::Entity::insert(all_set(row))
            .on_conflict(OnConflict::columns([C::RevisionId, C::Path]).update_column(C::List).to_owned())
            .exec_without_returning(db)
            .await
            .map_err(fault("writing a list of tensors"))?;
    }
    Ok(())
}

pub async fn find_tensors(db: &Reader, revision_id: &str, path: &str) -> Result<Option<String>, Fault> {
    let id = (revision_id.to_owned(), path.to_owned());
    let row = tensor_list::Entity::find_by_id(id).one(db).await.map_err(fault("reading a list of tensors"))?;
    Ok(row.map(|row| row.list))
}

/// The sha256 of the terms that are accepted of a repository in an environment.
pub async fn find_accepted_terms(
    db: &Reader,
    repository_id: &str,
    environment: &Environment,
) -> Result<Option<String>, Fault> {
    let query = terms::Entity::find()
        .filter(terms::Column::RepositoryId.eq(repository_id))
        .filter(terms::Column::Environment.eq(environment.as_str()))
        .filter(terms::Column::WithdrawnAt.is_null());
    let row = query.one(db).await.map_err(fault("looking for accepted terms"))?;
    Ok(row.map(|row| row.text_sha256))
}

pub async fn find_revision_by_id(db: &impl ConnectionTrait, id: &str) -> Result<Option<revision::Model>, Fault> {
    revision::Entity::find_by_id(id).one(db).await.map_err(fault("looking a revision up"))
}

pub async fn find_repository(db: &Reader, id: &str) -> Result<Option<repository::Model>, Fault> {
    repository::Entity::find_by_id(id).one(db).await.map_err(fault("looking a repository up"))
}

pub async fn list_histories(db: &impl ConnectionTrait, repository_id: &str) -> Result<Vec<history::Model>, Fault> {
    let query = history::Entity::find().filter(history::Column::RepositoryId.eq(repository_id));
    query.all(db).await.map_err(fault("reading histories"))
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
    let there = list_pointers(db, repository_id, environment).await?;
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
    let Some(id) = find_repository_id_of_name(db, name.kind().word(), &name.key()).await? else { return Ok(false) };
    let query = standing::Entity::find()
        .filter(standing::Column::RepositoryId.eq(id))
        .filter(standing::Column::Environment.eq(environment.as_str()))
        .filter(approved_at(at));
    Ok(query.one(db).await.map_err(fault("reading standings"))?.is_some())
}

/// A standing, for those who only look.
pub async fn look_at_standing(
    db: &Reader,
    revision_id: &str,
    environment: &Environment,
) -> Result<Option<standing::Model>, Fault> {
    let id = (revision_id.to_owned(), environment.to_string());
    standing::Entity::find_by_id(id).one(db).await.map_err(fault("reading a standing"))
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
    knowledge::Entity::insert(all_set(row))
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
        hidden_file::Entity::insert(all_set(row)).exec_without_returning(db).await.map_err(fault("hiding a file"))?;
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
        pointer::Entity::insert(all_set(place))
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
        approval::Entity::insert(all_set(given))
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
    standing::Entity::insert(all_set(row))
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
    request::Entity::insert(all_set(row)).exec_without_returning(db).await.map_err(fault("writing a request"))?;
    Ok(())
}

fn all_set<M, A>(row: M) -> A
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
{
    row.into_active_model().reset_all()
}
