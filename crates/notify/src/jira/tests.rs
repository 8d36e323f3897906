//! The shapes are those of "REST API v2 and v3: Create issue, Edit issue, Get transitions, Transition issue, Search"
//! (developer.atlassian.com, read 2026-11-22).

use super::issue::Found;
use crate::testing::*;
use crate::{Error, Told, group};
use model::Timestamp;
use serde_json::{Value, json};

const API: &str = "jira_configs:
- api_url: 'http://127.0.0.1:PORT/rest/api/2/'
  project: OPS
  issue_type: Bug
  resolve_transition: Done
  reopen_transition: Reopen
  reopen_duration: 1h
  http_config: {basic_auth: {username: u, password: p}}";

const NONE: &str = r#"{"issues":[]}"#;
const MADE: &str = r#"{"id":"1","key":"OPS-7","self":"x"}"#;

fn issue(category: &str, resolved: &str) -> String {
    let date = if resolved.is_empty() { Value::Null } else { json!(resolved) };
    let fields = json!({ "status": { "statusCategory": { "key": category } }, "resolutiondate": date });
    json!({ "key": "OPS-7", "fields": fields }).to_string()
}

fn found(category: &str) -> String {
    format!("{{\"issues\":[{}]}}", issue(category, ""))
}

const TRANSITIONS: &str = r#"{"transitions":[{"id":"11","name":"Done"},{"id":"12","name":"Reopen"}]}"#;

