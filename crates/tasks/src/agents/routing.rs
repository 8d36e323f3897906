//! Which agent a type of task goes to: what the documents say, and rules that an operator adds while we run.

use crate::{Audit, Change, Loaded, RecordKind, Refusal, TaskId, agents::SYSTEM_ID, typed};
use model::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// The most rules.
pub const RULES_MAX: usize = 1_000;
/// The longest type and agent, in bytes.
const NAME_MAX: usize = 100;

/// The rules, by every name that a type has.
#[derive(Debug, Clone)]
pub struct Routing {
    by_name: BTreeMap<String, (Arc<str>, Arc<str>)>,
    /// Types with a rule of their own.
    custom: BTreeMap<String, Arc<str>>,
}

/// A rule, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The type.
    pub type_: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Who does it.
    pub agent: String,
    /// Whether an operator said so.
    pub custom: bool,
}

impl Default for Routing {
    fn default() -> Routing {
        let mut by_name = BTreeMap::new();
        for (name, aliases, agent) in typed::TYPES {
            let to: (Arc<str>, Arc<str>) = (Arc::from(name), Arc::from(agent));
            for one in [name].iter().chain(aliases) {
                by_name.insert((*one).to_owned(), to.clone());
            }
        }
        Routing { by_name, custom: BTreeMap::new() }
    }
}

impl Routing {
    /// The rules of the documents and those that were added: takes its own records out of `loaded`.
    pub fn new(loaded: &mut Loaded) -> Routing {
        let mut routing = Routing::default();
        for record in loaded.take_records(RecordKind::Routing) {
            if let Some(agent) = record.row["agent"].as_str() {
                routing.set(&record.key, agent);
            }
        }
        routing
    }

    /// The canonical name of a type and its agent.
    pub fn route(&self, type_: &str) -> Option<(Arc<str>, Arc<str>)> {
        self.by_name.get(type_).cloned()
    }

    /// The canonical names, for messages.
    pub fn types(&self) -> Vec<&str> {
        self.by_name.iter().filter(|(name, (to, _))| **name == **to).map(|(name, _)| name.as_str()).collect()
    }

    /// All rules, by type.
    pub fn get_routing_rules(&self) -> Vec<Rule> {
        let rule = |type_: &str| {
            let (to, agent) = self.by_name.get(type_)?;
            let named = self.by_name.iter().filter(|(name, (one, _))| one == to && **name != **to);
            Some(Rule {
                type_: type_.to_owned(),
                aliases: named.map(|(name, _)| name.clone()).collect(),
                agent: agent.to_string(),
                custom: self.custom.contains_key(type_),
            })
        };
        self.types().into_iter().filter_map(rule).collect()
    }

