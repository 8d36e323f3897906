//! Random histories, run on the store and on a plain map: both must answer alike.

use super::{Rig, START, at, copy, series};
use ::model::{Ingest, Labels, MatchOp, Matcher, Querier, Refusal, Sample, Series, SeriesId};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One thing that happens. Times are in seconds.
#[derive(Debug, Clone)]
enum Step {
    /// Some series get a sample, each so many seconds beside the present, and the batch is committed or dropped.
    Batch { samples: Vec<(usize, i64, u8)>, commit: bool, by_id: bool },
    /// Time passes, maintenance runs.
    Pass(i64),
    /// The process dies and comes up again.
    Die,
}

fn step() -> impl Strategy<Value = Step> {
    let sample = (0..12usize, prop_oneof![4 => Just(0i64), 1 => -90..5i64], any::<u8>());
    prop_oneof![
        10 => (prop::collection::vec(sample, 0..20), prop::bool::weighted(0.9), any::<bool>())
            .prop_map(|(samples, commit, by_id)| Step::Batch { samples, commit, by_id }),
        4 => (1..200i64).prop_map(Step::Pass),
        1 => Just(Step::Die),
    ]
}

/// The plain map. What is older than any flush could reach is not appended to: `floor` is read off the store.
#[derive(Default)]
struct Plain(BTreeMap<Labels, BTreeMap<i64, u64>>);

impl Plain {
    fn refusal(
        &self,
        pending: &BTreeMap<Labels, BTreeMap<i64, u64>>,
        labels: &Labels,
        t: i64,
        v: f64,
    ) -> Option<Refusal> {
        let newest = |map: &BTreeMap<Labels, BTreeMap<i64, u64>>| {
            map.get(labels).and_then(|samples| samples.last_key_value().map(|(t, bits)| (*t, *bits)))
        };
        let (last, bits) = newest(pending).or_else(|| newest(&self.0))?;
        match t.cmp(&last) {
            std::cmp::Ordering::Less => Some(Refusal::OutOfOrder),
            std::cmp::Ordering::Equal if bits != v.to_bits() => Some(Refusal::Duplicate),
            _ => None,
        }
    }

    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        let mut found = Vec::new();
        for (labels, samples) in self.0.iter().filter(|(l, _)| matchers.iter().all(|m| m.matches_labels(l))) {
            let samples: Vec<Sample> = samples
                .range(from..=to)
                .map(|(t, bits)| Sample { t: at(*t), v: f64::from_bits(*bits) })
                .collect();
            if !samples.is_empty() {
                found.push(Series { labels: labels.clone(), samples });
            }
        }
        found
    }
}

fn some_series(i: usize) -> Labels {
    series(["up", "down", "cpu"][i % 3], ["a", "b", "c", "d"][i / 3])
}

fn queries() -> Vec<Vec<Matcher>> {
    let m = |op, name: &str, value: &str| Matcher::new(op, name, value).unwrap();
    vec![
        vec![Matcher::equal("__name__", "up")],
        vec![m(MatchOp::Regex, "__name__", "up|cpu"), m(MatchOp::NotEqual, "instance", "a")],
        vec![m(MatchOp::Regex, "instance", "[bc]"), m(MatchOp::NotRegex, "__name__", "d.*")],
        vec![m(MatchOp::Regex, "__name__", ".+"), Matcher::equal("zone", "")],
        vec![Matcher::equal("__name__", "up"), m(MatchOp::NotEqual, "zone", "")],
    ]
}

fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let root = tempfile::tempdir().unwrap();
    let (mut life, mut now, mut plain) = (0, START, Plain::default());
    let mut rig = Rig::open(&root.path().join("0"), now);
    let mut ids: BTreeMap<usize, SeriesId> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Batch { samples, commit, by_id } => {
                let mut appender = rig.db.appender();
                let mut pending: BTreeMap<Labels, BTreeMap<i64, u64>> = BTreeMap::new();
                for (i, beside, v) in samples {
                    let (labels, t, v) = (some_series(*i), now + beside * 1000, f64::from(*v));
                    let known = ids.get(i).filter(|_| *by_id);
                    let got = match known {
                        Some(id) => match appender.append_known(*id, at(t), v) {
                            Err(Refusal::UnknownSeries) => appender.append(&labels, at(t), v),
                            result => result.map(|()| *id),
                        },
                        None => appender.append(&labels, at(t), v),
                    };
                    match got {
                        Ok(id) => {
                            prop_assert_eq!(plain.refusal(&pending, &labels, t, v), None);
                            ids.insert(*i, id);
                            pending.entry(labels).or_default().insert(t, v.to_bits());
                        }
                        Err(Refusal::TooOld) => prop_assert!(*beside < 0, "now is never too old"),
                        Err(why) => prop_assert_eq!(plain.refusal(&pending, &labels, t, v), Some(why)),
                    }
                }
                if *commit {
                    appender.commit().unwrap();
                    for (labels, samples) in pending {
                        plain.0.entry(labels).or_default().extend(samples);
                    }
                }
            }
            Step::Pass(seconds) => {
                now += seconds * 1000;
                rig.pass(now);
            }
            Step::Die => {
                let next = root.path().join((life + 1).to_string());
                copy(&root.path().join(life.to_string()), &next);
                life += 1;
                rig = Rig::open(&next, now);
                // An id lives as long as the process; what a new one gives out may differ.
                ids.clear();
            }
        }
        for (from, to) in [(i64::MIN, i64::MAX), (now - 100_000, now - 20_000), (now, now)] {
            for matchers in queries() {
                let got = rig.select(&matchers, from, to);
                prop_assert_eq!(&got, &plain.select(&matchers, from, to), "{:?} {}..{}", matchers, from, to);
                let names: Vec<Labels> = got.into_iter().map(|series| series.labels).collect();
                let listed = rig.db.series(&matchers, at(from), at(to)).unwrap();
                prop_assert!(
                    names.iter().all(|labels| listed.contains(labels)),
                    "{listed:?} lacks of {names:?}"
                );
                prop_assert!(listed.is_sorted());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_plain_map_gives_the_same_answers(steps in prop::collection::vec(step(), 1..40)) {
        run(&steps)?;
    }
}
