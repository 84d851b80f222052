//! Roles: which somebody has and why, and giving them by hand.
//!
//! A role by hand is the exception: it ends, it says why, and it counts against whoever gave it. Nobody gives one to
//! themselves, nor to anybody who made them an administrator; and all whom one person made administrators, and they
//! themselves, make one reviewer together. So no one person can make two approvers, or become one
//! (`src/why/0027-hands-that-give-roles.md`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    HOST, find,
    hands::{judge, stands},
    known_role, not_oneself, reason, sql, unknown,
};
use crate::{
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        role::{Environment, Reach, Role},
        time::Micros,
    },
    gate::{
        Gate,
        act::{GrantRole, WithdrawRole},
        grant::Granted,
        tx::Change,
    },
    store::{
        Reader,
        tables::{person, role_grant},
    },
};

/// A role of somebody, and where it comes from.
#[derive(Clone, Debug)]
pub struct Held {
    pub role: &'static str,
    pub reach: String,
    /// The group that gives it.
    pub group: Option<String>,
    /// The grant that gives it.
    pub grant: Option<String>,
    pub granted_by: Option<String>,
    pub reason: Option<String>,
    pub expires_at: Option<i64>,
}

/// The roles that somebody has now; none while they are deactivated.
pub async fn held(gate: &Gate, db: &Reader, row: &person::Model) -> Result<Vec<Held>, Fault> {
    let mut all = Vec::new();
    if row.deactivated_at.is_some() {
        return Ok(all);
    }
    for group in sql::list_groups(db, row).await? {
        for one in gate.identity().mapping.roles(&row.provider, std::slice::from_ref(&group)) {
            all.push(Held {
                role: one.role.word(),
                reach: one.reach.to_string(),
                group: Some(group.clone()),
                grant: None,
                granted_by: None,
                reason: None,
                expires_at: None,
            });
        }
    }
    let now = clock::now().0;
    for grant in sql::list_grants_to(db, &row.id).await?.into_iter().filter(|grant| stands(grant, now)) {
        all.push(Held {
            role: known_role(&grant.role)?.word(),
            reach: grant.reach,
            group: None,
            grant: Some(grant.id),
            granted_by: Some(grant.granted_by),
            reason: Some(grant.reason),
            expires_at: grant.expires_at,
        });
    }
    Ok(all)
}

