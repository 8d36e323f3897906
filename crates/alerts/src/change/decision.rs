//! The row of a decision.

use super::instant::InstantKey;
use super::{HOLDS, read_labels, read_text, read_time};
use model::{Decision, Labels, Timestamp, Verdict};
use serde::Serialize;
use serde_json::Value;

/// A decision as it is kept: all but its time and place, which are its key.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    alert: &'a Labels,
    verdict: &'static str,
    receiver: &'a str,
    group_key: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    by: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    page_key: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    over: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_send: Option<i64>,
}

pub(super) fn row(decision: &Decision) -> Row<'_> {
    Row {
        alert: &decision.alert,
        verdict: match decision.verdict {
            Verdict::Deliver => "deliver",
            Verdict::Hold(hold) => hold.as_str(),
        },
        receiver: &decision.receiver,
        group_key: &decision.group_key,
        by: &decision.by,
        page_key: decision.page_key.as_deref(),
        over: decision.over,
        next_send: decision.next_send.map(Timestamp::as_millis),
    }
}

pub(super) fn read(key: InstantKey, row: &Value) -> Option<Decision> {
    let verdict = match row["verdict"].as_str()? {
        "deliver" => Verdict::Deliver,
        text => Verdict::Hold(HOLDS.into_iter().find(|hold| hold.as_str() == text)?),
    };
    let by = row["by"].as_array().into_iter().flatten();
    Some(Decision {
        at: key.at(),
        alert: read_labels(&row["alert"])?,
        verdict,
        receiver: read_text(&row["receiver"])?.into(),
        group_key: read_text(&row["group_key"])?.into(),
        by: by.map(read_text).collect::<Option<_>>()?,
        page_key: read_text(&row["page_key"]),
        over: row["over"].as_bool().unwrap_or(false),
        next_send: read_time(&row["next_send"]),
        nth: key.nth(),
    })
}
