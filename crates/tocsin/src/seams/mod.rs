//! Fills the traits that `server` reads and changes through. Conversions only: whoever is asked decides.

mod agents;
mod approvals;
mod asked;
mod callable;
mod desk;
mod events;
mod gone;
mod incidents;
mod keep;
mod monitoring;
mod once;
mod page_links;
mod progress;
mod queues;
mod schedules;
mod series;
mod tasks;
mod thresholds;
mod vitals;
mod workers;

pub use agents::Agents;
pub use approvals::Approvals;
pub use desk::{Desk, Moved};
pub use events::Events;
pub use incidents::Incidents;
pub use keep::Keep;
pub use monitoring::Monitoring;
pub use page_links::page_links;
pub use queues::Queues;
pub use schedules::Schedules;
pub use series::{RuleExprs, Series};
pub use tasks::Tasks;
pub use thresholds::Thresholds;
pub use vitals::{ConfigState, Process, TURN_LATE, Vitals};
pub use workers::Workers;

use crate::core::Stopped;
use server::Failure;

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Failure {
        Failure::Unavailable(stopped.to_string())
    }
}