#[tokio::test]
async fn an_issue_is_made_changed_and_resolved() {
    let first = page("jira");
    let (sent, asked) = told(API, &first, Told::FIRST, vec![ok(NONE), answer("201 Created", "", MADE)]).await;
    let kept = sent.unwrap().keep;
    assert_eq!(kept, json!({ "issue": "OPS-7" }));
    let label = format!("ALERT{{{}}}", group::hash(&first));
    assert_eq!(asked[0].line, "POST /rest/api/2/search");
    assert_eq!(asked[0].header("authorization"), "Basic dTpw");
    assert_eq!(
        asked[0].json()["jql"],
        format!(
            "(resolutiondate is EMPTY OR resolutiondate >= -60m) and project=\"OPS\" and labels=\"{label}\" order by status ASC,resolutiondate DESC"
        )
    );
    assert_eq!(asked[1].line, "POST /rest/api/2/issue");
    let fields = &asked[1].json()["fields"];
    assert_eq!((&fields["project"]["key"], &fields["issuetype"]["name"]), (&json!("OPS"), &json!("Bug")));
    assert_eq!((&fields["labels"], &fields["priority"]["name"]), (&json!([label]), &json!("High")));
    assert!(fields["summary"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{fields}");
    assert!(fields["description"].as_str().unwrap().contains("# Alerts Firing:"), "{fields}");

    // The next page knows it by its key, which a search would not yet find.
    let after = Told { kept: &kept, ..Told::FIRST };
    let changed = answer("204 No Content", "", "");
    let (sent, asked) =
        told(API, &first, after, vec![ok(&issue("indeterminate", "")), changed.clone()]).await;
    assert_eq!(sent.unwrap().keep, kept);
    assert_eq!(asked[0].line, "GET /rest/api/2/issue/OPS-7?fields=status,resolution,resolutiondate");
    assert_eq!(asked[1].line, "PUT /rest/api/2/issue/OPS-7");

    let answers = vec![ok(&issue("new", "")), changed.clone(), ok(TRANSITIONS), changed.clone()];
    let (sent, asked) = told(API, &resolved("jira"), after, answers).await;
    sent.unwrap();
    assert_eq!(asked[2].line, "GET /rest/api/2/issue/OPS-7/transitions");
    assert_eq!(
        (asked[3].line.as_str(), asked[3].json()),
        ("POST /rest/api/2/issue/OPS-7/transitions", json!({ "transition": { "id": "11" } }))
    );
    // Nothing is open: no issue is made to say that all is well.
    let (sent, asked) = told(API, &resolved("jira"), Told::FIRST, vec![ok(NONE)]).await;
    assert_eq!((sent.unwrap().answer.as_str(), asked.len()), ("there is no open issue", 1));
}

#[tokio::test]
async fn one_that_is_done_is_reopened_within_its_time() {
    let kept = json!({ "issue": "OPS-7" });
    let after = Told { kept: &kept, ..Told::FIRST };
    let changed = answer("204 No Content", "", "");
    let recent = issue("done", "2026-11-22T01:30:00.000+0100");
    let answers = vec![ok(&recent), changed.clone(), ok(TRANSITIONS), changed.clone()];
    let (sent, asked) = told(API, &page("jira"), after, answers).await;
    sent.unwrap();
    assert_eq!(asked[3].json(), json!({ "transition": { "id": "12" } }));
    // Too long ago, or deleted: a new one.
    for old in [ok(&issue("done", "2026-11-21T01:30:00.000+0100")), answer("404 Not Found", "", "{}")] {
        let (sent, asked) = told(API, &page("jira"), after, vec![old, ok(NONE), ok(MADE)]).await;
        assert_eq!((sent.unwrap().keep, asked[2].line.as_str()), (kept.clone(), "POST /rest/api/2/issue"));
    }
    // Found by its label, as upstream made it.
    let (sent, asked) = told(API, &page("jira"), Told::FIRST, vec![ok(&found("new")), changed.clone()]).await;
    assert_eq!((sent.unwrap().keep, asked[1].line.as_str()), (kept.clone(), "PUT /rest/api/2/issue/OPS-7"));
    let answers = vec![ok(&found("new")), changed, ok(r#"{"transitions":[{"id":"1","name":"Fertig"}]}"#)];
    let (sent, _) = told(API, &resolved("jira"), Told::FIRST, answers).await;
    let Err(Error::Setting { why, .. }) = sent else { panic!("{sent:?}") };
    assert_eq!(why, "OPS-7 has no transition \"Done\"; it has: Fertig");
}

#[tokio::test]
async fn settings_of_the_users_own() {
    let settings = "jira_configs:
- api_url: 'http://127.0.0.1:PORT/rest/api/3'
  api_type: cloud
  project: 'P\"{{ .Status }}'
  issue_type: Bug
  summary: { template: 's {{ .Status }}', enable_update: false }
  description: '{{ .Status }}'
  labels: { values: ['a {{ .Status }}'], enable_update: false }
  priority: ''
  wont_fix_resolution: 'No \"fix'
  fields: { components: { name: Mon }, customfield_1: ['{{ .Status }}'] }";
    let (_, asked) = told(settings, &page("jira"), Told::FIRST, vec![ok(NONE), ok(MADE)]).await;
    assert_eq!(asked[0].line, "POST /rest/api/3/search/jql");
    let jql = asked[0].json()["jql"].as_str().unwrap().to_owned();
    assert!(
        jql.starts_with(r#"resolution != "No \"fix" and statusCategory != Done and project="P\"firing" and"#),
        "{jql}"
    );
    let fields = &asked[1].json()["fields"];
    assert_eq!((&fields["summary"], &fields["customfield_1"]), (&json!("s firing"), &json!(["firing"])));
    assert_eq!((&fields["labels"][1], fields.get("priority")), (&json!("a_firing"), None::<&Value>));
    let text = json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [{ "type": "text", "text": "firing" }] }] });
    assert_eq!(fields["description"], text);
    let (_, asked) = told(settings, &page("jira"), Told::FIRST, vec![ok(&found("new")), ok("")]).await;
    let fields = &asked[1].json()["fields"];
    assert_eq!((fields.get("summary"), fields.get("labels")), (None, None), "these are not changed later");
}

#[tokio::test]
async fn limits_hostile_labels_and_templates_that_fail() {
    let made =
        |page| async move { told(API, &page, Told::FIRST, vec![ok(NONE), ok(MADE)]).await.1[1].clone() };
    let fields = made(huge("jira")).await.json()["fields"].clone();
    for (field, max) in [("summary", 255), ("description", 32_767)] {
        assert_eq!(fields[field].as_str().unwrap().chars().count(), max, "{field}");
    }
    assert_harmless(&made(hostile("jira")).await.body.replace("<\u{200b}!channel", ""));
    let settings = API.replace("project: OPS", "project: OPS\n  summary: '{{ template \"nowhere\" . }}'");
    let (_, asked) = told(&settings, &page("jira"), Told::FIRST, vec![ok(NONE), ok(MADE)]).await;
    let fields = &asked[1].json()["fields"];
    assert!(fields["summary"].as_str().unwrap().starts_with("[FIRING:1]"), "{fields}");
    assert!(fields["description"].as_str().unwrap().contains("the template of summary failed: "), "{fields}");
}

#[test]
fn reading_an_issue() {
    let answer: Value = serde_json::from_str(&issue("done", "2026-11-22T01:30:00.000+0100")).unwrap();
    let at = Timestamp::parse_rfc3339("2026-11-22T00:30:00Z").ok();
    let found = Found { key: "OPS-7".to_owned(), done: true, resolution: String::new(), resolved_at: at };
    assert_eq!(Found::read(&answer), Some(found));
    assert_eq!(Found::read(&json!({ "key": "../x" })), None);
}
