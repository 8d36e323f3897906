//! `on_call:` checked: zones, instants and turns are read, and everybody on call is a receiver.

use super::raw::{LayerConfig, OnCallConfig};
use super::{DURATION, error};
use crate::interval::{self, Intervals};
use crate::on_call::{Layer, Override, Schedule, Schedules, Turn};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::{Problem, Timestamp, parse_duration};
use serde_saphyr::Spanned;
use std::collections::BTreeSet;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Shorter turns are refused: nobody could be told of them.
const TURN_MIN: Duration = Duration::from_secs(60);

pub(super) fn resolve(
    raw: &[OnCallConfig],
    receivers: &BTreeSet<&str>,
    intervals: &Intervals,
    problems: &mut Vec<Problem>,
) -> Schedules {
    let mut schedules = Schedules::new();
    for config in raw {
        let name = config.name.value.clone();
        let zone = interval::zone(config.zone.as_ref(), problems);
        let mut known = |who: &Spanned<String>| {
            if !receivers.contains(who.value.as_str()) {
                let what = format!("{:?} is on call but no receiver", who.value);
                problems.push(error(who, what, "add a receiver of that name, by which they are told"));
            }
            who.value.clone()
        };
        let people: Vec<Vec<String>> =
            config.layers.iter().map(|layer| layer.people.iter().map(&mut known).collect()).collect();
        let standing_in: Vec<String> =
            config.overrides.iter().flatten().map(|over| known(&over.who)).collect();
        if let Some(layer) = config.layers.iter().find(|layer| layer.people.is_empty()) {
            problems.push(error(&layer.start, "a layer has no people", "name receivers under people:"));
        }
        if config.layers.is_empty() {
            problems.push(error(&config.name, format!("schedule {name:?} has no layers"), "add one"));
        }
        let layers = config.layers.iter().zip(people);
        let layers = layers.map(|(raw, people)| layer(raw, people, intervals, problems)).collect();
        let overrides = config.overrides.iter().flatten().zip(standing_in).map(|(raw, who)| {
            let (from, until) = (instant(&raw.from, &zone, problems), instant(&raw.until, &zone, problems));
            if until <= from {
                problems.push(error(&raw.until, "an override ends before it starts", ""));
            }
            Override { who, from, until }
        });
        let overrides = overrides.collect();
        let schedule = Schedule { name: name.clone(), zone, layers, overrides };
        if schedules.insert(name, schedule).is_some() {
            let what = format!("schedule {:?} is defined twice", config.name.value);
            problems.push(error(&config.name, what, "give each a name of its own"));
        }
    }
    schedules
}

fn layer(
    raw: &LayerConfig,
    people: Vec<String>,
    intervals: &Intervals,
    problems: &mut Vec<Problem>,
) -> Layer {
    let start = raw.start.value.parse::<DateTime>().unwrap_or_else(|_| {
        let what = format!("{:?} is not a date and time of day", raw.start.value);
        problems.push(error(&raw.start, what, "write one such as 2026-01-05T09:00"));
        DateTime::default()
    });
    let turn = match parse_duration(&raw.turn.value) {
        Ok(turn) if turn >= DAY && turn.as_secs() % DAY.as_secs() == 0 => {
            Turn::Days(i32::try_from(turn.as_secs() / DAY.as_secs()).unwrap_or(i32::MAX))
        }
        Ok(turn) if turn >= TURN_MIN => Turn::Span(turn),
        Ok(_) => {
            problems.push(error(&raw.turn, "a turn is shorter than a minute", "write one such as 7d or 12h"));
            Turn::Span(DAY)
        }
        Err(why) => {
            let what = format!("{:?} is not a duration: {}", why.text, why.why);
            problems.push(error(&raw.turn, what, DURATION));
            Turn::Span(DAY)
        }
    };
    let during = raw.during.iter().flatten().flat_map(|name| {
        let found = intervals.get(&name.value);
        if found.is_none() {
            let what = format!("undefined time interval {:?} used in on_call", name.value);
            problems.push(error(name, what, "define it under time_intervals:"));
        }
        found.cloned().unwrap_or_default()
    });
    let during = during.collect();
    Layer { name: raw.name.clone().unwrap_or_default(), people, start, turn, during }
}

/// An instant with an offset, or on the clock of `zone`.
fn instant(text: &Spanned<String>, zone: &TimeZone, problems: &mut Vec<Problem>) -> Timestamp {
    if let Ok(at) = Timestamp::parse_rfc3339(&text.value) {
        return at;
    }
    let local = text.value.parse::<DateTime>().ok().and_then(|local| local.to_zoned(zone.clone()).ok());
    match local {
        Some(local) => Timestamp::from_millis(local.timestamp().as_millisecond()),
        None => {
            let what = format!("{:?} is not an instant", text.value);
            problems.push(error(text, what, "write one such as 2026-01-05T09:00 or 2026-01-05T09:00:00Z"));
            Timestamp::default()
        }
    }
}
