//! `tocsin reload`: has a running Tocsin read its files again, or say which alerts that would send elsewhere.

use crate::{
    cli,
    client::{Client, LocalKey, block_on},
    terminal::{items, labels, text},
};
use anyhow::Result;
use reach::http::Method;
use serde_json::{Value, json};
use std::{process::ExitCode, time::Duration};

/// Many rules take their time.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Exits 0 if the files are good, whatever would move, and 1 if they are not or nobody answers.
pub fn run(args: &cli::Reload) -> Result<ExitCode> {
    block_on(async {
        let client = Client::new(&args.remote, LocalKey::Operator).with_timeout(TIMEOUT);
        let path = if args.dry_run { "/-/reload?dry_run=true" } else { "/-/reload" };
        let reply = client.ask(Method::POST, path, None).await?;
        if let (400, Some(wrong)) = (reply.status, reply.json()["message"].as_str()) {
            wrong.lines().for_each(|line| eprintln!("{}", text(&line.into())));
            return Ok(ExitCode::FAILURE);
        }
        let answer = reply.done()?;
        match (args.dry_run, args.remote.json) {
            (true, true) => println!("{answer}"),
            (false, true) => println!("{}", json!({"reloaded": true})),
            (true, false) => table(&answer).iter().for_each(|line| println!("{line}")),
            (false, false) => println!("reloaded"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What would move, a line for each alert.
fn table(answer: &Value) -> Vec<String> {
    let total = answer["total"].as_u64().unwrap_or(0);
    let alerts = match total {
        0 => return vec!["the files are good; no alert would go elsewhere".to_owned()],
        1 => "1 alert".to_owned(),
        n => format!("{n} alerts"),
    };
    let mut lines = vec![format!("the files are good; {alerts} would go elsewhere:")];
    let names = |of: &Value| items(of).iter().map(text).collect::<Vec<_>>().join(", ");
    let mut rows = vec![["FROM".to_owned(), "TO".to_owned(), "ALERT".to_owned()]];
    rows.extend(
        items(&answer["would_move"])
            .iter()
            .map(|alert| [names(&alert["from"]), names(&alert["to"]), labels(&alert["labels"])]),
    );
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (from, to) = (wide(0), wide(1));
    lines.extend(rows.iter().map(|row| format!("{:<from$}  {:<to$}  {}", row[0], row[1], row[2])));
    let more = total.saturating_sub(rows.len() as u64 - 1);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_alert() {
        assert_eq!(
            table(&json!({"would_move": [], "total": 0})),
            ["the files are good; no alert would go elsewhere"]
        );
        let one = |name: &str, to: &[&str]| {
            let labels = json!({"alertname": name, "disk": "a\u{1b}[2J"});
            json!({"labels": labels, "from": ["team"], "to": to})
        };
        let moved = [one("Full", &["other", "second"]), one("Slow", &["other"])];
        let shown = json!({"would_move": moved, "total": 1203});
        assert_eq!(
            table(&shown),
            [
                "the files are good; 1203 alerts would go elsewhere:",
                "FROM  TO             ALERT",
                "team  other, second  Full {disk=\"a [2J\"}",
                "team  other          Slow {disk=\"a [2J\"}",
                "and 1201 more",
            ]
        );
    }
}
