//! Microsoft Teams: a connector's card (`msteams`), or an adaptive card to a workflow (`msteamsv2`).

use crate::fill::Fill;
use crate::medium::{Medium, cut_bytes};
use crate::post::{Post, refused_as};
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent, group};
use model::{Page, PageStatus};
use reach::config::{HttpConfig, Secret, Source};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};

/// A raw entry of `msteams_configs:` or `msteamsv2_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct MsteamsConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub webhook_url: Option<Spanned<Secret>>,
    pub webhook_url_file: Option<Spanned<PathBuf>>,
    pub title: Option<String>,
    /// Of a connector's card only.
    pub summary: Option<Spanned<String>>,
    pub text: Option<String>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Card {
    Connector,
    Adaptive,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Msteams {
    card: Card,
    url: Source,
    post: Post,
    settings: MsteamsConfig,
}

/// Teams takes 28 KB; this leaves room for the frame and for what JSON escapes.
const TEXT_MAX: usize = 18_000;
const TITLE_MAX: usize = 1024;
const BUTTONS_MAX: usize = 6;

impl Msteams {
    pub fn resolve(card: Card, raw: &MsteamsConfig, at: Location, scope: &mut Scope<'_>) -> Msteams {
        let kind = if card == Card::Connector { "msteams" } else { "msteamsv2" };
        if let (Card::Adaptive, Some(summary)) = (card, &raw.summary) {
            scope.error(summary.referenced, "msteamsv2_configs knows no summary", "leave it out");
        }
        if let Some(url) = &raw.webhook_url {
            scope.check_url(&url.value.0, url.referenced);
        }
        let own = (raw.webhook_url.as_ref(), raw.webhook_url_file.as_ref());
        Msteams {
            card,
            url: scope.needs(own, "webhook_url", (None, None), kind, at),
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        file_of(&self.url).into_iter().chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let url = sending.secret(&self.url).await?;
        let message = match self.card {
            Card::Connector => self.connector(page, sending),
            Card::Adaptive => self.adaptive(page, sending),
        };
        let response = self.post.json(&url, &message, sending).await?;
        // A connector answers 200 even when Teams behind it did not take the message.
        let text = String::from_utf8_lossy(&response.body).into_owned();
        match text.split_once("returned HTTP error ") {
            Some((_, rest)) if self.card == Card::Connector => {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                Err(refused_as(digits.parse().unwrap_or(503), &text, &response))
            }
            _ => Ok(Sent::by(&response)),
        }
    }

    fn connector(&self, page: &Page, sending: &Sending<'_>) -> Value {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Markdown, sending);
        let title = r#"{{ template "msteams.default.title" . }}"#;
        let summary = r#"{{ template "msteams.default.summary" . }}"#;
        let title = fill.line("title", raw.title.as_deref(), title, TITLE_MAX);
        let own = raw.summary.as_ref().map(|summary| summary.value.as_str());
        let summary = fill.line("summary", own, summary, TITLE_MAX);
        let text = fill.text("text", raw.text.as_deref(), r#"{{ template "msteams.default.text" . }}"#);
        let mut card = json!({
            "@context": "http://schema.org/extensions",
            "@type": "MessageCard",
            "title": title,
            "summary": summary,
            "text": cut_bytes(&fill.with_wrong(text), TEXT_MAX),
            "themeColor": match page.status {
                PageStatus::Firing => "8C1A1A",
                PageStatus::Resolved => "2DC72D",
            },
        });
        let buttons: Vec<Value> = buttons(page)
            .map(|(words, url)| {
                json!({ "@type": "OpenUri", "name": words, "targets": [{ "os": "default", "uri": url }] })
            })
            .collect();
        if !buttons.is_empty() {
            card["potentialAction"] = buttons.into();
        }
        card
    }

    fn adaptive(&self, page: &Page, sending: &Sending<'_>) -> Value {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Markdown, sending);
        let title = r#"{{ template "msteamsv2.default.title" . }}"#;
        let title = fill.line("title", raw.title.as_deref(), title, TITLE_MAX);
        let text = fill.text("text", raw.text.as_deref(), r#"{{ template "msteamsv2.default.text" . }}"#);
        let mut content = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "body": [
                {
                    "type": "TextBlock",
                    "text": title,
                    "weight": "Bolder",
                    "size": "Medium",
                    "wrap": true,
                    "style": "heading",
                    "color": match page.status {
                        PageStatus::Firing => "Attention",
                        PageStatus::Resolved => "Good",
                    },
                },
                { "type": "TextBlock", "text": cut_bytes(&fill.with_wrong(text), TEXT_MAX), "wrap": true },
            ],
            "msteams": { "width": "full" },
        });
        let buttons: Vec<Value> = buttons(page)
            .map(|(words, url)| json!({ "type": "Action.OpenUrl", "title": words, "url": url }))
            .collect();
        if !buttons.is_empty() {
            content["actions"] = buttons.into();
        }
        json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": content,
            }],
        })
    }
}

fn buttons(page: &Page) -> impl Iterator<Item = (String, &str)> {
    group::links(page).into_iter().take(BUTTONS_MAX)
}

#[cfg(test)]
mod tests;
