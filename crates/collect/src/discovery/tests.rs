//! Files that come, change, turn bad and go.

use super::*;
use crate::config::FilePattern;

#[test]
fn files_come_change_turn_bad_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let pattern = FilePattern::new(dir.path(), "web-*.json").unwrap();
    let patterns = [pattern.clone()];
    let path = dir.path().join("web-1.json");
    let mut files = Files::default();
    let targets =
        |files: &Files| files.groups(&pattern).iter().flat_map(|g| g.targets.clone()).collect::<Vec<_>>();

    assert!(!files.refresh(&patterns));
    std::fs::write(&path, r#"[{"targets": ["a:1"], "labels": {"zone": "x"}}]"#).unwrap();
    std::fs::write(dir.path().join("db-1.json"), r#"[{"targets": ["other:1"]}]"#).unwrap();
    assert!(files.refresh(&patterns) && !files.refresh(&patterns));
    assert_eq!(targets(&files), ["a:1"]);
    let labels = &files.groups(&pattern)[0].labels;
    assert_eq!(labels.get("zone"), Some("x"));
    assert!(labels.get("__meta_filepath").unwrap().ends_with("web-1.json"));

    std::fs::write(&path, r#"[{"targets": ["a:1", "b:22"]}]"#).unwrap();
    assert!(files.refresh(&patterns));
    assert_eq!(targets(&files), ["a:1", "b:22"]);

    std::fs::write(&path, "[{\"targets\": [\"http://a:1/\"]}]").unwrap();
    assert!(!files.refresh(&patterns));
    assert_eq!(targets(&files), ["a:1", "b:22"], "the last good targets stay");
    assert!(files.troubles()[0].1.contains("is not a host and port"), "{:?}", files.troubles());

    std::fs::remove_file(&path).unwrap();
    assert!(files.refresh(&patterns));
    assert!(targets(&files).is_empty() && files.troubles().is_empty());
}
