//! Which network addresses may be connected to, and the resolver that lets no other through.
//!
//! Names are looked up once, here, and the connection is made to an address that was judged: a name that answers
//! differently the second time gains nothing. Never judges names: that is `hosts`.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::dns::{Name, Resolve, Resolving};

pub(super) use crate::domain::network::{is_public, is_usable};

/// Whether an address may be connected to.
pub(super) type Judge = fn(IpAddr) -> bool;

/// How names are looked up: the system's way, or a test's.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Resolver {
    pub(super) lookup: Lookup,
    pub(super) judge: Judge,
}

impl Resolver {
    pub(super) fn system(allow_private: bool) -> Self {
        Self {
            lookup: Arc::new(|host| Box::pin(look_up(host))),
            judge: if allow_private { is_usable } else { is_public },
        }
    }

    /// Every address of a name, and whether each may be connected to.
    pub(super) async fn addresses(&self, host: &str) -> io::Result<Vec<(IpAddr, bool)>> {
        let found = (self.lookup)(host.to_owned()).await?;
        Ok(found.into_iter().map(|ip| (ip, (self.judge)(ip))).collect())
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (this, host) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let mut found = this.addresses(&host).await?;
            found.retain(|(_, fine)| *fine);
            if found.is_empty() {
                return Err(AddressRefused { host }.into());
            }
            let addresses = found.into_iter().map(|(ip, _)| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

/// A name with no address that we would connect to.
#[derive(Debug)]
pub(super) struct AddressRefused {
    pub(super) host: String,
}

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The host {} has no public address, and others are not allowed here.", self.host)
    }
}

impl std::error::Error for AddressRefused {}

async fn look_up(host: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
}
