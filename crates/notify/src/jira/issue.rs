//! An issue as it is written to Jira and as it is read back.

use super::{JiraConfig, JiraLabels, JiraText};
use crate::fill::{Fill, drop_empty};
use crate::medium::{Medium, cut};
use crate::sending::Sending;
use crate::{Error, group, plain};
use model::{Page, Timestamp};
use serde_json::{Map, Value, json};

const SUMMARY_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 32_767;
const SUMMARY: &str = r#"{{ template "jira.default.summary" . }}"#;
const DESCRIPTION: &str = r#"{{ template "jira.default.description" . }}"#;
const PRIORITY: &str = r#"{{ template "jira.default.priority" . }}"#;

/// The fields of an issue.
pub(super) struct Made {
    pub project: String,
    /// Of a new one.
    pub new: Value,
    /// What a later page changes.
    pub changed: Value,
}

/// An issue that is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub key: String,
    pub done: bool,
    pub resolution: String,
    pub resolved_at: Option<Timestamp>,
}

/// The label by which upstream finds a group's issue, and so do we.
pub(super) fn label(hash: &str) -> String {
    format!("ALERT{{{hash}}}")
}

/// Whether a text can be an issue's key, which goes into addresses.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

pub(super) fn make(raw: &JiraConfig, api: &str, page: &Page, sending: &Sending<'_>) -> Result<Made, Error> {
    // Jira's own markup knows no Markdown links, but its editor reads them.
    let fill = Fill::new(page, Medium::Markdown, sending);
    let must = |field: &'static str, own: &Option<String>| fill.must(field, own.as_deref().unwrap_or(""));
    let project = must("project", &raw.project)?;
    let (summary, update_summary) = text(&raw.summary);
    let (description, update_description) = text(&raw.description);
    let (values, update_labels) = labels(&raw.labels);

    let mut fields = Map::new();
    for (name, value) in raw.fields.iter().flatten() {
        fields.insert(name.clone(), fill.deep("fields", value));
    }
    let mut labels: Vec<String> =
        values.iter().map(|label| fill.setting("labels", Some(label), "").replace(' ', "_")).collect();
    labels.retain(|label| !label.is_empty());
    labels.push(label(&group::hash(page)));
    labels.sort();
    let priority = fill.setting("priority", raw.priority.as_deref(), PRIORITY);
    fields.insert("project".to_owned(), json!({ "key": project }));
    fields.insert("issuetype".to_owned(), json!({ "name": must("issue_type", &raw.issue_type)? }));
    fields.insert("summary".to_owned(), fill.line("summary", summary, SUMMARY, SUMMARY_MAX).into());
    fields.insert("labels".to_owned(), json!(labels));
    if !priority.is_empty() {
        fields.insert("priority".to_owned(), json!({ "name": priority }));
    }
    let description = fill.text("description", description, DESCRIPTION);
    let description = cut(fill.with_wrong(description).trim(), DESCRIPTION_MAX);
    let description = if api.ends_with("/3") { document(&description, page) } else { description.into() };
    fields.insert("description".to_owned(), description);

    let mut new = Value::Object(fields.clone());
    drop_empty(&mut new);
    for (name, update) in
        [("summary", update_summary), ("description", update_description), ("labels", update_labels)]
    {
        if !update {
            fields.remove(name);
        }
    }
    let mut changed = Value::Object(fields);
    drop_empty(&mut changed);
    Ok(Made { project, new, changed })
}

/// Version 3 takes a document, which the operator's template makes; any other text becomes one.
fn document(text: &str, page: &Page) -> Value {
    if let Ok(document @ Value::Object(_)) = serde_json::from_str(text) {
        return document;
    }
    let text = if text.is_empty() { plain::text(page) } else { text.to_owned() };
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let paragraphs = paragraphs
        .map(|paragraph| json!({ "type": "paragraph", "content": [{ "type": "text", "text": paragraph }] }));
    json!({ "type": "doc", "version": 1, "content": paragraphs.collect::<Value>() })
}

fn text(raw: &Option<JiraText>) -> (Option<&str>, bool) {
    match raw {
        None => (None, true),
        Some(JiraText::Template(template)) => (Some(template), true),
        Some(JiraText::Block { template, enable_update }) => {
            (template.as_deref(), enable_update.unwrap_or(true))
        }
    }
}

fn labels(raw: &Option<JiraLabels>) -> (&[String], bool) {
    match raw {
        None => (&[], true),
        Some(JiraLabels::Values(values)) => (values, true),
        Some(JiraLabels::Block { values, enable_update }) => {
            (values.as_deref().unwrap_or_default(), enable_update.unwrap_or(true))
        }
    }
}

impl Found {
    pub fn read(answer: &Value) -> Option<Found> {
        let fields = &answer["fields"];
        let key = answer["key"].as_str().filter(|key| is_key(key))?;
        Some(Found {
            key: key.to_owned(),
            done: fields["status"]["statusCategory"]["key"] == "done",
            resolution: fields["resolution"]["name"].as_str().unwrap_or("").to_owned(),
            resolved_at: fields["resolutiondate"].as_str().and_then(instant),
        })
    }
}

/// Jira writes the zone without a colon: `2026-11-22T01:00:00.000+0100`.
fn instant(text: &str) -> Option<Timestamp> {
    let (start, zone) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let text = match zone.starts_with(['+', '-']) && zone[1..].bytes().all(|b| b.is_ascii_digit()) {
        true => format!("{start}{}:{}", &zone[..3], &zone[3..]),
        false => text.to_owned(),
    };
    Timestamp::parse_rfc3339(&text).ok()
}
