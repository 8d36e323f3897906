//! What is wrong now: a card for each alert, newest first, with its course, its cause and what was found.

use super::spark::spark;
use super::words::{age, ago, for_, link, plural};
use crate::state::State;
use crate::views::{
    ActiveAlertView, ActiveState, AlertState, AlertView, Diagnosis, RuleGroupView, RuleKind, Trend,
};
use maud::{Markup, html};
use model::{ALERTNAME, Finding, FindingState, Labels, METRIC_NAME, Risk, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// Cards; further alerts are only counted.
const CARDS_MAX: usize = 40;
/// Rows of alerts that are on their way.
const PENDING_MAX: usize = 20;
/// Labels that the card says in another place.
const SAID_ELSEWHERE: [&str; 3] = [ALERTNAME, METRIC_NAME, "severity"];

/// The number behind an alert, over the time its chart shows.
pub(super) struct Course {
    pub from: Timestamp,
    pub to: Timestamp,
    pub trend: Trend,
}

/// What an alert asks of a person, by its label `severity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// To act: any severity that is not below, no severity too.
    Trouble,
    /// To know: `info`.
    Notice,
    /// Nothing: `none`, as of an alert that always fires so that its absence is noticed.
    Signal,
}

pub(super) fn weight(labels: &Labels) -> Weight {
    match severity(labels).to_ascii_lowercase().as_str() {
        "none" => Weight::Signal,
        "info" | "informational" | "notice" | "debug" => Weight::Notice,
        _ => Weight::Trouble,
    }
}

/// Whether somebody should run rather than walk.
pub(super) fn is_grave(labels: &Labels) -> bool {
    matches!(tone(labels), "critical" | "error")
}

/// The ids of the incidents that alerts are part of.
pub(super) type Cases = HashMap<Labels, Vec<String>>;

/// The incidents of those that get a card.
pub(super) async fn cases(state: &State, lists: &[&[&AlertView]]) -> Cases {
    let shown = lists.iter().flat_map(|list| list.iter().take(CARDS_MAX));
    let shown: Vec<Labels> = shown.map(|view| view.alert.labels.clone()).collect();
    if shown.is_empty() {
        return Cases::new();
    }
    let ids = state.reads.incidents.of(shown.clone()).await.unwrap_or_default();
    shown.into_iter().zip(ids).collect()
}

/// A card for each alert; the first ones with their courses.
pub(super) fn cards(
    alerts: &[&AlertView],
    courses: &[Option<Course>],
    cases: &Cases,
    now: Timestamp,
) -> Markup {
    html! {
        div.alerts {
            @for (i, alert) in alerts.iter().take(CARDS_MAX).enumerate() {
                @let cases = cases.get(&alert.alert.labels).map(Vec::as_slice).unwrap_or_default();
                (card(alert, courses.get(i).and_then(Option::as_ref), cases, now))
            }
            @if alerts.len() > CARDS_MAX { p.soft { "and " (alerts.len() - CARDS_MAX) " more" } }
        }
    }
}

/// Alerts that page nobody now, folded away.
pub(super) fn quiet(alerts: &[&AlertView], cases: &Cases, now: Timestamp) -> Markup {
    html! {
        @if !alerts.is_empty() {
            details.quiet {
                summary { (plural(alerts.len(), "alert")) " silenced, inhibited or muted" }
                (cards(alerts, &[], cases, now))
            }
        }
    }
}

/// Alerts that fire and mean no trouble, folded away.
pub(super) fn signals(alerts: &[&AlertView], cases: &Cases, now: Timestamp) -> Markup {
    html! {
        @if let [first, others @ ..] = alerts {
            details.quiet {
                summary {
                    "Fires and means no trouble: " (name(&first.alert.labels))
                    @if !others.is_empty() { " and " (plural(others.len(), "other")) }
                }
                (cards(alerts, &[], cases, now))
            }
        }
    }
}

