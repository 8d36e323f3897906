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
