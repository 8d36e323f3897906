//! Asks one question once.

use super::config::{Probe, Question};
use crate::Error;
use reach::http::Client;
use reach::{postgres, redis, tcp};
use std::time::{Duration, Instant};

/// What came of it.
pub(super) struct Answer {
    /// Why it failed.
    pub(super) error: Option<Error>,
    /// How long each part took, as far as it got.
    pub(super) phases: Vec<(&'static str, Duration)>,
    /// How long everything took.
    pub(super) total: Duration,
    /// The HTTP status.
    pub(super) status: Option<u16>,
}

/// Asks, within the probe's timeout.
pub(super) async fn ask(probe: &Probe, client: &Client) -> Answer {
    let begun = Instant::now();
    let mut status = None;
    let asked = match &probe.question {
        Question::Redis(dsn) => redis::ping(client.guard(), dsn, probe.timeout)
            .await
            .map(|t| vec![("resolve", t.resolve), ("connect", t.connect), ("command", t.command)])
            .map_err(Error::from),
        Question::Postgres(dsn) => postgres::select_one(client.guard(), dsn, probe.timeout)
            .await
            .map(|t| {
                vec![("resolve", t.resolve), ("connect", t.connect), ("login", t.login), ("query", t.query)]
            })
            .map_err(Error::from),
        Question::Tcp(target) => tcp::connect(client.guard(), target, probe.timeout)
            .await
            .map(|dialed| vec![("resolve", dialed.resolve), ("connect", dialed.connect)])
            .map_err(Error::from),
        Question::Http(request) => {
            let mut request = (**request).clone();
            request.timeout = probe.timeout;
            match client.send(request).await {
                Err(error) => Err(error.into()),
                Ok(response) => {
                    status = Some(response.status);
                    let t = response.timings;
                    let phases = vec![
                        ("resolve", t.resolve),
                        ("connect", t.connect),
                        ("tls", t.tls),
                        ("processing", t.processing),
                        ("transfer", t.transfer),
                    ];
                    if response.is_success() { Ok(phases) } else { Err(Error::Status(response.status)) }
                }
            }
        }
    };
    let (phases, error) = match asked {
        Ok(phases) => (phases, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    Answer { error, phases, total: begun.elapsed(), status }
}
