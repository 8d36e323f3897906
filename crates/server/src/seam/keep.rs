//! What tokens need of the rest of the process: a place where revocations last, and agents with their secrets.

use super::Failure;
use crate::auth::Role;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// An agent that has shown its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAgent {
    /// Its id: the `sub` of its tokens.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The tools' scopes it is narrowed to; `None`: it is not.
    pub scopes: Option<Vec<String>>,
}

/// Something done with tokens, for the audit log. It holds no token and no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenAct {
    /// Who did it.
    pub by: String,
    /// `token.issued`, `token.refreshed`, `token.revoked`, `token.reused`.
    pub action: &'static str,
    /// Whose token it is.
    pub subject: String,
    /// More: an object.
    pub details: Value,
}

/// Keeps what must outlive the process, and knows the agents.
pub trait Keep: Send + Sync {
    /// Keeps rows about revoked credentials, or forgets those without one, and puts what was done on record; answers
    /// after the one commit of both. May be called twice with the same rows.
    fn tokens(
        &self,
        rows: Vec<(String, Option<Value>)>,
        acts: Vec<TokenAct>,
    ) -> BoxFuture<'_, Result<(), Failure>>;

    /// The agent of this id or name, if the secret is its own. Whoever fills this compares in constant time.
    fn agent(&self, id: String, secret: String) -> BoxFuture<'_, Result<Option<KnownAgent>, Failure>>;

    /// The agent with this id, as it is now; for tokens that are refreshed. `None`: there is no such agent.
    fn agent_now(&self, id: String) -> BoxFuture<'_, Result<Option<KnownAgent>, Failure>>;
}
