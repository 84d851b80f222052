//! The rows of change: bases, replicas, uses, looks, and what is to be decided about or scanned again.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult,
    IntoActiveModel, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Set,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::{
    clock,
    domain::{basis::Words, refusal::Fault, time::Micros},
    gate::{
        act::{ChangeBasis, ConfirmBasis, NoteRepository},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader,
        chores::Chores,
        fault,
        tables::{
            basis, hub_look, hub_state, knowledge, pointer, replica, repository, repository_name, request, revision,
            revision_use, standing,
        },
    },
};

/// Whether nobody else can work on this database: SQLite takes one process.
pub fn is_alone(db: &Chores) -> bool {
    db.get_database_backend() == DbBackend::Sqlite
}

/// Says that a replica is there. Those that have said nothing for a day are forgotten.
pub async fn save_replica(db: &Chores, name: &str, digest: &str, scanner: &str, at: Micros) -> Result<(), Fault> {
    let row = replica::ActiveModel {
        name: Set(name.to_owned()),
        basis: Set(digest.to_owned()),
        scanner: Set(scanner.to_owned()),
        seen_at: Set(at.0),
    };
    let update = [replica::Column::Basis, replica::Column::Scanner, replica::Column::SeenAt];
    replica::Entity::insert(row)
        .on_conflict(OnConflict::column(replica::Column::Name).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing that this replica is there"))?;
    let old = replica::Entity::delete_many().filter(replica::Column::SeenAt.lt(at.0 - Micros::DAY));
    old.exec(db).await.map_err(fault("forgetting replicas"))?;
    Ok(())
}

pub async fn delete_replica(db: &Chores, name: &str) -> Result<(), Fault> {
    replica::Entity::delete_by_id(name).exec(db).await.map_err(fault("writing that this replica stops"))?;
    Ok(())
}

/// Whether a replica works on this basis, as far as anybody has heard since.
pub async fn is_alive(db: &Chores, digest: &str, since: Micros) -> Result<bool, Fault> {
    let query =
        replica::Entity::find().filter(replica::Column::Basis.eq(digest)).filter(replica::Column::SeenAt.gte(since.0));
    Ok(query.one(db).await.map_err(fault("looking for replicas"))?.is_some())
}

/// The scanners that decisions have rested on.
pub async fn list_known_scanners(db: &Chores) -> Result<BTreeSet<String>, Fault> {
    let query = basis::Entity::find().select_only().column(basis::Column::Scanner).distinct();
    let rows: Vec<String> = query.into_tuple().all(db).await.map_err(fault("reading what decisions rest on"))?;
    Ok(rows.into_iter().collect())
}

/// The scanners that replicas work with, as far as anybody has heard since.
pub async fn list_living_scanners(db: &Chores, since: Micros) -> Result<Vec<String>, Fault> {
    let query = replica::Entity::find()
        .select_only()
        .column(replica::Column::Scanner)
        .distinct()
        .filter(replica::Column::SeenAt.gte(since.0));
    query.into_tuple().all(db).await.map_err(fault("looking for replicas"))
}

pub async fn find_newest(db: &Chores) -> Result<Option<basis::Model>, Fault> {
    let query = basis::Entity::find().order_by_desc(basis::Column::Number);
    query.one(db).await.map_err(fault("reading what decisions rest on"))
}

/// The last number under which this basis held.
pub async fn find_number(db: &Chores, digest: &str) -> Result<Option<i64>, Fault> {
    let query = basis::Entity::find().filter(basis::Column::Digest.eq(digest)).order_by_desc(basis::Column::Number);
    Ok(query.one(db).await.map_err(fault("reading what decisions rest on"))?.map(|row| row.number))
}

/// False when somebody else has taken the number.
pub async fn save_basis(
    db: &Tx,
    _: &Granted<ChangeBasis>,
    number: i64,
    digest: &str,
    words: &Words,
    at: Micros,
) -> Result<bool, Fault> {
    let row = basis::Model {
        number,
        digest: digest.to_owned(),
        words: words.to_json().to_string(),
        scanner: words.scanner.clone(),
        begun_at: at.0,
    };
    let insert = basis::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::column(basis::Column::Number).do_nothing().to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing what decisions rest on"))?;
    Ok(insert > 0)
}

/// A revision with the name its repository has at the hub now.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Listed {
    pub id: String,
    pub commit_id: String,
    pub kind: String,
    pub hub_name: String,
}

