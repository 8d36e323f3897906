//! `prometheus.yml`: read and judged as Prometheus's own loader judges it, then turned into what we collect and
//! evaluate. What is understood but not done yet is a finding, never silence.

use super::report::Report;
use super::text::Text;
use super::{paths, yaml};
use collect::config::{GlobalConfig, Job, ScrapeConfig};
use model::{Labels, Problem};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

type Section = Option<Spanned<Option<BTreeMap<String, Value>>>>;
type Sections = Option<Vec<Spanned<Option<BTreeMap<String, Value>>>>>;

/// The raw form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrometheusConfig {
    global: Option<GlobalConfig>,
    runtime: Section,
    alerting: Option<Spanned<AlertingConfig>>,
    rule_files: Option<Vec<Spanned<String>>>,
    scrape_config_files: Option<Vec<Spanned<String>>>,
    scrape_configs: Option<Vec<Spanned<Option<ScrapeConfig>>>>,
    storage: Option<Spanned<Option<StorageConfig>>>,
    tracing: Section,
    remote_write: Sections,
    remote_read: Sections,
    otlp: Section,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlertingConfig {
    alert_relabel_configs: Option<Vec<Spanned<Option<collect::relabel::RawRule>>>>,
    alertmanagers: Sections,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StorageConfig {
    tsdb: Option<TsdbConfig>,
    exemplars: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TsdbConfig {
    out_of_order_time_window: Option<Spanned<String>>,
    stale_series_compaction_threshold: Option<f64>,
    retention: Option<RetentionConfig>,
    chunk_encoding: Option<EncodingConfig>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionConfig {
    time: Option<Spanned<String>>,
    size: Option<Spanned<String>>,
    percentage: Option<Spanned<f64>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodingConfig {
    floats: Option<Spanned<String>>,
}

/// A file that `scrape_config_files` names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScrapeFile {
    scrape_configs: Option<Vec<Spanned<Option<ScrapeConfig>>>>,
}

/// The checked form.
#[derive(Debug, Clone, Default)]
pub struct Prometheus {
    /// Jobs, those of `scrape_config_files` included.
    pub jobs: Vec<Job>,
    /// Files that hold rules.
    pub rule_files: Vec<PathBuf>,
    /// How often rules are evaluated where a group does not say.
    pub evaluation_interval: Option<Duration>,
    /// How far back rules look where a group does not say.
    pub query_offset: Duration,
    /// On every alert that leaves.
    pub external_labels: Labels,
    /// How long series are kept, if the file says.
    pub retention: Option<Duration>,
}

/// Reads and checks a file that was opened.
pub fn resolve(text: &Text, report: &mut Report) -> Prometheus {
    let Some(raw) = yaml::read::<PrometheusConfig>(text, yaml::Booleans::Loose, report) else {
        return Prometheus::default();
    };
    let mut problems = Vec::new();
    let global = raw.global.unwrap_or_default();
    let defaults = global.defaults(&mut problems);
    let mut jobs = Jobs::default();
    for entry in raw.scrape_configs.unwrap_or_default() {
        jobs.add(entry, &defaults, &text.base, &mut problems);
    }
    let patterns = raw.scrape_config_files.unwrap_or_default();
    check_patterns(&patterns, "scrape_config_files", &mut problems);
    let rule_patterns = raw.rule_files.unwrap_or_default();
    check_patterns(&rule_patterns, "rule_files", &mut problems);
    let retention =
        raw.storage.and_then(|storage| storage.value).and_then(|s| check_storage(s, &mut problems));
    check_alerting(raw.alerting, &mut problems);
    check_remote(raw.remote_write, "remote_write", &mut problems);
    check_remote(raw.remote_read, "remote_read", &mut problems);
    check_section(raw.otlp, "otlp", OTLP, &mut problems);
    check_section(raw.runtime, "runtime", &["gogc"], &mut problems);
    check_tracing(raw.tracing, &mut problems);
    let evaluation_interval = duration(&global.evaluation_interval, &mut problems).filter(|d| !d.is_zero());
    let query_offset = duration(&global.rule_query_offset, &mut problems).unwrap_or_default();
    let external_labels = external_labels(&global, &mut problems);
    text.report(problems, report);
    for pattern in &patterns {
        for path in paths::matching(&text.base, &pattern.value) {
            jobs.add_file(&path, &defaults, report);
        }
    }
    let rule_files = rule_files(text, &rule_patterns, report);
    Prometheus { jobs: jobs.jobs, rule_files, evaluation_interval, query_offset, external_labels, retention }
}

/// Jobs of all files together; a name may be used once.
#[derive(Debug, Default)]
pub struct Jobs {
    jobs: Vec<Job>,
    names: BTreeSet<String>,
}

impl Jobs {
    /// Starts with the names of jobs that exist already.
    pub fn after(known: &[Job]) -> Jobs {
        Jobs { jobs: Vec::new(), names: known.iter().map(|job| job.name.clone()).collect() }
    }

    /// Checks an entry and keeps it if it is sound.
    pub fn add(
        &mut self,
        entry: Spanned<Option<ScrapeConfig>>,
        defaults: &collect::config::Defaults,
        base: &Path,
        problems: &mut Vec<Problem>,
    ) {
        let at = reach::config::place(entry.referenced);
        let Some(raw) = entry.value else {
            let what = "empty entry in scrape_configs";
            problems.push(Problem::error(at.0, at.1, what, "remove it or add job_name: NAME"));
            return;
        };
        let named = raw.job_name.clone();
        if let Some(name) =
            named.filter(|name| !name.value.is_empty() && !self.names.insert(name.value.clone()))
        {
            let what = format!("there is more than one job with the name {:?}", name.value);
            problems.push(error(&name, what, "give each job_name once"));
        }
        self.jobs.extend(raw.resolve(at, defaults, base, problems));
    }

    fn add_file(&mut self, path: &Path, defaults: &collect::config::Defaults, report: &mut Report) {
        let text = match Text::read(path) {
            Ok(text) => text,
            Err(why) => {
                report.push(&path.display().to_string(), Problem::error(1, 1, why, ""));
                return;
            }
        };
        let Some(raw) = yaml::read::<ScrapeFile>(&text, yaml::Booleans::Loose, report) else { return };
        let mut problems = Vec::new();
        for entry in raw.scrape_configs.unwrap_or_default() {
            self.add(entry, defaults, &text.base, &mut problems);
        }
        text.report(problems, report);
    }

    /// The jobs that were added.
    pub fn into_jobs(self) -> Vec<Job> {
        self.jobs
    }
}

/// The files that patterns name. A name without wildcards that is no file is worth a look: upstream starts
/// without its rules.
pub fn rule_files(text: &Text, patterns: &[Spanned<String>], report: &mut Report) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for pattern in patterns {
        let found = paths::matching(&text.base, &pattern.value);
        if found.is_empty() && !paths::is_pattern(&pattern.value) {
            let (line, column) = reach::config::place(pattern.referenced);
            let what = format!("there is no rule file {}", text.base.join(&pattern.value).display());
            let remedy = "create it, or correct the path (relative to this file)";
            text.report(vec![Problem::finding(line, column, what, remedy)], report);
        }
        files.extend(found);
    }
    files.sort();
    files.dedup();
    files
}

/// As upstream: wildcards in the last part only, and a known ending after them.
fn check_patterns(patterns: &[Spanned<String>], key: &str, problems: &mut Vec<Problem>) {
    for pattern in patterns {
        let folder = pattern.value.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder.contains('*') {
            let what = format!("invalid path {:?} in {key}", pattern.value);
            problems.push(error(pattern, what, "use * only in the last part of a path"));
        }
    }
}

fn external_labels(global: &GlobalConfig, problems: &mut Vec<Problem>) -> Labels {
    let mut pairs = Vec::new();
    for (name, value) in global.external_labels.iter().flatten() {
        let classic = model::is_classic_label_name(name);
        let legacy =
            global.metric_name_validation_scheme.as_ref().is_some_and(|scheme| scheme.value == "legacy");
        if name.is_empty() || (legacy && !classic) {
            let what = format!("{name:?} is not a valid label name");
            problems.push(error(value, what, "use letters, digits and underscores"));
        }
        pairs.push((name.as_str(), value.value.as_str()));
    }
    Labels::from_pairs(pairs)
}

fn check_storage(storage: StorageConfig, problems: &mut Vec<Problem>) -> Option<Duration> {
    // Upstream keeps exemplars apart; we keep none, and the key says only how many.
    drop(storage.exemplars);
    let tsdb = storage.tsdb?;
    duration(&tsdb.out_of_order_time_window, problems);
    let floats = tsdb.chunk_encoding.and_then(|encoding| encoding.floats);
    if let Some(floats) = floats.filter(|floats| !matches!(floats.value.as_str(), "" | "xor" | "xor2")) {
        let what = format!("unknown chunk encoding {:?}", floats.value);
        problems.push(error(&floats, what, "known: xor, xor2; we compress in our own way"));
    }
    let _ = tsdb.stale_series_compaction_threshold;
    let retention = tsdb.retention?;
    if let Some(part) = retention.percentage.filter(|part| !(0.0..=100.0).contains(&part.value)) {
        problems.push(error(&part, "retention percentage is outside 0 to 100", "write a percentage"));
    }
    if let Some(size) = retention.size.filter(|size| size.value != "0") {
        let what = "storage.tsdb.retention.size is not acted on yet: series are kept by time";
        let (line, column) = reach::config::place(size.referenced);
        problems.push(Problem::finding(line, column, what, "set storage.tsdb.retention.time"));
    }
    duration(&retention.time, problems)
}

fn check_alerting(alerting: Option<Spanned<AlertingConfig>>, problems: &mut Vec<Problem>) {
    let Some(alerting) = alerting.map(|alerting| alerting.value) else { return };
    let rules =
        collect::relabel::resolve(alerting.alert_relabel_configs.clone(), "alert_relabel_configs", problems);
    if let Some(first) = alerting.alert_relabel_configs.iter().flatten().next().filter(|_| !rules.is_empty())
    {
        let (line, column) = reach::config::place(first.referenced);
        let what = "alert_relabel_configs are not acted on yet: alerts keep their labels";
        problems.push(Problem::finding(line, column, what, "set the labels in the rules"));
    }
    for entry in alerting.alertmanagers.iter().flatten() {
        let (line, column) = reach::config::place(entry.referenced);
        match &entry.value {
            None => problems.push(Problem::error(line, column, "empty entry in alertmanagers", "remove it")),
            Some(_) => {
                let what = "alerts go to Tocsin's own router only; this Alertmanager is not told";
                let remedy = "give its alertmanager.yml with --alertmanager-config";
                problems.push(Problem::finding(line, column, what, remedy));
            }
        }
    }
}

/// Keys of an HTTP client, beside a section's own.
const CLIENT: &[&str] = &[
    "basic_auth",
    "authorization",
    "oauth2",
    "bearer_token",
    "bearer_token_file",
    "tls_config",
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
    "follow_redirects",
    "enable_http2",
    "http_headers",
    "sigv4",
    "azuread",
    "google_iam",
];
const REMOTE_WRITE: &[&str] = &[
    "url",
    "remote_timeout",
    "headers",
    "write_relabel_configs",
    "name",
    "send_exemplars",
    "send_native_histograms",
    "round_robin_dns",
    "protobuf_message",
    "queue_config",
    "metadata_config",
];
const REMOTE_READ: &[&str] = &[
    "url",
    "remote_timeout",
    "chunked_read_limit",
    "headers",
    "read_recent",
    "name",
    "required_matchers",
    "filter_external_labels",
];
const OTLP: &[&str] = &[
    "promote_all_resource_attributes",
    "promote_resource_attributes",
    "ignore_resource_attributes",
    "translation_strategy",
    "keep_identifying_resource_attributes",
    "convert_histograms_to_nhcb",
    "promote_scope_metadata",
    "label_name_underscore_sanitization",
    "label_name_preserve_multiple_underscores",
];
const TRACING: &[&str] = &[
    "client_type",
    "endpoint",
    "sampling_fraction",
    "insecure",
    "tls_config",
    "headers",
    "compression",
    "timeout",
];

fn unknown_keys(
    (line, column): (u32, u32),
    map: &BTreeMap<String, Value>,
    known: &[&str],
    section: &str,
    problems: &mut Vec<Problem>,
) {
    for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
        let what = format!("unknown key {key:?} in {section}");
        problems.push(Problem::error(line, column, what, yaml::suggestion(key, known)));
    }
}

fn check_section(section: Section, name: &str, known: &[&str], problems: &mut Vec<Problem>) {
    let Some(section) = section else { return };
    let at = reach::config::place(section.referenced);
    let Some(map) = section.value else { return };
    unknown_keys(at, &map, known, name, problems);
    if name != "runtime" {
        let what = format!("{name} is not acted on yet");
        problems.push(Problem::finding(at.0, at.1, what, ""));
    }
}

fn check_tracing(section: Section, problems: &mut Vec<Problem>) {
    if let Some(map) = section.as_ref().and_then(|s| s.value.as_ref()) {
        let at = section.as_ref().map_or((0, 0), |s| reach::config::place(s.referenced));
        let headers = map.get("headers").and_then(Value::as_object).into_iter().flatten();
        for (name, _) in headers {
            let lower = name.to_ascii_lowercase();
            if lower == "authorization" || lower.starts_with("x-prometheus-remote-") || lower == "host" {
                let what = format!("the header {name:?} cannot be set in tracing");
                problems.push(Problem::error(at.0, at.1, what, "remove it"));
            }
        }
        if map.get("endpoint").and_then(Value::as_str).unwrap_or("").is_empty() {
            problems.push(Problem::error(at.0, at.1, "tracing has no endpoint", "add endpoint: HOST:PORT"));
        }
    }
    check_section(section, "tracing", TRACING, problems);
}

fn check_remote(sections: Sections, name: &str, problems: &mut Vec<Problem>) {
    let own = if name == "remote_write" { REMOTE_WRITE } else { REMOTE_READ };
    let known: Vec<&str> = own.iter().chain(CLIENT).copied().collect();
    let mut names = BTreeSet::new();
    for entry in sections.into_iter().flatten() {
        let at = reach::config::place(entry.referenced);
        let Some(map) = entry.value else {
            let what = format!("empty entry in {name}");
            problems.push(Problem::error(at.0, at.1, what, "remove it or add url:"));
            continue;
        };
        unknown_keys(at, &map, &known, name, problems);
        let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or("");
        let mut bad = |what: String, remedy: &str| problems.push(Problem::error(at.0, at.1, what, remedy));
        if text("url").is_empty() {
            bad(format!("the url of {name} is empty"), "add url:");
        }
        if !text("name").is_empty() && !names.insert(text("name").to_owned()) {
            bad(format!("{name} has more than one entry with the name {:?}", text("name")), "rename one");
        }
        let kinds =
            ["basic_auth", "authorization", "oauth2", "sigv4", "azuread", "google_iam", "bearer_token"];
        if kinds.iter().filter(|kind| map.get(**kind).is_some_and(|v| !v.is_null())).count() > 1 {
            bad(format!("{name} has more than one kind of credentials"), "keep one of them");
        }
        let queue =
            |key: &str| map.get("queue_config").and_then(|queue| queue.get(key)).and_then(Value::as_i64);
        for key in ["capacity", "max_shards", "min_shards", "max_samples_per_send"] {
            if queue(key).is_some_and(|n| n <= 0) {
                bad(format!("queue_config.{key} of {name} must be positive"), "raise it or remove it");
            }
        }
        if queue("min_shards").unwrap_or(1) > queue("max_shards").unwrap_or(50) {
            bad(format!("queue_config.min_shards of {name} is greater than max_shards"), "lower it");
        }
        let what = format!("{name} is not acted on yet: series stay on this machine");
        problems.push(Problem::finding(at.0, at.1, what, ""));
    }
}

fn duration(text: &Option<Spanned<String>>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let text = text.as_ref()?;
    match model::parse_duration(&text.value) {
        Ok(duration) => Some(duration),
        Err(why) => {
            problems.push(bad_duration(text, &why));
            None
        }
    }
}

/// A duration that is none.
pub fn bad_duration(text: &Spanned<String>, why: &model::DurationError) -> Problem {
    let remedy = "write a whole number with a unit, such as 30s, 5m or 1h30m";
    error(text, format!("{:?} is not a duration: {}", why.text, why.why), remedy)
}

pub(super) fn error<T>(at: &Spanned<T>, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    let (line, column) = reach::config::place(at.referenced);
    Problem::error(line, column, what, remedy)
}
