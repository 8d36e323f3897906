//! File names with wildcards, as rule files, templates and runbooks are named.

use std::path::{Path, PathBuf};

/// The files a pattern names, sorted. `*`, `?` and `[...]` may stand in any part. A pattern without wildcards
/// names that file if it exists.
pub fn matching(base: &Path, pattern: &str) -> Vec<PathBuf> {
    let whole = base.join(pattern);
    if !is_pattern(pattern) {
        return if whole.is_file() { vec![whole] } else { Vec::new() };
    }
    let mut found = vec![PathBuf::new()];
    for part in whole.components() {
        let part = part.as_os_str().to_string_lossy();
        found = found.iter().flat_map(|folder| step(folder, &part)).collect();
    }
    found.retain(|path| path.is_file());
    found.sort();
    found
}

/// Whether a name has wildcards.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

fn step(folder: &Path, part: &str) -> Vec<PathBuf> {
    if !is_pattern(part) {
        return vec![folder.join(part)];
    }
    let folder_or_here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder_or_here).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| wild(part, name)).map(|name| folder.join(name)).collect()
}

/// Whether `name` fits `pattern`.
fn wild(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let ends = name.char_indices().map(|(i, _)| i).chain([name.len()]);
            ends.into_iter().any(|at| wild(rest.as_str(), &name[at..]))
        }
        Some('[') => match (rest.as_str().split_once(']'), name.chars().next()) {
            (Some((class, after)), Some(c)) => in_class(class, c) && wild(after, &name[c.len_utf8()..]),
            _ => false,
        },
        Some(wanted) => match name.chars().next() {
            Some(c) if wanted == '?' || wanted == c => wild(rest.as_str(), &name[c.len_utf8()..]),
            _ => false,
        },
    }
}

fn in_class(class: &str, c: char) -> bool {
    let (class, wanted) = match class.strip_prefix('^') {
        Some(class) => (class, false),
        None => (class, true),
    };
    let chars: Vec<char> = class.chars().collect();
    let mut found = chars.contains(&c);
    for range in chars.windows(3).filter(|range| range[1] == '-') {
        found |= range[0] <= c && c <= range[2];
    }
    found == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, name, fits) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a.yaml", false),
            ("r?les*", "rules.d", true),
            ("[a-c]*.y?ml", "b1.yaml", true),
            ("[^a-c]*", "b1", false),
            ("*é*", "né.yml", true),
        ] {
            assert_eq!(wild(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn files_of_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yml", "c.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = matching(dir.path(), "*.yml");
        assert_eq!(found, [dir.path().join("a.yml"), dir.path().join("b.yml")]);
        assert_eq!(matching(dir.path(), "c.txt").len(), 1);
        assert!(matching(dir.path(), "none.yml").is_empty());
    }
}