/// What is to be decided about anew.
pub struct Stale<'a> {
    pub number: i64,
    pub environments: &'a [String],
    pub at: Micros,
}

impl Stale<'_> {
    /// Standings that rest on something older, whose approval has ended, or whose cooling-off has. What the scanner could
    /// not look at has no rules that decided, and waits until somebody asks for it.
    fn standings(&self) -> Condition {
        let over = |column: standing::Column| Condition::all().add(column.lte(self.at.0));
        Condition::any()
            .add(standing::Column::Basis.lt(self.number))
            .add(over(standing::Column::ExpiresAt).add(standing::Column::State.eq("approved")))
            .add(
                over(standing::Column::UntilAt)
                    .add(standing::Column::State.eq("cooling"))
                    .add(standing::Column::Rules.ne("")),
            )
    }

    /// Of what is known, what has such a standing, or none at all in an environment that is configured.
    fn condition(&self) -> Condition {
        let here = || standing::Column::Environment.is_in(self.environments.iter().map(String::as_str));
        let stale = standing::Entity::find()
            .select_only()
            .column(standing::Column::RevisionId)
            .filter(here())
            .filter(self.standings())
            .into_query();
        let mut any = Condition::any().add(knowledge::Column::RevisionId.in_subquery(stale));
        for environment in self.environments {
            let decided = standing::Entity::find()
                .select_only()
                .column(standing::Column::RevisionId)
                .filter(standing::Column::Environment.eq(environment.as_str()))
                .into_query();
            any = any.add(knowledge::Column::RevisionId.not_in_subquery(decided));
        }
        any
    }
}

fn known_revisions() -> sea_orm::Select<knowledge::Entity> {
    knowledge::Entity::find()
        .select_only()
        .column_as(knowledge::Column::RevisionId, "id")
        .column(revision::Column::CommitId)
        .column(repository::Column::Kind)
        .column(repository::Column::HubName)
        .join(
            JoinType::InnerJoin,
            knowledge::Entity::belongs_to(revision::Entity)
                .from(knowledge::Column::RevisionId)
                .to(revision::Column::Id)
                .into(),
        )
        .join(
            JoinType::InnerJoin,
            revision::Entity::belongs_to(repository::Entity)
                .from(revision::Column::RepositoryId)
                .to(repository::Column::Id)
                .into(),
        )
}

/// Revisions to decide about anew, by id.
pub async fn list_stale(
    db: &impl ConnectionTrait,
    stale: &Stale<'_>,
    after: &str,
    most: u64,
) -> Result<Vec<Listed>, Fault> {
    let query = known_revisions()
        .filter(knowledge::Column::RevisionId.gt(after))
        .filter(stale.condition())
        .order_by_asc(knowledge::Column::RevisionId)
        .limit(most);
    query.into_model().all(db).await.map_err(fault("looking for what has to be decided anew"))
}

/// Which scanners the known revisions were judged by.
pub async fn list_scanners(db: &impl ConnectionTrait) -> Result<Vec<String>, Fault> {
    let query = knowledge::Entity::find().select_only().column(knowledge::Column::Scanner).distinct();
    query.into_tuple().all(db).await.map_err(fault("reading what was scanned by what"))
}

/// The revisions that these scanners judged, the most recently used first; what nobody ever used comes last.
pub async fn list_judged_by(db: &Reader, scanners: &[String]) -> Result<Vec<Listed>, Fault> {
    let query = known_revisions()
        .join(
            JoinType::LeftJoin,
            revision::Entity::belongs_to(revision_use::Entity)
                .from(revision::Column::RepositoryId)
                .to(revision_use::Column::RepositoryId)
                .on_condition(|revision, used| {
                    Condition::all().add(
                        Expr::col((revision, revision::Column::CommitId))
                            .eq(Expr::col((used, revision_use::Column::CommitId))),
                    )
                })
                .into(),
        )
        .filter(knowledge::Column::Scanner.is_in(scanners))
        .order_by_desc(Expr::cust("COALESCE(revision_use.used_at, 0)"))
        .order_by_asc(knowledge::Column::RevisionId);
    query.into_model().all(db).await.map_err(fault("looking for what has to be scanned again"))
}

