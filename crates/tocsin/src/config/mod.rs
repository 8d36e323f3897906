//! From files to everything the process runs with: `tocsin.yml`, `prometheus.yml`, `alertmanager.yml`, the rule
//! files, templates, runbooks and packs they name.
//!
//! Not here: flags (the caller lays them over [`Loaded`]), starting or changing anything. A load either gives a
//! whole configuration or a [`Report`] with every error found and its place; it never gives half of one.

mod alertmanager;
mod mask;
mod native;
mod packs;
mod paths;
mod prometheus;
mod report;
mod text;
mod thresholds;
mod yaml;

#[cfg(test)]
mod tests;

pub use alertmanager::{Files, Routing};
pub use native::{
    Approvals, AuthRules, Limits, Log, Retention, RuleSettings, SeriesSettings, external_url, listen_address,
};
pub use report::Report;
pub use thresholds::Monitoring;

use collect::config::{CollectConfig, Defaults, HostConfig};
use collect::probe::{Probe, ProbeConfig};
use model::Problem;
use native::TocsinConfig;
use prometheus::{Jobs, Prometheus};
use rules::GroupSpec;
use runbooks::Runbook;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use text::Text;

/// The files the operator named on the command line.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `tocsin.yml`.
    pub config: Option<PathBuf>,
    /// `prometheus.yml`; wins over the one `tocsin.yml` includes.
    pub prometheus: Option<PathBuf>,
    /// `alertmanager.yml`; wins over the one `tocsin.yml` includes.
    pub alertmanager: Option<PathBuf>,
}

/// Everything that files say, checked.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Where to listen; empty: the file does not say.
    pub listen: Vec<SocketAddr>,
    /// Our own address as users see it, no final slash.
    pub external_url: Option<String>,
    /// Where state is kept.
    pub data_dir: Option<PathBuf>,
    /// How and where log lines are written.
    pub log: Log,
    /// Who may ask without a credential.
    pub auth: AuthRules,
    /// Bounds.
    pub limits: Limits,
    /// What is scraped and probed, and whether this machine is read.
    pub collect: CollectConfig,
    /// Every rule group, packs' included.
    pub rule_groups: Vec<GroupSpec>,
    /// What is the same for all rules.
    pub rules: RuleSettings,
    /// Who is told of what; its `external_url` is that of the file, if any.
    pub alerts: alerts::Config,
    /// How they are told.
    pub receivers: notify::Receivers,
    /// Notification templates: name and text.
    pub templates: Vec<(String, String)>,
    /// How pages are diagnosed.
    pub runbooks: Vec<Runbook>,
    /// What the operator lets steps and tasks call by name.
    pub tools: worker::Tools,
    /// What is declared of kinds that have no tool.
    pub kinds: BTreeMap<String, worker::Schema>,
    /// Slots of the built-in worker, if the file says.
    pub slots: Option<usize>,
    /// How persons agree to work.
    pub approvals: Approvals,
    /// How long history is kept.
    pub retention: Retention,
    /// How series are kept.
    pub series: SeriesSettings,
    /// Thresholds.
    pub monitoring: Monitoring,
    /// The files as people may read them: secrets masked.
    pub shown: Shown,
    /// What is worth a look, though nothing is wrong.
    pub findings: Report,
}

/// The sections that both `tocsin.yml` and `alertmanager.yml` have.
const ROUTING: [&str; 4] = ["route", "receivers", "inhibit_rules", "time_intervals"];

/// Configuration texts with secrets masked.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// `tocsin.yml` and `prometheus.yml`, whichever there are.
    pub main: String,
    /// `alertmanager.yml`, or the sections of `tocsin.yml` that stand for it.
    pub alertmanager: String,
}

/// Reads everything that `sources` name, with variables from the environment.
pub fn load(sources: &Sources) -> Result<Loaded, Report> {
    load_with(sources, &|name| std::env::var(name).ok())
}

/// As [`load`], with variables from `env`.
pub fn load_with(sources: &Sources, env: text::Env<'_>) -> Result<Loaded, Report> {
    let mut load = Load { env, report: Report::default(), shown: Shown::default() };
    let loaded = load.run(sources);
    match loaded {
        Some(mut loaded) if !load.report.has_errors() => {
            loaded.shown = load.shown;
            loaded.findings = load.report;
            Ok(loaded)
        }
        _ => Err(load.report),
    }
}

