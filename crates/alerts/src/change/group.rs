//! The row of a group.

use super::{Mark, read_labels, read_text, read_time};
use crate::group::{GroupRow, Ledger, Sent};
use model::{Json, Labels, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A group as it is kept.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    key: &'a str,
    route: &'a str,
    labels: &'a Labels,
    born: i64,
    next_flush: i64,
    flushed: bool,
    dormant: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    also: &'a BTreeSet<String>,
    ledgers: BTreeMap<&'a str, LedgerRow<'a>>,
}

#[derive(Serialize)]
struct LedgerRow<'a> {
    revision: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    under_way: Option<SentRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<SentRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a Json>,
}

#[derive(Serialize)]
struct SentRow<'a> {
    key: &'a str,
    at: i64,
    firing: Vec<Mark>,
    owed: Vec<Mark>,
    ended: Vec<Mark>,
}

pub(super) fn row(group: &GroupRow) -> Row<'_> {
    Row {
        key: &group.key,
        route: &group.route,
        labels: &group.labels,
        born: group.born.as_millis(),
        next_flush: group.next_flush.as_millis(),
        flushed: group.flushed,
        dormant: group.dormant,
        instead: group.instead.as_deref(),
        also: &group.also,
        ledgers: group.ledgers.iter().map(|(name, ledger)| (name.as_str(), ledger_row(ledger))).collect(),
    }
}

fn ledger_row(ledger: &Ledger) -> LedgerRow<'_> {
    LedgerRow {
        revision: ledger.revision,
        under_way: ledger.under_way.as_ref().map(sent_row),
        delivered: ledger.delivered.as_ref().map(sent_row),
        failing: ledger.failing.map(Timestamp::as_millis),
        kept: ledger.kept.as_ref(),
    }
}

fn sent_row(sent: &Sent) -> SentRow<'_> {
    let marks = |set: &BTreeSet<u64>| set.iter().copied().map(Mark).collect();
    SentRow {
        key: &sent.key,
        at: sent.at.as_millis(),
        firing: marks(&sent.firing),
        owed: marks(&sent.owed),
        ended: marks(&sent.ended),
    }
}

pub(super) fn read(id: u64, row: &Value) -> Option<GroupRow> {
    let ledgers = row["ledgers"].as_object()?.iter();
    let ledgers = ledgers.map(|(name, ledger)| Some((name.clone(), read_ledger(ledger)?)));
    Some(GroupRow {
        id,
        key: read_text(&row["key"])?,
        route: read_text(&row["route"])?,
        labels: read_labels(&row["labels"])?,
        born: read_time(&row["born"])?,
        next_flush: read_time(&row["next_flush"])?,
        flushed: row["flushed"].as_bool()?,
        // Rows of older releases lack these.
        dormant: row["dormant"].as_bool().unwrap_or(false),
        instead: read_text(&row["instead"]),
        also: row["also"].as_array().into_iter().flatten().filter_map(read_text).collect(),
        ledgers: ledgers.collect::<Option<_>>()?,
    })
}

fn read_ledger(row: &Value) -> Option<Ledger> {
    Some(Ledger {
        revision: row["revision"].as_u64().and_then(|n| u32::try_from(n).ok())?,
        under_way: read_sent(&row["under_way"]),
        delivered: read_sent(&row["delivered"]),
        superseded: Default::default(),
        reported: false,
        failing: read_time(&row["failing"]),
        kept: Some(&row["kept"]).filter(|kept| !kept.is_null()).map(Json::from),
    })
}

fn read_sent(row: &Value) -> Option<Sent> {
    let set = |row: &Value| {
        let marks = row.as_array()?.iter();
        marks.map(|mark| Mark::read(mark).map(|Mark(fingerprint)| fingerprint)).collect::<Option<_>>()
    };
    Some(Sent {
        key: read_text(&row["key"])?,
        at: read_time(&row["at"])?,
        firing: set(&row["firing"])?,
        owed: set(&row["owed"])?,
        ended: set(&row["ended"]).unwrap_or_default(),
    })
}
