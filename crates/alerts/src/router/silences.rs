//! Silences as people make, change and end them.

use super::Alerts;
use crate::change::Change;
use crate::silence::{Guard, NewSilence, SILENCES_MAX, Silence, SilenceError, SilenceState};
use model::Timestamp;

impl Alerts {
    /// Makes a silence, or changes one; `fresh_id` is used if it needs an id of its own. Returns its id.
    pub fn put_silence(
        &mut self,
        new: NewSilence,
        fresh_id: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<String, SilenceError> {
        new.check(now)?;
        if new.guard == Guard::Careful {
            let reach = self.reach(&new.matchers, now);
            if reach.broad {
                return Err(SilenceError::Broad { mutes: reach.alerts.len(), firing: reach.firing });
            }
        }
        let known = match &new.id {
            Some(id) => {
                Some(self.silences.get(id).ok_or_else(|| SilenceError::NotFound(id.clone()))?.clone())
            }
            None => None,
        };
        let (id, starts_at) = match known {
            Some(known) if known.may_become(&new, now) => (known.id, new.starts_at),
            known => {
                if self.silences.len() >= SILENCES_MAX {
                    return Err(SilenceError::TooMany);
                }
                if let Some(known) = known.filter(|known| known.state(now) != SilenceState::Expired) {
                    self.expire_silence(&known.id, now, out)?;
                }
                (fresh_id.to_owned(), new.starts_at.max(now))
            }
        };
        let open = self.silences.get(&id).is_some_and(|known| known.open);
        let silence = Silence {
            open,
            terms: new.terms,
            id: id.clone(),
            matchers: new.matchers,
            starts_at,
            ends_at: new.ends_at,
            updated_at: now,
            created_by: new.created_by,
            comment: new.comment,
        };
        out.push(Change::Silence(silence.clone()));
        self.silences.put(silence);
        self.plan_windows(now);
        Ok(id)
    }

    /// Ends a silence now.
    pub fn expire_silence(
        &mut self,
        id: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(), SilenceError> {
        let silence = self.silences.get_mut(id).ok_or_else(|| SilenceError::NotFound(id.to_owned()))?;
        match silence.state(now) {
            SilenceState::Expired => return Err(SilenceError::AlreadyExpired(id.to_owned())),
            SilenceState::Active => {}
            SilenceState::Pending => silence.starts_at = now,
        }
        silence.ends_at = now;
        silence.updated_at = now;
        out.push(Change::Silence(silence.clone()));
        self.plan_windows(now);
        Ok(())
    }

    /// All silences, by id.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.iter()
    }
}
