//! `tocsin why`: why somebody was told of an alert, or not, with the answer in the first line.

use crate::{
    cli,
    client::{Client, LocalKey, block_on},
    terminal::{escape, instant, items, labels, now, said, text},
};
use anyhow::{Result, bail};
use model::{Timestamp, parse_duration};
use serde_json::Value;
use std::process::ExitCode;

/// Answers shown beside the first.
const OTHERS_MAX: usize = 9;

/// Asks, and prints what the server says.
pub fn run(args: &cli::Why) -> Result<ExitCode> {
    block_on(async {
        let client = Client::new(&args.remote, LocalKey::User);
        let now = now();
        let path = path(&args.what, args.at.as_deref(), now)?;
        let answer = client.get(&path).await?.done()?;
        match args.remote.json {
            true => println!("{answer}"),
            false => show(&answer, now).iter().for_each(|line| println!("{line}")),
        }
        if is_unknown(&answer) {
            eprintln!("neither an alert nor a rule of that name is known; `tocsin alerts` lists what fires");
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What is asked: labels if there is an equals sign, else an incident's id, else an alert's name.
fn path(what: &[String], at: Option<&str>, now: Timestamp) -> Result<String> {
    let at = match at {
        None => String::new(),
        Some(text) => match (parse_duration(text), Timestamp::parse_rfc3339(text), text.parse::<f64>()) {
            (Ok(ago), ..) => now.minus(ago).rfc3339(),
            (_, Ok(_), _) | (.., Ok(_)) => text.to_owned(),
            _ => bail!("{text:?} is neither an instant such as 2027-01-31T08:00:00Z nor a span such as 10m"),
        },
    };
    let at = |mark: char| if at.is_empty() { String::new() } else { format!("{mark}at={}", escape(&at)) };
    let is_id = |text: &str| text.len() >= 20 && text.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(match what {
        [one] if is_id(one) => format!("/api/v1/incidents/{}/why{}", escape(one), at('?')),
        [name] if !name.contains('=') => {
            format!("/api/v1/why?labels={}{}", escape(&format!("alertname={name:?}")), at('&'))
        }
        labels => format!("/api/v1/why?labels={}{}", escape(&labels.join(",")), at('&')),
    })
}

/// Whether nothing at all is known of what was asked about.
fn is_unknown(answer: &Value) -> bool {
    answer["reason"] == "none"
        && answer["verdict"] == "hold"
        && answer["since"].is_null()
        && answer["rule"].is_null()
        && items(&answer["receivers"]).is_empty()
}

/// The answer, line by line: what was made of it first.
fn show(answer: &Value, now: Timestamp) -> Vec<String> {
    let mut lines = one(answer, now);
    let others = items(&answer["others"]);
    for other in others.iter().take(OTHERS_MAX) {
        lines.push(String::new());
        lines.extend(one(other, now));
    }
    if others.len() > OTHERS_MAX {
        lines.push(format!("\nand {} more; narrow it, or use --json", others.len() - OTHERS_MAX));
    }
    lines
}

fn one(why: &Value, now: Timestamp) -> Vec<String> {
    let word = match (why["verdict"].as_str(), why["reason"].as_str()) {
        (Some("deliver"), _) | (_, Some("repeat")) => "TOLD",
        (_, Some("none")) => "QUIET",
        (_, Some("receiver_down")) => "NOT DELIVERED",
        _ => "HELD",
    };
    let mut lines = vec![format!("{word}  {}", labels(&why["alert"])), format!("  {}", text(&why["says"]))];
    let mut fact = |name: &str, words: String| lines.push(format!("  {name:<9}{words}"));
    if why["since"].is_string() && why["over"] != true {
        fact("fires", format!("since {}", instant(&why["since"], now)));
    }
    let rule = &why["rule"];
    if rule.is_object() {
        let value =
            if rule["value"].is_null() { String::new() } else { format!(", value {}", rule["value"]) };
        fact("rule", format!("{}: {}{value}", text(&rule["name"]), text(&rule["query"])));
    }
    fact("route", items(&why["route"]).last().map(text).unwrap_or_default());
    let group = &why["group"];
    let next = match group["next_send"].is_string() {
        true => format!(", speaks next {}", instant(&group["next_send"], now)),
        false => String::new(),
    };
    fact("group", format!("{}{next}", text(&group["key"])));
    for by in items(&why["by"]) {
        fact("by", text(by));
    }
    for receiver in items(&why["receivers"]) {
        let attempts = items(&receiver["attempts"]);
        if attempts.is_empty() {
            fact("receiver", format!("{}: nothing sent", text(&receiver["name"])));
        }
        for attempt in attempts {
            fact("receiver", tried(attempt, now));
        }
    }
    if let Some(id) = said(why, "incident_id") {
        fact("incident", id);
    }
    lines
}

fn tried(attempt: &Value, now: Timestamp) -> String {
    let tries =
        attempt["tries"].as_u64().filter(|n| *n > 1).map_or(String::new(), |n| format!(" ({n} tries)"));
    let error = said(attempt, "error").map_or(String::new(), |error| format!(": {error}"));
    let [integration, code] = ["integration", "code"].map(|name| text(&attempt[name]));
    format!("{integration}  {code}  {}{tries}{error}", instant(&attempt["at"], now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_asked() {
        let now = Timestamp::parse_rfc3339("2026-11-22T03:12:40Z").unwrap();
        let of =
            |what: &[&str], at| path(&what.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>(), at, now);
        for (what, at, want) in [
            (&["Down"][..], None, "/api/v1/why?labels=alertname%3D%22Down%22"),
            (&["a=b", "c=~d"], None, "/api/v1/why?labels=a%3Db%2Cc%3D~d"),
            (
                &["0123456789abcdef0123456789"],
                Some("10m"),
                "/api/v1/incidents/0123456789abcdef0123456789/why?at=2026-11-22T03%3A02%3A40.000Z",
            ),
            (&["Down"], Some("1795317160"), "/api/v1/why?labels=alertname%3D%22Down%22&at=1795317160"),
        ] {
            assert_eq!(of(what, at).unwrap(), want);
        }
        assert!(of(&["Down"], Some("noon")).is_err());
    }

    #[test]
    fn the_answer_stands_first() {
        let now = Timestamp::parse_rfc3339("2026-11-22T03:12:40Z").unwrap();
        let answer = json!({
            "alert": {"alertname": "Down", "i": "1"}, "verdict": "hold", "reason": "silenced", "says": "Held: silenced by kim.",
            "since": "2026-11-22T03:12:00Z", "over": false, "route": ["{}", "{}/{i=\"1\"}"], "by": ["s1"],
            "rule": {"name": "Down", "query": "up == 0", "value": 0.0},
            "group": {"key": "{}:{}", "next_send": "2026-11-22T03:17:40Z"}, "incident_id": "i1",
            "receivers": [{"name": "team", "attempts": [{"at": "2026-11-22T03:12:00Z", "integration": "team/webhook[0]", "code": "503", "error": "refused", "tries": 2}]}],
            "others": [],
        });
        assert_eq!(
            show(&answer, now),
            [
                "HELD  Down {i=\"1\"}",
                "  Held: silenced by kim.",
                "  fires    since 03:12:00 UTC (40 s ago)",
                "  rule     Down: up == 0, value 0.0",
                "  route    {}/{i=\"1\"}",
                "  group    {}:{}, speaks next 03:17:40 UTC (in 5 min)",
                "  by       s1",
                "  receiver team/webhook[0]  503  03:12:00 UTC (40 s ago) (2 tries): refused",
                "  incident i1",
            ]
        );
    }
}
