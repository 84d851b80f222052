//! Who owns a repository, as the hub's overview pages say it.
//!
//! A question beside the others: nobody waits for its answer to be had, and what it does not say is not known.

use std::sync::Arc;

use serde::Deserialize;

use super::{Inner, Trouble, Upstream, answer::Asking, ask::Answer, facts::line, trouble::visible};
use crate::domain::{pattern::encode_segment, time::Micros};

/// The owner of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerFacts {
    pub is_organisation: bool,
    /// The hub's own id, which a name registered anew does not have.
    pub upstream_id: Option<String>,
    /// The hub has looked at who the organisation is.
    pub verified: bool,
    pub models: Option<u64>,
    /// When the account was made; the hub does not say it of organisations.
    pub created_at: Option<Micros>,
}

impl Upstream {
    /// What the hub says of an owner; `None` when it knows neither an organisation nor a person of this name.
    pub async fn owner(&self, name: &str) -> Result<Option<OwnerFacts>, Trouble> {
        if self.0.is_ours(name) {
            return Err(Trouble::Reserved);
        }
        let asked = self.0.recall.owners.try_get_with(name.to_lowercase(), Box::pin(self.0.ask_owner(name))).await;
        asked.map(|found| (*found).clone()).map_err(|trouble| (*trouble).clone())
    }
}

impl Inner {
    async fn ask_owner(&self, name: &str) -> Result<Arc<Option<OwnerFacts>>, Trouble> {
        for (kind, is_organisation) in [("organizations", true), ("users", false)] {
            let url = self.hosts.url(&format!("/api/{kind}/{}/overview", encode_segment(name)), None);
            match self.json::<RawOwner>(&url, Asking::Repository).await {
                Ok(Answer::Here(page)) => return Ok(Arc::new(Some(page.value.read(is_organisation)))),
                Ok(Answer::Moved(_)) | Err(Trouble::RepoNotFound) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(Arc::new(None))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOwner {
    #[serde(rename = "_id")]
    upstream_id: Option<String>,
    #[serde(default)]
    is_verified: bool,
    num_models: Option<u64>,
    created_at: Option<serde_json::Value>,
}

impl RawOwner {
    fn read(self, is_organisation: bool) -> OwnerFacts {
        OwnerFacts {
            is_organisation,
            upstream_id: self.upstream_id.as_deref().map(|id| line(&visible(id, 64), 64)),
            verified: is_organisation && self.is_verified,
            models: self.num_models,
            created_at: self.created_at.as_ref().and_then(|at| Micros::parse(at.as_str()?)),
        }
    }
}
