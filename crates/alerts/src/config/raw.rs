//! The routing part of a file as written; every value that may be wrong keeps its place.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// A `route:` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Who is told; inherited.
    pub receiver: Option<Spanned<String>>,
    /// What splits groups; `'...'` alone means every label; inherited.
    pub group_by: Option<Vec<Spanned<String>>>,
    /// Conditions in any of the matcher forms.
    pub matchers: Option<Vec<Spanned<String>>>,
    /// Equality conditions, the oldest form.
    #[serde(rename = "match")]
    pub match_equal: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Regular expression conditions, the oldest form.
    pub match_re: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Whether later siblings are asked as well.
    #[serde(rename = "continue")]
    pub continues: Option<Spanned<bool>>,
    /// Children.
    pub routes: Option<Vec<RouteConfig>>,
    /// Inherited; 30s.
    pub group_wait: Option<Spanned<String>>,
    /// Inherited; 5m.
    pub group_interval: Option<Spanned<String>>,
    /// Inherited; 4h.
    pub repeat_interval: Option<Spanned<String>>,
    /// Names of intervals in which it is muted.
    pub mute_time_intervals: Option<Vec<Spanned<String>>>,
    /// Names of intervals outside of which it is muted.
    pub active_time_intervals: Option<Vec<Spanned<String>>>,
    /// Labels for templates.
    pub labels: Option<BTreeMap<String, String>>,
    /// Ours: the escalation policy; inherited.
    pub escalation: Option<Spanned<String>>,
    /// Ours: how long after its end an incident that comes back is the same one; inherited; the group interval.
    pub damping: Option<Spanned<String>>,
    /// Ours: when an end is told, `at_once` or with `group_interval`; inherited.
    pub resolve: Option<Spanned<String>>,
}

impl RouteConfig {
    /// The keys in this tree that Alertmanager does not know.
    pub fn ours(&self) -> Vec<(&'static str, &Spanned<String>)> {
        let own = [("escalation", &self.escalation), ("damping", &self.damping), ("resolve", &self.resolve)];
        let own = own.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        own.chain(self.routes.iter().flatten().flat_map(RouteConfig::ours)).collect()
    }
}

/// What holds for routes that do not say otherwise, as written under `alerts:`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// As the key of a route.
    pub damping: Option<Spanned<String>>,
    /// As the key of a route.
    pub resolve: Option<Spanned<String>>,
}

/// An `escalations:` entry as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalationConfig {
    /// Its name.
    pub name: Spanned<String>,
    /// Its steps.
    pub steps: Vec<StepConfig>,
    /// How often it begins again; until somebody takes the incident on.
    pub repeat: Option<u32>,
}

/// A step as written; without `notify` and `on_call` it tells the route's receiver again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// A receiver.
    pub notify: Option<Spanned<String>>,
    /// A schedule.
    pub on_call: Option<Spanned<String>>,
    /// How long it waits.
    pub wait: Spanned<String>,
}

/// An `on_call:` entry as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnCallConfig {
    /// Its name.
    pub name: Spanned<String>,
    /// A tz database name; UTC.
    pub zone: Option<Spanned<String>>,
    /// The last one is the uppermost.
    pub layers: Vec<LayerConfig>,
    /// Who stands in.
    pub overrides: Option<Vec<OverrideConfig>>,
}

/// A layer as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerConfig {
    /// Its name.
    pub name: Option<String>,
    /// Receivers, in their order.
    pub people: Vec<Spanned<String>>,
    /// `2026-01-05T09:00`, on the schedule's clock.
    pub start: Spanned<String>,
    /// How long a turn is: `7d`, `12h`.
    pub turn: Spanned<String>,
    /// Names of time intervals in which it counts.
    pub during: Option<Vec<Spanned<String>>>,
}

/// An override as written; instants on the schedule's clock, or with an offset.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideConfig {
    /// A receiver.
    pub who: Spanned<String>,
    /// From.
    pub from: Spanned<String>,
    /// Until.
    pub until: Spanned<String>,
}

/// An `inhibit_rules:` entry as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InhibitRuleConfig {
    /// Its name.
    pub name: Option<String>,
    /// Conditions on sources.
    pub source_matchers: Option<Vec<Spanned<String>>>,
    /// Conditions on targets.
    pub target_matchers: Option<Vec<Spanned<String>>>,
    /// Equality conditions on sources, the oldest form.
    pub source_match: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Regular expression conditions on sources, the oldest form.
    pub source_match_re: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Equality conditions on targets, the oldest form.
    pub target_match: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Regular expression conditions on targets, the oldest form.
    pub target_match_re: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Labels both must share.
    pub equal: Option<Vec<Spanned<String>>>,
}

/// A `time_intervals:` entry as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeIntervalConfig {
    /// Its name.
    pub name: Option<Spanned<String>>,
    /// Its parts; inside one is inside.
    pub time_intervals: Option<Vec<TimesConfig>>,
}

/// One part of a time interval as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimesConfig {
    /// Times of the day.
    pub times: Option<Vec<TimeRangeConfig>>,
    /// `monday` or `monday:friday`.
    pub weekdays: Option<Vec<Spanned<String>>>,
    /// `1:5` or `-3:-1`.
    pub days_of_month: Option<Vec<Spanned<String>>>,
    /// `1:3` or `january:march`.
    pub months: Option<Vec<Spanned<String>>>,
    /// `2026:2028`.
    pub years: Option<Vec<Spanned<String>>>,
    /// A tz database name; UTC.
    pub location: Option<Spanned<String>>,
}

/// Times of the day as written, `HH:MM`, end exclusive.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRangeConfig {
    /// From.
    pub start_time: Option<Spanned<String>>,
    /// Until, at most `24:00`.
    pub end_time: Option<Spanned<String>>,
}
