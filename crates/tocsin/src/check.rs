//! `tocsin check`: what is wrong in a file, where, and what would be right.
//!
//! One file is one case: it passes if nothing is wrong with it (with `strict`: if nothing is worth a look).

use crate::config::{self, Files, Kind, Report};
use model::{Level, Problem};
use std::path::{Path, PathBuf};

/// How strictly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Also open the files that `prometheus.yml` and `alertmanager.yml` name.
    pub files: bool,
    /// Findings count as errors.
    pub strict: bool,
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckResult {
    /// For standard output: `FILE:LINE:COL: error|finding: WHAT; TRY`.
    pub lines: Vec<String>,
    /// Files with nothing wrong.
    pub passed: usize,
    /// Files with something wrong.
    pub failed: usize,
    /// Files that were not looked at.
    pub skipped: usize,
}

impl CheckResult {
    /// The closing line, for standard error.
    pub fn summary(&self) -> String {
        format!("TOTAL: {} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }

    /// The exit code: 1 if anything failed.
    pub fn code(&self) -> u8 {
        u8::from(self.failed > 0)
    }
}

/// Reads `[KIND] FILE...`: the first word is a kind unless a file has that name.
pub fn arguments(words: &[String]) -> (Option<Kind>, Vec<PathBuf>) {
    let kind = words.first().and_then(|word| kind(word)).filter(|_| words.len() > 1);
    let files = words.iter().skip(usize::from(kind.is_some())).map(PathBuf::from);
    (kind, files.collect())
}

/// A kind's word.
pub fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "config" => Kind::Config,
        "prometheus" => Kind::Prometheus,
        "rules" => Kind::Rules,
        "alertmanager" => Kind::Alertmanager,
        "pack" => Kind::Pack,
        _ => return None,
    })
}

/// Checks each file; without a kind, by what its top-level keys tell.
pub fn check(kind: Option<Kind>, files: &[PathBuf], options: &Options) -> CheckResult {
    check_with(kind, files, options, &|name| std::env::var(name).ok())
}

/// As [`check`], with variables from `env`.
pub fn check_with(
    kind: Option<Kind>,
    files: &[PathBuf],
    options: &Options,
    env: &dyn Fn(&str) -> Option<String>,
) -> CheckResult {
    let mut result = CheckResult::default();
    for path in files {
        let opened = if options.files { Files::Open } else { Files::Leave };
        let report = config::judge(kind.unwrap_or_else(|| guess(path)), path, opened, env);
        let failed = report.has_errors() || (options.strict && report.count(Level::Finding) > 0);
        result.lines.extend(lines(&report));
        if failed {
            result.failed += 1;
        } else {
            result.passed += 1;
        }
    }
    result
}

/// The report's lines, files in the order in which they came up, each from top to bottom.
fn lines(report: &Report) -> Vec<String> {
    let mut order: Vec<&str> = Vec::new();
    for (file, _) in &report.problems {
        if !order.contains(&file.as_str()) {
            order.push(file);
        }
    }
    let mut sorted: Vec<&(String, Problem)> = report.problems.iter().collect();
    let place = |file: &str| order.iter().position(|known| *known == file);
    sorted.sort_by_key(|(file, problem)| (place(file), problem.line, problem.column));
    sorted.into_iter().map(|(file, problem)| line(file, problem)).collect()
}

/// One line; a problem of the whole file stands at its start.
fn line(file: &str, problem: &Problem) -> String {
    let problem = Problem { line: problem.line.max(1), column: problem.column.max(1), ..problem.clone() };
    // What files and readers say goes to a terminal.
    format!("{file}:{problem}").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What a file is, by its name and its top-level keys.
fn guess(path: &Path) -> Kind {
    if path.is_dir() || path.file_name().is_some_and(|name| name == "pack.yml") {
        return Kind::Pack;
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let has = |keys: &[&str]| {
        let key = |line: &str| line.split_once(':').map(|(key, _)| key.trim().to_owned());
        text.lines().filter_map(key).any(|key| keys.contains(&key.as_str()))
    };
    let ours = ["listen", "packs", "probes", "include", "data_dir", "runbooks", "workers", "series"];
    let tops: Vec<&str> = text.lines().filter(|line| !line.starts_with([' ', '#', '-'])).collect();
    let top =
        |keys: &[&str]| tops.iter().any(|line| keys.iter().any(|key| line.starts_with(&format!("{key}:"))));
    if top(&ours) {
        Kind::Config
    } else if top(&["groups"]) {
        Kind::Rules
    } else if top(&[
        "scrape_configs",
        "rule_files",
        "alerting",
        "remote_write",
        "scrape_config_files",
        "storage",
    ]) {
        Kind::Prometheus
    } else if top(&["route", "receivers", "inhibit_rules", "time_intervals", "templates"]) {
        Kind::Alertmanager
    } else if top(&["global"]) && has(&["scrape_interval", "evaluation_interval", "external_labels"]) {
        Kind::Prometheus
    } else {
        Kind::Config
    }
}
