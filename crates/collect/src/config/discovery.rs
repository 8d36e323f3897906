//! Where targets come from: written down, or in files that something else writes.

use super::error;
use model::{Labels, Problem};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

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

/// Targets with common labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticGroup {
    /// Where they come from, for views.
    pub source: String,
    /// Their addresses.
    pub targets: Vec<String>,
    /// On each of them.
    pub labels: Labels,
}

/// Files of one folder whose name fits a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePattern {
    folder: PathBuf,
    name: String,
}

impl FilePattern {
    /// `None` if it names something that is no discovery file, or has `*` elsewhere than in its last part.
    pub fn new(base: &Path, text: &str) -> Option<FilePattern> {
        let path = base.join(text);
        let name = path.file_name()?.to_str()?.to_owned();
        // A bare name lies in the present folder, which no system call finds under an empty path.
        let folder = match path.parent()? {
            none if none.as_os_str().is_empty() => PathBuf::from("."),
            folder => folder.to_owned(),
        };
        let lower = name.to_ascii_lowercase();
        let known = [".json", ".yml", ".yaml"].iter().any(|ending| lower.ends_with(ending));
        let one_star = name.matches('*').count() <= 1 && !text.trim_end_matches(name.as_str()).contains('*');
        (known && one_star).then_some(FilePattern { folder, name })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The one file, if the pattern has no `*`.
    pub fn single(&self) -> Option<PathBuf> {
        (!self.name.contains('*')).then(|| self.folder.join(&self.name))
    }

    /// Whether a file of that name in the folder is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self.name.split_once('*') {
            None => name == self.name,
            Some((before, after)) => {
                name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
            }
        }
    }
}

pub(super) fn static_groups(
    raw: Option<Vec<Spanned<Option<StaticConfig>>>>,
    problems: &mut Vec<Problem>,
) -> Vec<StaticGroup> {
    let mut groups = Vec::new();
    for (i, group) in raw.unwrap_or_default().into_iter().enumerate() {
        let at = super::place(&group);
        match group.value {
            Some(raw) => groups.push(raw.resolve(&format!("static/{i}"), problems)),
            None => {
                let what = "empty entry in static_configs";
                problems.push(Problem::error(at.0, at.1, what, "remove it or add targets: [HOST:PORT]"));
            }
        }
    }
    groups
}

pub(super) fn file_patterns(
    raw: Option<Vec<Spanned<Option<FileSdConfig>>>>,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<FilePattern> {
    let mut patterns = Vec::new();
    for entry in raw.unwrap_or_default() {
        let at = super::place(&entry);
        match entry.value {
            Some(raw) => patterns.extend(raw.resolve(at, base, problems)),
            None => {
                let what = "empty entry in file_sd_configs";
                problems.push(Problem::error(at.0, at.1, what, "remove it or add files: [PATTERN]"));
            }
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_folder_means_the_present_one() {
        for (base, text, folder) in
            [("", "t*.json", "."), ("", "sd/t.yml", "sd"), ("/etc/p", "t*.json", "/etc/p")]
        {
            let pattern = FilePattern::new(Path::new(base), text).unwrap();
            assert_eq!(pattern.folder(), Path::new(folder), "{base:?} {text}");
        }
    }
}
