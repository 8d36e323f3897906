//! What is watched and what is wrong: the collector's and the deciders' views.

use crate::core::{Handle, Told};
use collect::{Collector, scrape::Metadata};
use futures_util::future::BoxFuture;
use model::{Labels, Matcher, Timestamp};
use server::views::{
    ActiveAlertView, ActiveState, AlertGroup, AlertState, AlertView, Diagnosis, MetricMetadata, ProbeView,
    RuleGroupView, RuleHealth, RuleKind, RuleView, SilenceTerms, SilenceView, SilenceWindow, TargetHealth,
    TargetView,
};
use std::{collections::BTreeMap, sync::Arc};

/// The collector and the core, as the server sees them.
pub struct Monitoring {
    /// Targets and probes.
    pub collector: Arc<Collector>,
    /// Rules and alerts.
    pub core: Handle,
}

impl server::Monitoring for Monitoring {
    fn targets(&self) -> BoxFuture<'_, Vec<TargetView>> {
        Box::pin(async { self.collector.targets().into_iter().map(target).collect() })
    }

    fn targets_dropped(&self) -> BoxFuture<'_, Vec<Labels>> {
        Box::pin(async { self.collector.dropped().into_iter().map(|view| view.discovered).collect() })
    }

    fn targets_dropped_counts(&self) -> BoxFuture<'_, BTreeMap<String, u64>> {
        Box::pin(async {
            let counts = self.collector.dropped_count().into_iter();
            counts.map(|(job, count)| (job, count as u64)).collect()
        })
    }

    fn metadata(&self) -> BoxFuture<'_, Vec<(Labels, BTreeMap<String, MetricMetadata>)>> {
        Box::pin(async {
            let collector = self.collector.clone();
            let read = move || collector.metadata().into_iter().map(metadata).collect();
            // Each target's comments are parsed anew, which is too much work for the runtime's threads.
            tokio::task::spawn_blocking(read).await.unwrap_or_default()
        })
    }

    fn probes(&self) -> BoxFuture<'_, Vec<ProbeView>> {
        Box::pin(async { self.collector.probes().into_iter().map(probe).collect() })
    }

    fn rules(&self) -> BoxFuture<'_, Vec<RuleGroupView>> {
        Box::pin(async {
            let groups = self.core.call(|core, _, _| core.rules.view()).await.unwrap_or_default();
            groups.into_iter().map(group).collect()
        })
    }

    fn alerts(&self, matchers: Vec<Matcher>) -> BoxFuture<'_, Vec<AlertView>> {
        Box::pin(async {
            let all = self.core.call(move |core, _, now| {
                core.alerts
                    .list(&matchers, now)
                    .into_iter()
                    .map(|alert| told(core, alert))
                    .collect::<Vec<_>>()
            });
            all.await.unwrap_or_default()
        })
    }

    fn alert_groups(&self) -> BoxFuture<'_, Vec<AlertGroup>> {
        Box::pin(async {
            let groups = self.core.call(|core, _, now| {
                let groups = core.alerts.groups(now).into_iter();
                groups
                    .map(|group| AlertGroup {
                        labels: group.labels,
                        route_labels: group.route_labels,
                        receiver: group.receiver,
                        alerts: group.alerts.into_iter().map(|alert| told(core, alert)).collect(),
                    })
                    .collect::<Vec<_>>()
            });
            groups.await.unwrap_or_default()
        })
    }

    fn silences(&self) -> BoxFuture<'_, Vec<SilenceView>> {
        Box::pin(async {
            let all = self.core.call(|core, _, now| {
                core.alerts.silences().cloned().map(|kept| silence(kept, now)).collect::<Vec<_>>()
            });
            all.await.unwrap_or_default()
        })
    }

    fn receivers(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async {
            let names = self.core.call(|core, _, _| {
                core.alerts.config().receivers.iter().map(|receiver| receiver.name.clone()).collect()
            });
            names.await.unwrap_or_default()
        })
    }
}

pub(super) fn told(core: &crate::core::Core, view: alerts::AlertView) -> AlertView {
    AlertView {
        // A page about an earlier time that it fired says nothing about now.
        diagnosis: core
            .pages
            .told(&view.alert.labels)
            .filter(|told| told.at >= view.alert.starts_at)
            .map(diagnosis),
        state: match view.state {
            alerts::AlertState::Unprocessed => AlertState::Unprocessed,
            alerts::AlertState::Active => AlertState::Active,
            alerts::AlertState::Suppressed => AlertState::Suppressed,
        },
        alert: view.alert,
        silenced_by: view.silenced_by,
        inhibited_by: view.inhibited_by,
        muted_by: view.muted_by,
        receivers: view.receivers,
    }
}

