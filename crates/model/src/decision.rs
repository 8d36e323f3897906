//! The journalled answer to "why?": one envelope for every decider's own reasons.

use crate::{Labels, Timestamp};
use std::sync::Arc;

/// Why a page was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    /// A silence matches.
    Silenced,
    /// Another alert inhibits it.
    Inhibited,
    /// A time interval mutes its route.
    Muted,
    /// Its group waits for its next flush.
    Grouped,
    /// It was sent already and repeats later.
    Repeat,
    /// It changes too often.
    Damped,
    /// Somebody took it on.
    Acknowledged,
    /// The receiver refused or could not be reached.
    ReceiverDown,
    /// Nothing: it has ended, and nobody has to be told.
    Over,
}

impl Hold {
    /// As the API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::Silenced => "silenced",
            Hold::Inhibited => "inhibited",
            Hold::Muted => "muted",
            Hold::Grouped => "grouped",
            Hold::Repeat => "repeat",
            Hold::Damped => "damped",
            Hold::Acknowledged => "acknowledged",
            Hold::ReceiverDown => "receiver_down",
            Hold::Over => "none",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It goes out.
    Deliver,
    /// It stays, for a named reason.
    Hold(Hold),
}

/// One journalled decision about one alert. Nothing goes silent without one.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// About which alert.
    pub alert: Labels,
    /// What.
    pub verdict: Verdict,
    /// For whom.
    pub receiver: Arc<str>,
    /// In which group.
    pub group_key: Arc<str>,
    /// By what: ids of silences, fingerprints of inhibitors, names of intervals.
    pub by: Vec<String>,
    /// The message's key, if one goes out.
    pub page_key: Option<String>,
    /// Whether it had ended: what goes out tells its end.
    pub over: bool,
    /// When its group speaks next, as things stood.
    pub next_send: Option<Timestamp>,
    /// Its place among the decisions of one instant.
    pub nth: u32,
}
