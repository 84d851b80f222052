//! What the status and the headers of an answer mean.
//!
//! Pure: no clock (dates are compared with the answer's own `Date`) and no body, because an error's body is somebody
//! else's text. The hub's one-line message is kept, made printable.

use std::time::Duration;

use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_RANGE, DATE, HeaderName, LINK, LOCATION, RETRY_AFTER},
};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::Url;

use super::trouble::{Trouble, visible};
use crate::domain::time::Micros;

/// What was asked for, so that a bare 404 can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Repository,
    File,
    /// Nothing of one repository: a search, or who we are.
    Other,
}

/// An answer's head, and where it came from.
pub(super) struct Head<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) host: &'a str,
    /// Only the hub itself can say what exists; a CDN's 404 says only that the link is bad.
    pub(super) origin: bool,
}

impl Head<'_> {
    /// Why an answer that is neither a success nor a redirect is no answer.
    pub(super) fn trouble(&self, asking: Asking) -> Trouble {
        if let Some(wait) = self.wait() {
            return Trouble::Busy { retry_after: wait };
        }
        let (status, host) = (self.status.as_u16(), self.host);
        if self.status.is_server_error() || status == 408 {
            return Trouble::Unreachable(format!("The hub's host {host} answered {status}."));
        }
        if !self.origin {
            return Trouble::Unexpected(format!("The host {host}, which the hub sent us to, answered {status}."));
        }
        let message = self.message();
        match (self.text("x-error-code"), status) {
            (Some("RevisionNotFound"), _) => return Trouble::RevisionNotFound,
            (Some("EntryNotFound"), _) => return Trouble::EntryNotFound,
            (Some("GatedRepo"), _) => return Trouble::Gated(message),
            (Some("DisabledRepo"), _) | (_, 451) => return Trouble::Disabled,
            _ if message == "Access to this resource is disabled." => return Trouble::Disabled,
            (Some("RepoNotFound"), _) => return Trouble::RepoNotFound,
            _ => {}
        }
        match (status, asking) {
            (401, _) if message.starts_with("Invalid credentials") => {
                Trouble::Unexpected("The hub does not accept our token.".to_owned())
            }
            (401, Asking::Repository | Asking::File) | (404, Asking::Repository) => Trouble::RepoNotFound,
            (404, Asking::File) => Trouble::EntryNotFound,
            _ if message.is_empty() => Trouble::Unexpected(format!("The hub answered {status}.")),
            _ => Trouble::Unexpected(format!("The hub answered {status}: {message}")),
        }
    }

    /// How long everybody must leave the hub alone. A 429 that does not say, says a few seconds.
    pub(super) fn wait(&self) -> Option<Duration> {
        let asked = self.retry_after();
        let wait = match self.status {
            StatusCode::TOO_MANY_REQUESTS => asked.or_else(|| self.spent()).unwrap_or(UNSAID),
            StatusCode::SERVICE_UNAVAILABLE => asked?,
            _ => return None,
        };
        Some(wait.min(LONGEST))
    }

    /// How long until the budget is filled again, when this answer was the last that it held:
    /// `RateLimit: "api";r=0;t=12`.
    pub(super) fn spent(&self) -> Option<Duration> {
        let longest = self.text("ratelimit")?.split(',').filter_map(spent_in).max()?;
        Some(Duration::from_secs(longest).min(LONGEST))
    }

    pub(super) fn date(&self) -> Option<Micros> {
        let date = self.moment(&DATE)?;
        i64::try_from(date.unix_timestamp_nanos() / 1000).ok().map(Micros)
    }

    pub(super) fn is_redirect(&self) -> bool {
        matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308)
    }

    /// Where a redirect leads, seen from `url`.
    pub(super) fn location(&self, url: &Url) -> Result<Url, Trouble> {
        let unreadable = || Trouble::Unexpected(format!("The host {} redirects without saying where.", self.host));
        let mut next = self.text(LOCATION.as_str()).and_then(|l| url.join(l).ok()).ok_or_else(unreadable)?;
        next.set_fragment(None);
        Ok(next)
    }

    /// The page after this one: only its query, which is all that may differ. A page elsewhere is refused.
    pub(super) fn next_query(&self, url: &Url) -> Result<Option<String>, Trouble> {
        for link in self.headers.get_all(LINK) {
            let Some(target) = link.to_str().ok().and_then(next_in) else { continue };
            let next = url.join(target);
            let Ok(next) = next else {
                return Err(Trouble::Unexpected("The hub names an unreadable next page.".to_owned()));
            };
            if next.origin() != url.origin() {
                let host = visible(next.host_str().unwrap_or("nowhere"), 100);
                return Err(Trouble::Refused(format!("The hub would have us read the next page of a list at {host}.")));
            }
            return Ok(Some(next.query().unwrap_or_default().to_owned()));
        }
        Ok(None)
    }

    /// We asked for the bytes themselves: compressed ones have another length and another hash.
    pub(super) fn refuse_encoded(&self) -> Result<(), Trouble> {
        if self.headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity") {
            return Ok(());
        }
        Err(Trouble::Unexpected(format!("The host {} sent the answer compressed, unasked.", self.host)))
    }

    /// `Content-Range: bytes 3-9/10` as (first, one past the last, whole size).
    pub(super) fn content_range(&self) -> Option<(u64, u64, u64)> {
        let (range, size) = self.text(CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, end, size) = (number(first)?, number(last)?.checked_add(1)?, number(size)?);
        (first < end && end <= size).then_some((first, end, size))
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        number(self.text(name)?)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    fn message(&self) -> String {
        self.headers
            .get("x-error-message")
            .map(|m| visible(&String::from_utf8_lossy(m.as_bytes()), 300))
            .unwrap_or_default()
    }

    fn retry_after(&self) -> Option<Duration> {
        if let Some(seconds) = self.number(RETRY_AFTER.as_str()) {
            return Some(Duration::from_secs(seconds));
        }
        let wait = self.moment(&RETRY_AFTER)? - self.moment(&DATE)?;
        Duration::try_from(wait).ok()
    }

    fn moment(&self, name: &HeaderName) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(self.text(name.as_str())?, &Rfc2822).ok()
    }
}

