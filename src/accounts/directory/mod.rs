//! The directory: SCIM 2.0 (RFC 7643, 7644) under `/-/scim/v2`, by which a provider pushes people and groups.
//!
//! A directory's token sees and changes the people of its own provider that it pushed, and nothing else; it opens no
//! file. Whoever leaves it is out at once: sessions, tokens and open requests end in the same change.
//!
//! *Invariants*: the subject of somebody who was ever here does not change; what an administrator deactivated, no
//! directory reactivates; passwords are never kept.

pub mod filter;
mod groups;
pub mod http;
mod patch;
mod path;
mod shape;
mod sql;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
mod users;

use serde_json::{Value, json};

use self::{filter::Filter, shape::Shown};
use super::sql::find_token;
use crate::{
    app::{App, directories::Directory},
    domain::refusal::{Code, Fault, Refusal},
    endpoint::{answer::Json, input::Asked},
    gate::{
        act::{Act, ReadDirectory},
        grant::Granted,
    },
};

/// Why something was not done: as everywhere, or in SCIM's own words.
#[derive(Debug)]
pub enum Trouble {
    Refused(Refusal),
    Said { status: u16, kind: &'static str, detail: String },
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

impl Trouble {
    fn at(self, operation: usize) -> Self {
        match self {
            Self::Said { status, kind, detail } => {
                Self::Said { status, kind, detail: format!("Operation {operation}: {detail}.") }
            }
            other @ Self::Refused(_) => other,
        }
    }
}

fn bad(kind: &'static str, detail: impl Into<String>) -> Trouble {
    Trouble::Said { status: 400, kind, detail: detail.into() }
}

fn taken(detail: impl Into<String>) -> Trouble {
    Trouble::Said { status: 409, kind: "uniqueness", detail: detail.into() }
}

fn nothing_here() -> Trouble {
    Refusal::not_found().into()
}

/// An answer in SCIM's own type.
pub fn scim(value: &Value) -> Json {
    Json::new(value).as_scim()
}

/// An error as RFC 7644, section 3.12 writes it.
pub fn error(status: u16, kind: &str, detail: &str) -> Value {
    let mut body = json!({"schemas": [ERROR], "status": status.to_string(), "detail": detail});
    if let (false, Some(body)) = (kind.is_empty(), body.as_object_mut()) {
        body.insert("scimType".to_owned(), json!(kind));
    }
    body
}

/// The provider that a directory's token pushes for: the one it was made for, or the only one there is.
async fn directory<A: Act>(app: &App, may: &Granted<A>) -> Result<Directory, Trouble> {
    let row = match may.actor().token_id() {
        Some(id) => find_token(may.reader(), id).await?,
        None => None,
    };
    let named = row.and_then(|row| row.workload).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let named = named.as_ref().and_then(|value| value["provider"].as_str());
    let all = &app.directories;
    let found = match named {
        Some(name) => all.iter().find(|one| one.provider == name),
        None => all.first().filter(|_| all.len() == 1),
    };
    found.cloned().ok_or_else(|| {
        let sentence = match named {
            Some(name) => format!("This token is the directory's of {name}, which is not configured any more."),
            None => "This token does not say which provider's directory it is.".to_owned(),
        };
        let hint = "Configure the provider under identity.providers, or make another token for one that is.";
        Refusal::new(Code::Conflict, sentence).hint(hint).into()
    })
}

/// What a list is asked for.
struct Wish {
    filter: Option<Filter>,
    /// From 1.
    start: usize,
    count: usize,
    shown: Shown,
}

impl Wish {
    /// As an address asks.
    fn of(asked: &Asked) -> Result<Self, Trouble> {
        Self::from(|name| asked.query(name))
    }

    /// As a body asks, which is the same without anybody's name in an address.
    fn posted(body: &Value) -> Result<Self, Trouble> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(list) => Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
            _ => None,
        };
        let map = body.as_object().ok_or_else(|| bad("invalidSyntax", "A search is an object."))?;
        Self::from(|name| map.iter().find(|(key, _)| path::same(key, name)).and_then(|(_, value)| text(value)))
    }

    fn from(asked: impl Fn(&str) -> Option<String>) -> Result<Self, Trouble> {
        let filter = match asked("filter").filter(|text| !text.trim().is_empty()) {
            Some(text) => {
                Some(Filter::parse(&text).map_err(|why| bad("invalidFilter", format!("The filter: {why}.")))?)
            }
            None => None,
        };
        let number = |name: &str, otherwise: usize| match asked(name) {
            None => Ok::<usize, Trouble>(otherwise),
            Some(text) => {
                let number = text.parse::<i64>().map_err(|_| bad("invalidValue", format!("{name} is a number.")))?;
                Ok(usize::try_from(number.max(0)).unwrap_or(otherwise))
            }
        };
        let (start, count) = (number("startIndex", 1)?.max(1), number("count", PAGE)?.min(PAGE));
        let shown = Shown::of(asked("attributes").as_deref(), asked("excludedAttributes").as_deref());
        Ok(Self { filter, start, count, shown })
    }

    fn answer(&self, total: usize, resources: Vec<Value>) -> Value {
        let resources: Vec<Value> = resources.into_iter().map(|one| self.shown.apply(one)).collect();
        json!({
            "schemas": [LIST], "totalResults": total, "startIndex": self.start,
            "itemsPerPage": resources.len(), "Resources": resources,
        })
    }
}

/// People and groups in one list, the people first.
async fn search(app: &App, may: &Granted<ReadDirectory>, wish: Wish) -> Result<Value, Trouble> {
    let (start, count) = (wish.start, wish.count);
    let mut rest = Wish { filter: wish.filter.clone(), start, count, shown: wish.shown.clone() };
    let mut all = users::list(app, may, wish).await?;
    let people = all["totalResults"].as_u64().and_then(|total| usize::try_from(total).ok()).unwrap_or_default();
    let found = all["Resources"].as_array().map_or(0, Vec::len);
    (rest.start, rest.count) = (start.saturating_sub(people).max(1), count.saturating_sub(found));
    let mut groups = groups::list(app, may, rest).await?;
    let total = people + groups["totalResults"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    if let (Some(all), Some(groups)) = (all["Resources"].as_array_mut(), groups["Resources"].as_array_mut()) {
        all.append(groups);
    }
    all["totalResults"] = json!(total);
    all["itemsPerPage"] = json!(all["Resources"].as_array().map_or(0, Vec::len));
    Ok(all)
}

fn shown(asked: &Asked) -> Shown {
    Shown::of(asked.query("attributes").as_deref(), asked.query("excludedAttributes").as_deref())
}

/// A list of what is published, which is never long.
fn published(resources: &[Value]) -> Value {
    json!({
        "schemas": [LIST], "totalResults": resources.len(), "startIndex": 1, "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// Resources in one answer.
const PAGE: usize = 200;
