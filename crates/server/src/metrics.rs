//! The server's own figures. Every label has a bounded set of values: route templates, standard methods,
//! status codes, names of configured keys.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// The families of [`HttpMetrics::metrics`]: name, type, help.
pub const FAMILIES: &[(&str, &str, &str)] = &[
    (REQUESTS, "counter", "Requests answered, by method, route and status."),
    (DURATION, "histogram", "Time to answer a request; requests that wait for work are counted, not timed."),
    (REFUSALS, "counter", "Requests refused as the caller's fault, by reason and route."),
    (ERRORS, "counter", "Requests that failed as our fault, by kind and route."),
    (ATTEMPTS, "counter", "Credentials checked, by kind and result."),
    (REJECTIONS, "counter", "Tokens refused, by reason."),
    (KEY_REQUESTS, "counter", "Requests made with each API key."),
    (RATE_VIOLATIONS, "counter", "Requests refused because their client asks too often, by route."),
    (CORS_VIOLATIONS, "counter", "Requests of pages whose origin may not read."),
    (ISSUED, "counter", "Tokens issued, by type."),
    (REVOKED, "counter", "Revocations of tokens, by reason."),
    (SECURITY, "counter", "What a security review looks for, by type and severity."),
];

const REQUESTS: &str = "orchestrator_http_requests_total";
const DURATION: &str = "orchestrator_http_request_duration_seconds";
const REFUSALS: &str = "tocsin_http_refusals_total";
const ERRORS: &str = "orchestrator_errors_total";
const ATTEMPTS: &str = "orchestrator_authentication_attempts_total";
const REJECTIONS: &str = "orchestrator_token_rejections_total";
const KEY_REQUESTS: &str = "orchestrator_api_key_requests_total";
const RATE_VIOLATIONS: &str = "orchestrator_rate_limit_violations_total";
const CORS_VIOLATIONS: &str = "orchestrator_cors_violations_total";
const ISSUED: &str = "orchestrator_jwt_tokens_issued_total";
const REVOKED: &str = "orchestrator_jwt_tokens_revoked_total";
const SECURITY: &str = "orchestrator_security_events_total";

/// Upper bounds of the histogram, in seconds, with their text.
const BOUNDS: [(f64, &str); 13] = [
    (0.001, "0.001"),
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.25, "0.25"),
    (0.5, "0.5"),
    (1.0, "1"),
    (2.0, "2"),
    (3.0, "3"),
    (5.0, "5"),
    (10.0, "10"),
];

/// Takes one sample: its name, its labels, its value.
pub type Sink<'a> = dyn FnMut(&str, &[(&str, &str)], f64) + 'a;

/// A counter's family and labels.
type Counter = (&'static str, Vec<(&'static str, String)>);

/// Counts and times what the server does.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    /// Protects all of it; held for one update or one reading.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By method and status, then by route: looked up without making a key.
    requests: BTreeMap<(&'static str, u16), BTreeMap<String, Timed>>,
    counters: BTreeMap<Counter, u64>,
}

#[derive(Debug, Default)]
struct Timed {
    count: u64,
    timed: u64,
    seconds: f64,
    buckets: [u64; BOUNDS.len()],
}

impl HttpMetrics {
    /// Writes every sample as name, labels, value.
    pub fn metrics(&self, out: &mut Sink<'_>) {
        let inner = self.lock();
        for (method, status, endpoint, timed) in
            inner.requests.iter().flat_map(|((method, status), routes)| {
                routes.iter().map(move |(endpoint, timed)| (method, status, endpoint, timed))
            })
        {
            let status = status.to_string();
            let labels =
                [("method", *method), ("endpoint", endpoint.as_str()), ("status_code", status.as_str())];
            out(REQUESTS, &labels, timed.count as f64);
            let with_le = |le| [labels[0], labels[1], labels[2], ("le", le)];
            let mut below = 0;
            for ((_, text), count) in BOUNDS.iter().zip(timed.buckets) {
                below += count;
                out(&format!("{DURATION}_bucket"), &with_le(text), below as f64);
            }
            out(&format!("{DURATION}_bucket"), &with_le("+Inf"), timed.timed as f64);
            out(&format!("{DURATION}_sum"), &labels, timed.seconds);
            out(&format!("{DURATION}_count"), &labels, timed.timed as f64);
        }
        for ((name, labels), value) in &inner.counters {
            let labels: Vec<_> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
            out(name, &labels, *value as f64);
        }
    }

