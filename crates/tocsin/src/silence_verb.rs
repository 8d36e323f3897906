//! `tocsin silence` and `tocsin alerts`: what fires, what is silenced, and another silence, after a look at what it mutes.

use crate::{
    cli::{self, SilenceVerb},
    client::{Client, LocalKey, block_on},
    terminal::{escape, instant, items, labels, now, said, text},
};
use anyhow::{Context, Result, bail};
use model::{MatchOp, Matcher, Timestamp, parse_duration};
use reach::http::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Alerts that are named before a silence is made.
const NAMED_MAX: usize = 10;

/// `tocsin silence`
pub fn run(args: &cli::Silence) -> Result<ExitCode> {
    let verb = args.verb.clone().unwrap_or(SilenceVerb::List { expired: false });
    let reads = matches!(verb, SilenceVerb::List { .. });
    block_on(async {
        let client = Client::new(&args.remote, if reads { LocalKey::User } else { LocalKey::Operator });
        match verb {
            SilenceVerb::List { expired } => list(&client, expired, args.remote.json).await,
            SilenceVerb::Add(new) => add(&client, &new, args.remote.json).await,
            SilenceVerb::Expire { ids } => expire(&client, &ids, args.remote.json).await,
        }
    })
}

/// `tocsin alerts`
pub fn alerts(args: &cli::Alerts) -> Result<ExitCode> {
    block_on(async {
        let client = Client::new(&args.remote, LocalKey::User);
        let filters: Vec<String> = args.filter.iter().map(|one| format!("filter={}", escape(one))).collect();
        let found = client.get(&format!("/api/v2/alerts?{}", filters.join("&"))).await?.done()?;
        if args.remote.json {
            println!("{found}");
            return Ok(ExitCode::SUCCESS);
        }
        let now = now();
        if items(&found).is_empty() {
            println!("nothing fires");
        }
        for alert in items(&found) {
            println!("{}", alert_line(alert, now));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn alert_line(alert: &Value, now: Timestamp) -> String {
    let status = &alert["status"];
    let held = [("silencedBy", "silenced"), ("inhibitedBy", "inhibited"), ("mutedBy", "muted")];
    let held: Vec<&str> = held
        .into_iter()
        .filter(|(name, _)| !items(&status[*name]).is_empty())
        .map(|(_, word)| word)
        .collect();
    let held = if held.is_empty() { String::new() } else { format!("  [{}]", held.join(", ")) };
    let severity = said(&alert["labels"], "severity").unwrap_or_else(|| "-".to_owned());
    let receivers: Vec<String> = items(&alert["receivers"]).iter().map(|one| text(&one["name"])).collect();
    let mut shown = alert["labels"].clone();
    if let Some(shown) = shown.as_object_mut() {
        shown.shift_remove("severity");
    }
    let since = instant(&alert["startsAt"], now);
    format!("{severity:<8}  {}  since {since}  to {}{held}", labels(&shown), receivers.join(", "))
}

async fn list(client: &Client, expired: bool, as_json: bool) -> Result<ExitCode> {
    let found = client.get("/api/v1/silences").await?.done()?;
    let wanted = |one: &&Value| expired || one["status"]["state"] != "expired";
    let kept: Vec<&Value> = items(&found["data"]).iter().filter(wanted).collect();
    if as_json {
        println!("{}", json!(kept));
        return Ok(ExitCode::SUCCESS);
    }
    if kept.is_empty() {
        println!("nothing is silenced");
    }
    let now = now();
    for silence in kept {
        println!("{}", silence_line(silence, now));
    }
    Ok(ExitCode::SUCCESS)
}

fn silence_line(silence: &Value, now: Timestamp) -> String {
    let state = match (silence["status"]["state"].as_str(), silence["acts"].as_bool()) {
        (Some("active"), Some(false)) => "waits".to_owned(),
        (state, _) => state.unwrap_or("").to_owned(),
    };
    let matchers: Vec<String> = items(&silence["matchers"]).iter().map(matcher).collect();
    let mut more = String::new();
    for window in items(&silence["windows"]) {
        let days: Vec<String> = items(&window["weekdays"]).iter().map(text).collect();
        let days = if days.is_empty() { "daily".to_owned() } else { days.join(" ") };
        more += &format!(
            "  {days} {}-{} {}",
            text(&window["start"]),
            text(&window["end"]),
            text(&window["zone"])
        );
    }
    for (name, says) in [("until_resolved", "until resolved"), ("maintenance", "maintenance")] {
        if silence[name] == true {
            more += &format!("  {says}");
        }
    }
    let [id, by, comment] = ["id", "createdBy", "comment"].map(|name| text(&silence[name]));
    let (edge, word) = if state == "pending" { ("startsAt", "from") } else { ("endsAt", "until") };
    format!(
        "{id}  {state:<7}  {}  {word} {}{more}  {by}: {comment}",
        matchers.join(", "),
        instant(&silence[edge], now)
    )
}

fn matcher(one: &Value) -> String {
    let op = match (one["isEqual"] != false, one["isRegex"] == true) {
        (true, false) => "=",
        (true, true) => "=~",
        (false, false) => "!=",
        (false, true) => "!~",
    };
    format!("{}{op}{:?}", text(&one["name"]), text(&one["value"]))
}

async fn add(client: &Client, new: &cli::NewSilence, as_json: bool) -> Result<ExitCode> {
    let matchers = alerts::parse_matchers(&new.matchers.join(","))?.matchers;
    let texts: Vec<String> = matchers.iter().map(|m| format!("filter={}", escape(&m.to_string()))).collect();
    let reach = client.get(&format!("/api/v1/silences/preview?{}", texts.join("&"))).await?.done()?;
    let body = body(new, &matchers, now())?;
    let made = client.post("/api/v1/silences", &body).await?;
    if made.status == 409 {
        let why = made.json()["error"].as_str().unwrap_or_default().to_owned();
        bail!("{why}\n{}\nIf you mean it: --confirm", muted(&reach));
    }
    let made = made.done_first()?;
    match as_json {
        true => println!(
            "{}",
            json!({"id": made["data"]["silenceId"], "mutes": reach["mutes"], "firing": reach["firing"]})
        ),
        false => println!("{}\n{}", text(&made["data"]["silenceId"]), muted(&reach)),
    }
    Ok(ExitCode::SUCCESS)
}

/// What it mutes now, line by line.
fn muted(reach: &Value) -> String {
    let named = items(&reach["alerts"]);
    let mut lines = vec![format!("mutes {} of {} firing alerts now", reach["mutes"], reach["firing"])];
    lines.extend(named.iter().take(NAMED_MAX).map(|alert| format!("  {}", labels(alert))));
    if named.len() > NAMED_MAX {
        lines.push(format!("  and {} more", named.len() - NAMED_MAX));
    }
    lines.join("\n")
}

fn body(new: &cli::NewSilence, matchers: &[Matcher], now: Timestamp) -> Result<Value> {
    let starts_at = match &new.start {
        Some(text) => Timestamp::parse_rfc3339(text).with_context(|| format!("--start {text}"))?,
        None => now,
    };
    let span = parse_duration(&new.how_long).with_context(|| format!("--for {}", new.how_long))?;
    let matchers = matchers.iter().map(|m| {
        json!({
            "name": m.name(),
            "value": m.value(),
            "isRegex": matches!(m.op(), MatchOp::Regex | MatchOp::NotRegex),
            "isEqual": matches!(m.op(), MatchOp::Equal | MatchOp::Regex),
        })
    });
    let windows = new.windows.iter().map(|text| window(text)).collect::<Result<Vec<_>>>()?;
    let mut body = json!({
        "matchers": matchers.collect::<Vec<_>>(),
        "startsAt": starts_at.rfc3339(),
        "endsAt": starts_at.plus(span).rfc3339(),
        "comment": new.comment,
        "windows": windows,
        "until_resolved": new.until_resolved,
        "maintenance": new.maintenance,
        "confirm": new.confirm,
    });
    if let Some(owner) = &new.owner {
        body["createdBy"] = owner.as_str().into();
    }
    Ok(body)
}

/// `monday:friday 22:00-06:00 Europe/Berlin`; days and zone may be left out.
fn window(text: &str) -> Result<Value> {
    let (mut days, mut times, mut zone) = (Vec::new(), None, "");
    for word in text.split_whitespace() {
        match (word.split_once('-'), &times) {
            (Some((start, end)), None) if start.contains(':') => times = Some((start, end)),
            (_, None) => days.extend(word.split(',').filter(|day| !day.is_empty())),
            (_, Some(_)) => zone = word,
        }
    }
    let Some((start, end)) = times else {
        bail!("--window {text:?}: times are missing, such as 22:00-06:00")
    };
    Ok(json!({"weekdays": days, "start": start, "end": end, "zone": zone}))
}

async fn expire(client: &Client, ids: &[String], as_json: bool) -> Result<ExitCode> {
    for id in ids {
        let done = client.ask(Method::DELETE, &format!("/api/v2/silence/{}", escape(id)), None).await?;
        if done.status != 200 {
            match done.json().as_str() {
                Some(why) => bail!("{why}"),
                None => drop(done.done()?),
            }
        }
        if !as_json {
            println!("{id} has ended");
        }
    }
    if as_json {
        println!("{}", json!(ids));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_as_people_type_them() {
        let want = json!({"weekdays": ["monday:friday", "sunday"], "start": "22:00", "end": "06:00", "zone": "Europe/Berlin"});
        assert_eq!(window("monday:friday,sunday 22:00-06:00 Europe/Berlin").unwrap(), want);
        assert_eq!(
            window("22:00-24:00").unwrap(),
            json!({"weekdays": [], "start": "22:00", "end": "24:00", "zone": ""})
        );
        assert!(window("monday").is_err());
    }

    #[test]
    fn lines() {
        let now = Timestamp::parse_rfc3339("2026-11-22T03:12:40Z").unwrap();
        let silence = json!({
            "id": "s1", "status": {"state": "active"}, "acts": false, "endsAt": "2026-11-22T04:12:40Z", "createdBy": "kim",
            "comment": "disk", "matchers": [{"name": "a", "value": "b", "isRegex": true, "isEqual": true}],
            "windows": [{"weekdays": ["sunday"], "start": "22:00", "end": "06:00", "zone": "UTC"}], "until_resolved": true,
        });
        assert_eq!(
            silence_line(&silence, now),
            "s1  waits    a=~\"b\"  until 04:12:40 UTC (in 1 h)  sunday 22:00-06:00 UTC  until resolved  kim: disk"
        );
        let alert = json!({
            "labels": {"alertname": "Down", "i": "1", "severity": "critical"}, "startsAt": "2026-11-22T03:12:00Z",
            "receivers": [{"name": "team"}], "status": {"silencedBy": ["s1"], "inhibitedBy": [], "mutedBy": []},
        });
        assert_eq!(
            alert_line(&alert, now),
            "critical  Down {i=\"1\"}  since 03:12:00 UTC (40 s ago)  to team  [silenced]"
        );
    }
}
