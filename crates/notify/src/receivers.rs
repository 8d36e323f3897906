//! From raw receivers to what can be sent to: defaults filled in, secrets' places known, everything checked.

use crate::config::{GlobalConfig, ReceiverConfig};
use crate::scope::{Scope, check_global, error};
use crate::sending::{Act, Sending};
use crate::{Error, Sent};
use crate::{
    console,
    discord::Discord,
    email::Email,
    incidentio::Incidentio,
    jira::Jira,
    mattermost::Mattermost,
    msteams::{Card, Msteams},
    opsgenie::Opsgenie,
    pagerduty::Pagerduty,
    pushover::Pushover,
    rocketchat::Rocketchat,
    sentry::Sentry,
    slack::Slack,
    sns::Sns,
    telegram::Telegram,
    victorops::Victorops,
    webex::Webex,
    webhook::Webhook,
    wechat::Wechat,
};
use model::{Page, Problem};
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, path::Path};

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
    Console,
    Discord(Box<Discord>),
    Email(Box<Email>),
    Incidentio(Box<Incidentio>),
    Jira(Box<Jira>),
    Mattermost(Box<Mattermost>),
    Msteams(Box<Msteams>),
    Opsgenie(Box<Opsgenie>),
    Pagerduty(Box<Pagerduty>),
    Pushover(Box<Pushover>),
    Rocketchat(Box<Rocketchat>),
    Sentry(Box<Sentry>),
    Slack(Box<Slack>),
    Sns(Box<Sns>),
    Telegram(Box<Telegram>),
    Victorops(Box<Victorops>),
    Webex(Box<Webex>),
    Webhook(Box<Webhook>),
    Wechat(Box<Wechat>),
}

impl Way {
    /// The files that must exist for it to work.
    fn files(&self) -> Vec<&Path> {
        match self {
            Way::Console => Vec::new(),
            Way::Discord(way) => way.files(),
            Way::Email(way) => way.files(),
            Way::Incidentio(way) => way.files(),
            Way::Jira(way) => way.files(),
            Way::Mattermost(way) => way.files(),
            Way::Msteams(way) => way.files(),
            Way::Opsgenie(way) => way.files(),
            Way::Pagerduty(way) => way.files(),
            Way::Pushover(way) => way.files(),
            Way::Rocketchat(way) => way.files(),
            Way::Sentry(way) => way.files(),
            Way::Slack(way) => way.files(),
            Way::Sns(way) => way.files(),
            Way::Telegram(way) => way.files(),
            Way::Victorops(way) => way.files(),
            Way::Webex(way) => way.files(),
            Way::Webhook(way) => way.files(),
            Way::Wechat(way) => way.files(),
        }
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        if sending.act != Act::Alerts && !self.takes_acknowledgements() {
            return Ok(Sent { keep: sending.kept.clone(), ..Sent::told("not told of acknowledgements") });
        }
        match self {
            Way::Console => console::send(page, sending),
            Way::Discord(way) => way.send(page, sending).await,
            Way::Email(way) => way.send(page, sending).await,
            Way::Incidentio(way) => way.send(page, sending).await,
            Way::Jira(way) => way.send(page, sending).await,
            Way::Mattermost(way) => way.send(page, sending).await,
            Way::Msteams(way) => way.send(page, sending).await,
            Way::Opsgenie(way) => way.send(page, sending).await,
            Way::Pagerduty(way) => way.send(page, sending).await,
            Way::Pushover(way) => way.send(page, sending).await,
            Way::Rocketchat(way) => way.send(page, sending).await,
            Way::Sentry(way) => way.send(page, sending).await,
            Way::Slack(way) => way.send(page, sending).await,
            Way::Sns(way) => way.send(page, sending).await,
            Way::Telegram(way) => way.send(page, sending).await,
            Way::Victorops(way) => way.send(page, sending).await,
            Way::Webex(way) => way.send(page, sending).await,
            Way::Webhook(way) => way.send(page, sending).await,
            Way::Wechat(way) => way.send(page, sending).await,
        }
    }

    /// Whether the other side can do something with the news that somebody is at it.
    fn takes_acknowledgements(&self) -> bool {
        matches!(self, Way::Opsgenie(_) | Way::Pagerduty(_) | Way::Slack(_) | Way::Victorops(_))
    }
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
            let mut all = All { scope: Scope { global, base, problems }, found: Vec::new() };
            all.of(receiver);
            let integrations = all.found;
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
        self.by_name.values().flatten().flat_map(|integration| integration.way.files()).collect()
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

/// The integrations of one receiver, as they are found.
struct All<'a> {
    scope: Scope<'a>,
    found: Vec<Integration>,
}

