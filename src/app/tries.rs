//! How often strangers may begin a sign-in, how often codes may be tried, and how often a terminal may ask whether it was
//! let in: limits of this process, before the database and the ledger are asked.
//!
//! Never says whether a code is right, and keeps nothing that outlives the process.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use crate::{
    domain::{
        refusal::{Code, Refusal},
        time::Micros,
    },
    gate::pace::subscriber,
};

pub struct Tries {
    begun_from: DefaultKeyedRateLimiter<IpAddr>,
    begun: DefaultDirectRateLimiter,
    codes_from: DefaultKeyedRateLimiter<IpAddr>,
    codes_of: DefaultKeyedRateLimiter<String>,
    codes: DefaultDirectRateLimiter,
    reports_from: DefaultKeyedRateLimiter<IpAddr>,
    host_codes_from: DefaultKeyedRateLimiter<IpAddr>,
    host_codes: DefaultDirectRateLimiter,
    polls: Cache<[u8; 32], Poll>,
}

/// When a terminal last asked, and how far apart its questions must be.
#[derive(Clone, Copy)]
struct Poll {
    last: Micros,
    every: i64,
}

impl Default for Tries {
    fn default() -> Self {
        Self {
            // An office behind one address signs in within the same minute; nobody needs thousands.
            begun_from: RateLimiter::keyed(per_minute(30, 30)),
            begun: RateLimiter::direct(per_minute(300, 200)),
            codes_from: RateLimiter::keyed(per_minute(20, 20)),
            codes_of: RateLimiter::keyed(per_minute(6, 12)),
            codes: RateLimiter::direct(per_minute(300, 200)),
            reports_from: RateLimiter::keyed(per_minute(60, 60)),
            host_codes_from: RateLimiter::keyed(per_minute(6, 10)),
            host_codes: RateLimiter::direct(per_minute(120, 60)),
            polls: Cache::builder().max_capacity(20_000).time_to_idle(Duration::from_mins(15)).build(),
        }
    }
}

impl Tries {
    /// One more terminal wants to be let in: a row and an entry each.
    pub fn begin(&self, address: IpAddr) -> Result<(), Refusal> {
        tidy(&self.begun_from);
        let here = self.begun_from.check_key(&subscriber(address));
        if here.is_err() || self.begun.check().is_err() {
            return Err(too_many("Too many sign-ins were begun in the last minute."));
        }
        Ok(())
    }

    /// One more code is tried, by this person: few enough that guessing finds none while it lives.
    pub fn code(&self, address: IpAddr, person: &str) -> Result<(), Refusal> {
        tidy(&self.codes_from);
        tidy(&self.codes_of);
        let mine = self.codes_of.check_key(&person.to_owned());
        let here = self.codes_from.check_key(&subscriber(address));
        if mine.is_err() || here.is_err() || self.codes.check().is_err() {
            return Err(too_many("Too many codes were tried."));
        }
        Ok(())
    }

    /// One more code of the host is typed. An address that has had its share takes nothing from the others'.
    pub fn host_code(&self, from: Option<IpAddr>) -> Result<(), Refusal> {
        tidy(&self.host_codes_from);
        let from = subscriber(from.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        let fine = self.host_codes_from.check_key(&from).is_ok() && self.host_codes.check().is_ok();
        if fine { Ok(()) } else { Err(too_many("Too many codes were typed.")) }
    }

    /// One more report of leaked tokens.
    pub fn report(&self, address: IpAddr) -> Result<(), Refusal> {
        tidy(&self.reports_from);
        self.reports_from.check_key(&subscriber(address)).map_err(|_| too_many("Too many reports from this address."))
    }

    /// Whether the terminal with this code waited as long as it was told to. One that does not is told to wait longer.
    pub fn waited(&self, code: [u8; 32], now: Micros) -> bool {
        let (fine, next) = match self.polls.get(&code) {
            None => (true, Poll { last: now, every: EVERY }),
            Some(Poll { last, every }) => {
                let soonest = last.plus_seconds(every).0 - TOLERANCE;
                let fine = now.0 >= soonest;
                (fine, Poll { last: now, every: if fine { every } else { (every + 5).min(LONGEST) } })
            }
        };
        self.polls.insert(code, next);
        fine
    }
}

fn per_minute(refill: u32, burst: u32) -> Quota {
    let some = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(some(refill)).allow_burst(some(burst))
}

/// Forgets who has been quiet, once there are many.
fn tidy<K: Clone + std::hash::Hash + Eq>(limits: &DefaultKeyedRateLimiter<K>) {
    if limits.len() > 10_000 {
        limits.retain_recent();
    }
}

fn too_many(why: &str) -> Refusal {
    Refusal::new(Code::TooManyRequests, why).hint("Wait a minute and try again.").retry_after(60)
}

/// How far apart a terminal's questions are to be, in seconds: what it is told when it begins.
pub const EVERY: i64 = 5;
const LONGEST: i64 = 60;
/// A clock's own unrest is nobody's fault.
const TOLERANCE: i64 = Micros::SECOND / 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_asks_too_soon_waits_five_seconds_more() {
        let tries = Tries::default();
        let at = |seconds: i64| tries.waited([7; 32], Micros(1_000_000_000).plus_seconds(seconds));
        assert!(at(0), "the first question is always in time");
        assert!(at(5));
        assert!(!at(7), "two seconds later is too soon");
        assert!(!at(15), "from then on ten seconds apart");
        assert!(at(31), "and then fifteen");
        assert!(tries.waited([8; 32], Micros(0)), "another terminal has its own time");
    }

    #[test]
    fn codes_and_sign_ins_run_out_by_person_by_address_and_in_all() {
        let here = |n: u8| IpAddr::from([10, 0, 0, n]);
        let tries = Tries::default();
        let mine = (0..100).filter(|_| tries.code(here(1), "ada").is_ok()).count();
        assert!((12..20).contains(&mine), "{mine} by one person");
        assert!(tries.code(here(2), "bob").is_ok(), "somebody else is not held up");
        let all = (0..=255).flat_map(|n| (0..10).map(move |k| (n, k)));
        let all = all.filter(|(n, k)| tries.code(here(*n), &format!("{n} {k}")).is_ok()).count();
        assert!((150..400).contains(&all), "{all} by everybody");
        let begun = (0..100).filter(|_| tries.begin(here(3)).is_ok()).count();
        assert!((30..60).contains(&begun), "{begun} begun");
        let reported = (0..200).filter(|_| tries.report(here(3)).is_ok()).count();
        assert!((60..120).contains(&reported), "{reported} reported");
    }
}
