//! What may come in: one kind a name, and room for each label set that is new.

use super::{HISTOGRAMS_MAX, IDLE, Inner, Kind, PARTS, PLAIN_MAX, Refusal, Taken, Told, labels_of};
use model::{Labels, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The names that are new, each with its kind; the labels of each that was told.
type Admitted = (Vec<(String, Kind)>, Vec<Labels>);

impl Inner {
    /// The names that are new, and the labels of each that was told.
    pub(super) fn admit(&self, batch: &[Told]) -> Result<Admitted, Refusal> {
        let mut new: BTreeMap<&str, Kind> = BTreeMap::new();
        for (at, told) in batch.iter().enumerate() {
            let name = told.name.as_str();
            let kind = |name: &str| self.names.get(name).or_else(|| new.get(name)).copied();
            match kind(name) {
                Some(kind) if kind == told.kind => continue,
                Some(kind) => return Err(taken(at, name, name, kind)),
                None => {}
            }
            for part in PARTS {
                // A series of this name would be a histogram's, or a histogram's would have another's name.
                let base = name.strip_suffix(part).filter(|base| kind(base) == Some(Kind::Histogram));
                if let Some(base) = base {
                    return Err(taken(at, name, base, Kind::Histogram));
                }
                let own = format!("{name}{part}");
                if let Some(kind) = kind(&own).filter(|_| told.kind == Kind::Histogram) {
                    return Err(taken(at, &own, &own, kind));
                }
            }
            new.insert(name, told.kind);
        }
        let names = new.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
        Ok((names, batch.iter().map(labels_of).collect()))
    }

    /// Room for the label sets that are new: the one that was idle for longest goes.
    pub(super) fn make_room(
        &mut self,
        labels: &[Labels],
        batch: &[Told],
        now: Timestamp,
        taken: &mut Taken,
    ) -> Result<(), Refusal> {
        let mut new: [BTreeSet<&Labels>; 2] = Default::default();
        for (at, (labels, told)) in labels.iter().zip(batch).enumerate() {
            let histogram = told.kind == Kind::Histogram;
            let (known, max) = if histogram {
                (self.histograms.contains_key(labels), HISTOGRAMS_MAX)
            } else {
                (self.plain.contains_key(labels), PLAIN_MAX)
            };
            if known || !new[usize::from(histogram)].insert(labels) {
                continue;
            }
            let held = if histogram { self.histograms.len() } else { self.plain.len() };
            if held + new[usize::from(histogram)].len() <= max {
                continue;
            }
            let idle = if histogram {
                self.histograms.iter().map(|(labels, one)| (one.at, labels)).min()
            } else {
                self.plain.iter().map(|(labels, one)| (one.at, labels)).min()
            };
            let idle = idle.filter(|(since, _)| now.since(*since) >= IDLE).map(|(_, labels)| labels.clone());
            let Some(idle) = idle else { return Err(Refusal::Full { at, max }) };
            let instant = self.last.max(now);
            self.forget(&idle, told.kind, instant, &mut taken.samples);
        }
        Ok(())
    }
}

fn taken(at: usize, name: &str, by: &str, kind: Kind) -> Refusal {
    Refusal::Taken { at, name: name.to_owned(), by: by.to_owned(), kind }
}
