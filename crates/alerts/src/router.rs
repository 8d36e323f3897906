//! The decider: takes alerts, silences and reports of delivery, and says at each tick which pages are due.
//!
//! Not here: sending, retrying, persisting. Invariants: every change of durable state is in `out` before the
//! call returns; a page returned by [`Alerts::tick`] may leave only after that `out` is committed; a tick
//! flushes each group at most once.

use crate::change::Change;
use crate::config::{Config, Integration};
use crate::group::{Group, GroupRow, Member, Need, Now, UNDER_WAY_MAX, page_order};
use crate::inhibit::Sources;
use crate::silence::{KEPT, NewSilence, SILENCES_MAX, Silence, SilenceError, SilenceState};
use crate::view::{AlertState, AlertView, GroupView, Reason};
use model::{Alert, Decision, Hold, Labels, Links, Page, PageStatus, Timestamp, Verdict};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::{sync::Arc, time::Duration};

/// Decisions kept in memory; older ones are in the journal only.
const DECISIONS_MAX: usize = 10_000;
/// How often expired silences are looked through.
const SWEEP: Duration = Duration::from_secs(15 * 60);

/// Alerts, groups, silences and what was decided about them.
#[derive(Debug)]
pub struct Alerts {
    config: Config,
    alerts: HashMap<Labels, Tracked>,
    groups: HashMap<Arc<str>, Group>,
    /// Every group once, by its next look.
    wakes: BTreeSet<(Timestamp, Arc<str>)>,
    /// Keys of pages under way: whose they are.
    under_way: HashMap<String, (Arc<str>, String)>,
    sources: Sources,
    silences: BTreeMap<String, Silence>,
    decisions: VecDeque<Decision>,
    /// Removals found while restoring, for the next `out`.
    leftover: Vec<Change>,
    swept: Timestamp,
}

