//! What runs, who runs it, and what waits for a person.

use super::words::{age, ago, count, link, plural};
use crate::views::{QueueStats, RuleGroupView, RuleHealth, WaitingKind, WaitingView, WorkerView};
use maud::{Markup, html};
use model::Timestamp;
use tasks::RunState;

/// Rows of each list; further ones are only counted.
const ROWS: usize = 12;

/// The states in reading order, as a person says them.
const STATES: [(RunState, &str); 8] = [
    (RunState::Running, "running"),
    (RunState::Available, "waiting"),
    (RunState::Scheduled, "scheduled"),
    (RunState::Retryable, "to retry"),
    (RunState::AwaitingApproval, "to approve"),
    (RunState::Completed, "done"),
    (RunState::Dead, "given up"),
    (RunState::Cancelled, "cancelled"),
];
/// States that are shown even when nothing is in them.
const ALWAYS: [RunState; 4] = [RunState::Running, RunState::Available, RunState::Completed, RunState::Dead];

pub(super) fn runs(
    queue: &QueueStats,
    by_state: &[(RunState, u64)],
    workers: &[WorkerView],
    now: Timestamp,
) -> Markup {
    let of = |state| by_state.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n);
    html! {
        section {
            h2 { "Tasks" span.count { (count(queue.total)) " in all" } }
            div.panel {
                dl.tally {
                    @for (state, word) in STATES {
                        @if of(state) > 0 || ALWAYS.contains(&state) {
                            div.bad[state == RunState::Dead && of(state) > 0] { dt { (word) } dd { (count(of(state))) } }
                        }
                    }
                    @if let Some(oldest) = queue.oldest_due { div.long { dt { "oldest due" } dd { (age(oldest)) } } }
                }
            }
        }
        section {
            h2 { "Workers" span.count { (workers.iter().filter(|w| w.alive).count()) " alive" } }
            div.panel {
                @if workers.is_empty() { p.none { "No worker has been seen." } }
                ul.rows { @for worker in workers.iter().take(ROWS) { (worker_line(worker, now)) } }
                @if workers.len() > ROWS { p.none { "and " (workers.len() - ROWS) " more" } }
            }
        }
    }
}

fn worker_line(worker: &WorkerView, now: Timestamp) -> Markup {
    html! {
        li {
            span class={ "dot " (if worker.alive { "up" } else { "down" }) } {}
            span.what { (worker.id) }
            span.fig {
                @if worker.alive { (worker.running) " of " (worker.running.saturating_add(worker.slots_free)) " busy" }
                @else { span.bad { "silent, seen " (ago(worker.last_seen, now)) } }
            }
            @if !worker.labels.is_empty() {
                span.more.mono { @for (name, value) in &worker.labels { (name) "=" (value) " " } }
            }
        }
    }
}

/// What a person must look at, rules that cannot be evaluated included.
pub(super) fn waiting(waiting: &[WaitingView], groups: &[RuleGroupView], now: Timestamp) -> Markup {
    let broken = || {
        groups
            .iter()
            .flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
            .filter(|(_, rule)| rule.health == RuleHealth::Error)
    };
    let total = waiting.len() + broken().count();
    html! {
        section {
            h2 { "Waits for you" @if total > 0 { span.count { (total) } } }
            div.panel {
                @if total == 0 { p.none { "Nothing." } }
                ul.rows {
                    @for item in waiting.iter().take(ROWS) {
                        li {
                            span.dot.due {}
                            span.what {
                                @match link(&item.href) {
                                    Some(href) => a href=(href) { (item.title) },
                                    None => (item.title),
                                }
                            }
                            span.fig { (ago(item.since, now)) }
                            span.more { (why(item)) }
                        }
                    }
                    @for (group, rule) in broken().take(ROWS) {
                        li {
                            span.dot.due {}
                            span.what { (rule.name) }
                            span.fig { "rule" }
                            span.more { "cannot be evaluated (" (group.file) ", " (group.name) "): " (rule.last_error) }
                        }
                    }
                }
                @if total > 2 * ROWS { p.none { (plural(total, "thing")) " in all" } }
            }
        }
    }
}

/// What is asked of the person; a title that says it already is not repeated.
fn why(item: &WaitingView) -> String {
    match (kind_word(item.kind), item.detail.as_str()) {
        ("", detail) => detail.to_owned(),
        (kind, "") => kind.to_owned(),
        (kind, detail) => format!("{kind}: {detail}"),
    }
}

fn kind_word(kind: WaitingKind) -> &'static str {
    match kind {
        WaitingKind::Approval => "needs an approval",
        WaitingKind::Dead => "",
        WaitingKind::Undelivered => "no receiver took the page",
        WaitingKind::Remedy => "proposed remedy",
        WaitingKind::Fault => "fault",
    }
}
