//! Typed tasks as the documents have them: which types there are, under which other names clients know them, and
//! which agent does them. What holds while we run is in [`crate::agents::Routing`].

/// A type, its other names, and its agent.
pub(crate) const TYPES: [(&str, &[&str], &str); 9] = [
    ("faq", &["faq_update"], "faq_agent"),
    ("kb_update", &["documentation", "knowledge_sync"], "faq_agent"),
    ("bugfix", &[], "dev_agent"),
    ("refactor", &[], "dev_agent"),
    ("feature", &[], "dev_agent"),
    ("investigate", &[], "dev_agent"),
    ("deploy", &["deployment"], "ops_agent"),
    ("monitor", &["monitoring"], "ops_agent"),
    ("alert", &["incident"], "ops_agent"),
];

/// Where typed tasks come from.
const SOURCES: [&str; 9] = ["user", "faq", "ops", "dev", "system", "webhook", "github", "ci_cd", "support"];

/// Whether tasks may come from `source`.
pub(crate) fn is_source(source: &str) -> bool {
    SOURCES.contains(&source)
}

/// The sources, for messages.
pub(crate) fn sources() -> String {
    SOURCES.join(", ")
}
