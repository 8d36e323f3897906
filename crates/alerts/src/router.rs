//! The decider: takes alerts, silences and reports of delivery, and says at each tick which pages are due.
//!
//! Not here: sending, retrying, persisting. Invariants: every change of durable state is in `out` before the
//! call returns; a page returned by [`Alerts::tick`] may leave only after that `out` is committed; a tick
//! flushes each group at most once.

mod acts;
mod answers;
mod delivery;
mod failing;
mod flush;
mod forecast;
mod holds;
mod incidents;
mod intake;
mod read;
mod record;
mod reload;
mod silences;
mod turn;
mod waits;
mod windows;

use crate::change::Change;
use crate::config::Config;
use crate::group::{Group, GroupRow};
use crate::incident::Incident;
use crate::inhibit::Sources;
use crate::known::{Known, Places, Tracked};
use crate::notice::Notice;
use crate::recent::Recent;
use crate::route::RouteNode;
use crate::silences::Silences;
use hashbrown::HashMap;
use model::{Hold, Labels, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::{sync::Arc, time::Duration};

pub use delivery::Tried;
pub(crate) use failing::tells_of_a_receiver;
pub use intake::Received;

/// How often expired silences are looked through.
const SWEEP: Duration = Duration::from_secs(15 * 60);

/// Alerts, groups, silences and what was decided about them.
#[derive(Debug)]
pub struct Alerts {
    config: Arc<Config>,
    alerts: Known,
    /// The number of the next alert that is new.
    next_id: u64,
    groups: HashMap<Arc<str>, Group>,
    /// The number of the next group that is new.
    next_group: u64,
    /// Where alerts fall that have one place, by its node and the labels of the group there.
    known_places: HashMap<(usize, Labels), Places>,
    /// Every group once, by its next look.
    wakes: BTreeSet<(Timestamp, Arc<str>)>,
    /// Keys of pages under way: whose they are.
    under_way: HashMap<String, (Arc<str>, String)>,
    sources: Sources,
    silences: Silences,
    /// When the next window of a maintenance begins or ends.
    next_window: Option<Timestamp>,
    /// By id: what groups that paged somebody are, and were.
    incidents: HashMap<String, Incident>,
    /// The number of the next incident.
    next_incident: u64,
    notices: Vec<Notice>,
    decisions: Recent,
    /// Removals found while restoring, for the next `out`.
    leftover: Vec<Change>,
    swept: Timestamp,
}

/// What keeps a firing alert quiet on a route.
struct Quiet {
    hold: Hold,
    by: Vec<String>,
}

impl Alerts {
    /// From the rows a store has kept. Groups that were paged are not paged again for the same alerts.
    pub fn new(config: Config, restored: Vec<Change>, now: Timestamp) -> Alerts {
        let mut alerts = Alerts {
            sources: Sources::new(config.inhibit.clone()),
            config: Arc::new(config),
            alerts: Known::default(),
            next_id: 1,
            groups: HashMap::new(),
            next_group: 1,
            known_places: HashMap::new(),
            wakes: BTreeSet::new(),
            under_way: HashMap::new(),
            silences: Silences::default(),
            next_window: None,
            incidents: HashMap::new(),
            next_incident: 1,
            notices: Vec::new(),
            decisions: Recent::default(),
            leftover: Vec::new(),
            swept: now,
        };
        let (mut rows, mut seen, mut waits) = (HashMap::new(), HashMap::new(), Vec::new());
        let (mut lines, mut decisions) = (BTreeMap::new(), Vec::new());
        for row in restored {
            match row {
                Change::Alert(id, alert) => {
                    alerts.next_id = alerts.next_id.max(id + 1);
                    alerts.alerts.put(Tracked::new(id, alert));
                }
                Change::Seen { id, ends_at, updated_at } => drop(seen.insert(id, (ends_at, updated_at))),
                Change::Wait(wait) => waits.push(wait),
                Change::Group(row) => {
                    alerts.next_group = alerts.next_group.max(row.id + 1);
                    rows.insert(row.key.clone(), row);
                }
                Change::Silence(silence) => alerts.silences.put(silence),
                Change::Incident(incident) => {
                    alerts.next_incident = alerts.next_incident.max(incident.number + 1);
                    alerts.incidents.insert(incident.id.clone(), *incident);
                }
                Change::Line { incident, nth, entry } => drop(lines.insert((incident, nth), *entry)),
                Change::Decision(decision) => decisions.push(decision),
                Change::AlertGone(_)
                | Change::GroupGone(_)
                | Change::SilenceGone(_)
                | Change::IncidentGone(_) => {}
            }
        }
        alerts.put_seen(&seen);
        alerts.put_lines(lines);
        decisions.extend(alerts.of_waits(&waits));
        alerts.decisions = Recent::restored(decisions);
        let mut gone = Vec::new();
        alerts.wait_for_clients(now, &mut gone);
        let stood = alerts.stood_on_record();
        alerts.regroup(rows, &stood, now, &mut gone);
        alerts.plan_windows(now);
        alerts.leftover = gone;
        alerts
    }

    /// The configuration in use.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What happened since the last time, beside pages.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

pub(crate) fn group_key(route: &str, labels: &Labels) -> String {
    format!("{route}:{labels}")
}

fn new_group(row: GroupRow, key: Arc<str>, route: usize, node: &RouteNode) -> Group {
    Group {
        receiver: row.instead.as_ref().unwrap_or(&node.receiver).as_str().into(),
        wake: row.next_flush,
        incident: crate::group::incident_id(&row.key, row.born).into(),
        row,
        key,
        route,
        orphan: false,
        members: HashMap::new(),
        looked: Timestamp::MIN,
        nudged: None,
        again: false,
        catch_up: false,
        step_held: false,
    }
}
