//! The raw forms of `global:` and `receivers:`, in `alertmanager.yml` and in `tocsin.yml`.
//!
//! Every integration of Alertmanager has its key here; its own settings stand in the file of its name.

use crate::{
    discord::DiscordConfig, email::EmailConfig, incidentio::IncidentioConfig, jira::JiraConfig,
    mattermost::MattermostConfig, msteams::MsteamsConfig, opsgenie::OpsgenieConfig,
    pagerduty::PagerdutyConfig, pushover::PushoverConfig, rocketchat::RocketchatConfig, sentry::SentryConfig,
    sns::SnsConfig, telegram::TelegramConfig, victorops::VictoropsConfig, webex::WebexConfig,
    wechat::WechatConfig,
};
use reach::config::{HttpConfig, Secret, TlsConfig};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, path::PathBuf};

/// The raw `global:` block: defaults of the integrations, and `resolve_timeout`, which is the router's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct GlobalConfig {
    pub resolve_timeout: Option<Spanned<String>>,
    pub http_config: Option<HttpConfig>,

    pub slack_api_url: Option<Spanned<Secret>>,
    pub slack_api_url_file: Option<Spanned<PathBuf>>,
    pub slack_app_token: Option<Spanned<Secret>>,
    pub slack_app_token_file: Option<Spanned<PathBuf>>,
    pub slack_app_url: Option<Spanned<String>>,

    pub smtp_from: Option<String>,
    pub smtp_hello: Option<String>,
    pub smtp_smarthost: Option<Spanned<String>>,
    pub smtp_auth_username: Option<String>,
    pub smtp_auth_password: Option<Spanned<Secret>>,
    pub smtp_auth_password_file: Option<Spanned<PathBuf>>,
    pub smtp_auth_secret: Option<Spanned<Secret>>,
    pub smtp_auth_secret_file: Option<Spanned<PathBuf>>,
    pub smtp_auth_identity: Option<String>,
    pub smtp_require_tls: Option<bool>,
    pub smtp_force_implicit_tls: Option<bool>,
    pub smtp_tls_config: Option<TlsConfig>,
    pub pagerduty_url: Option<Spanned<String>>,
    pub opsgenie_api_url: Option<Spanned<String>>,
    pub opsgenie_api_key: Option<Spanned<Secret>>,
    pub opsgenie_api_key_file: Option<Spanned<PathBuf>>,
    pub wechat_api_url: Option<Spanned<String>>,
    pub wechat_api_secret: Option<Spanned<Secret>>,
    pub wechat_api_secret_file: Option<Spanned<PathBuf>>,
    pub wechat_api_corp_id: Option<String>,
    pub victorops_api_url: Option<Spanned<String>>,
    pub victorops_api_key: Option<Spanned<Secret>>,
    pub victorops_api_key_file: Option<Spanned<PathBuf>>,
    pub telegram_api_url: Option<Spanned<String>>,
    pub telegram_bot_token: Option<Spanned<Secret>>,
    pub telegram_bot_token_file: Option<Spanned<PathBuf>>,
    pub webex_api_url: Option<Spanned<String>>,
    pub jira_api_url: Option<Spanned<String>>,
    pub rocketchat_api_url: Option<Spanned<String>>,
    pub rocketchat_token: Option<Spanned<Secret>>,
    pub rocketchat_token_file: Option<Spanned<PathBuf>>,
    pub rocketchat_token_id: Option<Spanned<Secret>>,
    pub rocketchat_token_id_file: Option<Spanned<PathBuf>>,
    pub mattermost_webhook_url: Option<Spanned<Secret>>,
    pub mattermost_webhook_url_file: Option<Spanned<PathBuf>>,
}