struct Load<'a> {
    env: text::Env<'a>,
    report: Report,
    shown: Shown,
}

impl Load<'_> {
    fn run(&mut self, sources: &Sources) -> Option<Loaded> {
        let none = sources.config.is_none() && sources.prometheus.is_none() && sources.alertmanager.is_none();
        let (raw, text) = match &sources.config {
            Some(path) => self.native(path)?,
            None => (TocsinConfig::default(), Text::of("(no file)", Path::new(""), String::new())),
        };
        let mut problems = Vec::new();
        let include = raw.include.clone().unwrap_or_default();
        let included = |path: Option<Spanned<PathBuf>>| path.map(|path| text.base.join(path.value));
        let prometheus = sources.prometheus.clone().or_else(|| included(include.prometheus));
        let prometheus = prometheus.map(|path| self.prometheus(&path)).unwrap_or_default();
        let alertmanager = sources.alertmanager.clone().or_else(|| included(include.alertmanager));
        let routing = self.routing(alertmanager.as_deref(), &raw, &text, &mut problems);
        let (arrival, interval) = raw.rules(&mut problems);
        let rules = RuleSettings {
            on_arrival: arrival,
            evaluation_interval: interval.or(prometheus.evaluation_interval).unwrap_or(EVALUATION_INTERVAL),
            query_offset: prometheus.query_offset,
            external_labels: prometheus.external_labels.clone(),
        };
        let mut everything = Everything::new(prometheus);
        let mut jobs = Jobs::after(&everything.collect.jobs);
        for entry in raw.scrape_configs.clone().unwrap_or_default() {
            jobs.add(entry, &Defaults::default(), &text.base, &mut problems);
        }
        everything.collect.jobs.extend(jobs.into_jobs());
        everything.add_probes(raw.probes.clone().unwrap_or_default(), &mut problems);
        let policies = routing.as_ref().map(|routing| &routing.alerts.policies);
        everything.add_packs(&raw, &text, none, policies, &mut problems, &mut self.report);
        let tools = worker::Tools::resolve(raw.tools.as_deref().unwrap_or_default(), &mut problems);
        let limits = raw.limits(&mut problems);
        let loaded = Loaded {
            listen: raw.listen(&mut problems),
            external_url: raw.external_url(&mut problems),
            data_dir: raw.data_dir.clone().map(|dir| text.base.join(dir)),
            log: raw.log(&text.base, &mut problems),
            auth: raw.auth(&mut problems),
            slots: raw.slots(&mut problems),
            approvals: raw.approvals(&mut problems),
            retention: raw.retention(&mut problems),
            series: raw.series(everything.retention, &mut problems),
            monitoring: raw.monitoring(sources.config.is_none() && !none, &mut problems),
            collect: CollectConfig::default(),
            rule_groups: Vec::new(),
            rules,
            alerts: alerts::Config::to(alerts::ReceiverShape {
                name: String::new(),
                integrations: Vec::new(),
            }),
            receivers: notify::Receivers::default(),
            templates: Vec::new(),
            runbooks: Vec::new(),
            tools,
            kinds: raw.kinds(&mut problems),
            limits,
            shown: Shown::default(),
            findings: Report::default(),
        };
        check_named_files(&everything.collect, &routing, &text, &mut problems);
        everything.add_rule_files(&raw, &text, &mut problems, &mut self.report);
        everything.add_runbooks(&raw, &text, &mut problems, &mut self.report);
        text.report(problems, &mut self.report);
        Some(everything.into_loaded(loaded, routing?))
    }

    fn open(&mut self, path: &Path) -> Option<Text> {
        match Text::read(path) {
            Ok(text) => Some(text),
            Err(why) => {
                let remedy = "correct the path, or create the file";
                self.report.push(&path.display().to_string(), Problem::error(1, 1, why, remedy));
                None
            }
        }
    }

    fn native(&mut self, path: &Path) -> Option<(TocsinConfig, Text)> {
        let text = self.open(path)?;
        self.shown.main.push_str(&mask::masked(&text.filled));
        let text = text.fill(self.env, &mut self.report);
        if self.report.has_errors() {
            return None;
        }
        let raw = yaml::read::<TocsinConfig>(&text, yaml::Booleans::Strict, &mut self.report)?;
        Some((raw, text))
    }

    fn prometheus(&mut self, path: &Path) -> Prometheus {
        let Some(text) = self.open(path) else { return Prometheus::default() };
        self.shown.main.push_str(&mask::masked(&text.filled));
        prometheus::resolve(&text, &mut self.report)
    }

    /// Routing comes whole from one file.
    fn routing(
        &mut self,
        path: Option<&Path>,
        raw: &TocsinConfig,
        file: &Text,
        problems: &mut Vec<Problem>,
    ) -> Option<Routing> {
        let own = raw.route.is_some() || raw.receivers.is_some() || raw.inhibit_rules.is_some();
        let Some(path) = path else {
            if raw.route.is_none() {
                // Receivers without a route are checked, and everything goes to the console.
                let receivers: Vec<_> = raw.receivers.iter().flatten().map(|r| r.value.clone()).collect();
                let global = notify::GlobalConfig::default();
                let receivers = notify::Receivers::resolve(&global, &receivers, &file.base, problems);
                check_files(receivers.files().into_iter(), file, problems);
                let mut routing = Routing::console();
                raw.beside_routes(&mut routing.alerts, problems);
                return Some(routing);
            }
            self.shown.alertmanager = mask::sections(&self.shown.main, &ROUTING);
            let parts = alertmanager::Parts {
                global: notify::GlobalConfig::default(),
                route: raw.route.clone(),
                inhibit_rules: raw.inhibit_rules.clone().unwrap_or_default(),
                receivers: raw.receivers.clone().unwrap_or_default(),
                time_intervals: raw.time_intervals.clone().unwrap_or_default(),
                mute_time_intervals: Vec::new(),
                escalations: raw.escalations.clone().unwrap_or_default(),
                on_call: raw.on_call.clone().unwrap_or_default(),
                alerts: raw.alerts.clone(),
            };
            let (alerts, receivers) = alertmanager::resolve_parts(&parts, &file.base, problems)?;
            return Some(Routing { alerts, receivers, templates: Vec::new() });
        };
        if own || raw.time_intervals.is_some() {
            let at = raw.receivers.iter().flatten().next().map(|r| reach::config::place(r.referenced));
            let (line, column) = at.unwrap_or((0, 0));
            let what = format!("routing is given here and in {}", path.display());
            let remedy = "keep route, receivers, inhibit_rules and time_intervals in one of the two files";
            problems.push(Problem::error(line, column, what, remedy));
        }
        let text = self.open(path)?;
        self.shown.alertmanager = mask::masked(&text.filled);
        let mut routing = alertmanager::resolve(&text, Files::Open, &mut self.report)?;
        raw.beside_routes(&mut routing.alerts, problems);
        Some(routing)
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `tocsin.yml`.
    Config,
    /// `prometheus.yml`.
    Prometheus,
    /// A rule file.
    Rules,
    /// `alertmanager.yml`.
    Alertmanager,
    /// A pack's folder or its `pack.yml`.
    Pack,
}

