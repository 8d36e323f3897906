//! What goes wrong in this process itself, as events for Sentry: message and place in the code, nothing about persons,
//! addresses or requests.

use super::{Dsn, MESSAGE_MAX};
use crate::Error;
use crate::medium::{Medium, cut};
use crate::post::refusal;
use data_encoding::HEXLOWER;
use model::Timestamp;
use reach::http::Client;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// An error or a panic of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnError {
    /// Whether the process cannot go on as it should.
    pub fatal: bool,
    /// The stable name of what happened.
    pub event: String,
    /// In words.
    pub message: String,
    /// Where in the code.
    pub module: String,
    /// On which line.
    pub line: u32,
}

/// The way to Sentry.
#[derive(Debug, Clone)]
pub struct OwnErrors {
    dsn: Dsn,
    client: Client,
    release: String,
    environment: String,
}

const TIMEOUT: Duration = Duration::from_secs(5);

impl OwnErrors {
    /// To the project of `dsn`; why not, if that is none. The reason holds nothing of it.
    pub fn new(dsn: &str, client: Client, release: &str, environment: &str) -> Result<OwnErrors, String> {
        let (release, environment) = (release.to_owned(), environment.to_owned());
        Ok(OwnErrors { dsn: Dsn::parse(dsn)?, client, release, environment })
    }

    /// Sends one.
    pub async fn send(&self, error: &OwnError, at: Timestamp) -> Result<(), Error> {
        let mut request = self.dsn.request(&self.event(error, at), at)?;
        request.timeout = TIMEOUT;
        let host = request.url.host_str().unwrap_or("").to_owned();
        let response = self.client.send(request).await?;
        if response.is_success() { Ok(()) } else { Err(refusal(host, &response)) }
    }

    fn event(&self, error: &OwnError, at: Timestamp) -> Value {
        let place = format!("{}:{}", error.module, error.line);
        let digest = Sha256::new().chain_update(at.as_millis().to_be_bytes());
        let digest = digest.chain_update(&place).chain_update(&error.message).finalize();
        json!({
            "event_id": HEXLOWER.encode(&digest[..16]),
            "timestamp": at.rfc3339(),
            "platform": "native",
            "level": if error.fatal { "fatal" } else { "error" },
            "logger": error.module.split("::").next().unwrap_or("tocsin"),
            "release": self.release,
            "environment": self.environment,
            "fingerprint": [error.event, place],
            "tags": { "event": error.event },
            "logentry": { "formatted": cut(&Medium::Plain.words(&error.message), MESSAGE_MAX) },
            "extra": { "module": error.module, "line": error.line },
        })
    }
}
