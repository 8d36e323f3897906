//! Waits. Holds its slot meanwhile; a wait longer than the run's time limit is refused at once.

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
    let args = Args(&attempt.args).only(&["seconds", "duration"])?;
    let duration = match (args.get("seconds"), args.text("duration")?) {
        (Some(seconds), None) => {
            let seconds = seconds.as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok());
            seconds.ok_or_else(|| Trouble::args("seconds must be a number from 0"))?
        }
        (None, Some(text)) => model::parse_duration(&text).map_err(|e| Trouble::args(e.to_string()))?,
        _ => return Err(Trouble::args("give either seconds or duration")),
    };
    if duration >= attempt.deadline {
        let limit = attempt.deadline;
        return Err(Trouble::args(format!(
            "cannot wait {duration:?} within the run's time limit of {limit:?}"
        )));
    }
    tokio::time::sleep(duration).await;
    Ok(json!({ "waited_ms": super::millis(duration) }))
}
