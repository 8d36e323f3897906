//! What an integration's settings are checked against: the global ones, the folder that relative paths start from,
//! and the list of what is wrong.

use crate::config::GlobalConfig;
use model::{Problem, parse_duration};
use reach::config::{Access, HttpConfig, Secret, Source, place};
use reach::http::Request;
use reach::tls;
use serde_saphyr::{Location, Spanned};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// One receiver's view of the file.
pub(crate) struct Scope<'a> {
    pub global: &'a GlobalConfig,
    pub base: &'a Path,
    pub problems: &'a mut Vec<Problem>,
}

/// A secret as the file gives it: the text, or the file that holds it.
pub(crate) type Given<'a> = (Option<&'a Spanned<Secret>>, Option<&'a Spanned<PathBuf>>);

impl Scope<'_> {
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

    /// The integration's own secret, else the global one, which was checked on its own; without either, an error
    /// at `at` that says what `kind` needs, and an empty text.
    pub fn needs(
        &mut self,
        own: Given<'_>,
        name: &str,
        global: Given<'_>,
        kind: &str,
        at: Location,
    ) -> Source {
        if let Some(source) = self.secret(own.0, own.1, name) {
            return source;
        }
        if let Some(source) = self.global_secret(global) {
            return source;
        }
        let what = format!("{kind}_configs needs {name} or {name}_file");
        self.error(at, &what, "add one of them");
        Source::Text(Secret::default())
    }

    /// A global secret; that only one of the two is set was checked before.
    pub fn global_secret(&self, (text, file): Given<'_>) -> Option<Source> {
        let text = text.filter(|text| !text.value.0.is_empty());
        let file = file.filter(|file| !file.value.as_os_str().is_empty());
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

    /// An address: its own, else the global one, else `fallback`.
    pub fn url(
        &mut self,
        own: Option<&Spanned<String>>,
        global: Option<&Spanned<String>>,
        fallback: &str,
    ) -> String {
        match own.or(global).filter(|url| !url.value.is_empty()) {
            Some(url) => {
                self.check_url(&url.value, url.referenced);
                url.value.clone()
            }
            None => fallback.to_owned(),
        }
    }

    /// Settings of TLS outside of HTTP.
    pub fn tls(&mut self, config: Option<&reach::config::TlsConfig>, at: Location) -> tls::Options {
        config.map(|config| config.resolve(self.base, at, self.problems)).unwrap_or_default()
    }

    /// Refuses an address that is plainly none; one that is a template is seen when it is filled in.
    pub fn check_url(&mut self, text: &str, at: Location) {
        if !text.contains("{{")
            && let Err(why) = Request::get(text)
        {
            self.error(at, &why.to_string(), "");
        }
    }

    /// Says that a setting must be there.
    pub fn missing(&mut self, at: Location, kind: &str, name: &str) {
        self.error(at, &format!("{kind}_configs needs {name}"), "add it");
    }

    /// Adds an error.
    pub fn error(&mut self, at: Location, what: &str, remedy: &str) {
        self.problems.push(error(at, what, remedy));
    }

    /// Adds a finding.
    pub fn finding(&mut self, at: Location, what: &str, remedy: &str) {
        let (line, column) = place(at);
        self.problems.push(Problem::finding(line, column, what, remedy));
    }
}

/// The file a secret is in, if it is in one.
pub(crate) fn file_of(source: &Source) -> Option<&Path> {
    match source {
        Source::File(path) => Some(path.as_path()),
        Source::Text(_) => None,
    }
}

pub(crate) fn error(at: Location, what: &str, remedy: &str) -> Problem {
    let (line, column) = place(at);
    Problem::error(line, column, what, remedy)
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

/// Checks what is wrong in `global:` by itself.
pub(crate) fn check_global(global: &GlobalConfig, problems: &mut Vec<Problem>) {
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
