//! Where targets come from: written down, or in files that something else writes.

use super::{FilePattern, StaticGroup, error};
use model::{Labels, Problem};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, path::Path};

/// One entry of `static_configs`, and of a discovery file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct StaticConfig {
    pub targets: Option<Vec<Spanned<String>>>,
    pub labels: Option<BTreeMap<String, String>>,
}

/// One entry of `file_sd_configs`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct FileSdConfig {
    pub files: Option<Vec<Spanned<String>>>,
    pub refresh_interval: Option<Spanned<String>>,
}

impl StaticConfig {
    /// The checked form; `source` says in views where it comes from.
    pub(crate) fn resolve(self, source: &str, problems: &mut Vec<Problem>) -> StaticGroup {
        let mut targets = Vec::new();
        for target in self.targets.unwrap_or_default() {
            // A URL is the usual slip.
            if target.value.contains('/') {
                let what = format!("{:?} is not a host and port", target.value);
                problems.push(error(
                    &target,
                    what,
                    "write HOST:PORT; scheme and metrics_path have their own keys",
                ));
            }
            targets.push(target.value);
        }
        let labels = Labels::from_pairs(self.labels.unwrap_or_default());
        StaticGroup { source: source.to_owned(), targets, labels }
    }
}

impl FileSdConfig {
    pub(super) fn resolve(
        self,
        at: (u32, u32),
        base: &Path,
        problems: &mut Vec<Problem>,
    ) -> Vec<FilePattern> {
        // Changes are seen within seconds, so how seldom to look is only checked.
        super::duration(self.refresh_interval.as_ref(), std::time::Duration::ZERO, problems);
        let files = self.files.unwrap_or_default();
        if files.is_empty() {
            let what = "file_sd_configs without files";
            problems.push(Problem::error(at.0, at.1, what, "add files: [PATTERN]"));
        }
        let mut patterns = Vec::new();
        for file in files {
            match FilePattern::new(base, &file.value) {
                Some(pattern) => patterns.push(pattern),
                None => problems.push(error(
                    &file,
                    format!("{:?} is not a pattern for discovery files", file.value),
                    "write a path that ends in .json, .yml or .yaml, with * only in its last part",
                )),
            }
        }
        patterns
    }
}