/// Judges one file. `tocsin.yml` is judged with everything it names; the others open what they name only if
/// `files` says so.
pub fn judge(kind: Kind, path: &Path, files: Files, env: text::Env<'_>) -> Report {
    let mut load = Load { env, report: Report::default(), shown: Shown::default() };
    match kind {
        Kind::Config => {
            let sources = Sources { config: Some(path.to_owned()), ..Sources::default() };
            return load_with(&sources, env).map_or_else(|report| report, |loaded| loaded.findings);
        }
        Kind::Prometheus => {
            let Some(text) = load.open(path) else { return load.report };
            let found = prometheus::resolve(&text, &mut load.report);
            if files == Files::Open {
                let mut everything = Everything::new(found);
                let mut problems = Vec::new();
                check_named_files(&everything.collect, &None, &text, &mut problems);
                everything.add_rule_files(&TocsinConfig::default(), &text, &mut problems, &mut load.report);
                text.report(problems, &mut load.report);
            }
        }
        Kind::Rules => {
            let Some(text) = load.open(path) else { return load.report };
            let (_, problems) = rules::read_file(&text.name, &text.filled, rules::Names::Utf8);
            text.report(problems, &mut load.report);
        }
        Kind::Alertmanager => {
            let Some(text) = load.open(path) else { return load.report };
            let routing = alertmanager::resolve(&text, files, &mut load.report);
            if files == Files::Open {
                let mut problems = Vec::new();
                check_named_files(&CollectConfig::default(), &routing, &text, &mut problems);
                text.report(problems, &mut load.report);
            }
        }
        Kind::Pack => match packs::Pack::read(path) {
            Ok(pack) => {
                let mut everything = Everything::new(Prometheus::default());
                let filled = pack.fill(&BTreeMap::new(), (0, 0), &mut Vec::new());
                everything.add_pack(&pack.name, filled, None, &mut load.report);
            }
            Err(why) => load.report.push(&path.display().to_string(), Problem::error(1, 1, why, "")),
        },
    }
    load.report
}

