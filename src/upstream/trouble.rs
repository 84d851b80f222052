//! What can go wrong with the hub, in words that may be shown.
//!
//! Never carries a URL, a token or a body: signed URLs are credentials, and an answer's body is somebody else's text.

use std::{error::Error, fmt, time::Duration};

use super::address::AddressRefused;
use crate::domain::refusal::ascii_line;

/// Why the hub gave us nothing. `Display` is one plain sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Not there, or shown only to its members: the hub does not tell the two apart.
    RepoNotFound,
    RevisionNotFound,
    EntryNotFound,
    /// Behind terms that our token's account has not accepted; with the hub's own words, which may be empty.
    Gated(String),
    Disabled,
    /// One of the company's own namespaces: nobody was asked.
    Reserved,
    /// We would not go where the hub sent us.
    Refused(String),
    Busy {
        retry_after: Duration,
    },
    Unreachable(String),
    TooLarge(String),
    Unexpected(String),
}

impl Trouble {
    /// Whether it is settled that the thing is not there, as far as the hub lets us see.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::RepoNotFound | Self::RevisionNotFound | Self::EntryNotFound)
    }

    /// Whether the same question may well be answered later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable(_))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RepoNotFound => f.write_str("The hub has no such repository, or shows it only to its members."),
            Self::RevisionNotFound => f.write_str("The repository has no such revision on the hub."),
            Self::EntryNotFound => f.write_str("The revision has no such file on the hub."),
            Self::Gated(words) if words.is_empty() => f.write_str("The repository is gated on the hub."),
            Self::Gated(words) => write!(f, "The repository is gated on the hub, which says: {words}"),
            Self::Disabled => f.write_str("The hub has disabled access to this repository."),
            Self::Reserved => f.write_str("This namespace is the company's own, so the hub is not asked about it."),
            Self::Busy { retry_after } => {
                write!(f, "The hub asks everybody here to wait; try again in {} s.", seconds(*retry_after))
            }
            Self::Refused(sentence)
            | Self::Unreachable(sentence)
            | Self::TooLarge(sentence)
            | Self::Unexpected(sentence) => f.write_str(sentence),
        }
    }
}

impl Error for Trouble {}

/// Rounded up: a caller that comes back a moment early is sent away again.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// What a failed exchange with `host` means, told by its first cause and without the URL.
pub(super) fn of_exchange(host: &str, error: &reqwest::Error) -> Trouble {
    let mut cause = error.source();
    let mut last = None;
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<AddressRefused>() {
            return Trouble::Refused(refused.to_string());
        }
        last = Some(error);
        cause = error.source();
    }
    if error.is_timeout() {
        return too_slow(host);
    }
    let cause = last.map_or_else(|| "no cause was given".to_owned(), |e| visible(&e.to_string(), 200));
    let doing = if error.is_connect() { "cannot be reached" } else { "broke off" };
    Trouble::Unreachable(format!("The hub's host {host} {doing}: {cause}."))
}

pub(super) fn too_slow(host: &str) -> Trouble {
    Trouble::Unreachable(format!("The hub's host {host} did not answer in time."))
}

/// Text from outside as one line of printable ASCII. Escaped rather than dropped, so that a hostile name can be found.
pub(super) fn visible(text: &str, most: usize) -> String {
    let start: String = text.chars().take(most).flat_map(char::escape_default).collect();
    ascii_line(&start.replace("\\'", "'").replace("\\\"", "\""), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_is_shown_escaped() {
        assert_eq!(visible("a\u{202e}b\n", 80), "a\\u{202e}b\\n");
        assert!(visible(&"é".repeat(500), 40).len() <= 40);
    }

    #[test]
    fn waiting_is_rounded_up() {
        let busy = Trouble::Busy { retry_after: Duration::from_millis(11_200) };
        assert!(busy.to_string().contains("12 s"), "{busy}");
        assert!(busy.is_passing() && !busy.is_absence());
    }
}
