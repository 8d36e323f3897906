//! `tocsin.yml`: the raw form of every top-level key, and the checked form of the sections that belong to no
//! other crate.

use super::prometheus::{bad_duration, error};
use super::yaml;
use alerts::{
    AlertsConfig, EscalationConfig, InhibitRuleConfig, OnCallConfig, RouteConfig, TimeIntervalConfig,
};
use collect::config::ScrapeConfig;
use collect::probe::ProbeConfig;
use model::Problem;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use server::limits::{Network, Networks, Rates};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The raw form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TocsinConfig {
    pub(super) listen: Option<Vec<Spanned<String>>>,
    pub(super) external_url: Option<Spanned<String>>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) log: Option<LogConfig>,
    pub(super) auth: Option<AuthConfig>,
    pub(super) limits: Option<LimitsConfig>,
    pub(super) include: Option<IncludeConfig>,
    pub(super) scrape_configs: Option<Vec<Spanned<Option<ScrapeConfig>>>>,
    pub(super) rule_files: Option<Vec<Spanned<String>>>,
    pub(super) probes: Option<Vec<Spanned<Option<ProbeConfig>>>>,
    pub(super) route: Option<RouteConfig>,
    pub(super) receivers: Option<Vec<Spanned<notify::ReceiverConfig>>>,
    pub(super) time_intervals: Option<Vec<TimeIntervalConfig>>,
    pub(super) inhibit_rules: Option<Vec<InhibitRuleConfig>>,
    pub(super) alerts: Option<AlertsConfig>,
    pub(super) escalations: Option<Vec<EscalationConfig>>,
    pub(super) on_call: Option<Vec<OnCallConfig>>,
    pub(super) packs: Option<BTreeMap<String, PackParams>>,
    pub(super) runbooks: Option<Vec<Spanned<String>>>,
    pub(super) tools: Option<Vec<worker::ToolConfig>>,
    pub(super) kinds: Option<BTreeMap<String, KindConfig>>,
    pub(super) workers: Option<WorkersConfig>,
    pub(super) series: Option<SeriesConfig>,
    pub(super) rules: Option<RulesConfig>,
    pub(super) approvals: Option<ApprovalsConfig>,
    pub(super) retention: Option<RetentionConfig>,
    pub(super) monitoring: Option<super::thresholds::MonitoringConfig>,
    pub(super) thresholds: Option<Vec<Spanned<Option<rules::threshold::ThresholdConfig>>>>,
}

/// What is declared of a kind of work that has no tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindConfig {
    schema: Spanned<Value>,
}