/// The routing of an `alertmanager.yml` alone, or everything that is wrong with it.
pub fn routing_of(path: &Path) -> Result<Routing, Report> {
    let mut load = Load { env: &|_| None, report: Report::default(), shown: Shown::default() };
    let routing =
        load.open(path).and_then(|text| alertmanager::resolve(&text, Files::Leave, &mut load.report));
    routing.filter(|_| !load.report.has_errors()).ok_or(load.report)
}

/// How often rules are evaluated where nothing says; Prometheus's is a minute, which is long when one sleeps.
const EVALUATION_INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);

/// What several files add to.
#[derive(Debug)]
struct Everything {
    collect: CollectConfig,
    probe_names: BTreeSet<String>,
    groups: Vec<GroupSpec>,
    rule_files: Vec<PathBuf>,
    runbooks: Vec<Runbook>,
    runbook_names: BTreeSet<String>,
    retention: Option<std::time::Duration>,
    /// Escalation policies that packs name, by alert.
    policies: BTreeMap<String, String>,
}

/// The parts of a `pack.yml` that act.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackConfig {
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(rename = "about")]
    _about: Option<IgnoredAny>,
    #[serde(rename = "params")]
    _params: Option<IgnoredAny>,
    probes: Option<Vec<Spanned<Option<ProbeConfig>>>>,
    scrape_configs: Option<Vec<Spanned<Option<collect::config::ScrapeConfig>>>>,
    escalation: Option<String>,
}

impl Everything {
    fn new(prometheus: Prometheus) -> Everything {
        Everything {
            collect: CollectConfig { jobs: prometheus.jobs, probes: Vec::new(), host: None },
            probe_names: BTreeSet::new(),
            groups: Vec::new(),
            rule_files: prometheus.rule_files,
            runbooks: Vec::new(),
            runbook_names: BTreeSet::new(),
            retention: prometheus.retention,
            policies: BTreeMap::new(),
        }
    }

    fn add_probes(&mut self, entries: Vec<Spanned<Option<ProbeConfig>>>, problems: &mut Vec<Problem>) {
        for entry in entries {
            let at = reach::config::place(entry.referenced);
            let Some(raw) = entry.value else {
                problems.push(Problem::error(
                    at.0,
                    at.1,
                    "empty entry in probes",
                    "remove it or add name: NAME",
                ));
                continue;
            };
            let Some(probe): Option<Probe> = raw.resolve(at, problems) else { continue };
            if !self.probe_names.insert(probe.name.clone()) {
                let what = format!("there is more than one probe with the name {:?}", probe.name);
                problems.push(Problem::error(at.0, at.1, what, "give each a name of its own"));
            }
            self.collect.probes.push(probe);
        }
    }

    /// The packs a file names; without any file, Tocsin itself and this machine.
    fn add_packs(
        &mut self,
        raw: &TocsinConfig,
        text: &Text,
        none: bool,
        policies: Option<&alerts::Policies>,
        problems: &mut Vec<Problem>,
        report: &mut Report,
    ) {
        let default: BTreeMap<String, Value> = BTreeMap::new();
        let own = ["tocsin", "host"].map(|name| (name.to_owned(), (default.clone(), (0, 0))));
        let wanted: Vec<_> = match &raw.packs {
            None if none => own.into(),
            packs => {
                let packs = packs.iter().flatten();
                let given = packs.map(|(name, params)| {
                    let at = key_place(text, name, reach::config::place(params.referenced));
                    (name.clone(), (params.value.clone().unwrap_or_default(), at))
                });
                given.collect()
            }
        };
        for (name, (mut params, at)) in wanted {
            let escalation = params.remove("escalation");
            let Some(pack) = packs::find(&name) else {
                let what = format!("there is no pack {name:?}");
                problems.push(Problem::error(at.0, at.1, what, yaml::suggestion(&name, &packs::names())));
                continue;
            };
            let filled = pack.fill(&params, at, problems);
            let escalation = escalation.map(|value| value.as_str().unwrap_or_default().to_owned());
            if let (Some(policy), Some(known)) = (&escalation, policies)
                && policy != "none"
                && !known.contains_key(policy)
            {
                let what = format!("pack {name} names the escalation {policy:?}, which is not defined");
                let known: Vec<&str> = known.keys().map(String::as_str).collect();
                problems.push(Problem::error(
                    at.0,
                    at.1,
                    what,
                    format!("use one of: none, {}", known.join(", ")),
                ));
            }
            self.add_pack(&name, filled, escalation, report);
        }
    }

