//! Sizes as people write them: `20GiB`, `500 MiB`, `1000000`. Never guesses what an unknown unit means.

/// How many bytes that is; `None` when it is no size.
pub(super) fn read(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(*bytes)
}

/// The same the other way round, in the largest unit that leaves a whole number.
pub(super) fn text(bytes: u64) -> String {
    let whole =
        UNITS.iter().rev().find(|(name, unit)| name.ends_with("iB") && bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_it_is_written() {
        for (text, bytes) in [("20GiB", 20 << 30), ("500 mib", 500 << 20), ("7", 7), ("0", 0), ("3 GB", 3_000_000_000)]
        {
            assert_eq!(read(text), Some(bytes), "{text}");
        }
        for wrong in ["", "GiB", "-1", "1.5GiB", "20 gigs", "99999999999TiB", "1 2"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for bytes in [0, 1, 1000, 1 << 10, 20 << 30, (20 << 30) + 1] {
            assert_eq!(read(&text(bytes)), Some(bytes));
        }
        assert_eq!((text(20 << 30).as_str(), text(1500).as_str()), ("20GiB", "1500"));
    }
}
