//! Rows of the router.

use super::*;

#[test]
fn router_and_rule_rows_come_and_go() {
    let mut fixture = Fixture::new();
    let labels = Labels::from_pairs([("alertname", "Down")]);
    let alert = model::Alert {
        labels: labels.clone(),
        annotations: Labels::empty(),
        starts_at: at(0),
        ends_at: None,
        generator_url: "".into(),
        updated_at: at(0),
    };
    let rule = rules::ActiveRow {
        rule: "a;b;Down".to_owned(),
        labels: labels.clone(),
        annotations: Labels::empty(),
        state: rules::AlertState::Firing,
        active_at: at(0),
        fired_at: Some(at(1)),
        value: 1.0,
        keep_firing_since: None,
        last_sent: None,
    };
    let decision = model::Decision {
        at: at(5),
        alert: labels.clone(),
        verdict: model::Verdict::Hold(model::Hold::Grouped),
        receiver: "r".into(),
        group_key: "g".into(),
        by: Vec::new(),
        page_key: None,
        over: false,
        next_send: None,
        nth: 0,
    };
    let put = Changes {
        alerts: vec![
            alerts::Change::Alert(7, alert),
            alerts::Change::Seen { id: 7, ends_at: Some(at(9)), updated_at: at(4) },
            alerts::Change::Decision(decision.clone()),
            alerts::Change::Wait(wait(6)),
        ],
        rules: vec![rules::Change::Active(rule.clone())],
        ..Changes::default()
    };
    fixture.store.commit(&put).unwrap();
    let loaded = fixture.store.load().unwrap();
    assert_eq!((loaded.alerts, loaded.rules), (put.alerts.clone(), vec![rule.clone()]));
    let reader = Reader::open(&fixture.path()).unwrap();
    let about = |until, limit| reader.decisions_about(&labels, until, limit).unwrap();
    let waited = wait(6).decisions(|_| Some(labels.clone()));
    assert_eq!((about(at(4), 10), about(at(5), 10)), (vec![], vec![decision.clone()]));
    assert_eq!(about(at(6), 10), vec![waited[0].clone(), decision]);
    assert_eq!(about(at(6), 1), waited);
    assert_eq!(about(Timestamp::MAX, 1), waited, "up to the end of time");
    assert_eq!(reader.decisions_about(&Labels::empty(), at(9), 10).unwrap(), vec![]);
    let plan = format!("EXPLAIN QUERY PLAN {}", crate::reader::ABOUT);
    let connection = rusqlite::Connection::open(fixture.path()).unwrap();
    let plan: String = connection.query_row(&plan, ["", "", "1"], |row| row.get(3)).unwrap();
    assert!(plan.contains("decision_alert"), "{plan}");
    let gone = Changes {
        alerts: vec![alerts::Change::AlertGone(7)],
        rules: vec![rules::Change::Gone { key: rule.key() }],
        ..Changes::default()
    };
    fixture.store.commit(&gone).unwrap();
    let loaded = fixture.store.load().unwrap();
    assert_eq!((loaded.alerts.len(), loaded.rules.len()), (2, 0), "decisions stay");
}

fn group(id: u64, next_flush: i64) -> alerts::Change {
    alerts::Change::Group(alerts::GroupRow {
        id,
        key: format!("g{id}"),
        route: "{}".to_owned(),
        labels: Labels::empty(),
        born: at(0),
        next_flush: at(next_flush),
        flushed: false,
        dormant: false,
        instead: None,
        also: Default::default(),
        ledgers: Default::default(),
    })
}

fn incident(timeline: Vec<alerts::Entry>) -> alerts::Change {
    alerts::Change::Incident(Box::new(alerts::Incident {
        number: 1,
        id: "i".to_owned(),
        group_key: "g1".to_owned(),
        receiver: "ops".to_owned(),
        labels: Labels::empty(),
        severity: alerts::Severity::Warning,
        state: alerts::IncidentState::Open,
        opened_at: at(0),
        resolved_at: None,
        closed_by: None,
        acknowledged_by: None,
        snoozed_until: None,
        assigned_to: None,
        merged_into: None,
        reopened: 0,
        escalation: None,
        timeline,
    }))
}

fn entry(detail: &str) -> alerts::Entry {
    let (who, detail) = (String::new(), detail.to_owned());
    alerts::Entry { at: at(1), what: alerts::What::Note, who, detail, key: None, code: None, tries: 1 }
}

fn line(nth: u32) -> alerts::Change {
    alerts::Change::Line { incident: 1, nth, entry: Box::new(entry("line")) }
}

