//! A page as the arguments of a run: how it lies in the queue between decision and delivery.

use model::{
    Alert, Finding, FindingState, Json, Labels, Links, News, Page, PageReason, PageStatus, Remedy, Risk,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// The page as JSON. Instants are milliseconds.
pub fn page_to_json(page: &Page) -> Value {
    serde_json::to_value(Row::of(page, None)).unwrap_or_default()
}

/// As [`page_to_json`], as text, with what the last page of its group left beside it.
pub(crate) fn page_to_text(page: &Page, kept: Option<&Json>) -> Json {
    Json::of(&Row::of(page, kept)).unwrap_or_default()
}

#[derive(Serialize)]
struct Row<'a> {
    key: &'a str,
    revision: u32,
    status: &'static str,
    reason: &'static str,
    receiver: &'a str,
    integration: &'a str,
    group_key: &'a str,
    group_labels: &'a Labels,
    route_labels: &'a Labels,
    alerts: &'a [Alert],
    news: &'a News,
    at: Timestamp,
    external_url: &'a str,
    incident_id: &'a str,
    cause: &'a str,
    diagnosis: Vec<FindingRow<'a>>,
    remedy: Vec<RemedyRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reopened: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<&'a Links>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a Json>,
}

impl<'a> Row<'a> {
    fn of(page: &'a Page, kept: Option<&'a Json>) -> Row<'a> {
        Row {
            key: &page.key,
            revision: page.revision,
            status: page.status.as_str(),
            reason: page.reason.as_str(),
            receiver: &page.receiver,
            integration: &page.integration,
            group_key: &page.group_key,
            group_labels: &page.group_labels,
            route_labels: &page.route_labels,
            alerts: &page.alerts,
            news: &page.news,
            at: page.at,
            external_url: &page.external_url,
            incident_id: &page.incident_id,
            cause: &page.cause,
            diagnosis: findings(page),
            remedy: remedies(page),
            reopened: page.reopened,
            links: Some(&page.links).filter(|links| **links != Links::default()),
            kept,
        }
    }
}

/// What a diagnose step found, as pages and messages show it.
#[derive(Serialize)]
pub(crate) struct FindingRow<'a> {
    step: &'a str,
    state: &'static str,
    output: &'a str,
    took_ms: u64,
}

pub(crate) fn findings(page: &Page) -> Vec<FindingRow<'_>> {
    let rows = page.diagnosis.iter().map(|f| FindingRow {
        step: &f.step,
        state: f.state.as_str(),
        output: &f.output,
        took_ms: f.took_ms,
    });
    rows.collect()
}

/// What could be done, as pages and messages show it.
#[derive(Serialize)]
pub(crate) struct RemedyRow<'a> {
    id: &'a str,
    risk: &'static str,
    text: &'a str,
    approve_url: &'a str,
}

pub(crate) fn remedies(page: &Page) -> Vec<RemedyRow<'_>> {
    let rows = page.remedy.iter().map(|r| RemedyRow {
        id: &r.id,
        risk: r.risk.as_str(),
        text: &r.text,
        approve_url: &r.approve_url,
    });
    rows.collect()
}

/// The page that [`page_to_json`] wrote; `None` if it is none.
pub fn page_from_json(args: &Json) -> Option<Page> {
    read_args(args).map(|said| said.page)
}

/// Which integration the arguments of a page's run name: `RECEIVER/webhook[0]`; empty parts if they name none.
pub fn called_by(args: &Json) -> String {
    #[derive(Default, Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        receiver: Cow<'a, str>,
        #[serde(borrow)]
        integration: Cow<'a, str>,
    }
    let named: Named<'_> = serde_json::from_str(args.as_str()).unwrap_or_default();
    format!("{}/{}", named.receiver, named.integration)
}

/// What the arguments of a page's run say.
pub(crate) struct Said {
    pub page: Page,
    /// What the last page of its group to the same integration left; null if nothing.
    pub kept: Value,
    /// Who has taken its alerts on, if that is what it tells.
    pub acknowledged_by: Option<String>,
}

/// As they were written; `None` if they are not those of a page.
pub(crate) fn read_args(args: &Json) -> Option<Said> {
    let read: Read = serde_json::from_str(args.as_str()).ok()?;
    let page = Page {
        key: read.key,
        revision: read.revision,
        status: match read.status.as_str() {
            "firing" => PageStatus::Firing,
            "resolved" => PageStatus::Resolved,
            _ => return None,
        },
        reason: PageReason::ALL.into_iter().find(|reason| reason.as_str() == read.reason)?,
        receiver: read.receiver,
        integration: read.integration,
        group_key: read.group_key,
        group_labels: read.group_labels,
        route_labels: read.route_labels,
        alerts: read.alerts,
        news: read.news,
        at: read.at,
        external_url: read.external_url,
        incident_id: read.incident_id,
        cause: read.cause,
        diagnosis: read.diagnosis.into_iter().map(ReadFinding::finding).collect::<Option<_>>()?,
        remedy: read.remedy.into_iter().map(ReadRemedy::remedy).collect::<Option<_>>()?,
        reopened: read.reopened,
        links: read.links.unwrap_or_default(),
    };
    Some(Said { page, kept: read.kept, acknowledged_by: read.acknowledged_by })
}

