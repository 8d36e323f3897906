//! When a schedule fires: an instant, cron or recurrence rules in a zone under a named policy for clock changes.
//!
//! Pure: the same expression, zone, policy and instant give the same fires for ever (as long as the zone's
//! rules stay). All `after`s are exclusive.

mod calendar;
mod cron;
mod fires;
mod firing;
mod recurrence;
mod rrule;

pub use calendar::{Calendar, DAYS_MAX};
pub use cron::{Cron, Dialect};
pub use fires::{Fold, Gap, Policy};
pub use firing::{Firing, KEYS, Language, Misfire, Overlap};
pub use recurrence::{Recurrence, text_in};
pub use rrule::{Anchor, RruleSchedule};

use fires::Search;
use jiff::tz::TimeZone;
use model::Timestamp;

/// What is wrong with a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression as a whole.
    #[error("{0}")]
    Expression(String),
    /// One field of a cron expression, or one part of a rule.
    #[error("{field} {text:?}: {what}")]
    Field {
        /// Which.
        field: &'static str,
        /// As written.
        text: String,
        /// What is wrong with it.
        what: String,
    },
    /// The zone.
    #[error("{0:?} is no time zone; try a name such as UTC or Europe/Chisinau, or an offset such as +05:30")]
    Zone(String),
    /// An instant.
    #[error("{text:?} is no instant: {why}; try a form such as 2026-11-22T08:30:00+02:00")]
    Instant {
        /// As written.
        text: String,
        /// The parser's words.
        why: String,
    },
}

/// A zone by its IANA name, or a fixed offset such as `+05:30`.
pub fn zone(name: &str) -> Result<TimeZone, ScheduleError> {
    let bad = || ScheduleError::Zone(name.to_owned());
    if name.is_empty() || name.len() > 100 {
        return Err(bad());
    }
    if let Some(offset) = fixed_offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    match name {
        "UTC" | "Z" => Ok(TimeZone::UTC),
        _ => TimeZone::get(name).map_err(|_| bad()),
    }
}

fn fixed_offset(text: &str) -> Option<jiff::tz::Offset> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..60).contains(&minutes) || !(0..24).contains(&hours) {
        return None;
    }
    jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// The instant of a `once` expression: ISO 8601 with an offset, or a wall-clock time in `zone`. A time that
/// occurs twice is the second one; one that is skipped is as much later.
pub fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, ScheduleError> {
    let text = text.trim();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_millis(at.as_millisecond()));
    }
    let civil: jiff::civil::DateTime = text
        .parse()
        .map_err(|why: jiff::Error| ScheduleError::Instant { text: text.to_owned(), why: why.to_string() })?;
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let at = match ambiguous.offset() {
        jiff::tz::AmbiguousOffset::Fold { .. } => ambiguous.later(),
        _ => ambiguous.compatible(),
    };
    at.map(|at| Timestamp::from_millis(at.as_millisecond()))
        .map_err(|why| ScheduleError::Instant { text: text.to_owned(), why: why.to_string() })
}

/// No fire of a cron expression within so many years means none at all.
const YEARS_MAX: i16 = 100;

/// A cron expression with everything that decides when it fires.
#[derive(Debug, Clone)]
pub struct CronSchedule {
    cron: Cron,
    zone: TimeZone,
    policy: Policy,
}

impl CronSchedule {
    /// Reads `expr`. A prefix `TZ=ZONE` or `CRON_TZ=ZONE` wins over `zone`.
    pub fn new(
        expr: &str,
        dialect: Dialect,
        zone_name: &str,
        policy: Policy,
    ) -> Result<CronSchedule, ScheduleError> {
        let expr = expr.trim();
        let prefixed = expr.strip_prefix("CRON_TZ=").or_else(|| expr.strip_prefix("TZ="));
        let (zone_name, expr) = match prefixed.map(|rest| rest.split_once(char::is_whitespace)) {
            Some(Some((name, expr))) => (name, expr),
            Some(None) => return Err(ScheduleError::Expression("only a zone, no fields".to_owned())),
            None => (zone_name, expr),
        };
        Ok(CronSchedule { cron: Cron::parse(expr, dialect)?, zone: zone(zone_name)?, policy })
    }

    /// The first fire after `after`; `None` if there is none within 100 years.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let at = jiff::Timestamp::from_millisecond(after.as_millis()).ok()?;
        let horizon = self.zone.to_datetime(at).year().checked_add(YEARS_MAX)?;
        Search::new(&self.cron, &self.zone, self.policy, horizon).next(after)
    }

    /// The fires after `after`, in order.
    pub fn fires_after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.next(after), |&last| self.next(last))
    }

    /// The zone it is read in.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
