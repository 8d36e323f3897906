//! Discovery files: read when they appear or change, by modification time and length.
//!
//! A file that turns bad keeps its last good targets, as Prometheus does, and the trouble is kept for views; a
//! file that is gone takes its targets with it.

use crate::config::{FilePattern, StaticConfig, StaticGroup};
use model::Problem;
use serde_saphyr::Spanned;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A longer discovery file is refused.
const FILE_MAX: u64 = 16 << 20;
/// More files than this in all are not read.
const FILES_MAX: usize = 10_000;
const FILEPATH_LABEL: &str = "__meta_filepath";

/// The files seen so far.
#[derive(Debug, Default)]
pub(crate) struct Files(HashMap<PathBuf, File>);

#[derive(Debug, Default)]
struct File {
    stamp: Option<(SystemTime, u64)>,
    groups: Vec<StaticGroup>,
    trouble: String,
}

impl Files {
    /// Looks at all files of `patterns` again; returns whether any target may have changed. Blocks.
    pub(crate) fn refresh(&mut self, patterns: &[FilePattern]) -> bool {
        let found = list(patterns);
        let before = self.0.len();
        self.0.retain(|path, _| found.contains(path));
        let mut changed = self.0.len() < before;
        for path in found {
            changed |= self.0.entry(path.clone()).or_default().refresh(&path);
        }
        changed
    }

    /// The groups of the files that `pattern` means, in the order of their names.
    pub(crate) fn groups(&self, pattern: &FilePattern) -> Vec<&StaticGroup> {
        let mut files: Vec<_> = self.0.iter().filter(|(path, _)| is_meant(pattern, path)).collect();
        files.sort_by_key(|(path, _)| path.as_path());
        files.into_iter().flat_map(|(_, file)| &file.groups).collect()
    }

    /// What is wrong with files, each with its path.
    pub(crate) fn troubles(&self) -> Vec<(String, String)> {
        let bad = self.0.iter().filter(|(_, file)| !file.trouble.is_empty());
        let mut bad: Vec<_> =
            bad.map(|(path, file)| (path.display().to_string(), file.trouble.clone())).collect();
        bad.sort();
        bad
    }
}

impl File {
    fn refresh(&mut self, path: &Path) -> bool {
        let stamp = std::fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
        if stamp.is_some() && stamp == self.stamp {
            return false;
        }
        self.stamp = stamp;
        match read(path, stamp) {
            Ok(groups) => {
                self.trouble.clear();
                let changed = groups != self.groups;
                self.groups = groups;
                changed
            }
            Err(trouble) => {
                self.trouble = trouble;
                false
            }
        }
    }
}

fn list(patterns: &[FilePattern]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for pattern in patterns {
        if let Some(path) = pattern.single() {
            found.extend(Some(path).filter(|path| path.exists()));
            continue;
        }
        let Ok(entries) = std::fs::read_dir(pattern.folder()) else { continue };
        found.extend(entries.flatten().map(|entry| entry.path()).filter(|path| is_meant(pattern, path)));
    }
    found.into_iter().take(FILES_MAX).collect()
}

fn is_meant(pattern: &FilePattern, path: &Path) -> bool {
    path.parent() == Some(pattern.folder())
        && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| pattern.matches(name))
}

fn read(path: &Path, stamp: Option<(SystemTime, u64)>) -> Result<Vec<StaticGroup>, String> {
    if stamp.is_some_and(|(_, len)| len > FILE_MAX) {
        return Err(format!("the file is longer than {FILE_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|why| why.to_string())?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    // JSON is YAML.
    let raw: Vec<Spanned<Option<StaticConfig>>> =
        serde_saphyr::from_str(&text).map_err(|why| why.without_snippet().to_string())?;
    let mut problems: Vec<Problem> = Vec::new();
    let mut groups = Vec::new();
    for (i, entry) in raw.into_iter().enumerate() {
        let (line, column) = crate::config::place(&entry);
        match entry.value {
            Some(raw) => groups.push(raw.resolve(&format!("{}:{i}", path.display()), &mut problems)),
            None => problems.push(Problem::error(line, column, "empty target group", "")),
        }
    }
    if let Some(problem) = problems.first() {
        return Err(problem.to_string());
    }
    for group in &mut groups {
        group.labels = group.labels.with(FILEPATH_LABEL, &path.display().to_string());
    }
    Ok(groups)
}
