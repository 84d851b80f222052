//! Reading a Range header the way the hub's object storage does.
//!
//! Several ranges at once and whatever cannot be read are ignored: the answer is then the whole file.

/// What part of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    /// From the first byte to the one past the last.
    Part(u64, u64),
    Unsatisfiable,
}

pub(crate) fn wanted(header: Option<&str>, len: u64) -> Wanted {
    let Some((first, last)) = header.and_then(|text| text.strip_prefix("bytes=")).and_then(|text| text.split_once('-'))
    else {
        return Wanted::Whole;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), _) if first >= len && (last.trim().is_empty() || last.trim().parse::<u64>().is_ok()) => {
            Wanted::Unsatisfiable
        }
        (Ok(first), Ok(last)) if last >= first => Wanted::Part(first, last.saturating_add(1).min(len)),
        (Ok(first), Err(_)) if last.trim().is_empty() => Wanted::Part(first, len),
        (Err(_), Ok(0)) if first.trim().is_empty() => Wanted::Unsatisfiable,
        (Err(_), Ok(tail)) if first.trim().is_empty() && len > 0 => Wanted::Part(len.saturating_sub(tail), len),
        (Err(_), Ok(_)) if first.trim().is_empty() => Wanted::Unsatisfiable,
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn every_form() {
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-0"), 10), Wanted::Part(0, 1));
        assert_eq!(wanted(Some("bytes=0-10"), 10), Wanted::Part(0, 10), "one past the end is clamped");
        assert_eq!(wanted(Some("bytes=4-"), 10), Wanted::Part(4, 10));
        assert_eq!(wanted(Some("bytes=-3"), 10), Wanted::Part(7, 10));
        assert_eq!(wanted(Some("bytes=-30"), 10), Wanted::Part(0, 10));
        assert_eq!(wanted(Some("bytes=10-"), 10), Wanted::Unsatisfiable);
        assert_eq!(wanted(Some("bytes=0-0"), 0), Wanted::Unsatisfiable);
        assert_eq!(wanted(Some("bytes=0-1,4-5"), 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=5-2"), 10), Wanted::Whole);
        assert_eq!(wanted(Some("lines=1-2"), 10), Wanted::Whole);
    }
}
