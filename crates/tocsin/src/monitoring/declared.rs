//! Which thresholds hold: the four that are there by themselves, the file's over them, variables over both.

use crate::{config::Loaded, variables::Variables};
use rules::threshold::{Settings, Threshold, usual};
use std::{collections::BTreeMap, time::Duration};

/// How long crossings are kept where nothing says.
const HISTORY: Duration = Duration::from_secs(30 * 86_400);

/// The variables of each of the four: whether it is watched, and its bound.
const VARIABLES: [(&str, &str, Option<&str>); 4] = [
    ("high_error_rate", "ALERT_ERROR_RATE_ENABLED", Some("ALERT_ERROR_RATE_THRESHOLD")),
    ("slow_response_time", "ALERT_RESPONSE_TIME_ENABLED", Some("ALERT_RESPONSE_TIME_THRESHOLD")),
    ("high_memory_usage", "ALERT_MEMORY_ENABLED", Some("ALERT_MEMORY_THRESHOLD")),
    ("circuit_breaker_open", "ALERT_CIRCUIT_BREAKER_ENABLED", None),
];

/// What the environment says of thresholds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    by_name: BTreeMap<&'static str, (Option<bool>, Option<f64>)>,
    /// Whether it asks for any of them: one that is switched off is not asked for.
    any: bool,
    /// How often they are evaluated.
    pub interval: Option<Duration>,
}

impl Overrides {
    /// Those of the variables, which were checked at the start.
    pub fn of(variables: &Variables) -> Overrides {
        let interval = variables.number("MONITORING_EVALUATION_INTERVAL").map(Duration::from_secs_f64);
        let mut overrides = Overrides { any: interval.is_some(), interval, ..Overrides::default() };
        for (name, enabled, bound) in VARIABLES {
            let said = (variables.switch(enabled), bound.and_then(|bound| variables.number(bound)));
            overrides.any |= said.0 == Some(true) || said.1.is_some();
            overrides.by_name.insert(name, said);
        }
        overrides
    }
}

/// The thresholds that are watched.
pub fn declared(loaded: &Loaded, overrides: &Overrides) -> Vec<Threshold> {
    let mut all = usual();
    for given in &loaded.monitoring.thresholds {
        match all.iter_mut().find(|known| known.threshold.name == given.threshold.name) {
            Some(known) => *known = given.clone(),
            None => all.push(given.clone()),
        }
    }
    for declared in &mut all {
        let Some((enabled, bound)) = overrides.by_name.get(declared.threshold.name.as_str()) else {
            continue;
        };
        declared.enabled = enabled.unwrap_or(declared.enabled);
        if let (Some(bound), Some(level)) = (bound, declared.threshold.levels.first_mut()) {
            level.at = *bound;
            // One bound is one level, whatever a file says.
            declared.threshold.levels.truncate(1);
        }
    }
    all.into_iter().filter(|declared| declared.enabled).map(|declared| declared.threshold).collect()
}

/// What holds for all of them.
pub fn settings(loaded: &Loaded, overrides: &Overrides, external_url: &str) -> Settings {
    Settings {
        history: loaded.monitoring.history.unwrap_or(HISTORY),
        external_url: external_url.to_owned(),
        external_labels: loaded.rules.external_labels.clone(),
        routed: !loaded.monitoring.borrowed || overrides.any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load_with};

    fn loaded(text: &str) -> Loaded {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tocsin.yml");
        std::fs::write(&path, text).unwrap();
        load_with(&Sources { config: Some(path), ..Sources::default() }, &|_| None).unwrap()
    }

    fn overrides(pairs: &[(&str, &str)]) -> Overrides {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Overrides::of(&Variables::read(pairs).unwrap())
    }

    fn shown(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let all = declared(&loaded(text), &overrides(variables));
        all.iter()
            .map(|one| format!("{} {} {}", one.name, one.levels[0].severity, one.levels[0].at))
            .collect()
    }

    #[test]
    fn the_presets_of_the_document() {
        let usual = [
            "high_error_rate critical 5",
            "slow_response_time warning 2000",
            "high_memory_usage critical 80",
            "circuit_breaker_open critical 0",
        ];
        assert_eq!(shown("", &[]), usual);
        let high = [("ALERT_ERROR_RATE_THRESHOLD", "2.0"), ("ALERT_RESPONSE_TIME_THRESHOLD", "1000.0")];
        assert_eq!(shown("", &high)[..2], ["high_error_rate critical 2", "slow_response_time warning 1000"]);
        let development = [("ALERT_ERROR_RATE_ENABLED", "false"), ("ALERT_RESPONSE_TIME_ENABLED", "false")];
        assert_eq!(shown("", &development), usual[2..]);
        assert_eq!(shown("", &[("ALERT_CIRCUIT_BREAKER_ENABLED", "False")]), usual[..3]);
        let slow = overrides(&[("MONITORING_EVALUATION_INTERVAL", "300")]);
        assert_eq!(slow.interval, Some(Duration::from_secs(300)));
    }

    #[test]
    fn the_file_stands_over_what_is_there_and_variables_over_the_file() {
        let file = "thresholds:\n- {name: high_error_rate, warning: 1, critical: 3}\n\
                    - {name: deep, metric: queue_depth, threshold: 7}\n- {name: high_memory_usage, enabled: false}\n";
        assert_eq!(
            shown(file, &[]),
            [
                "high_error_rate warning 1",
                "slow_response_time warning 2000",
                "circuit_breaker_open critical 0",
                "deep warning 7"
            ]
        );
        assert_eq!(shown(file, &[("ALERT_MEMORY_ENABLED", "true")])[2], "high_memory_usage critical 80");
    }

    #[test]
    fn borrowed_files_alone_page_nobody_by_thresholds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prometheus.yml");
        std::fs::write(&path, "global: {scrape_interval: 1s}\n").unwrap();
        let borrowed =
            load_with(&Sources { prometheus: Some(path), ..Sources::default() }, &|_| None).unwrap();
        let routed = |variables: &[(&str, &str)]| settings(&borrowed, &overrides(variables), "").routed;
        assert!(!routed(&[]));
        assert!(!routed(&[("ALERT_MEMORY_ENABLED", "false")]));
        assert!(routed(&[("ALERT_MEMORY_ENABLED", "true")]));
        assert!(routed(&[("ALERT_ERROR_RATE_THRESHOLD", "2")]));
        assert!(settings(&loaded(""), &overrides(&[]), "").routed);
    }
}
