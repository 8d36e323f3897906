//! The variables of the environment that `tocsin serve` knows: one table, checked as a whole before anything starts.
//!
//! A variable that is set does what the table says, or the start is refused with its name and what would be right,
//! or (where what it turns does not exist here) the log says why it has no effect. An empty one counts as not set.

use anyhow::{Result, bail};
use server::{
    Cors, USUAL_ORIGINS,
    auth::{LIFE_MAX, Lives},
    limits::{Group, Rates},
};
use std::{collections::BTreeMap, time::Duration};

/// One variable.
pub struct Variable {
    /// Its name; one that ends with `<NAME>` stands for all that begin so.
    pub name: &'static str,
    /// What holds where it is not set; empty: nothing.
    pub usual: &'static str,
    form: Form,
    effect: Effect,
}

/// What its value must look like.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// Anything; whoever reads it says more.
    Text,
    /// A whole number in this range.
    Whole(u64, u64),
    /// A number of seconds in this range, fractions allowed.
    Seconds(f64, f64),
    /// `true` or `false`.
    Switch,
    /// A time zone by its name; POSIX lets a colon stand before it.
    Zone,
    /// One of these, in any case.
    OneOf(&'static [&'static str]),
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    /// What its name says.
    Holds,
    /// Nothing, for this reason, which the log gives.
    Idle(&'static str),
}

const fn holds(name: &'static str, usual: &'static str, form: Form) -> Variable {
    Variable { name, usual, form, effect: Effect::Holds }
}

const fn idle(name: &'static str, usual: &'static str, form: Form, why: &'static str) -> Variable {
    Variable { name, usual, form, effect: Effect::Idle(why) }
}

const DAY: f64 = 86_400.0;
const YEARS: u64 = 10 * 366 * 86_400;
const PER_MINUTE: Form = Form::Whole(1, 1_000_000);
const LEVELS: Form = Form::OneOf(&["debug", "info", "warning", "warn", "error", "critical"]);
const NO_POLLING: &str = "workers are woken when there is work; nobody polls";
const NO_SWEEPER: &str = "each lease has its own timer; nothing is swept";
const IN_A_FILE: &str = "pages leave through receivers: name it in tocsin.yml as ${NAME}";
const NO_REDIS_QUEUE: &str = "the queue is kept in the embedded store, which has no prefix";
const NO_TRACES: &str = "only errors are told to Sentry, all of them, no traces and no profiles";
const NO_SESSIONS: &str = "there are no sessions of users here";