/// Plain digits only: `+5` and ` 5` are numbers to Rust and not to HTTP.
fn number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn spent_in(item: &str) -> Option<u64> {
    let value = |key: &str| item.split(';').find_map(|p| p.trim().strip_prefix(key)).and_then(number);
    if value("r=")? == 0 { value("t=") } else { None }
}

fn next_in(link: &str) -> Option<&str> {
    let mut rest = link;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let params = after.split_once('<').map_or(after, |(before, _)| before);
        let is_next = |p: &str| {
            p.trim().trim_end_matches(',').strip_prefix("rel=").is_some_and(|r| r.trim_matches('"') == "next")
        };
        if params.split(';').any(is_next) {
            return Some(target);
        }
        rest = after;
    }
    None
}

const UNSAID: Duration = Duration::from_secs(5);
/// Whatever the hub asks for, we look again after this.
const LONGEST: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), v.parse().unwrap())).collect()
    }

    fn head(status: u16, headers: &HeaderMap) -> Head<'_> {
        Head { status: StatusCode::from_u16(status).unwrap(), headers, host: "hub.test", origin: true }
    }

    fn read(status: u16, asking: Asking, pairs: &[(&'static str, &str)]) -> Trouble {
        head(status, &headers(pairs)).trouble(asking)
    }

    #[test]
    fn the_code_is_read_before_the_status() {
        use Asking::{File, Repository};
        let code = |c| [("x-error-code", c)];
        let token = Trouble::Unexpected("The hub does not accept our token.".to_owned());
        let disabled = [("x-error-message", "Access to this resource is disabled.")];
        for (trouble, want) in [
            (read(404, File, &code("RepoNotFound")), Trouble::RepoNotFound),
            (read(404, Repository, &code("RevisionNotFound")), Trouble::RevisionNotFound),
            (read(404, Repository, &code("EntryNotFound")), Trouble::EntryNotFound),
            (read(401, File, &code("GatedRepo")), Trouble::Gated(String::new())),
            (read(403, File, &disabled), Trouble::Disabled),
            (read(401, Repository, &[("x-error-message", "Invalid username or password.")]), Trouble::RepoNotFound),
            (read(401, Repository, &[("x-error-message", "Invalid credentials in Authorization header")]), token),
            (read(404, Repository, &[]), Trouble::RepoNotFound),
            (read(404, File, &[]), Trouble::EntryNotFound),
        ] {
            assert_eq!(trouble, want);
        }
        assert!(matches!(read(502, File, &[]), Trouble::Unreachable(_)));
        let shown = read(400, File, &[("x-error-message", "no\tway")]).to_string();
        assert!(shown.ends_with("400: no\\tway"), "{shown}");
    }

    #[test]
    fn a_cdn_cannot_say_that_a_repository_does_not_exist() {
        let headers = headers(&[("x-error-code", "RepoNotFound")]);
        let head = Head { origin: false, ..head(404, &headers) };
        assert!(matches!(head.trouble(Asking::File), Trouble::Unexpected(_)));
    }

    #[test]
    fn waits_are_read_in_every_form() {
        let wait = |pairs| head(429, &headers(pairs)).wait().map(|d| d.as_secs());
        assert_eq!(wait(&[("retry-after", "7")]), Some(7));
        assert_eq!(wait(&[("ratelimit", "\"api\";r=0;t=12")]), Some(12));
        assert_eq!(wait(&[("ratelimit", "\"api\";r=3;t=90, \"resolvers\";r=0;t=9")]), Some(9));
        assert_eq!(wait(&[]), Some(5));
        assert_eq!(wait(&[("retry-after", "99999999")]), Some(600));
        let dates = [("retry-after", "Fri, 20 Nov 2026 20:00:30 GMT"), ("date", "Fri, 20 Nov 2026 20:00:00 GMT")];
        assert_eq!(wait(&dates), Some(30));
        assert_eq!(head(503, &headers(&[])).wait(), None);
        assert_eq!(head(200, &headers(&[("ratelimit", "\"api\";r=1;t=12")])).spent(), None);
    }

    #[test]
    fn the_next_page_is_a_query_on_the_same_origin() {
        let url = Url::parse("https://hub.test/api/models/a/b/tree/c?recursive=true").unwrap();
        let next = |link| head(200, &headers(&[("link", link)])).next_query(&url);
        assert_eq!(next("<https://hub.test/api/x?cursor=2>; rel=\"next\"").unwrap().as_deref(), Some("cursor=2"));
        assert_eq!(
            next("<https://a.test/?q>; rel=\"prev\", </x?cursor=3>; rel=\"next\"").unwrap().as_deref(),
            Some("cursor=3")
        );
        assert_eq!(next("<https://a.test/?q>; rel=\"xet-auth\"").unwrap(), None);
        assert!(matches!(next("<https://evil.test/x?cursor=2>; rel=\"next\""), Err(Trouble::Refused(_))));
        assert!(matches!(next("<http://hub.test/x?cursor=2>; rel=next"), Err(Trouble::Refused(_))));
    }

    #[test]
    fn content_ranges_are_whole_and_consistent() {
        let range = |text| head(206, &headers(&[("content-range", text)])).content_range();
        assert_eq!(range("bytes 3-9/10"), Some((3, 10, 10)));
        for bad in
            ["bytes 3-9/*", "bytes 9-3/10", "bytes 3-10/10", "bytes */10", "3-9/10", "bytes 3-99999999999999999999/10"]
        {
            assert_eq!(range(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_compressed_answer_is_refused() {
        for (encoding, fine) in [("gzip", false), ("identity", true), ("br", false), ("identity, gzip", false)] {
            assert_eq!(
                head(200, &headers(&[("content-encoding", encoding)])).refuse_encoded().is_ok(),
                fine,
                "{encoding}"
            );
        }
        assert!(head(200, &headers(&[])).refuse_encoded().is_ok());
    }
}
