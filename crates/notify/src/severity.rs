//! One scale of severities from the many words that labels use: sev0 to sev3.

use model::Page;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Info,
    Warning,
    Error,
    Critical,
}

impl Severity {
    /// From a label's word; `None` if it is none that anybody uses.
    pub fn parse(word: &str) -> Option<Severity> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "crit" | "sev0" | "fatal" | "emergency" | "alert" | "page" | "disaster" | "p1" => {
                Severity::Critical
            }
            "error" | "err" | "sev1" | "high" | "major" | "p2" => Severity::Error,
            "warning" | "warn" | "sev2" | "medium" | "average" | "minor" | "p3" => Severity::Warning,
            "info" | "information" | "informational" | "notice" | "sev3" | "low" | "debug" | "none"
            | "ok" | "p4" | "p5" => Severity::Info,
            _ => return None,
        })
    }

    /// The worst of the alerts that fire; of all, if none does.
    pub fn of(page: &Page) -> Option<Severity> {
        let read = |alert: &model::Alert| Severity::parse(alert.labels.get("severity").unwrap_or(""));
        page.firing().filter_map(read).max().or_else(|| page.alerts.iter().filter_map(read).max())
    }

    /// In PagerDuty's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        }
    }
}
