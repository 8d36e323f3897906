//! From raw receivers to what can be sent to: defaults filled in, secrets' places known, everything checked.

use crate::config::{GlobalConfig, ReceiverConfig, UNSENT, Unsent};
use crate::{console, slack::Slack, webhook::Webhook};
use model::{Problem, parse_duration};
use reach::config::{Access, HttpConfig, Secret, Source, place};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// The name of the receiver that exists without any configuration and prints pages on standard output.
pub const CONSOLE: &str = "console";

/// All receivers, checked.
#[derive(Debug, Clone, Default)]
pub struct Receivers {
    by_name: BTreeMap<String, Vec<Integration>>,
    order: Vec<String>,
}

/// One integration of one receiver.
#[derive(Debug, Clone)]
pub(crate) struct Integration {
    /// `webhook[0]`.
    pub name: String,
    pub send_resolved: bool,
    pub way: Way,
}

/// How an integration sends.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Webhook(Box<Webhook>),
    Slack(Box<Slack>),
    Console,
    NotYet,
}

/// A receiver as routing sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverShape {
    /// Its name.
    pub name: String,
    /// Its integrations.
    pub integrations: Vec<IntegrationShape>,
}

/// An integration as routing sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationShape {
    /// `webhook[0]`.
    pub name: String,
    /// Whether it is told of ends.
    pub send_resolved: bool,
}

impl Receivers {
    /// Only [`CONSOLE`]: what there is without a configuration.
    pub fn console() -> Receivers {
        let mut receivers = Receivers::default();
        receivers.add(CONSOLE, vec![console::integration(0, true)]);
        receivers
    }

    /// The checked form; relative paths are relative to `base`. What is wrong is added to `problems`; the
    /// receivers are of use only if no error was.
    pub fn resolve(
        global: &GlobalConfig,
        raw: &[ReceiverConfig],
        base: &Path,
        problems: &mut Vec<Problem>,
    ) -> Receivers {
        check_global(global, problems);
        let mut receivers = Receivers::default();
        for receiver in raw {
            let name = receiver.name.value.as_str();
            if name.is_empty() {
                problems.push(error(receiver.name.referenced, "a receiver without a name", "give it one"));
            }
            let mut scope = Scope { global, base, problems };
            let integrations = scope.integrations(receiver);
            if !receivers.add(name, integrations) {
                let what = format!("two receivers are called {name:?}");
                problems.push(error(receiver.name.referenced, &what, "give one of them another name"));
            }
        }
        receivers
    }

    /// What routing must know of them, in the order of the file.
    pub fn shapes(&self) -> Vec<ReceiverShape> {
        let shape =
            |i: &Integration| IntegrationShape { name: i.name.clone(), send_resolved: i.send_resolved };
        let of = |name: &String| ReceiverShape {
            name: name.clone(),
            integrations: self.by_name[name].iter().map(shape).collect(),
        };
        self.order.iter().map(of).collect()
    }

    /// The files that must exist for all of this to work.
    pub fn files(&self) -> Vec<&Path> {
        let integrations = self.by_name.values().flatten();
        let files = integrations.flat_map(|integration| match &integration.way {
            Way::Webhook(webhook) => webhook.files(),
            Way::Slack(slack) => slack.files(),
            Way::Console | Way::NotYet => Vec::new(),
        });
        files.collect()
    }

    pub(crate) fn get(&self, receiver: &str, integration: &str) -> Option<&Integration> {
        self.by_name.get(receiver)?.iter().find(|i| i.name == integration)
    }

    /// Whether the name was free.
    fn add(&mut self, name: &str, integrations: Vec<Integration>) -> bool {
        let free = self.by_name.insert(name.to_owned(), integrations).is_none();
        if free {
            self.order.push(name.to_owned());
        }
        free
    }
}

/// What an integration's settings are checked against.
pub(crate) struct Scope<'a> {
    pub global: &'a GlobalConfig,
    base: &'a Path,
    problems: &'a mut Vec<Problem>,
}

