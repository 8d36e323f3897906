//! When a group speaks of an alert next, if nothing else happens.

use super::Beside;
use model::{Hold, Timestamp, Verdict};
use std::time::Duration;

impl Beside<'_> {
    /// When the group of the route at `place` speaks next after `at` of an alert for which this was decided, by these.
    /// `turn`: when it would have spoken as things stood then.
    pub(super) fn next(
        &self,
        turn: Timestamp,
        (verdict, by): (Verdict, &[String]),
        place: Option<usize>,
        at: Timestamp,
    ) -> Option<Timestamp> {
        let node = place.map(|place| &self.config.route.nodes[place]);
        let interval = node.map_or(Duration::ZERO, |node| node.group_interval);
        let after = at.plus(Duration::from_millis(1));
        let free = match verdict {
            Verdict::Hold(Hold::Silenced) => {
                let silences = by.iter().map(|id| self.silences.get(id)?.lets_go(at));
                silences.collect::<Option<Vec<_>>>()?.into_iter().max()?
            }
            Verdict::Hold(Hold::Muted) => node?.mute_ends(&self.config.intervals, at)?,
            // Nobody knows when what inhibits it ends.
            Verdict::Hold(Hold::Inhibited) => return None,
            // A snooze ends, and there is no turn after that.
            Verdict::Hold(Hold::Acknowledged) => return Some(turn).filter(|turn| *turn > at),
            Verdict::Deliver | Verdict::Hold(_) => after,
        };
        Some(turn_from(turn, interval, free.max(after)))
    }
}

/// The first turn from `from` on of a group whose turns are `interval` apart.
pub(crate) fn turn_from(turn: Timestamp, interval: Duration, from: Timestamp) -> Timestamp {
    if turn >= from || interval.is_zero() {
        return turn;
    }
    let turns = from.since(turn).as_millis().div_ceil(interval.as_millis().max(1));
    turn.plus(interval.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX)))
}
