//! Waits. Holds its slot meanwhile; the run's time limit ends it like any other work.

use crate::args::{Args, Trouble, outcome};
use serde_json::{Value, json};
use std::time::Duration;
use tasks::{Action, Attempt, Running};

pub(super) struct Wait(pub String);

impl Action for Wait {
    fn kind(&self) -> &str {
        &self.0
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { outcome(wait(&attempt).await) })
    }
}

async fn wait(attempt: &Attempt) -> Result<Value, Trouble> {
    let given = attempt.args.value();
    let args = Args(&given).only(&["seconds", "ms", "duration"])?;
    let number = |value: &Value, unit: f64, name: &str| {
        let duration = value.as_f64().and_then(|n| Duration::try_from_secs_f64(n * unit).ok());
        duration.ok_or_else(|| Trouble::args(format!("{name} must be a number from 0")))
    };
    let duration = match (args.get("seconds"), args.get("ms"), args.text("duration")?) {
        (Some(seconds), None, None) => number(seconds, 1.0, "seconds")?,
        (None, Some(ms), None) => number(ms, 0.001, "ms")?,
        (None, None, Some(text)) => model::parse_duration(&text).map_err(|e| Trouble::args(e.to_string()))?,
        _ => return Err(Trouble::args("give one of seconds, ms and duration")),
    };
    tokio::time::sleep(duration).await;
    Ok(json!({ "waited_ms": super::millis(duration) }))
}
