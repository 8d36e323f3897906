//! The two day fields of a cron expression: which days of one month they mean.

use jiff::civil::{Date, Weekday};

/// The days of the month.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Days {
    pub(super) any: bool,
    /// Bit n is day n.
    pub(super) set: u64,
    /// `L`.
    pub(super) last: bool,
    /// `LW`.
    pub(super) last_workday: bool,
    /// `15W`, as bits.
    pub(super) nearest_workday: u64,
    /// `a-L/n` and `a-L`: from, step.
    pub(super) to_last: Vec<(u32, u32)>,
}

/// The days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Weekdays {
    pub(super) any: bool,
    /// Bit 0 is Sunday.
    pub(super) set: u64,
    /// `5#2`: for each ordinal 1 to 5 the weekdays.
    pub(super) nth: [u64; 6],
    /// `5L`, as bits.
    pub(super) last: u64,
}
impl Days {
    pub(super) fn in_month(&self, first: Date, len: u32) -> u64 {
        let all = ((1u64 << len) - 1) << 1;
        if self.any {
            return all;
        }
        let mut set = self.set & all;
        if self.last {
            set |= 1 << len;
        }
        if self.last_workday {
            set |= 1 << nearest_workday(first, len, len);
        }
        for day in (1..=len).filter(|day| self.nearest_workday >> day & 1 == 1) {
            set |= 1 << nearest_workday(first, len, day);
        }
        for &(from, step) in &self.to_last {
            (from..=len).step_by(step as usize).for_each(|day| set |= 1 << day);
        }
        set
    }
}

impl Weekdays {
    pub(super) fn is_nth_only(&self) -> bool {
        self.set == 0 && self.last == 0
    }

    pub(super) fn in_month(&self, first: Date, len: u32) -> u64 {
        let start = weekday_number(first.weekday());
        let mut set = 0;
        for day in 1..=len {
            let weekday = 1u64 << ((start + day - 1) % 7);
            let (nth, in_last_week) = ((day - 1) / 7 + 1, day + 7 > len);
            let hit = self.any
                || self.set & weekday != 0
                || self.nth[nth as usize] & weekday != 0
                || (in_last_week && self.last & weekday != 0);
            set |= u64::from(hit) << day;
        }
        set
    }
}

/// The workday nearest to `day` in the same month.
fn nearest_workday(first: Date, len: u32, day: u32) -> u32 {
    match (weekday_number(first.weekday()) + day - 1) % 7 {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == len => day - 2,
        0 => day + 1,
        _ => day,
    }
}

fn weekday_number(weekday: Weekday) -> u32 {
    weekday.to_sunday_zero_offset() as u32
}
