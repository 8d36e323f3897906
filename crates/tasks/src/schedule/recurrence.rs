//! An expression of any kind: an instant, cron, or recurrence rules.

use super::{Anchor, Calendar, CronSchedule, Dialect, Firing, Policy, RruleSchedule, ScheduleError};
use super::{instant, zone};
use jiff::tz::TimeZone;
use model::Timestamp;
use std::sync::Arc;

/// What fires.
#[derive(Debug, Clone)]
pub enum Recurrence {
    /// Once, seen from a zone.
    Once(Timestamp, TimeZone),
    /// Fields.
    Cron(Box<CronSchedule>),
    /// Rules.
    Rrule(Box<RruleSchedule>),
}

/// The most holidays in a row.
const HOLIDAYS_MAX: usize = 4_000;

impl Recurrence {
    /// An instant.
    pub fn once(expr: &str, zone_name: &str) -> Result<Recurrence, ScheduleError> {
        let zone = zone(zone_name)?;
        Ok(Recurrence::Once(instant(expr, &zone)?, zone))
    }

    /// A cron expression.
    pub fn cron(expr: &str, zone_name: &str, firing: &Firing) -> Result<Recurrence, ScheduleError> {
        let dialect = firing.dialect.unwrap_or(Dialect::Standard);
        let cron = CronSchedule::new(expr, dialect, zone_name, firing.policy(Policy::default()))?;
        Ok(Recurrence::Cron(Box::new(cron)))
    }

    /// Recurrence rules; those without DTSTART begin at `anchor`.
    pub fn rrule(
        expr: &str,
        zone_name: &str,
        firing: &Firing,
        anchor: Anchor,
    ) -> Result<Recurrence, ScheduleError> {
        let rules = RruleSchedule::new(expr, zone_name, firing.policy(Policy::RFC5545), anchor)?;
        Ok(Recurrence::Rrule(Box::new(rules)))
    }

    /// An expression whose kind is told by its looks.
    pub fn of_any_kind(
        expr: &str,
        zone_name: &str,
        firing: &Firing,
        anchor: Anchor,
    ) -> Result<Recurrence, ScheduleError> {
        if RruleSchedule::is_one(expr) {
            return Recurrence::rrule(expr, zone_name, firing, anchor);
        }
        let zone = zone(zone_name)?;
        match instant(expr, &zone) {
            Ok(at) => Ok(Recurrence::Once(at, zone)),
            Err(_) => Recurrence::cron(expr, zone_name, firing),
        }
    }

    /// The first fire after `after`; an error if the search for it was given up.
    pub fn next(&self, after: Timestamp) -> Result<Option<Timestamp>, ScheduleError> {
        match self {
            Recurrence::Once(at, _) => Ok((*at > after).then_some(*at)),
            Recurrence::Cron(cron) => Ok(cron.next(after)),
            Recurrence::Rrule(rules) => rules.search(after),
        }
    }

    /// As [`Recurrence::next`], but not on the days of `calendar`.
    pub fn next_workday(
        &self,
        after: Timestamp,
        calendar: Option<&Arc<Calendar>>,
    ) -> Result<Option<Timestamp>, ScheduleError> {
        let Some(calendar) = calendar else { return self.next(after) };
        let mut after = after;
        for _ in 0..HOLIDAYS_MAX {
            let Some(at) = self.next(after)? else { return Ok(None) };
            match calendar.ends(at, self.zone()) {
                Some(end) => after = end,
                None => return Ok(Some(at)),
            }
        }
        Err(ScheduleError::Expression(format!("the next {HOLIDAYS_MAX} fires fall on days of the calendar")))
    }

    /// The zone it is seen from.
    pub fn zone(&self) -> &TimeZone {
        match self {
            Recurrence::Once(_, zone) => zone,
            Recurrence::Cron(cron) => cron.zone(),
            Recurrence::Rrule(rules) => rules.zone(),
        }
    }
}

/// RFC 3339 with the zone's offset at that instant.
pub fn text_in(at: Timestamp, zone: &TimeZone) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::MAX);
    let zoned = instant.to_zoned(zone.clone());
    let offset = zoned.offset().seconds();
    let (sign, offset) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    let millis = match at.as_millis().rem_euclid(1000) {
        0 => String::new(),
        millis => format!(".{millis:03}"),
    };
    let time = zoned.strftime("%Y-%m-%dT%H:%M:%S");
    format!("{time}{millis}{sign}{:02}:{:02}", offset / 3600, offset / 60 % 60)
}