#[test]
fn a_group_is_kept_as_it_is_in_the_end_and_an_incident_takes_its_lines_in() {
    let mut fixture = Fixture::new();
    let mut commit = |alerts: Vec<alerts::Change>| {
        fixture.store.commit(&Changes { alerts, ..Changes::default() }).unwrap();
        fixture.store.load().unwrap().alerts
    };
    let first = vec![entry("first")];
    let all = vec![group(1, 1), group(2, 2), incident(first.clone()), line(1), group(1, 3), line(2)];
    let kept = commit(all);
    assert_eq!(kept, [group(1, 3), group(2, 2), incident(first), line(1), line(2)]);
    let whole = vec![entry("first"), entry("line"), entry("line")];
    let kept = commit(vec![incident(whole.clone()), alerts::Change::GroupGone(2), line(3)]);
    assert_eq!(kept, [group(1, 3), incident(whole), line(3)], "lines of before are in the row");
    assert_eq!(commit(vec![alerts::Change::IncidentGone(1)]), [group(1, 3)]);
    assert_eq!(commit(vec![group(1, 4), alerts::Change::GroupGone(1)]), []);
}

#[test]
fn a_clock_that_goes_back_overwrites_no_decision() {
    let mut fixture = Fixture::new();
    for group_key in ["before", "after"] {
        let decision = model::Decision {
            at: at(5),
            alert: Labels::empty(),
            verdict: model::Verdict::Deliver,
            receiver: "r".into(),
            group_key: group_key.into(),
            by: Vec::new(),
            page_key: None,
            over: false,
            next_send: None,
            nth: 0,
        };
        let alerts = vec![alerts::Change::Decision(decision)];
        fixture.store.commit(&Changes { alerts, ..Changes::default() }).unwrap();
    }
    let about = Reader::open(&fixture.path()).unwrap().decisions_about(&Labels::empty(), at(5), 9).unwrap();
    let found: Vec<(&str, u32)> = about.iter().map(|one| (&*one.group_key, one.nth)).collect();
    assert_eq!(found, [("after", 1), ("before", 0)]);
}

/// A store of alerts beside what it must give back, and numbers as the router gives them.
struct Alerts {
    fixture: Fixture,
    known: std::collections::BTreeMap<u64, model::Alert>,
    next: u64,
    dice: u64,
}

impl Alerts {
    fn new(seed: u64) -> Alerts {
        Alerts { fixture: Fixture::new(), known: Default::default(), next: 1, dice: seed }
    }