fn silence(silence: alerts::Silence, now: Timestamp) -> SilenceView {
    let windows = silence.terms.windows.iter().map(|window| {
        let alerts::WindowText { weekdays, start, end, zone } = window.text().clone();
        SilenceWindow { weekdays, start, end, zone }
    });
    let terms = SilenceTerms {
        windows: windows.collect(),
        until_resolved: silence.terms.until_resolved,
        maintenance: silence.terms.maintenance,
        confirmed: false,
    };
    SilenceView {
        acts: silence.acts(now),
        terms: Some(terms),
        id: silence.id,
        matchers: silence.matchers,
        starts_at: silence.starts_at,
        ends_at: silence.ends_at,
        updated_at: silence.updated_at,
        created_by: silence.created_by,
        comment: silence.comment,
        annotations: Labels::empty(),
    }
}

fn health(health: collect::Health) -> TargetHealth {
    match health {
        collect::Health::Unknown => TargetHealth::Unknown,
        collect::Health::Up => TargetHealth::Up,
        collect::Health::Down => TargetHealth::Down,
    }
}

fn target(view: collect::TargetView) -> TargetView {
    TargetView {
        labels: view.labels,
        discovered: view.discovered,
        scrape_pool: view.job,
        global_url: view.url.clone(),
        scrape_url: view.url,
        health: health(view.health),
        last_error: view.last_error,
        last_scrape: view.last_scrape,
        last_duration: view.last_duration,
        interval: view.interval,
        timeout: view.timeout,
        samples: view.tally.kept as u64,
    }
}

fn metadata(
    (labels, metrics): (Labels, BTreeMap<String, Metadata>),
) -> (Labels, BTreeMap<String, MetricMetadata>) {
    let shown =
        |of: Metadata| MetricMetadata { kind: of.kind.as_str().to_owned(), help: of.help, unit: of.unit };
    (labels, metrics.into_iter().map(|(name, of)| (name, shown(of))).collect())
}

fn probe(view: collect::ProbeView) -> ProbeView {
    ProbeView {
        name: view.name,
        kind: view.kind.to_owned(),
        target: view.target,
        health: health(view.health),
        last_error: view.last_error,
        last_probe: view.last_at,
        last_duration: view.last_duration,
        interval: view.interval,
    }
}

fn group(view: rules::GroupView) -> RuleGroupView {
    RuleGroupView {
        name: view.name,
        file: view.file,
        interval: view.interval,
        limit: view.limit as u64,
        last_evaluation: view.last_evaluation,
        evaluation_time: view.evaluation_time,
        rules: view.rules.into_iter().map(rule).collect(),
    }
}

fn rule(view: rules::RuleView) -> RuleView {
    RuleView {
        name: view.name,
        query: view.query,
        labels: view.labels,
        health: match view.health {
            rules::Health::Unknown => RuleHealth::Unknown,
            rules::Health::Ok => RuleHealth::Ok,
            rules::Health::Err => RuleHealth::Error,
        },
        last_error: view.last_error,
        last_evaluation: view.last_evaluation,
        evaluation_time: view.evaluation_time,
        kind: match view.kind {
            rules::RuleKindView::Recording => RuleKind::Recording,
            rules::RuleKindView::Alerting { hold, keep_firing, annotations, alerts } => RuleKind::Alerting {
                hold,
                keep_firing,
                annotations,
                alerts: alerts.into_iter().map(active).collect(),
            },
        },
    }
}

fn active(view: rules::AlertView) -> ActiveAlertView {
    ActiveAlertView {
        labels: view.labels,
        annotations: view.annotations,
        state: match view.state {
            rules::AlertState::Pending => ActiveState::Pending,
            rules::AlertState::Firing => ActiveState::Firing,
        },
        active_at: view.active_at,
        value: view.value,
        keep_firing_since: view.keep_firing_since,
    }
}

fn diagnosis(told: &Told) -> Diagnosis {
    Diagnosis {
        at: told.at,
        told: told.receivers.clone(),
        cause: told.page.cause.clone(),
        findings: told.page.diagnosis.clone(),
        remedies: told.page.remedy.clone(),
    }
}
