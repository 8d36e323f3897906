//! What the steps of pipelines came to, by tool. Tools and kinds of errors are named by clients and workers: beyond
//! a bound they are counted together as `other`.

use std::collections::BTreeMap;
use tasks::{Spread, StepEnded};

/// Tools, and kinds of errors of one tool, that are counted apart.
const TOOLS_MAX: usize = 200;
const ERRORS_MAX: usize = 20;
/// Where the rest is counted.
const OTHER: &str = "other";
/// Bounds of the histogram of a step's time, in seconds.
const BOUNDS: [f64; 9] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Steps by tool.
#[derive(Debug, Default, Clone)]
pub struct Steps(BTreeMap<String, Tool>);

/// The steps that used one tool.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Those that ended well.
    pub done: u64,
    /// Those that were given up, by the kind of error.
    pub failed: BTreeMap<String, u64>,
    /// From the claim of the last try to its end.
    pub took: Spread<9>,
}

impl Steps {
    /// One more step ended.
    pub fn add(&mut self, ended: &StepEnded) {
        let none = || Tool { done: 0, failed: BTreeMap::new(), took: Spread::new(BOUNDS) };
        let address = bounded(&self.0, &ended.kind, TOOLS_MAX);
        let tool = self.0.entry(address).or_insert_with(none);
        tool.took.add(ended.took);
        match &ended.error {
            None => tool.done += 1,
            Some(kind) => *tool.failed.entry(bounded(&tool.failed, kind, ERRORS_MAX)).or_default() += 1,
        }
    }

    /// The tools, by name.
    pub fn tools(&self) -> impl Iterator<Item = (&str, &Tool)> {
        self.0.iter().map(|(address, tool)| (address.as_str(), tool))
    }
}

/// `name`, if it is counted apart or may be.
pub(super) fn bounded<T>(known: &BTreeMap<String, T>, name: &str, max: usize) -> String {
    let apart = known.len() < max || known.contains_key(name);
    if apart { name } else { OTHER }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_named_from_outside_is_bounded() {
        let mut steps = Steps::default();
        for n in 0..2 * TOOLS_MAX {
            for error in [None, Some(format!("error {n}"))] {
                let kind = format!("tool {n}").into();
                steps.add(&StepEnded { kind, error, took: Duration::from_millis(20) });
            }
        }
        assert_eq!(steps.tools().count(), TOOLS_MAX + 1);
        let (_, other) = steps.tools().find(|(address, _)| *address == OTHER).expect("the rest");
        assert_eq!((other.done, other.failed.len()), (TOOLS_MAX as u64, ERRORS_MAX + 1));
        assert_eq!((other.took.count, other.took.buckets[1]), (2 * TOOLS_MAX as u64, 2 * TOOLS_MAX as u64));
    }
}
