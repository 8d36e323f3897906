//! `tocsin incidents`: what somebody must deal with, and what they do about it.

use crate::{
    cli::{self, IncidentsVerb},
    client::{Client, LocalKey, block_on},
    terminal::{escape, instant, items, labels, now, said, text},
};
use anyhow::{Context, Result};
use model::{Timestamp, parse_duration};
use reach::http::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Does one of them, and prints what the server says.
pub fn run(args: &cli::Incidents) -> Result<ExitCode> {
    let verb = args.verb.clone().unwrap_or(IncidentsVerb::List { state: None, all: false, limit: 50 });
    let local = if matches!(verb, IncidentsVerb::List { .. } | IncidentsVerb::Show { .. }) {
        LocalKey::User
    } else {
        LocalKey::Operator
    };
    block_on(async {
        let client = Client::new(&args.remote, local);
        let (method, path, body) = request(&verb, args.by.as_deref())?;
        let answer = client.ask(method, &path, body.as_ref()).await?.done()?;
        match args.remote.json {
            true => println!("{answer}"),
            false => show(&verb, &answer, now()).iter().for_each(|line| println!("{line}")),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What is asked of the server.
fn request(verb: &IncidentsVerb, by: Option<&str>) -> Result<(Method, String, Option<Value>)> {
    use IncidentsVerb::*;
    let act = |id: &str, word: &str, mut body: Value| {
        if let Some(by) = by {
            body["by"] = by.into();
        }
        (Method::POST, format!("/api/v1/incidents/{}/{word}", escape(id)), Some(body))
    };
    Ok(match verb {
        List { state: Some(state), limit, .. } => {
            (Method::GET, format!("/api/v1/incidents?limit={limit}&state={}", escape(state)), None)
        }
        List { state: None, limit, .. } => (Method::GET, format!("/api/v1/incidents?limit={limit}"), None),
        Show { id } => (Method::GET, format!("/api/v1/incidents/{}", escape(id)), None),
        Ack { id } => act(id, "acknowledge", json!({})),
        Snooze { id, how_long } => act(id, "snooze", until(how_long)?),
        Assign { id, to } => act(id, "assign", json!({"to": to})),
        Note { id, text } => act(id, "note", json!({"text": text.join(" ")})),
        Merge { id, into } => act(id, "merge", json!({"into": into})),
        Resolve { id } => act(id, "resolve", json!({})),
    })
}

/// A span such as `2h`, or an instant.
fn until(how_long: &str) -> Result<Value> {
    if Timestamp::parse_rfc3339(how_long).is_ok() {
        return Ok(json!({"until": how_long}));
    }
    let span = parse_duration(how_long).with_context(|| {
        format!("{how_long:?} is neither a span such as 2h nor an instant such as 2027-01-31T08:00:00Z")
    })?;
    Ok(json!({"seconds": span.as_secs_f64()}))
}

/// What came back, line by line.
fn show(verb: &IncidentsVerb, answer: &Value, now: Timestamp) -> Vec<String> {
    match verb {
        IncidentsVerb::List { state, all, .. } => {
            let wanted = |one: &&Value| *all || state.is_some() || one["state"] != "resolved";
            let found: Vec<&Value> = items(&answer["items"]).iter().filter(wanted).collect();
            if found.is_empty() {
                return vec!["nothing: no incident is open".to_owned()];
            }
            found.into_iter().map(|one| line(one, now)).collect()
        }
        IncidentsVerb::Show { .. } => whole(answer, now),
        _ => vec![line(answer, now)],
    }
}

/// One incident on one line.
fn line(incident: &Value, now: Timestamp) -> String {
    let [id, severity] = ["id", "severity"].map(|name| text(&incident[name]));
    format!("{id}  {severity:<8}  {}  {}", labels(&incident["labels"]), stands(incident, now))
}

/// Where it stands.
fn stands(incident: &Value, now: Timestamp) -> String {
    let by = said(incident, "acknowledged_by").unwrap_or_else(|| "somebody".to_owned());
    let mut words = match (incident["state"].as_str(), said(incident, "snoozed_until")) {
        (Some("open"), _) => format!("OPEN since {}, nobody has it", instant(&incident["opened_at"], now)),
        (Some("acknowledged"), Some(_)) => {
            format!("put off by {by} until {}", instant(&incident["snoozed_until"], now))
        }
        (Some("acknowledged"), None) => format!("{by} has it"),
        _ => match said(incident, "resolved_by") {
            Some(by) => format!("ended by {by} {}", instant(&incident["resolved_at"], now)),
            None => format!("over {}", instant(&incident["resolved_at"], now)),
        },
    };
    if let Some(to) = said(incident, "assigned_to") {
        words += &format!(", assigned to {to}");
    }
    if let Some(into) = said(incident, "merged_into") {
        words += &format!(", part of {into}");
    }
    words
}

/// One incident with its alerts and its timeline.
fn whole(incident: &Value, now: Timestamp) -> Vec<String> {
    let mut lines = vec![line(incident, now), format!("  tells {}", text(&incident["receiver"]))];
    let escalation = &incident["escalation"];
    if escalation.is_object() && escalation["due"].is_string() {
        let (policy, step) = (text(&escalation["policy"]), &escalation["step"]);
        lines.push(format!("  escalates by {policy}: step {step} at {}", instant(&escalation["due"], now)));
    }
    for alert in items(&incident["alerts"]) {
        // An alert of a client always has an end: what it will be if nobody repeats it.
        let end = said(alert, "ends_at").and_then(|end| Timestamp::parse_rfc3339(&end).ok());
        let state = match (end, alert["state"].as_str()) {
            (Some(end), _) if end <= now => "ended",
            (_, Some("suppressed")) => "held",
            _ => "fires",
        };
        lines.push(format!(
            "  {state}  {}  since {}",
            labels(&alert["labels"]),
            instant(&alert["starts_at"], now)
        ));
        let annotations = &alert["annotations"];
        lines.extend(
            said(annotations, "summary")
                .or(said(annotations, "description"))
                .map(|says| format!("         {says}")),
        );
    }
    lines.push("  what happened:".to_owned());
    for entry in items(&incident["timeline"]) {
        let tries =
            entry["tries"].as_u64().filter(|n| *n > 1).map_or(String::new(), |n| format!(" ({n} tries)"));
        let code = said(entry, "code")
            .filter(|code| code != "ok")
            .map_or(String::new(), |code| format!(" [{code}]"));
        let parts = [text(&entry["what"]), text(&entry["who"]), text(&entry["detail"])];
        let words: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        lines.push(format!("  {}  {}{code}{tries}", instant(&entry["at"], now), words.join("  ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_lines() {
        let id = || "i/1".to_owned();
        let of = |verb: IncidentsVerb, by| request(&verb, by).unwrap();
        let (method, path, body) =
            of(IncidentsVerb::Snooze { id: id(), how_long: "2h".to_owned() }, Some("kim"));
        assert_eq!((method, path.as_str()), (Method::POST, "/api/v1/incidents/i%2F1/snooze"));
        assert_eq!(body, Some(json!({"seconds": 7200.0, "by": "kim"})));
        let until = IncidentsVerb::Snooze { id: id(), how_long: "2027-01-31T08:00:00Z".to_owned() };
        assert_eq!(of(until, None).2, Some(json!({"until": "2027-01-31T08:00:00Z"})));
        assert!(request(&IncidentsVerb::Snooze { id: id(), how_long: "soon".to_owned() }, None).is_err());

        let now = Timestamp::parse_rfc3339("2026-11-22T03:12:40Z").unwrap();
        let incident = json!({
            "id": "i1", "state": "open", "severity": "critical", "receiver": "team", "escalation": null,
            "labels": {"alertname": "RedisDown", "job": "redis"}, "opened_at": "2026-11-22T03:12:00Z",
            "acknowledged_by": null, "snoozed_until": null, "assigned_to": "lee", "merged_into": null,
            "alerts": [{"labels": {"alertname": "RedisDown"}, "annotations": {"summary": "no answer\u{1b}[2J"},
                        "starts_at": "2026-11-22T03:11:40Z", "ends_at": null, "state": "active"}],
            "timeline": [{"at": "2026-11-22T03:12:00Z", "what": "failed", "who": "team/webhook[0]", "detail": "refused", "code": "503", "tries": 3}],
        });
        let list = IncidentsVerb::List { state: None, all: false, limit: 50 };
        assert_eq!(
            show(&list, &json!({"items": [incident]}), now),
            [
                "i1  critical  RedisDown {job=\"redis\"}  OPEN since 03:12:00 UTC (40 s ago), nobody has it, assigned to lee"
            ]
        );
        let lines = show(&IncidentsVerb::Show { id: id() }, &incident, now).join("\n");
        for words in [
            "fires  RedisDown  since 03:11:40",
            "no answer [2J",
            "failed  team/webhook[0]  refused [503] (3 tries)",
        ] {
            assert!(lines.contains(words), "{words}: {lines}");
        }
        assert_eq!(show(&list, &json!({"items": []}), now), ["nothing: no incident is open"]);
    }
}