/// Whether anybody who can come in is an administrator: by groups, once they were here, or by hand.
pub async fn has_admin(gate: &Gate, db: &Reader) -> Result<bool, Fault> {
    let mapping = &gate.identity().mapping;
    let groups = mapping.0.iter().filter(|row| row.role == Role::Admin).map(|row| row.group.clone()).collect();
    for row in sql::list_candidates(db, groups).await? {
        if row.issuer == HOST || row.deactivated_at.is_some() {
            continue;
        }
        let all = held(gate, db, &row).await?;
        let mut admin = all.iter().filter(|one| one.role == Role::Admin.word());
        if admin.any(|one| one.grant.is_some() || row.seen_at.is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gift {
    pub role: String,
    /// `*`, or names.
    pub environments: Vec<String>,
    pub reason: String,
    pub days: Option<i64>,
}

pub async fn grant(gate: &Gate, may: Granted<GrantRole>, input: &Gift) -> Result<Value, Refusal> {
    let id = may.object().0.clone();
    let (role, reach, days) = wanted(gate, input)?;
    let why = reason(&input.reason)?;
    not_oneself(&may, &id)?;
    let mine: Vec<&Reach> =
        may.actor().roles().iter().filter(|held| held.role == Role::Admin).map(|held| &held.reach).collect();
    let within = match &reach {
        Reach::All => mine.contains(&&Reach::All),
        Reach::These(names) => names.iter().all(|name| mine.iter().any(|reach| reach.covers(name))),
    };
    if !within {
        let sentence = "You are not an administrator everywhere that this role would reach.";
        return Err(Refusal::new(Code::NotAllowed, sentence).hint("Name the environments that you look after."));
    }
    let giver = giver(&may);
    let row = find(&may, &id).await?;
    if row.issuer == HOST {
        let sentence = "Whoever comes in with a code of the host has the roles of that code, and no others.";
        return Err(Refusal::new(Code::NotAllowed, sentence).hint("Give the role to a person who signs in."));
    }
    if row.deactivated_at.is_some() {
        return Err(Refusal::new(Code::Conflict, "This person is deactivated.").hint("Reactivate them first."));
    }
    let at = clock::now();
    let expires_at = Micros(at.0 + days * Micros::DAY);
    let new = role_grant::Model {
        id: clock::new_id(),
        person_id: id.clone(),
        role: role.word().to_owned(),
        reach: reach.to_string(),
        granted_by: giver.clone(),
        reason: why.clone(),
        created_at: at.0,
        expires_at: Some(expires_at.0),
        withdrawn_at: None,
    };
    let tx = may.begin().await?;
    // Two grants at a time must not each think that there is no other.
    sql::lock_roles(&tx).await?;
    judge(&sql::list_grants(&tx).await?, &giver, &id, role, at)?;
    let detail = json!({
        "grant": new.id, "role": new.role, "reach": new.reach, "reason": why, "expires_at": expires_at.to_string(),
    });
    let told = json!({
        "grant": new.id, "person": id, "role": new.role, "environments": new.reach,
        "expires_at": expires_at.to_millis_text(),
    });
    sql::save_grant(&tx, &may, new).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(told)
}

/// Whose hand this is: a person's, or a token's where nobody signs in yet.
fn giver(may: &Granted<GrantRole>) -> String {
    let actor = may.actor();
    actor.person().map_or_else(|| actor.reference().to_owned(), |person| person.id.clone())
}

fn wanted(gate: &Gate, input: &Gift) -> Result<(Role, Reach, i64), Refusal> {
    let by_people = |role: &Role| !role.needs_environment();
    let role = Role::from_word(&input.role).filter(by_people).ok_or_else(|| {
        let words: Vec<_> = Role::ALL.into_iter().filter(by_people).map(Role::word).collect();
        Refusal::bad_input(format!("People can be given the roles {}.", words.join(", ")))
    })?;
    let names: Vec<&str> = input.environments.iter().map(|name| name.trim()).collect();
    let reach = match names[..] {
        [] => return Err(Refusal::bad_input("Say in which environments, or * for all.")),
        ["*"] => Reach::All,
        ref names => {
            let known = |name: &&str| {
                let name = Environment::new(name)?;
                gate.environments().iter().any(|one| one.name == name).then_some(name)
            };
            let all = names.iter().map(|name| {
                known(name).ok_or_else(|| Refusal::bad_input(format!("There is no environment `{name}`.")))
            });
            Reach::These(all.collect::<Result<_, _>>()?)
        }
    };
    let days = input.days.unwrap_or(USUAL);
    if !(1..=LONGEST).contains(&days) {
        return Err(Refusal::bad_input(format!("A role by hand lasts 1 to {LONGEST} days.")));
    }
    Ok((role, reach, days))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    pub grant: String,
    pub reason: String,
}

pub async fn withdraw(may: Granted<WithdrawRole>, input: &Withdrawal) -> Result<Value, Refusal> {
    let why = reason(&input.reason)?;
    let id = may.object().0.clone();
    not_oneself(&may, &id)?;
    let at = clock::now();
    let tx = may.begin().await?;
    sql::lock_roles(&tx).await?;
    let row = sql::find_grant(&tx, &input.grant).await?.filter(|row| row.person_id == id).ok_or_else(unknown)?;
    if !stands(&row, at.0) {
        return Err(Refusal::new(Code::Conflict, "This grant has ended already.").hint("There is nothing to do."));
    }
    let detail = json!({"grant": row.id, "role": row.role, "reach": row.reach, "reason": why});
    sql::withdraw_grant(&tx, &may, row, at).await?;
    let told = json!({"grant": input.grant, "person": id, "withdrawn_at": at.to_millis_text()});
    tx.commit(may, Change::new(detail)).await?;
    Ok(told)
}

/// How long a role by hand lasts when nothing is said, and at most.
const USUAL: i64 = 30;
const LONGEST: i64 = 90;
