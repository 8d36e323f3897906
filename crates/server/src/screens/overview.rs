//! `/`: at a glance what is wrong now, what waits for a person, what is watched, what runs.

use super::alerts::{Course, Weight, cards, cases, is_grave, pending, quiet, signals, weight};
use super::layout::{Frame, page};
use super::queue::{runs, waiting};
use super::watch::watched;
use super::words::plural;
use crate::api::ask;
use crate::seam::{QueryFailure, Series};
use crate::state::State;
use crate::views::{AlertState, AlertView, Health, HealthStatus, ProbeView, RuleGroupView, TargetView};
use axum::extract::State as Given;
use axum::response::Response;
use futures_util::future::join;
use maud::{Markup, html};
use model::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Alerts that get a chart.
const CHARTS: usize = 12;
/// What a chart shows: twice the time since the alert began, so that the change lies in its middle, within these.
const COURSE_MIN: Duration = Duration::from_secs(15 * 60);
const COURSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A series younger than its chart gets a shorter chart, not below this.
const COURSE_OF_NEW: Duration = Duration::from_secs(60);
const POINTS: usize = 60;
/// Charts that are not ready by then are left out: the page is worth more than they are.
const CHARTS_TIMEOUT: Duration = Duration::from_millis(1500);
const RENEW_SECS: u32 = 20;
const WAITING_MAX: usize = 50;

pub(crate) async fn overview(Given(state): Given<Arc<State>>) -> Response {
    let reads = &state.reads;
    let now = state.clock.now();
    let ((alerts, groups), (targets, probes)) = join(
        join(reads.monitoring.alerts(Vec::new()), reads.monitoring.rules()),
        join(reads.monitoring.targets(), reads.monitoring.probes()),
    )
    .await;
    let ((queue, by_state), (workers, (waits, health))) = join(
        join(reads.tasks.queue(), reads.tasks.by_state()),
        join(reads.tasks.workers(), join(reads.tasks.waiting(WAITING_MAX), reads.vitals.health())),
    )
    .await;
    let mut alerts: Vec<AlertView> = alerts.into_iter().filter(|view| !view.alert.is_resolved(now)).collect();
    alerts.sort_by_key(|view| std::cmp::Reverse(view.alert.starts_at));
    let (held, heard): (Vec<_>, Vec<_>) =
        alerts.iter().partition(|view| view.state == AlertState::Suppressed);
    let of = |wanted| {
        heard.iter().copied().filter(|view| weight(&view.alert.labels) == wanted).collect::<Vec<_>>()
    };
    let (trouble, notices, always) = (of(Weight::Trouble), of(Weight::Notice), of(Weight::Signal));
    let courses = courses(&state, &trouble, now).await;
    let cases = cases(&state, &[&trouble, &notices, &held, &always]).await;
    let content = html! {
        (verdict(&trouble, &groups, &targets, &probes, now))
        @if health.status != HealthStatus::Healthy { (own_health(&health)) }
        div.columns {
            div.now {
                section #wrong {
                    h2 { "Wrong now" @if !trouble.is_empty() { span.count { (trouble.len()) } } }
                    @if trouble.is_empty() { div.panel { p.none { "Nothing." } } }
                    @else { (cards(&trouble, &courses, &cases, now)) }
                }
                @if !notices.is_empty() {
                    section { h2 { "Good to know" span.count { (notices.len()) } } (cards(&notices, &[], &cases, now)) }
                }
                (quiet(&held, &cases, now))
                (signals(&always, &cases, now))
            }
            div.side { (pending(&groups, now)) (waiting(&waits, &groups, now)) (runs(&queue, &by_state, &workers, now)) }
            div.watched { (watched(&targets, &probes, now)) }
        }
    };
    let title = if trouble.is_empty() { "Tocsin".to_owned() } else { format!("({}) Tocsin", trouble.len()) };
    page(&state, &Frame { title: &title, here: "/", renew_secs: Some(RENEW_SECS) }, &content)
}

/// The courses of the first alerts, in their order.
async fn courses(state: &State, alerts: &[&AlertView], now: Timestamp) -> Vec<Option<Course>> {
    let drawn: Vec<AlertView> = alerts.iter().take(CHARTS).map(|view| (*view).clone()).collect();
    if drawn.is_empty() {
        return Vec::new();
    }
    let asked = ask(state, CHARTS_TIMEOUT, move |series, _| {
        Ok::<_, QueryFailure>(drawn.iter().map(|view| course(series, view, now)).collect())
    });
    tokio::time::timeout(CHARTS_TIMEOUT, asked).await.ok().and_then(Result::ok).unwrap_or_default()
}

fn course(series: &dyn Series, view: &AlertView, now: Timestamp) -> Option<Course> {
    let span = (now.since(view.alert.starts_at) * 2).clamp(COURSE_MIN, COURSE_MAX);
    let from = now.minus(span);
    let trend = series.trend(view, from, now, POINTS)?;
    let first = trend.samples.first()?.t;
    if first.since(from) < span / 3 {
        return Some(Course { from, to: now, trend });
    }
    let from = now.minus(now.since(first).max(COURSE_OF_NEW));
    series.trend(view, from, now, POINTS).map(|trend| Course { from, to: now, trend })
}

fn verdict(
    trouble: &[&AlertView],
    groups: &[RuleGroupView],
    targets: &[TargetView],
    probes: &[ProbeView],
    now: Timestamp,
) -> Markup {
    let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
    let clock = now.rfc3339();
    let tone = match trouble {
        [] => "well",
        some if some.iter().any(|view| is_grave(&view.alert.labels)) => "grave",
        _ => "wrong",
    };
    html! {
        div class={ "verdict " (tone) } {
            h1 {
                @match trouble {
                    [] => "All is well",
                    [one] => { "One thing is wrong: " (one.alert.name()) }
                    many => { (many.len()) " things are wrong" }
                }
            }
            p.num {
                time datetime=(clock) { (clock.get(11..19).unwrap_or("")) " UTC" }
                " · " (watching(&[(targets.len(), "target"), (probes.len(), "probe"), (rules, "rule")]))
            }
        }
    }
}

/// `watching 1 target, 2 probes and 11 rules`; what there is none of is left out.
fn watching(counts: &[(usize, &str)]) -> String {
    let some: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| plural(*n, word)).collect();
    match some.split_last() {
        None => "watching nothing yet".to_owned(),
        Some((one, [])) => format!("watching {one}"),
        Some((last, others)) => format!("watching {} and {last}", others.join(", ")),
    }
}

/// Tocsin speaks of itself only when it is not well.
fn own_health(health: &Health) -> Markup {
    html! {
        div.notice role="status" {
            b { "Tocsin itself is " (health.status.as_str()) ". " }
            @for check in health.checks.iter().filter(|check| check.status != HealthStatus::Healthy) {
                (check.name) ": " (check.message) ". "
            }
        }
    }
}