/// A decision that came out the same on a new basis: the standing as it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confirmed {
    pub revision_id: String,
    pub environment: String,
    pub state: String,
    pub changed_at: i64,
}

/// From now on these rest on that basis; what has changed since it was looked at does not.
pub async fn save_confirmed(
    db: &Tx,
    _: &Granted<ConfirmBasis>,
    number: i64,
    confirmed: &[Confirmed],
) -> Result<(), Fault> {
    let mut alike: BTreeMap<(&str, &str, i64), Vec<&str>> = BTreeMap::new();
    for one in confirmed {
        alike.entry((&one.environment, &one.state, one.changed_at)).or_default().push(&one.revision_id);
    }
    for ((environment, state, changed_at), ids) in alike {
        standing::Entity::update_many()
            .col_expr(standing::Column::Basis, Expr::value(number))
            .filter(standing::Column::RevisionId.is_in(ids))
            .filter(standing::Column::Environment.eq(environment))
            .filter(standing::Column::State.eq(state))
            .filter(standing::Column::ChangedAt.eq(changed_at))
            .filter(standing::Column::Basis.lt(number))
            .exec(db)
            .await
            .map_err(fault("confirming decisions"))?;
    }
    Ok(())
}

/// Repositories that something is approved of or that were used lately, with when the hub was last asked about each.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Followed {
    pub id: String,
    pub kind: String,
    pub hub_name: String,
    pub looked_at: Option<i64>,
}

pub async fn list_followed(db: &Reader, used_since: Micros, before: Micros) -> Result<Vec<Followed>, Fault> {
    let pointed = pointer::Entity::find().select_only().column(pointer::Column::RepositoryId).distinct().into_query();
    let used = revision_use::Entity::find()
        .select_only()
        .column(revision_use::Column::RepositoryId)
        .filter(revision_use::Column::UsedAt.gte(used_since.0))
        .distinct()
        .into_query();
    let query = repository::Entity::find()
        .select_only()
        .column(repository::Column::Id)
        .column(repository::Column::Kind)
        .column(repository::Column::HubName)
        .column(hub_look::Column::LookedAt)
        .join(
            JoinType::LeftJoin,
            repository::Entity::belongs_to(hub_look::Entity)
                .from(repository::Column::Id)
                .to(hub_look::Column::RepositoryId)
                .into(),
        )
        .filter(
            Condition::any()
                .add(repository::Column::Id.in_subquery(pointed))
                .add(repository::Column::Id.in_subquery(used)),
        )
        .filter(Condition::any().add(hub_look::Column::LookedAt.is_null()).add(hub_look::Column::LookedAt.lt(before.0)))
        .order_by_asc(Expr::cust("COALESCE(hub_look.looked_at, 0)"))
        .limit(5000);
    query.into_model().all(db).await.map_err(fault("looking for repositories to follow"))
}

pub async fn save_look(db: &Chores, repository_id: &str, at: Micros) -> Result<(), Fault> {
    let row = hub_look::ActiveModel { repository_id: Set(repository_id.to_owned()), looked_at: Set(at.0) };
    let conflict =
        OnConflict::column(hub_look::Column::RepositoryId).update_column(hub_look::Column::LookedAt).to_owned();
    let insert = hub_look::Entity::insert(row).on_conflict(conflict);
    insert.exec_without_returning(db).await.map_err(fault("writing when the hub was asked"))?;
    Ok(())
}

