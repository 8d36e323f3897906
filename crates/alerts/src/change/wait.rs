//! Alerts that are new in their groups and wait for the group's turn to speak: what was decided about all of them in one
//! instant, in one row. In a storm these are most of all decisions, and alike but for the alert.

use super::{HOLDS, read_text, read_time};
use model::{Decision, Hold, Labels, Timestamp, Verdict};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::sync::Arc;

/// So many decisions of one instant are told apart.
const NTH_BITS: u32 = 20;

/// What was decided about alerts of one instant, group by group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// When.
    pub at: Timestamp,
    /// The place of the first of them among the decisions of that instant; the others follow it.
    pub nth: u32,
    /// The groups.
    pub groups: Vec<WaitingGroup>,
}

/// The new alerts of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingGroup {
    /// Whom it will tell.
    pub receiver: Arc<str>,
    /// Its key.
    pub group_key: Arc<str>,
    /// What they wait for.
    pub hold: Hold,
    /// Until when.
    pub next_send: Timestamp,
    /// Their fingerprints.
    pub alerts: Vec<u64>,
}

impl Wait {
    /// Rises with time; a range of keys is a range of time.
    pub fn key(&self) -> i64 {
        Wait::first_key(self.at) + i64::from(self.nth & ((1 << NTH_BITS) - 1))
    }

    /// The lowest key of an instant; of those beyond the year 2248 that of the last one before.
    pub fn first_key(at: Timestamp) -> i64 {
        at.as_millis().clamp(0, i64::MAX >> NTH_BITS) << NTH_BITS
    }

    /// How a fingerprint stands in the row: rows about an alert are found by it.
    pub fn mark(fingerprint: u64) -> String {
        format!("{fingerprint:016x}")
    }

    /// The decisions, as far as `labels_of` knows the alert of a fingerprint.
    pub fn decisions(&self, labels_of: impl Fn(u64) -> Option<Labels>) -> Vec<Decision> {
        let all = self.groups.iter().flat_map(|group| group.alerts.iter().map(move |alert| (group, alert)));
        let decision = |(nth, (group, alert)): (u32, (&WaitingGroup, &u64))| {
            Some(Decision {
                at: self.at,
                alert: labels_of(*alert)?,
                verdict: Verdict::Hold(group.hold),
                receiver: group.receiver.clone(),
                group_key: group.group_key.clone(),
                by: Vec::new(),
                page_key: None,
                over: false,
                next_send: Some(group.next_send),
                nth,
            })
        };
        (self.nth..).zip(all).filter_map(decision).collect()
    }

    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let row = self.groups.iter().map(|group| Row {
            receiver: &group.receiver,
            group_key: &group.group_key,
            verdict: group.hold.as_str(),
            next_send: group.next_send.as_millis(),
            alerts: Marks(&group.alerts),
        });
        row.collect()
    }

    pub(super) fn read(key: i64, rows: &Value) -> Option<Wait> {
        let mask = (1 << NTH_BITS) - 1;
        let (at, nth) = (Timestamp::from_millis(key >> NTH_BITS), u32::try_from(key & mask).ok()?);
        let groups = rows.as_array()?.iter().map(|row| {
            let marks = row["alerts"].as_array()?.iter();
            let alerts = marks.map(|mark| u64::from_str_radix(mark.as_str()?, 16).ok());
            Some(WaitingGroup {
                receiver: read_text(&row["receiver"])?.into(),
                group_key: read_text(&row["group_key"])?.into(),
                hold: HOLDS.into_iter().find(|hold| Some(hold.as_str()) == row["verdict"].as_str())?,
                next_send: read_time(&row["next_send"])?,
                alerts: alerts.collect::<Option<_>>()?,
            })
        });
        Some(Wait { at, nth, groups: groups.collect::<Option<_>>()? })
    }
}

/// A group as it is kept.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    receiver: &'a str,
    group_key: &'a str,
    verdict: &'static str,
    next_send: i64,
    alerts: Marks<'a>,
}

/// Fingerprints, each as its mark.
struct Marks<'a>(&'a [u64]);

impl Serialize for Marks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|fingerprint| Wait::mark(*fingerprint)))
    }
}
