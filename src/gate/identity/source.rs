//! Where a request came from: its address, and what stands for it in the ledger.
//!
//! Never the whole address in an entry: a keyed reference, and the network around it.

use std::net::IpAddr;

use http::{HeaderMap, header};

use crate::{
    domain::{
        event::SourceFact,
        refusal::{Fault, ascii_line},
    },
    gate::{Gate, pace},
    ledger::About,
};

/// Where a request came from. The full address stays in the erasable side table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub address: IpAddr,
    pub agent: String,
}

impl Source {
    pub fn of(address: IpAddr, headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        Self { address, agent: ascii_line(agent, 200) }
    }

    pub(in crate::gate) async fn fact(&self, gate: &Gate) -> Result<SourceFact, Fault> {
        let reference = gate.ledger().reference(About::Address, &self.address.to_string()).await?;
        Ok(self.with(Some(reference)))
    }

    /// The same of somebody who has not signed in: such addresses come in any number, so what is referred to is the
    /// network around them, and of new networks only some get a reference.
    pub(in crate::gate) async fn strange_fact(&self, gate: &Gate) -> SourceFact {
        if !gate.pace().may_name_a_stranger() {
            return self.with(None);
        }
        let reference = gate.ledger().reference(About::Address, &neighbourhood(self.address)).await;
        if let Err(fault) = &reference {
            tracing::warn!(%fault, "a failed sign-in is counted without a reference to its network");
        }
        self.with(reference.ok())
    }

    fn with(&self, ip_ref: Option<String>) -> SourceFact {
        let ua = (!self.agent.is_empty()).then(|| self.agent.clone());
        SourceFact { ip_ref, net: Some(network(self.address)), ua }
    }
}

/// `10.20.30.0/24` or `2001:db8:1:2::/64`: near enough to find whoever tries tokens, and few enough to remember.
pub(in crate::gate) fn neighbourhood(address: IpAddr) -> String {
    match pace::subscriber(address) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        v6 @ IpAddr::V6(_) => format!("{v6}/64"),
    }
}

/// `10.20.0.0/16` or `2001:db8:1::/48`: enough to see where from, not whom.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            format!("{a}.{b}.0.0/16")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{neighbourhood, network};

    #[test]
    fn networks_are_truncated() {
        let of = |text: &str| text.parse().map(network).unwrap_or_default();
        assert_eq!(of("10.20.30.40"), "10.20.0.0/16");
        assert_eq!(of("::ffff:10.20.30.40"), "10.20.0.0/16");
        assert_eq!(of("2001:db8:1:2::9"), "2001:db8:1::/48");
        let around = |text: &str| text.parse().map(neighbourhood).unwrap_or_default();
        assert_eq!(around("10.20.30.40"), "10.20.30.0/24");
        assert_eq!(around("::ffff:10.20.30.40"), "10.20.30.0/24");
        assert_eq!(around("2001:db8:1:2::9"), "2001:db8:1:2::/64");
    }
}
