//! The hub's webhook: somebody who knows our secret says that something has moved there.
//!
//! Nothing it says is believed: a name that we hold is looked up at the hub, once however often it is told, and that is
//! all. Without a secret in the configuration there is no such address.

use serde_json::{Value, json};

use crate::{
    app::App,
    domain::{
        name::{RepoKind, RepoName},
        refusal::{Code, Refusal},
    },
    endpoint::input::Sealed,
    jobs::{self, State, Work},
};

pub async fn heard(app: &App, message: Sealed) -> Result<Value, Refusal> {
    match app.following.hears(&message.secret) {
        None => return Err(Refusal::not_found()),
        Some(false) => {
            return Err(Refusal::new(
                Code::TokenNotAccepted,
                "The secret of this webhook is not the one configured here.",
            )
            .hint("Set the hub's webhook secret to `upstream.webhook_secret`."));
        }
        Some(true) => {}
    }
    let told = message.open().await?;
    let Some(name) = name_in(&told) else {
        return Ok(json!({"queued": false, "message": "It names no repository, so there is nothing to look up."}));
    };
    if app.upstream.is_reserved(&name) {
        return Ok(json!({"queued": false, "message": "This namespace is never looked up at the hub."}));
    }
    // A look that is under way may have been made before what this tells of: then there is one more after it.
    for told in [true, false] {
        let work = Work::Follow { repo: name.to_string(), told };
        if !matches!(jobs::look(app, &work.key()).await?, Some(State::UnderWay { .. })) {
            jobs::ask(app, &work).await?;
            break;
        }
    }
    Ok(json!({"queued": true, "message": "It is looked up at the hub, if it is known here."}))
}

/// `{"repo": {"type": "model", "name": "org/name"}, …}`, as the hub sends it.
fn name_in(told: &Value) -> Option<RepoName> {
    let kind = told["repo"]["type"].as_str()?;
    let kind = RepoKind::ALL.into_iter().find(|one| one.singular() == kind)?;
    RepoName::new(kind, told["repo"]["name"].as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_taken_from_a_message() {
        let name = |told: Value| name_in(&told).map(|name| name.to_string());
        let told = json!({"event": {"action": "update", "scope": "repo.content"}, "repo": {"type": "model", "name": "a/b",
            "headSha": "f".repeat(40), "private": false, "id": "x"}, "webhook": {"id": "y", "version": 3}});
        assert_eq!(name(told).as_deref(), Some("a/b"));
        assert_eq!(name(json!({"repo": {"type": "dataset", "name": "a/b"}})).as_deref(), Some("datasets/a/b"));
        for odd in [
            json!(null),
            json!([]),
            json!({"repo": {"type": "model", "name": "../b"}}),
            json!({"repo": {"name": "a/b"}}),
            json!({"repo": {"type": "bucket", "name": "a/b"}}),
            json!({"repo": {"type": "model", "name": ["a/b"]}}),
        ] {
            assert_eq!(name(odd), None);
        }
    }
}
