//! Instants, durations and selectors as the API's parameters write them.

use super::Error;
use crate::api::Params;
use crate::state::State;
use model::{Matcher, Timestamp, parse_duration};
use std::time::Duration;

/// Names that upstream's clients use for "from the beginning" and "to the end".
const EARLIEST: &str = "-292273086-05-16T16:47:06Z";
const LATEST: &str = "+292277025-08-18T07:12:54.999999999Z";
/// Selectors in one request.
const SELECTORS_MAX: usize = 100;

/// RFC 3339, or seconds since the epoch.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    match text {
        EARLIEST => return Some(Timestamp::MIN),
        LATEST => return Some(Timestamp::MAX),
        _ => {}
    }
    match text.parse::<f64>() {
        Ok(secs) => secs.is_finite().then(|| from_seconds(secs)),
        Err(_) => Timestamp::parse_rfc3339(text).ok(),
    }
}

/// The fraction is rounded by itself: whole seconds of today leave a float too few digits for both.
fn from_seconds(secs: f64) -> Timestamp {
    let whole = secs.trunc();
    let ms = ((secs - whole) * 1000.0).round();
    Timestamp::from_millis((whole as i64).saturating_mul(1000).saturating_add(ms as i64))
}

/// PromQL's form, or seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(secs) => Duration::try_from_secs_f64(secs).ok(),
        Err(_) => parse_duration(text).ok(),
    }
}

pub(super) fn instant_param(params: &Params, name: &'static str) -> Result<Option<Timestamp>, Error> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let bad = || Error::parameter(name, format!("{text:?} is neither RFC 3339 nor seconds since 1970"));
    instant(text).map(Some).ok_or_else(bad)
}

pub(super) fn duration_param(params: &Params, name: &'static str) -> Result<Option<Duration>, Error> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let bad = || {
        Error::parameter(name, format!("{text:?} is neither a duration such as 30s nor a number of seconds"))
    };
    duration(text).map(Some).ok_or_else(bad)
}

/// 0 is "no limit".
pub(super) fn limit_param(params: &Params) -> Result<usize, Error> {
    number_param(params, "limit")
}

/// 0 if it is absent.
pub(super) fn number_param(params: &Params, name: &'static str) -> Result<usize, Error> {
    let Some(text) = params.get(name) else { return Ok(0) };
    text.parse().map_err(|_| Error::parameter(name, format!("{text:?} is not a whole number")))
}

/// `start` and `end`; by default everything. An end before the start is a span in which nothing lies.
pub(super) fn span(params: &Params) -> Result<(Timestamp, Timestamp), Error> {
    let from = instant_param(params, "start")?.unwrap_or(Timestamp::MIN);
    let to = instant_param(params, "end")?.unwrap_or(Timestamp::MAX);
    Ok((from, to))
}

/// The selectors of `match[]`.
pub(super) fn selectors(state: &State, params: &Params) -> Result<Vec<Vec<Matcher>>, Error> {
    let name = "match[]";
    let sets = selectors_of(state, params, name)?;
    if sets.iter().any(|set| set.iter().all(|matcher| matcher.matches(""))) {
        let what = "it would match every series: give one matcher that an absent label does not pass";
        return Err(Error::parameter(name, what));
    }
    Ok(sets)
}

/// The selectors of a parameter.
pub(super) fn selectors_of(
    state: &State,
    params: &Params,
    name: &'static str,
) -> Result<Vec<Vec<Matcher>>, Error> {
    let texts: Vec<&str> = params.all(name).collect();
    if texts.len() > SELECTORS_MAX {
        return Err(Error::parameter(name, format!("more than {SELECTORS_MAX} selectors")));
    }
    let read = |text| (state.reads.grammar.selector)(text).map_err(|what| Error::parameter(name, what));
    texts.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_durations() {
        for (text, want) in [
            ("1435781430.781", Some(1_435_781_430_781)),
            ("-1", Some(-1000)),
            ("-1.5", Some(-1500)),
            ("1763777230.0005", Some(1_763_777_230_000)),
            ("1e300", Some(i64::MAX)),
            ("2015-07-01T20:10:30.781Z", Some(1_435_781_430_781)),
            ("2015-07-01T22:10:30.781+02:00", Some(1_435_781_430_781)),
            (EARLIEST, Some(i64::MIN)),
            ("NaN", None),
            ("inf", None),
            ("yesterday", None),
        ] {
            assert_eq!(instant(text).map(Timestamp::as_millis), want, "{text}");
        }
        for (text, want) in [
            ("15", Some(15_000)),
            ("0.5", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("-1", None),
            ("1e300", None),
            ("x", None),
        ] {
            assert_eq!(duration(text).map(|d| d.as_millis()), want, "{text}");
        }
    }
}
