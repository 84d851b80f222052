//! The `Range` header: one range of bytes, as real clients write it.
//!
//! Never reads a file. Several ranges in one header are answered with the whole file, which the standard allows.

/// What part of a file to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// `start..end`, end exclusive, never empty, inside the file.
    Slice {
        start: u64,
        end: u64,
    },
    /// Nothing of the file lies in the range: 416.
    Outside,
}

/// Reads a `Range` header for a file of `size` bytes. What cannot be understood is ignored, as the standard says.
///
/// An end past the file is clamped: the Rust client asks for one byte more than there is. For an empty file every
/// range is the whole of it: a 416 would fail that client on `empty.txt`.
pub fn parse(header: Option<&str>, size: u64) -> Part {
    let Some(spec) = header.and_then(|h| h.trim().strip_prefix("bytes=")) else { return Part::Whole };
    if spec.contains(',') || size == 0 {
        return Part::Whole;
    }
    let Some((from, to)) = spec.trim().split_once('-') else { return Part::Whole };
    match (number(from), number(to)) {
        (Some(None), Some(Some(0))) => Part::Outside,
        (Some(None), Some(Some(last))) => Part::Slice { start: size.saturating_sub(last), end: size },
        (Some(Some(start)), Some(None)) if start < size => Part::Slice { start, end: size },
        (Some(Some(start)), Some(Some(last))) if last < start => Part::Whole,
        (Some(Some(start)), Some(Some(last))) if start < size => {
            Part::Slice { start, end: last.saturating_add(1).min(size) }
        }
        (Some(Some(_)), Some(_)) => Part::Outside,
        _ => Part::Whole,
    }
}

/// Outer `None`: not a number at all. Inner `None`: empty.
#[allow(clippy::option_option, reason = "absent and unreadable are two different things here")]
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_clients_write_them() {
        let slice = |start, end| Part::Slice { start, end };
        for (header, size, want) in [
            (None, 10, Part::Whole),
            (Some("bytes=0-0"), 10, slice(0, 1)),
            (Some("bytes=0-10"), 10, slice(0, 10)),
            (Some("bytes=3-"), 10, slice(3, 10)),
            (Some("bytes=-4"), 10, slice(6, 10)),
            (Some("bytes=-40"), 10, slice(0, 10)),
            (Some("bytes=10-"), 10, Part::Outside),
            (Some("bytes=99999999999999999999-"), 10, Part::Outside),
            (Some("bytes=-0"), 10, Part::Outside),
            (Some("bytes=0-1,4-5"), 10, Part::Whole),
            (Some("bytes=5-2"), 10, Part::Whole),
            (Some("lines=1-2"), 10, Part::Whole),
            (Some("bytes=a-b"), 10, Part::Whole),
            (Some("bytes=0-0"), 0, Part::Whole),
        ] {
            assert_eq!(parse(header, size), want, "{header:?} of {size}");
        }
    }
}
