//! `alertmanager.yml`: read and judged as Alertmanager's own loader judges it, then turned into routing and
//! receivers. The same parts of `tocsin.yml` come through here as well.

use super::report::Report;
use super::text::Text;
use super::{paths, yaml};
use alerts::{
    AlertsConfig, EscalationConfig, InhibitRuleConfig, OnCallConfig, RawConfig, RouteConfig,
    TimeIntervalConfig,
};
use model::Problem;
use notify::{GlobalConfig, ReceiverConfig, Receivers};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use std::path::Path;

/// The raw form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerConfig {
    global: Option<GlobalConfig>,
    route: Option<RouteConfig>,
    inhibit_rules: Option<Vec<InhibitRuleConfig>>,
    receivers: Option<Vec<Spanned<ReceiverConfig>>>,
    templates: Option<Vec<Spanned<String>>>,
    mute_time_intervals: Option<Vec<TimeIntervalConfig>>,
    time_intervals: Option<Vec<TimeIntervalConfig>>,
    tracing: Option<Spanned<Value>>,
    event_recorder: Option<Spanned<Value>>,
}

/// The raw parts of routing, from whichever file.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// `global:`
    pub global: GlobalConfig,
    /// `route:`
    pub route: Option<RouteConfig>,
    /// `inhibit_rules:`
    pub inhibit_rules: Vec<InhibitRuleConfig>,
    /// `receivers:`
    pub receivers: Vec<Spanned<ReceiverConfig>>,
    /// `time_intervals:`
    pub time_intervals: Vec<TimeIntervalConfig>,
    /// `mute_time_intervals:`
    pub mute_time_intervals: Vec<TimeIntervalConfig>,
    /// `escalations:`
    pub escalations: Vec<EscalationConfig>,
    /// `on_call:`
    pub on_call: Vec<OnCallConfig>,
    /// `alerts:`
    pub alerts: Option<AlertsConfig>,
}

/// The checked form.
#[derive(Debug, Clone)]
pub struct Routing {
    /// Who is told of what.
    pub alerts: alerts::Config,
    /// How they are told.
    pub receivers: Receivers,
    /// Notification templates: name and text.
    pub templates: Vec<(String, String)>,
}

impl Routing {
    /// Everything to the console: what there is without a route.
    pub fn console() -> Routing {
        let receivers = Receivers::console();
        let alerts = alerts::Config::to(shapes(&receivers).remove(0));
        Routing { alerts, receivers, templates: Vec::new() }
    }
}

/// Which of the files that a file names are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// All; a missing one is an error.
    Open,
    /// None.
    Leave,
}

/// Reads and checks a file that was opened.
pub fn resolve(text: &Text, files: Files, report: &mut Report) -> Option<Routing> {
    let raw = yaml::read::<AlertmanagerConfig>(text, yaml::Booleans::Loose, report)?;
    let mut problems = Vec::new();
    for (key, value) in [("tracing", &raw.tracing), ("event_recorder", &raw.event_recorder)] {
        if let Some(value) = value {
            let (line, column) = reach::config::place(value.referenced);
            problems.push(Problem::finding(line, column, format!("{key} is not acted on yet"), ""));
        }
    }
    let parts = Parts {
        global: raw.global.unwrap_or_default(),
        route: raw.route,
        inhibit_rules: raw.inhibit_rules.unwrap_or_default(),
        receivers: raw.receivers.unwrap_or_default(),
        time_intervals: raw.time_intervals.unwrap_or_default(),
        mute_time_intervals: raw.mute_time_intervals.unwrap_or_default(),
        ..Parts::default()
    };
    for (key, value) in parts.route.iter().flat_map(RouteConfig::ours) {
        let (line, column) = reach::config::place(value.referenced);
        let what = format!("unknown key {key:?} in a route");
        let remedy = format!("Alertmanager has no such key; {key} is one of tocsin.yml");
        problems.push(Problem::error(line, column, what, remedy));
    }
    let routing = resolve_parts(&parts, &text.base, &mut problems);
    let patterns = raw.templates.unwrap_or_default();
    let templates =
        if files == Files::Open { read_templates(&text.base, &patterns, &mut problems) } else { vec![] };
    text.report(problems, report);
    routing.map(|(alerts, receivers)| Routing { alerts, receivers, templates })
}

/// Checks the parts; `None` if something is wrong.
pub fn resolve_parts(
    parts: &Parts,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Option<(alerts::Config, Receivers)> {
    let raw_receivers: Vec<ReceiverConfig> = parts.receivers.iter().map(|r| r.value.clone()).collect();
    let before = problems.len();
    let receivers = Receivers::resolve(&parts.global, &raw_receivers, base, problems);
    // Ours first, and unknown kinds do not stand in the way.
    let shapes = shapes(&receivers);
    let raw = RawConfig {
        route: parts.route.as_ref(),
        inhibit_rules: &parts.inhibit_rules,
        time_intervals: &parts.time_intervals,
        mute_time_intervals: &parts.mute_time_intervals,
        receivers: &shapes,
        escalations: &parts.escalations,
        on_call: &parts.on_call,
        alerts: parts.alerts.as_ref(),
    };
    let resolved = alerts::Config::resolve(raw);
    let timeout = parts.global.resolve_timeout.as_ref().and_then(|text| {
        let read = model::parse_duration(&text.value);
        read.map_err(|why| problems.push(super::prometheus::bad_duration(text, &why))).ok()
    });
    match resolved {
        Ok((mut alerts, mut findings)) => {
            problems.append(&mut findings);
            if let Some(timeout) = timeout.filter(|timeout| !timeout.is_zero()) {
                alerts.resolve_timeout = timeout;
            }
            let sound = problems[before..].iter().all(|problem| problem.level == model::Level::Finding);
            sound.then_some((alerts, receivers))
        }
        Err(mut errors) => {
            problems.append(&mut errors);
            None
        }
    }
}

/// Receivers as routing wants them.
fn shapes(receivers: &Receivers) -> Vec<alerts::ReceiverShape> {
    let shapes = receivers.shapes().into_iter();
    shapes
        .map(|receiver| alerts::ReceiverShape {
            name: receiver.name,
            integrations: receiver
                .integrations
                .into_iter()
                .map(|i| alerts::Integration { name: i.name, send_resolved: i.send_resolved })
                .collect(),
        })
        .collect()
}

fn read_templates(
    base: &Path,
    patterns: &[Spanned<String>],
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for pattern in patterns {
        let found = paths::matching(base, &pattern.value);
        if found.is_empty() && !paths::is_pattern(&pattern.value) {
            let what = format!("there is no template file {}", base.join(&pattern.value).display());
            problems.push(super::prometheus::error(pattern, what, "create it, or correct the path"));
        }
        for path in found {
            match Text::read(&path) {
                Ok(text) => {
                    let file = (text.name, text.filled);
                    if let Err(why) = template::Set::new(std::slice::from_ref(&file)) {
                        let what = format!("bad template file {}: {why}", file.0);
                        problems.push(super::prometheus::error(pattern, what, "correct it or leave it out"));
                    } else {
                        files.push(file);
                    }
                }
                Err(why) => problems.push(super::prometheus::error(pattern, why, "")),
            }
        }
    }
    files
}
