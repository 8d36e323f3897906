//! An instant: milliseconds since 1970-01-01T00:00:00Z, the resolution of Prometheus.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// An instant in milliseconds since the Unix epoch, UTC. Arithmetic saturates: a far future stays a far future.
/// As JSON, in rows and pages, that number of milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A text that is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an RFC 3339 instant: {why}")]
pub struct TimeError {
    /// What was given.
    pub text: String,
    /// What the parser objected to.
    pub why: String,
}

impl Timestamp {
    /// The earliest instant.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest instant.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    /// From seconds since the epoch; fractions below a millisecond are rounded, NaN is the epoch.
    pub fn from_secs_f64(secs: f64) -> Timestamp {
        Timestamp((secs * 1000.0).round() as i64)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This instant, `by` later.
    pub fn plus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant, `by` earlier.
    pub fn minus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// From RFC 3339 with an offset or `Z`.
    pub fn parse_rfc3339(text: &str) -> Result<Timestamp, TimeError> {
        let instant: jiff::Timestamp = text
            .parse()
            .map_err(|why: jiff::Error| TimeError { text: text.to_owned(), why: why.to_string() })?;
        Ok(Timestamp(instant.as_millisecond()))
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-22T00:48:17.000Z`. An instant outside the years ±9999 is
    /// written as the nearest one inside.
    pub fn rfc3339(self) -> String {
        let (first, last) =
            (jiff::Timestamp::MIN.as_second() * 1000, jiff::Timestamp::MAX.as_second() * 1000);
        let instant = jiff::Timestamp::from_millisecond(self.0.clamp(first, last))
            .expect("a millisecond clamped to whole seconds is within jiff's range");
        format!("{instant:.3}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_both_ways() {
        let at = Timestamp::parse_rfc3339("2026-11-22T02:48:17.25+02:00").unwrap();
        assert_eq!(at.rfc3339(), "2026-11-22T00:48:17.250Z");
        assert_eq!(Timestamp::parse_rfc3339(&at.rfc3339()).unwrap(), at);
        assert!(Timestamp::parse_rfc3339("yesterday").is_err());
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert!(Timestamp::MAX.rfc3339().starts_with("9999"));
    }
}
