//! Amazon SNS: a message to a topic, an endpoint or a telephone number, signed by ourselves.

mod aws;

use crate::fill::Fill;
use crate::medium::{Medium, cut, cut_bytes};
use crate::post::{Post, refused_as};
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent, form, group};
use aws::{Credentials, Keys, Role};
use model::Page;
use reach::config::{HttpConfig, Secret};
use reach::http::{Request, Response};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, path::Path};

/// A raw entry of `sns_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct SnsConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<String>,
    pub sigv4: Option<Sigv4Config>,
    pub topic_arn: Option<String>,
    pub phone_number: Option<String>,
    pub target_arn: Option<String>,
    pub subject: Option<String>,
    pub message: Option<String>,
    pub attributes: Option<BTreeMap<String, String>>,
    pub use_aws_http_client: Option<bool>,
}

/// The raw `sigv4:` block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct Sigv4Config {
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<Spanned<Secret>>,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub use_fips_sts_endpoint: Option<bool>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Sns {
    credentials: Credentials,
    role: Option<Role>,
    region: String,
    post: Post,
    settings: SnsConfig,
}

/// SNS refuses larger messages, longer subjects, and longer text messages; the last are charged by the piece.
const MESSAGE_MAX: usize = 256 * 1024 - 1024;
const SUBJECT_MAX: usize = 100;
const SMS_MAX: usize = 1600;

const SUBJECT: &str = r#"{{ template "sns.default.subject" . }}"#;
const MESSAGE: &str = r#"{{ template "sns.default.message" . }}"#;

impl Sns {
    pub fn resolve(raw: &SnsConfig, at: Location, scope: &mut Scope<'_>) -> Sns {
        let set = |own: &Option<String>| own.as_deref().is_some_and(|text| !text.is_empty());
        let targets =
            [&raw.topic_arn, &raw.target_arn, &raw.phone_number].into_iter().filter(|own| set(own)).count();
        if targets != 1 {
            let what = "sns_configs needs one of topic_arn, target_arn and phone_number";
            scope.error(at, what, "set just one of them");
        }
        let sigv4 = raw.sigv4.clone().unwrap_or_default();
        if set(&sigv4.access_key) != sigv4.secret_key.as_ref().is_some_and(|key| !key.value.0.is_empty()) {
            scope.error(at, "access_key and secret_key belong together", "set both, or neither");
        }
        Sns {
            region: sigv4.region.clone().filter(|region| !region.is_empty()).unwrap_or_default(),
            credentials: Credentials::new(&sigv4),
            role: Role::new(&sigv4),
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        self.credentials.secret().into_iter().filter_map(file_of).chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let (url, region, body) = self.message(page, sending)?;
        let keys = self.keys(&region, sending).await?;
        let response =
            self.ask(aws::signed(&url, &region, "sns", body, &keys, sending.now)?, sending).await?;
        Ok(Sent::by(&response))
    }

    /// Its own keys, or those of the role that they may take on.
    async fn keys(&self, region: &str, sending: &Sending<'_>) -> Result<Keys, Error> {
        let role = self.role.as_ref().filter(|_| sending.preview.is_none());
        if let Some(held) = role.and_then(|role| role.held(sending.now)) {
            return Ok(held);
        }
        let own = self.credentials.read(sending).await?;
        let Some(role) = role else { return Ok(own) };
        let response = self.ask(role.request(region, &own, sending.now)?, sending).await?;
        role.keep(&String::from_utf8_lossy(&response.body), sending.now)
    }

    async fn ask(&self, request: Request, sending: &Sending<'_>) -> Result<Response, Error> {
        let response = self.post.ask(request, sending).await?;
        if response.is_success() {
            return Ok(response);
        }
        // Its way of saying that there were too many.
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let status = if text.contains("<Code>Throttl") { 429 } else { response.status };
        Err(refused_as(status, &text, &response))
    }

    /// Where it goes, in which region, and the form.
    fn message(&self, page: &Page, sending: &Sending<'_>) -> Result<(String, String, String), Error> {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Plain, sending);
        let setting =
            |field: &'static str, own: &Option<String>| fill.must(field, own.as_deref().unwrap_or(""));
        let topic = setting("topic_arn", &raw.topic_arn)?;
        let target = setting("target_arn", &raw.target_arn)?;
        let phone = setting("phone_number", &raw.phone_number)?;
        // A topic's name says in which region it is.
        let of_arn = |arn: &str| arn.split(':').nth(3).unwrap_or("").to_owned();
        let regions = [self.region.clone(), of_arn(&topic), of_arn(&target), aws::region_of_environment()];
        let Some(region) = regions.into_iter().find(|region| !region.is_empty()) else {
            let why = "no region is given, neither there nor in AWS_REGION".to_owned();
            return Err(Error::Setting { field: "sigv4.region", why });
        };
        let url = match setting("api_url", &raw.api_url)? {
            url if url.is_empty() => format!("https://sns.{region}.amazonaws.com/"),
            url => url,
        };
        let subject = ascii(&fill.text("subject", raw.subject.as_deref(), SUBJECT));
        let message = fill.text("message", raw.message.as_deref(), MESSAGE);
        let message = fill.with_wrong(message);
        let message = message.trim();
        let message = if message.is_empty() { subject.as_str() } else { message };
        let mut pairs = vec![
            ("Action".to_owned(), "Publish".to_owned()),
            ("Version".to_owned(), "2010-03-31".to_owned()),
            ("TopicArn".to_owned(), topic.clone()),
            ("TargetArn".to_owned(), target),
            ("PhoneNumber".to_owned(), phone.clone()),
            ("Subject".to_owned(), if phone.is_empty() { subject.clone() } else { String::new() }),
        ];
        let message = if phone.is_empty() { cut_bytes(message, MESSAGE_MAX) } else { cut(message, SMS_MAX) };
        let is_cut = message.ends_with('…');
        pairs.push(("Message".to_owned(), message));
        if topic.ends_with(".fifo") {
            // The page's own key: a page tried again is the same message, the next one is another.
            pairs.push(("MessageDeduplicationId".to_owned(), dedupe(&page.key)));
            pairs.push(("MessageGroupId".to_owned(), group::hash(page)));
        }
        let mut attributes: Vec<(String, String)> = Vec::new();
        for (name, template) in raw.attributes.iter().flatten() {
            let value = fill.text("attributes", Some(template), "");
            attributes.push((fill.setting("attributes", Some(name), ""), value));
        }
        if is_cut {
            attributes.push(("truncated".to_owned(), "true".to_owned()));
        }
        for (i, (name, value)) in attributes.into_iter().filter(|(_, value)| !value.is_empty()).enumerate() {
            let at = format!("MessageAttributes.entry.{}", i + 1);
            pairs.push((format!("{at}.Name"), name));
            pairs.push((format!("{at}.Value.DataType"), "String".to_owned()));
            pairs.push((format!("{at}.Value.StringValue"), value));
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Ok((url, region, form::encoded(&pairs)))
    }
}

/// A subject is ASCII, starts with a letter, a digit or punctuation, and stays on its line.
fn ascii(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    text.trim().chars().take(SUBJECT_MAX).collect()
}

/// Only some characters can be in a deduplication id.
fn dedupe(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(128).collect()
}

#[cfg(test)]
mod tests;
