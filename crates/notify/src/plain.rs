//! A page as plain lines, without any template: what the console prints, and what stands in for a template that
//! fails.

use crate::diagnosis;
use crate::medium::steers;
use model::{Alert, Page, PageStatus};

/// Written in full; the rest is counted.
const ALERTS_MAX: usize = 20;

/// What it is about, on one line.
pub(crate) fn title(page: &Page) -> String {
    match page.status {
        PageStatus::Firing => format!("[FIRING:{}] {}", page.firing().count(), name(page)),
        PageStatus::Resolved => format!("[RESOLVED] {}", name(page)),
    }
}

/// All of it.
pub(crate) fn text(page: &Page) -> String {
    let word = match page.status {
        PageStatus::Firing => "PAGE",
        PageStatus::Resolved => "RESOLVED",
    };
    let mut lines = vec![format!("{word} {}  {}", name(page), page.at.rfc3339())];
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

fn name(page: &Page) -> &str {
    let name = page.group_labels.get(model::ALERTNAME).or_else(|| page.alerts.first().map(Alert::name));
    name.filter(|name| !name.is_empty()).unwrap_or("alert")
}

/// The line without anything that steers a terminal or turns the direction of writing.
fn escape(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        if steers(c) || c.is_control() {
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
        assert_eq!(title(&page), "[FIRING:1] RedisDown");
    }
}
