//! What few tasks ask for, as it is read from a request: of a new task, and of one whose wishes become others.

use super::fields::Fields;
use crate::views::Wishes;
use std::sync::Arc;
use std::time::Duration;
use tasks::OptionsUpdate;

/// The longest delay and the longest dedupe window: 30 days.
pub(super) const SECONDS_MAX: u64 = 30 * 86_400;
/// The longest time an attempt may take: a day.
pub(super) const TIMEOUT_MAX: u64 = 86_400;
/// The most labels that a worker must have.
const LABELS_MAX: usize = 16;
/// The most runs of a rate key that begin in a minute; beyond that a limit means little.
const RATE_MAX: u64 = 60_000;
/// The most kinds of error after which no further try is made.
const NON_RETRYABLE_MAX: usize = 32;

/// Of a task of any form.
pub(super) fn read(fields: &mut Fields) -> Wishes {
    let wishes = Wishes {
        queue: queue(fields),
        labels: fields.words("labels", LABELS_MAX),
        rate_key: rate_key(fields),
        rate_per_minute: rate(fields),
        queued_timeout: span(fields, "queued_timeout_seconds"),
        total_timeout: span(fields, "total_timeout_seconds"),
        heartbeat_timeout: heartbeat(fields),
        non_retryable: fields.texts("non_retryable", NON_RETRYABLE_MAX),
        ..Wishes::default()
    };
    match (&wishes.rate_key, wishes.rate_per_minute) {
        (Some(_), None) => fields.problem::<()>("rate_per_minute", "it is missing; rate_key needs it"),
        (None, Some(_)) => fields.problem::<()>("rate_key", "it is missing; rate_per_minute needs it"),
        _ => None,
    };
    wishes
}

/// Of a plain task, which also says until when it is of use and by when it should be done.
pub(super) fn with_end(fields: &mut Fields) -> Wishes {
    let wishes = read(fields);
    Wishes {
        expires_at: fields.instant("expires_at"),
        expires_in: above_zero(fields, "expires_seconds", SECONDS_MAX),
        sla_deadline: fields.instant("sla_deadline"),
        sla_alert_threshold: threshold(fields),
        ..wishes
    }
}

/// Those that become others; null takes one back. Whether a rate still has its key is for the queue to say, which
/// knows the task.
pub(super) fn changed(fields: &mut Fields) -> OptionsUpdate {
    let shared = |text: String| Arc::from(text);
    let (queued, total) = ("queued_timeout_seconds", "total_timeout_seconds");
    OptionsUpdate {
        queue: change(fields, "queue", |fields| queue(fields).map(shared)),
        labels: given(fields, "labels").then(|| fields.words("labels", LABELS_MAX)),
        rate_key: change(fields, "rate_key", |fields| rate_key(fields).map(shared)),
        rate_per_minute: change(fields, "rate_per_minute", rate),
        queued_timeout: change(fields, queued, |fields| span(fields, queued)),
        total_timeout: change(fields, total, |fields| span(fields, total)),
        heartbeat_timeout: change(fields, "heartbeat_timeout_seconds", heartbeat),
        non_retryable: given(fields, "non_retryable")
            .then(|| fields.texts("non_retryable", NON_RETRYABLE_MAX)),
    }
}

/// `None` where nothing is said, `Some(None)` where null is.
fn change<T>(
    fields: &mut Fields,
    name: &str,
    read: impl FnOnce(&mut Fields) -> Option<T>,
) -> Option<Option<T>> {
    given(fields, name).then(|| read(fields))
}

fn given(fields: &Fields, name: &str) -> bool {
    fields.has(name) || fields.is_null(name)
}

/// A queue's name, fit for a path.
fn queue(fields: &mut Fields) -> Option<String> {
    let name = fields.text("queue", 1..=100)?;
    if is_queue_name(&name) {
        return Some(name);
    }
    fields.problem("queue", "it may hold letters, digits, '.', '_', ':' and '-' only")
}

/// Whether a queue may be called so.
pub(in crate::api) fn is_queue_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:_-".contains(c);
    (1..=100).contains(&name.len()) && name.chars().all(plain)
}

fn rate_key(fields: &mut Fields) -> Option<String> {
    fields.text("rate_key", 1..=100)
}

fn rate(fields: &mut Fields) -> Option<u32> {
    fields.number("rate_per_minute", 1..=RATE_MAX).map(small)
}

fn span(fields: &mut Fields, name: &str) -> Option<Duration> {
    above_zero(fields, name, SECONDS_MAX)
}

fn heartbeat(fields: &mut Fields) -> Option<Duration> {
    above_zero(fields, "heartbeat_timeout_seconds", TIMEOUT_MAX)
}

pub(super) fn above_zero(fields: &mut Fields, name: &str, most: u64) -> Option<Duration> {
    match fields.seconds(name, most) {
        Some(zero) if zero.is_zero() => fields.problem(name, "it must be above 0"),
        span => span,
    }
}

/// After which part of the time to its deadline to warn.
pub(super) fn threshold(fields: &mut Fields) -> Option<f64> {
    let value = fields.any("sla_alert_threshold")?;
    match value.as_f64().filter(|part| *part > 0.0 && *part < 1.0) {
        Some(part) => Some(part),
        None => fields.problem("sla_alert_threshold", "it must be a number above 0 and below 1"),
    }
}

pub(super) fn small(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