/// The repository that a name means here.
pub async fn find_named(db: &Reader, kind: &str, key: &str) -> Result<Option<repository::Model>, Fault> {
    let named = repository_name::Entity::find_by_id((kind.to_owned(), key.to_owned()));
    let Some(named) = named.one(db).await.map_err(fault("looking a name up"))? else { return Ok(None) };
    repository::Entity::find_by_id(named.repository_id).one(db).await.map_err(fault("looking a repository up"))
}

pub async fn find_state(db: &impl ConnectionTrait, repository_id: &str) -> Result<Option<hub_state::Model>, Fault> {
    hub_state::Entity::find_by_id(repository_id).one(db).await.map_err(fault("reading how a repository stands"))
}

pub async fn save_state(db: &Tx, _: &Granted<NoteRepository>, row: hub_state::Model) -> Result<(), Fault> {
    let update = [hub_state::Column::State, hub_state::Column::Why, hub_state::Column::Since];
    hub_state::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::column(hub_state::Column::RepositoryId).update_columns(update).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("writing how a repository stands"))?;
    Ok(())
}

/// The names that point somewhere here, in whatever environment.
pub async fn list_pointed(db: &Reader, repository_id: &str) -> Result<Vec<String>, Fault> {
    let query = pointer::Entity::find()
        .select_only()
        .column(pointer::Column::Name)
        .distinct()
        .filter(pointer::Column::RepositoryId.eq(repository_id));
    query.into_tuple().all(db).await.map_err(fault("reading pointers"))
}

/// Whether a commit was listed and inspected.
pub async fn is_known(db: &Reader, repository_id: &str, commit: &str) -> Result<bool, Fault> {
    let query = known_revisions()
        .filter(revision::Column::RepositoryId.eq(repository_id))
        .filter(revision::Column::CommitId.eq(commit));
    let row: Option<Listed> = query.into_model().one(db).await.map_err(fault("looking a revision up"))?;
    Ok(row.is_some())
}

/// The environments in which something of a repository is approved.
pub async fn list_served_in(db: &Reader, repository_id: &str) -> Result<Vec<String>, Fault> {
    let query = standing::Entity::find()
        .select_only()
        .column(standing::Column::Environment)
        .distinct()
        .filter(standing::Column::RepositoryId.eq(repository_id))
        .filter(standing::Column::State.eq("approved"));
    query.into_tuple().all(db).await.map_err(fault("reading standings"))
}

/// What is not approved of a repository is decided about anew.
pub async fn save_unsettled(db: &Tx, _: &Granted<NoteRepository>, repository_id: &str) -> Result<(), Fault> {
    standing::Entity::update_many()
        .col_expr(standing::Column::Basis, Expr::value(0))
        .filter(standing::Column::RepositoryId.eq(repository_id))
        .filter(standing::Column::State.ne("approved"))
        .exec(db)
        .await
        .map_err(fault("having decisions made anew"))?;
    Ok(())
}

/// A request to look again at what is approved of a repository, unless one is open.
pub async fn save_review(
    db: &Tx,
    may: &Granted<NoteRepository>,
    row: &repository::Model,
    environment: &str,
    why: &str,
    at: Micros,
) -> Result<(), Fault> {
    use request::Column as C;
    let open = request::Entity::find()
        .filter(C::RepoKind.eq(&row.kind))
        .filter(C::Repo.eq(&row.name))
        .filter(C::Environment.eq(environment))
        .filter(C::State.eq("open"))
        .filter(C::Reason.eq(why));
    if open.one(db).await.map_err(fault("looking for a request"))?.is_some() {
        return Ok(());
    }
    let asked = request::Model {
        id: clock::new_id(),
        repo_kind: row.kind.clone(),
        repo: row.name.clone(),
        rev: "main".to_owned(),
        commit_id: None,
        environment: environment.to_owned(),
        reason: why.to_owned(),
        actor_ref: may.actor().reference().to_owned(),
        actor_name: "weighbridge".to_owned(),
        made_at: at.0,
        state: "open".to_owned(),
        decided_at: None,
    };
    let insert = request::Entity::insert(asked.into_active_model().reset_all());
    insert.exec_without_returning(db).await.map_err(fault("writing a request"))?;
    Ok(())
}
