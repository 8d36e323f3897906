//! Typed tasks: which types there are, under which other names clients know them, and which agent does them.

/// A type, its other names, and its agent.
const TYPES: [(&str, &[&str], &str); 9] = [
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

/// The canonical name of a type and its agent.
pub fn route(type_: &str) -> Option<(&'static str, &'static str)> {
    TYPES
        .iter()
        .find(|(name, aliases, _)| *name == type_ || aliases.contains(&type_))
        .map(|(name, _, agent)| (*name, *agent))
}

/// The canonical names, for messages.
pub fn types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(name, _, _)| *name)
}

/// Whether tasks may come from `source`.
pub(crate) fn is_source(source: &str) -> bool {
    SOURCES.contains(&source)
}

/// The sources, for messages.
pub(crate) fn sources() -> String {
    SOURCES.join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn routes() {
        for (type_, wanted) in [
            ("bugfix", Some(("bugfix", "dev_agent"))),
            ("deployment", Some(("deploy", "ops_agent"))),
            ("documentation", Some(("kb_update", "faq_agent"))),
            ("BUGFIX", None),
            ("", None),
        ] {
            assert_eq!(super::route(type_), wanted, "{type_}");
        }
    }
}
