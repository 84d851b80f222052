//! The rows of people's tokens: whose they are, what replaced them, and when they end.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use crate::{
    accounts::Listed,
    domain::{refusal::Fault, time::Micros},
    gate::{act::Act, grant::Granted, tx::Tx},
    store::{
        Reader, fault,
        tables::{person, token, token_use},
    },
};

/// What a person holds, newest first: tokens they made and terminals that are signed in.
pub async fn list_of_person(db: &Reader, person_id: &str) -> Result<Vec<Listed>, Fault> {
    let failed = fault("listing somebody's tokens");
    let rows = token::Entity::find()
        .filter(token::Column::PersonId.eq(person_id))
        .filter(token::Column::Class.ne(REFRESH))
        .order_by_desc(token::Column::CreatedAt)
        .limit(MOST)
        .all(db)
        .await
        .map_err(&failed)?;
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let uses = token_use::Entity::find().filter(token_use::Column::TokenId.is_in(ids)).all(db).await;
    let uses: HashMap<String, i64> =
        uses.map_err(&failed)?.into_iter().map(|row| (row.token_id, row.last_used_at)).collect();
    Ok(rows.into_iter().map(|row| Listed { last_used_at: uses.get(&row.id).copied(), row }).collect())
}

/// The names of people, for whoever looks after their tokens.
pub async fn list_names(db: &Reader) -> Result<HashMap<String, String>, Fault> {
    let query = person::Entity::find().select_only().column(person::Column::Id).column(person::Column::Name);
    let rows: Vec<(String, String)> = query.into_tuple().all(db).await.map_err(fault("reading the names of people"))?;
    Ok(rows.into_iter().collect())
}

pub async fn count_working(db: &Reader, person_id: &str, class: &str, at: Micros) -> Result<u64, Fault> {
    use sea_orm::PaginatorTrait;
    let query = token::Entity::find()
        .filter(token::Column::PersonId.eq(person_id))
        .filter(token::Column::Class.eq(class))
        .filter(token::Column::RevokedAt.is_null())
        .filter(token::Column::ExpiresAt.gt(at.0));
    query.count(db).await.map_err(fault("counting somebody's tokens"))
}

/// The tokens with these hashes that have not been ended.
pub async fn list_by_hashes(db: &Reader, hashes: Vec<Vec<u8>>) -> Result<Vec<token::Model>, Fault> {
    let mut found = Vec::new();
    for some in hashes.chunks(200) {
        let query = token::Entity::find()
            .filter(token::Column::Hash.is_in(some.to_vec()))
            .filter(token::Column::RevokedAt.is_null());
        found.extend(query.all(db).await.map_err(fault("looking reported tokens up"))?);
    }
    Ok(found)
}

pub async fn find_by_hash(db: &Reader, hash: &[u8; 32]) -> Result<Option<token::Model>, Fault> {
    let query = token::Entity::find().filter(token::Column::Hash.eq(hash.to_vec()));
    query.one(db).await.map_err(fault("looking a token up"))
}

pub async fn find_person(db: &Reader, id: &str) -> Result<Option<person::Model>, Fault> {
    person::Entity::find_by_id(id).one(db).await.map_err(fault("looking a person up"))
}

/// Whether somebody is still in, held so until this change is done: whoever puts them out meanwhile comes before it, and
/// nothing is made, or after it, and ends what was made. Asked before any other row is touched, as they do.
pub async fn is_in<A: Act>(db: &Tx, _: &Granted<A>, person_id: &str) -> Result<bool, Fault> {
    let held = person::Entity::find_by_id(person_id).lock_exclusive().one(db).await;
    let held = held.map_err(fault("looking a person up"))?;
    Ok(held.is_some_and(|row| row.deactivated_at.is_none()))
}

/// Notes that a token has a successor. False when it was ended meanwhile.
pub async fn replace<A: Act>(db: &Tx, _: &Granted<A>, id: &str, at: Micros) -> Result<bool, Fault> {
    let replaced = token::ActiveModel { replaced_at: Set(Some(at.0)), ..Default::default() };
    let done = token::Entity::update_many()
        .set(replaced)
        .filter(token::Column::Id.eq(id))
        .filter(token::Column::RevokedAt.is_null())
        .exec(db)
        .await
        .map_err(fault("replacing a token"))?;
    Ok(done.rows_affected == 1)
}

/// The same for a token that nothing has replaced yet, so that of two that renew it at once one does.
pub async fn replace_once<A: Act>(db: &Tx, may: &Granted<A>, id: &str, at: Micros) -> Result<bool, Fault> {
    let fresh = token::Entity::find_by_id(id).filter(token::Column::ReplacedAt.is_null()).lock_exclusive();
    let found = fresh.one(db).await.map_err(fault("replacing a token"))?;
    Ok(found.is_some() && replace(db, may, id, at).await?)
}

/// Ends a token, and with it every other of the same sign-in.
pub async fn end<A: Act>(db: &Tx, may: &Granted<A>, row: &token::Model, why: &str, at: Micros) -> Result<u64, Fault> {
    match &row.family {
        Some(family) => end_where(db, may, token::Column::Family.eq(family.as_str()), why, at).await,
        None => end_where(db, may, token::Column::Id.eq(row.id.as_str()), why, at).await,
    }
}

/// Ends every terminal's sign-in of a person.
pub async fn end_devices<A: Act>(
    db: &Tx,
    may: &Granted<A>,
    person_id: &str,
    why: &str,
    at: Micros,
) -> Result<u64, Fault> {
    let terminals = token::Column::PersonId.eq(person_id).and(token::Column::Family.is_not_null());
    end_where(db, may, terminals, why, at).await
}

/// Ends everything that a person holds.
pub async fn end_all_of<A: Act>(
    db: &Tx,
    may: &Granted<A>,
    person_id: &str,
    why: &str,
    at: Micros,
) -> Result<u64, Fault> {
    end_where(db, may, token::Column::PersonId.eq(person_id), why, at).await
}

/// Until none is left: a refresh that was under way may have written another one after the first look.
async fn end_where<A: Act>(
    db: &Tx,
    _: &Granted<A>,
    which: sea_orm::sea_query::SimpleExpr,
    why: &str,
    at: Micros,
) -> Result<u64, Fault> {
    let mut all = 0;
    loop {
        let done = token::Entity::update_many()
            .col_expr(token::Column::RevokedAt, Expr::value(at.0))
            .col_expr(token::Column::EndedWhy, Expr::value(why))
            .filter(which.clone())
            .filter(token::Column::RevokedAt.is_null())
            .exec(db)
            .await
            .map_err(fault("ending tokens"))?;
        all += done.rows_affected;
        if done.rows_affected == 0 {
            return Ok(all);
        }
    }
}

pub(super) const REFRESH: &str = "refresh";
const MOST: u64 = 500;
