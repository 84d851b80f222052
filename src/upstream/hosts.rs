//! Where a request may go: the list of allowed hosts, with their ports and schemes.
//!
//! Every URL is checked here before anything is sent to it, the first as well as every redirect. Never looks a name
//! up: what its addresses are is `address`.

use std::net::IpAddr;

use url::{Host, Url};

use super::{
    address::Judge,
    trouble::{Trouble, visible},
};
use crate::domain::refusal::Fault;

pub(super) struct Hosts {
    /// The configured hub, its path without the last slash.
    base: Url,
    entries: Vec<Entry>,
    allow_private: bool,
    judge: Judge,
}

struct Entry {
    name: Allowed,
    port: Option<u16>,
}

enum Allowed {
    Exactly(Host<String>),
    /// `.hf.co`, for every name that ends so.
    Under(String),
}

impl Hosts {
    pub(super) fn new(base: &Url, allow: &[String], allow_private: bool, judge: Judge) -> Result<Self, Fault> {
        let plain = base.username().is_empty() && base.password().is_none() && base.query().is_none();
        if !matches!(base.scheme(), "https" | "http") || !plain || base.fragment().is_some() {
            return Err(Fault::new("reading upstream.url: it must be http(s)://host[:port][/path] and nothing more"));
        }
        let mut base = base.clone();
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let host =
            base.host().map(|h| h.to_owned()).ok_or_else(|| Fault::new("reading upstream.url: it has no host"))?;
        let own = Entry { name: Allowed::Exactly(host), port: base.port_or_known_default() };
        let mut entries = vec![own];
        for text in allow.iter().map(|t| t.trim()).filter(|t| !t.is_empty()) {
            let entry = entry(text).ok_or_else(|| unreadable(text))?;
            if !allow_private && entry.port.is_some_and(|p| p != 443 && Some(p) != base.port_or_known_default()) {
                return Err(Fault::new(format!(
                    "reading upstream.allow_hosts: {} names a port, which needs allow_private_addresses",
                    visible(text, 100)
                )));
            }
            entries.push(entry);
        }
        Ok(Self { base, entries, allow_private, judge })
    }

    /// A URL on the hub itself. `path` begins with `/` and is encoded already.
    pub(super) fn url(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.base.clone();
        let whole = format!("{}{path}", self.base.path().trim_end_matches('/'));
        url.set_path(&whole);
        url.set_query(query);
        url
    }

    /// The part of a URL's path that comes after the hub's own, when it is on the hub at all.
    pub(super) fn path_on_hub<'u>(&self, url: &'u Url) -> Option<&'u str> {
        if self.is_origin(url) { url.path().strip_prefix(self.base.path().trim_end_matches('/')) } else { None }
    }

    /// Scheme, host and port: the only place that sees the token.
    pub(super) fn is_origin(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Whether a request may be sent to `to`, having come there from `from`.
    pub(super) fn check(&self, from: Option<&Url>, to: &Url) -> Result<(), Trouble> {
        let Some(host) = to.host() else { return Err(refused("a URL without a host")) };
        let name = visible(&host.to_string(), 100);
        let safe = to.scheme() == "https";
        if !safe
            && (to.scheme() != "http"
                || from.unwrap_or(&self.base).scheme() == "https"
                || self.base.scheme() == "https")
        {
            return Err(refused(&format!("{name} without TLS")));
        }
        if !to.username().is_empty() || to.password().is_some() {
            return Err(refused(&format!("{name} with a user name in the URL")));
        }
        let port = to.port_or_known_default().unwrap_or_default();
        if !self.entries.iter().any(|entry| self.allows(entry, &host, port)) {
            return Err(refused(&format!("{name}:{port}, which is not on the list of allowed hosts")));
        }
        let literal = match host {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(_) => None,
        };
        match literal {
            Some(ip) if !(self.judge)(ip) => Err(refused(&format!("{name}, which is not a public address"))),
            _ => Ok(()),
        }
    }

    /// Every host that is named in full: what a probe can try. Each as the URL of its front door.
    pub(super) fn named(&self) -> Vec<Url> {
        let mut urls: Vec<Url> = Vec::new();
        for entry in &self.entries {
            let Allowed::Exactly(host) = &entry.name else { continue };
            let port = entry.port.map(|p| format!(":{p}")).unwrap_or_default();
            let Ok(url) = Url::parse(&format!("{}://{host}{port}/", self.base.scheme())) else { continue };
            let known = urls.iter().any(|u| u.host() == url.host() && (entry.port.is_none() || u.port() == url.port()));
            if !known {
                urls.push(url);
            }
        }
        urls
    }

    fn allows(&self, entry: &Entry, host: &Host<&str>, port: u16) -> bool {
        let name = match (&entry.name, host) {
            (Allowed::Exactly(Host::Domain(ours)), Host::Domain(theirs)) => ours == theirs,
            (Allowed::Exactly(Host::Ipv4(ours)), Host::Ipv4(theirs)) => ours == theirs,
            (Allowed::Exactly(Host::Ipv6(ours)), Host::Ipv6(theirs)) => ours == theirs,
            (Allowed::Under(suffix), Host::Domain(theirs)) => theirs.len() > suffix.len() && theirs.ends_with(suffix),
            _ => false,
        };
        let port_fits = match entry.port {
            Some(only) => port == only,
            None => port == 443 || Some(port) == self.base.port_or_known_default() || self.allow_private,
        };
        name && port_fits
    }
}

