//! The rows of accepted terms, and what has to be decided anew because of them.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    sea_query::Expr,
};

use crate::{
    domain::{name::RepoName, refusal::Fault, role::Environment, time::Micros},
    gate::{
        act::{AcceptTerms, Act, WithdrawTerms},
        grant::Granted,
        object::RepoInEnvironment,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{repository, repository_name, revision, standing, terms},
    },
};

/// Acts that change what is accepted.
pub trait Changes: Act<Found = RepoInEnvironment> {}
impl Changes for AcceptTerms {}
impl Changes for WithdrawTerms {}

/// A repository and the revision of it that was listed last.
pub async fn find_newest(db: &Reader, name: &RepoName) -> Result<Option<(repository::Model, revision::Model)>, Fault> {
    let failed = fault("looking for the terms of a repository");
    let named = repository_name::Entity::find_by_id((name.kind().word().to_owned(), name.key()));
    let Some(named) = named.one(db).await.map_err(&failed)? else { return Ok(None) };
    let row = repository::Entity::find_by_id(named.repository_id).one(db).await.map_err(&failed)?;
    let Some(row) = row else { return Ok(None) };
    let newest = revision::Entity::find()
        .filter(revision::Column::RepositoryId.eq(&row.id))
        .order_by_desc(revision::Column::ListedAt)
        .one(db);
    Ok(newest.await.map_err(&failed)?.map(|revision| (row, revision)))
}

pub async fn find_acceptance(
    db: &Reader,
    repository_id: &str,
    environment: &Environment,
) -> Result<Option<terms::Model>, Fault> {
    let query = terms::Entity::find()
        .filter(terms::Column::RepositoryId.eq(repository_id))
        .filter(terms::Column::Environment.eq(environment.as_str()))
        .filter(terms::Column::WithdrawnAt.is_null());
    query.one(db).await.map_err(fault("looking for accepted terms"))
}

pub async fn save_acceptance(db: &Tx, _: &Granted<AcceptTerms>, row: terms::Model) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    terms::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing accepted terms"))?;
    Ok(())
}

/// Ends what was accepted before in the grant's environment.
pub async fn end_acceptance<A: Changes>(
    db: &Tx,
    may: &Granted<A>,
    repository_id: &str,
    at: Micros,
) -> Result<(), Fault> {
    let ended = terms::ActiveModel { withdrawn_at: Set(Some(at.0)), ..Default::default() };
    let update = terms::Entity::update_many()
        .set(ended)
        .filter(terms::Column::RepositoryId.eq(repository_id))
        .filter(terms::Column::Environment.eq(may.environment().as_str()))
        .filter(terms::Column::WithdrawnAt.is_null());
    update.exec(db).await.map_err(fault("ending accepted terms"))?;
    Ok(())
}

/// What is not approved of the repository in this environment is decided about anew.
pub async fn save_unsettled<A: Changes>(db: &Tx, may: &Granted<A>, repository_id: &str) -> Result<(), Fault> {
    let update = standing::Entity::update_many()
        .col_expr(standing::Column::Basis, Expr::value(0))
        .filter(standing::Column::RepositoryId.eq(repository_id))
        .filter(standing::Column::Environment.eq(may.environment().as_str()))
        .filter(standing::Column::State.ne("approved"));
    update.exec(db).await.map_err(fault("having decisions made anew"))?;
    Ok(())
}
