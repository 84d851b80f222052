//! What has been decided about a revision in an environment, and which step may follow which.
//!
//! Pure: every step returns the next standing with the event it is, so that state and ledger cannot disagree.

use super::{event::Kind, time::Micros};

/// A decided revision's state. One that has no row at all is undecided, and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Approved,
    Revoked,
    Suspended,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Approved, Self::Revoked, Self::Suspended];

    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
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
    Revoked,
    Suspended,
}

pub fn now(state: Option<State>, expires_at: Option<Micros>, at: Micros) -> Now {
    match state {
        None => Now::Undecided,
        Some(State::Approved) if expires_at.is_some_and(|end| end <= at) => Now::Expired,
        Some(State::Approved) => Now::Approved,
        Some(State::Revoked) => Now::Revoked,
        Some(State::Suspended) => Now::Suspended,
    }
}

/// Something a person or a rule does to a standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Approve,
    Revoke,
    /// The upstream's bytes were not what was listed.
    Suspend,
}

/// The next state and its event, or why there is none.
pub fn step(from: Now, step: Step) -> Result<(State, Kind), &'static str> {
    match (step, from) {
        (Step::Approve, Now::Undecided | Now::Approved | Now::Expired) => Ok((State::Approved, Kind::RevisionApproved)),
        (Step::Approve, Now::Revoked) => {
            Err("it was revoked, and a revoked revision never goes straight back to approved")
        }
        (Step::Approve, Now::Suspended) => Err("it is suspended because its bytes were not what the hub had listed"),
        (Step::Revoke, Now::Undecided) => Err("it was never approved here, so there is nothing to revoke"),
        (Step::Revoke | Step::Suspend, Now::Revoked) => Err("it is revoked already"),
        (Step::Revoke, _) => Ok((State::Revoked, Kind::RevisionRevoked)),
        (Step::Suspend, _) => Ok((State::Suspended, Kind::RevisionSuspended)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_from_revoked_or_suspended_back_to_approved() {
        for from in [Now::Revoked, Now::Suspended] {
            assert!(step(from, Step::Approve).is_err());
        }
        assert_eq!(step(Now::Expired, Step::Approve), Ok((State::Approved, Kind::RevisionApproved)));
    }

    #[test]
    fn an_approval_ends_at_its_time() {
        let at = Micros(100);
        assert_eq!(now(Some(State::Approved), Some(Micros(100)), at), Now::Expired);
        assert_eq!(now(Some(State::Approved), Some(Micros(101)), at), Now::Approved);
        assert_eq!(now(Some(State::Approved), None, at), Now::Approved);
    }
}
