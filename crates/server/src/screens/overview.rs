//! `/`: at a glance what is wrong now, what waits for a person, what is watched, what runs.

use super::alerts::{Trends, pending, quiet, wrong};
use super::layout::{Frame, page};
use super::queue::{runs, waiting};
use super::watch::watched;
use super::words::plural;
use crate::api::ask;
use crate::seam::QueryFailure;
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
/// What a chart shows.
const COURSE: Duration = Duration::from_secs(3600);
const POINTS: usize = 60;
/// Charts that are not ready by then are left out: the page is worth more than they are.
const CHARTS_TIMEOUT: Duration = Duration::from_millis(1500);
const RENEW_SECS: u32 = 20;
const WAITING_MAX: usize = 50;

pub(crate) async fn overview(Given(state): Given<Arc<State>>) -> Response {
    let reads = &state.reads;
    let now = state.clock.now();
    let ((alerts, groups), (targets, probes)) = join(
        join(reads.monitoring.alerts(), reads.monitoring.rules()),
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
    let trends = trends(&state, &alerts, now).await;
    let (held, loud): (Vec<_>, Vec<_>) = alerts.iter().partition(|view| view.state == AlertState::Suppressed);
    let content = html! {
        (verdict(&loud, &groups, &targets, &probes, now))
        @if health.status != HealthStatus::Healthy { (own_health(&health)) }
        div.columns {
            div.now { (wrong(&loud, &trends, now)) (quiet(&held, now)) }
            div.side { (pending(&groups, now)) (waiting(&waits, &groups, now)) (runs(&queue, &by_state, &workers, now)) }
            div.watched { (watched(&targets, &probes, now)) }
        }
    };
    let title = if loud.is_empty() { "Tocsin".to_owned() } else { format!("({}) Tocsin", loud.len()) };
    page(&state, &Frame { title: &title, here: "/", renew_secs: Some(RENEW_SECS) }, &content)
}

/// The courses of the first alerts that page, in the order of the cards.
async fn trends(state: &State, alerts: &[AlertView], now: Timestamp) -> Trends {
    let from = now.minus(COURSE);
    let drawn: Vec<AlertView> =
        alerts.iter().filter(|view| view.state != AlertState::Suppressed).take(CHARTS).cloned().collect();
    if drawn.is_empty() {
        return Trends { from, to: now, of: Vec::new() };
    }
    let asked = ask(state, CHARTS_TIMEOUT, move |series, _| {
        Ok::<_, QueryFailure>(drawn.iter().map(|view| series.trend(view, from, now, POINTS)).collect())
    });
    let of = tokio::time::timeout(CHARTS_TIMEOUT, asked).await.ok().and_then(Result::ok).unwrap_or_default();
    Trends { from, to: now, of }
}

fn verdict(
    loud: &[&AlertView],
    groups: &[RuleGroupView],
    targets: &[TargetView],
    probes: &[ProbeView],
    now: Timestamp,
) -> Markup {
    let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
    let clock = now.rfc3339();
    html! {
        div class={ "verdict " (if loud.is_empty() { "well" } else { "wrong" }) } {
            h1 {
                @match loud {
                    [] => "All is well",
                    [one] => { "One thing is wrong: " (one.alert.name()) }
                    many => { (many.len()) " things are wrong" }
                }
            }
            p.num {
                time datetime=(clock) { (clock.get(11..19).unwrap_or("")) " UTC" }
                " · watching " (plural(targets.len(), "target")) ", " (plural(probes.len(), "probe")) " and "
                (plural(rules, "rule"))
            }
        }
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
