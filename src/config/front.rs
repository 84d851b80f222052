//! What stands at the front: TLS, the proxies that are believed, and what must not be offered without encryption.
//!
//! Never reads a certificate; the listener does.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use url::Url;

use super::secret;
use crate::domain::subnet::Network;

/// The files of the certificate and of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTls {
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

impl RawTls {
    pub(super) fn check(self) -> Result<Option<TlsFiles>, String> {
        match (self.cert_file, self.key_file) {
            (None, None) => Ok(None),
            (Some(cert_file), Some(key_file)) => Ok(Some(TlsFiles { cert_file, key_file })),
            (Some(_), None) => Err("`tls.cert_file` is set without `tls.key_file`: TLS needs both".to_owned()),
            (None, Some(_)) => Err("`tls.key_file` is set without `tls.cert_file`: TLS needs both".to_owned()),
        }
    }
}

pub(super) fn networks(list: &[String]) -> Result<Vec<Network>, String> {
    let wrong = |text: &String| {
        format!("`trusted_proxies` has `{text}`, which is no network: write 10.0.0.0/8, 2001:db8::/32 or one address")
    };
    list.iter().map(|text| Network::parse(text.trim()).ok_or_else(|| wrong(text))).collect()
}

/// The way between clients and us.
pub(super) struct Front<'a> {
    pub(super) listen: SocketAddr,
    pub(super) public_url: &'a str,
    pub(super) tls: bool,
    pub(super) proxies: bool,
    /// Whether people sign in here: then cookies and codes come this way, not only tokens.
    pub(super) people: bool,
}

impl Front<'_> {
    pub(super) fn check(&self, warnings: &mut Vec<String>) -> Result<(), String> {
        let secure = self.public_url.starts_with("https:");
        if self.tls && !secure {
            return Err("`public_url` must begin with https:// when `[tls]` is set: it is what clients use".to_owned());
        }
        let abroad = Url::parse(self.public_url).is_ok_and(|url| !is_loopback(&url));
        let open = !self.tls && !self.listen.ip().is_loopback();
        if self.people && !secure && abroad {
            return Err(
                "`public_url` must begin with https:// where people sign in: browsers keep our cookies only then"
                    .to_owned(),
            );
        }
        if self.people && open && !(self.proxies && secure) {
            return Err(format!(
                "`listen` is {} without TLS, and people sign in here: set `[tls]`, or name the proxy that has TLS in \
                 `trusted_proxies` and set an https `public_url`",
                self.listen
            ));
        }
        if !secure && (open || abroad) {
            warnings.push(
                "Clients come by plain http: tokens and models cross the network unencrypted. Set `[tls]`, or put TLS in \
                 front and set an https `public_url`."
                    .to_owned(),
            );
        }
        Ok(())
    }
}

pub(super) fn public_url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!("`public_url` {why}: write it as https://host[:port][/prefix], not `{}`", secret::hide_in_url(text))
    };
    let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(wrong("is not a web address"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has more than a host and a path"));
    }
    if text.ends_with('/') {
        return Err(wrong("ends with a slash"));
    }
    if url.path().contains("//") || url.path().contains('%') || url.path().split('/').any(|s| s == "-") {
        return Err(wrong("has a path that cannot be a prefix"));
    }
    Ok(text.to_owned())
}

/// Without a `public_url`, what this machine itself can use.
pub(super) fn own_url(listen: SocketAddr, tls: bool, warnings: &mut Vec<String>) -> String {
    let scheme = if tls { "https" } else { "http" };
    if listen.ip().is_loopback() {
        return format!("{scheme}://{listen}");
    }
    warnings.push(
        "`public_url` is not set, so links and sign-ins point to this machine only. Set what clients use.".to_owned(),
    );
    if listen.ip().is_unspecified() {
        format!("{scheme}://127.0.0.1:{}", listen.port())
    } else {
        format!("{scheme}://{listen}")
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}
