//! Recurrence rules of RFC 5545: `DTSTART`, `RRULE`, `RDATE`, `EXDATE` (and the older `EXRULE`) in a zone.
//!
//! A rule is a set of wall-clock times; the zone and the policy make instants of them. DTSTART is where a rule
//! begins and what fills its gaps, and fires only if the rule names it. COUNT counts instants, so that
//! `COUNT=3` fires three times; to that end the last one is found once, when the text is read.

mod days;
mod lines;
mod rule;
mod walk;

use super::fires::Search;
use super::{Policy, ScheduleError, zone};
use jiff::tz::TimeZone;
use lines::{Lines, Moments};
use model::Timestamp;
use rule::{Rule, Until};
use walk::Walk;

/// The longest text.
const TEXT_MAX: usize = 8_192;
/// The most instants in a row that may be excluded.
const EXCLUDED_MAX: usize = 10_000;
/// How far ahead the first occurrence may be, unless the rule is a rare one.
const FIRST_WITHIN: std::time::Duration = std::time::Duration::from_secs(5 * 366 * 86_400);

/// A set of recurrences with everything that decides when it fires.
#[derive(Debug, Clone)]
pub struct RruleSchedule {
    rules: Vec<Counted>,
    but_rules: Vec<Counted>,
    /// Sorted, each once, without those excluded.
    dates: Vec<Timestamp>,
    but: Moments,
    zone: TimeZone,
    policy: Policy,
    start: Timestamp,
}

/// A rule and its last instant, if it has one.
#[derive(Debug, Clone)]
struct Counted {
    rule: Rule,
    last: Option<Timestamp>,
}

/// Where a rule without DTSTART begins: when it was made, the seconds cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor(pub Timestamp);

impl RruleSchedule {
    /// Whether a text is meant for this module rather than for cron.
    pub fn is_one(text: &str) -> bool {
        let upper = text.trim_start().to_ascii_uppercase();
        ["RRULE", "DTSTART", "RDATE", "EXDATE", "EXRULE"].iter().any(|name| upper.starts_with(name))
            || upper.contains("FREQ=")
    }

    /// Reads the lines. The zone of DTSTART wins over `zone_name`; a rule without DTSTART begins at `anchor`,
    /// exclusive.
    pub fn new(
        text: &str,
        zone_name: &str,
        policy: Policy,
        anchor: Anchor,
    ) -> Result<RruleSchedule, ScheduleError> {
        if text.len() > TEXT_MAX {
            return Err(ScheduleError::Expression(format!("longer than {TEXT_MAX} bytes")));
        }
        let lines = Lines::read(text)?;
        let zone = match lines.zone_of_start()? {
            Some(zone) => zone,
            None => zone(zone_name)?,
        };
        let (start, counts_from) = match lines.start(&zone)? {
            Some(start) => (start, None),
            None => (anchor_in(anchor, &zone), Some(anchor.0)),
        };
        let read = |texts: &[String]| -> Result<Vec<Counted>, ScheduleError> {
            let one = |text: &String| Counted::read(text, start, counts_from, &zone, policy);
            texts.iter().map(one).collect()
        };
        let (rules, but_rules) = (read(&lines.rules)?, read(&lines.but_rules)?);
        let mut dates = lines.dates(&zone, policy)?;
        if rules.is_empty() && dates.is_empty() {
            return Err(ScheduleError::Expression("there is neither RRULE nor RDATE".to_owned()));
        }
        let but = lines.excluded(&zone)?;
        dates.retain(|at| !but.has(*at, &zone));
        let start = days::civil_of(start).and_then(|civil| zone.to_timestamp(civil).ok());
        let start = start.map_or(anchor.0, |start| Timestamp::from_millis(start.as_millisecond()));
        Ok(RruleSchedule { rules, but_rules, dates, but, zone, policy, start })
    }

