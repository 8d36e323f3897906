//! What the files say about collecting, and what of it is wrong.
//!
//! Raw forms take every key of Prometheus's manual, so that an existing file is judged as its own loader judges
//! it; what we do not do yet is a finding, never silence. Checked forms are what the loops run on.

mod discovery;
mod global;
mod job;
mod protocol;
mod scrape;
#[cfg(test)]
mod tests;

pub use discovery::{FilePattern, FileSdConfig, StaticConfig, StaticGroup};
pub use global::{Defaults, GlobalConfig};
pub use job::Job;
pub use protocol::Protocol;
pub use scrape::ScrapeConfig;

use model::Problem;
use serde_saphyr::Spanned;
use std::time::Duration;

/// Everything that is to be collected.
#[derive(Debug, Clone, Default)]
pub struct CollectConfig {
    /// Jobs whose targets are scraped.
    pub jobs: Vec<Job>,
    /// Services that are probed.
    pub probes: Vec<crate::probe::Probe>,
    /// Whether and how this machine is read.
    pub host: Option<HostConfig>,
}

/// How this machine is read.
#[derive(Debug, Clone, PartialEq)]
pub struct HostConfig {
    /// How often.
    pub interval: Duration,
    /// On every series; usually `job` and `instance`.
    pub labels: model::Labels,
}

impl Default for HostConfig {
    /// Each 15 s, as job `host` and under the machine's name.
    fn default() -> HostConfig {
        let labels = [(model::JOB, "host".to_owned()), (model::INSTANCE, crate::host::hostname())];
        HostConfig { interval: Duration::from_secs(15), labels: model::Labels::from_pairs(labels) }
    }
}

/// Where a value stands in its file: line and column.
pub(crate) fn place<T>(value: &Spanned<T>) -> (u32, u32) {
    reach::config::place(value.referenced)
}

pub(crate) fn error<T>(value: &Spanned<T>, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    let (line, column) = place(value);
    Problem::error(line, column, what, remedy)
}

pub(crate) fn finding<T>(value: &Spanned<T>, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    let (line, column) = place(value);
    Problem::finding(line, column, what, remedy)
}

/// A duration, or `default` if it is not given or (which is a problem) is none.
pub(crate) fn duration(
    given: Option<&Spanned<String>>,
    default: Duration,
    problems: &mut Vec<Problem>,
) -> Duration {
    let Some(text) = given else { return default };
    match model::parse_duration(&text.value) {
        Ok(duration) => duration,
        Err(why) => {
            problems.push(error(text, why.to_string(), ""));
            default
        }
    }
}

/// A number of bytes such as `15MB`, with 1024 to the step; `0` is none.
pub(crate) fn bytes(given: Option<&Spanned<String>>, default: u64, problems: &mut Vec<Problem>) -> u64 {
    let Some(text) = given else { return default };
    parse_bytes(&text.value).unwrap_or_else(|| {
        let what = format!("{:?} is not a size", text.value);
        problems.push(error(text, what, "try a number with a unit, such as 512KB or 15MB"));
        default
    })
}

fn parse_bytes(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let number: f64 = text[..digits].parse().ok()?;
    let shift = match text[digits..].replace("iB", "B").as_str() {
        "B" => 0,
        "KB" | "kB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        "PB" => 50,
        "EB" => 60,
        _ => return None,
    };
    Some((number * (1u64 << shift) as f64) as u64)
}
