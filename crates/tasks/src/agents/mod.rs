//! Agents: programs that are known by name, with what they may do and a secret of their own; and which agent a
//! type of task goes to ([`Routing`]).
//!
//! A secret is shown once, when it is made; what is kept is a salted hash, compared in constant time whether the
//! agent exists or not. Secrets are 256 random bits, so a fast hash is enough. Names are unique. The agent
//! `system` always exists and never has a secret: in the systems that we replace its id alone was a password.

mod registry;
mod routing;

pub use registry::{AGENTS_MAX, Agent, Agents, NewAgent, Role, SYSTEM_ID, Update};
pub use routing::{RULES_MAX, Routing, Rule};