#[derive(Deserialize)]
struct Read {
    key: String,
    revision: u32,
    status: String,
    reason: String,
    receiver: String,
    integration: String,
    group_key: String,
    group_labels: Labels,
    route_labels: Labels,
    alerts: Vec<Alert>,
    /// A page of an older release that still waits has none.
    #[serde(default)]
    news: News,
    at: Timestamp,
    external_url: String,
    incident_id: String,
    cause: String,
    diagnosis: Vec<ReadFinding>,
    remedy: Vec<ReadRemedy>,
    reopened: Option<u32>,
    /// Pages of older releases that still wait have theirs.
    links: Option<Links>,
    #[serde(default)]
    kept: Value,
    acknowledged_by: Option<String>,
}

#[derive(Deserialize)]
struct ReadFinding {
    step: String,
    state: String,
    output: String,
    took_ms: u64,
}

impl ReadFinding {
    fn finding(self) -> Option<Finding> {
        let state = match self.state.as_str() {
            "done" => FindingState::Done,
            "failed" => FindingState::Failed,
            "late" => FindingState::Late,
            _ => return None,
        };
        Some(Finding { step: self.step, state, output: self.output, took_ms: self.took_ms })
    }
}

#[derive(Deserialize)]
struct ReadRemedy {
    id: String,
    risk: String,
    text: String,
    approve_url: String,
}

impl ReadRemedy {
    fn remedy(self) -> Option<Remedy> {
        let risk = match self.risk.as_str() {
            "safe" => Risk::Safe,
            "caution" => Risk::Caution,
            "never" => Risk::Never,
            _ => return None,
        };
        Some(Remedy { id: self.id, risk, text: self.text, approve_url: self.approve_url })
    }
}

/// A page with something in every field, for the tests of this crate.
#[cfg(test)]
pub(crate) fn example() -> Page {
    let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
    let at = Timestamp::parse_rfc3339("2026-11-22T00:48:17.250Z").unwrap();
    let alert = |instance: &str, ends_at| Alert {
        labels: labels(&[("alertname", "RedisDown"), ("instance", instance), ("severity", "critical")]),
        annotations: labels(&[("summary", "redis does not answer")]),
        starts_at: at.minus(std::time::Duration::from_secs(60)),
        ends_at,
        generator_url: "http://tocsin/graph?g0.expr=redis_up+%3D%3D+0".into(),
        updated_at: at,
    };
    Page {
        key: "k1".to_owned(),
        revision: 2,
        status: PageStatus::Firing,
        reason: PageReason::Repeat,
        receiver: "oncall".to_owned(),
        integration: "webhook[0]".to_owned(),
        group_key: "{}:{alertname=\"RedisDown\"}".to_owned(),
        group_labels: labels(&[("alertname", "RedisDown")]),
        route_labels: labels(&[("owner", "storage")]),
        alerts: vec![alert("cache:6379", None), alert("cache:6380", Some(at))],
        news: News { fired: vec![1], ended: vec![u64::MAX, 2] },
        at,
        external_url: "http://tocsin:8080".to_owned(),
        incident_id: "i1".to_owned(),
        cause: "redis-server is not running".to_owned(),
        diagnosis: vec![
            Finding {
                step: "ping".to_owned(),
                state: FindingState::Failed,
                output: "connection refused by 10.0.0.7:6379".to_owned(),
                took_ms: 3,
            },
            Finding {
                step: "log".to_owned(),
                state: FindingState::Late,
                output: String::new(),
                took_ms: 5000,
            },
        ],
        remedy: vec![Remedy {
            id: "restart".to_owned(),
            risk: Risk::Caution,
            text: "restart redis-server".to_owned(),
            approve_url: String::new(),
        }],
        reopened: Some(1),
        links: Links {
            incident: "http://tocsin:8080/ui/incidents/i1".to_owned(),
            why: "http://tocsin:8080/ui/why".to_owned(),
            silence: "http://tocsin:8080/ui/silences/new".to_owned(),
            ..Links::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_ways() {
        let page = example();
        let json = page_to_json(&page);
        assert_eq!(page_from_json(&json.clone().into()), Some(page));
        for key in json.as_object().unwrap().keys() {
            let mut broken = json.clone();
            broken[key] = json!({ "?": [] });
            assert_eq!(page_from_json(&broken.into()), None, "a broken {key} was taken");
        }
        assert_eq!(page_from_json(&Json::null()), None);
    }
}