    /// Adds a pack; `escalation` is the policy for its alerts, if the file says so rather than the pack.
    fn add_pack(
        &mut self,
        name: &str,
        pack: packs::Filled,
        mut escalation: Option<String>,
        report: &mut Report,
    ) {
        if name == "host" {
            self.collect.host = Some(HostConfig::default());
        }
        let mut problems = Vec::new();
        let mut inside = Report::default();
        if let Some(head) = yaml::read::<PackConfig>(&pack.head, yaml::Booleans::Strict, &mut inside) {
            escalation = escalation.or(head.escalation);
            self.add_probes(head.probes.unwrap_or_default(), &mut problems);
            let mut jobs = Jobs::after(&self.collect.jobs);
            for entry in head.scrape_configs.unwrap_or_default() {
                jobs.add(entry, &Defaults::default(), Path::new(""), &mut problems);
            }
            self.collect.jobs.extend(jobs.into_jobs());
        }
        problems.extend(inside.problems.into_iter().map(|(_, problem)| problem));
        packs::report_inside(&pack.head, problems, report);
        if let Some(rules) = &pack.rules {
            match rules::parse_file(&rules.name, &rules.filled) {
                Ok(groups) => {
                    let rules = groups.iter().flat_map(|group| &group.rules);
                    let alerts = rules.filter(|rule| matches!(rule.kind, rules::RuleKind::Alerting { .. }));
                    if let Some(policy) = escalation.filter(|policy| policy != "none") {
                        self.policies.extend(alerts.map(|rule| (rule.name.clone(), policy.clone())));
                    }
                    self.groups.extend(groups);
                }
                Err(problems) => packs::report_inside(rules, problems, report),
            }
        }
        for runbook in &pack.runbooks {
            match runbook_of(runbook) {
                Ok(runbook) => self.runbooks.push(runbook),
                Err(problems) => packs::report_inside(runbook, problems, report),
            }
        }
    }

    fn add_rule_files(
        &mut self,
        raw: &TocsinConfig,
        text: &Text,
        problems: &mut Vec<Problem>,
        report: &mut Report,
    ) {
        for pattern in raw.rule_files.iter().flatten() {
            let found = named_files(pattern, "rule file", text, problems);
            self.rule_files.extend(found);
        }
        let mut seen = BTreeSet::new();
        for path in std::mem::take(&mut self.rule_files) {
            if !seen.insert(path.clone()) {
                continue;
            }
            let file = match Text::read(&path) {
                Ok(file) => file,
                Err(why) => {
                    report.push(&path.display().to_string(), Problem::error(1, 1, why, ""));
                    continue;
                }
            };
            let (groups, problems) = rules::read_file(&file.name, &file.filled, rules::Names::Utf8);
            self.groups.extend(groups);
            file.report(problems, report);
        }
    }

    fn add_runbooks(
        &mut self,
        raw: &TocsinConfig,
        text: &Text,
        problems: &mut Vec<Problem>,
        report: &mut Report,
    ) {
        for pattern in raw.runbooks.iter().flatten() {
            for path in named_files(pattern, "runbook", text, problems) {
                let file = match Text::read(&path) {
                    Ok(file) => file,
                    Err(why) => {
                        report.push(&path.display().to_string(), Problem::error(1, 1, why, ""));
                        continue;
                    }
                };
                if !self.runbook_names.insert(file.name.clone()) {
                    continue;
                }
                match runbook_of(&file) {
                    Ok(runbook) => self.runbooks.push(runbook),
                    Err(problems) => file.report(problems, report),
                }
            }
        }
    }

