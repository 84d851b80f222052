//! Signed, expiring addresses of the content host.
//!
//! A grant is remembered by its signature; an address nobody handed out opens nothing.
//! Authorization is refused here as object stores refuse it: the signature in the address is the only way in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::content::Content;
use crate::dates;
use crate::reply::Reply;
use crate::route::{quote_whole, value};
use crate::store::{FileEntry, RepoState, sha1_of};

#[derive(Default)]
pub(crate) struct Grants(Mutex<HashMap<String, Grant>>);

#[derive(Clone)]
pub(crate) struct Grant {
    path: String,
    /// `models/acme/tiny/model.safetensors`: what the address stands for.
    pub(crate) file: String,
    content: Content,
    etag: String,
    disposition: String,
    expires_ms: u64,
}

impl Grants {
    /// Path and query of an address that opens this file for a while.
    pub(crate) fn sign(&self, repo: &RepoState, path: &str, file: &FileEntry, lives: Duration) -> String {
        let expires_ms = dates::now_ms().saturating_add(u64::try_from(lives.as_millis()).unwrap_or(u64::MAX));
        let place = if repo.meta.xet {
            format!("/xet-bridge-us/{}/{}", repo.meta.internal_id, file.xet_hash())
        } else {
            format!("/repos/{}/{}", repo.meta.internal_id, file.sha256())
        };
        let name = format!("{}/{path}", repo.full_name());
        let expires = (expires_ms / 1000).to_string();
        let signature = sha1_of([place.as_bytes(), name.as_bytes(), expires_ms.to_string().as_bytes()]);
        let disposition = disposition(path);
        let query = format!(
            "response-content-disposition={}&Expires={expires}&Signature={signature}&Key-Pair-Id=WEIGHBRIDGE",
            quote_whole(&disposition)
        );
        // The storage has ETags of its own, which look like the file's hash and are not.
        let etag = Content::from(format!("cdn {}", file.sha256())).sha256().to_owned();
        let address = format!("{place}?{query}");
        let content = file.content.clone();
        let mut grants = self.lock();
        if grants.len() >= MANY {
            let now = dates::now_ms();
            grants.retain(|_, grant| grant.expires_ms > now);
        }
        grants.insert(signature, Grant { path: place, file: name, content, etag, disposition, expires_ms });
        address
    }

    /// The grant an address names, expired or not.
    pub(crate) fn find(&self, path: &str, query: &str) -> Option<Grant> {
        let signature = value(query, "Signature")?;
        let grant = self.lock().get(&signature).cloned()?;
        let expires = value(query, "Expires")?;
        (grant.path == path && expires == (grant.expires_ms / 1000).to_string()).then_some(grant)
    }

    pub(crate) fn expire_all(&self) {
        for grant in self.lock().values_mut() {
            grant.expires_ms = grant.expires_ms.min(dates::now_ms());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Grant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the content host says.
pub(crate) fn answer(grant: Option<&Grant>, authorization: bool) -> Reply {
    if authorization {
        return refusal(StatusCode::BAD_REQUEST, "InvalidArgument", "Only one auth mechanism allowed");
    }
    match grant {
        None => refusal(StatusCode::FORBIDDEN, "AccessDenied", "Access denied"),
        Some(grant) if grant.expires_ms <= dates::now_ms() => {
            refusal(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired")
        }
        Some(grant) => Reply::file(grant.content.clone(), "application/octet-stream", &grant.etag)
            .with("content-disposition", &grant.disposition)
            .with("last-modified", dates::http(dates::FIRST_COMMIT))
            .with("cache-control", "public, max-age=31536000"),
    }
}

/// `inline`, with the plain name for old clients and the exact one for the others.
pub(crate) fn disposition(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let plain: String = name.chars().map(|c| if c.is_ascii() && c != '"' && c != '\\' { c } else { '?' }).collect();
    format!("inline; filename*=UTF-8''{}; filename=\"{plain}\";", quote_whole(name))
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Reply {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    Reply::new(status, "application/xml", text)
}

const MANY: usize = 10_000;
