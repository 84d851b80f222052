//! Whether the hub's hosts can be reached from here, for `doctor`.
//!
//! Asks only the front door of each host that is named in full, without the token, and follows nothing. Never reads a
//! clock: it hands over the `Date` that was answered, for whoever has one to compare.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::time::timeout;
use url::{Host, Url};

use super::{
    Inner, Trouble, Upstream,
    ask::host,
    trouble::{self, visible},
};
use crate::domain::time::Micros;

/// One host and how it answered.
#[derive(Clone, Debug)]
pub struct HostProbe {
    /// With its port, where it is not the usual one.
    pub host: String,
    /// Each with whether it may be connected to.
    pub addresses: Vec<(IpAddr, bool)>,
    /// Any HTTP answer at all is a good one: name, route, TLS and the certificate are in order.
    pub answer: Result<HostAnswer, Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAnswer {
    pub status: u16,
    /// The host's own time when it answered, to the second.
    pub date: Option<Micros>,
    pub took: Duration,
}

impl Upstream {
    /// Every host that the settings name in full, the hub first. `*.suffix` names none that could be tried.
    pub async fn probe(&self) -> Vec<HostProbe> {
        join_all(self.0.hosts.named().into_iter().map(|url| self.0.probe_host(url))).await
    }
}

impl Inner {
    async fn probe_host(&self, url: Url) -> HostProbe {
        let shown = url.port().map_or_else(|| host(&url).to_owned(), |port| format!("{}:{port}", host(&url)));
        let found = match url.host() {
            Some(Host::Ipv4(ip)) => Ok(vec![(ip.into(), (self.resolver.judge)(ip.into()))]),
            Some(Host::Ipv6(ip)) => Ok(vec![(ip.into(), (self.resolver.judge)(ip.into()))]),
            _ => match timeout(self.limits.connect, self.resolver.addresses(host(&url))).await {
                Ok(found) => found.map_err(|e| Trouble::Unreachable(unknown_name(&shown, &e.to_string()))),
                Err(_) => Err(Trouble::Unreachable(unknown_name(&shown, "no answer in time"))),
            },
        };
        match found {
            Ok(addresses) => HostProbe { host: shown, addresses, answer: self.knock(&url).await },
            Err(trouble) => HostProbe { host: shown, addresses: Vec::new(), answer: Err(trouble) },
        }
    }

    async fn knock(&self, url: &Url) -> Result<HostAnswer, Trouble> {
        self.hosts.check(None, url)?;
        let began = Instant::now();
        let response = match timeout(self.limits.headers, self.client.head(url.clone()).send()).await {
            Ok(response) => response.map_err(|error| trouble::of_exchange(host(url), &error))?,
            Err(_) => return Err(trouble::too_slow(host(url))),
        };
        let head = self.head(url, &response);
        Ok(HostAnswer { status: head.status.as_u16(), date: head.date(), took: began.elapsed() })
    }
}

fn unknown_name(host: &str, cause: &str) -> String {
    format!("The name {host} cannot be looked up: {}.", visible(cause, 200))
}
