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
        Ok(secs) => secs.is_finite().then(|| Timestamp::from_secs_f64(secs)),
        Err(_) => Timestamp::parse_rfc3339(text).ok(),
    }
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
    let Some(text) = params.get("limit") else { return Ok(0) };
    text.parse().map_err(|_| Error::parameter("limit", format!("{text:?} is not a whole number")))
}

/// `start` and `end`; by default everything.
pub(super) fn span(params: &Params) -> Result<(Timestamp, Timestamp), Error> {
    let from = instant_param(params, "start")?.unwrap_or(Timestamp::MIN);
    let to = instant_param(params, "end")?.unwrap_or(Timestamp::MAX);
    if to < from {
        return Err(Error::parameter("end", "it is before start"));
    }
    Ok((from, to))
}

/// The selectors of `match[]`.
pub(super) fn selectors(state: &State, params: &Params) -> Result<Vec<Vec<Matcher>>, Error> {
    let texts: Vec<&str> = params.all("match[]").collect();
    if texts.len() > SELECTORS_MAX {
        return Err(Error::parameter("match[]", format!("more than {SELECTORS_MAX} selectors")));
    }
    let mut sets = Vec::with_capacity(texts.len());
    for text in texts {
        let set = (state.reads.grammar.selector)(text).map_err(|what| Error::parameter("match[]", what))?;
        if set.iter().all(|matcher| matcher.matches("")) {
            return Err(Error::parameter(
                "match[]",
                format!(
                    "{text:?} would match every series: give one matcher that an absent label does not pass"
                ),
            ));
        }
        sets.push(set);
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_durations() {
        for (text, want) in [
            ("1435781430.781", Some(1_435_781_430_781)),
            ("-1", Some(-1000)),
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
