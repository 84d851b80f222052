//! How many connections each client has open, so that no one of them can have them all.
//!
//! Never closes one.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::gate::pace::subscriber;

/// Open connections by IPv4 address or IPv6 /64.
#[derive(Clone, Default)]
pub(super) struct Shares(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's part of them, given back when it is dropped.
pub(super) struct Share {
    all: Shares,
    whose: IpAddr,
}

impl Shares {
    /// One more for this address; `None` when it has `most` already.
    pub(super) fn take(&self, peer: IpAddr, most: usize) -> Option<Share> {
        let whose = subscriber(peer);
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has = map.entry(whose).or_default();
        if *has >= most {
            return None;
        }
        *has += 1;
        Some(Share { all: self.clone(), whose })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut map = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(has) = map.get_mut(&self.whose) {
            *has -= 1;
            if *has == 0 {
                map.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_client_and_what_is_given_back_can_be_taken_again() {
        let shares = Shares::default();
        let of = |text: &str| text.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let first = shares.take(of("2001:db8::1"), 2);
        let second = shares.take(of("2001:db8::2"), 2);
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(of("2001:db8::3"), 2).is_none());
        assert!(shares.take(of("2001:db8:0:1::1"), 2).is_some());
        drop(second);
        let third = shares.take(of("2001:db8::3"), 2);
        assert!(third.is_some() && shares.take(of("2001:db8::4"), 2).is_none());
        drop((first, third));
        assert!(shares.0.lock().is_ok_and(|map| map.is_empty()));
    }
}
