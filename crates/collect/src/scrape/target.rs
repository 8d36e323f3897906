//! A target: what discovery found, what relabelling made of it, and how its last scrape went.

use super::cache::Cache;
use super::metadata::{self, Metadata};
use super::report::Report;
use super::tally::Tally;
use crate::config::Job;
use crate::relabel::{self, Fate};
use crate::view::{Health, TargetView};
use model::{INSTANCE, JOB, Labels, LabelsBuilder, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

pub(crate) const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const PATH: &str = "__metrics_path__";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PARAM_PREFIX: &str = "__param_";

/// What makes two targets the same across a reload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) job: String,
    pub(crate) url: String,
    pub(crate) labels: Labels,
}

impl Key {
    /// A stable number: decides the place of its scrapes within the interval.
    pub(crate) fn hash(&self) -> u64 {
        let text = [(JOB, self.job.as_str()), ("url", self.url.as_str())];
        self.labels.fingerprint() ^ Labels::from_pairs(text).fingerprint().rotate_left(1)
    }
}

/// What became of a discovered address.
pub(crate) enum Made {
    /// A target, how often it is scraped and how long that may take.
    Target { key: Key, interval: Duration, timeout: Duration },
    /// Relabelling dropped it.
    Dropped,
    /// It cannot be scraped, for this reason.
    Broken(String),
}

/// The labels that relabelling sees: the discovered ones and the job's settings.
pub(crate) fn discovered(job: &Job, address: &str, group: &Labels) -> Labels {
    let mut labels = group.builder();
    let mut default = |name: &str, value: String| {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    };
    default(JOB, job.name.clone());
    default(SCHEME, job.scheme.clone());
    default(PATH, job.metrics_path.clone());
    default(INTERVAL, model::format_duration(job.interval));
    default(TIMEOUT, model::format_duration(job.timeout));
    for (name, values) in &job.params {
        default(&format!("{PARAM_PREFIX}{name}"), values.first().cloned().unwrap_or_default());
    }
    labels.set(ADDRESS, address);
    labels.build()
}

/// Relabels a discovered address.
pub(crate) fn make(job: &Job, discovered: &Labels) -> Made {
    let mut labels = discovered.builder();
    if relabel::apply(&job.relabel, &mut labels) == Fate::Dropped {
        return Made::Dropped;
    }
    let address = labels.get(ADDRESS).to_owned();
    if address.is_empty() {
        return Made::Broken("no address: relabelling left __address__ empty".to_owned());
    }
    if address.contains('/') {
        return Made::Broken(format!("{address:?} is not a host and port"));
    }
    let time = |name: &str| match model::parse_duration(labels.get(name)) {
        Ok(time) if !time.is_zero() => Ok(time),
        Ok(_) => Err(format!("{name} is zero")),
        Err(why) => Err(format!("{name}: {why}")),
    };
    let (interval, timeout) = match (time(INTERVAL), time(TIMEOUT)) {
        (Ok(interval), Ok(timeout)) if timeout <= interval => (interval, timeout),
        (Ok(_), Ok(_)) => return Made::Broken(format!("{TIMEOUT} is greater than {INTERVAL}")),
        (Err(why), _) | (_, Err(why)) => return Made::Broken(why),
    };
    let url = url(job, &labels, &address);
    if labels.get(INSTANCE).is_empty() {
        labels.set(INSTANCE, address);
    }
    let labels = labels.build().filtered(|name| !name.starts_with("__"));
    Made::Target { key: Key { job: job.name.clone(), url, labels }, interval, timeout }
}

fn url(job: &Job, labels: &LabelsBuilder, address: &str) -> String {
    let mut params: BTreeMap<String, Vec<String>> = job.params.iter().cloned().collect();
    for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some(param) = name.strip_prefix(PARAM_PREFIX) {
            let values = params.entry(param.to_owned()).or_default();
            match values.first_mut() {
                Some(first) => *first = value.to_owned(),
                None => values.push(value.to_owned()),
            }
        }
    }
    let mut url = format!("{}://{address}{}", labels.get(SCHEME), labels.get(PATH));
    let mut sign = '?';
    for (name, value) in
        params.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
    {
        url.push(sign);
        sign = '&';
        encode(name, &mut url);
        url.push('=');
        encode(value, &mut url);
    }
    url
}

fn encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(byte)),
            b' ' => url.push('+'),
            _ => *url += &format!("%{byte:02X}"),
        }
    }
}

/// A target that has a loop.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) key: Key,
    /// Replaced when discovery finds the same target under other `__meta_` labels. Held for a clone.
    discovered: Mutex<Labels>,
    /// Held by the target's own loop while it reads a body, and by views of metadata.
    memory: Mutex<Memory>,
    /// Held for a copy.
    status: Mutex<Status>,
}

/// What a loop remembers between scrapes.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) cache: Cache,
    pub(crate) report: Report,
}

/// How the last scrape went, and all before it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    pub(crate) health: Health,
    pub(crate) last_error: String,
    pub(crate) last_scrape: Option<Timestamp>,
    pub(crate) last_duration: Duration,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) tally: Tally,
    /// Samples refused since the target began.
    pub(crate) refused: u64,
    pub(crate) cache_bytes: usize,
}

impl Target {
    pub(crate) fn new(key: Key, discovered: Labels) -> Target {
        Target { key, discovered: Mutex::new(discovered), memory: Mutex::default(), status: Mutex::default() }
    }

    pub(crate) fn set_discovered(&self, labels: Labels) {
        *lock(&self.discovered) = labels;
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        lock(&self.status)
    }

    pub(crate) fn metadata(&self) -> BTreeMap<String, Metadata> {
        metadata::read(&self.memory().cache)
    }

    pub(crate) fn view(&self) -> TargetView {
        let status = self.status().clone();
        TargetView {
            job: self.key.job.clone(),
            url: self.key.url.clone(),
            labels: self.key.labels.clone(),
            discovered: lock(&self.discovered).clone(),
            health: status.health,
            last_error: status.last_error,
            last_scrape: status.last_scrape,
            last_duration: status.last_duration,
            interval: status.interval,
            timeout: status.timeout,
            tally: status.tally,
            refused: status.refused,
            cache_bytes: status.cache_bytes,
        }
    }
}

/// A poisoned lock still holds a value that is whole: each holder replaces fields only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
