//! Spans of time as people write them, on the command line and in the configuration: `30d`, `12h`.

/// Seconds of `90s`, `15m`, `12h`, `30d`.
pub fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no span of time: write 30d, 12h or 15m");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let digits = text.get(..text.len() - 1).unwrap_or_default();
    let number: i64 = if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().map_err(|_| wrong())?
    } else {
        return Err(wrong());
    };
    number.checked_mul(each).filter(|span| *span > 0).ok_or_else(wrong)
}

/// Whole days of `90d`.
pub fn days(text: &str) -> Result<i64, String> {
    let span = seconds(text)?;
    if span % DAY == 0 { Ok(span / DAY) } else { Err(format!("`{text}` is not a number of whole days, such as 90d")) }
}

pub const DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::{days, seconds};

    #[test]
    fn spans_have_a_unit_and_are_never_nothing() {
        assert_eq!(seconds("30d"), Ok(2_592_000));
        assert_eq!(seconds("12h"), Ok(43_200));
        assert_eq!(seconds("15m"), Ok(900));
        for bad in [
            "",
            "d",
            "30",
            "0d",
            "-1d",
            "+1d",
            "1.5h",
            "30 d",
            "30D",
            "30w",
            "99999999999999999999d",
            "9223372036854775807d",
            "1é",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(days("48h"), Ok(2));
        assert!(days("12h").is_err());
    }
}
