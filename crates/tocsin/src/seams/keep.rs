//! Revocations in the journal, and the agents' secrets.

use crate::core::Handle;
use futures_util::future::BoxFuture;
use serde_json::Value;
use server::{Failure, KnownAgent, auth::Role};
use tasks::{
    Change, RecordKind,
    agents::{self, Agent},
};

/// The core as tokens need it.
pub struct Keep {
    /// Who decides.
    pub core: Handle,
}

impl server::Keep for Keep {
    fn revoked(&self, rows: Vec<(String, Option<Value>)>) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let kept = self.core.call(move |_, batch, _| {
                let change = |(key, row)| Change::Record { kind: RecordKind::Revoked, key, row };
                batch.changes.tasks.extend(rows.into_iter().map(change));
            });
            Ok(kept.await?)
        })
    }

    fn agent(&self, id: String, secret: String) -> BoxFuture<'_, Result<Option<KnownAgent>, Failure>> {
        Box::pin(async move {
            let found = self.core.call(move |core, _, _| core.agents.verify(&id, &secret).map(known));
            Ok(found.await?)
        })
    }

    fn agent_now(&self, id: String) -> BoxFuture<'_, Result<Option<KnownAgent>, Failure>> {
        Box::pin(async move {
            let found = self.core.call(move |core, _, _| core.agents.get(&id).map(known));
            Ok(found.await?)
        })
    }
}

fn known(agent: &Agent) -> KnownAgent {
    let role = match agent.role {
        agents::Role::User => Role::User,
        agents::Role::Agent => Role::Agent,
        agents::Role::Operator => Role::Operator,
        agents::Role::Admin => Role::Admin,
    };
    KnownAgent {
        id: agent.id.clone(),
        name: agent.name.clone(),
        role,
        scopes: (!agent.scopes.is_empty()).then(|| agent.scopes.clone()),
    }
}
