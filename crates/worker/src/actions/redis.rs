//! One redis command to a server that an operator's file names.

use super::millis;
use crate::args::{Args, Trouble, outcome};
use reach::{Guard, redis};
use serde_json::{Value, json};
use tasks::{Action, Attempt, Running};

pub(super) struct Redis {
    kind: String,
    guard: Guard,
}

impl Redis {
    pub fn new(kind: String, guard: Guard) -> Redis {
        Redis { kind, guard }
    }

    async fn ask(&self, attempt: &Attempt) -> Result<Value, Trouble> {
        let given = attempt.args.value();
        let args = Args(&given).only(&["target", "args"])?;
        let dsn = redis::Dsn::parse(&args.need("target")?)?;
        let mut words = args.words("args")?;
        if words.is_empty() {
            words.push("PING".to_owned());
        }
        let (reply, timings) = redis::command(&self.guard, &dsn, &words, attempt.deadline).await?;
        let reply = reply.to_json();
        let text = match &reply {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Ok(json!({ "reply": reply, "took_ms": millis(timings.connect + timings.command), "text": text }))
    }
}

impl Action for Redis {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { outcome(self.ask(&attempt).await) })
    }
}
