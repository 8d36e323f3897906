//! Jira: a group is one issue, made with the first page, changed by later ones, moved on when all is over.
//!
//! The issue is found by the key that the page before left, or else, as upstream does, by a label that holds the group's
//! key: Jira's search does not see an issue in its first seconds.

mod issue;

use crate::post::{Post, refusal};
use crate::scope::Scope;
use crate::sending::Sending;
use crate::{Error, Sent, group};
use issue::Found;
use model::{Page, PageStatus, Timestamp};
use reach::config::HttpConfig;
use reach::http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// A raw entry of `jira_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct JiraConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<Spanned<String>>,
    pub api_type: Option<Spanned<String>>,
    pub project: Option<String>,
    pub issue_type: Option<String>,
    pub summary: Option<JiraText>,
    pub description: Option<JiraText>,
    pub labels: Option<JiraLabels>,
    pub priority: Option<String>,
    pub reopen_transition: Option<String>,
    pub resolve_transition: Option<String>,
    pub wont_fix_resolution: Option<String>,
    pub reopen_duration: Option<Spanned<String>>,
    #[serde(alias = "custom_fields")]
    pub fields: Option<BTreeMap<String, Value>>,
}

/// A text as written: alone, or with whether later pages change it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub enum JiraText {
    Template(String),
    Block { template: Option<String>, enable_update: Option<bool> },
}

/// Labels as written: alone, or with whether later pages change them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub enum JiraLabels {
    Values(Vec<String>),
    Block { values: Option<Vec<String>>, enable_update: Option<bool> },
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Jira {
    api: String,
    kind: Kind,
    reopen_within: Duration,
    post: Post,
    settings: JiraConfig,
}

/// Which search there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cloud,
    DataCenter,
}

