//! What a job makes of its targets' samples: which labels they get, which are dropped, which are too many.

use crate::Error;
use crate::exposition::RawLabels;
use crate::relabel::{self, Fate, Rule};
use model::{Labels, LabelsBuilder, METRIC_NAME, Refusal};
use std::sync::Arc;

/// Limits of one scrape; 0 means none. Going over one refuses the whole scrape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Samples after relabelling.
    pub samples: usize,
    /// Labels of a series.
    pub labels: usize,
    /// Bytes of a label's name.
    pub name_bytes: usize,
    /// Bytes of a label's value.
    pub value_bytes: usize,
}

/// Everything that decides what a line of a body becomes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Shape {
    /// The target's labels.
    pub(crate) target: Labels,
    /// Whether a sample's own label wins over the target's.
    pub(crate) honor_labels: bool,
    /// Whether a sample's own timestamp counts.
    pub(crate) honor_timestamps: bool,
    /// Whether series with timestamps get staleness markers too.
    pub(crate) track_timestamps_staleness: bool,
    /// Whether only names of the classic form are taken.
    pub(crate) classic_names: bool,
    /// `metric_relabel_configs`.
    pub(crate) relabel: Arc<[Rule]>,
    /// The limits.
    pub(crate) limits: Limits,
}

/// What becomes of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    Kept(Labels),
    Dropped,
    Refused(Refusal),
}

impl Shape {
    /// The labels under which a series is stored.
    pub(crate) fn labels(&self, raw: &RawLabels<'_>) -> Result<Verdict, Error> {
        self.check_limits(raw)?;
        let mut labels = LabelsBuilder::default();
        for (name, value) in raw.iter() {
            labels.set(name, value);
        }
        if self.honor_labels {
            self.fill(raw, &mut labels)
        } else {
            self.override_(&mut labels)
        }
        if relabel::apply(&self.relabel, &mut labels) == Fate::Dropped {
            return Ok(Verdict::Dropped);
        }
        let labels = labels.build();
        if labels.is_empty() {
            return Ok(Verdict::Dropped);
        }
        Ok(if self.is_storable(&labels) {
            Verdict::Kept(labels)
        } else {
            Verdict::Refused(Refusal::BadLabels)
        })
    }

    /// The target's labels where the sample has none; one it has as empty stays away.
    fn fill(&self, raw: &RawLabels<'_>, labels: &mut LabelsBuilder) {
        for (name, value) in self.target.iter() {
            if raw.get(name).is_none() {
                labels.set(name, value);
            }
        }
    }

    /// The target's labels always; a sample's own of the same name moves to `exported_NAME`.
    fn override_(&self, labels: &mut LabelsBuilder) {
        let mut moved = Vec::new();
        for (name, value) in self.target.iter() {
            let own = labels.get(name).to_owned();
            if !own.is_empty() {
                moved.push((name, own));
            }
            labels.set(name, value);
        }
        for (name, own) in moved {
            let mut exported = format!("exported_{name}");
            while !labels.get(&exported).is_empty() {
                exported.insert_str(0, "exported_");
            }
            labels.set(exported, own);
        }
    }

    fn is_storable(&self, labels: &Labels) -> bool {
        let name = labels.name();
        !name.is_empty()
            && (!self.classic_names
                || model::is_classic_metric_name(name)
                    && labels.iter().all(|(n, _)| model::is_classic_label_name(n)))
    }

    fn check_limits(&self, raw: &RawLabels<'_>) -> Result<(), Error> {
        let metric = || shown(raw.get(METRIC_NAME).unwrap_or(""));
        let check = |key, got: usize, limit: usize| {
            let over = limit > 0 && got > limit;
            if over { Err(Error::LabelLimit { key, metric: metric(), got, limit }) } else { Ok(()) }
        };
        let limits = self.limits;
        if limits.labels + limits.name_bytes + limits.value_bytes == 0 {
            return Ok(());
        }
        let added = self.target.iter().filter(|(name, _)| raw.get(name).is_none() || !self.honor_labels);
        check("label_limit", raw.iter().count() + added.count(), limits.labels)?;
        for (name, value) in raw.iter().chain(self.target.iter()) {
            check("label_name_length_limit", name.len(), limits.name_bytes)?;
            check("label_value_length_limit", value.len(), limits.value_bytes)?;
        }
        Ok(())
    }
}

fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}
