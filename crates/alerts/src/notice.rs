//! What happened that others want to hear of, beside pages: not durable, because what must not be lost is a
//! [`crate::Change`] of the same call.

use crate::incident::What;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An incident was opened, taken on, put off, resolved, ...
    Incident {
        /// Which.
        id: String,
        /// What happened to it.
        what: What,
        /// Who did it; empty: ourselves.
        by: String,
    },
    /// A maintenance window began or ended.
    Maintenance {
        /// The silence that it is.
        silence: String,
        /// Whether it began.
        began: bool,
    },
    /// A page that has not arrived gives way to another, which this call returned: if no worker has it, the new one
    /// takes its place.
    Replaced {
        /// The key of the page that is out of date.
        old: String,
        /// The key of the page that says how things are.
        new: String,
    },
    /// A page that has not arrived has nothing left to say; or one that has is old, should it be about to be said anew.
    Withdrawn {
        /// Its key.
        key: String,
    },
}
