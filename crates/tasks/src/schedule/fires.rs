//! From wall-clock times to instants, through clock changes.
//!
//! Between two clock changes wall-clock time and real time run side by side, so the search goes from one such
//! stretch to the next. At a change, a time of day that is skipped or that occurs twice is treated as the
//! policy says; a job that means "each hour" or "every ten minutes" simply follows real time.

use super::Cron;
use jiff::{SignedDuration, civil::DateTime, tz::AmbiguousOffset, tz::Offset, tz::TimeZone};
use model::Timestamp;

/// What happens to a time of day that is skipped when clocks go forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gap {
    /// It does not happen that day.
    Skip,
    /// It happens as much later as the clocks jump.
    #[default]
    Shift,
}

/// What happens to a time of day that occurs twice when clocks go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fold {
    /// It fires the first time.
    First,
    /// It fires the second time, in standard time.
    #[default]
    Second,
    /// It fires both times.
    Both,
}

/// What happens at clock changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Policy {
    /// Clocks forward.
    pub gap: Gap,
    /// Clocks back.
    pub fold: Fold,
}

/// No fire within so many years means none at all.
const YEARS_MAX: i16 = 100;

pub(super) fn next(cron: &Cron, zone: &TimeZone, policy: Policy, after: Timestamp) -> Option<Timestamp> {
    let whole_second = after.as_millis().checked_div_euclid(1000)?.checked_add(1)?;
    let mut from = jiff::Timestamp::from_second(whole_second).ok()?;
    let horizon = zone.to_datetime(from).year().checked_add(YEARS_MAX)?;
    loop {
        let stretch = Stretch::at(zone, from);
        if let Some(found) = stretch.first(cron, zone, policy, from, horizon) {
            return Some(Timestamp::from_millis(found.as_millisecond()));
        }
        from = stretch.end?;
        if stretch.civil(from).year() > horizon {
            return None;
        }
    }
}

/// The time between two clock changes.
struct Stretch {
    offset: Offset,
    /// By how much the clocks went forward at its start, and that start.
    gap: Option<(jiff::Timestamp, Offset)>,
    end: Option<jiff::Timestamp>,
}

impl Stretch {
    fn at(zone: &TimeZone, from: jiff::Timestamp) -> Stretch {
        let offset = zone.to_offset(from);
        let just_after = from.checked_add(SignedDuration::from_nanos(1)).unwrap_or(from);
        let gap = zone.preceding(just_after).next().and_then(|change| {
            let start = change.timestamp();
            let before = zone.to_offset(start.checked_sub(SignedDuration::from_secs(1)).ok()?);
            (before < offset).then_some((start, before))
        });
        // Zones list changes of name alone, too: only those of the offset end a stretch, but stopping at
        // another costs nothing.
        Stretch { offset, gap, end: zone.following(from).next().map(|change| change.timestamp()) }
    }

    fn civil(&self, at: jiff::Timestamp) -> DateTime {
        self.offset.to_datetime(at)
    }

    fn first(
        &self,
        cron: &Cron,
        zone: &TimeZone,
        policy: Policy,
        from: jiff::Timestamp,
        horizon: i16,
    ) -> Option<jiff::Timestamp> {
        let limit = jiff::civil::date(horizon.min(9998) + 1, 1, 1).at(0, 0, 0, 0);
        let until = self.end.map_or(limit, |end| self.civil(end).min(limit));
        let regular = self.regular(cron, zone, policy, from, until);
        let shifted =
            if policy.gap == Gap::Shift && !cron.is_real_time() { self.shifted(cron, from) } else { None };
        match (regular, shifted) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The first fire at its own wall-clock time.
    fn regular(
        &self,
        cron: &Cron,
        zone: &TimeZone,
        policy: Policy,
        from: jiff::Timestamp,
        until: DateTime,
    ) -> Option<jiff::Timestamp> {
        let mut start = self.civil(from);
        loop {
            let civil = cron.next_civil(start, until)?;
            if cron.is_real_time() || self.passes_fold(zone, policy.fold, civil) {
                return self.offset.to_timestamp(civil).ok();
            }
            start = civil.checked_add(SignedDuration::from_secs(1)).ok()?;
        }
    }

    fn passes_fold(&self, zone: &TimeZone, fold: Fold, civil: DateTime) -> bool {
        match zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Fold { before, after } => match fold {
                Fold::First => self.offset == before,
                Fold::Second => self.offset == after,
                Fold::Both => true,
            },
            _ => true,
        }
    }

    /// The first fire of a time of day that the change at our start skipped: read with the offset before it.
    fn shifted(&self, cron: &Cron, from: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let (start, before) = self.gap?;
        let skipped_from = before.to_datetime(from.max(start));
        let skipped_until = self.civil(start);
        before.to_timestamp(cron.next_civil(skipped_from, skipped_until)?).ok()
    }
}
