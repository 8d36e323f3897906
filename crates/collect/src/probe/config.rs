//! One entry of `probes` as a file spells it, and its checked form.

use crate::config::{duration, error};
use model::{INSTANCE, JOB, Labels, Problem};
use reach::{Target, http, postgres, redis};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, time::Duration};

const INTERVAL: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(5);

/// The raw form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Unique among probes; the label `probe`.
    pub name: Option<Spanned<String>>,
    /// `HOST:PORT` or a URL: PING must be answered with PONG.
    pub redis: Option<Spanned<String>>,
    /// `HOST:PORT`, a URL or a connection string: `SELECT 1` must give 1.
    pub postgres: Option<Spanned<String>>,
    /// A URL: GET must be answered with 2xx.
    pub http: Option<Spanned<String>>,
    /// `HOST:PORT`: a connection must be possible.
    pub tcp: Option<Spanned<String>>,
    /// How often; 15 s unless given.
    pub interval: Option<Spanned<String>>,
    /// How long at most; 5 s, or the interval if that is shorter, unless given.
    pub timeout: Option<Spanned<String>>,
    /// On each of its series.
    pub labels: Option<BTreeMap<String, String>>,
}

/// A checked probe.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its name.
    pub name: String,
    /// Whom it asks what.
    pub question: Question,
    /// How often.
    pub interval: Duration,
    /// How long at most.
    pub timeout: Duration,
    /// On each of its series.
    pub labels: Labels,
    /// As it was written, to tell whether a reload changes it. May hold a credential: never shown.
    source: String,
}

/// Whom a probe asks what.
#[derive(Debug, Clone)]
pub enum Question {
    /// PING.
    Redis(redis::Dsn),
    /// `SELECT 1`.
    Postgres(Box<postgres::Dsn>),
    /// GET.
    Http(Box<http::Request>),
    /// A connection.
    Tcp(Target),
}

impl Question {
    /// As views and metrics say it.
    pub fn kind(&self) -> &'static str {
        match self {
            Question::Redis(_) => "redis",
            Question::Postgres(_) => "postgres",
            Question::Http(_) => "http",
            Question::Tcp(_) => "tcp",
        }
    }

    /// Whom it asks: without credentials, and without a query, which may hold one.
    pub fn peer(&self) -> String {
        match self {
            Question::Redis(dsn) => dsn.target.to_string(),
            Question::Postgres(dsn) => dsn.peer(),
            Question::Tcp(target) => target.to_string(),
            Question::Http(request) => {
                let mut url = request.url.clone();
                url.set_query(None);
                url.to_string()
            }
        }
    }

    fn parse(kind: &str, text: &str) -> Result<Question, reach::Error> {
        Ok(match kind {
            "redis" => Question::Redis(redis::Dsn::parse(text)?),
            "postgres" => Question::Postgres(Box::new(postgres::Dsn::parse(text)?)),
            "http" => {
                let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
                let mut request = http::Request::get(&text)?;
                request.connection = http::Connection::Fresh;
                Question::Http(Box::new(request))
            }
            _ => Question::Tcp(Target::parse(text, None)?),
        })
    }
}

/// The same question, asked the same way.
impl PartialEq for Probe {
    fn eq(&self, other: &Probe) -> bool {
        (&self.name, &self.source, self.interval, self.timeout, &self.labels)
            == (&other.name, &other.source, other.interval, other.timeout, &other.labels)
    }
}

impl ProbeConfig {
    /// The checked probe, or `None` if something is wrong; what is wrong goes to `problems`. `at` is where the
    /// entry stands.
    pub fn resolve(self, at: (u32, u32), problems: &mut Vec<Problem>) -> Option<Probe> {
        let before = problems.len();
        let name = self.name.as_ref().map_or("", |name| name.value.as_str()).to_owned();
        if name.is_empty() {
            problems.push(Problem::error(at.0, at.1, "a probe has no name", "add name: NAME"));
        }
        let question = self.question(at, problems);
        let interval = duration(self.interval.as_ref(), INTERVAL, problems);
        if let Some(given) = self.interval.as_ref().filter(|_| interval < Duration::from_millis(100)) {
            problems.push(error(given, "a probe's interval is at least 100ms", ""));
        }
        let timeout = duration(self.timeout.as_ref(), TIMEOUT.min(interval), problems);
        if let Some(given) = self.timeout.as_ref().filter(|_| timeout.is_zero() || timeout > interval) {
            let what = "a probe's timeout is above zero and not greater than its interval";
            problems.push(error(given, what, "lower it or raise the interval"));
        }
        let (question, source) = question?;
        if problems.len() > before {
            return None;
        }
        let own = [(JOB, "probe".to_owned()), ("probe", name.clone()), (INSTANCE, question.peer())];
        let given = self.labels.unwrap_or_default();
        let labels = own.into_iter().map(|(n, v)| (n.to_owned(), v)).chain(given);
        Some(Probe { labels: Labels::from_pairs(labels), name, question, interval, timeout, source })
    }

    fn question(&self, at: (u32, u32), problems: &mut Vec<Problem>) -> Option<(Question, String)> {
        let kinds =
            [("redis", &self.redis), ("postgres", &self.postgres), ("http", &self.http), ("tcp", &self.tcp)];
        let given: Vec<_> = kinds.into_iter().filter_map(|(kind, v)| v.as_ref().map(|v| (kind, v))).collect();
        let [(kind, target)] = given.as_slice() else {
            let what = "a probe asks one of redis, postgres, http, tcp";
            let remedy =
                if given.is_empty() { "add one, such as tcp: HOST:PORT" } else { "keep one of them" };
            problems.push(Problem::error(at.0, at.1, what, remedy));
            return None;
        };
        match Question::parse(kind, &target.value) {
            Ok(question) => Some((question, format!("{kind} {}", target.value))),
            Err(why) => {
                problems.push(error(target, why.to_string(), ""));
                None
            }
        }
    }
}
