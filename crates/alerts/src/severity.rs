//! One scale for the many words that people write into the label `severity`.

use model::Labels;

/// How grave. The least grave comes first, so that the gravest is the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// sev3: to be read some time today.
    Info,
    /// sev2: a trend that wants a look.
    Warning,
    /// sev1: users notice.
    Error,
    /// sev0: down, or data may be lost.
    Critical,
}

impl Severity {
    /// All of them, the least grave first.
    pub const ALL: [Severity; 4] = [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical];

    /// Of an alert, by its label `severity`. A word that is not known, or none, is a warning.
    pub fn of(labels: &Labels) -> Severity {
        let word = labels.get("severity").unwrap_or_default().to_ascii_lowercase();
        match word.as_str() {
            "critical" | "sev0" | "p0" | "p1" | "page" | "fatal" | "emergency" | "disaster" => {
                Severity::Critical
            }
            "error" | "sev1" | "p2" | "major" | "high" => Severity::Error,
            "info" | "sev3" | "p4" | "p5" | "informational" | "notice" | "low" | "none" | "debug" => {
                Severity::Info
            }
            _ => Severity::Warning,
        }
    }

    /// `info`, `warning`, `error` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        }
    }

    /// `sev3` to `sev0`: also the name of the ready-made escalation policy.
    pub fn sev(self) -> &'static str {
        match self {
            Severity::Info => "sev3",
            Severity::Warning => "sev2",
            Severity::Error => "sev1",
            Severity::Critical => "sev0",
        }
    }

    /// The severity that [`Severity::as_str`] calls `word`.
    pub fn parse(word: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.as_str() == word)
    }
}
