//! The `global` block of `prometheus.yml`, and the part of it that jobs inherit.

use super::{Protocol, bytes, duration};
use model::Problem;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, time::Duration};

/// The raw form; what is not about scraping is for others to read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct GlobalConfig {
    pub scrape_interval: Option<Spanned<String>>,
    pub scrape_timeout: Option<Spanned<String>>,
    pub evaluation_interval: Option<Spanned<String>>,
    pub rule_query_offset: Option<Spanned<String>>,
    pub external_labels: Option<BTreeMap<String, Spanned<String>>>,
    pub query_log_file: Option<Spanned<String>>,
    pub scrape_failure_log_file: Option<Spanned<String>>,
    pub scrape_protocols: Option<Spanned<Vec<Spanned<String>>>>,
    pub body_size_limit: Option<Spanned<String>>,
    pub sample_limit: Option<usize>,
    pub target_limit: Option<usize>,
    pub label_limit: Option<usize>,
    pub label_name_length_limit: Option<usize>,
    pub label_value_length_limit: Option<usize>,
    pub keep_dropped_targets: Option<usize>,
    pub metric_name_validation_scheme: Option<Spanned<String>>,
    pub metric_name_escaping_scheme: Option<Spanned<String>>,
    pub extra_scrape_metrics: Option<bool>,
    pub always_scrape_classic_histograms: Option<bool>,
    pub scrape_native_histograms: Option<bool>,
    pub convert_classic_histograms_to_nhcb: Option<bool>,
}

/// What a job has unless it says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// How often.
    pub scrape_interval: Duration,
    /// How long at most; `None`: 10 s, or the interval if that is shorter.
    pub scrape_timeout: Option<Duration>,
    /// In which forms, best first.
    pub protocols: Vec<Protocol>,
    /// Bytes of a body; 0: our own bound.
    pub body_size_limit: u64,
    /// Samples of a scrape; here and below 0 is no limit.
    pub sample_limit: usize,
    /// Targets of a job.
    pub target_limit: usize,
    /// Labels of a series.
    pub label_limit: usize,
    /// Bytes of a label's name.
    pub label_name_length_limit: usize,
    /// Bytes of a label's value.
    pub label_value_length_limit: usize,
    /// Dropped targets that are shown.
    pub keep_dropped_targets: usize,
    /// Whether each scrape also tells its limits.
    pub extra_scrape_metrics: bool,
    /// Whether only names of the classic form are taken.
    pub classic_names: bool,
    /// How a target shall write names that are not of the classic form, if it says.
    pub escaping: Option<String>,
}

impl Default for Defaults {
    /// Prometheus's: each minute, 10 s at most, no limits.
    fn default() -> Defaults {
        Defaults {
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: None,
            protocols: Protocol::DEFAULT.to_vec(),
            body_size_limit: 0,
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            keep_dropped_targets: 0,
            extra_scrape_metrics: false,
            classic_names: false,
            escaping: None,
        }
    }
}

impl GlobalConfig {
    /// The checked part that jobs inherit.
    pub fn defaults(&self, problems: &mut Vec<Problem>) -> Defaults {
        let own = Defaults::default();
        let interval = duration(self.scrape_interval.as_ref(), own.scrape_interval, problems);
        let interval = if interval.is_zero() { own.scrape_interval } else { interval };
        let timeout = self.scrape_timeout.as_ref().map(|given| {
            let timeout = duration(Some(given), Duration::ZERO, problems);
            if timeout > interval {
                let what = "global scrape_timeout is greater than the scrape_interval";
                problems.push(super::error(given, what, "lower it or remove it"));
            }
            timeout
        });
        let (classic_names, escaping) = names(
            self.metric_name_validation_scheme.as_ref(),
            self.metric_name_escaping_scheme.as_ref(),
            (own.classic_names, None),
            problems,
        );
        Defaults {
            scrape_interval: interval,
            scrape_timeout: timeout.filter(|timeout| !timeout.is_zero()),
            protocols: Protocol::resolve(self.scrape_protocols.as_ref(), &own.protocols, problems),
            body_size_limit: bytes(self.body_size_limit.as_ref(), 0, problems),
            sample_limit: self.sample_limit.unwrap_or(0),
            target_limit: self.target_limit.unwrap_or(0),
            label_limit: self.label_limit.unwrap_or(0),
            label_name_length_limit: self.label_name_length_limit.unwrap_or(0),
            label_value_length_limit: self.label_value_length_limit.unwrap_or(0),
            keep_dropped_targets: self.keep_dropped_targets.unwrap_or(0),
            extra_scrape_metrics: self.extra_scrape_metrics.unwrap_or(false),
            classic_names,
            escaping,
        }
    }
}

/// Which names are taken and how targets shall write the others.
pub(super) fn names(
    validation: Option<&Spanned<String>>,
    escaping: Option<&Spanned<String>>,
    inherited: (bool, Option<String>),
    problems: &mut Vec<Problem>,
) -> (bool, Option<String>) {
    let classic = match validation.map(|v| (v, v.value.as_str())) {
        None | Some((_, "")) => inherited.0,
        Some((_, "utf8")) => false,
        Some((_, "legacy")) => true,
        Some((given, word)) => {
            let what = format!("unknown metric_name_validation_scheme {word:?}");
            problems.push(super::error(given, what, "known: utf8, legacy"));
            inherited.0
        }
    };
    let scheme = match escaping.map(|e| (e, e.value.as_str())) {
        None | Some((_, "")) => inherited.1,
        Some((given, "allow-utf-8")) if classic => {
            let what = "names in UTF-8 are asked for, but only names of the legacy form are taken";
            problems.push(super::error(given, what, "set metric_name_validation_scheme: utf8"));
            None
        }
        Some((_, word @ ("allow-utf-8" | "underscores" | "dots" | "values"))) => Some(word.to_owned()),
        Some((given, word)) => {
            let what = format!("unknown metric_name_escaping_scheme {word:?}");
            problems.push(super::error(given, what, "known: allow-utf-8, underscores, dots, values"));
            None
        }
    };
    (classic, scheme)
}
