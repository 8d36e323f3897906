//! Silences by the clock and by what they silence: maintenance windows that begin and end, silences that expire with
//! their alerts, how much one would silence.

use super::Alerts;
use crate::change::Change;
use crate::notice::Notice;
use crate::silence::{KEPT, NewSilence, Reach, SilenceState};
use model::{Labels, Matcher, Timestamp};

/// From how many alerts on a silence may be very broad.
const BROAD_MIN: usize = 10;

impl Alerts {
    /// What matchers would silence now.
    pub fn reach(&self, matchers: &[Matcher], now: Timestamp) -> Reach {
        let firing = self.alerts.values().filter(|tracked| !tracked.alert.is_resolved(now));
        let (mut alerts, mut count) = (Vec::new(), 0);
        for tracked in firing {
            count += 1;
            if matchers.iter().all(|m| m.matches_labels(&tracked.alert.labels)) {
                alerts.push(tracked.alert.labels.clone());
            }
        }
        alerts.sort_unstable();
        let most = alerts.len() >= BROAD_MIN && 2 * alerts.len() >= count;
        Reach { broad: most || NewSilence::is_boundless(matchers), alerts, firing: count }
    }

    /// Tells of maintenance that has begun or ended.
    pub(super) fn turn_windows(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        if self.next_window.is_none_or(|next| now < next) {
            return;
        }
        for silence in self.silences.iter_mut().filter(|silence| silence.terms.maintenance) {
            let acts = silence.acts(now);
            if silence.open != acts {
                silence.open = acts;
                self.notices.push(Notice::Maintenance { silence: silence.id.clone(), began: acts });
                out.push(Change::Silence(silence.clone()));
            }
        }
        self.plan_windows(now);
    }

    /// Finds when the next one begins or ends.
    pub(super) fn plan_windows(&mut self, now: Timestamp) {
        let windows = self.silences.iter().filter(|silence| silence.terms.maintenance);
        let turn = windows.filter_map(|silence| {
            if silence.open == silence.acts(now) { silence.next_turn(now) } else { Some(now) }
        });
        self.next_window = turn.min();
    }

    /// Alerts have ended: silences that were for them and their like alone expire.
    pub(super) fn note_over(&mut self, ended: &[Labels], now: Timestamp, out: &mut Vec<Change>) {
        if ended.is_empty() {
            return;
        }
        let silences = self.silences.iter().filter(|silence| silence.terms.until_resolved);
        let active = silences.filter(|silence| silence.state(now) == SilenceState::Active);
        let theirs = active.filter(|silence| ended.iter().any(|labels| silence.matches(labels)));
        let over = theirs.filter(|silence| {
            let mut firing = self.alerts.values().filter(|known| !known.alert.is_resolved(now));
            !firing.any(|known| silence.matches(&known.alert.labels))
        });
        for id in over.map(|silence| silence.id.clone()).collect::<Vec<_>>() {
            // It is active, so it can expire.
            let _ = self.expire_silence(&id, now, out);
        }
    }

    /// Forgets silences that expired long ago.
    pub(super) fn sweep_silences(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        let old = self.silences.iter().filter(|silence| silence.ends_at.plus(KEPT) <= now);
        for id in old.map(|silence| silence.id.clone()).collect::<Vec<_>>() {
            self.silences.forget(&id);
            out.push(Change::SilenceGone(id));
        }
    }
}
