//! The rows of people, of what they come in with, and of roles given by hand.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Func, LikeExpr},
};
use serde_json::{Value, json};

use crate::{
    accounts::tokens,
    domain::{refusal::Fault, role::Role, time::Micros},
    gate::{
        act::{Act, GrantRole, WithdrawRole},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{
            approval, device_sign_in, directory_group, directory_member, elevation, person, person_group, request,
            role_grant, session, token, token_use, upstream_credential,
        },
    },
};

pub async fn find_person(db: &impl ConnectionTrait, id: &str) -> Result<Option<person::Model>, Fault> {
    person::Entity::find_by_id(id).one(db).await.map_err(fault("looking a person up"))
}

/// The same, held until this change is done.
pub async fn lock_person(db: &Tx, id: &str) -> Result<Option<person::Model>, Fault> {
    person::Entity::find_by_id(id).lock_exclusive().one(db).await.map_err(fault("looking a person up"))
}

pub async fn save_person<A: Act>(db: &Tx, _: &Granted<A>, row: person::Model) -> Result<(), Fault> {
    row.into_active_model().reset_all().update(db).await.map_err(fault("writing a person"))?;
    Ok(())
}

/// People whose name, address or account name holds the text, by the order in which they came.
pub async fn list_people(db: &Reader, search: &str, after: &str, most: u64) -> Result<Vec<person::Model>, Fault> {
    let mut query = person::Entity::find().filter(person::Column::Id.gt(after));
    if !search.is_empty() {
        let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_").to_lowercase();
        let holds = |column: person::Column| {
            let lower = Expr::expr(Func::lower(Expr::col((person::Entity, column))));
            lower.like(LikeExpr::new(format!("%{escaped}%")).escape('\\'))
        };
        let any = Condition::any()
            .add(holds(person::Column::Name))
            .add(holds(person::Column::Email))
            .add(holds(person::Column::UserName));
        query = query.filter(any);
    }
    query.order_by_asc(person::Column::Id).limit(most).all(db).await.map_err(fault("listing people"))
}

/// The groups of somebody that count: what the directory pushed, and what was said at the last sign-in if that was whole.
pub async fn list_groups(db: &Reader, row: &person::Model) -> Result<Vec<String>, Fault> {
    let failed = fault("reading somebody's groups");
    let said = person_group::Entity::find().filter(person_group::Column::PersonId.eq(&row.id)).all(db).await;
    let said = said.map_err(&failed)?.into_iter();
    let mut names: BTreeSet<String> = said
        .filter(|group| row.groups_state == "known" || group.source != "claim")
        .map(|group| group.group_name)
        .collect();
    let members = directory_member::Entity::find().filter(directory_member::Column::PersonId.eq(&row.id)).all(db).await;
    let ids = members.map_err(&failed)?.into_iter().map(|member| member.group_id);
    let pushed = directory_group::Entity::find().filter(directory_group::Column::Id.is_in(ids)).all(db).await;
    names.extend(pushed.map_err(&failed)?.into_iter().map(|group| group.name));
    Ok(names.into_iter().collect())
}

/// Whoever may be an administrator: in one of these groups, or made one by hand.
pub async fn list_candidates(db: &Reader, groups: Vec<String>) -> Result<Vec<person::Model>, Fault> {
    let failed = fault("looking for administrators");
    let said = person_group::Entity::find().filter(person_group::Column::GroupName.is_in(&groups)).all(db).await;
    let mut ids: BTreeSet<String> = said.map_err(&failed)?.into_iter().map(|row| row.person_id).collect();
    let pushed = directory_group::Entity::find().filter(directory_group::Column::Name.is_in(&groups)).all(db).await;
    for group in pushed.map_err(&failed)? {
        let members = directory_member::Entity::find().filter(directory_member::Column::GroupId.eq(group.id));
        ids.extend(members.all(db).await.map_err(&failed)?.into_iter().map(|row| row.person_id));
    }
    let grants = role_grant::Entity::find().filter(role_grant::Column::Role.eq(Role::Admin.word())).all(db).await;
    ids.extend(grants.map_err(&failed)?.into_iter().map(|row| row.person_id));
    let mut found = Vec::new();
    for id in ids {
        found.extend(find_person(db, &id).await?);
    }
    Ok(found)
}

/// Sessions that have not ended.
pub async fn list_sessions(db: &Reader, person_id: &str) -> Result<Vec<session::Model>, Fault> {
    let query = session::Entity::find()
        .filter(session::Column::PersonId.eq(person_id))
        .filter(session::Column::EndedAt.is_null())
        .order_by_desc(session::Column::CreatedAt)
        .limit(100);
    let failed = fault("reading somebody's sessions");
    let mut rows = query.all(db).await.map_err(&failed)?;
    // Their last use is written down beside them.
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let uses =
        token_use::Entity::find().filter(token_use::Column::TokenId.is_in(ids)).all(db).await.map_err(&failed)?;
    for row in &mut rows {
        let last = uses.iter().find(|used| used.token_id == row.id).map(|used| used.last_used_at);
        row.used_at = last.map_or(row.used_at, |at| Ord::max(at, row.used_at));
    }
    Ok(rows)
}

/// Tokens that have not been revoked.
pub async fn list_tokens(db: &Reader, person_id: &str) -> Result<Vec<token::Model>, Fault> {
    let query = token::Entity::find()
        .filter(token::Column::PersonId.eq(person_id))
        .filter(token::Column::RevokedAt.is_null())
        .order_by_desc(token::Column::CreatedAt)
        .limit(100);
    query.all(db).await.map_err(fault("reading somebody's tokens"))
}