    /// One answered request; `took` is `None` for one that waited for work.
    pub(crate) fn request(&self, method: &'static str, endpoint: &str, status: u16, took: Option<Duration>) {
        let mut inner = self.lock();
        let routes = inner.requests.entry((method, status)).or_default();
        if !routes.contains_key(endpoint) {
            routes.insert(endpoint.to_owned(), Timed::default());
        }
        let Some(timed) = routes.get_mut(endpoint) else { return };
        timed.count += 1;
        if let Some(took) = took.map(|took| took.as_secs_f64()) {
            timed.timed += 1;
            timed.seconds += took;
            if let Some(bucket) = BOUNDS.iter().position(|(bound, _)| took <= *bound) {
                timed.buckets[bucket] += 1;
            }
        }
    }

    /// One request that was not done: by the caller's fault below status 500, by ours from there.
    pub(crate) fn failed(&self, status: u16, kind: &str, endpoint: &str) {
        let endpoint = ("endpoint", endpoint.to_owned());
        match status {
            500.. => self.count(ERRORS, vec![("error_type", kind.to_owned()), endpoint]),
            _ => self.count(REFUSALS, vec![("reason", kind.to_owned()), endpoint]),
        }
    }

    pub(crate) fn authenticated(&self, by: &'static str, name: &str, is_key: bool) {
        self.count(ATTEMPTS, vec![("method", by.to_owned()), ("result", "success".to_owned())]);
        if is_key {
            self.count(KEY_REQUESTS, vec![("key_name", name.to_owned())]);
        }
    }

    pub(crate) fn rejected(&self, by: &'static str, reason: &'static str) {
        self.count(ATTEMPTS, vec![("method", by.to_owned()), ("result", "failure".to_owned())]);
        if by == "jwt" {
            self.count(REJECTIONS, vec![("reason", reason.to_owned())]);
        }
        if by != "none" {
            self.security("authentication_failed", "medium");
        }
    }

    /// A request of a client that asks too often.
    pub(crate) fn rate_violation(&self, endpoint: &str) {
        self.count(RATE_VIOLATIONS, vec![("endpoint", endpoint.to_owned())]);
        self.security("rate_limit_exceeded", "low");
    }

    /// A request of a page whose origin may not read.
    pub(crate) fn cors_violation(&self) {
        self.count(CORS_VIOLATIONS, Vec::new());
        self.security("cors_violation", "low");
    }

    /// A token of a type was issued.
    pub(crate) fn issued(&self, token_type: &'static str) {
        self.count(ISSUED, vec![("token_type", token_type.to_owned())]);
    }

    /// A token or all of somebody's were revoked.
    pub(crate) fn revoked(&self, reason: &'static str) {
        self.count(REVOKED, vec![("reason", reason.to_owned())]);
    }

    /// Something that a security review looks for.
    pub(crate) fn security(&self, event_type: &'static str, severity: &'static str) {
        let labels = vec![("event_type", event_type.to_owned()), ("severity", severity.to_owned())];
        self.count(SECURITY, labels);
    }

    fn count(&self, name: &'static str, labels: Vec<(&'static str, String)>) {
        *self.lock().counters.entry((name, labels)).or_default() += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_timed_and_cumulative() {
        let metrics = HttpMetrics::default();
        metrics.request("GET", "/health", 200, Some(Duration::from_millis(3)));
        metrics.request("GET", "/health", 200, Some(Duration::from_secs(20)));
        metrics.request("GET", "/health", 200, None);
        metrics.failed(503, "unavailable", "/tasks");
        let mut got = BTreeMap::new();
        metrics.metrics(&mut |name, labels, value| {
            let le = labels.iter().find(|(n, _)| *n == "le").map_or("", |(_, v)| v);
            got.insert(format!("{name} {le}"), value);
        });
        for (sample, want) in [
            ("orchestrator_http_requests_total ", 3.0),
            ("orchestrator_http_request_duration_seconds_bucket 0.001", 0.0),
            ("orchestrator_http_request_duration_seconds_bucket 0.005", 1.0),
            ("orchestrator_http_request_duration_seconds_bucket 10", 1.0),
            ("orchestrator_http_request_duration_seconds_bucket +Inf", 2.0),
            ("orchestrator_http_request_duration_seconds_count ", 2.0),
            ("orchestrator_errors_total ", 1.0),
        ] {
            assert_eq!(got.get(sample), Some(&want), "{sample}");
        }
    }
}