/// A raw entry of `receivers:`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct ReceiverConfig {
    pub name: Spanned<String>,
    pub labels: Option<BTreeMap<String, String>>,

    pub webhook_configs: Option<Vec<Spanned<WebhookConfig>>>,
    pub slack_configs: Option<Vec<Spanned<SlackConfig>>>,
    /// Ours: prints on standard output.
    pub console_configs: Option<Vec<Spanned<ConsoleConfig>>>,

    /// Ours: events.
    pub sentry_configs: Option<Vec<Spanned<SentryConfig>>>,

    pub discord_configs: Option<Vec<Spanned<DiscordConfig>>>,
    pub email_configs: Option<Vec<Spanned<EmailConfig>>>,
    pub incidentio_configs: Option<Vec<Spanned<IncidentioConfig>>>,
    pub jira_configs: Option<Vec<Spanned<JiraConfig>>>,
    pub mattermost_configs: Option<Vec<Spanned<MattermostConfig>>>,
    pub msteams_configs: Option<Vec<Spanned<MsteamsConfig>>>,
    pub msteamsv2_configs: Option<Vec<Spanned<MsteamsConfig>>>,
    pub opsgenie_configs: Option<Vec<Spanned<OpsgenieConfig>>>,
    pub pagerduty_configs: Option<Vec<Spanned<PagerdutyConfig>>>,
    pub pushover_configs: Option<Vec<Spanned<PushoverConfig>>>,
    pub rocketchat_configs: Option<Vec<Spanned<RocketchatConfig>>>,
    pub sns_configs: Option<Vec<Spanned<SnsConfig>>>,
    pub telegram_configs: Option<Vec<Spanned<TelegramConfig>>>,
    pub victorops_configs: Option<Vec<Spanned<VictoropsConfig>>>,
    pub webex_configs: Option<Vec<Spanned<WebexConfig>>>,
    pub wechat_configs: Option<Vec<Spanned<WechatConfig>>>,
}

/// A raw entry of `webhook_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct WebhookConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub url: Option<Spanned<Secret>>,
    pub url_file: Option<Spanned<PathBuf>>,
    pub max_alerts: Option<u64>,
    pub timeout: Option<Spanned<String>>,
    pub payload: Option<Value>,
    /// Ours: what `X-Tocsin-Signature` is made with.
    pub signing_secret: Option<Spanned<Secret>>,
    /// Ours: the same in a file.
    pub signing_secret_file: Option<Spanned<PathBuf>>,
}

/// A raw entry of `slack_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct SlackConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<Spanned<Secret>>,
    pub api_url_file: Option<Spanned<PathBuf>>,
    pub app_token: Option<Spanned<Secret>>,
    pub app_token_file: Option<Spanned<PathBuf>>,
    pub app_url: Option<Spanned<String>>,
    pub timeout: Option<Spanned<String>>,
    pub channel: Option<String>,
    pub username: Option<String>,
    pub color: Option<String>,
    pub title: Option<String>,
    pub title_link: Option<String>,
    pub pretext: Option<String>,
    pub text: Option<String>,
    pub message_text: Option<String>,
    pub fields: Option<Vec<Spanned<SlackField>>>,
    pub short_fields: Option<bool>,
    pub footer: Option<String>,
    pub fallback: Option<String>,
    pub callback_id: Option<String>,
    pub icon_emoji: Option<String>,
    pub icon_url: Option<String>,
    pub image_url: Option<String>,
    pub thumb_url: Option<String>,
    pub link_names: Option<bool>,
    pub mrkdwn_in: Option<Vec<String>>,
    pub actions: Option<Vec<Spanned<SlackButton>>>,
    pub update_message: Option<Spanned<bool>>,
    pub post_updates_to_thread: Option<Spanned<bool>>,
}

/// A raw entry of a Slack message's `fields:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct SlackField {
    pub title: String,
    pub value: String,
    pub short: Option<bool>,
}

/// A raw entry of a Slack message's `actions:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct SlackButton {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: String,
    pub url: String,
    pub style: String,
    pub name: String,
    pub value: String,
    pub confirm: Option<SlackConfirm>,
}

/// The raw `confirm:` of a button.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct SlackConfirm {
    pub title: String,
    pub text: String,
    pub ok_text: String,
    pub dismiss_text: String,
}

/// A raw entry of `console_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Whether it prints ends too; it does unless told otherwise.
    pub send_resolved: Option<bool>,
}
