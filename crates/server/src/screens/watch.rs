//! What is watched: targets and probes, those that do not answer first.

use super::words::{ago, latency};
use crate::views::{ProbeView, TargetHealth, TargetView};
use maud::{Markup, html};
use model::{INSTANCE, JOB, Timestamp};
use std::time::Duration;

/// Rows that are shown at once, and further ones that are folded away.
const ROWS: usize = 12;
const ROWS_FOLDED: usize = 500;

/// One row, whatever it watches.
struct Row<'a> {
    name: &'a str,
    detail: String,
    health: TargetHealth,
    error: &'a str,
    at: Option<Timestamp>,
    took: Duration,
}

pub(super) fn watched(targets: &[TargetView], probes: &[ProbeView], now: Timestamp) -> Markup {
    let targets = targets.iter().map(|target| Row {
        name: target.labels.get(JOB).unwrap_or(&target.scrape_pool),
        detail: target.labels.get(INSTANCE).unwrap_or(&target.scrape_url).to_owned(),
        health: target.health,
        error: &target.last_error,
        at: target.last_scrape,
        took: target.last_duration,
    });
    let probes = probes.iter().map(|probe| Row {
        name: &probe.name,
        detail: if probe.kind == probe.name {
            probe.target.clone()
        } else {
            format!("{} {}", probe.kind, probe.target)
        },
        health: probe.health,
        error: &probe.last_error,
        at: probe.last_probe,
        took: probe.last_duration,
    });
    html! {
        (table("Targets", "No target is scraped yet; tocsin init writes a configuration for what runs on this machine.", targets.collect(), now))
        (table("Probes", "No probe is set up yet.", probes.collect(), now))
    }
}

fn table(title: &str, none: &str, mut rows: Vec<Row<'_>>, now: Timestamp) -> Markup {
    let up = rows.iter().filter(|row| row.health == TargetHealth::Up).count();
    rows.sort_by_key(|row| match row.health {
        TargetHealth::Down => 0,
        TargetHealth::Unknown => 1,
        TargetHealth::Up => 2,
    });
    html! {
        section {
            h2 { (title) @if !rows.is_empty() { span.count { (up) " of " (rows.len()) " up" } } }
            div.panel {
                @if rows.is_empty() { p.none { (none) } }
                ul.rows { @for row in rows.iter().take(ROWS) { (line(row, now)) } }
                @if rows.len() > ROWS {
                    details {
                        summary { (rows.len() - ROWS) " more" }
                        ul.rows { @for row in rows.iter().skip(ROWS).take(ROWS_FOLDED) { (line(row, now)) } }
                    }
                }
            }
        }
    }
}

fn line(row: &Row<'_>, now: Timestamp) -> Markup {
    html! {
        li {
            span class={ "dot " (row.health.as_str()) } title=(row.health.as_str()) {}
            span.what { (row.name) " " span.faint.mono { (row.detail) } }
            span.fig {
                @match (row.health, row.at) {
                    (TargetHealth::Unknown, _) | (_, None) => "not asked yet",
                    (TargetHealth::Up, Some(_)) => (latency(row.took)),
                    (TargetHealth::Down, Some(at)) => span.bad { "down, asked " (ago(at, now)) },
                }
            }
            @if row.health == TargetHealth::Down && !row.error.is_empty() { span.more { (row.error) } }
        }
    }
}