/// Every variable, in the order in which the manual shows them.
pub const VARIABLES: &[Variable] = &[
    // Where, and who.
    holds("PORT", "", Form::Whole(0, 65_535)),
    holds("ORCHESTRATOR_PORT", "", Form::Whole(0, 65_535)),
    holds("ENVIRONMENT", "production", Form::Text),
    holds("ORCHESTRATOR_JWT_SECRET", "", Form::Text),
    holds("JWT_SECRET_KEY", "", Form::Text),
    holds("JWT_ALGORITHM", "HS256", Form::OneOf(&["HS256"])),
    holds("JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "60", Form::Whole(1, 43_200)),
    holds("JWT_REFRESH_TOKEN_EXPIRE_DAYS", "30", Form::Whole(1, 30)),
    holds("ORCHESTRATOR_API_KEYS", "", Form::Text),
    holds("ORCHESTRATOR_API_KEY_<NAME>", "", Form::Text),
    holds("ORCHESTRATOR_CORS_ORIGINS", USUAL_ORIGINS, Form::Text),
    holds("CORS_ORIGINS", USUAL_ORIGINS, Form::Text),
    // How often, how much.
    holds("RATE_LIMIT_ENABLED", "true", Form::Switch),
    holds("ORCHESTRATOR_RATE_LIMIT_TASKS", "10", PER_MINUTE),
    holds("ORCHESTRATOR_RATE_LIMIT_EVENTS", "20", PER_MINUTE),
    holds("ORCHESTRATOR_RATE_LIMIT_APPROVALS", "5", PER_MINUTE),
    holds("ORCHESTRATOR_RATE_LIMIT_STATS", "30", PER_MINUTE),
    holds("MAX_REQUESTS_PER_MINUTE", "60", PER_MINUTE),
    holds("RATE_LIMIT_PER_MINUTE", "60", PER_MINUTE),
    holds("MAX_REQUESTS_PER_HOUR", "", Form::Whole(1, 100_000_000)),
    holds("MAX_REQUEST_SIZE", "10485760", Form::Whole(1024, 1 << 30)),
    // The queue.
    holds("REDIS_URL", "", Form::Text),
    idle("ORCHESTRATOR_QUEUE_PREFIX", "orchestrator", Form::Text, NO_REDIS_QUEUE),
    holds("ORCHESTRATOR_TASK_TTL", "", Form::Whole(1, YEARS)),
    holds("ORCHESTRATOR_APPROVAL_TIMEOUT", "86400", Form::Whole(1, YEARS)),
    holds("ORCHESTRATOR_APPROVAL_HISTORY_TTL", "2592000", Form::Whole(1, YEARS)),
    holds("ORCHESTRATOR_MAX_APPROVAL_HISTORY", "1000", Form::Whole(1, 1_000_000)),
    holds("TZ", "UTC", Form::Zone),
    holds("SCHEDULER_MISFIRE_GRACE_TIME", "", Form::Seconds(0.0, DAY)),
    idle("SCHEDULER_MAX_WORKERS", "10", Form::Whole(1, 10_000), "one thread decides all schedules"),
    holds("TOCSIN_EVENTS_RETENTION", "86400", Form::Whole(1, YEARS)),
    holds("TOCSIN_EVENTS_MAX", "10000", Form::Whole(1, 1_000_000)),
    holds("TOCSIN_EVENTS_RECENT", "32768", Form::Whole(1, 1_000_000)),
    // Workers.
    holds("WORKER_LEASE_SECONDS", "60", Form::Seconds(0.1, DAY)),
    holds("WORKER_SHUTDOWN_TIMEOUT", "30", Form::Seconds(0.0, DAY)),
    holds("WORKER_MAX_LEASES", "16", Form::Whole(0, 1024)),
    holds("WORKER_LOG_LEVEL", "info", LEVELS),
    holds("WORKER_BACKOFF_BASE", "1", Form::Seconds(0.001, DAY)),
    holds("WORKER_BACKOFF_MAX", "60", Form::Seconds(0.001, DAY)),
    holds("WORKER_MAX_PROCESSING_TIME", "3600", Form::Seconds(1.0, DAY)),
    idle("WORKER_POLL_INTERVAL", "0.5", Form::Seconds(0.0, DAY), NO_POLLING),
    idle(
        "WORKER_HEARTBEAT_INTERVAL",
        "30",
        Form::Seconds(0.1, DAY),
        "a worker beats at a third of its lease; set WORKER_LEASE_SECONDS",
    ),
    idle("WORKER_CLEANUP_INTERVAL", "300", Form::Seconds(0.1, DAY), NO_SWEEPER),
    holds("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "10", Form::Whole(1, 10_000)),
    holds("CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "90", Form::Seconds(0.1, DAY)),
    // Thresholds.
    holds("ALERT_ERROR_RATE_ENABLED", "true", Form::Switch),
    holds("ALERT_ERROR_RATE_THRESHOLD", "5.0", Form::Seconds(0.0, 100.0)),
    holds("ALERT_RESPONSE_TIME_ENABLED", "true", Form::Switch),
    holds("ALERT_RESPONSE_TIME_THRESHOLD", "2000.0", Form::Seconds(0.0, 1e9)),
    holds("ALERT_MEMORY_ENABLED", "true", Form::Switch),
    holds("ALERT_MEMORY_THRESHOLD", "80.0", Form::Seconds(0.0, 100.0)),
    holds("ALERT_CIRCUIT_BREAKER_ENABLED", "true", Form::Switch),
    holds("MONITORING_EVALUATION_INTERVAL", "60", Form::Seconds(1.0, DAY)),
    // What is seen.
    holds("LOG_LEVEL", "info", LEVELS),
    holds("LOG_FORMAT", "json", Form::OneOf(&["json", "text", "console"])),
    holds("HEALTH_CHECK_TIMEOUT", "5", Form::Seconds(0.1, 60.0)),
    holds("TOCSIN_DISCOVER", "on", Form::Text),
    idle("SLACK_WEBHOOK_URL", "", Form::Text, IN_A_FILE),
    idle("ALERT_EMAIL", "", Form::Text, IN_A_FILE),
    idle("ALERT_SLACK_CHANNEL", "", Form::Text, IN_A_FILE),
    idle("MAILTRAP_API_TOKEN", "", Form::Text, IN_A_FILE),
    holds("SENTRY_DSN", "", Form::Text),
    idle("SENTRY_TRACES_SAMPLE_RATE", "0.1", Form::Seconds(0.0, 1.0), NO_TRACES),
    idle("SENTRY_PROFILES_SAMPLE_RATE", "0.1", Form::Seconds(0.0, 1.0), NO_TRACES),
    holds("APP_VERSION", "", Form::Text),
    idle("SESSION_RETENTION_DAYS", "7", Form::Whole(1, 3660), NO_SESSIONS),
];

/// What the environment says, checked.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those of this process. A name or value that is no text is of no use to us.
    pub fn of_process() -> Result<Variables> {
        let texts = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Variables::read(texts)
    }

    /// Takes those that are set and not empty. The error names every one that is wrong and what would be right.
    pub fn read(environment: impl IntoIterator<Item = (String, String)>) -> Result<Variables> {
        let given = environment.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let given = Variables(given);
        let mut problems: Vec<String> = VARIABLES.iter().filter_map(|known| given.fault(known)).collect();
        if given.0.contains_key("UPSTASH_REDIS_REST_URL") && given.text("REDIS_URL").is_none() {
            problems.push(
                "UPSTASH_REDIS_REST_URL is set and REDIS_URL is not: Redis is asked over its own protocol; set \
                 REDIS_URL to the rediss:// address of the same database"
                    .to_owned(),
            );
        }
        if !problems.is_empty() {
            bail!("{}", problems.join("\n        "));
        }
        Ok(given)
    }

    fn fault(&self, known: &Variable) -> Option<String> {
        let value = self.0.get(known.name)?.trim();
        let (fits, right) = match known.form {
            Form::Text => return None,
            Form::Whole(least, most) => (
                value.parse().is_ok_and(|n: u64| (least..=most).contains(&n)),
                format!("a whole number from {least} to {most}"),
            ),
            Form::Seconds(least, most) => (
                value.parse().is_ok_and(|n: f64| (least..=most).contains(&n)),
                format!("a number from {least} to {most}"),
            ),
            Form::Switch => (switch(value).is_some(), "true or false".to_owned()),
            Form::Zone => (
                tasks::schedule::zone(value.trim_start_matches(':')).is_ok(),
                "a time zone's IANA name such as Europe/Berlin".to_owned(),
            ),
            Form::OneOf(words) => (
                words.iter().any(|word| word.eq_ignore_ascii_case(value)),
                format!("one of {}", words.join(", ")),
            ),
        };
        let shown: String = value.chars().take(40).collect();
        let hint = if known.name.contains("RATE_LIMIT") && value == "0" {
            "; RATE_LIMIT_ENABLED=false lifts all limits"
        } else {
            ""
        };
        let usual = match known.usual {
            "" => String::new(),
            usual => format!("; left out it is {usual}"),
        };
        (!fits).then(|| format!("{}={shown} is not {right}{usual}{hint}", known.name))
    }

    /// Those that are set and have no effect, and why.
    pub fn idle(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        VARIABLES.iter().filter_map(|known| match known.effect {
            Effect::Idle(why) if self.0.contains_key(known.name) => Some((known.name, why)),
            _ => None,
        })
    }

    /// A value, if it is set.
    pub fn text(&self, name: &str) -> Option<&str> {
        debug_assert!(VARIABLES.iter().any(|known| known.name == name), "{name} is not in the table");
        self.0.get(name).map(String::as_str)
    }

    /// A whole number, if it is set.
    pub fn whole(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    /// A number, if it is set.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.trim().parse().ok()
    }

    /// True or false, if it is set.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.text(name).and_then(switch)
    }

    /// All of them, for whoever looks for names that it makes up itself.
    pub fn all(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone()))
    }

    /// The secret that signs tokens and the variable it came from.
    pub fn jwt_secret(&self) -> Option<(&'static str, &str)> {
        ["ORCHESTRATOR_JWT_SECRET", "JWT_SECRET_KEY"]
            .into_iter()
            .find_map(|name| self.text(name).map(|secret| (name, secret)))
    }

    /// How long tokens are good.
    pub fn lives(&self) -> Lives {
        let usual = Lives::default();
        let times = |name, secs| self.whole(name).map(|n| Duration::from_secs(n * secs));
        Lives {
            access: times("JWT_ACCESS_TOKEN_EXPIRE_MINUTES", 60).unwrap_or(usual.access).min(LIFE_MAX),
            refresh: times("JWT_REFRESH_TOKEN_EXPIRE_DAYS", 86_400).unwrap_or(usual.refresh).min(LIFE_MAX),
            issued: usual.issued,
        }
    }

    /// Which pages may read, and what is wrong with entries that were left out.
    pub fn cors(&self) -> (Cors, Vec<String>) {
        let given =
            ["ORCHESTRATOR_CORS_ORIGINS", "CORS_ORIGINS"].into_iter().find_map(|name| self.text(name));
        Cors::parse(given.unwrap_or(USUAL_ORIGINS))
    }

    /// How often clients may ask: these over those of the file.
    pub fn rates(&self, file: &Rates) -> Rates {
        let limit = |names: &[&str]| {
            names.iter().find_map(|name| self.whole(name)).and_then(|n| u32::try_from(n).ok())
        };
        let of = |group| match group {
            Group::Tasks => limit(&["ORCHESTRATOR_RATE_LIMIT_TASKS"]),
            Group::Events => limit(&["ORCHESTRATOR_RATE_LIMIT_EVENTS"]),
            Group::Approvals => limit(&["ORCHESTRATOR_RATE_LIMIT_APPROVALS"]),
            Group::Stats => limit(&["ORCHESTRATOR_RATE_LIMIT_STATS"]),
            Group::Others => limit(&["MAX_REQUESTS_PER_MINUTE", "RATE_LIMIT_PER_MINUTE"]),
        };
        Rates {
            enabled: self.text("RATE_LIMIT_ENABLED").and_then(switch).unwrap_or(file.enabled),
            per_minute: Group::ALL.map(|group| of(group).or(file.per_minute[group.index()])),
            per_hour: limit(&["MAX_REQUESTS_PER_HOUR"]).or(file.per_hour),
        }
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Variables> {
        Variables::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    /// The documents' own tables: the deployment guide, the worker's settings, the monitoring guide.
    #[test]
    fn every_variable_of_the_documents_is_known() {
        for name in "ORCHESTRATOR_JWT_SECRET ORCHESTRATOR_API_KEYS ORCHESTRATOR_API_KEY_<NAME> REDIS_URL \
            ORCHESTRATOR_CORS_ORIGINS CORS_ORIGINS ORCHESTRATOR_RATE_LIMIT_TASKS ORCHESTRATOR_RATE_LIMIT_EVENTS \
            ORCHESTRATOR_RATE_LIMIT_APPROVALS ORCHESTRATOR_RATE_LIMIT_STATS ENVIRONMENT LOG_LEVEL \
            ORCHESTRATOR_QUEUE_PREFIX ORCHESTRATOR_TASK_TTL ORCHESTRATOR_APPROVAL_TIMEOUT \
            ORCHESTRATOR_APPROVAL_HISTORY_TTL ORCHESTRATOR_MAX_APPROVAL_HISTORY HEALTH_CHECK_TIMEOUT \
            ORCHESTRATOR_PORT SENTRY_DSN SLACK_WEBHOOK_URL ALERT_EMAIL ALERT_SLACK_CHANNEL MAILTRAP_API_TOKEN \
            WORKER_LEASE_SECONDS WORKER_POLL_INTERVAL WORKER_HEARTBEAT_INTERVAL WORKER_BACKOFF_BASE \
            WORKER_BACKOFF_MAX WORKER_MAX_LEASES WORKER_CLEANUP_INTERVAL WORKER_MAX_PROCESSING_TIME \
            WORKER_SHUTDOWN_TIMEOUT WORKER_LOG_LEVEL SCHEDULER_MISFIRE_GRACE_TIME SCHEDULER_MAX_WORKERS TZ \
            JWT_SECRET_KEY JWT_ALGORITHM RATE_LIMIT_ENABLED MAX_REQUESTS_PER_MINUTE MAX_REQUESTS_PER_HOUR \
            MAX_REQUEST_SIZE SENTRY_TRACES_SAMPLE_RATE SENTRY_PROFILES_SAMPLE_RATE APP_VERSION LOG_FORMAT PORT \
            RATE_LIMIT_PER_MINUTE CIRCUIT_BREAKER_FAILURE_THRESHOLD CIRCUIT_BREAKER_RECOVERY_TIMEOUT \
            SESSION_RETENTION_DAYS ALERT_ERROR_RATE_ENABLED ALERT_ERROR_RATE_THRESHOLD ALERT_RESPONSE_TIME_ENABLED \
            ALERT_RESPONSE_TIME_THRESHOLD ALERT_MEMORY_ENABLED ALERT_MEMORY_THRESHOLD ALERT_CIRCUIT_BREAKER_ENABLED \
            MONITORING_EVALUATION_INTERVAL"
            .split_whitespace()
        {
            assert!(VARIABLES.iter().any(|known| known.name == name), "{name}");
        }
    }

    #[test]
    fn what_is_usual_is_taken_and_garbage_is_refused_by_name() {
        for known in VARIABLES {
            assert!(read(&[(known.name, known.usual)]).is_ok(), "{}", known.name);
            let garbage = read(&[(known.name, "garbage \u{1}")]);
            match known.form {
                Form::Text => assert!(garbage.is_ok(), "{}", known.name),
                _ => assert!(garbage.unwrap_err().to_string().starts_with(known.name), "{}", known.name),
            }
        }
        let all = read(&[("PORT", "x"), ("LOG_LEVEL", "loud"), ("WORKER_BACKOFF_MAX", "-1")]);
        assert_eq!(all.unwrap_err().to_string().lines().count(), 3, "all that is wrong at once");
        assert!(read(&[("UPSTASH_REDIS_REST_URL", "https://x")]).is_err());
    }

    #[test]
    fn limits_of_variables_stand_over_those_of_the_file() {
        let file = Rates { per_minute: [Some(1), Some(2), None, None, Some(3)], ..Rates::ON };
        let none = read(&[]).unwrap();
        assert_eq!(none.rates(&file), file);
        let given = read(&[
            ("ORCHESTRATOR_RATE_LIMIT_TASKS", "7"),
            ("RATE_LIMIT_PER_MINUTE", "8"),
            ("MAX_REQUESTS_PER_MINUTE", "9"),
            ("MAX_REQUESTS_PER_HOUR", "100"),
            ("RATE_LIMIT_ENABLED", "False"),
        ]);
        let rates = given.unwrap().rates(&file);
        assert_eq!(rates.per_minute, [Some(7), Some(2), None, None, Some(9)]);
        assert_eq!((rates.per_hour, rates.enabled), (Some(100), false));
    }

    #[test]
    fn secrets_and_lives() {
        let both = [("JWT_SECRET_KEY", "b"), ("ORCHESTRATOR_JWT_SECRET", "a")];
        assert_eq!(read(&both).unwrap().jwt_secret(), Some(("ORCHESTRATOR_JWT_SECRET", "a")));
        assert_eq!(read(&both[..1]).unwrap().jwt_secret(), Some(("JWT_SECRET_KEY", "b")));
        assert_eq!(read(&[("JWT_SECRET_KEY", "  ")]).unwrap().jwt_secret(), None);
        let lives = read(&[("JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "5")]).unwrap().lives();
        assert_eq!(lives, Lives { access: Duration::from_secs(300), ..Lives::default() });
    }
}
