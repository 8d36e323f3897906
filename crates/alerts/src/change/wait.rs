//! What was decided about many alerts alike in one instant, in one row: they are new in their groups and wait for the
//! group's turn to speak, somebody took on their incident, or a reload moved them. In a storm these are most of all
//! decisions.

use super::instant::InstantKey;
use super::{HOLDS, Mark, read_text, read_time};
use model::{Decision, Hold, Labels, Timestamp, Verdict};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// What was decided in one instant about alerts that wait, group by group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// When.
    pub at: Timestamp,
    /// The place of the first of them among the decisions of that instant; the others follow it.
    pub nth: u32,
    /// The groups.
    pub groups: Vec<WaitingGroup>,
}

/// Alerts of one group that wait alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingGroup {
    /// Whom it will tell.
    pub receiver: Arc<str>,
    /// Its key.
    pub group_key: Arc<str>,
    /// What they wait for; [`Hold::Over`]: for nothing, they are told of there no more.
    pub hold: Hold,
    /// By what: who took them on, or moved them.
    pub by: Vec<String>,
    /// Until when; `None`: nobody knows.
    pub next_send: Option<Timestamp>,
    /// Their fingerprints.
    pub alerts: Vec<u64>,
}

impl WaitingGroup {
    /// What was decided about one of its alerts.
    pub(crate) fn decision(&self, at: Timestamp, alert: Labels, nth: u32) -> Decision {
        Decision {
            at,
            alert,
            verdict: Verdict::Hold(self.hold),
            receiver: self.receiver.clone(),
            group_key: self.group_key.clone(),
            by: self.by.clone(),
            page_key: None,
            over: self.hold == Hold::Over,
            next_send: self.next_send,
            nth,
        }
    }
}

impl Wait {
    /// That of the first decision.
    pub fn key(&self) -> InstantKey {
        InstantKey::new(self.at, self.nth)
    }

    /// How a fingerprint stands in the row: rows about an alert are found by it.
    pub fn mark(fingerprint: u64) -> String {
        format!("{fingerprint:016x}")
    }

    /// The decisions, as far as `labels_of` knows the alert of a fingerprint.
    pub fn decisions(&self, labels_of: impl Fn(u64) -> Option<Labels>) -> Vec<Decision> {
        let all = self.groups.iter().flat_map(|group| group.alerts.iter().map(move |alert| (group, alert)));
        let decision = |(nth, (group, alert)): (u32, (&WaitingGroup, &u64))| {
            Some(group.decision(self.at, labels_of(*alert)?, nth))
        };
        (self.nth..).zip(all).filter_map(decision).collect()
    }

    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let row = self.groups.iter().map(|group| Row {
            receiver: &group.receiver,
            group_key: &group.group_key,
            verdict: group.hold.as_str(),
            by: &group.by,
            next_send: group.next_send.map(Timestamp::as_millis),
            alerts: group.alerts.iter().copied().map(Mark).collect(),
        });
        row.collect()
    }

    pub(super) fn read(key: InstantKey, rows: &Value) -> Option<Wait> {
        let groups = rows.as_array()?.iter().map(|row| {
            let marks = row["alerts"].as_array()?.iter();
            let alerts = marks.map(|mark| Mark::read(mark).map(|Mark(fingerprint)| fingerprint));
            let by = row["by"].as_array().into_iter().flatten();
            Some(WaitingGroup {
                receiver: read_text(&row["receiver"])?.into(),
                group_key: read_text(&row["group_key"])?.into(),
                hold: HOLDS.into_iter().find(|hold| Some(hold.as_str()) == row["verdict"].as_str())?,
                by: by.map(read_text).collect::<Option<_>>()?,
                next_send: match &row["next_send"] {
                    Value::Null => None,
                    time => Some(read_time(time)?),
                },
                alerts: alerts.collect::<Option<_>>()?,
            })
        });
        Some(Wait { at: key.at(), nth: key.nth(), groups: groups.collect::<Option<_>>()? })
    }
}

/// A group as it is kept.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    receiver: &'a str,
    group_key: &'a str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    by: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_send: Option<i64>,
    alerts: Vec<Mark>,
}
