//! Our own figures: gathered from every part, shown on `/metrics`, and written to our own series store, so that
//! rules can watch Tocsin without a scrape.

use model::{Ingest, JOB, Labels, METRIC_NAME, Timestamp};
use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

/// Writes samples as name, labels, value.
pub type Out<'a> = dyn FnMut(&str, &[(&str, &str)], f64) + 'a;
/// One part's figures.
pub type Source = Arc<dyn Fn(&mut Out<'_>) + Send + Sync>;

/// Every part that has figures.
#[derive(Default)]
pub struct Registry {
    /// Protects the list only; sources run outside.
    sources: Mutex<Vec<Source>>,
    /// Type and help of a family by name.
    families: Mutex<BTreeMap<String, (&'static str, &'static str)>>,
}

impl Registry {
    /// Adds a part and the families it may write: name, type, help.
    pub fn add(&self, families: &[(&'static str, &'static str, &'static str)], source: Source) {
        let mut known = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(families.iter().map(|(name, kind, help)| ((*name).to_owned(), (*kind, *help))));
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    fn gather(&self, out: &mut Out<'_>) {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for source in sources {
            source(out);
        }
    }

    /// The exposition text, version 0.0.4, each family together under its type.
    pub fn text(&self) -> String {
        let mut families: BTreeMap<String, String> = BTreeMap::new();
        let known = self.families.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.gather(&mut |name, labels, value| {
            let family = family_of(name, &known);
            let text = families.entry(family.to_owned()).or_insert_with(|| head(family, &known));
            text.push_str(name);
            for (i, (label, value)) in labels.iter().enumerate() {
                let escaped = value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
                let _ = write!(text, "{}{label}=\"{escaped}\"", if i == 0 { '{' } else { ',' });
            }
            let _ = writeln!(
                text,
                "{} {}",
                if labels.is_empty() { "" } else { "}" },
                promql::format_value(value)
            );
        });
        families.into_values().collect()
    }

    /// Appends everything at `now` as the job `tocsin`.
    pub fn write_to(
        &self,
        series: &dyn Ingest,
        now: Timestamp,
    ) -> Result<model::Committed, model::QueryError> {
        let mut batch = series.appender();
        self.gather(&mut |name, labels, value| {
            let own = [(METRIC_NAME, name), (JOB, "tocsin"), ("instance", "self")];
            let labels = Labels::from_pairs(labels.iter().copied().chain(own));
            if let Err(why) = batch.append(&labels, now, value) {
                tracing::debug!(event = "own_sample_refused", %labels, %why, "Own sample refused");
            }
        });
        batch.commit()
    }
}

type Families = BTreeMap<String, (&'static str, &'static str)>;

/// The family of a sample: a histogram's parts belong to its name.
fn family_of<'a>(name: &'a str, known: &Families) -> &'a str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|ending| name.strip_suffix(ending))
        .find(|base| known.get(*base).is_some_and(|(kind, _)| *kind == "histogram"))
        .unwrap_or(name)
}

fn head(family: &str, known: &Families) -> String {
    let guess = if family.ends_with("_total") { "counter" } else { "gauge" };
    let (kind, help) = known.get(family).copied().unwrap_or((guess, ""));
    let help = if help.is_empty() { String::new() } else { format!("# HELP {family} {help}\n") };
    format!("{help}# TYPE {family} {kind}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_stay_together_and_labels_are_escaped() {
        let registry = Registry::default();
        registry.add(
            &[("d", "histogram", "Times.")],
            Arc::new(|out| {
                out("d_bucket", &[("le", "+Inf")], 1.0);
                out("up_total", &[("a", "x\"\n\\")], f64::INFINITY);
                out("d_sum", &[], 0.5);
            }),
        );
        let want = "# HELP d Times.\n# TYPE d histogram\nd_bucket{le=\"+Inf\"} 1\nd_sum 0.5\n\
                    # TYPE up_total counter\nup_total{a=\"x\\\"\\n\\\\\"} +Inf\n";
        assert_eq!(registry.text(), want);
    }
}
