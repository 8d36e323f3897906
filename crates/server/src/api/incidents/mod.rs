//! Incidents: what they are, what people do to them, why somebody was told or not, and who is on call.

mod act;
mod on_call;
mod reach;
mod read;
mod say;
mod show;
mod why;

pub(crate) use act::{acknowledge, assign, merge, note, resolve, snooze};
pub(crate) use on_call::{calendar, delete_override, on_call, post_override};
pub(crate) use reach::preview;
pub(crate) use read::{incident, incidents};
pub(crate) use say::sentence;
pub(crate) use why::{why, why_of};

use super::{Params, Refused};
use model::Timestamp;

/// An instant: RFC 3339, or seconds since 1970.
fn instant(params: &Params, name: &str) -> Result<Option<Timestamp>, Refused> {
    let Some(text) = params.get(name) else { return Ok(None) };
    // A plus sign that was not escaped arrives as a space.
    let read = Timestamp::parse_rfc3339(&text.replace(' ', "+")).ok();
    let seconds = || {
        let seconds: f64 = text.parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
        Some(Timestamp::from_millis((seconds * 1000.0) as i64))
    };
    let what = || format!("{text:?} is no instant such as 2027-01-31T12:00:00Z, nor seconds since 1970");
    read.or_else(seconds).map(Some).ok_or_else(|| Refused::query(name, what()))
}