impl Jira {
    pub fn resolve(raw: &JiraConfig, at: Location, scope: &mut Scope<'_>) -> Jira {
        let needs = [("project", &raw.project), ("issue_type", &raw.issue_type)];
        for (name, _) in needs.iter().filter(|(_, value)| value.as_deref().unwrap_or("").is_empty()) {
            scope.missing(at, "jira", name);
        }
        let api = scope.url(raw.api_url.as_ref(), scope.global.jira_api_url.as_ref(), "");
        if api.is_empty() {
            scope.missing(at, "jira", "api_url, or jira_api_url under global");
        }
        let is_cloud = Request::get(&api).is_ok_and(|request| {
            request
                .url
                .host_str()
                .is_some_and(|host| host == "atlassian.net" || host.ends_with(".atlassian.net"))
        });
        let kind = match raw.api_type.as_ref().map(|kind| kind.value.as_str()) {
            None | Some("" | "auto") if is_cloud => Kind::Cloud,
            None | Some("" | "auto" | "datacenter") => Kind::DataCenter,
            Some("cloud") => Kind::Cloud,
            Some(other) => {
                let at = raw.api_type.as_ref().map_or(at, |kind| kind.referenced);
                scope.error(at, &format!("{other:?} is no api_type"), "known: auto, cloud, datacenter");
                Kind::DataCenter
            }
        };
        Jira {
            api: api.trim_end_matches('/').to_owned(),
            kind,
            reopen_within: scope.duration(raw.reopen_duration.as_ref(), Duration::ZERO),
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        self.post.files()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let fires = page.status == PageStatus::Firing;
        let made = issue::make(&self.settings, &self.api, page, sending)?;
        let Some(found) = self.find(&made.project, page, sending).await? else {
            if !fires {
                return Ok(Sent::told("there is no open issue"));
            }
            let response =
                self.ask(Method::POST, "/issue", Some(&json!({ "fields": made.new })), sending).await?;
            let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
            let keep = answer["key"].as_str().map_or(Value::Null, |key| json!({ "issue": key }));
            return Ok(Sent { keep, ..Sent::by(&response) });
        };
        let path = format!("/issue/{}", found.key);
        let response =
            self.ask(Method::PUT, &path, Some(&json!({ "fields": made.changed })), sending).await?;
        self.move_on(&found, fires, sending).await?;
        Ok(Sent { keep: json!({ "issue": found.key }), ..Sent::by(&response) })
    }

    /// The group's issue, if there is one that this page may change.
    async fn find(&self, project: &str, page: &Page, sending: &Sending<'_>) -> Result<Option<Found>, Error> {
        if let Some(key) = sending.kept.get("issue").and_then(Value::as_str).filter(|key| issue::is_key(key))
        {
            let path = format!("/issue/{key}?fields=status,resolution,resolutiondate");
            match self.ask(Method::GET, &path, None, sending).await {
                Ok(response) => {
                    let answer = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
                    let found =
                        Found::read(&answer).filter(|found| self.may_change(found, page, sending.now));
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                // Somebody has deleted it.
                Err(Error::Refused { status: 404, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let search = json!({ "jql": self.jql(project, page), "maxResults": 2, "fields": ["status"] });
        let path = match self.kind {
            Kind::Cloud => "/search/jql",
            Kind::DataCenter => "/search",
        };
        let url = match self.kind {
            // The new search exists in version 3 only.
            Kind::Cloud => format!("{}{path}", self.api.replacen("/rest/api/2", "/rest/api/3", 1)),
            Kind::DataCenter => format!("{}{path}", self.api),
        };
        let response = self.ask_at(Method::POST, &url, Some(&search), sending).await?;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        Ok(answer["issues"].get(0).and_then(Found::read))
    }

    fn jql(&self, project: &str, page: &Page) -> String {
        let raw = &self.settings;
        let mut jql = String::new();
        if let Some(resolution) = raw.wont_fix_resolution.as_deref().filter(|name| !name.is_empty()) {
            jql.push_str(&format!("resolution != {} and ", quoted(resolution)));
        }
        let minutes = self.reopen_within.as_secs() / 60;
        if page.status == PageStatus::Firing && self.reopens() && minutes > 0 {
            jql.push_str(&format!("(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m) and "));
        } else {
            jql.push_str("statusCategory != Done and ");
        }
        let label = issue::label(&group::hash(page));
        jql.push_str(&format!(
            "project={} and labels={} order by status ASC,resolutiondate DESC",
            quoted(project),
            quoted(&label)
        ));
        jql
    }

    /// The same rule for an issue that is known by its key.
    fn may_change(&self, found: &Found, page: &Page, now: Timestamp) -> bool {
        let wont_fix = self.settings.wont_fix_resolution.as_deref().unwrap_or("");
        if !wont_fix.is_empty() && found.resolution == wont_fix {
            return false;
        }
        let reopens = page.status == PageStatus::Firing && self.reopens();
        !found.done || reopens && found.resolved_at.is_none_or(|at| at.plus(self.reopen_within) >= now)
    }

    fn reopens(&self) -> bool {
        self.settings.reopen_transition.as_deref().is_some_and(|name| !name.is_empty())
    }

    /// Reopens an issue that is done while its alerts fire, resolves one that is open when they do not.
    async fn move_on(&self, found: &Found, fires: bool, sending: &Sending<'_>) -> Result<(), Error> {
        if fires != found.done {
            return Ok(());
        }
        let raw = &self.settings;
        let name = if fires { &raw.reopen_transition } else { &raw.resolve_transition };
        let Some(name) = name.as_deref().filter(|name| !name.is_empty()) else { return Ok(()) };
        let path = format!("/issue/{}/transitions", found.key);
        let response = self.ask(Method::GET, &path, None, sending).await?;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        let transitions = answer["transitions"].as_array().map_or(&[][..], Vec::as_slice);
        let Some(id) = transitions.iter().find(|t| t["name"] == name).and_then(|t| t["id"].as_str()) else {
            let known: Vec<&str> = transitions.iter().filter_map(|t| t["name"].as_str()).collect();
            let field = if fires { "reopen_transition" } else { "resolve_transition" };
            let why = format!("{} has no transition {name:?}; it has: {}", found.key, known.join(", "));
            return Err(Error::Setting { field, why });
        };
        self.ask(Method::POST, &path, Some(&json!({ "transition": { "id": id } })), sending).await?;
        Ok(())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        sending: &Sending<'_>,
    ) -> Result<Response, Error> {
        self.ask_at(method, &format!("{}{path}", self.api), body, sending).await
    }

    async fn ask_at(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        sending: &Sending<'_>,
    ) -> Result<Response, Error> {
        let mut request = match body {
            Some(body) => Request::post_json(url, body.to_string())?,
            None => Request::get(url)?,
        };
        request.method = method;
        request.set_header("Accept-Language", "en")?;
        let response = self.post.ask(request, sending).await?;
        let host = response.url.host_str().unwrap_or("").to_owned();
        if response.is_success() { Ok(response) } else { Err(refusal(host, &response)) }
    }
}

/// A text in JQL.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
