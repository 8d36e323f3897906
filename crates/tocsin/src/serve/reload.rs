//! Reading the configuration again: everything that a file can change, changed together, or nothing; and saying
//! beforehand what it would move.

use super::settings;
use crate::{
    config::{self, Loaded, Sources},
    core::{Batch, Core, Handle, Retention},
    monitoring::{self, Overrides},
    seams::{ConfigState, Moved, Process, RuleExprs},
};
use collect::Collector;
use futures_util::future::BoxFuture;
use model::{Clock, Timestamp};
use rules::{GroupSpec, RuleKind};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

/// Files that were read and are good.
struct Fresh {
    loaded: Loaded,
    templates: template::Set,
    approvals: tasks::ApprovalSettings,
    retention: Retention,
}

/// What a reload reaches.
pub struct Reloader {
    /// Which files.
    pub sources: Sources,
    /// What the environment says of thresholds.
    pub overrides: Overrides,
    /// Our own address as users see it; only a restart changes it.
    pub external_url: String,
    /// The deciders.
    pub core: Handle,
    /// Targets and probes.
    pub collector: Arc<Collector>,
    /// Receivers.
    pub receivers: Arc<notify::Registry>,
    /// Tools.
    pub actions: Arc<worker::Actions>,
    /// For trends.
    pub rule_exprs: Arc<RuleExprs>,
    /// The series, whose owners rules must learn anew.
    pub db: tsdb::Db,
    /// What status pages say.
    pub process: Arc<Process>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Reloader {
    /// Reads the files again. An error changes nothing and says where it is.
    pub fn reload(self: &Arc<Self>) -> BoxFuture<'static, Result<(), String>> {
        let this = self.clone();
        Box::pin(async move {
            let done = match this.read().await {
                Ok(fresh) => this.apply(fresh).await,
                Err(why) => Err(why),
            };
            if let Err(why) = &done {
                tracing::error!(event = "reload_failed", "The configuration was not reloaded: {why}");
                let mut state = this.process.config.write().unwrap_or_else(PoisonError::into_inner);
                state.error = Some(why.clone());
            }
            done
        })
    }

    /// Reads the files as a reload would, and changes nothing: the alerts that would go elsewhere, by labels.
    pub fn would_move(self: &Arc<Self>) -> BoxFuture<'static, Result<Vec<Moved>, String>> {
        let this = self.clone();
        Box::pin(async move {
            let routing = this.read().await?.loaded.alerts;
            let moved = this.core.call(move |core: &mut Core, _, now| core.alerts.would_move(&routing, now));
            moved.await.map_err(|why| why.to_string())
        })
    }

    /// Reads the files; an error says all that is wrong, and where.
    async fn read(&self) -> Result<Fresh, String> {
        let sources = self.sources.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&sources)).await;
        let loaded = loaded.map_err(|why| why.to_string())?.map_err(|report| report.errors().to_string())?;
        Ok(Fresh {
            templates: template::Set::new(&loaded.templates).map_err(|why| why.to_string())?,
            approvals: settings::approvals(&loaded).map_err(|why| why.to_string())?,
            retention: settings::retention(&loaded).map_err(|why| why.to_string())?,
            loaded,
        })
    }

    async fn apply(&self, fresh: Fresh) -> Result<(), String> {
        let Fresh { loaded, templates, approvals, retention } = fresh;
        self.receivers.replace(loaded.receivers.clone(), templates);
        self.actions.set_tools(&loaded.tools);
        self.actions.set_schemas(loaded.kinds.clone());
        self.rule_exprs.store(Arc::new(exprs(&loaded.rule_groups)));
        let state = state(&loaded, self.clock.now());
        let settings = rule_settings(&loaded, &self.external_url);
        let thresholds = monitoring::declared(&loaded, &self.overrides);
        let watched = monitoring::settings(&loaded, &self.overrides, &self.external_url);
        let (external_url, history) = (self.external_url.clone(), retention.alerts);
        let routing = alerts::Config { external_url, history, ..loaded.alerts.clone() };
        let kinds = settings::step_kinds(&loaded, &self.actions);
        let closed = self.actions.closed_kinds();
        let (groups, runbooks, live) = (loaded.rule_groups, loaded.runbooks, self.db.live());
        let done = self.core.call(move |core: &mut Core, batch: &mut Batch, now| {
            let decided = core.rules.reload(groups, settings, now);
            core.rules.born(live.iter().map(|(id, labels)| (*id, labels)));
            core.alerts.reload(routing, now, &mut batch.changes.alerts);
            core.set_thresholds(thresholds, watched, batch, now);
            core.rules_replaced(decided, batch, now);
            core.book = runbooks::Book::new(runbooks);
            core.queue.set_kinds(Some(kinds), closed);
            core.queue.set_approvals(approvals);
            core.set_retention(retention);
        });
        done.await.map_err(|why| why.to_string())?;
        self.collector.apply(loaded.collect);
        *self.process.config.write().unwrap_or_else(PoisonError::into_inner) = state;
        tracing::info!(event = "reloaded", "The configuration was reloaded");
        Ok(())
    }
}

/// What status pages say of a configuration.
pub fn state(loaded: &Loaded, at: Timestamp) -> ConfigState {
    ConfigState {
        at,
        error: None,
        text: loaded.shown.main.clone(),
        alertmanager_text: loaded.shown.alertmanager.clone(),
        alertmanagers: Vec::new(),
        resolve_timeout: loaded.alerts.resolve_timeout,
    }
}

/// The settings of all rules.
pub fn rule_settings(loaded: &Loaded, external_url: &str) -> rules::Settings {
    rules::Settings {
        external_labels: loaded.rules.external_labels.clone(),
        external_url: external_url.to_owned(),
        default_interval: loaded.rules.evaluation_interval,
        default_query_offset: loaded.rules.query_offset,
        on_arrival: loaded.rules.on_arrival,
    }
}

/// Alerting expressions by alert name.
pub fn exprs(groups: &[GroupSpec]) -> BTreeMap<String, Vec<Arc<promql::Expr>>> {
    let mut by_name: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for rule in groups.iter().flat_map(|group| &group.rules) {
        if matches!(rule.kind, RuleKind::Alerting { .. }) {
            by_name.entry(rule.name.clone()).or_default().push(Arc::new(rule.expr.clone()));
        }
    }
    by_name
}
