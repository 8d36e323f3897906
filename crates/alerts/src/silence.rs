//! Silences: matchers that keep matching alerts quiet for a time.
//!
//! Invariants: the id of a silence never changes its matchers; a silence that has expired stays expired; what is
//! expired longer than [`KEPT`] is forgotten.

use model::{MatchOp, Matcher, Timestamp, is_classic_label_name};
use std::time::Duration;

/// How long an expired silence is kept, so that people can look back and renew it.
pub(crate) const KEPT: Duration = Duration::from_secs(120 * 60 * 60);
/// More silences than this are refused.
pub(crate) const SILENCES_MAX: usize = 10_000;

/// A silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// All must accept.
    pub matchers: Vec<Matcher>,
    /// From.
    pub starts_at: Timestamp,
    /// Until.
    pub ends_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// A silence someone asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSilence {
    /// The id of the one to change, if any.
    pub id: Option<String>,
    /// All must accept.
    pub matchers: Vec<Matcher>,
    /// From; the past means now.
    pub starts_at: Timestamp,
    /// Until.
    pub ends_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It acts.
    Active,
    /// It has ended.
    Expired,
}

impl SilenceState {
    /// `pending`, `active` or `expired`.
    pub fn as_str(self) -> &'static str {
        match self {
            SilenceState::Pending => "pending",
            SilenceState::Active => "active",
            SilenceState::Expired => "expired",
        }
    }
}

/// Why a silence was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It has no matcher.
    #[error("silence invalid: at least one matcher required")]
    NoMatcher,
    /// It would silence everything that lacks its labels.
    #[error("silence invalid: at least one matcher must not match the empty string")]
    MatchesEverything,
    /// A matcher's name is no label name.
    #[error("silence invalid: invalid label name {0:?}")]
    BadName(String),
    /// It ends before it starts.
    #[error("silence invalid: end time must not be before start time")]
    EndsBeforeStart,
    /// It ends before now.
    #[error("silence invalid: end time must not be in the past")]
    EndsInPast,
    /// There is no such silence.
    #[error("silence {0} not found")]
    NotFound(String),
    /// It has ended already.
    #[error("silence {0} already expired")]
    AlreadyExpired(String),
    /// There are too many.
    #[error("silence refused: there are {SILENCES_MAX} already; expire some")]
    TooMany,
}

impl Silence {
    /// Where it stands at `now`.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if self.ends_at <= now {
            SilenceState::Expired
        } else if now < self.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Whether `filter` picks it, as `GET /api/v2/silences?filter=` does: one of its own matchers equals each.
    pub fn picked_by(&self, filter: &[Matcher]) -> bool {
        filter.iter().all(|wanted| self.matchers.contains(wanted))
    }

    /// Whether `new` only changes what may change under the same id.
    pub(crate) fn may_become(&self, new: &NewSilence, now: Timestamp) -> bool {
        let second = |at: Timestamp| at.as_millis().div_euclid(1000);
        self.matchers == new.matchers
            && match self.state(now) {
                SilenceState::Active => second(self.starts_at) == second(new.starts_at),
                SilenceState::Pending => new.starts_at >= now,
                SilenceState::Expired => false,
            }
    }
}

impl NewSilence {
    /// What is wrong with it, if anything.
    pub fn check(&self, now: Timestamp) -> Result<(), SilenceError> {
        if self.matchers.is_empty() {
            return Err(SilenceError::NoMatcher);
        }
        if let Some(bad) = self.matchers.iter().find(|m| m.name().is_empty()) {
            return Err(SilenceError::BadName(bad.name().to_owned()));
        }
        let harmless = |m: &Matcher| match m.op() {
            MatchOp::Equal => m.value().is_empty(),
            MatchOp::Regex => m.matches(""),
            // Upstream takes a negative matcher for a choice, though it accepts an absent label.
            MatchOp::NotEqual | MatchOp::NotRegex => false,
        };
        if self.matchers.iter().all(harmless) {
            return Err(SilenceError::MatchesEverything);
        }
        if self.ends_at < self.starts_at {
            return Err(SilenceError::EndsBeforeStart);
        }
        if self.ends_at < now {
            return Err(SilenceError::EndsInPast);
        }
        Ok(())
    }

    /// Whether its names are ones that Alertmanager before 0.27 accepts.
    pub fn is_classic(&self) -> bool {
        self.matchers.iter().all(|m| is_classic_label_name(m.name()))
    }
}
