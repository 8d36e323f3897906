//! A page as the arguments of a run: how it lies in the queue between decision and delivery.

use model::{
    Alert, Finding, FindingState, Json, Labels, Links, News, Page, PageReason, PageStatus, Remedy, Risk,
    Timestamp,
};
use serde::Serialize;
use serde_json::Value;

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
    alerts: Vec<AlertRow<'a>>,
    news: NewsRow<'a>,
    at: i64,
    external_url: &'a str,
    incident_id: &'a str,
    cause: &'a str,
    diagnosis: Vec<FindingRow<'a>>,
    remedy: Vec<RemedyRow<'a>>,
    links: LinksRow<'a>,
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
            alerts: page.alerts.iter().map(AlertRow::of).collect(),
            news: NewsRow { fired: &page.news.fired, ended: &page.news.ended },
            at: page.at.as_millis(),
            external_url: &page.external_url,
            incident_id: &page.incident_id,
            cause: &page.cause,
            diagnosis: findings(page),
            remedy: remedies(page),
            links: LinksRow::of(&page.links),
            kept,
        }
    }
}

#[derive(Serialize)]
struct AlertRow<'a> {
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: i64,
    ends_at: Option<i64>,
    generator_url: &'a str,
    updated_at: i64,
}

impl<'a> AlertRow<'a> {
    fn of(alert: &'a Alert) -> AlertRow<'a> {
        AlertRow {
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: alert.starts_at.as_millis(),
            ends_at: alert.ends_at.map(Timestamp::as_millis),
            generator_url: &alert.generator_url,
            updated_at: alert.updated_at.as_millis(),
        }
    }
}

#[derive(Serialize)]
struct NewsRow<'a> {
    fired: &'a [u64],
    ended: &'a [u64],
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

/// Where a page points to; an act that there is nothing to do for is left out.
#[derive(Serialize)]
pub(crate) struct LinksRow<'a> {
    incident: &'a str,
    why: &'a str,
    silence: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    acknowledge: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    snooze: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    resolve: &'a str,
}

impl<'a> LinksRow<'a> {
    pub(crate) fn of(links: &'a Links) -> LinksRow<'a> {
        LinksRow {
            incident: &links.incident,
            why: &links.why,
            silence: &links.silence,
            acknowledge: &links.acknowledge,
            snooze: &links.snooze,
            resolve: &links.resolve,
        }
    }
}

/// The page that [`page_to_json`] wrote; `None` if it is none.
pub fn page_from_json(value: &Value) -> Option<Page> {
    let links = value.get("links")?;
    Some(Page {
        key: text(value, "key")?,
        revision: u32::try_from(value.get("revision")?.as_u64()?).ok()?,
        status: match value.get("status")?.as_str()? {
            "firing" => PageStatus::Firing,
            "resolved" => PageStatus::Resolved,
            _ => return None,
        },
        reason: {
            let word = value.get("reason")?.as_str()?;
            PageReason::ALL.into_iter().find(|reason| reason.as_str() == word)?
        },
        receiver: text(value, "receiver")?,
        integration: text(value, "integration")?,
        group_key: text(value, "group_key")?,
        group_labels: labels_from_json(value.get("group_labels")?)?,
        route_labels: labels_from_json(value.get("route_labels")?)?,
        alerts: list(value, "alerts", alert_from_json)?,
        news: match value.get("news") {
            // A page of an older release that still waits.
            None => News::default(),
            Some(news) => News {
                fired: list(news, "fired", Value::as_u64)?,
                ended: list(news, "ended", Value::as_u64)?,
            },
        },
        at: instant(value, "at")?,
        external_url: text(value, "external_url")?,
        incident_id: text(value, "incident_id")?,
        cause: text(value, "cause")?,
        diagnosis: list(value, "diagnosis", finding_from_json)?,
        remedy: list(value, "remedy", remedy_from_json)?,
        links: Links {
            incident: text(links, "incident")?,
            why: text(links, "why")?,
            silence: text(links, "silence")?,
            acknowledge: text(links, "acknowledge").unwrap_or_default(),
            snooze: text(links, "snooze").unwrap_or_default(),
            resolve: text(links, "resolve").unwrap_or_default(),
        },
    })
}

fn alert_from_json(value: &Value) -> Option<Alert> {
    Some(Alert {
        labels: labels_from_json(value.get("labels")?)?,
        annotations: labels_from_json(value.get("annotations")?)?,
        starts_at: instant(value, "starts_at")?,
        ends_at: match value.get("ends_at")? {
            Value::Null => None,
            _ => Some(instant(value, "ends_at")?),
        },
        generator_url: text(value, "generator_url")?.into(),
        updated_at: instant(value, "updated_at")?,
    })
}

fn finding_from_json(value: &Value) -> Option<Finding> {
    Some(Finding {
        step: text(value, "step")?,
        state: match value.get("state")?.as_str()? {
            "done" => FindingState::Done,
            "failed" => FindingState::Failed,
            "late" => FindingState::Late,
            _ => return None,
        },
        output: text(value, "output")?,
        took_ms: value.get("took_ms")?.as_u64()?,
    })
}

fn remedy_from_json(value: &Value) -> Option<Remedy> {
    Some(Remedy {
        id: text(value, "id")?,
        risk: match value.get("risk")?.as_str()? {
            "safe" => Risk::Safe,
            "caution" => Risk::Caution,
            "never" => Risk::Never,
            _ => return None,
        },
        text: text(value, "text")?,
        approve_url: text(value, "approve_url")?,
    })
}

fn labels_from_json(value: &Value) -> Option<Labels> {
    let pairs =
        value.as_object()?.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Some(Labels::from_pairs(pairs.collect::<Option<Vec<_>>>()?))
}

fn list<T>(value: &Value, key: &str, item: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.get(key)?.as_array()?.iter().map(item).collect()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

fn instant(value: &Value, key: &str) -> Option<Timestamp> {
    value.get(key)?.as_i64().map(Timestamp::from_millis)
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
        assert_eq!(page_from_json(&json), Some(page));
        for key in json.as_object().unwrap().keys() {
            let mut broken = json.clone();
            broken[key] = json!({ "?": [] });
            assert_eq!(page_from_json(&broken), None, "a broken {key} was taken");
        }
        assert_eq!(page_from_json(&Value::Null), None);
    }
}
