//! Prints a page on standard output: the receiver that is there without any configuration.
//!
//! A page holds text from outside; what could steer a terminal is written out instead.

use crate::receivers::{Integration, Way};
use crate::{Error, diagnosis};
use model::{Alert, Page, PageStatus};
use std::io::Write;

pub(crate) fn integration(i: usize, send_resolved: bool) -> Integration {
    Integration { name: format!("console[{i}]"), send_resolved, way: Way::Console }
}

pub(crate) fn send(page: &Page) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    // Nobody reads a closed standard output; that must not keep the page in the queue for ever.
    let _ = out.write_all(text(page).as_bytes()).and_then(|()| out.flush());
    Ok(())
}

fn text(page: &Page) -> String {
    let name = page.group_labels.get(model::ALERTNAME).or_else(|| page.alerts.first().map(Alert::name));
    let name = name.filter(|n| !n.is_empty()).unwrap_or("alert");
    let word = match page.status {
        PageStatus::Firing => "PAGE",
        PageStatus::Resolved => "RESOLVED",
    };
    let mut lines = vec![format!("{word} {name}  {}", page.at.rfc3339())];
    for alert in page.alerts.iter().take(ALERTS_MAX) {
        let state = if alert.is_resolved(page.at) { "resolved" } else { "firing" };
        lines.push(format!("  {state} {} since {}", alert.labels, alert.starts_at.rfc3339()));
        for (name, value) in alert.annotations.iter().filter(|(name, _)| *name != diagnosis::ANNOTATION) {
            lines.push(format!("    {name}: {value}"));
        }
    }
    if page.alerts.len() > ALERTS_MAX {
        lines.push(format!("  and {} more", page.alerts.len() - ALERTS_MAX));
    }
    let found = diagnosis::text(&page.cause, &page.diagnosis);
    if !found.is_empty() {
        lines.push("  diagnosis:".to_owned());
        lines.extend(found.lines().map(|line| format!("    {line}")));
    }
    for remedy in &page.remedy {
        lines.push(format!("  remedy {} ({}): {}", remedy.id, remedy.risk.as_str(), remedy.text));
    }
    if !page.links.incident.is_empty() {
        lines.push(format!("  {}", page.links.incident));
    }
    lines.iter().map(|line| escape(line) + "\n").collect()
}

/// Printed in full; the rest is counted.
const ALERTS_MAX: usize = 20;

/// The line without anything that steers a terminal or turns the direction of writing.
fn escape(line: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        if steers(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_on_the_terminal() {
        let mut page = crate::page_json::example();
        page.alerts[0].annotations =
            page.alerts[0].annotations.with("summary", "red \u{1b}[31m\nPAGE forged");
        let expected = r#"PAGE RedisDown  2026-11-22T00:48:17.250Z
  firing {alertname="RedisDown", instance="cache:6379", severity="critical"} since 2026-11-22T00:47:17.250Z
    summary: red \u{1b}[31m\nPAGE forged
  resolved {alertname="RedisDown", instance="cache:6380", severity="critical"} since 2026-11-22T00:47:17.250Z
    summary: redis does not answer
  diagnosis:
    redis-server is not running
    ping: failed: connection refused by 10.0.0.7:6379
    log: not finished yet
  remedy restart (caution): restart redis-server
  http://tocsin:8080/ui/incidents/i1
"#;
        assert_eq!(text(&diagnosis::annotated(&page)), expected);
    }
}
