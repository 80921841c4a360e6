//! Times and durations as they stand in JSON.

use std::{cell::Cell, fmt, str::FromStr, time::Duration};

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, RFC 3339 in UTC with milliseconds and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, format = "date-time", example = "2026-02-04T12:00:00.000Z")]
pub struct Timestamp(
    /// Milliseconds since the Unix epoch, within what a calendar can show.
    i64,
);

impl Timestamp {
    const EARLIEST: i64 = DateTime::<Utc>::MIN_UTC.timestamp_millis();
    const LATEST: i64 = DateTime::<Utc>::MAX_UTC.timestamp_millis();

    /// Cuts to milliseconds, so what is stored equals what is shown.
    pub const fn new(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }

    /// The instant itself.
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// From milliseconds since the Unix epoch; what is out of range becomes the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if Self::EARLIEST <= millis && millis <= Self::LATEST {
            millis
        } else {
            0
        })
    }

    /// Hands on its text, `2026-02-04T12:00:00.000Z`.
    pub fn shown<T>(self, show: impl FnOnce(&str) -> T) -> T {
        match self.text() {
            Some(text) => show(str::from_utf8(&text).unwrap_or_default()),
            None => show(&self.utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        }
    }

    /// As it is shown, for years of four digits. Every answer has several of these, mostly of one second, whose text is
    /// remembered.
    fn text(self) -> Option<[u8; 24]> {
        thread_local! {
            static LAST: Cell<Option<(i64, [u8; 24])>> = const { Cell::new(None) };
        }
        let second = self.0.div_euclid(1000);
        let known = LAST.get().filter(|(of, _)| *of == second);
        let mut text = match known {
            Some((_, text)) => text,
            None => Self(second * 1000).text_of_second()?,
        };
        if known.is_none() {
            LAST.set(Some((second, text)));
        }
        write_digits(&mut text[20..23], self.0.rem_euclid(1000) as u32);
        Some(text)
    }

    fn text_of_second(self) -> Option<[u8; 24]> {
        let at = self.utc();
        let year = u32::try_from(at.year()).ok().filter(|year| *year <= 9999)?;
        let (date, time) = (at.date_naive(), at.time());
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (place, value) in [
            (0..4, year),
            (5..7, date.month()),
            (8..10, date.day()),
            (11..13, time.hour()),
            (14..16, time.minute()),
            (17..19, time.second()),
        ] {
            write_digits(&mut text[place], value);
        }
        Some(text)
    }

    /// Seconds from `earlier` to this, never below zero.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.millis() - earlier.millis()).max(0) as f64 / 1000.0
    }
}

/// The last digits of a number.
fn write_digits(text: &mut [u8], mut left: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown(|text| f.write_str(text))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shown(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer).map(Self::new)
    }
}

/// The text is not a duration such as `30s`, `300ms`, `5m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration such as \"30s\"")]
pub struct NotASpan;

/// Digits that a span's number has at most, and the greatest such number.
const DIGITS_MAX: usize = 7;
const COUNT_MAX: u64 = 9_999_999;

/// A length of time written as text: `300ms`, `30s`, `5m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, format = "duration-text", pattern = r"^[0-9]{1,7}(ms|s|m|h)$", example = "30s")]
pub struct Span(Duration);

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// As a standard duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > DIGITS_MAX {
            return Err(NotASpan);
        }
        let count: u64 = text[..digits].parse().map_err(|_| NotASpan)?;
        match &text[digits..] {
            "ms" => Ok(Self::millis(count)),
            "s" => Ok(Self::seconds(count)),
            "m" => Ok(Self::seconds(count * 60)),
            "h" => Ok(Self::seconds(count * 3600)),
            _ => Err(NotASpan),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if self.0.subsec_millis() != 0 {
            write!(f, "{}ms", self.0.as_millis())
        } else if seconds <= COUNT_MAX {
            write!(f, "{seconds}s")
        } else if seconds.is_multiple_of(60) && seconds / 60 <= COUNT_MAX {
            write!(f, "{}m", seconds / 60)
        } else {
            write!(f, "{}h", seconds / 3600)
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn spans_read_every_unit_and_write_the_shortest_exact_one() {
        for (text, shown) in [
            ("30s", "30s"),
            ("300ms", "300ms"),
            ("2000ms", "2s"),
            ("5m", "300s"),
            ("1h", "3600s"),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), shown);
        }
        for bad in ["", "s", "30", "-1s", "1.5s", "99999999s", "1d", "１s"] {
            assert_eq!(bad.parse::<Span>(), Err(NotASpan), "{bad}");
        }
    }

    #[test]
    fn every_span_that_is_read_is_written_so_that_it_is_read_again() {
        for number in [1, 59, 60, 61, 9_999_959, 9_999_960, 9_999_999] {
            for unit in ["ms", "s", "m", "h"] {
                let text = format!("{number}{unit}");
                let span: Span = text.parse().unwrap();
                assert_eq!(span.to_string().parse(), Ok(span), "{text}");
            }
        }
    }

    #[test]
    fn timestamps_show_milliseconds_and_z() {
        let at = Timestamp::from_millis(1_770_206_400_120);
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"2026-02-04T12:00:00.120Z\"");
    }

    #[test]
    fn timestamps_are_written_as_chrono_writes_them() {
        let days = [
            -62_135_596_800_000,
            -1,
            0,
            951_827_696_789,
            1_770_206_400_007,
            253_402_300_799_999,
        ];
        for millis in days.into_iter().chain([-80_000_000_000_000, 300_000_000_000_000]) {
            // Of one second twice, and of the one before it.
            for millis in [millis, millis + 1, millis - 999] {
                let at = Timestamp::from_millis(millis);
                let shown = at.utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
                assert_eq!(at.to_string(), shown);
            }
            let at = Timestamp::from_millis(millis);
            let shown = at.utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            assert_eq!(at.to_string(), shown);
            assert_eq!(serde_json::to_value(at).unwrap(), shown);
        }
    }

    #[test]
    fn what_no_calendar_can_show_is_the_epoch() {
        let edges = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC];
        for at in edges {
            let at = Timestamp::new(at);
            assert_eq!(Timestamp::from_millis(at.millis()), at);
            assert_eq!(at.utc().timestamp_millis(), at.millis());
        }
        for millis in [
            i64::MIN,
            edges[0].timestamp_millis() - 1,
            edges[1].timestamp_millis() + 1,
            i64::MAX,
        ] {
            assert_eq!(Timestamp::from_millis(millis).millis(), 0);
        }
    }
}
