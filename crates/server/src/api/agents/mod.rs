//! `/agents`: programs known by name, their secrets, and which agent a type of task goes to.

mod registry;
mod routing;

pub(in crate::api) use registry::{agent, agents, create, credentials, delete_agent, update};
pub(in crate::api) use routing::{remove_rule, remove_rule_named, rules, set_rule, set_rule_named};