impl Scope<'_> {
    fn integrations(&mut self, receiver: &ReceiverConfig) -> Vec<Integration> {
        let mut all = Vec::new();
        for (i, raw) in receiver.webhook_configs.iter().flatten().enumerate() {
            all.push(Integration {
                name: format!("webhook[{i}]"),
                send_resolved: raw.value.send_resolved.unwrap_or(true),
                way: Way::Webhook(Box::new(Webhook::resolve(&raw.value, raw.referenced, self))),
            });
        }
        for (i, raw) in receiver.slack_configs.iter().flatten().enumerate() {
            all.push(Integration {
                name: format!("slack[{i}]"),
                send_resolved: raw.value.send_resolved.unwrap_or(false),
                way: Way::Slack(Box::new(Slack::resolve(&raw.value, raw.referenced, self))),
            });
        }
        for (i, raw) in receiver.console_configs.iter().flatten().enumerate() {
            all.push(console::integration(i, raw.value.send_resolved.unwrap_or(true)));
        }
        for kind in &UNSENT {
            for (i, raw) in receiver.unsent(kind.kind).iter().enumerate() {
                all.push(self.not_yet(kind, i, raw));
            }
        }
        all
    }

    fn not_yet(&mut self, unsent: &Unsent, i: usize, raw: &Spanned<Value>) -> Integration {
        let (kind, at) = (unsent.kind, raw.referenced);
        if !raw.value.is_object() {
            self.error(at, &format!("an entry of {kind}_configs must be a block of settings"), "");
        }
        let has = |key: &&str| match key.strip_prefix("global.") {
            Some(key) => global_pairs(self.global).iter().any(|(name, set)| *name == key && set.is_some()),
            None => raw.value.get(key).is_some_and(|v| !v.is_null() && v.as_str() != Some("")),
        };
        for any in unsent.needs {
            if !any.iter().any(has) {
                let names = any.join(" or ");
                let what = format!("{kind}_configs needs {names}");
                self.problems.push(error(at, &what, "add it"));
            }
        }
        let (line, column) = place(at);
        let what = format!("{kind} is not sent yet by this version: pages to it fail, other receivers go on");
        let remedy = "use webhook_configs or slack_configs beside it";
        self.problems.push(Problem::finding(line, column, what, remedy));
        let send_resolved = raw.value.get("send_resolved").and_then(Value::as_bool);
        Integration {
            name: format!("{kind}[{i}]"),
            send_resolved: send_resolved.unwrap_or(unsent.send_resolved),
            way: Way::NotYet,
        }
    }

    /// The integration's own `http_config`, else the global one.
    pub fn access(&mut self, own: Option<&HttpConfig>) -> Access {
        let config = own.or(self.global.http_config.as_ref());
        config.map(|config| config.resolve(self.base, self.problems)).unwrap_or_default()
    }

    /// A secret that stands in the file or in one beside it; both is an error, neither is `None`.
    pub fn secret(
        &mut self,
        text: Option<&Spanned<Secret>>,
        file: Option<&Spanned<PathBuf>>,
        name: &str,
    ) -> Option<Source> {
        let text = text.filter(|text| !text.value.0.is_empty());
        let file = file.filter(|file| !file.value.as_os_str().is_empty());
        if let (Some(_), Some(file)) = (text, file) {
            let what = format!("{name} and {name}_file cannot both be set");
            self.error(file.referenced, &what, "keep one of them");
        }
        let text = text.map(|text| Source::Text(text.value.clone()));
        text.or_else(|| file.map(|file| Source::File(self.base.join(&file.value))))
    }

    /// A duration; `fallback` if it is missing, zero or wrong.
    pub fn duration(&mut self, text: Option<&Spanned<String>>, fallback: Duration) -> Duration {
        let Some(text) = text else { return fallback };
        match parse_duration(&text.value) {
            Ok(duration) if duration.is_zero() => fallback,
            Ok(duration) => duration,
            Err(why) => {
                self.error(text.referenced, &why.to_string(), "");
                fallback
            }
        }
    }

    /// Refuses an address that is plainly none; one that is a template is seen when it is filled in.
    pub fn check_url(&mut self, text: &str, at: Location) {
        if !text.contains("{{")
            && let Err(why) = reach::http::Request::get(text)
        {
            self.error(at, &why.to_string(), "");
        }
    }

    /// Adds an error.
    pub fn error(&mut self, at: Location, what: &str, remedy: &str) {
        self.problems.push(error(at, what, remedy));
    }
}

/// Settings of `global:` that stand in the file or in one beside it, in pairs.
fn global_pairs(global: &GlobalConfig) -> [(&'static str, Option<Location>); 22] {
    fn at<T>(set: &Option<Spanned<T>>) -> Option<Location> {
        set.as_ref().map(|set| set.referenced)
    }
    [
        ("slack_api_url", at(&global.slack_api_url)),
        ("slack_api_url_file", at(&global.slack_api_url_file)),
        ("slack_app_token", at(&global.slack_app_token)),
        ("slack_app_token_file", at(&global.slack_app_token_file)),
        ("smtp_auth_password", at(&global.smtp_auth_password)),
        ("smtp_auth_password_file", at(&global.smtp_auth_password_file)),
        ("smtp_auth_secret", at(&global.smtp_auth_secret)),
        ("smtp_auth_secret_file", at(&global.smtp_auth_secret_file)),
        ("opsgenie_api_key", at(&global.opsgenie_api_key)),
        ("opsgenie_api_key_file", at(&global.opsgenie_api_key_file)),
        ("wechat_api_secret", at(&global.wechat_api_secret)),
        ("wechat_api_secret_file", at(&global.wechat_api_secret_file)),
        ("victorops_api_key", at(&global.victorops_api_key)),
        ("victorops_api_key_file", at(&global.victorops_api_key_file)),
        ("telegram_bot_token", at(&global.telegram_bot_token)),
        ("telegram_bot_token_file", at(&global.telegram_bot_token_file)),
        ("rocketchat_token", at(&global.rocketchat_token)),
        ("rocketchat_token_file", at(&global.rocketchat_token_file)),
        ("rocketchat_token_id", at(&global.rocketchat_token_id)),
        ("rocketchat_token_id_file", at(&global.rocketchat_token_id_file)),
        ("mattermost_webhook_url", at(&global.mattermost_webhook_url)),
        ("mattermost_webhook_url_file", at(&global.mattermost_webhook_url_file)),
    ]
}

fn check_global(global: &GlobalConfig, problems: &mut Vec<Problem>) {
    for pair in global_pairs(global).chunks_exact(2) {
        let [(name, text), (_, file)] = pair else { continue };
        if let (Some(_), Some(file)) = (text, file) {
            let what = format!("{name} and {name}_file cannot both be set");
            problems.push(error(*file, &what, "keep one of them"));
        }
    }
    if let (Some(at), Some(_)) = (
        global.slack_app_token.as_ref().map(|t| t.referenced),
        global.slack_api_url.as_ref().map(|u| u.referenced),
    ) {
        problems.push(error(at, "slack_app_token and slack_api_url cannot both be set", "keep one of them"));
    }
}

fn error(at: Location, what: &str, remedy: &str) -> Problem {
    let (line, column) = place(at);
    Problem::error(line, column, what, remedy)
}

#[cfg(test)]
mod tests;