    /// SplitMix64.
    fn roll(&mut self, below: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn alert(&mut self, id: u64) -> alerts::Change {
        let alert = model::Alert {
            labels: Labels::from_pairs([("alertname", "A".to_owned()), ("i", id.to_string())]),
            annotations: Labels::from_pairs([("n", self.roll(1 << 40).to_string())]),
            starts_at: at(1),
            ends_at: None,
            generator_url: format!("http://rule/{}", id / 3).into(),
            updated_at: at(2),
        };
        self.known.insert(id, alert.clone());
        alerts::Change::Alert(id, alert)
    }

    fn new_alerts(&mut self, count: u64) -> Vec<alerts::Change> {
        let first = self.next;
        self.next += count;
        (first..self.next).map(|id| self.alert(id)).collect()
    }

    fn gone(&mut self, id: u64) -> alerts::Change {
        self.known.remove(&id);
        alerts::Change::AlertGone(id)
    }

    fn commit(&mut self, alerts: Vec<alerts::Change>) {
        self.fixture.store.commit(&Changes { alerts, ..Changes::default() }).unwrap();
    }

    /// As a process that ends does.
    fn reopen(&mut self) {
        self.fixture.store = Sqlite::open(&self.fixture.path()).unwrap();
        self.next = self.known.last_key_value().map_or(1, |(id, _)| id + 1);
    }

    fn check(&mut self) {
        let wanted = self.known.iter().map(|(id, alert)| alerts::Change::Alert(*id, alert.clone()));
        let wanted: Vec<alerts::Change> = wanted.collect();
        assert_eq!(self.fixture.store.load().unwrap().alerts, wanted);
    }

    fn count(&self, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.fixture.path()).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    fn rows(&self) -> (i64, i64, i64) {
        (self.count("alert_pack"), self.count("alert"), self.count("alert_gone"))
    }
}

#[test]
fn alerts_that_come_together_are_a_row_until_few_are_left() {
    let mut store = Alerts::new(1);
    let few = store.new_alerts(3);
    store.commit(few);
    assert_eq!(store.rows(), (0, 3, 0), "a few are rows of their own");
    let many = store.new_alerts(300);
    store.commit(many);
    assert_eq!(store.rows(), (2, 3, 0), "256 and 44");
    let changed = vec![store.alert(10), store.gone(11)];
    store.commit(changed);
    assert_eq!(store.rows(), (2, 4, 1));
    store.check();
    let most = (260..=293).map(|id| store.gone(id)).collect();
    store.commit(most);
    assert_eq!(store.rows(), (1, 14, 1), "of the 44 ten are left");
    store.check();
    store.reopen();
    assert_eq!(
        store.rows(),
        (0, 14 + 254, 0),
        "254 of the 256, and the one that was changed, are where they were"
    );
    store.check();
    let gone: Vec<_> =
        store.known.keys().copied().collect::<Vec<_>>().into_iter().map(|id| store.gone(id)).collect();
    store.commit(gone);
    assert_eq!(store.rows(), (0, 0, 0));
}

#[test]
fn when_an_alert_of_a_pack_was_repeated_stays_its_own() {
    let mut store = Alerts::new(3);
    let mut changes = store.new_alerts(10);
    let seen = |id| alerts::Change::Seen { id, ends_at: Some(at(9)), updated_at: at(8) };
    changes.extend([seen(3), seen(9)]);
    changes.push(store.gone(9));
    changes.push(store.gone(10));
    store.commit(changes);
    for opened in 0..2 {
        let loaded = store.fixture.store.load().unwrap().alerts;
        assert_eq!(loaded.last(), Some(&seen(3)), "opened again {opened} times");
        assert_eq!(loaded.len(), store.known.len() + 1);
        store.reopen();
    }
    assert_eq!(store.next, 9, "numbers are given again");
    let again = store.new_alerts(20);
    store.commit(again);
    assert_eq!(store.fixture.store.load().unwrap().alerts.len(), 8 + 20 + 1);
}

#[test]
fn a_pack_that_cannot_be_read_is_named() {
    for has_gap in [true, false] {
        let mut store = Alerts::new(4);
        let mut changes = store.new_alerts(10);
        changes.extend(has_gap.then(|| store.gone(2)));
        store.commit(changes);
        let connection = rusqlite::Connection::open(store.fixture.path()).unwrap();
        connection.execute("UPDATE alert_pack SET alerts = x'0102'", []).unwrap();
        let found = Sqlite::open(&store.fixture.path()).and_then(|mut store| store.load().map(drop));
        let said = found.unwrap_err().to_string();
        assert_eq!(said, "cannot read alert_pack row \"1\": its alerts are not as a release writes them");
    }
}

#[test]
fn large_alerts_make_small_packs() {
    let mut store = Alerts::new(5);
    let mut changes = store.new_alerts(29);
    for change in &mut changes {
        if let alerts::Change::Alert(id, alert) = change {
            alert.annotations = Labels::from_pairs([("long", "x".repeat(100_000))]);
            store.known.insert(*id, alert.clone());
        }
    }
    store.commit(changes);
    store.check();
    assert_eq!(store.rows(), (2, 7, 0), "eleven to a pack, and a rest");
}

#[test]
fn what_becomes_of_alerts_within_one_commit_counts() {
    let mut store = Alerts::new(2);
    let mut changes = store.new_alerts(20);
    changes.push(store.alert(5));
    changes.push(store.gone(6));
    changes.extend(store.new_alerts(9));
    changes.push(store.alert(25));
    store.commit(changes);
    store.check();
    assert_eq!(store.rows(), (2, 0, 1), "what is not yet written is not written twice");
}

#[test]
fn alerts_are_kept_whatever_becomes_of_them() {
    for seed in 0..20 {
        let mut store = Alerts::new(seed);
        for _ in 0..60 {
            let mut changes = Vec::new();
            for _ in 0..=store.roll(2) {
                let count = [0, 1, 7, 8, 40, 300][store.roll(6) as usize];
                changes.extend(store.new_alerts(count));
                let share = [0, 2, 10, 90][store.roll(4) as usize];
                for id in store.known.keys().copied().collect::<Vec<_>>() {
                    match store.roll(100) {
                        roll if roll < share => changes.push(store.gone(id)),
                        98.. => changes.push(store.alert(id)),
                        _ => {}
                    }
                }
            }
            store.commit(changes);
            if store.roll(4) == 0 {
                store.reopen();
            }
            store.check();
        }
        let (packs, _, gone) = store.rows();
        assert!(gone <= packs * 256, "seed {seed}: numbers of packs that are there");
    }
}
