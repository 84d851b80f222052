//! How many files this process may have open: every connection is two of them, and what it is sent another.
//!
//! Never lowers a limit, and never refuses to start: a small one is said aloud.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit towards what so many connections need, as far as the hard one lets it.
pub(super) fn make_room(connections: usize) {
    let wanted = wanted(connections);
    let limit = getrlimit(Resource::Nofile);
    if let Some(raised) = raised(&limit, wanted)
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
    let limit = getrlimit(Resource::Nofile);
    if let Some(files) = limit.current.filter(|files| *files < wanted / 2) {
        tracing::warn!(
            files,
            connections,
            "so few files may be open that connections will be refused before all are taken: raise the hard limit (nofile)"
        );
    }
}

/// Two for a connection, one for the file it is sent, one for its upstream: most need less.
fn wanted(connections: usize) -> u64 {
    4 * u64::try_from(connections).unwrap_or(u64::MAX / 4)
}

fn raised(limit: &Rlimit, wanted: u64) -> Option<Rlimit> {
    // `None` is no limit at all.
    let has = limit.current?;
    let may = limit.maximum.map_or(wanted, |most| most.min(wanted));
    (has < may).then_some(Rlimit { current: Some(may), maximum: limit.maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soft(current: Option<u64>, maximum: Option<u64>) -> Option<u64> {
        raised(&Rlimit { current, maximum }, 32_768).and_then(|limit| limit.current)
    }

    #[test]
    fn the_soft_limit_is_raised_as_far_as_needed_and_allowed_and_never_lowered() {
        assert_eq!(soft(Some(1024), Some(1 << 20)), Some(32_768));
        assert_eq!(soft(Some(1024), None), Some(32_768));
        assert_eq!(soft(Some(1024), Some(4096)), Some(4096));
        assert_eq!(soft(Some(4096), Some(4096)), None);
        assert_eq!(soft(Some(1 << 20), Some(1 << 20)), None);
        assert_eq!(soft(None, None), None);
    }

    #[test]
    fn this_process_gets_what_it_may_have() {
        let before = getrlimit(Resource::Nofile);
        make_room(64);
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.maximum, before.maximum);
        let may = before.maximum.map_or(256, |most| most.min(256));
        assert!(after.current.is_none_or(|files| files >= may));
    }
}
