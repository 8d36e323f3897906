//! Revocations and what else is done with tokens in the journal, and the agents' secrets.

use crate::core::Handle;
use futures_util::future::BoxFuture;
use model::Timestamp;
use serde_json::Value;
use server::{Failure, KnownAgent, TokenAct, auth::Role};
use tasks::{
    Audit, Change, RecordKind, TaskId,
    agents::{self, Agent, SYSTEM_ID},
};

/// The core as tokens need it.
pub struct Keep {
    /// Who decides.
    pub core: Handle,
}

impl server::Keep for Keep {
    fn tokens(
        &self,
        rows: Vec<(String, Option<Value>)>,
        acts: Vec<TokenAct>,
    ) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let kept = self.core.call(move |_, batch, now| {
                let change = |(key, row)| Change::Record { kind: RecordKind::Revoked, key, row };
                batch.changes.tasks.extend(rows.into_iter().map(change));
                batch.changes.tasks.extend(acts.into_iter().filter_map(|act| on_record(act, now)));
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

/// About the agent whose token it is; anybody else has no row of its own, so about the system.
fn on_record(TokenAct { by, action, subject, mut details }: TokenAct, at: Timestamp) -> Option<Change> {
    let about = TaskId::parse(&subject).or_else(|| TaskId::parse(SYSTEM_ID))?;
    details["subject"] = subject.into();
    Some(Change::Audit(Audit { at, actor: by, action, subject: about, details }))
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