    /// The zone it is read in.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Where it begins: DTSTART, or what stands for it.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The first fire after `after`; `None` if there is none until the year 9999.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.search(after).ok().flatten()
    }

    /// As [`RruleSchedule::next`]; an error if the search was given up.
    pub fn search(&self, after: Timestamp) -> Result<Option<Timestamp>, ScheduleError> {
        let mut after = after;
        for _ in 0..EXCLUDED_MAX {
            let Some(found) = self.next_included(after)? else { return Ok(None) };
            if !self.is_excluded(found)? {
                return Ok(Some(found));
            }
            after = found;
        }
        Err(ScheduleError::Expression(format!("more than {EXCLUDED_MAX} occurrences in a row are excluded")))
    }

    /// The fires after `after`, in order.
    pub fn fires_after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.next(after), |&last| self.next(last))
    }

    /// The first fire after `after` of a schedule that is new; refused if there is none, or only one that is so
    /// far that the rule is probably not meant, such as 30 February.
    pub fn first(&self, after: Timestamp) -> Result<Timestamp, ScheduleError> {
        match self.search(after)? {
            None => Err(ScheduleError::Expression("never fires".to_owned())),
            Some(at) if at > after.max(self.start).plus(FIRST_WITHIN) && !self.is_rare() => {
                let what = format!("fires first at {}, more than five years on", at.rfc3339());
                Err(ScheduleError::Expression(what))
            }
            Some(at) => Ok(at),
        }
    }

    fn next_included(&self, after: Timestamp) -> Result<Option<Timestamp>, ScheduleError> {
        let listed = self.dates.get(self.dates.partition_point(|at| *at <= after)).copied();
        let mut first = listed;
        for rule in &self.rules {
            let found = rule.next(after, &self.zone, self.policy)?;
            first = first.into_iter().chain(found).min();
        }
        Ok(first)
    }

    fn is_excluded(&self, at: Timestamp) -> Result<bool, ScheduleError> {
        if self.but.has(at, &self.zone) {
            return Ok(true);
        }
        let just_before = Timestamp::from_millis(at.as_millis().saturating_sub(1));
        for rule in &self.but_rules {
            if rule.next(just_before, &self.zone, self.policy)? == Some(at) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Days that not every year or month has.
    fn is_rare(&self) -> bool {
        self.rules.iter().any(|Counted { rule, .. }| {
            let rare_days = 0b111 << 29;
            (rule.month_days.0 | rule.month_days.1) & rare_days != 0
                || rule.year_days.iter().any(|day| day.abs() == 366)
                || rule.weeks.iter().any(|week| week.abs() == 53)
                || rule.nth.iter().any(|(n, _)| matches!(n.abs(), 5 | 53))
                || (!rule.weeks.is_empty() || rule.month_days != (0, 0)) && rule.weekdays != 0
        })
    }
}

/// The anchor as a wall-clock time, the seconds cut off.
fn anchor_in(anchor: Anchor, zone: &TimeZone) -> i64 {
    let at = jiff::Timestamp::from_millisecond(anchor.0.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    days::seconds_of(zone.to_datetime(at)).div_euclid(60) * 60
}

impl Counted {
    fn read(
        text: &str,
        start: i64,
        counts_from: Option<Timestamp>,
        zone: &TimeZone,
        policy: Policy,
    ) -> Result<Counted, ScheduleError> {
        let mut counted = Counted { rule: Rule::read(text, start, &lines::until)?, last: None };
        counted.last = match counted.rule.until {
            Some(Until::Instant(at)) => Some(Timestamp::from_millis(at.saturating_mul(1000))),
            _ => None,
        };
        if let Some(count) = counted.rule.count {
            counted.last = Some(counted.nth(count, counts_from, zone, policy)?);
        }
        Ok(counted)
    }

    /// The instant of the nth occurrence, or of the last one if there are fewer.
    fn nth(
        &self,
        n: u32,
        counts_from: Option<Timestamp>,
        zone: &TimeZone,
        policy: Policy,
    ) -> Result<Timestamp, ScheduleError> {
        let mut search = Search::new(Walk::new(&self.rule), zone, policy, i16::MAX);
        let mut last = counts_from.unwrap_or_else(|| self.before_start());
        for _ in 0..n {
            match search.next(last) {
                Some(found) => last = found,
                None if search.times().is_exhausted() => return Err(endless()),
                None => break,
            }
        }
        Ok(last)
    }

    /// An instant before every occurrence, whatever the zone.
    fn before_start(&self) -> Timestamp {
        Timestamp::from_millis((self.rule.start - 3 * days::DAY).saturating_mul(1000))
    }

    fn next(
        &self,
        after: Timestamp,
        zone: &TimeZone,
        policy: Policy,
    ) -> Result<Option<Timestamp>, ScheduleError> {
        let after = after.max(self.before_start());
        if self.last.is_some_and(|last| after >= last) {
            return Ok(None);
        }
        let mut search = Search::new(Walk::new(&self.rule), zone, policy, i16::MAX);
        match search.next(after) {
            None if search.times().is_exhausted() => Err(endless()),
            found => Ok(found.filter(|at| self.last.is_none_or(|last| *at <= last))),
        }
    }
}

fn endless() -> ScheduleError {
    ScheduleError::Expression(
        "the rule names times so seldom that the search for the next one was given up; name days or months \
         in place of hours, minutes or seconds"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests;
