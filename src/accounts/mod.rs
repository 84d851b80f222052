//! Service tokens: making them, listing them, ending them.
//!
//! Never keeps a token: only its sha256. Whoever makes one sees it once.
//!
//! *Invariants*: a token for a machine names its environment; every token ends.

pub mod directory;
pub mod host_codes;
pub mod http;
pub mod people;
pub mod sql;

use serde_json::json;

use crate::{
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        role::{Reach, Role},
        time::Micros,
        token::{self, Class, Shape},
    },
    gate::{
        act::{CreateToken, ListTokens, RevokeToken},
        grant::Granted,
        identity,
        tx::Change,
    },
    keys,
    store::tables,
};

/// What somebody wants a token to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub name: String,
    pub role: Role,
    pub reach: Reach,
    pub cluster: Option<String>,
    pub expires_at: Micros,
    pub shape: Shape,
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
    let text = token::compose(Class::Service, wanted.shape, &digits()?);
    let id = clock::new_id();
    let row = tables::token::Model {
        id: id.clone(),
        hash: identity::hash(&text).to_vec(),
        class: Class::Service.word().to_owned(),
        name: wanted.name,
        person_id: None,
        scopes: None,
        family: None,
        workload: None,
        replaced_at: None,
        role: wanted.role.word().to_owned(),
        reach: wanted.reach.to_string(),
        cluster: wanted.cluster,
        created_at: clock::now().0,
        created_by: may.actor().reference().to_owned(),
        expires_at: wanted.expires_at.0,
        revoked_at: None,
    };
    let detail = json!({
        "token_id": id,
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

/// Makes the token that a provider's directory pushes people and groups with. It opens nothing else. Which provider's it is
/// must be said where there are several.
pub async fn create_directory(
    may: Granted<CreateToken>,
    name: &str,
    provider: Option<&str>,
    expires_at: Micros,
) -> Result<Made, Refusal> {
    let text = token::compose(Class::Service, Shape::Own, &digits()?);
    let id = clock::new_id();
    let row = tables::token::Model {
        id: id.clone(),
        hash: identity::hash(&text).to_vec(),
        class: "directory".to_owned(),
        name: name.to_owned(),
        role: String::new(),
        reach: "*".to_owned(),
        cluster: None,
        person_id: None,
        scopes: None,
        family: None,
        workload: provider.map(|name| json!({"provider": name}).to_string()),
        created_at: clock::now().0,
        created_by: may.actor().reference().to_owned(),
        expires_at: expires_at.0,
        replaced_at: None,
        revoked_at: None,
    };
    let detail =
        json!({"token_id": id, "class": row.class, "provider": provider, "expires_at": expires_at.to_string()});
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
    sql::revoke_token(&tx, &may, clock::now()).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(None)
}

/// 43 digits of base 62, each as likely as any other: bytes that would favour some are drawn again.
fn digits() -> Result<[u8; 43], Fault> {
    let mut digits = [0; 43];
    let mut bytes = [0; 64];
    let mut found = 0;
    while found < digits.len() {
        keys::fill(&mut bytes)?;
        for (digit, byte) in digits.iter_mut().skip(found).zip(bytes.iter().filter(|byte| **byte < 248)) {
            *digit = byte % 62;
            found += 1;
        }
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn digits_are_digits_and_differ() {
        let (one, other) = (digits(), digits());
        assert!(matches!((&one, &other), (Ok(one), Ok(other)) if one != other && one.iter().all(|d| *d < 62)));
    }
}