fn card(view: &AlertView, course: Option<&Course>, cases: &[String], now: Timestamp) -> Markup {
    let alert = &view.alert;
    let severity = severity(&alert.labels);
    let text = |name: &str| alert.annotations.get(name).filter(|text| !text.is_empty());
    let summary = text("summary").or(text("description")).or(text("message"));
    html! {
        article class={ "alert " (tone(&alert.labels)) } {
            div.head {
                div {
                    h3 {
                        @match link(&alert.generator_url) {
                            Some(url) => a href=(url) { (name(&alert.labels)) },
                            None => (name(&alert.labels)),
                        }
                    }
                    p.facts {
                        @if !severity.is_empty() { span.level { (severity) } }
                        (for_(alert.starts_at, now))
                        @if view.state == AlertState::Suppressed { (why_quiet(view)) }
                    }
                }
                @if let Some(course) = course { (spark(&course.trend, course.from, course.to)) }
            }
            @if let Some(summary) = summary { p.summary { (summary) } }
            @if let Some(impact) = text("impact") { p.impact { (impact) } }
            (labels(&alert.labels))
            @if let Some(diagnosis) = &view.diagnosis { (found(diagnosis)) }
            p.told {
                @match &view.diagnosis {
                    Some(diagnosis) => {
                        @if diagnosis.told.is_empty() { span { "paged " (ago(diagnosis.at, now)) ", nobody has taken it yet" } }
                        @else { span { "told " (diagnosis.told.join(", ")) " " (ago(diagnosis.at, now)) } }
                    }
                    None => @if view.state != AlertState::Suppressed && !view.receivers.is_empty() {
                        span { "goes to " (view.receivers.join(", ")) }
                    },
                }
                @for (nth, id) in cases.iter().enumerate() {
                    a href={ "/ui/incidents/" (id) } {
                        "incident" @if cases.len() > 1 { " " (nth + 1) }
                    }
                }
                @for (name, says) in [("runbook_url", "runbook"), ("dashboard_url", "dashboard")] {
                    @if let Some(url) = text(name).and_then(link) { a href=(url) rel="noreferrer" { (says) } }
                }
            }
        }
    }
}

fn name(labels: &Labels) -> &str {
    labels.get(ALERTNAME).unwrap_or("alert without a name")
}

fn severity(labels: &Labels) -> &str {
    labels.get("severity").unwrap_or("")
}

fn tone(labels: &Labels) -> &'static str {
    match severity(labels).to_ascii_lowercase().as_str() {
        "critical" | "page" | "fatal" | "emergency" => "critical",
        "error" => "error",
        _ if weight(labels) != Weight::Trouble => "info",
        _ => "warning",
    }
}

fn why_quiet(view: &AlertView) -> Markup {
    html! {
        @if !view.silenced_by.is_empty() { span { "silenced" } }
        @if !view.inhibited_by.is_empty() { span { "inhibited" } }
        @if !view.muted_by.is_empty() { span { "muted by " (view.muted_by.join(", ")) } }
    }
}

fn labels(labels: &Labels) -> Markup {
    html! {
        ul.labels.mono {
            @for (name, value) in labels.iter().filter(|(name, _)| !SAID_ELSEWHERE.contains(name)) {
                li { (name) "=" b { (value) } }
            }
        }
    }
}

fn found(diagnosis: &Diagnosis) -> Markup {
    html! {
        @if !diagnosis.cause.is_empty() { p.cause { (diagnosis.cause) } }
        @if !diagnosis.findings.is_empty() {
            ul.findings { @for finding in &diagnosis.findings { (one_finding(finding)) } }
        }
        @if !diagnosis.remedies.is_empty() {
            ul.remedies {
                @for remedy in &diagnosis.remedies {
                    li {
                        span class={ "risk " (remedy.risk.as_str()) } { (risk_word(remedy.risk)) }
                        (remedy.text)
                        @if let Some(url) = link(&remedy.approve_url) { " " a href=(url) { "approve" } }
                    }
                }
            }
        }
    }
}

fn risk_word(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe => "safe",
        Risk::Caution => "needs approval",
        Risk::Never => "by hand only",
    }
}

fn one_finding(finding: &Finding) -> Markup {
    let took = age_of_step(finding.took_ms);
    let ended = match finding.state {
        FindingState::Done => took,
        FindingState::Failed => format!("failed after {took}"),
        FindingState::Late => "still running when the page left".to_owned(),
    };
    html! {
        li {
            p.step { b { (finding.step.replace(['_', '-'], " ")) } span.faint { (ended) } }
            // Longer than its box, it shows its end first: that is where logs and commands say what went wrong.
            @if !finding.output.is_empty() { pre { code { (finding.output) } } }
        }
    }
}

fn age_of_step(ms: u64) -> String {
    super::words::latency(Duration::from_millis(ms))
}

/// Alerts that are true and not yet for long enough.
pub(super) fn pending(groups: &[RuleGroupView], now: Timestamp) -> Markup {
    let mut rows: Vec<(&ActiveAlertView, Duration)> = Vec::new();
    for rule in groups.iter().flat_map(|group| &group.rules) {
        if let RuleKind::Alerting { hold, alerts, .. } = &rule.kind {
            rows.extend(alerts.iter().filter(|a| a.state == ActiveState::Pending).map(|a| (a, *hold)));
        }
    }
    rows.sort_by_key(|(alert, _)| std::cmp::Reverse(alert.active_at));
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "On its way" span.count { (rows.len()) } }
                ul.rows.panel {
                    @for (alert, hold) in rows.iter().take(PENDING_MAX) {
                        li {
                            span.dot.due {}
                            span.what { (name(&alert.labels)) }
                            span.fig { "fires in " (age(hold.saturating_sub(now.since(alert.active_at)))) }
                            span.more.mono { (alert.labels.without(ALERTNAME).without("severity")) }
                        }
                    }
                }
            }
        }
    }
}
