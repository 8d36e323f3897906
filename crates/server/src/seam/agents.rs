//! Agents and where types of tasks go.

use super::{Asked, Failure};
use crate::views::Kept;
use futures_util::future::BoxFuture;
use tasks::agents::{Agent, NewAgent, Rule, Update};

/// Manages agents and rules. Each change answers after its commit.
pub trait Agents: Send + Sync {
    /// The agents whose name holds `name` and that have this scope, newest first.
    fn agents(&self, name: String, scope: Option<String>) -> BoxFuture<'_, Result<Vec<Agent>, Failure>>;
    /// The agent of this id.
    fn agent(&self, id: String) -> BoxFuture<'_, Result<Option<Agent>, Failure>>;
    /// Makes an agent, without a secret.
    fn create(&self, new: NewAgent, by: String, asked: Asked<Agent>) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// Changes an agent; `None`: there is none of that id.
    fn update(&self, id: String, update: Update, by: String)
    -> BoxFuture<'_, Result<Option<Agent>, Failure>>;
    /// Removes an agent; `None`: there is none of that id.
    fn delete(&self, id: String, by: String) -> BoxFuture<'_, Result<Option<Agent>, Failure>>;
    /// Gives an agent another secret and answers it, this one time. `None`: there is no agent of that id.
    fn renew_secret(&self, id: String, by: String) -> BoxFuture<'_, Result<Option<String>, Failure>>;
    /// Where types of tasks go.
    fn rules(&self) -> BoxFuture<'_, Result<Vec<Rule>, Failure>>;
    /// Sends a type, known or new, to an agent from now on; answers the type's canonical name.
    fn set_rule(&self, type_: String, agent: String, by: String) -> BoxFuture<'_, Result<String, Failure>>;
    /// Takes a rule back; false: there is none.
    fn remove_rule(&self, type_: String, by: String) -> BoxFuture<'_, Result<bool, Failure>>;
}
