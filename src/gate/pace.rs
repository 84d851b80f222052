//! How often strangers and the refused may knock, how often somebody may try to sign in, and how often one caller may
//! send us to the hub: limits that stand before the ledger, the database and the hub, so that no flood can fill or
//! exhaust them.
//!
//! An office behind one address is many people, so an address may do much and one identity little. What could be guessed
//! (the short code that a person types for a device) is held by address and by all addresses together.
//!
//! Never slows down what is granted from what we hold.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock, QuantaInstant},
};

use super::{Call, Gate, identity::Actor};
use crate::domain::refusal::{Code, Refusal};

pub(super) struct Pace {
    strangers: DefaultKeyedRateLimiter<IpAddr>,
    denials: DefaultKeyedRateLimiter<String>,
    upstream: DefaultKeyedRateLimiter<String>,
    names: DefaultDirectRateLimiter,
    sign_ins: DefaultKeyedRateLimiter<IpAddr>,
    /// By what they try to sign in as, which is kept as a number that means nothing.
    identities: DefaultKeyedRateLimiter<u64>,
    numbers: RandomState,
    user_codes: DefaultKeyedRateLimiter<IpAddr>,
    all_user_codes: DefaultDirectRateLimiter,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            strangers: RateLimiter::keyed(quota(50, 500)),
            denials: RateLimiter::keyed(quota(20, 500)),
            upstream: RateLimiter::keyed(quota(5, 60)),
            names: RateLimiter::direct(quota(1, 200)),
            sign_ins: RateLimiter::keyed(quota(20, 400)),
            identities: RateLimiter::keyed(quota(1, 30)),
            numbers: RandomState::new(),
            user_codes: RateLimiter::keyed(quota(1, 60)),
            all_user_codes: RateLimiter::direct(quota(20, 600)),
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

    /// One more step of somebody's signing in, from this address.
    fn sign_in(&self, call: &Call) -> Result<(), Refusal> {
        let Some(source) = &call.source else { return Ok(()) };
        let passed = self.sign_ins.check_key(&subscriber(source.address));
        passed.map_err(|until| not_yet("Too many sign-ins from this address.", &until))
    }

    /// The same as this identity or with this secret, whatever address it comes from.
    fn sign_in_as(&self, whom: &str) -> Result<(), Refusal> {
        let passed = self.identities.check_key(&self.numbers.hash_one(whom));
        passed.map_err(|until| not_yet("Too many tries to sign in as the same one.", &until))
    }

    /// One more short code that somebody typed. The address is asked first, so that one of them cannot use up what all
    /// of them have together.
    fn user_code(&self, call: &Call) -> Result<(), Refusal> {
        if let Some(source) = &call.source {
            let passed = self.user_codes.check_key(&subscriber(source.address));
            passed.map_err(|until| not_yet("Too many codes were tried from this address.", &until))?;
        }
        let passed = self.all_user_codes.check();
        passed.map_err(|until| not_yet("Too many codes are being tried.", &until))
    }

    /// Forgets who has been quiet for long.
    pub(super) fn tidy(&self) {
        self.sign_ins.retain_recent();
        self.identities.retain_recent();
        self.user_codes.retain_recent();
        self.strangers.retain_recent();
        self.denials.retain_recent();
        self.upstream.retain_recent();
    }
}

/// For the doors at which people and machines sign in. Ask before the database is asked; a refusal is counted once a
/// minute for a network.
impl Gate {
    /// One more step of signing in, from this address: a page of it, a code sent back, a question for a token.
    pub async fn pace_sign_in(&self, call: &Call) -> Result<(), Refusal> {
        self.paced(self.pace().sign_in(call), call).await
    }

    /// The same, and as whom: an identity, a device code, a refresh token. It is not kept.
    pub async fn pace_sign_in_as(&self, call: &Call, whom: &str) -> Result<(), Refusal> {
        let passed = self.pace().sign_in(call).and_then(|()| self.pace().sign_in_as(whom));
        self.paced(passed, call).await
    }

    /// One more code of a device that a person types: short enough to be guessed by whoever may try often enough.
    pub async fn pace_user_code(&self, call: &Call) -> Result<(), Refusal> {
        let passed = self.pace().sign_in(call).and_then(|()| self.pace().user_code(call));
        self.paced(passed, call).await
    }

    async fn paced(&self, passed: Result<(), Refusal>, call: &Call) -> Result<(), Refusal> {
        if let Err(refusal) = &passed {
            self.count_failed_sign_in(refusal, call).await;
        }
        passed
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

/// Says when the next one would pass.
fn not_yet(why: &str, until: &NotUntil<QuantaInstant>) -> Refusal {
    let wait = until.wait_time_from(DefaultClock::default().now());
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    Refusal { retry_after: Some(seconds), ..too_many(why) }
}

fn too_many(why: &str) -> Refusal {
    Refusal::new(Code::TooManyRequests, why).hint("Wait a little and try again.").retry_after(5)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
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

    #[test]
    fn an_office_behind_one_address_signs_in_and_a_guesser_does_not_get_far() {
        let pace = Pace::default();
        let office = from("203.0.113.9");
        // 100 people at once: a code for the device, the pages, and a question for the token every 5 seconds.
        for person in 0..100 {
            for _ in 0..3 {
                pace.sign_in(&office).unwrap();
                pace.sign_in_as(&format!("device {person}")).unwrap();
            }
        }
        (0..50).for_each(|_| pace.user_code(&office).unwrap());
        let guesser = from("198.51.100.1");
        let tried = (0..10_000).filter(|_| pace.user_code(&guesser).is_ok()).count();
        assert!((60..200).contains(&tried), "{tried}");
        let refused = pace.user_code(&guesser).unwrap_err();
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(refused.retry_after.is_some_and(|seconds| (1..=2).contains(&seconds)), "{:?}", refused.retry_after);
        pace.user_code(&from("198.51.100.2")).unwrap();
    }

    #[test]
    fn one_identity_is_held_wherever_it_is_tried_from_and_codes_by_all_addresses_together() {
        let pace = Pace::default();
        let tried = (0..5_000).filter(|_| pace.sign_in_as("the same refresh token").is_ok()).count();
        assert!((30..100).contains(&tried), "{tried}");
        pace.sign_in_as("another").unwrap();
        let everywhere = |n: u32| from(&Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(n) << 64).to_string());
        let tried = (0..50_000).filter(|n| pace.user_code(&everywhere(*n)).is_ok()).count();
        assert!((600..6_000).contains(&tried), "{tried}");
    }
}
