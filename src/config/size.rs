//! Sizes as people write them: `500GiB`, `2TB`, `1048576`.

/// Whole bytes. `K`, `M`, `G`, `T` and `P` count by 1000, with an `i` by 1024; a number alone is bytes.
pub(super) fn bytes(key: &str, text: &str) -> Result<u64, String> {
    let wrong = || format!("`{key}` must be a size such as 500GiB, 2TB or a number of bytes, not `{text}`");
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (letter, base) = match unit.strip_suffix('i') {
        Some(letter) => (letter, 1024_u64),
        None => (unit, 1000),
    };
    let power = match (letter, base) {
        ("", 1000) => 0,
        ("k", _) => 1,
        ("m", _) => 2,
        ("g", _) => 3,
        ("t", _) => 4,
        ("p", _) => 5,
        _ => return Err(wrong()),
    };
    base.checked_pow(power).and_then(|each| number.checked_mul(each)).ok_or_else(wrong)
}

/// The same the other way round, in the largest unit that leaves a whole number.
pub(super) fn text(bytes: u64) -> String {
    let whole = WHOLE.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

const WHOLE: &[(&str, u64)] = &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

#[cfg(test)]
mod tests {
    use super::{bytes, text};

    #[test]
    fn a_size_that_was_written_is_read_again() {
        for size in [0, 1, 1000, 1 << 10, 20 << 30, (20 << 30) + 1] {
            assert_eq!(bytes("storage.quota", &text(size)), Ok(size));
        }
        assert_eq!((text(20 << 30).as_str(), text(1500).as_str()), ("20GiB", "1500"));
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, want) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("500GiB", 500 << 30),
            ("500 GiB", 500 << 30),
            ("2TB", 2_000_000_000_000),
            ("64k", 64_000),
            ("64Ki", 65_536),
            ("10b", 10),
        ] {
            assert_eq!(bytes("storage.quota", text), Ok(want), "{text}");
        }
        for bad in ["", "GiB", "-1", "1.5GiB", "5 apples", "5ib", "5i", "99999999PiB", "1e9"] {
            assert!(bytes("storage.quota", bad).is_err_and(|why| why.contains("storage.quota")), "{bad}");
        }
    }
}
