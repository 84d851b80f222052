//! What has been decided about a revision in an environment, and which step may follow which.
//!
//! Pure: every step returns the next standing with the event it is, so that state and ledger cannot disagree.

use super::{event::Kind, time::Micros};

/// A decided revision's state. One that has no row at all is undecided: it goes through intake first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Served.
    Approved,
    /// A rule wants a person to look.
    Pending,
    /// A rule only waits for time to pass.
    Cooling,
    /// A rule says no.
    Denied,
    Revoked,
    Suspended,
}

impl State {
    pub const ALL: [Self; 6] =
        [Self::Approved, Self::Pending, Self::Cooling, Self::Denied, Self::Revoked, Self::Suspended];

    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Pending => "pending",
            Self::Cooling => "cooling",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A standing as it is now: an approval whose time is over reads as expired without anybody writing so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    Undecided,
    Approved,
    Expired,
    Pending,
    Cooling,
    Denied,
    Revoked,
    Suspended,
}

impl Now {
    pub const ALL: [Self; 8] = [
        Self::Undecided,
        Self::Approved,
        Self::Expired,
        Self::Pending,
        Self::Cooling,
        Self::Denied,
        Self::Revoked,
        Self::Suspended,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Approved => "approved",
            Self::Expired => "expired",
            Self::Pending => "pending",
            Self::Cooling => "cooling",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
        }
    }
}

/// `expires_at` is when an approval ends, `until_at` when a cooling-off does: then the rules are asked again.
pub fn now(state: Option<State>, expires_at: Option<Micros>, until_at: Option<Micros>, at: Micros) -> Now {
    let over = |end: Option<Micros>| end.is_some_and(|end| end <= at);
    match state {
        None => Now::Undecided,
        Some(State::Approved) if over(expires_at) => Now::Expired,
        Some(State::Approved) => Now::Approved,
        Some(State::Pending) => Now::Pending,
        Some(State::Cooling) if over(until_at) => Now::Undecided,
        Some(State::Cooling) => Now::Cooling,
        Some(State::Denied) => Now::Denied,
        Some(State::Revoked) => Now::Revoked,
        Some(State::Suspended) => Now::Suspended,
    }
}

/// What the rules say of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruled {
    Allow,
    Review,
    /// Nothing but time is missing.
    Wait,
    Deny,
}

/// Something a person or a rule does to a standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Approve,
    Revoke,
    /// The upstream's bytes were not what was listed.
    Suspend,
    /// The rules were asked, after an inspection or anew.
    Rule(Ruled),
}

/// The next state and its event, or why there is none.
pub fn step(from: Now, step: Step) -> Result<(State, Kind), &'static str> {
    match (step, from) {
        (Step::Approve, Now::Approved | Now::Expired | Now::Pending | Now::Cooling) => {
            Ok((State::Approved, Kind::RevisionApproved))
        }
        (Step::Approve, Now::Undecided) => Err("it has not been inspected yet"),
        (Step::Approve, Now::Denied) => Err("a rule denies it, and an approval does not outweigh a denial"),
        (Step::Approve, Now::Revoked) => {
            Err("it was revoked, and a revoked revision never goes straight back to approved")
        }
        (Step::Approve, Now::Suspended) => Err("it is suspended, and somebody has to find out why first"),
        (Step::Revoke | Step::Suspend, Now::Revoked) => Err("it is revoked already"),
        (Step::Revoke, Now::Undecided) => Err("it was never approved here, so there is nothing to revoke"),
        (Step::Revoke, _) => Ok((State::Revoked, Kind::RevisionRevoked)),
        // What was served and may not be any more stops at once, and somebody has to look.
        (Step::Suspend, _) | (Step::Rule(Ruled::Deny), Now::Approved) => {
            Ok((State::Suspended, Kind::RevisionSuspended))
        }
        // What people stopped, rules do not start again.
        (Step::Rule(_), Now::Revoked) => Err("it is revoked"),
        (Step::Rule(_), Now::Suspended) => Err("it is suspended"),
        (Step::Rule(Ruled::Allow), _) => Ok((State::Approved, Kind::RevisionApproved)),
        (Step::Rule(Ruled::Review), _) | (Step::Rule(Ruled::Wait), Now::Approved) => {
            Ok((State::Pending, Kind::RevisionDecided))
        }
        (Step::Rule(Ruled::Wait), _) => Ok((State::Cooling, Kind::RevisionDecided)),
        (Step::Rule(Ruled::Deny), _) => Ok((State::Denied, Kind::RevisionDecided)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_from_what_was_stopped_back_to_what_is_served() {
        let steps = [Step::Approve, Step::Rule(Ruled::Allow), Step::Rule(Ruled::Review), Step::Rule(Ruled::Deny)];
        for (from, step_) in [Now::Revoked, Now::Suspended].into_iter().flat_map(|f| steps.map(|s| (f, s))) {
            assert!(step(from, step_).is_err(), "{from:?} {step_:?}");
        }
        assert!(step(Now::Undecided, Step::Approve).is_err());
        assert!(step(Now::Denied, Step::Approve).is_err());
        assert_eq!(step(Now::Expired, Step::Approve), Ok((State::Approved, Kind::RevisionApproved)));
    }

    #[test]
    fn what_is_served_stops_when_a_rule_says_no() {
        assert_eq!(step(Now::Approved, Step::Rule(Ruled::Deny)), Ok((State::Suspended, Kind::RevisionSuspended)));
        assert_eq!(step(Now::Approved, Step::Rule(Ruled::Review)).map(|s| s.0), Ok(State::Pending));
    }

    #[test]
    fn only_a_rule_that_allows_and_a_person_who_approves_make_a_revision_served() {
        for from in Now::ALL {
            for one in [Step::Revoke, Step::Suspend, Step::Rule(Ruled::Review), Step::Rule(Ruled::Wait)] {
                assert_ne!(step(from, one).map(|s| s.0), Ok(State::Approved), "{from:?} {one:?}");
            }
            assert_ne!(step(from, Step::Rule(Ruled::Deny)).map(|s| s.0), Ok(State::Approved));
        }
    }

    #[test]
    fn an_approval_ends_at_its_time_and_a_cooling_off_too() {
        let at = Micros(100);
        let approved = |end| now(Some(State::Approved), end, None, at);
        assert_eq!(approved(Some(Micros(100))), Now::Expired);
        assert_eq!(approved(Some(Micros(101))), Now::Approved);
        assert_eq!(approved(None), Now::Approved);
        let cooling = |until| now(Some(State::Cooling), None, Some(Micros(until)), at);
        assert_eq!((cooling(101), cooling(100)), (Now::Cooling, Now::Undecided));
    }
}
