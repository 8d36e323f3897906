//! A checked scrape job.

use super::discovery::{file_patterns, static_groups};
use super::{
    Defaults, FilePattern, Protocol, ScrapeConfig, StaticGroup, bytes, duration, error, finding,
    global::names,
};
use crate::exposition::Format;
use crate::relabel::{self, Rule};
use crate::scrape::Limits;
use model::Problem;
use reach::config::Access;
use std::{path::Path, time::Duration};

/// The longest body taken where no `body_size_limit` is set.
const BODY_MAX: u64 = 64 << 20;
/// No `body_size_limit` goes further.
const BODY_MAX_MAX: u64 = 1 << 30;

/// What to scrape, how, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// `job_name`.
    pub name: String,
    /// How often.
    pub interval: Duration,
    /// How long at most.
    pub timeout: Duration,
    /// `http` or `https`.
    pub scheme: String,
    /// With its leading slash.
    pub metrics_path: String,
    /// Query parameters.
    pub params: Vec<(String, Vec<String>)>,
    /// In which forms to ask, best first.
    pub protocols: Vec<Protocol>,
    /// What an answer is that does not say, or says something else.
    pub fallback: Option<Format>,
    /// How a target shall write names that are not of the classic form.
    pub escaping: Option<String>,
    /// Whether to accept packed answers.
    pub compression: bool,
    /// Bytes of a body.
    pub body_max: usize,
    /// Targets; 0 is no limit.
    pub target_limit: usize,
    /// Dropped targets that are shown; 0 is our own bound.
    pub keep_dropped: usize,
    /// Whether each scrape also tells its limits.
    pub extra_metrics: bool,
    /// Whether a sample's own label wins over the target's.
    pub honor_labels: bool,
    /// Whether a sample's own timestamp counts.
    pub honor_timestamps: bool,
    /// Whether series with timestamps get staleness markers too.
    pub track_timestamps_staleness: bool,
    /// Whether only names of the classic form are taken.
    pub classic_names: bool,
    /// Limits of one scrape.
    pub limits: Limits,
    /// Rewrites discovered targets.
    pub relabel: Vec<Rule>,
    /// Rewrites scraped series.
    pub metric_relabel: Vec<Rule>,
    /// Credentials, TLS, headers.
    pub access: Access,
    /// Targets that are written down.
    pub groups: Vec<StaticGroup>,
    /// Files that name targets.
    pub files: Vec<FilePattern>,
}

impl Job {
    /// The `Accept` header.
    pub fn accept(&self) -> String {
        let default = if self.classic_names { "underscores" } else { "allow-utf-8" };
        let escaping = self.escaping.as_deref().unwrap_or(default);
        let media: Vec<String> = self.protocols.iter().filter_map(|p| p.media(escaping)).collect();
        let mut header = String::new();
        for (i, media) in media.iter().enumerate() {
            header += &format!("{media};q=0.{},", 9usize.saturating_sub(i + 1).max(2));
        }
        header + "*/*;q=0.1"
    }
}

impl ScrapeConfig {
    /// The checked job, or `None` if something is wrong; what is wrong or worth a look goes to `problems`.
    /// `at` is where the entry stands; relative paths are relative to `base`.
    pub fn resolve(
        self,
        at: (u32, u32),
        defaults: &Defaults,
        base: &Path,
        problems: &mut Vec<Problem>,
    ) -> Option<Job> {
        let mut found = Vec::new();
        let job = self.checked(at, defaults, base, &mut found);
        let sound = !found.iter().any(|problem| problem.level == model::Level::Error);
        problems.append(&mut found);
        sound.then_some(job)
    }

