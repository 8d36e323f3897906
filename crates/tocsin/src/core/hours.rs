//! What ended in the last minutes and hours, counted as it happens: a figure that is asked for every few seconds
//! must not cost a look at every run.

use model::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;
/// Minutes kept: an hour, and the one that is not over.
const MINUTES_MAX: usize = 61;
/// Hours kept: as long as ended runs are.
const HOURS_MAX: usize = 337;

/// What ended in one span.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ended {
    /// When the span begins.
    pub from: Timestamp,
    /// Tasks accepted.
    pub created: u64,
    /// Runs that ended.
    pub total: u64,
    /// Of them, those that ended well.
    pub successful: u64,
    /// Of them, those that were given up.
    pub failed: u64,
    /// Time from first claim to end, all together, in seconds.
    pub seconds: f64,
    /// The longest.
    pub seconds_max: f64,
}

impl Ended {
    /// Both together.
    pub fn join(&mut self, other: &Ended) {
        self.created += other.created;
        self.total += other.total;
        self.successful += other.successful;
        self.failed += other.failed;
        self.seconds += other.seconds;
        self.seconds_max = self.seconds_max.max(other.seconds_max);
    }
}

/// The last hour by minutes and the last days by hours.
#[derive(Debug, Clone, Default)]
pub struct Hours {
    minutes: VecDeque<Ended>,
    hours: VecDeque<Ended>,
    began: Option<Timestamp>,
    /// What was before is known, or being read.
    complete: bool,
}

impl Hours {
    /// Counting begins, if it has not yet.
    pub fn begin(&mut self, now: Timestamp) {
        self.began.get_or_insert(now);
    }

    /// When counting began, to whoever asks first: what ended before is for them to add.
    pub fn take_start(&mut self) -> Option<Timestamp> {
        let first = !std::mem::replace(&mut self.complete, true);
        self.began.filter(|_| first)
    }

    /// Tasks were accepted.
    pub fn created(&mut self, count: u64, now: Timestamp) {
        self.add(Ended { created: count, ..Ended::default() }, now);
    }

    /// A run ended: well, given up, or (neither) cancelled.
    pub fn ended(&mut self, successful: bool, failed: bool, took: Duration, now: Timestamp) {
        let seconds = took.as_secs_f64();
        let (successful, failed) = (u64::from(successful), u64::from(failed));
        self.add(
            Ended { total: 1, successful, failed, seconds, seconds_max: seconds, ..Ended::default() },
            now,
        );
    }

    /// What the store knows from before, by minutes and by hours.
    pub fn before(&mut self, minutes: Vec<Ended>, hours: Vec<Ended>) {
        for (spans, before) in [(&mut self.minutes, minutes), (&mut self.hours, hours)] {
            for span in before {
                match spans.iter_mut().find(|known| known.from == span.from) {
                    Some(known) => known.join(&span),
                    None => spans.push_back(span),
                }
            }
            spans.make_contiguous().sort_by_key(|span| span.from);
        }
    }

    /// The last 60 minutes.
    pub fn last_hour(&self, now: Timestamp) -> Ended {
        let from = now.minus(Duration::from_secs(3600));
        let mut all = Ended { from, ..Ended::default() };
        self.minutes.iter().filter(|minute| minute.from >= from).for_each(|minute| all.join(minute));
        all
    }

    /// Each of the last `count` hours, oldest first; the last one is not over.
    pub fn last(&self, count: usize, now: Timestamp) -> Vec<Ended> {
        let this = now.as_millis().div_euclid(HOUR);
        let first = this - i64::try_from(count).unwrap_or(0) + 1;
        (first..=this)
            .map(|hour| {
                let from = Timestamp::from_millis(hour * HOUR);
                let known = self.hours.iter().find(|known| known.from == from);
                known.copied().unwrap_or(Ended { from, ..Ended::default() })
            })
            .collect()
    }

    fn add(&mut self, what: Ended, now: Timestamp) {
        add(&mut self.minutes, what, now, MINUTE, MINUTES_MAX);
        add(&mut self.hours, what, now, HOUR, HOURS_MAX);
    }
}

fn add(spans: &mut VecDeque<Ended>, what: Ended, now: Timestamp, length: i64, max: usize) {
    let from = Timestamp::from_millis(now.as_millis().div_euclid(length) * length);
    match spans.back_mut() {
        // A clock that goes back adds to the latest span.
        Some(last) if last.from >= from => last.join(&what),
        _ => spans.push_back(Ended { from, ..what }),
    }
    while spans.len() > max {
        spans.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hour_and_each_hour() {
        let (mut hours, start) = (Hours::default(), Timestamp::from_millis(1_000 * HOUR));
        for minute in 0..180u64 {
            let now = start.plus(Duration::from_secs(60 * minute));
            hours.created(2, now);
            hours.ended(minute % 3 != 0, minute % 3 == 0, Duration::from_secs(minute % 5), now);
        }
        let now = start.plus(Duration::from_secs(60 * 179 + 30));
        let last = hours.last_hour(now);
        assert_eq!((last.created, last.total, last.successful, last.failed), (120, 60, 40, 20));
        assert_eq!(last.seconds_max, 4.0);
        let each = hours.last(4, now);
        let totals: Vec<_> = each.iter().map(|hour| (hour.from, hour.total)).collect();
        let at = |hour: i64| Timestamp::from_millis((1_000 + hour) * HOUR);
        assert_eq!(totals, [(at(-1), 0), (at(0), 60), (at(1), 60), (at(2), 60)]);
        hours.before(Vec::new(), vec![Ended { from: at(-1), total: 5, ..Ended::default() }]);
        assert_eq!(hours.last(4, now)[0].total, 5);
    }
}
