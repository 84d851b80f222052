//! How often codes may be typed that somebody might guess: a little from each address, and not much from all together.

use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::{
    domain::refusal::{Code, Refusal},
    gate::pace::subscriber,
};

pub struct Tries {
    each: DefaultKeyedRateLimiter<IpAddr>,
    all: DefaultDirectRateLimiter,
}

impl Default for Tries {
    fn default() -> Self {
        let some = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            each: RateLimiter::keyed(Quota::per_minute(some(6)).allow_burst(some(10))),
            all: RateLimiter::direct(Quota::per_second(some(2)).allow_burst(some(60))),
        }
    }
}

impl Tries {
    /// One more, from this address. An address that has had its share takes nothing from the others'.
    pub fn one_more(&self, from: Option<IpAddr>) -> Result<(), Refusal> {
        let from = subscriber(from.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        if self.each.len() > MOST {
            self.each.retain_recent();
        }
        let fine = self.each.check_key(&from).is_ok() && self.all.check().is_ok();
        let late = || Refusal::new(Code::TooManyRequests, "Too many codes were typed.").hint("Wait a minute.");
        if fine { Ok(()) } else { Err(late().retry_after(60)) }
    }
}

/// Addresses that are remembered before the quiet ones are forgotten.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let tries = Tries::default();
        let from = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let passed = (0..50).filter(|_| tries.one_more(from(1)).is_ok()).count();
        assert!((10..15).contains(&passed), "{passed}");
        assert!(tries.one_more(from(2)).is_ok());
        let all = (3..=255).filter(|last| tries.one_more(from(*last)).is_ok()).count();
        assert!((40..200).contains(&all), "{all}");
    }
}