    /// From now on tasks of this type, known or new, go to `agent`. Tasks that were accepted before stay where
    /// they are. Answers the type's canonical name.
    pub fn register_custom_rule(
        &mut self,
        type_: &str,
        agent: &str,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<String, Refusal> {
        check("type", type_)?;
        check("agent", agent)?;
        if self.custom.len() >= RULES_MAX && !self.custom.contains_key(&self.canonical(type_)) {
            return Err(Refusal::NotApplicable(format!(
                "there are {RULES_MAX} rules, the most there may be"
            )));
        }
        let type_ = self.set(type_, agent);
        let row = Some(json!({"agent": agent}));
        out.push(Change::Record { kind: RecordKind::Routing, key: type_.clone(), row });
        audit("routing.rule_set", json!({"type": type_, "agent": agent}), by, now, out);
        Ok(type_)
    }

    /// Takes a rule back: a type of the documents goes where they say, any other is not a type any more. False
    /// if there is no such rule.
    pub fn remove_custom_rule(
        &mut self,
        type_: &str,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> bool {
        let type_ = self.canonical(type_);
        if self.custom.remove(&type_).is_none() {
            return false;
        }
        let before = std::mem::take(&mut self.custom);
        *self = Routing::default();
        for (type_, agent) in before {
            self.set(&type_, &agent);
        }
        out.push(Change::Record { kind: RecordKind::Routing, key: type_.clone(), row: None });
        audit("routing.rule_removed", json!({"type": type_}), by, now, out);
        true
    }

    fn canonical(&self, type_: &str) -> String {
        self.by_name.get(type_).map_or_else(|| type_.to_owned(), |(to, _)| to.to_string())
    }

    fn set(&mut self, type_: &str, agent: &str) -> String {
        let (type_, agent) = (self.canonical(type_), Arc::<str>::from(agent));
        let to: Arc<str> = Arc::from(type_.as_str());
        self.by_name.entry(type_.clone()).or_insert_with(|| (to.clone(), agent.clone()));
        for (one, whose) in self.by_name.values_mut() {
            if *one == to {
                *whose = agent.clone();
            }
        }
        self.custom.insert(type_.clone(), agent);
        type_
    }
}

fn check(field: &str, name: &str) -> Result<(), Refusal> {
    let fits = (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if fits {
        return Ok(());
    }
    let what = format!("must have 1 to {NAME_MAX} letters, digits, underscores, dashes and dots");
    Err(Refusal::invalid(field, what))
}

fn audit(action: &'static str, details: serde_json::Value, by: &str, now: Timestamp, out: &mut Vec<Change>) {
    let Some(subject) = TaskId::parse(SYSTEM_ID) else { return };
    out.push(Change::Audit(Audit { at: now, actor: by.to_owned(), action, subject, details }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(routing: &Routing, type_: &str, wanted: Option<(&str, &str)>) {
        let got = routing.route(type_);
        let got = got.as_ref().map(|(name, agent)| (&**name, &**agent));
        assert_eq!(got, wanted, "{type_}");
    }

    #[test]
    fn rules_of_the_documents_and_of_the_operator() {
        let (mut routing, now, mut out) = (Routing::default(), Timestamp::default(), Vec::new());
        for (type_, wanted) in [
            ("bugfix", Some(("bugfix", "dev_agent"))),
            ("deployment", Some(("deploy", "ops_agent"))),
            ("documentation", Some(("kb_update", "faq_agent"))),
            ("knowledge_sync", Some(("kb_update", "faq_agent"))),
            ("incident", Some(("alert", "ops_agent"))),
            ("BUGFIX", None),
            ("triage", None),
            ("", None),
        ] {
            check(&routing, type_, wanted);
        }
        let set = |routing: &mut Routing, type_: &str, agent: &str, out: &mut Vec<Change>| {
            routing.register_custom_rule(type_, agent, "op", now, out)
        };
        assert_eq!(set(&mut routing, "deployment", "release_agent", &mut out).as_deref(), Ok("deploy"));
        assert_eq!(set(&mut routing, "triage", "support_agent", &mut out).as_deref(), Ok("triage"));
        assert!(set(&mut routing, "two words", "x", &mut out).is_err());
        assert!(set(&mut routing, "x", "", &mut out).is_err());
        check(&routing, "deploy", Some(("deploy", "release_agent")));
        check(&routing, "triage", Some(("triage", "support_agent")));
        let custom = routing.get_routing_rules().into_iter().filter(|rule| rule.custom).count();
        assert_eq!((custom, routing.get_routing_rules().len()), (2, 10));

        let records = out.iter().filter_map(|change| match change {
            Change::Record { kind, key, row: Some(row) } => {
                Some(crate::Record { kind: *kind, key: key.clone(), row: row.clone() })
            }
            _ => None,
        });
        let mut loaded = Loaded { records: records.collect(), ..Loaded::default() };
        let mut again = Routing::new(&mut loaded);
        check(&again, "deployment", Some(("deploy", "release_agent")));
        assert!(again.remove_custom_rule("deployment", "op", now, &mut out));
        assert!(!again.remove_custom_rule("deploy", "op", now, &mut out), "it is gone already");
        check(&again, "deploy", Some(("deploy", "ops_agent")));
        assert!(again.remove_custom_rule("triage", "op", now, &mut out));
        check(&again, "triage", None);
    }
}
