//! What operators and administrators do about tokens: see all, end any, make those of machines.
//!
//! Never makes a token that decides: only for clusters, build pipelines and auditors, and only where its maker is an operator
//! themselves.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{DAY, Ending, Renewal, ShapeWord, detail, end, lifetime, made, name, renew, shown};
use crate::{
    accounts::{
        self, Holder,
        tokens::mint::{Seed, mint},
    },
    app::App,
    clock,
    domain::{
        refusal::{Code, Refusal},
        role::{Environment, Reach, Role},
        token::Class,
    },
    gate::{
        act::{Act, EndToken, IssueToken, ReadTokens, RotateToken},
        grant::Granted,
        tx::Change,
    },
    store::tables::token,
};

/// What an operator wants a machine's token to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub name: String,
    pub role: String,
    /// Where it reaches; machines name theirs.
    pub environments: Option<Vec<String>>,
    pub cluster: Option<String>,
    pub lifetime_seconds: Option<i64>,
    #[serde(default)]
    pub shape: ShapeWord,
}

pub async fn issue(app: &App, may: Granted<IssueToken>, order: Order) -> Result<Value, Refusal> {
    let name = name(&order.name)?;
    let role = Role::from_word(&order.role).filter(|role| Holder::Role(*role).is_a_machine()).ok_or_else(|| {
        let sentence =
            format!("A token for the role `{}` is not made here: only for cluster, ci and auditor.", order.role);
        Refusal::new(Code::NotAllowed, sentence).hint("People sign in: hf auth login.")
    })?;
    let reach = reach(app, &may, role, order.environments.as_deref())?;
    let plain =
        |c: &String| (1..=60).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if order.cluster.as_ref().is_some_and(|c| role != Role::Cluster || !plain(c)) {
        let sentence = "A cluster's name goes only with the role cluster: up to 60 letters, digits, dots and dashes.";
        return Err(Refusal::bad_input(sentence));
    }
    let expires_at = clock::now().plus_seconds(lifetime(order.lifetime_seconds, 30 * DAY, LONGEST)?);
    let mut minted = mint(Seed {
        class: Class::Service,
        shape: order.shape.shape(),
        name: &name,
        person_id: None,
        family: None,
        scopes: None,
        reach: &reach,
        expires_at,
        by: may.actor().reference(),
    })?;
    role.word().clone_into(&mut minted.row.role);
    minted.row.cluster = order.cluster;
    let (answer, detail) = (made(&minted), detail(&minted.row));
    let tx = may.begin().await?;
    accounts::sql::save_token(&tx, &may, minted.row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(answer)
}

/// Everybody's, with the names of their owners.
pub async fn list(may: &Granted<ReadTokens>) -> Result<Value, Refusal> {
    let all = accounts::sql::list_tokens(may.reader()).await?;
    let names = super::sql::list_names(may.reader()).await?;
    let now = clock::now();
    let entries = all.iter().map(|one| {
        let mut entry = shown(one, now);
        let owner = one.row.person_id.as_ref();
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("person_id".to_owned(), json!(owner));
            entry.insert("person".to_owned(), json!(owner.and_then(|id| names.get(id))));
        }
        entry
    });
    Ok(json!({"tokens": entries.collect::<Vec<_>>()}))
}

pub async fn end_any(may: Granted<EndToken>, ending: Ending) -> Result<Value, Refusal> {
    let row = find(&may, &may.object().0).await?;
    end(may, row, &ending.reason).await
}

/// A machine's token with a successor: both work for a day.
pub async fn rotate(may: Granted<RotateToken>, renewal: Renewal) -> Result<Value, Refusal> {
    let row = find(&may, &may.object().0).await?;
    let role = Role::from_word(&row.role).filter(|role| Holder::Role(*role).is_a_machine());
    let role = role.filter(|_| row.class == Class::Service.word()).ok_or_else(|| {
        Refusal::new(Code::NotAllowed, "Only tokens of clusters, build pipelines and auditors are rotated here.")
    })?;
    let reach = Reach::parse(&row.reach).unwrap_or(Reach::All);
    may_give(&may, role, &reach)?;
    renew(may, row, &renewal, LONGEST).await
}

async fn find<A: Act>(may: &Granted<A>, id: &str) -> Result<token::Model, Refusal> {
    let row = accounts::sql::find_token(may.reader(), id).await?.filter(|row| row.class != super::sql::REFRESH);
    row.ok_or_else(|| Refusal::new(Code::NotFound, format!("There is no token {id}.")))
}

fn reach<A: Act>(app: &App, may: &Granted<A>, role: Role, names: Option<&[String]>) -> Result<Reach, Refusal> {
    let reach = match names {
        None if role.needs_environment() => {
            return Err(Refusal::bad_input(format!("The role {role} needs its environment: which one is it for?")));
        }
        None => Reach::All,
        Some(_) => super::reach(app, may, names)?,
    };
    may_give(may, role, &reach)?;
    Ok(reach)
}

/// Nobody gives what reaches further than they are an operator.
fn may_give<A: Act>(may: &Granted<A>, role: Role, reach: &Reach) -> Result<(), Refusal> {
    let mine: Vec<&Reach> =
        may.actor().roles().iter().filter(|held| held.role == Role::Operator).map(|held| &held.reach).collect();
    let covers = |name: &Environment| mine.iter().any(|reach| reach.covers(name));
    let within = match reach {
        Reach::All => mine.contains(&&Reach::All),
        Reach::These(names) => !names.is_empty() && names.iter().all(covers),
    };
    if within {
        return Ok(());
    }
    let sentence = format!("You are not an operator everywhere that this token for {role} would reach.");
    Err(Refusal::new(Code::NotAllowed, sentence).hint("Name environments where you are."))
}

/// A machine's token lives a year at most.
const LONGEST: i64 = 365 * DAY;