/// `hub.example`, `*.example`, `10.0.0.1`, `[::1]`, each with or without `:port`.
fn entry(text: &str) -> Option<Entry> {
    let (under, text) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
    let url = Url::parse(&format!("https://{text}/")).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !plain || text.contains(['/', '@', '*', '?', '#', '\\']) {
        return None;
    }
    let name = match (under, url.host()?.to_owned()) {
        (false, host) => Allowed::Exactly(host),
        (true, Host::Domain(name)) => Allowed::Under(format!(".{name}")),
        (true, _) => return None,
    };
    let port = text.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    Some(Entry { name, port })
}

fn unreadable(text: &str) -> Fault {
    Fault::new(format!("reading upstream.allow_hosts: {} is not a host name or *.suffix", visible(text, 100)))
}

fn refused(place: &str) -> Trouble {
    Trouble::Refused(format!("The hub would have us go to {place}."))
}

#[cfg(test)]
mod tests {
    use super::{
        super::address::{is_public, is_usable},
        *,
    };

    fn hosts(base: &str, allow: &[&str], private: bool) -> Hosts {
        let allow: Vec<String> = allow.iter().map(|s| (*s).to_owned()).collect();
        let judge = if private { is_usable } else { is_public };
        Hosts::new(&Url::parse(base).unwrap(), &allow, private, judge).unwrap()
    }

    fn goes(hosts: &Hosts, to: &str) -> bool {
        hosts.check(None, &Url::parse(to).unwrap()).is_ok()
    }

    #[test]
    fn only_listed_hosts_on_their_ports_over_tls() {
        let hosts = hosts("https://huggingface.co", &["huggingface.co", "*.hf.co", "8.8.8.8"], false);
        let good = "https://huggingface.co/x https://cdn-lfs.hf.co/a?b https://a.b.hf.co:443/ https://HuggingFace.co/";
        for good in good.split_whitespace() {
            assert!(goes(&hosts, good), "{good}");
        }
        let bad = "http://huggingface.co/ https://huggingface.co:8443/ https://hf.co/ https://evilhf.co/ \
            https://huggingface.co.evil.example/ https://huggingface.co./ https://u:p@huggingface.co/ \
            https://huggingface.co@evil.example/ ftp://huggingface.co/ file:///etc/passwd \
            https://127.0.0.1/ https://2130706433/ https://0x7f.1/ https://[::ffff:10.0.0.1]/ \
            https://169.254.169.254/latest/meta-data https://[::1]/ https://1.1.1.1/";
        for bad in bad.split_whitespace() {
            assert!(!goes(&hosts, bad), "{bad}");
        }
    }

    #[test]
    fn private_addresses_and_other_ports_need_the_switch() {
        let listed = ["127.0.0.1", "[::ffff:10.0.0.1]", "cdn.corp"];
        let strict = hosts("https://huggingface.co", &listed, false);
        let open = hosts("http://127.0.0.1:9000", &listed, true);
        assert!(!goes(&strict, "https://127.0.0.1/") && !goes(&strict, "https://[::ffff:10.0.0.1]/"));
        assert!(!goes(&strict, "https://cdn.corp:8443/"));
        assert!(goes(&open, "http://127.0.0.1:9001/") && goes(&open, "http://2130706433:9001/"));
        assert!(goes(&open, "https://cdn.corp:8443/") && !goes(&open, "http://10.0.0.1:9000/"));
    }

    #[test]
    fn the_urls_own_port_holds_for_every_name_and_a_named_port_only_for_its_own() {
        let own = hosts("https://hub.corp:8443", &["cdn.corp"], false);
        assert!(
            goes(&own, "https://cdn.corp:8443/")
                && goes(&own, "https://cdn.corp/")
                && !goes(&own, "https://cdn.corp:8444/")
        );
        let named = hosts("https://hub.corp", &["cdn.corp:9443"], true);
        assert!(goes(&named, "https://cdn.corp:9443/") && !goes(&named, "https://cdn.corp/"));
        let url = Url::parse("https://hub.corp").unwrap();
        assert!(Hosts::new(&url, &["cdn.corp:9443".to_owned()], false, is_public).is_err());
    }

    #[test]
    fn tls_is_never_left_again() {
        let plain = hosts("http://hub.corp", &["cdn.corp"], true);
        let (tls, bare) = (Url::parse("https://cdn.corp/a").unwrap(), Url::parse("http://cdn.corp/a").unwrap());
        assert!(plain.check(None, &bare).is_ok() && plain.check(Some(&bare), &tls).is_ok());
        assert!(plain.check(Some(&tls), &bare).is_err());
    }

    #[test]
    fn unreadable_entries_and_urls_refuse_to_start() {
        let url = Url::parse("https://hub.corp").unwrap();
        for bad in ["*", "*.", "a/b", "https://x", "u@x", "a b", "*.10.0.0.1", "a*.b"] {
            assert!(Hosts::new(&url, &[bad.to_owned()], true, is_usable).is_err(), "{bad}");
        }
        for bad in ["https://u:p@hub.corp", "https://hub.corp/?a", "ftp://hub.corp", "https://hub.corp/#a"] {
            assert!(Hosts::new(&Url::parse(bad).unwrap(), &[], true, is_usable).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_prefix_is_kept() {
        let hosts = hosts("https://mirror.corp/hf/", &[], false);
        let url = hosts.url("/api/models/a/b/revision/refs%2Fpr%2F1", Some("x=1"));
        assert_eq!(url.as_str(), "https://mirror.corp/hf/api/models/a/b/revision/refs%2Fpr%2F1?x=1");
        assert_eq!(hosts.path_on_hub(&url), Some("/api/models/a/b/revision/refs%2Fpr%2F1"));
        assert_eq!(hosts.path_on_hub(&Url::parse("https://other.corp/hf/api").unwrap()), None);
    }
}
