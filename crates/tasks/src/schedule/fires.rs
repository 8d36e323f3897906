//! From wall-clock times to instants, through clock changes.
//!
//! Between two clock changes wall-clock time and real time run side by side, so the search goes from one such
//! stretch to the next. At a change, a time of day that is skipped or that occurs twice is treated as the
//! policy says; times that mean "each hour" or "every ten minutes" simply follow real time.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp as Instant};
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

impl Policy {
    /// What RFC 5545, section 3.3.5, says of a local time: a skipped one is read with the offset before the gap,
    /// one that occurs twice is the first.
    pub const RFC5545: Policy = Policy { gap: Gap::Shift, fold: Fold::First };
}

/// Wall-clock times in their order.
pub(super) trait Times {
    /// The first one not before `from` and before `until`.
    fn next_civil(&mut self, from: DateTime, until: DateTime) -> Option<DateTime>;

    /// Whether they mean "each hour" rather than a time of day.
    fn follow_real_time(&self) -> bool {
        false
    }
}

/// No zone is so far from another, nor do clocks ever jump so far.
const FAR: SignedDuration = SignedDuration::from_hours(48);

/// Looks for the instants of wall-clock times in a zone.
pub(super) struct Search<'a, T> {
    times: T,
    zone: &'a TimeZone,
    policy: Policy,
    /// Not beyond the end of this year.
    horizon: i16,
    stretch: Option<Stretch>,
}

impl<'a, T: Times> Search<'a, T> {
    pub(super) fn new(times: T, zone: &'a TimeZone, policy: Policy, horizon: i16) -> Search<'a, T> {
        Search { times, zone, policy, horizon: horizon.min(9998), stretch: None }
    }

    /// What is searched in.
    pub(super) fn times(&self) -> &T {
        &self.times
    }

    /// The first instant after `after`, which is exclusive.
    pub(super) fn next(&mut self, after: Timestamp) -> Option<Timestamp> {
        let whole_second = after.as_millis().checked_div_euclid(1000)?.checked_add(1)?;
        let mut from = Instant::from_second(whole_second).ok()?;
        loop {
            let stretch = match self.stretch.take().filter(|stretch| stretch.holds(from)) {
                Some(stretch) => stretch,
                None => Stretch::at(self.zone, from),
            };
            let found = self.first(&stretch, from);
            let end = stretch.end;
            if let Some(found) = found {
                self.stretch = Some(stretch);
                return Some(Timestamp::from_millis(found.as_millisecond()));
            }
            from = self.beyond(stretch.civil(end?), end?)?;
        }
    }

    /// Where to go on if there was nothing before a clock change: at the change, or much later if there is
    /// nothing for long.
    fn beyond(&mut self, civil: DateTime, end: Instant) -> Option<Instant> {
        let next = self.times.next_civil(civil.checked_sub(FAR).unwrap_or(DateTime::MIN), self.limit())?;
        let near = TimeZone::UTC.to_timestamp(next).and_then(|at| at.checked_sub(FAR)).ok()?;
        Some(near.max(end))
    }

    fn limit(&self) -> DateTime {
        jiff::civil::date(self.horizon + 1, 1, 1).at(0, 0, 0, 0)
    }

    fn first(&mut self, stretch: &Stretch, from: Instant) -> Option<Instant> {
        let until = stretch.end.map_or(self.limit(), |end| stretch.civil(end).min(self.limit()));
        let regular = self.regular(stretch, from, until);
        let shift = self.policy.gap == Gap::Shift && !self.times.follow_real_time();
        let shifted = if shift { self.shifted(stretch, from) } else { None };
        match (regular, shifted) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The first one at its own wall-clock time.
    fn regular(&mut self, stretch: &Stretch, from: Instant, until: DateTime) -> Option<Instant> {
        let mut start = stretch.civil(from);
        loop {
            let civil = self.times.next_civil(start, until)?;
            match stretch.other_pass(civil).filter(|_| !self.times.follow_real_time()) {
                Some((Pass::Second, end)) if self.policy.fold == Fold::First => start = end,
                Some((Pass::First, end)) if self.policy.fold == Fold::Second => start = end,
                _ => return stretch.offset.to_timestamp(civil).ok(),
            }
        }
    }

    /// The first one that the change at the stretch's start skipped: read with the offset before it.
    fn shifted(&mut self, stretch: &Stretch, from: Instant) -> Option<Instant> {
        let (start, before) = stretch.change.filter(|(_, before)| *before < stretch.offset)?;
        let skipped_from = before.to_datetime(from.max(start));
        let skipped_until = stretch.civil(start);
        before.to_timestamp(self.times.next_civil(skipped_from, skipped_until)?).ok()
    }
}

/// Which of the two times a wall-clock time occurs.
enum Pass {
    First,
    Second,
}

/// The time between two clock changes.
struct Stretch {
    offset: Offset,
    /// Its start, and the offset before it.
    change: Option<(Instant, Offset)>,
    end: Option<Instant>,
    /// The offset after its end.
    after: Offset,
}

impl Stretch {
    /// Zones list changes of name alone, too: those do not end a stretch.
    fn at(zone: &TimeZone, from: Instant) -> Stretch {
        let offset = zone.to_offset(from);
        let just_after = from.checked_add(SignedDuration::from_nanos(1)).unwrap_or(from);
        let change = zone.preceding(just_after).find_map(|change| {
            let start = change.timestamp();
            let before = zone.to_offset(start.checked_sub(SignedDuration::from_secs(1)).ok()?);
            (before != offset).then_some((start, before))
        });
        let next = zone.following(from).find(|change| change.offset() != offset);
        let after = next.as_ref().map_or(offset, |change| change.offset());
        Stretch { offset, change, end: next.map(|change| change.timestamp()), after }
    }

    fn holds(&self, at: Instant) -> bool {
        self.change.is_none_or(|(start, _)| start <= at) && self.end.is_none_or(|end| at < end)
    }

    fn civil(&self, at: Instant) -> DateTime {
        self.offset.to_datetime(at)
    }

    /// If the wall-clock time occurs in a neighbouring stretch as well: which of the two ours is, and where such
    /// times end here.
    fn other_pass(&self, civil: DateTime) -> Option<(Pass, DateTime)> {
        if let Some((start, before)) = self.change
            && before > self.offset
            && civil < before.to_datetime(start)
        {
            return Some((Pass::Second, before.to_datetime(start)));
        }
        match self.end {
            Some(end) if self.after < self.offset && civil >= self.after.to_datetime(end) => {
                Some((Pass::First, self.civil(end)))
            }
            _ => None,
        }
    }
}
