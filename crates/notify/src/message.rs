//! The step `notify`: a message to a receiver, by all its integrations, in the form of a page with one alert.

use crate::action::outcome;
use crate::{Error, Registry, Told};
use model::{Alert, Clock, Labels, Links, News, Page, PageReason, PageStatus};
use serde_json::{Value, json};
use std::sync::Arc;
use tasks::{Action, Attempt, Outcome, RunError, Running};

/// The kind of the step that sends a message.
pub const NOTIFY_KIND: &str = "notify";
/// The longest title, text and severity in characters.
const TITLE_MAX: usize = 200;
const TEXT_MAX: usize = 4_000;

/// Sends `{receiver, text, title?, severity?}`. Bears being run twice: the run's id is in the page's key.
pub struct NotifyAction {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    external_url: String,
}

impl NotifyAction {
    /// Sends by `registry`.
    pub fn new(registry: Arc<Registry>, clock: Arc<dyn Clock>, external_url: String) -> NotifyAction {
        NotifyAction { registry, clock, external_url }
    }

    async fn send(&self, attempt: &Attempt) -> Result<Outcome, Error> {
        let asked = match Asked::read(&attempt.args.value()) {
            Ok(asked) => asked,
            Err(message) => return Ok(Outcome::Failed(RunError { kind: "bad_args".to_owned(), message })),
        };
        let integrations = self.registry.integrations(&asked.receiver);
        if integrations.is_empty() {
            let message = format!("there is no receiver {:?}", asked.receiver);
            return Ok(Outcome::Failed(RunError { kind: "bad_args".to_owned(), message }));
        }
        for integration in &integrations {
            let page = self.page(&asked, integration, &attempt.run_id);
            self.registry.send(&page, Told::FIRST, page.at).await?;
        }
        Ok(Outcome::Done(json!({"receiver": asked.receiver, "integrations": integrations})))
    }

    fn page(&self, asked: &Asked, integration: &str, run_id: &str) -> Page {
        let (at, external_url) = (self.clock.now(), self.external_url.clone());
        let labels = [("alertname", asked.title.as_str()), ("severity", asked.severity.as_str())];
        let labels = Labels::from_pairs(labels);
        Page {
            key: format!("{run_id}/{integration}"),
            revision: 1,
            status: PageStatus::Firing,
            reason: PageReason::First,
            receiver: asked.receiver.clone(),
            integration: integration.to_owned(),
            group_key: format!("notify/{run_id}"),
            group_labels: labels.clone(),
            route_labels: Labels::default(),
            news: News::default(),
            alerts: vec![Alert {
                labels,
                annotations: Labels::from_pairs([
                    ("summary", asked.title.as_str()),
                    ("description", asked.text.as_str()),
                ]),
                starts_at: at,
                ends_at: None,
                generator_url: "".into(),
                updated_at: at,
            }],
            at,
            external_url,
            incident_id: String::new(),
            cause: String::new(),
            diagnosis: Vec::new(),
            remedy: Vec::new(),
            reopened: None,
            links: Links::default(),
        }
    }
}

impl Action for NotifyAction {
    fn kind(&self) -> &str {
        NOTIFY_KIND
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { self.send(&attempt).await.unwrap_or_else(|error| outcome(&error)) })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    receiver: String,
    title: String,
    text: String,
    severity: String,
}

impl Asked {
    fn read(args: &Value) -> Result<Asked, String> {
        let Value::Object(fields) = args else { return Err("the arguments must be an object".to_owned()) };
        const KNOWN: [&str; 4] = ["receiver", "title", "text", "severity"];
        if let Some(key) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(format!("unknown argument {key:?}; known: {}", KNOWN.join(", ")));
        }
        let text = |key: &str, fallback: Option<&str>, max: usize| match fields.get(key) {
            None | Some(Value::Null) => {
                fallback.map(str::to_owned).ok_or_else(|| format!("{key} is missing"))
            }
            Some(Value::String(text)) if !text.is_empty() => Ok(text.chars().take(max).collect()),
            Some(_) => Err(format!("{key} must be a text that is not empty")),
        };
        Ok(Asked {
            receiver: text("receiver", None, TITLE_MAX)?,
            title: text("title", Some("Message"), TITLE_MAX)?,
            text: text("text", None, TEXT_MAX)?,
            severity: text("severity", Some("info"), TITLE_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading() {
        let asked = Asked::read(&json!({"receiver": "team", "text": "done"})).expect("enough");
        assert_eq!((asked.title.as_str(), asked.severity.as_str()), ("Message", "info"));
        for (args, wanted) in [
            (json!([]), "must be an object"),
            (json!({"receiver": "team"}), "text is missing"),
            (json!({"text": "done"}), "receiver is missing"),
            (json!({"receiver": "team", "text": ""}), "text must be a text"),
            (json!({"receiver": "team", "text": "x", "to": 1}), "unknown argument \"to\""),
        ] {
            let why = Asked::read(&args).expect_err(&args.to_string());
            assert!(why.contains(wanted), "{args}: {why}");
        }
    }
}