/// The approvals that somebody gave and that still stand, by id.
pub async fn list_approvals(db: &Reader, reference: &str, at: Micros) -> Result<Vec<String>, Fault> {
    let query = approval::Entity::find()
        .filter(approval::Column::ActorRef.eq(reference))
        .filter(approval::Column::EndedAt.is_null())
        .order_by_desc(approval::Column::GivenAt)
        .limit(500);
    let rows = query.all(db).await.map_err(fault("reading what somebody approved"))?;
    let standing = rows.into_iter().filter(|row| row.expires_at.is_none_or(|end| end > at.0));
    Ok(standing.map(|row| row.id).collect())
}

/// What ended with somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub sessions: u64,
    pub tokens: u64,
    pub requests: u64,
    /// Approvals that they gave: these stay.
    pub approvals_kept: u64,
}

impl Ended {
    pub fn detail(self, reason: &str) -> Value {
        json!({
            "reason": reason, "sessions": self.sessions, "tokens": self.tokens, "requests": self.requests,
            "approvals_kept": self.approvals_kept,
        })
    }
}

/// Ends everything that somebody could come in with, and what they asked for: for good, whatever becomes of them.
pub async fn end_everything<A: Act>(
    db: &Tx,
    may: &Granted<A>,
    person_id: &str,
    reference: &str,
    at: Micros,
) -> Result<Ended, Fault> {
    let failed = fault("ending what somebody came in with");
    let sessions = session::Entity::update_many()
        .set(session::ActiveModel {
            ended_at: Set(Some(at.0)),
            ended_why: Set(Some("deactivated".to_owned())),
            id_token: Set(None),
            ..Default::default()
        })
        .filter(session::Column::PersonId.eq(person_id))
        .filter(session::Column::EndedAt.is_null());
    let sessions = sessions.exec(db).await.map_err(&failed)?.rows_affected;
    let tokens = tokens::sql::end_all_of(db, may, person_id, "deactivated", at).await?;
    // Their token at the hub is theirs, and opens nothing for anybody from here on.
    let lent = upstream_credential::Entity::update_many()
        .set(upstream_credential::ActiveModel {
            ended_at: Set(Some(at.0)),
            sealed: Set(Vec::new()),
            ..Default::default()
        })
        .filter(upstream_credential::Column::OwnerKind.eq("person"))
        .filter(upstream_credential::Column::Owner.eq(person_id))
        .filter(upstream_credential::Column::EndedAt.is_null());
    lent.exec(db).await.map_err(&failed)?;
    // A terminal that they let in, and that has not fetched its token yet, gets none.
    let devices = device_sign_in::Entity::update_many()
        .set(device_sign_in::ActiveModel { used_at: Set(Some(at.0)), ..Default::default() })
        .filter(device_sign_in::Column::PersonId.eq(person_id))
        .filter(device_sign_in::Column::UsedAt.is_null());
    devices.exec(db).await.map_err(&failed)?;
    let raised = elevation::Entity::delete_many().filter(elevation::Column::PersonId.eq(person_id));
    raised.exec(db).await.map_err(&failed)?;
    let requests = request::Entity::update_many()
        .set(request::ActiveModel {
            state: Set("withdrawn".to_owned()),
            decided_at: Set(Some(at.0)),
            ..Default::default()
        })
        .filter(request::Column::ActorRef.eq(reference))
        .filter(request::Column::State.eq("open"));
    let requests = requests.exec(db).await.map_err(&failed)?.rows_affected;
    let given = approval::Entity::find()
        .filter(approval::Column::ActorRef.eq(reference))
        .filter(approval::Column::EndedAt.is_null());
    let given = given.all(db).await.map_err(&failed)?;
    let standing = given.iter().filter(|row| row.expires_at.is_none_or(|end| end > at.0)).count();
    let approvals_kept = u64::try_from(standing).unwrap_or(u64::MAX);
    Ok(Ended { sessions, tokens, requests, approvals_kept })
}

pub async fn list_grants_to(db: &Reader, person_id: &str) -> Result<Vec<role_grant::Model>, Fault> {
    let query = role_grant::Entity::find().filter(role_grant::Column::PersonId.eq(person_id));
    query.all(db).await.map_err(fault("reading somebody's roles"))
}

/// Every role that was ever given by hand.
pub async fn list_grants(db: &Tx) -> Result<Vec<role_grant::Model>, Fault> {
    role_grant::Entity::find().all(db).await.map_err(fault("reading roles by hand"))
}

pub async fn find_grant(db: &Tx, id: &str) -> Result<Option<role_grant::Model>, Fault> {
    role_grant::Entity::find_by_id(id).one(db).await.map_err(fault("looking a grant up"))
}

/// Holds everybody else who gives or takes a role until this change is done: the first of all people's rows stands for
/// all roles.
pub async fn lock_roles(db: &Tx) -> Result<(), Fault> {
    let first = person::Entity::find().order_by_asc(person::Column::Id).limit(1).lock_exclusive();
    first.one(db).await.map_err(fault("holding roles"))?;
    Ok(())
}

pub async fn save_grant(db: &Tx, _: &Granted<GrantRole>, row: role_grant::Model) -> Result<(), Fault> {
    let insert = role_grant::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(db).await.map_err(fault("writing a grant"))?;
    Ok(())
}

pub async fn withdraw_grant(
    db: &Tx,
    _: &Granted<WithdrawRole>,
    row: role_grant::Model,
    at: Micros,
) -> Result<(), Fault> {
    let mut row = row.into_active_model();
    row.withdrawn_at = Set(Some(at.0));
    row.update(db).await.map_err(fault("withdrawing a grant"))?;
    Ok(())
}
