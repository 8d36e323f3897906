//! Agents and routing rules, as clients manage them.

use super::desk::{refusal, uuid};
use super::once::once;
use crate::core::Handle;
use futures_util::future::BoxFuture;
use server::{Asked, Failure, views::Kept};
use tasks::agents::{Agent, NewAgent, Rule, Update};

/// Agents as the server sees them.
pub struct Agents {
    /// Who decides.
    pub core: Handle,
}

impl server::Agents for Agents {
    fn agents(&self, name: String, scope: Option<String>) -> BoxFuture<'_, Result<Vec<Agent>, Failure>> {
        Box::pin(async move {
            let list = self.core.call(move |core, _, _| {
                core.agents.list(&name, scope.as_deref()).into_iter().cloned().collect()
            });
            Ok(list.await?)
        })
    }

    fn agent(&self, id: String) -> BoxFuture<'_, Result<Option<Agent>, Failure>> {
        Box::pin(async move { Ok(self.core.call(move |core, _, _| core.agents.get(&id).cloned()).await?) })
    }

    fn create(&self, new: NewAgent, by: String, asked: Asked<Agent>) -> BoxFuture<'_, Result<Kept, Failure>> {
        let id = uuid();
        Box::pin(once(&self.core, asked, move |core, batch, now| {
            core.agents.create(new, id, &by, now, &mut batch.changes.tasks).map_err(refusal)
        }))
    }

    fn update(
        &self,
        id: String,
        update: Update,
        by: String,
    ) -> BoxFuture<'_, Result<Option<Agent>, Failure>> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                core.agents.update(&id, update, &by, now, &mut batch.changes.tasks)
            });
            done.await?.map_err(refusal)
        })
    }

    fn delete(&self, id: String, by: String) -> BoxFuture<'_, Result<Option<Agent>, Failure>> {
        Box::pin(async move {
            let done = self
                .core
                .call(move |core, batch, now| core.agents.delete(&id, &by, now, &mut batch.changes.tasks));
            done.await?.map_err(refusal)
        })
    }

    fn renew_secret(&self, id: String, by: String) -> BoxFuture<'_, Result<Option<String>, Failure>> {
        Box::pin(async move {
            let (random, salt) = (rand::random(), rand::random());
            let done = self.core.call(move |core, batch, now| {
                core.agents.renew_secret(&id, random, salt, &by, now, &mut batch.changes.tasks)
            });
            done.await?.map_err(refusal)
        })
    }

    fn rules(&self) -> BoxFuture<'_, Result<Vec<Rule>, Failure>> {
        Box::pin(
            async move { Ok(self.core.call(|core, _, _| core.queue.routing().get_routing_rules()).await?) },
        )
    }

    fn set_rule(&self, type_: String, agent: String, by: String) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                let out = &mut batch.changes.tasks;
                core.queue.routing().register_custom_rule(&type_, &agent, &by, now, out)
            });
            done.await?.map_err(refusal)
        })
    }

    fn remove_rule(&self, type_: String, by: String) -> BoxFuture<'_, Result<bool, Failure>> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                core.queue.routing().remove_custom_rule(&type_, &by, now, &mut batch.changes.tasks)
            });
            Ok(done.await?)
        })
    }
}