    fn checked(self, at: (u32, u32), defaults: &Defaults, base: &Path, problems: &mut Vec<Problem>) -> Job {
        let name = self.job_name.as_ref().map_or("", |name| name.value.as_str()).to_owned();
        if name.is_empty() {
            let (line, column) = self.job_name.as_ref().map_or(at, super::place);
            problems.push(Problem::error(line, column, "job_name is empty", "add job_name: NAME"));
        }
        self.check_others(problems);
        let (interval, timeout) = self.times(&name, defaults, problems);
        let (classic_names, escaping) = names(
            self.metric_name_validation_scheme.as_ref(),
            self.metric_name_escaping_scheme.as_ref(),
            (defaults.classic_names, defaults.escaping.clone()),
            problems,
        );
        let body_max = match bytes(self.body_size_limit.as_ref(), defaults.body_size_limit, problems) {
            0 => BODY_MAX,
            given => given.min(BODY_MAX_MAX),
        };
        let scheme = self.scheme.as_ref().map_or("http", |scheme| scheme.value.as_str()).to_owned();
        if let Some(given) = self.scheme.as_ref().filter(|_| !matches!(scheme.as_str(), "http" | "https")) {
            problems.push(error(given, format!("unknown scheme {scheme:?}"), "known: http, https"));
        }
        let access = self.http().resolve(base, problems);
        let fallback = self.fallback_scrape_protocol.as_ref().and_then(|p| Protocol::parse(p, problems));
        Job {
            interval,
            timeout,
            scheme,
            metrics_path: rooted(self.metrics_path.map_or("/metrics".to_owned(), |path| path.value)),
            params: self.params.unwrap_or_default().into_iter().collect(),
            protocols: Protocol::resolve(self.scrape_protocols.as_ref(), &defaults.protocols, problems),
            fallback: fallback.and_then(Protocol::format),
            escaping,
            compression: self.enable_compression.unwrap_or(true),
            body_max: usize::try_from(body_max).unwrap_or(usize::MAX),
            target_limit: self.target_limit.unwrap_or(defaults.target_limit),
            keep_dropped: self.keep_dropped_targets.unwrap_or(defaults.keep_dropped_targets),
            extra_metrics: self.extra_scrape_metrics.unwrap_or(defaults.extra_scrape_metrics),
            honor_labels: self.honor_labels.unwrap_or(false),
            honor_timestamps: self.honor_timestamps.unwrap_or(true),
            track_timestamps_staleness: self.track_timestamps_staleness.unwrap_or(false),
            classic_names,
            limits: Limits {
                samples: self.sample_limit.unwrap_or(defaults.sample_limit),
                labels: self.label_limit.unwrap_or(defaults.label_limit),
                name_bytes: self.label_name_length_limit.unwrap_or(defaults.label_name_length_limit),
                value_bytes: self.label_value_length_limit.unwrap_or(defaults.label_value_length_limit),
            },
            relabel: relabel::resolve(self.relabel_configs, "relabel_configs", problems),
            metric_relabel: relabel::resolve(self.metric_relabel_configs, "metric_relabel_configs", problems),
            access,
            groups: static_groups(self.static_configs, problems),
            files: file_patterns(self.file_sd_configs, base, problems),
            name,
        }
    }

    fn times(&self, job: &str, defaults: &Defaults, problems: &mut Vec<Problem>) -> (Duration, Duration) {
        let interval = duration(self.scrape_interval.as_ref(), defaults.scrape_interval, problems);
        let interval = if interval.is_zero() { defaults.scrape_interval } else { interval };
        let inherited = defaults.scrape_timeout.unwrap_or(Duration::from_secs(10)).min(interval);
        let timeout = match self.scrape_timeout.as_ref() {
            None => inherited,
            Some(given) => {
                let timeout = duration(Some(given), inherited, problems);
                if timeout > interval {
                    let what = format!(
                        "scrape_timeout {} of job {job:?} is greater than its scrape_interval {}",
                        model::format_duration(timeout),
                        model::format_duration(interval),
                    );
                    problems.push(error(given, what, "lower it or remove it"));
                }
                timeout
            }
        };
        (interval, if timeout.is_zero() { inherited } else { timeout })
    }

    /// What is understood but not done.
    fn check_others(&self, problems: &mut Vec<Problem>) {
        for (kind, value) in self.others() {
            let what = format!("{kind}_sd_configs is not done yet: this discovery finds no targets");
            problems.push(finding(value, what, "use static_configs or file_sd_configs"));
        }
        if let Some(file) = self.scrape_failure_log_file.as_ref().filter(|file| !file.value.is_empty()) {
            let what =
                "scrape_failure_log_file is not written: failures are in the log and in /api/v1/targets";
            problems.push(finding(file, what, ""));
        }
        for (key, value) in [
            ("scrape_native_histograms", &self.scrape_native_histograms),
            ("convert_classic_histograms_to_nhcb", &self.convert_classic_histograms_to_nhcb),
        ] {
            if let Some(value) = value.as_ref().filter(|value| value.value) {
                let what = format!("{key} is not done: histograms are stored in their classic form");
                problems.push(finding(value, what, ""));
            }
        }
    }
}

fn rooted(path: String) -> String {
    if path.starts_with('/') { path } else { format!("/{path}") }
}
