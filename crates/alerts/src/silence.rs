//! Silences: matchers that keep matching alerts quiet for a time.
//!
//! Invariants: the id of a silence never changes its matchers; a silence that has expired stays expired; what is
//! expired longer than [`KEPT`] is forgotten.

use crate::window::Window;
use model::{Labels, MatchOp, Matcher, Timestamp, is_classic_label_name};
use std::time::Duration;

/// How long an expired silence is kept, so that people can look back and renew it.
pub(crate) const KEPT: Duration = Duration::from_secs(120 * 60 * 60);
/// More silences than this are refused.
pub(crate) const SILENCES_MAX: usize = 10_000;

/// Beginnings and ends of windows among which that of a silence is looked for.
const TURNS_MAX: usize = 100;

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
    /// What else holds of it.
    pub terms: Terms,
    /// Whether it was told that its window is open.
    pub open: bool,
}

/// What Alertmanager's silences do not have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// It silences only inside these; none: all the time.
    pub windows: Vec<Window>,
    /// It expires when all that it silenced has ended.
    pub until_resolved: bool,
    /// It is planned work: others are told when it, or a window of it, begins and ends.
    pub maintenance: bool,
}

/// What a silence must bear before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// What Alertmanager asks for.
    #[default]
    Upstream,
    /// An owner and a comment, and that it is not very broad.
    Careful,
    /// An owner and a comment; who asks has seen how much it silences.
    Confirmed,
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
    /// What else holds of it.
    pub terms: Terms,
    /// What it must bear.
    pub guard: Guard,
}

/// What matchers would silence now.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// The firing alerts that they accept.
    pub alerts: Vec<Labels>,
    /// How many fire in all.
    pub firing: usize,
    /// Whether that is so much that who asks should say so twice: at least ten alerts and half of all that fire, or
    /// whatever may come because no matcher chooses anything.
    pub broad: bool,
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
    /// Nobody says whose it is.
    #[error("silence invalid: an owner is required")]
    NoOwner,
    /// Nobody says why.
    #[error("silence invalid: a comment is required")]
    NoComment,
    /// It would silence very much.
    #[error(
        "silence refused: it is very broad, it would silence {mutes} of {firing} firing alerts now; confirm it, or narrow it"
    )]
    Broad {
        /// How many it would silence now.
        mutes: usize,
        /// How many fire.
        firing: usize,
    },
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

    /// Whether it silences at `now`.
    pub fn acts(&self, now: Timestamp) -> bool {
        let windows = &self.terms.windows;
        self.state(now) == SilenceState::Active
            && (windows.is_empty() || windows.iter().any(|window| window.contains(now)))
    }

    /// Whether it silences alerts with `labels` while it acts.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches_labels(labels))
    }

    /// When it begins or stops to act next, after `now`.
    pub(crate) fn next_turn(&self, now: Timestamp) -> Option<Timestamp> {
        if self.ends_at <= now {
            return None;
        }
        let windows =
            self.terms.windows.iter().filter_map(|window| window.next_edge(now.max(self.starts_at)));
        let edges = windows.chain([self.starts_at, self.ends_at]);
        edges.filter(|edge| *edge > now).min()
    }

    /// When it does not act any more, from `at` on; `None`: not for very many of its windows.
    pub fn lets_go(&self, at: Timestamp) -> Option<Timestamp> {
        let turns = std::iter::successors(Some(at), |turn| self.next_turn(*turn));
        turns.take(TURNS_MAX).find(|turn| !self.acts(*turn))
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
    /// Whether no matcher of it chooses anything: what is named nowhere else is accepted.
    pub(crate) fn is_boundless(matchers: &[Matcher]) -> bool {
        const NOBODYS: &str = "\u{1}nobody's value\u{1}";
        let chooses = |m: &Matcher| match m.op() {
            MatchOp::Equal => !m.value().is_empty(),
            MatchOp::Regex => !m.matches(NOBODYS),
            MatchOp::NotEqual | MatchOp::NotRegex => false,
        };
        !matchers.iter().any(chooses)
    }

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
        match self.guard {
            Guard::Upstream => Ok(()),
            _ if self.created_by.trim().is_empty() => Err(SilenceError::NoOwner),
            _ if self.comment.trim().is_empty() => Err(SilenceError::NoComment),
            _ => Ok(()),
        }
    }

    /// Whether its names are ones that Alertmanager before 0.27 accepts.
    pub fn is_classic(&self) -> bool {
        self.matchers.iter().all(|m| is_classic_label_name(m.name()))
    }
}
