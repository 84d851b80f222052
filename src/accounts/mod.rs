//! Who one is to Weighbridge and what one comes in with: the host's tokens here, and in the folders beside it signing in from
//! a terminal (`device/`) and the tokens of people and of machines (`tokens/`).
//!
//! Never keeps a token: only its sha256. Whoever makes one sees it once.
//!
//! *Invariants*: a token for a machine names its environment; every token ends; where people can sign in, nobody makes a
//! token that decides.

pub mod credentials;
pub mod device;
pub mod directory;
pub mod exchange;
pub mod host_codes;
pub mod http;
pub mod people;
pub mod sign_in;
pub mod sql;
pub mod terms;
pub mod tokens;
pub mod workloads;

use serde_json::json;

use self::tokens::mint::{Minted, Seed, mint};
use crate::{
    clock,
    domain::{
        refusal::{Code, Refusal},
        role::{Reach, Role},
        time::Micros,
        token::{Class, Shape},
    },
    gate::{
        act::{CreateToken, ListTokens, RevokeToken},
        grant::Granted,
        tx::Change,
    },
    store::tables,
};

/// What somebody wants a token to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub name: String,
    pub holder: Holder,
    /// Whose directory it is for, where several providers are configured.
    pub provider: Option<String>,
    pub reach: Reach,
    pub cluster: Option<String>,
    pub expires_at: Micros,
    pub shape: Shape,
}

/// What whoever holds a token of the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Role(Role),
    /// The identity provider's directory, which pushes people and groups and does nothing else.
    Directory,
}

impl Holder {
    pub fn word(self) -> &'static str {
        match self {
            Self::Role(role) => role.word(),
            Self::Directory => "directory",
        }
    }

    /// Whether a token for it may be made by somebody who has not signed in as a person, once people can. What decides or
    /// reads requests of people is held by people then, each with their own sign-in.
    pub fn is_a_machine(self) -> bool {
        match self {
            Self::Role(role) => matches!(role, Role::Cluster | Role::Ci | Role::Auditor),
            Self::Directory => true,
        }
    }
}

/// A token that was just made, with the text that nobody can ask for again.
pub struct Made {
    pub id: String,
    pub text: String,
}

/// A token as it may be shown.
#[derive(Clone, Debug)]
pub struct Listed {
    pub row: tables::token::Model,
    pub last_used_at: Option<i64>,
}

/// Makes a token. The ledger learns its id, role and reach; its name may be a person's, so it stays in our table.
pub async fn create(may: Granted<CreateToken>, wanted: Wanted) -> Result<Made, Refusal> {
    let Minted { text, mut row } = mint(Seed {
        class: Class::Service,
        shape: wanted.shape,
        name: &wanted.name,
        person_id: None,
        family: None,
        scopes: None,
        reach: &wanted.reach,
        expires_at: wanted.expires_at,
        by: may.actor().reference(),
    })?;
    match wanted.holder {
        Holder::Role(role) => role.word().clone_into(&mut row.role),
        Holder::Directory => {
            wanted.holder.word().clone_into(&mut row.class);
            row.workload = wanted.provider.map(|name| json!({"provider": name}).to_string());
        }
    }
    row.cluster = wanted.cluster;
    let id = row.id.clone();
    let detail = json!({
        "token_id": id,
        "class": row.class,
        "role": row.role,
        "reach": row.reach,
        "cluster": row.cluster,
        "expires_at": wanted.expires_at.to_string(),
    });
    let tx = may.begin().await?;
    sql::save_token(&tx, &may, row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(Made { id, text })
}

/// Every token there is or was, newest first. That somebody looked is written down.
pub async fn list(may: Granted<ListTokens>) -> Result<Vec<Listed>, Refusal> {
    let all = sql::list_tokens(may.reader()).await?;
    let detail = json!({"count": all.len()});
    may.begin().await?.commit(may, Change::new(detail)).await?;
    Ok(all)
}

/// Ends a token at once. One that was ended before stays as it is: then the answer is when that was.
pub async fn revoke(may: Granted<RevokeToken>, reason: &str) -> Result<Option<Micros>, Refusal> {
    let id = may.object().0.clone();
    let missing =
        || Refusal::new(Code::NotFound, format!("There is no token {id}.")).hint("See: weighbridge token list");
    let row = sql::find_token(may.reader(), &id).await?.ok_or_else(missing)?;
    if let Some(at) = row.revoked_at {
        return Ok(Some(Micros(at)));
    }
    let detail = json!({"reason": reason, "role": row.role, "reach": row.reach});
    let tx = may.begin().await?;
    tokens::sql::end(&tx, &may, &row, reason, clock::now()).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(None)
}
