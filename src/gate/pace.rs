//! How often strangers and the refused may knock, and how often one caller may send us to the hub: limits that stand
//! before the ledger, the database and the hub, so that no flood can fill or exhaust them.
//!
//! Never slows down what is granted from what we hold.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::{Call, identity::Actor};
use crate::domain::refusal::{Code, Refusal};

pub(super) struct Pace {
    strangers: DefaultKeyedRateLimiter<IpAddr>,
    denials: DefaultKeyedRateLimiter<String>,
    upstream: DefaultKeyedRateLimiter<String>,
    names: DefaultDirectRateLimiter,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            strangers: RateLimiter::keyed(quota(50, 500)),
            denials: RateLimiter::keyed(quota(20, 500)),
            upstream: RateLimiter::keyed(quota(5, 60)),
            names: RateLimiter::direct(quota(1, 200)),
        }
    }
}

impl Pace {
    /// One more request without a credential known to be good, from this address. Asked before the database is.
    pub(super) fn stranger(&self, call: &Call) -> Result<(), Refusal> {
        let Some(source) = &call.source else { return Ok(()) };
        self.strangers
            .check_key(&subscriber(source.address))
            .map_err(|_| too_many("Too many requests without a good token from this address."))
    }

    /// One more thing that this actor is newly refused.
    pub(super) fn denial(&self, actor: &Actor) -> Result<(), Refusal> {
        let key = actor.reference().to_owned();
        self.denials.check_key(&key).map_err(|_| too_many("Too many refused requests for different things."))
    }

    /// One more question to the hub on this actor's behalf: the hub's patience is shared by everybody.
    pub(super) fn upstream(&self, actor: &Actor) -> Result<(), Refusal> {
        let key = actor.reference().to_owned();
        let why = "Too many questions that only the public hub can answer, from this credential.";
        self.upstream.check_key(&key).map_err(|_| too_many(why))
    }

    /// Whether one more stranger's network may get a reference, which is a row for good.
    pub(super) fn may_name_a_stranger(&self) -> bool {
        self.names.check().is_ok()
    }

    /// Forgets who has been quiet for long.
    pub(super) fn tidy(&self) {
        self.strangers.retain_recent();
        self.denials.retain_recent();
        self.upstream.retain_recent();
    }
}

/// One subscriber of a provider: an IPv4 address, or the 2^64 addresses of an IPv6 /64.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn quota(per_second: u32, burst: u32) -> Quota {
    let some = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(some(per_second)).allow_burst(some(burst))
}

fn too_many(why: &str) -> Refusal {
    Refusal::new(Code::TooManyRequests, why).hint("Wait a little and try again.").retry_after(5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::identity::Source;

    fn from(address: &str) -> Call {
        let address = address.parse().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        Call { source: Some(Source { address, agent: String::new() }), ..Call::default() }
    }

    #[test]
    fn one_ipv6_network_is_one_stranger_and_its_neighbour_another() {
        let pace = Pace::default();
        let passed = (0..2000).filter(|n| pace.stranger(&from(&format!("2001:db8:1:2::{n:x}"))).is_ok()).count();
        assert!((500..700).contains(&passed), "{passed}");
        assert!(pace.stranger(&from("2001:db8:1:3::1")).is_ok());
        assert!(pace.stranger(&from("192.0.2.1")).is_ok());
        assert_eq!(subscriber(IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201])), IpAddr::from([192, 0, 2, 1]));
    }

    #[test]
    fn one_actor_sends_us_to_the_hub_only_so_often() {
        let pace = Pace::default();
        let actor = Actor::anonymous();
        let passed = (0..1500).filter(|_| pace.upstream(&actor).is_ok()).count();
        assert!((60..100).contains(&passed), "{passed}");
        assert_eq!(pace.upstream(&actor).map_err(|r| (r.code, r.retry_after)), Err((Code::TooManyRequests, Some(5))));
    }
}
