//! How often strangers and the refused may knock: limits that stand before the ledger, so that no flood can fill it.
//!
//! Never slows down what is granted.

use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::{Call, identity::Actor};
use crate::domain::refusal::{Code, Refusal};

pub(super) struct Pace {
    strangers: DefaultKeyedRateLimiter<IpAddr>,
    denials: DefaultKeyedRateLimiter<String>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { strangers: RateLimiter::keyed(quota(50, 500)), denials: RateLimiter::keyed(quota(20, 500)) }
    }
}

impl Pace {
    /// One more request without a good credential from this address.
    pub(super) fn stranger(&self, call: &Call) -> Result<(), Refusal> {
        let Some(source) = &call.source else { return Ok(()) };
        self.strangers
            .check_key(&source.address)
            .map_err(|_| too_many("Too many requests without a good token from this address."))
    }

    /// One more thing that this actor is newly refused.
    pub(super) fn denial(&self, actor: &Actor) -> Result<(), Refusal> {
        let key = actor.reference().to_owned();
        self.denials.check_key(&key).map_err(|_| too_many("Too many refused requests for different things."))
    }

    /// Forgets who has been quiet for long.
    pub(super) fn tidy(&self) {
        self.strangers.retain_recent();
        self.denials.retain_recent();
    }
}

fn quota(per_second: u32, burst: u32) -> Quota {
    let some = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(some(per_second)).allow_burst(some(burst))
}

fn too_many(why: &str) -> Refusal {
    Refusal::new(Code::TooManyRequests, why).hint("Wait a little and try again.").retry_after(5)
}
