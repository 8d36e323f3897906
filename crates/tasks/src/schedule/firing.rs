//! The wishes of one schedule about its firing: dialect, clock changes, fires that were missed, runs that overlap,
//! jitter, a calendar of holidays, a filter. What is left out is the default of its kind.

use super::{Dialect, Fold, Gap, Policy};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};

/// How a schedule fires where it differs from the default of its kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Firing {
    /// The fields of a cron expression.
    pub dialect: Option<Dialect>,
    /// The language of a condition.
    pub language: Option<Language>,
    /// Clocks forward.
    pub gap: Option<Gap>,
    /// Clocks back.
    pub fold: Option<Fold>,
    /// Fires that were missed.
    pub misfire: Option<Misfire>,
    /// How late a missed fire may be.
    pub misfire_window: Option<Duration>,
    /// A fire while a run still goes.
    pub overlap: Option<Overlap>,
    /// Each schedule fires later by a part of this that is its own.
    pub jitter: Option<Duration>,
    /// The name of a calendar; on its days nothing fires.
    pub calendar: Option<Arc<str>>,
    /// JMESPath over an event; only events for which it holds count.
    pub filter: Option<Arc<str>>,
    /// How often a condition is looked at.
    pub check_every: Option<Duration>,
}

/// In what a condition is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// PromQL over our own series; looked at time and again.
    PromQl,
    /// JMESPath over each event.
    JmesPath,
}

/// What happens to fires that were missed because the process was away or slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misfire {
    /// A fire that is late by more than the window makes no run.
    Skip,
    /// All that were missed make one run.
    Last,
    /// Each that is late by no more than the window makes a run.
    All,
}

/// What happens to a fire while a run of the one before still goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// It makes no run.
    Skip,
    /// One waits until the run has ended; further ones make no run.
    Queue,
    /// It makes a run beside the other.
    Allow,
}

/// The keys of [`Firing::read`], in the order they are shown.
pub const KEYS: [&str; 10] = [
    "dialect",
    "gap",
    "fold",
    "misfire",
    "misfire_window_seconds",
    "overlap",
    "jitter_seconds",
    "calendar",
    "filter",
    "check_seconds",
];

/// The longest window of missed fires: a week.
const WINDOW_MAX: u64 = 7 * 86_400;
/// The longest jitter: a day.
const JITTER_MAX: u64 = 86_400;
/// How seldom a condition may be looked at.
const CHECK_MAX: u64 = 86_400;
/// The longest name of a calendar.
const NAME_MAX: usize = 100;
/// The longest filter.
const FILTER_MAX: usize = 2_000;

const DIALECTS: [(&str, Dialect); 3] =
    [("standard", Dialect::Standard), ("seconds", Dialect::Seconds), ("year", Dialect::Year)];
const LANGUAGES: [(&str, Language); 2] = [("promql", Language::PromQl), ("jmespath", Language::JmesPath)];
const GAPS: [(&str, Gap); 2] = [("skip", Gap::Skip), ("shift", Gap::Shift)];
const FOLDS: [(&str, Fold); 3] = [("first", Fold::First), ("second", Fold::Second), ("both", Fold::Both)];
const MISFIRES: [(&str, Misfire); 3] =
    [("skip", Misfire::Skip), ("last", Misfire::Last), ("all", Misfire::All)];
const OVERLAPS: [(&str, Overlap); 3] =
    [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("allow", Overlap::Allow)];

impl Firing {
    /// Reads the wishes from the keys of a request or of the store; others do no harm. The error names the field
    /// and what is wrong with it.
    pub fn read(map: &Map<String, Value>) -> Result<Firing, (&'static str, String)> {
        let given = |key: &str| map.get(key).filter(|value| !value.is_null());
        let (mut dialect, mut language) = (None, None);
        if let Some(value) = given("dialect") {
            let known = |text: &str| (find(&DIALECTS, text), find(&LANGUAGES, text));
            (dialect, language) = value.as_str().map(known).unwrap_or_default();
            if (dialect, language) == (None, None) {
                let known = "standard, seconds, year; of a condition promql, jmespath";
                return Err(("dialect", format!("{value} is not one of {known}")));
            }
        }
        Ok(Firing {
            dialect,
            language,
            gap: word(given("gap"), "gap", &GAPS)?,
            fold: word(given("fold"), "fold", &FOLDS)?,
            misfire: word(given("misfire"), "misfire", &MISFIRES)?,
            misfire_window: seconds(given("misfire_window_seconds"), "misfire_window_seconds", WINDOW_MAX)?,
            overlap: word(given("overlap"), "overlap", &OVERLAPS)?,
            jitter: seconds(given("jitter_seconds"), "jitter_seconds", JITTER_MAX)?,
            calendar: text(given("calendar"), "calendar", NAME_MAX)?,
            filter: text(given("filter"), "filter", FILTER_MAX)?,
            check_every: seconds(given("check_seconds"), "check_seconds", CHECK_MAX)?,
        })
    }

