//! When a loop's turn comes: slots of its interval, shifted by a stable number of its own.

use model::{Clock, Timestamp};
use std::time::Duration;

/// A sample taken this close to its slot gets the slot's time: equal distances pack better and make rates even.
const ALIGN_MS: i64 = 2;

/// The next slot after `now` of `interval` for `hash`; not one that is as good as here.
pub(crate) fn next(now: Timestamp, interval: Duration, hash: u64) -> Timestamp {
    let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let offset = i64::try_from(hash % interval.unsigned_abs()).unwrap_or(0);
    let now = now.as_millis();
    let after = now.saturating_add(interval / 10);
    let into = after.saturating_sub(offset).rem_euclid(interval);
    Timestamp::from_millis(after.saturating_sub(into).saturating_add(interval))
}

/// Half an interval after `now`: between two slots.
pub(crate) fn between(now: Timestamp, interval: Duration) -> Timestamp {
    now.plus(interval / 2)
}

/// The time for a sample that was due at `due` and is taken at `now`.
pub(crate) fn aligned(due: Timestamp, now: Timestamp, interval: Duration) -> Timestamp {
    let tolerance = ALIGN_MS.min(i64::try_from(interval.as_millis() / 100).unwrap_or(i64::MAX));
    let late = now.as_millis().saturating_sub(due.as_millis());
    if (0..=tolerance).contains(&late) { due } else { now }
}

/// Waits for `due`. A clock that is set back makes nobody wait longer than its distance said at the start.
pub(crate) async fn until(clock: &dyn Clock, due: Timestamp) {
    tokio::time::sleep(due.since(clock.now())).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_stable_and_never_at_once() {
        let at = |ms: i64| next(Timestamp::from_millis(ms), Duration::from_secs(1), 12_345).as_millis();
        assert_eq!(at(0), 345);
        assert_eq!(at(200), 345);
        assert_eq!(at(245), 1345, "a slot a tenth of the interval away is skipped");
        assert_eq!(at(345), 1345);
        assert_eq!(at(-5_000), -4_655);
    }

    #[test]
    fn only_what_is_near_its_slot_is_aligned() {
        let at = |due, now, secs| {
            aligned(Timestamp::from_millis(due), Timestamp::from_millis(now), Duration::from_secs(secs))
                .as_millis()
        };
        assert_eq!(at(1000, 1002, 5), 1000);
        assert_eq!(at(1000, 1003, 5), 1003);
        assert_eq!(at(1000, 999, 5), 999);
    }
}