#[derive(Debug, Clone)]
struct Tracked {
    alert: Alert,
    /// The route tree's nodes that take it, each with the group it falls into.
    places: Vec<(usize, Arc<str>)>,
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
            config,
            alerts: HashMap::new(),
            groups: HashMap::new(),
            wakes: BTreeSet::new(),
            under_way: HashMap::new(),
            silences: BTreeMap::new(),
            decisions: VecDeque::new(),
            leftover: Vec::new(),
            swept: now,
        };
        let mut rows = HashMap::new();
        for row in restored {
            match row {
                Change::Alert(alert) => {
                    let labels = alert.labels.clone();
                    alerts.alerts.insert(labels, Tracked { alert, places: Vec::new() });
                }
                Change::Group(row) => drop(rows.insert(row.key.clone(), (row, true))),
                Change::Silence(silence) => drop(alerts.silences.insert(silence.id.clone(), silence)),
                Change::Decision(decision) => alerts.remember(decision),
                Change::AlertGone(_) | Change::GroupGone(_) | Change::SilenceGone(_) => {}
            }
        }
        alerts.decisions.make_contiguous().sort_by_key(|decision| decision.at);
        let mut gone = Vec::new();
        alerts.regroup(rows, now, &mut gone);
        alerts.leftover = gone;
        alerts
    }

    /// Takes a new configuration. Groups whose route and labels are still there keep what they told and when
    /// they speak next.
    pub fn reload(&mut self, config: Config, now: Timestamp, out: &mut Vec<Change>) {
        self.sources = Sources::new(config.inhibit.clone());
        self.config = config;
        let groups = std::mem::take(&mut self.groups).into_values();
        let rows = groups.map(|group| (group.row.key.clone(), (group.row, group.stored))).collect();
        for tracked in self.alerts.values_mut() {
            tracked.places.clear();
        }
        self.regroup(rows, now, out);
    }

    /// Files every alert under the present tree, using `rows` (each with whether it is in the journal) for
    /// groups that are already known.
    fn regroup(&mut self, rows: HashMap<String, (GroupRow, bool)>, now: Timestamp, out: &mut Vec<Change>) {
        self.wakes.clear();
        self.under_way.clear();
        for (key, (row, stored)) in rows {
            let Some(route) = self.config.route.by_key(&row.route) else {
                if stored {
                    out.push(Change::GroupGone(key));
                }
                continue;
            };
            for (integration, ledger) in &row.ledgers {
                if let Some(sent) = &ledger.under_way {
                    self.under_way.insert(sent.key.clone(), (key.as_str().into(), integration.clone()));
                }
            }
            let key: Arc<str> = key.into();
            let wake = row.next_flush;
            let group = Group { stored, ..new_group(row, key.clone(), route, wake) };
            self.wakes.insert((group.wake, key.clone()));
            self.groups.insert(key, group);
        }
        let all: Vec<Labels> = self.alerts.keys().cloned().collect();
        for labels in all {
            self.sources.add(&labels);
            self.file(&labels, now);
        }
        let keys: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for key in keys {
            self.rewake(&key);
        }
    }

    /// Takes alerts from rules or clients. Returns how many were refused because there are too many already.
    pub fn receive(&mut self, alerts: Vec<Alert>, now: Timestamp, out: &mut Vec<Change>) -> usize {
        let mut refused = 0;
        for mut alert in alerts {
            let known = self.alerts.get(&alert.labels);
            match known {
                None if alert.is_resolved(now) => continue,
                None if self.alerts.len() >= self.config.alerts_max => {
                    refused += 1;
                    continue;
                }
                None => self.sources.add(&alert.labels),
                Some(known) if !known.alert.is_resolved(now) => {
                    alert.starts_at = alert.starts_at.min(known.alert.starts_at);
                }
                Some(known) if alert.is_resolved(now) => {
                    // It had ended before; its first end stands.
                    alert.starts_at = known.alert.starts_at;
                    alert.ends_at = known.alert.ends_at.min(alert.ends_at);
                }
                Some(_) => {}
            }
            let labels = alert.labels.clone();
            let places = known.map(|known| known.places.clone()).unwrap_or_default();
            out.push(Change::Alert(alert.clone()));
            self.alerts.insert(labels.clone(), Tracked { alert, places });
            let waiting = self.file(&labels, now);
            for (receiver, group_key) in waiting {
                let verdict = Verdict::Hold(Hold::Grouped);
                let alert = labels.clone();
                let decision =
                    Decision { at: now, alert, verdict, receiver, group_key, by: vec![], page_key: None };
                self.decide(decision, out);
            }
        }
        refused
    }

    /// Brings the router in line with what the rules say fires, after a start or a reload: an alert without an
    /// end that no rule has any more ends, as after a change of the external labels, which are part of what an
    /// alert is. Alerts of clients carry an end and are left alone.
    pub fn reconcile(&mut self, firing: Vec<Alert>, now: Timestamp, out: &mut Vec<Change>) {
        let kept: BTreeSet<&Labels> = firing.iter().map(|alert| &alert.labels).collect();
        let lives = |tracked: &&Tracked| tracked.alert.ends_at.is_none();
        let orphans = self.alerts.values().filter(lives).filter(|known| !kept.contains(&known.alert.labels));
        let ended = orphans.map(|known| Alert { ends_at: Some(now), updated_at: now, ..known.alert.clone() });
        let ended: Vec<Alert> = ended.collect();
        self.receive(ended, now, out);
        let unknown =
            |alert: &Alert| self.alerts.get(&alert.labels).is_none_or(|known| known.alert.ends_at.is_some());
        let new = firing.into_iter().filter(unknown).collect();
        self.receive(new, now, out);
    }

    /// Puts an alert into its groups, making those that are missing. Returns receiver and key of the groups in
    /// which it is new and has to wait.
    fn file(&mut self, labels: &Labels, now: Timestamp) -> Vec<(String, String)> {
        let Some(tracked) = self.alerts.get_mut(labels) else { return Vec::new() };
        if tracked.places.is_empty() {
            let nodes = &self.config.route.nodes;
            let found = self.config.route.find(labels).into_iter();
            let place = |at: usize| (at, group_key(&nodes[at].key, &nodes[at].group_by.of(labels)).into());
            tracked.places = found.map(place).collect();
        }
        let (starts_at, ended) = (tracked.alert.starts_at, tracked.alert.is_resolved(now));
        let mut waiting = Vec::new();
        for (route, key) in tracked.places.clone() {
            let node = &self.config.route.nodes[route];
            let group = self.groups.entry(key.clone()).or_insert_with(|| {
                let row = GroupRow {
                    key: key.to_string(),
                    route: node.key.clone(),
                    labels: node.group_by.of(labels),
                    born: now,
                    next_flush: now.plus(node.group_wait),
                    flushed: false,
                    ledgers: BTreeMap::new(),
                };
                let wake = row.next_flush;
                self.wakes.insert((wake, key.clone()));
                new_group(row, key.clone(), route, wake)
            });
            // An alert that is older than the wait has waited long enough elsewhere.
            if !group.row.flushed && starts_at.plus(node.group_wait) <= now {
                group.row.next_flush = group.row.next_flush.min(now);
            }
            group.end_told &= ended;
            if !group.members.contains_key(labels) {
                let wait = group.row.next_flush > now;
                let recorded = wait.then_some(Verdict::Hold(Hold::Grouped));
                group.members.insert(labels.clone(), Member { recorded });
                if wait && !ended {
                    waiting.push((node.receiver.clone(), key.to_string()));
                }
            }
            self.rewake(&key);
        }
        waiting
    }

    fn rewake(&mut self, key: &Arc<str>) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let alerts = &self.alerts;
        let wake = group.wanted(|labels| alerts.get(labels).and_then(|tracked| tracked.alert.ends_at));
        if wake != group.wake || !self.wakes.contains(&(wake, key.clone())) {
            self.wakes.remove(&(group.wake, key.clone()));
            group.wake = wake;
            self.wakes.insert((wake, key.clone()));
        }
    }

    /// When [`Alerts::tick`] next has something to do.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// The pages that are due, with every durable change in `out`.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Change>) -> Vec<Page> {
        out.append(&mut self.leftover);
        let due: Vec<Arc<str>> =
            self.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| key.clone()).collect();
        let mut pages = Vec::new();
        for key in due {
            self.flush(&key, now, out, &mut pages);
        }
        if now.since(self.swept) >= SWEEP {
            self.swept = now;
            let old = self.silences.values().filter(|silence| silence.ends_at.plus(KEPT) <= now);
            for id in old.map(|silence| silence.id.clone()).collect::<Vec<_>>() {
                self.silences.remove(&id);
                out.push(Change::SilenceGone(id));
            }
        }
        pages
    }

    fn flush(&mut self, key: &Arc<str>, now: Timestamp, out: &mut Vec<Change>, pages: &mut Vec<Page>) {
        let Some(mut group) = self.groups.remove(key) else { return };
        self.wakes.remove(&(group.wake, key.clone()));
        let before = group.row.clone();
        let regular = group.row.next_flush <= now;
        if group.members.is_empty() && regular {
            if group.stored {
                out.push(Change::GroupGone(group.row.key));
            }
            return;
        }
        self.page_integrations(&mut group, now, out, pages);
        if regular {
            let interval = self.config.route.nodes[group.route].group_interval.max(Duration::from_millis(1));
            group.row.next_flush = now.plus(interval);
        }
        group.row.flushed = true;
        let all_ended = group.members.keys().all(|labels| self.ended(labels, now));
        group.end_told = all_ended;
        self.release_ended(&mut group, now, out);
        if group.row != before && (group.stored || !group.row.ledgers.is_empty()) {
            group.stored = true;
            out.push(Change::Group(group.row.clone()));
        }
        self.wakes.insert((group.wake, key.clone()));
        self.groups.insert(key.clone(), group);
        self.rewake(key);
    }

    fn ended(&self, labels: &Labels, now: Timestamp) -> bool {
        self.alerts.get(labels).is_none_or(|tracked| tracked.alert.is_resolved(now))
    }

    /// The whole life of one flush: what fires, what is held, and then each integration of the receiver.
    fn page_integrations(
        &mut self,
        group: &mut Group,
        now: Timestamp,
        out: &mut Vec<Change>,
        pages: &mut Vec<Page>,
    ) {
        let node = self.config.route.nodes[group.route].clone();
        let muted = self.muted(group.route, now);
        let (mut firing, mut ended, mut quiet) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for labels in group.members.keys() {
            let fingerprint = labels.fingerprint();
            if self.ended(labels, now) {
                ended.insert(fingerprint);
            } else if let Some(held) = self.quiet(labels, &muted, now) {
                quiet.insert(labels.clone(), held);
            } else {
                firing.insert(fingerprint);
            }
        }
        let integrations: Vec<Integration> =
            self.config.receiver(&node.receiver).map(|r| r.integrations.clone()).unwrap_or_default();
        let name = |integration: &Integration| format!("{}/{}", node.receiver, integration.name);
        let wanted: BTreeSet<String> = integrations.iter().map(name).collect();
        group.row.ledgers.retain(|name, _| wanted.contains(name));
        group.again = false;
        let (mut paged, mut repeats) = (Vec::new(), false);
        for integration in &integrations {
            let full_name = name(integration);
            let ledger = group.row.ledgers.entry(full_name.clone()).or_default();
            if let Some(sent) = ledger.under_way.take_if(|sent| sent.at.plus(UNDER_WAY_MAX) <= now) {
                self.under_way.remove(&sent.key);
                ledger.delivered = Some(sent);
            }
            let seen = Now {
                at: now,
                firing: &firing,
                ended: &ended,
                send_resolved: integration.send_resolved,
                repeat_interval: node.repeat_interval,
            };
            let need = ledger.need(seen);
            match need {
                Need::Page(reason) => {
                    let told_of: BTreeSet<u64> = match ledger.told() {
                        Some(told) if integration.send_resolved => &told.owed & &ended,
                        _ => BTreeSet::new(),
                    };
                    let revision = ledger.revision + 1;
                    let page_key = group.page_key(&full_name, revision);
                    let ledger = group.row.ledgers.entry(full_name.clone()).or_default();
                    ledger.send(page_key.clone(), seen);
                    self.under_way.insert(page_key.clone(), (group.key.clone(), full_name));
                    let page = Page {
                        key: page_key,
                        revision,
                        status: if firing.is_empty() { PageStatus::Resolved } else { PageStatus::Firing },
                        reason,
                        receiver: node.receiver.clone(),
                        integration: integration.name.clone(),
                        group_key: group.row.key.clone(),
                        group_labels: group.row.labels.clone(),
                        route_labels: node.template_labels(),
                        alerts: self.alerts_of(group, |fp| firing.contains(&fp) || told_of.contains(&fp)),
                        at: now,
                        external_url: self.config.external_url.clone(),
                        incident_id: group.incident(),
                        cause: String::new(),
                        diagnosis: Vec::new(),
                        remedy: Vec::new(),
                        links: Links::default(),
                    };
                    paged.push(page.key.clone());
                    pages.push(page);
                }
                Need::Later => group.again = true,
                Need::Repeat => repeats = true,
                Need::Nothing => {}
            }
            if !integration.send_resolved
                && let Some(ledger) = group.row.ledgers.get_mut(&name(integration))
            {
                ledger.forget(&ended);
            }
        }
        group.row.ledgers.retain(|_, ledger| ledger.revision > 0);
        self.record(group, &node.receiver, quiet, &paged, repeats, now, out);
    }

    /// One decision per member whose verdict is new, and one per page.
    #[allow(clippy::too_many_arguments, reason = "the parts of one flush, used once")]
    fn record(
        &mut self,
        group: &mut Group,
        receiver: &str,
        mut quiet: BTreeMap<Labels, Quiet>,
        paged: &[String],
        repeats: bool,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let group_key = group.row.key.clone();
        let mut decisions = Vec::new();
        for (labels, member) in &mut group.members {
            let decision = |verdict, by, page_key| Decision {
                at: now,
                alert: labels.clone(),
                verdict,
                receiver: receiver.to_owned(),
                group_key: group_key.clone(),
                by,
                page_key,
            };
            let held = quiet.remove(labels);
            if held.is_none() && !paged.is_empty() {
                let pages = paged.iter();
                decisions.extend(pages.map(|key| decision(Verdict::Deliver, vec![], Some(key.clone()))));
                member.recorded = Some(Verdict::Deliver);
                continue;
            }
            let (hold, by) = match held {
                Some(quiet) => (quiet.hold, quiet.by),
                None if group.again => (Hold::Grouped, vec![]),
                None if repeats => (Hold::Repeat, vec![]),
                None => continue,
            };
            if member.recorded != Some(Verdict::Hold(hold)) {
                member.recorded = Some(Verdict::Hold(hold));
                decisions.push(decision(Verdict::Hold(hold), by, None));
            }
        }
        for decision in decisions {
            self.decide(decision, out);
        }
    }

    fn alerts_of(&self, group: &Group, wanted: impl Fn(u64) -> bool) -> Vec<Alert> {
        let members = group.members.keys().filter(|labels| wanted(labels.fingerprint()));
        let alerts =
            members.filter_map(|labels| self.alerts.get(labels)).map(|tracked| tracked.alert.clone());
        page_order(alerts.collect())
    }

    /// Lets members go that have ended and whose end nobody waits for.
    fn release_ended(&mut self, group: &mut Group, now: Timestamp, out: &mut Vec<Change>) {
        let ended: Vec<Labels> = group
            .members
            .keys()
            .filter(|labels| self.ended(labels, now))
            .filter(|labels| !group.row.ledgers.values().any(|ledger| ledger.holds(labels.fingerprint())))
            .cloned()
            .collect();
        for labels in ended {
            group.members.remove(&labels);
            let Some(tracked) = self.alerts.get(&labels) else { continue };
            let elsewhere = tracked.places.iter().filter(|(_, key)| *key != group.key);
            let held = elsewhere
                .filter_map(|(_, key)| self.groups.get(key))
                .any(|group| group.members.contains_key(&labels));
            if !held {
                self.alerts.remove(&labels);
                self.sources.remove(&labels);
                out.push(Change::AlertGone(labels));
            }
        }
    }

    /// Takes the outcome of a page: it arrived, or nobody will try again.
    pub fn delivered(
        &mut self,
        page_key: &str,
        result: Result<(), String>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let Some((key, integration)) = self.under_way.remove(page_key) else { return };
        let Some(mut group) = self.groups.remove(&key) else { return };
        let sent = group.row.ledgers.get_mut(&integration).and_then(|ledger| ledger.under_way.take());
        if let (Some(sent), Some(ledger)) = (sent, group.row.ledgers.get_mut(&integration)) {
            match result {
                Ok(()) => ledger.delivered = Some(sent),
                Err(error) => {
                    let receiver = self.config.route.nodes[group.route].receiver.clone();
                    let verdict = Verdict::Hold(Hold::ReceiverDown);
                    for (labels, member) in &mut group.members {
                        if !sent.firing.contains(&labels.fingerprint()) {
                            continue;
                        }
                        member.recorded = Some(verdict);
                        let decision = Decision {
                            at: now,
                            alert: labels.clone(),
                            verdict,
                            receiver: receiver.clone(),
                            group_key: group.row.key.clone(),
                            by: vec![error.clone()],
                            page_key: Some(sent.key.clone()),
                        };
                        remember(&mut self.decisions, decision.clone());
                        out.push(Change::Decision(decision));
                    }
                }
            }
        }
        self.release_ended(&mut group, now, out);
        out.push(Change::Group(group.row.clone()));
        let again = std::mem::take(&mut group.again);
        let wake = group.wake;
        self.groups.insert(key.clone(), group);
        self.rewake(&key);
        if again && let Some(group) = self.groups.get_mut(&key) {
            self.wakes.remove(&(group.wake.min(wake), key.clone()));
            self.wakes.remove(&(group.wake, key.clone()));
            group.wake = now.min(group.wake);
            self.wakes.insert((group.wake, key));
        }
    }

    /// Keys of the pages whose outcome has not been reported.
    pub fn under_way(&self) -> impl Iterator<Item = &str> {
        self.under_way.keys().map(String::as_str)
    }

    /// Makes a silence, or changes one; `fresh_id` is used if it needs an id of its own. Returns its id.
    pub fn put_silence(
        &mut self,
        new: NewSilence,
        fresh_id: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<String, SilenceError> {
        new.check(now)?;
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
        let silence = Silence {
            id: id.clone(),
            matchers: new.matchers,
            starts_at,
            ends_at: new.ends_at,
            updated_at: now,
            created_by: new.created_by,
            comment: new.comment,
        };
        out.push(Change::Silence(silence.clone()));
        self.silences.insert(id.clone(), silence);
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
        Ok(())
    }

    /// All silences, by id.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// What keeps a firing alert quiet, apart from its group's own timing.
    fn quiet(&self, labels: &Labels, muted: &[String], now: Timestamp) -> Option<Quiet> {
        let inhibited = self.inhibited_by(labels, now);
        if !inhibited.is_empty() {
            return Some(Quiet { hold: Hold::Inhibited, by: inhibited });
        }
        if !muted.is_empty() {
            return Some(Quiet { hold: Hold::Muted, by: muted.to_vec() });
        }
        let by = self.silenced_by(labels, now);
        if by.is_empty() { None } else { Some(Quiet { hold: Hold::Silenced, by }) }
    }

    fn inhibited_by(&self, labels: &Labels, now: Timestamp) -> Vec<String> {
        let sources = self.sources.inhibitors(labels, |source| !self.ended(source, now));
        sources.iter().map(|source| format!("{:016x}", source.fingerprint())).collect()
    }

    fn silenced_by(&self, labels: &Labels, now: Timestamp) -> Vec<String> {
        let active = self.silences.values().filter(|silence| silence.state(now) == SilenceState::Active);
        let matching = active.filter(|silence| silence.matchers.iter().all(|m| m.matches_labels(labels)));
        matching.map(|silence| silence.id.clone()).collect()
    }

    /// The names of the intervals that mute a route at `now`.
    fn muted(&self, route: usize, now: Timestamp) -> Vec<String> {
        let node = &self.config.route.nodes[route];
        let inside = |name: &&String| {
            self.config.intervals.get(*name).is_some_and(|parts| parts.iter().any(|part| part.contains(now)))
        };
        let mut by: Vec<String> = node.mute.iter().filter(inside).cloned().collect();
        if by.is_empty() && !node.active.is_empty() && !node.active.iter().any(|name| inside(&name)) {
            by.clone_from(&node.active);
        }
        by
    }

    /// Whether there is such an alert and it has not ended.
    pub fn fires(&self, labels: &Labels, now: Timestamp) -> bool {
        !self.ended(labels, now)
    }

    /// Every alert that has not ended, by labels.
    pub fn list(&self, now: Timestamp) -> Vec<AlertView> {
        let mut views: Vec<AlertView> = self
            .alerts
            .values()
            .filter(|tracked| !tracked.alert.is_resolved(now))
            .map(|tracked| {
                let muted = tracked.places.iter().map(|(route, _)| self.muted(*route, now));
                let muted: Vec<Vec<String>> = muted.collect();
                let all_muted = muted.iter().all(|by| !by.is_empty());
                let muted = if all_muted { muted.concat() } else { Vec::new() };
                self.view(&tracked.alert, muted, now)
            })
            .collect();
        views.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        views
    }

    fn view(&self, alert: &Alert, muted_by: Vec<String>, now: Timestamp) -> AlertView {
        let silenced_by = self.silenced_by(&alert.labels, now);
        let inhibited_by = self.inhibited_by(&alert.labels, now);
        let free = silenced_by.is_empty() && inhibited_by.is_empty() && muted_by.is_empty();
        AlertView {
            alert: alert.clone(),
            state: if free { AlertState::Active } else { AlertState::Suppressed },
            silenced_by,
            inhibited_by,
            muted_by,
            receivers: self.routes_for(&alert.labels),
        }
    }

    /// Every group with its firing alerts, by labels, then receiver.
    pub fn groups(&self, now: Timestamp) -> Vec<GroupView> {
        let mut views: Vec<GroupView> = self
            .groups
            .values()
            .map(|group| {
                let node = &self.config.route.nodes[group.route];
                let muted = self.muted(group.route, now);
                let firing = group.members.keys().filter(|labels| !self.ended(labels, now));
                let firing = firing.filter_map(|labels| self.alerts.get(labels));
                GroupView {
                    key: group.row.key.clone(),
                    labels: group.row.labels.clone(),
                    route_labels: node.template_labels(),
                    receiver: node.receiver.clone(),
                    next_flush: group.row.next_flush,
                    alerts: firing.map(|tracked| self.view(&tracked.alert, muted.clone(), now)).collect(),
                }
            })
            .filter(|view| !view.alerts.is_empty())
            .collect();
        views.sort_by(|a, b| (&a.labels, &a.receiver, &a.key).cmp(&(&b.labels, &b.receiver, &b.key)));
        views
    }

    /// The receivers that an alert with `labels` goes to, in the order of the route tree.
    pub fn routes_for(&self, labels: &Labels) -> Vec<String> {
        let nodes = &self.config.route.nodes;
        self.config.route.find(labels).into_iter().map(|at| nodes[at].receiver.clone()).collect()
    }

    /// Why an alert with `labels` was paged or not, up to `at`: one answer per route it takes.
    pub fn why(&self, labels: &Labels, at: Timestamp) -> Vec<Reason> {
        let alert = self.alerts.get(labels).map(|tracked| tracked.alert.clone());
        let nodes = &self.config.route.nodes;
        let routes = self.config.route.find(labels).into_iter();
        routes
            .map(|route| {
                let key = group_key(&nodes[route].key, &nodes[route].group_by.of(labels));
                let about = |decision: &&Decision| {
                    decision.at <= at && decision.alert == *labels && decision.group_key == key
                };
                let decisions: Vec<Decision> = self.decisions.iter().filter(about).cloned().collect();
                Reason {
                    alert: alert.clone(),
                    route: nodes[route].key.clone(),
                    receiver: nodes[route].receiver.clone(),
                    next_flush: self.groups.get(key.as_str()).map(|group| group.row.next_flush),
                    verdict: decisions.last().map(|decision| decision.verdict),
                    group_key: key,
                    decisions,
                }
            })
            .collect()
    }

    /// The latest decisions, oldest first, as far as they are kept in memory.
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.decisions.iter()
    }

    /// The configuration in use.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn decide(&mut self, decision: Decision, out: &mut Vec<Change>) {
        self.remember(decision.clone());
        out.push(Change::Decision(decision));
    }

    fn remember(&mut self, decision: Decision) {
        remember(&mut self.decisions, decision);
    }
}

fn remember(decisions: &mut VecDeque<Decision>, decision: Decision) {
    if decisions.len() >= DECISIONS_MAX {
        decisions.pop_front();
    }
    decisions.push_back(decision);
}

fn group_key(route: &str, labels: &Labels) -> String {
    format!("{route}:{labels}")
}

fn new_group(row: GroupRow, key: Arc<str>, route: usize, wake: Timestamp) -> Group {
    Group { row, key, route, members: BTreeMap::new(), wake, again: false, end_told: false, stored: false }
}