    /// What [`Firing::read`] reads.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(key.to_owned(), value);
            }
        };
        let dialect = self.dialect.and_then(|one| name(&DIALECTS, one));
        put("dialect", dialect.or_else(|| self.language.and_then(|one| name(&LANGUAGES, one))));
        put("gap", self.gap.and_then(|one| name(&GAPS, one)));
        put("fold", self.fold.and_then(|one| name(&FOLDS, one)));
        put("misfire", self.misfire.and_then(|one| name(&MISFIRES, one)));
        put("misfire_window_seconds", self.misfire_window.map(|span| span.as_secs().into()));
        put("overlap", self.overlap.and_then(|one| name(&OVERLAPS, one)));
        put("jitter_seconds", self.jitter.map(|span| span.as_secs().into()));
        put("calendar", self.calendar.as_deref().map(Value::from));
        put("filter", self.filter.as_deref().map(Value::from));
        put("check_seconds", self.check_every.map(|span| span.as_secs().into()));
        map
    }

    /// The policy for clock changes, over the default of the kind.
    pub fn policy(&self, default: Policy) -> Policy {
        Policy { gap: self.gap.unwrap_or(default.gap), fold: self.fold.unwrap_or(default.fold) }
    }
}

fn find<T: Copy>(words: &[(&str, T)], text: &str) -> Option<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, one)| *one)
}

fn name<T: PartialEq>(words: &[(&str, T)], one: T) -> Option<Value> {
    words.iter().find(|(_, known)| *known == one).map(|(word, _)| Value::from(*word))
}

fn word<T: Copy>(
    value: Option<&Value>,
    field: &'static str,
    words: &[(&str, T)],
) -> Result<Option<T>, (&'static str, String)> {
    let Some(value) = value else { return Ok(None) };
    match value.as_str().and_then(|text| find(words, text)) {
        Some(one) => Ok(Some(one)),
        None => {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Err((field, format!("{value} is not one of {}", known.join(", "))))
        }
    }
}

fn seconds(
    value: Option<&Value>,
    field: &'static str,
    max: u64,
) -> Result<Option<Duration>, (&'static str, String)> {
    let Some(value) = value else { return Ok(None) };
    match value.as_u64().filter(|n| (1..=max).contains(n)) {
        Some(n) => Ok(Some(Duration::from_secs(n))),
        None => Err((field, format!("must be a whole number from 1 to {max}, not {value}"))),
    }
}

fn text(
    value: Option<&Value>,
    field: &'static str,
    max: usize,
) -> Result<Option<Arc<str>>, (&'static str, String)> {
    let Some(value) = value else { return Ok(None) };
    match value.as_str().filter(|text| (1..=max).contains(&text.len())) {
        Some(text) => Ok(Some(Arc::from(text))),
        None => Err((field, format!("must be a text of 1 to {max} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_wish_is_read_and_shown() {
        let all = json!({
            "dialect": "seconds", "gap": "skip", "fold": "both", "misfire": "all", "misfire_window_seconds": 600,
            "overlap": "queue", "jitter_seconds": 30, "calendar": "holidays", "filter": "payload.a > 1",
            "check_seconds": 5,
        });
        let map = all.as_object().expect("an object");
        assert_eq!(map.keys().collect::<Vec<_>>(), KEYS);
        let firing = Firing::read(map).expect("all are known");
        assert_eq!(Value::Object(firing.to_json()), all);
        assert_eq!(Firing::read(&Map::new()), Ok(Firing::default()));
        assert!(Firing::default().to_json().is_empty());
    }

    #[test]
    fn refusals_name_the_field() {
        for (map, field) in [
            (json!({"dialect": "quartz"}), "dialect"),
            (json!({"gap": "jump"}), "gap"),
            (json!({"fold": 1}), "fold"),
            (json!({"misfire": ""}), "misfire"),
            (json!({"misfire_window_seconds": 0}), "misfire_window_seconds"),
            (json!({"overlap": "stack"}), "overlap"),
            (json!({"jitter_seconds": -1}), "jitter_seconds"),
            (json!({"calendar": ""}), "calendar"),
            (json!({"filter": 7}), "filter"),
            (json!({"check_seconds": 1e9}), "check_seconds"),
        ] {
            let refused = Firing::read(map.as_object().expect("an object"));
            assert_eq!(refused.map_err(|(field, _)| field), Err(field), "{map}");
        }
    }
}
