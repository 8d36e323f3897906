//! `tocsin on-call`: who is on call, and who stands in for whoever it would be.

use crate::{
    cli::{self, OnCallVerb},
    client::{Client, LocalKey, block_on},
    terminal::{escape, instant, items, now, said, text},
};
use anyhow::{Context, Result};
use model::{Timestamp, parse_duration};
use reach::http::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Turns of a schedule that are shown.
const NEXT_MAX: usize = 3;

/// Does one of them, and prints what the server says.
pub fn run(args: &cli::OnCall) -> Result<ExitCode> {
    let verb = args.verb.clone().unwrap_or(OnCallVerb::List);
    let local = if matches!(verb, OnCallVerb::List) { LocalKey::User } else { LocalKey::Operator };
    block_on(async {
        let client = Client::new(&args.remote, local);
        let (method, path, body) = request(&verb)?;
        let answer = client.ask(method, &path, body.as_ref()).await?.done()?;
        match args.remote.json {
            true => println!("{answer}"),
            false => show(&verb, &answer, now()).iter().for_each(|line| println!("{line}")),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What is asked of the server.
fn request(verb: &OnCallVerb) -> Result<(Method, String, Option<Value>)> {
    let overrides = |schedule: &str| format!("/api/v1/on_call/{}/overrides", escape(schedule));
    Ok(match verb {
        OnCallVerb::List => (Method::GET, "/api/v1/on_call".to_owned(), None),
        OnCallVerb::Override { schedule, who, how_long, until, from, by } => {
            let mut body = json!({"who": who});
            if let Some(span) = how_long {
                let read = parse_duration(span).with_context(|| format!("{span:?} is not a span such as 8h"));
                body["seconds"] = read?.as_secs_f64().into();
            }
            for (name, given) in
                [("until", until.as_deref()), ("from", from.as_deref()), ("by", by.as_deref())]
            {
                if let Some(given) = given {
                    body[name] = given.into();
                }
            }
            (Method::POST, overrides(schedule), Some(body))
        }
        OnCallVerb::Remove { schedule, id } => {
            (Method::DELETE, format!("{}/{}", overrides(schedule), escape(id)), None)
        }
    })
}

fn show(verb: &OnCallVerb, answer: &Value, now: Timestamp) -> Vec<String> {
    match verb {
        OnCallVerb::List if items(&answer["items"]).is_empty() => {
            vec!["there is no schedule; one is written under on_call: in tocsin.yml".to_owned()]
        }
        OnCallVerb::List => items(&answer["items"]).iter().flat_map(|one| schedule(one, now)).collect(),
        OnCallVerb::Override { .. } => vec![stands_in(answer, now)],
        OnCallVerb::Remove { id, .. } => vec![format!("{}  removed", text(&id.as_str().into()))],
    }
}

/// One schedule: who is on call, who comes next, who stands in.
fn schedule(one: &Value, now: Timestamp) -> Vec<String> {
    let name = text(&one["name"]);
    let mut lines = vec![match said(one, "who") {
        Some(who) => format!("{name}  {who} until {}", instant(&one["until"], now)),
        None => format!("{name}  nobody is on call"),
    }];
    let begins = |shift: &&Value| {
        let from = shift["from"].as_str().and_then(|from| Timestamp::parse_rfc3339(from).ok());
        from.is_some_and(|from| from > now)
    };
    let next = items(&one["shifts"]).iter().filter(begins).take(NEXT_MAX);
    lines.extend(
        next.map(|shift| format!("  then {} from {}", text(&shift["who"]), instant(&shift["from"], now))),
    );
    lines.extend(items(&one["overrides"]).iter().map(|over| format!("  {}", stands_in(over, now))));
    lines
}

fn stands_in(over: &Value, now: Timestamp) -> String {
    let id = said(over, "id").unwrap_or_else(|| "in the file".to_owned());
    let by = said(over, "created_by").map_or(String::new(), |by| format!(", asked for by {by}"));
    let (from, until) = (instant(&over["from"], now), instant(&over["until"], now));
    format!("{id}  {} stands in from {from} until {until}{by}", text(&over["who"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_lines() {
        let stand_in = |how_long: Option<&str>, until: Option<&str>| OnCallVerb::Override {
            schedule: "a/b".to_owned(),
            who: "kim".to_owned(),
            how_long: how_long.map(str::to_owned),
            until: until.map(str::to_owned),
            from: None,
            by: Some("ann".to_owned()),
        };
        let (method, path, body) = request(&stand_in(Some("8h"), None)).unwrap();
        assert_eq!((method, path.as_str()), (Method::POST, "/api/v1/on_call/a%2Fb/overrides"));
        assert_eq!(body, Some(json!({"who": "kim", "seconds": 28800.0, "by": "ann"})));
        let until = request(&stand_in(None, Some("2027-01-31T08:00:00Z"))).unwrap().2;
        assert_eq!(until, Some(json!({"who": "kim", "until": "2027-01-31T08:00:00Z", "by": "ann"})));
        assert!(request(&stand_in(Some("soon"), None)).is_err());

        let now = Timestamp::parse_rfc3339("2026-11-22T03:12:40Z").unwrap();
        let shift = |who: &str, from: &str| json!({"who": who, "from": from});
        let answer = json!({"items": [
            {"name": "primary", "who": "ada", "until": "2026-11-22T08:12:40Z",
             "shifts": [shift("ada", "2026-11-20T08:00:00Z"), shift("kim\u{1b}[2J", "2026-11-22T08:12:40Z")],
             "overrides": [{"who": "kim", "from": "2026-11-22T08:12:40Z", "until": "2026-11-22T09:12:40Z",
                            "id": "o1", "created_by": "ann"}]},
            {"name": "nights", "who": null, "until": null, "shifts": [], "overrides": []},
        ]});
        assert_eq!(
            show(&OnCallVerb::List, &answer, now),
            [
                "primary  ada until 08:12:40 UTC (in 5 h)",
                "  then kim [2J from 08:12:40 UTC (in 5 h)",
                "  o1  kim stands in from 08:12:40 UTC (in 5 h) until 09:12:40 UTC (in 6 h), asked for by ann",
                "nights  nobody is on call",
            ]
        );
    }
}