/// A pack's parameters; nothing means the defaults.
type PackParams = Spanned<Option<BTreeMap<String, Value>>>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogConfig {
    file: Option<PathBuf>,
    format: Option<Spanned<String>>,
    level: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthConfig {
    mode: Option<Spanned<String>>,
    open_reads: Option<bool>,
    trusted_proxies: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsConfig {
    body_max: Option<Spanned<String>>,
    bulk_body_max: Option<Spanned<String>>,
    queries_max: Option<usize>,
    query_timeout: Option<Spanned<String>>,
    query_samples_max: Option<usize>,
    queue_max: Option<usize>,
    ageing: Option<Spanned<String>>,
    alerts_max: Option<usize>,
    rates: Option<RatesConfig>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RatesConfig {
    enabled: Option<bool>,
    tasks: Option<Spanned<u32>>,
    events: Option<Spanned<u32>>,
    approvals: Option<Spanned<u32>>,
    stats: Option<Spanned<u32>>,
    others: Option<Spanned<u32>>,
    per_hour: Option<Spanned<u32>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IncludeConfig {
    pub(super) prometheus: Option<Spanned<PathBuf>>,
    pub(super) alertmanager: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkersConfig {
    slots: Option<Spanned<usize>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeriesConfig {
    retention: Option<Spanned<String>>,
    memory_budget: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesConfig {
    on_arrival: Option<bool>,
    evaluation_interval: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalsConfig {
    own: Option<bool>,
    on_expiry: Option<Spanned<String>>,
    expires_after: Option<Spanned<String>>,
    history: Option<Spanned<String>>,
    history_max: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetentionConfig {
    runs: Option<Spanned<String>>,
    alerts: Option<Spanned<String>>,
    audit: Option<Spanned<String>>,
    events: Option<Spanned<String>>,
    logs: Option<Spanned<String>>,
}

/// How long the file says that history is kept; `None` leaves each class at its variable or default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Runs that ended.
    pub runs: Option<Duration>,
    /// Whom alerts were told to.
    pub alerts: Option<Duration>,
    /// Lines of the audit log.
    pub audit: Option<Duration>,
    /// Events that were published.
    pub events: Option<Duration>,
    /// Lines that attempts wrote.
    pub logs: Option<Duration>,
}

/// What the file says of approvals; `None` leaves each at its variable or default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals {
    /// Whether who asks for a P0 task may approve it too.
    pub own: bool,
    /// What happens to work on which nobody decided in time.
    pub on_expiry: Option<model::OnExpiry>,
    /// For how long an approval waits.
    pub lifetime: Option<Duration>,
    /// For how long a decided one is kept.
    pub history_ttl: Option<Duration>,
    /// How many decided ones are kept.
    pub history_max: Option<usize>,
}

/// How and where log lines are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Instead of stderr.
    pub file: Option<PathBuf>,
    /// `json` or `text`, if the file says.
    pub format: Option<String>,
    /// `debug`, `info`, `warning` or `error`, if the file says.
    pub level: Option<String>,
}

/// Who may ask without a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthRules {
    /// `auth.mode: required`: nobody; `local`: callers on this machine. `None`: the file does not say.
    pub required: Option<bool>,
    /// Whether reading is open to all.
    pub open_reads: bool,
    /// Proxies that may say whom they speak for.
    pub trusted_proxies: Networks,
}

/// Bounds an operator may move; `None` leaves each at its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_max: Option<usize>,
    /// Bytes of the body of a bulk request.
    pub bulk_body_max: Option<usize>,
    /// Expressions evaluated at once.
    pub queries_max: Option<usize>,
    /// How long an expression may take.
    pub query_timeout: Option<Duration>,
    /// Samples an expression may load.
    pub query_samples_max: Option<usize>,
    /// Runs that may wait.
    pub queue_max: Option<usize>,
    /// How long a run waits until it counts as one priority higher.
    pub ageing: Option<Duration>,
    /// Alerts kept at once.
    pub alerts_max: Option<usize>,
    /// How often clients may ask.
    pub rates: Option<Rates>,
}

/// How series are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesSettings {
    /// For how long.
    pub retention: Duration,
    /// In how many bytes of memory at most, if the file says.
    pub memory_budget: Option<u64>,
}

/// What is the same for all rules.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSettings {
    /// Whether alerting rules are also evaluated when samples arrive.
    pub on_arrival: bool,
    /// How often, where a group does not say.
    pub evaluation_interval: Duration,
    /// How far back, where a group does not say.
    pub query_offset: Duration,
    /// For templates, and on alerts that leave.
    pub external_labels: model::Labels,
}

impl TocsinConfig {
    pub(super) fn listen(&self, problems: &mut Vec<Problem>) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        for text in self.listen.iter().flatten() {
            match listen_address(&text.value) {
                Ok(address) if addresses.contains(&address) => {
                    problems.push(error(text, format!("{address} is listed twice in listen"), "remove one"));
                }
                Ok(address) => addresses.push(address),
                Err(what) => {
                    problems.push(error(text, what, "write IP:PORT, such as 127.0.0.1:8080 or 0.0.0.0:9093"))
                }
            }
        }
        addresses
    }

    pub(super) fn external_url(&self, problems: &mut Vec<Problem>) -> Option<String> {
        let text = self.external_url.as_ref()?;
        match external_url(&text.value) {
            Ok(url) => Some(url),
            Err(what) => {
                problems.push(error(
                    text,
                    what,
                    "write the address users type, such as https://tocsin.example.org",
                ));
                None
            }
        }
    }

    pub(super) fn log(&self, base: &Path, problems: &mut Vec<Problem>) -> Log {
        let log = self.log.clone().unwrap_or_default();
        Log {
            file: log.file.map(|file| base.join(file)),
            format: word(log.format, &["json", "text"], problems),
            level: word(log.level, &["debug", "info", "warning", "error"], problems),
        }
    }

    pub(super) fn auth(&self, problems: &mut Vec<Problem>) -> AuthRules {
        let auth = self.auth.clone().unwrap_or_default();
        AuthRules {
            required: word(auth.mode, &["local", "required"], problems).map(|mode| mode == "required"),
            open_reads: auth.open_reads.unwrap_or(false),
            trusted_proxies: networks(auth.trusted_proxies.as_deref().unwrap_or_default(), problems),
        }
    }

    pub(super) fn limits(&self, problems: &mut Vec<Problem>) -> Limits {
        let raw = self.limits.clone().unwrap_or_default();
        let small = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Limits {
            body_max: size(&raw.body_max, problems).map(small),
            bulk_body_max: size(&raw.bulk_body_max, problems).map(small),
            queries_max: raw.queries_max,
            query_timeout: duration(&raw.query_timeout, problems),
            query_samples_max: raw.query_samples_max,
            queue_max: raw.queue_max,
            ageing: duration(&raw.ageing, problems),
            alerts_max: raw.alerts_max,
            rates: raw.rates.map(|raw| rates(raw, problems)),
        }
    }

    pub(super) fn approvals(&self, problems: &mut Vec<Problem>) -> Approvals {
        let raw = self.approvals.clone().unwrap_or_default();
        let word = word(raw.on_expiry, &["approve", "reject"], problems);
        let mut above_zero = |text: &Option<Spanned<String>>, key: &str| {
            let span = duration(text, problems);
            if let Some(text) = text.as_ref().filter(|_| span == Some(Duration::ZERO)) {
                problems.push(error(text, format!("approvals.{key} is zero"), "write one such as 24h"));
            }
            span
        };
        Approvals {
            own: raw.own.unwrap_or(false),
            on_expiry: word.as_deref().and_then(model::OnExpiry::parse),
            lifetime: above_zero(&raw.expires_after, "expires_after"),
            history_ttl: above_zero(&raw.history, "history"),
            history_max: raw.history_max,
        }
    }

    pub(super) fn retention(&self, problems: &mut Vec<Problem>) -> Retention {
        let raw = self.retention.clone().unwrap_or_default();
        let mut kept = |text: &Option<Spanned<String>>, class: &str| {
            let kept = duration(text, problems);
            if let Some(text) = text.as_ref().filter(|_| kept.is_some_and(|kept| kept < MINUTE)) {
                let what = format!("retention.{class} is below one minute");
                problems.push(error(text, what, "write one such as 14d"));
            }
            kept
        };
        Retention {
            runs: kept(&raw.runs, "runs"),
            alerts: kept(&raw.alerts, "alerts"),
            audit: kept(&raw.audit, "audit"),
            events: kept(&raw.events, "events"),
            logs: kept(&raw.logs, "logs"),
        }
    }

    pub(super) fn kinds(&self, problems: &mut Vec<Problem>) -> BTreeMap<String, worker::Schema> {
        let mut schemas = BTreeMap::new();
        for (kind, config) in self.kinds.iter().flatten() {
            match worker::Schema::compile(&config.schema.value) {
                Ok(schema) => drop(schemas.insert(kind.clone(), schema)),
                Err(why) => {
                    let (line, column) = reach::config::place(config.schema.referenced);
                    let what = format!("the schema of {kind} is no JSON Schema: {why}");
                    problems.push(Problem::error(line, column, what, ""));
                }
            }
        }
        schemas
    }

    pub(super) fn slots(&self, problems: &mut Vec<Problem>) -> Option<usize> {
        let slots = self.workers.as_ref()?.slots.as_ref()?;
        if slots.value > 1024 {
            let what = format!("workers.slots is {}", slots.value);
            problems.push(error(slots, what, "write a number from 0 (others do all the work) to 1024"));
        }
        Some(slots.value)
    }

    pub(super) fn series(&self, included: Option<Duration>, problems: &mut Vec<Problem>) -> SeriesSettings {
        let raw = self.series.clone().unwrap_or_default();
        let retention = duration(&raw.retention, problems);
        if let Some(text) = raw.retention.as_ref().filter(|_| retention.is_some_and(|r| r < MINUTE)) {
            problems.push(error(text, "series.retention is below one minute", "write one such as 15d"));
        }
        SeriesSettings {
            retention: retention.or(included).unwrap_or(RETENTION),
            memory_budget: size(&raw.memory_budget, problems),
        }
    }

    pub(super) fn rules(&self, problems: &mut Vec<Problem>) -> (bool, Option<Duration>) {
        let raw = self.rules.clone().unwrap_or_default();
        let interval = duration(&raw.evaluation_interval, problems);
        if let Some(text) = raw.evaluation_interval.as_ref().filter(|_| interval == Some(Duration::ZERO)) {
            problems.push(error(text, "rules.evaluation_interval is zero", "write one such as 15s"));
        }
        (raw.on_arrival.unwrap_or(true), interval)
    }

    /// Policies, schedules and what holds for all routes, where the routes come from elsewhere.
    pub(super) fn beside_routes(&self, alerts: &mut alerts::Config, problems: &mut Vec<Problem>) {
        let escalations = self.escalations.as_deref().unwrap_or_default();
        let on_call = self.on_call.as_deref().unwrap_or_default();
        alerts.extend(escalations, on_call, self.alerts.as_ref(), problems);
    }
}

fn rates(raw: RatesConfig, problems: &mut Vec<Problem>) -> Rates {
    let mut limit = |given: Option<Spanned<u32>>| {
        let given = given?;
        if given.value == 0 {
            let what = "a limit of 0 lets nobody in";
            problems.push(error(&given, what, "write a number from 1, or limits.rates.enabled: false"));
        }
        Some(given.value)
    };
    Rates {
        enabled: raw.enabled.unwrap_or(true),
        per_minute: [raw.tasks, raw.events, raw.approvals, raw.stats, raw.others].map(&mut limit),
        per_hour: limit(raw.per_hour),
    }
}

fn networks(texts: &[Spanned<String>], problems: &mut Vec<Problem>) -> Networks {
    let mut read = |text: &Spanned<String>| {
        let network = Network::parse(&text.value);
        if network.is_none() {
            let what = format!("{:?} is neither an address nor a network", text.value);
            problems.push(error(text, what, "write one such as 10.0.0.7 or 10.0.0.0/8"));
        }
        network
    };
    Networks::new(texts.iter().filter_map(&mut read).collect())
}

/// How long series are kept unless something says otherwise.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

/// An address to listen on: `IP:PORT`, `localhost:PORT`, or `:PORT` for every interface.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = |text: &str| text.parse::<u16>().ok();
    let found = match text.rsplit_once(':') {
        Some(("", after)) => port(after).map(|port| (IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
        Some(("localhost", after)) => port(after).map(|port| (IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        _ => text.parse::<SocketAddr>().ok().map(|address| (address.ip(), address.port())),
    };
    found.map(SocketAddr::from).ok_or_else(|| format!("{text:?} is not an address to listen on"))
}

/// A URL of ours: http or https, a host, no query; without its final slash.
pub fn external_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.map_or("", |rest| rest.split('/').next().unwrap_or(""));
    if host.is_empty() || text.contains(['?', '#', ' ']) {
        return Err(format!("{text:?} is not an http or https URL without query"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn word(given: Option<Spanned<String>>, known: &[&str], problems: &mut Vec<Problem>) -> Option<String> {
    let given = given?;
    let lower = given.value.to_ascii_lowercase();
    if !known.contains(&lower.as_str()) {
        problems.push(error(
            &given,
            format!("unknown value {:?}", given.value),
            yaml::suggestion(&lower, known),
        ));
    }
    Some(lower)
}

fn duration(text: &Option<Spanned<String>>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let text = text.as_ref()?;
    model::parse_duration(&text.value).map_err(|why| problems.push(bad_duration(text, &why))).ok()
}

/// A number of bytes: `512MB`, `64KiB`, `1000000`; 1024 to the step.
fn size(text: &Option<Spanned<String>>, problems: &mut Vec<Problem>) -> Option<u64> {
    let text = text.as_ref()?;
    let digits = text.value.len() - text.value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.value.split_at(digits);
    let shift = match unit.trim().trim_end_matches('B').trim_end_matches('i') {
        "" => Some(0),
        "K" | "k" => Some(10),
        "M" => Some(20),
        "G" => Some(30),
        "T" => Some(40),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(shift).and_then(|(n, shift)| n.checked_mul(1 << shift));
    if bytes.is_none() {
        let what = format!("{:?} is not a size", text.value);
        problems.push(error(text, what, "write a number with a unit, such as 512MB"));
    }
    bytes
}