/// Several of one kind, as the file has them.
type Raw<T> = Option<Vec<Spanned<T>>>;

impl All<'_> {
    /// Upstream's default of `send_resolved` stands beside each kind.
    fn of(&mut self, raw: &ReceiverConfig) {
        macro_rules! each {
            ($kind:literal, $resolved:literal, $raw:expr, $way:expr) => {
                self.each($kind, $resolved, &$raw, |raw| raw.send_resolved, $way)
            };
        }
        each!("webhook", true, raw.webhook_configs, |r, at, s| Way::Webhook(Box::new(Webhook::resolve(
            r, at, s
        ))));
        each!("slack", false, raw.slack_configs, |r, at, s| Way::Slack(Box::new(Slack::resolve(r, at, s))));
        each!("console", true, raw.console_configs, |_, _, _| Way::Console);
        each!("discord", true, raw.discord_configs, |r, at, s| Way::Discord(Box::new(Discord::resolve(
            r, at, s
        ))));
        each!("email", false, raw.email_configs, |r, at, s| Way::Email(Box::new(Email::resolve(r, at, s))));
        each!("incidentio", true, raw.incidentio_configs, |r, at, s| Way::Incidentio(Box::new(
            Incidentio::resolve(r, at, s)
        )));
        each!("jira", true, raw.jira_configs, |r, at, s| Way::Jira(Box::new(Jira::resolve(r, at, s))));
        each!("mattermost", true, raw.mattermost_configs, |r, at, s| Way::Mattermost(Box::new(
            Mattermost::resolve(r, at, s)
        )));
        each!("msteams", true, raw.msteams_configs, |r, at, s| Way::Msteams(Box::new(Msteams::resolve(
            Card::Connector,
            r,
            at,
            s
        ))));
        each!("msteamsv2", true, raw.msteamsv2_configs, |r, at, s| Way::Msteams(Box::new(Msteams::resolve(
            Card::Adaptive,
            r,
            at,
            s
        ))));
        each!("opsgenie", true, raw.opsgenie_configs, |r, at, s| Way::Opsgenie(Box::new(Opsgenie::resolve(
            r, at, s
        ))));
        each!("pagerduty", true, raw.pagerduty_configs, |r, at, s| Way::Pagerduty(Box::new(
            Pagerduty::resolve(r, at, s)
        )));
        each!("pushover", true, raw.pushover_configs, |r, at, s| Way::Pushover(Box::new(Pushover::resolve(
            r, at, s
        ))));
        each!("rocketchat", false, raw.rocketchat_configs, |r, at, s| Way::Rocketchat(Box::new(
            Rocketchat::resolve(r, at, s)
        )));
        each!("sentry", false, raw.sentry_configs, |r, at, s| Way::Sentry(Box::new(Sentry::resolve(
            r, at, s
        ))));
        each!("sns", true, raw.sns_configs, |r, at, s| Way::Sns(Box::new(Sns::resolve(r, at, s))));
        each!("telegram", true, raw.telegram_configs, |r, at, s| Way::Telegram(Box::new(Telegram::resolve(
            r, at, s
        ))));
        each!("victorops", true, raw.victorops_configs, |r, at, s| Way::Victorops(Box::new(
            Victorops::resolve(r, at, s)
        )));
        each!("webex", true, raw.webex_configs, |r, at, s| Way::Webex(Box::new(Webex::resolve(r, at, s))));
        each!("wechat", false, raw.wechat_configs, |r, at, s| Way::Wechat(Box::new(Wechat::resolve(
            r, at, s
        ))));
    }

    fn each<R>(
        &mut self,
        kind: &str,
        default_resolved: bool,
        raw: &Raw<R>,
        send_resolved: impl Fn(&R) -> Option<bool>,
        resolve: impl Fn(&R, Location, &mut Scope<'_>) -> Way,
    ) {
        for (i, raw) in raw.iter().flatten().enumerate() {
            self.found.push(Integration {
                name: format!("{kind}[{i}]"),
                send_resolved: send_resolved(&raw.value).unwrap_or(default_resolved),
                way: resolve(&raw.value, raw.referenced, &mut self.scope),
            });
        }
    }
}

#[cfg(test)]
mod tests;