    fn into_loaded(self, shell: Loaded, routing: Routing) -> Loaded {
        let mut alerts = routing.alerts;
        if let Some(url) = &shell.external_url {
            alerts.external_url.clone_from(url);
        }
        if let Some(max) = shell.limits.alerts_max {
            alerts.alerts_max = max;
        }
        alerts.pack_policies = self.policies;
        Loaded {
            collect: self.collect,
            rule_groups: self.groups,
            runbooks: self.runbooks,
            alerts,
            receivers: routing.receivers,
            templates: routing.templates,
            ..shell
        }
    }
}

/// The kinds of work that a runbook's steps may use: each of them is a kind in an operator's hands.
const STEP_KINDS: [&str; 9] =
    ["command", "file", "http", "noop", "process", "promql", "redis", "sql", "wait"];

/// A runbook whose steps can all be done, or everything that is wrong with it.
fn runbook_of(text: &Text) -> Result<Runbook, Vec<Problem>> {
    let runbook = runbooks::parse(&text.name, &text.filled)?;
    let unknown = runbook.steps().filter(|step| !STEP_KINDS.contains(&step.uses.as_str()));
    let problem = |step: &runbooks::Step| {
        let what = format!("step {:?} uses {:?}, which is no kind of work", step.id, step.uses);
        Problem::error(step.place.0, step.place.1, what, yaml::suggestion(&step.uses, &STEP_KINDS))
    };
    let problems: Vec<Problem> = unknown.map(problem).collect();
    if problems.is_empty() { Ok(runbook) } else { Err(problems) }
}

/// The files that a pattern of `tocsin.yml` names; it must name one at least.
fn named_files(
    pattern: &Spanned<String>,
    kind: &str,
    text: &Text,
    problems: &mut Vec<Problem>,
) -> Vec<PathBuf> {
    let found = paths::matching(&text.base, &pattern.value);
    if found.is_empty() {
        let what = format!("there is no {kind} {}", text.base.join(&pattern.value).display());
        problems.push(prometheus::error(
            pattern,
            what,
            "create it, or correct the path (relative to this file)",
        ));
    }
    found
}

/// Secret and certificate files that `tocsin.yml` or a file it includes names must exist.
fn check_named_files(
    collect: &CollectConfig,
    routing: &Option<Routing>,
    text: &Text,
    problems: &mut Vec<Problem>,
) {
    let jobs = collect.jobs.iter().flat_map(|job| job.access.files());
    let receivers = routing.iter().flat_map(|routing| routing.receivers.files());
    check_files(jobs.chain(receivers), text, problems);
}

fn check_files<'a>(paths: impl Iterator<Item = &'a Path>, text: &Text, problems: &mut Vec<Problem>) {
    let missing: BTreeSet<&Path> = paths.filter(|path| !path.is_file()).collect();
    for path in missing {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let remedy = "create it, or correct the path (relative to this file)";
        let what = format!("there is no file {}", path.display());
        problems.push(match find_text(text, &name) {
            Some((line, column)) => Problem::error(line, column, what, remedy),
            // It is an included file's: upstream starts without it, so do we.
            None => Problem::finding(0, 0, what, remedy),
        });
    }
}

/// Where a value that ends with the file name `name` begins.
fn find_text(text: &Text, name: &str) -> Option<(u32, u32)> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let begins = |c: char| " \"'[,".contains(c);
    let ends = |rest: &str| rest.chars().next().is_none_or(|c| " \"'],}#".contains(c));
    for (i, line) in text.filled.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
        let mut places = line.match_indices(name).map(|(at, _)| at);
        let found = places.find(|at| {
            let alone = line[..*at].ends_with(|c| begins(c) || c == '/') || *at == 0;
            alone && ends(&line[at + name.len()..])
        });
        if let Some(at) = found {
            let start = line[..at].rfind(begins).map_or(0, |at| at + 1);
            return Some((number(i + 1), number(line[..start].chars().count() + 1)));
        }
    }
    None
}

/// Where the key of a value stands, which is at or above the value.
fn key_place(text: &Text, key: &str, value: (u32, u32)) -> (u32, u32) {
    let lines: Vec<&str> = text.filled.lines().take(value.0.max(1) as usize).collect();
    for (i, line) in lines.iter().enumerate().rev() {
        let trimmed = line.trim_start().trim_start_matches(['"', '\'']);
        let named = trimmed
            .strip_prefix(key)
            .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'));
        if named {
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            return (number(i + 1), number(line.len() - line.trim_start().len() + 1));
        }
    }
    value
}
