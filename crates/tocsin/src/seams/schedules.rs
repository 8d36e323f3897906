//! Calendars, through the core.

use crate::core::Handle;
use futures_util::future::BoxFuture;
use serde_json::Value;
use server::Failure;
use std::collections::BTreeMap;
use tasks::schedule::Calendar;

/// The core as the keeper of calendars.
pub struct Schedules {
    /// Who decides.
    pub core: Handle,
}

impl server::Schedules for Schedules {
    fn calendars(&self) -> BoxFuture<'_, BTreeMap<String, Calendar>> {
        Box::pin(async move {
            let copy =
                |(name, calendar): (&String, &std::sync::Arc<Calendar>)| (name.clone(), (**calendar).clone());
            let all = self.core.call(move |core, _, _| core.queue.calendars().iter().map(copy).collect());
            all.await.unwrap_or_default()
        })
    }

    fn put_calendar(&self, name: String, row: Value, by: String) -> BoxFuture<'_, Result<Calendar, Failure>> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                core.queue.put_calendar(&name, &row, &by, now, &mut batch.changes.tasks)
            });
            Ok((*done.await?.map_err(super::desk::refusal)?).clone())
        })
    }

    fn delete_calendar(&self, name: String) -> BoxFuture<'_, Result<bool, Failure>> {
        Box::pin(async move {
            let done = self
                .core
                .call(move |core, batch, _| core.queue.delete_calendar(&name, &mut batch.changes.tasks));
            done.await?.map_err(super::desk::refusal)
        })
    }
}
