//! Points in time as whole microseconds: what both databases keep exactly and every hash agrees on.
//!
//! Never reads a clock: `crate::clock` does.

use std::fmt;

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// Microseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Micros(pub i64);

impl Micros {
    pub const SECOND: i64 = 1_000_000;
    pub const DAY: i64 = 86_400 * Self::SECOND;

    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(Self::SECOND)))
    }

    pub fn year(self) -> i32 {
        self.date().year()
    }

    pub fn seconds(self) -> i64 {
        self.0.div_euclid(Self::SECOND)
    }

    /// Parses what the hub writes (`2026-11-20T20:00:00.000Z`); nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1000)).ok().map(Self)
    }

    /// `2026-11-20T20:00:00.000Z`, the hub's own shape.
    pub fn to_millis_text(self) -> String {
        let d = self.date();
        let date = format_args!("{:04}-{:02}-{:02}", d.year(), u8::from(d.month()), d.day()).to_string();
        format!("{date}T{:02}:{:02}:{:02}.{:03}Z", d.hour(), d.minute(), d.second(), d.millisecond())
    }

    /// `20 Nov 2026`, for people.
    pub fn to_day_text(self) -> String {
        let d = self.date();
        let month = d.month().to_string();
        format!("{} {} {}", d.day(), month.get(..3).unwrap_or(&month), d.year())
    }

    /// `20 Nov 2026 14:05 UTC`, for people.
    pub fn to_minute_text(self) -> String {
        let d = self.date();
        format!("{} {:02}:{:02} UTC", self.to_day_text(), d.hour(), d.minute())
    }

    fn date(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// `2026-11-20T20:00:00.123456Z`: fixed width, so that text order is time order.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = self.date();
        write!(f, "{:04}-{:02}-{:02}", d.year(), u8::from(d.month()), d.day())?;
        write!(f, "T{:02}:{:02}:{:02}.{:06}Z", d.hour(), d.minute(), d.second(), d.microsecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_fixed_width_and_round_trips() {
        let at = Micros(1_795_204_800_123_456);
        assert_eq!(at.to_string().len(), 27);
        assert_eq!(Micros::parse(&at.to_string()), Some(at));
        assert_eq!(
            Micros::parse("2026-11-20T20:00:00.000Z").map(Micros::to_millis_text).as_deref(),
            Some("2026-11-20T20:00:00.000Z")
        );
        assert_eq!(Micros(0).to_day_text(), "1 Jan 1970");
    }
}
