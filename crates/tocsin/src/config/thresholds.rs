//! `thresholds` and `monitoring` of `tocsin.yml`.

use super::native::TocsinConfig;
use super::prometheus::{bad_duration, error};
use model::Problem;
use rules::threshold::Declared;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeSet;
use std::time::Duration;

/// Readers may ask for a week.
const HISTORY_MIN: Duration = Duration::from_secs(168 * 3600);

/// The raw form of `monitoring`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitoringConfig {
    evaluation_interval: Option<Spanned<String>>,
    history: Option<Spanned<String>>,
}

/// What the files say of thresholds.
#[derive(Debug, Clone, Default)]
pub struct Monitoring {
    /// Those of the file.
    pub thresholds: Vec<Declared>,
    /// How often all are evaluated; `None`: as usual.
    pub interval: Option<Duration>,
    /// How long crossings are kept; `None`: as usual.
    pub history: Option<Duration>,
    /// Whether there are only files that were written for other products.
    pub borrowed: bool,
}

impl TocsinConfig {
    pub(super) fn monitoring(&self, borrowed: bool, problems: &mut Vec<Problem>) -> Monitoring {
        let raw = self.monitoring.clone().unwrap_or_default();
        let mut span = |text: &Option<Spanned<String>>, least: Duration, what: &str, remedy: &str| {
            let text = text.as_ref()?;
            match model::parse_duration(&text.value) {
                Ok(span) if span >= least => return Some(span),
                Ok(_) => problems.push(error(text, what, remedy)),
                Err(why) => problems.push(bad_duration(text, &why)),
            }
            None
        };
        let what = "monitoring.evaluation_interval is below one second";
        let interval = span(&raw.evaluation_interval, Duration::from_secs(1), what, "write one such as 60s");
        let what = "monitoring.history is below 168h";
        let history = span(&raw.history, HISTORY_MIN, what, "write one such as 30d");
        let mut names = BTreeSet::new();
        let mut thresholds = Vec::new();
        for entry in self.thresholds.iter().flatten() {
            let at = reach::config::place(entry.referenced);
            let Some(raw) = &entry.value else {
                problems.push(Problem::error(
                    at.0,
                    at.1,
                    "empty entry in thresholds",
                    "remove it or add name: NAME",
                ));
                continue;
            };
            if let Some((name, at)) = raw.name()
                && !names.insert(name.to_owned())
            {
                let what = format!("there is more than one threshold with the name {name:?}");
                problems.push(Problem::error(at.0, at.1, what, "give each a name of its own"));
            }
            thresholds.extend(raw.resolve(at, problems));
        }
        Monitoring { thresholds, interval, history, borrowed }
    }
}
