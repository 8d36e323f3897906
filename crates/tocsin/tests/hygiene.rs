//! Keeps the house in order: floors, module headers, banned dependencies, and documents that point to what
//! exists. Every message names the remedy.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The floors of ARCHITECTURE.md. An arrow goes from a higher to a lower one, never sideways.
const FLOORS: [(&str, u8); 15] = [
    ("model", 0),
    ("tsdb", 1),
    ("promql", 1),
    ("template", 1),
    ("rules", 2),
    ("alerts", 2),
    ("runbooks", 2),
    ("tasks", 2),
    ("store", 3),
    ("reach", 3),
    ("collect", 4),
    ("worker", 4),
    ("notify", 4),
    ("server", 5),
    ("tocsin", 6),
];

/// Second TLS stacks and a second calendar: each with what we use instead.
const BANNED: [(&str, &str); 4] = [
    ("openssl-sys", "rustls with ring"),
    ("native-tls", "rustls with ring"),
    ("aws-lc-sys", "rustls with ring (switch default features off)"),
    ("chrono", "jiff"),
];

/// What a decider may not name: the clock, the disk, the network, threads.
const DECIDERS: [&str; 4] = ["rules", "alerts", "runbooks", "tasks"];
const IMPURE: [&str; 8] = [
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "tokio::",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace exists")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("cannot read {}: {why}", path.display()))
}

/// Every file below `dir` with one of the endings, `target` and hidden folders left out.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let skipped = name.starts_with('.') || name == "target" || name == "tocsin-data";
            if path.is_dir() && !skipped {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn report(title: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{title}:\n  {}\n", faults.join("\n  "));
}

/// Names in `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && !line.trim().is_empty() && !line.starts_with('#') {
            names.extend(line.split(['.', ' ', '=']).next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn arrows_go_down_only() {
    let floors: BTreeMap<&str, u8> = FLOORS.into();
    let mut faults = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(floor) = floors.get(name.as_str()) else {
            faults.push(format!("crates/{name} stands on no floor: add it to FLOORS and ARCHITECTURE.md"));
            continue;
        };
        for dependency in dependencies(&read(&entry.path().join("Cargo.toml"))) {
            if floors.get(dependency.as_str()).is_some_and(|below| below >= floor) {
                faults.push(format!(
                    "{name} -> {dependency} does not go down: move what they share to a lower floor, \
                     or let `tocsin` bring them together"
                ));
            }
        }
    }
    report("arrows between crates", faults);
}

#[test]
fn every_module_says_what_it_is() {
    let faults = files(&root().join("crates"), &[".rs"])
        .into_iter()
        .filter(|path| !read(path).starts_with("//!"))
        .map(|path| {
            format!("{}: open it with `//!`: what it is, what it is not, its invariants", path.display())
        })
        .collect();
    report("module headers", faults);
}

#[test]
fn deciders_are_pure() {
    let mut faults = Vec::new();
    for name in DECIDERS {
        for path in files(&root().join("crates").join(name).join("src"), &[".rs"]) {
            if path.ends_with("tests.rs") || path.ends_with("conformance.rs") {
                continue;
            }
            let text = read(&path);
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            for (number, line) in code.lines().enumerate() {
                let line_code = line.split("//").next().unwrap_or("");
                for word in IMPURE.iter().filter(|word| line_code.contains(**word)) {
                    faults.push(format!(
                        "{}:{}: `{word}` in a decider: take `now` or a value as an argument",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    report("deciders", faults);
}

#[test]
fn banned_dependencies_stay_out() {
    let lock = read(&root().join("Cargo.lock"));
    let faults = BANNED
        .iter()
        .filter(|(name, _)| lock.contains(&format!("name = \"{name}\"\n")))
        .map(|(name, instead)| {
            format!("{name} is in Cargo.lock: `cargo tree -i {name}` says by whom; we use {instead}")
        })
        .collect();
    report("dependencies", faults);
}

/// A word in back quotes that looks like a path of this repository must be one.
#[test]
fn documents_point_to_what_exists() {
    let root = root();
    let tops: BTreeSet<String> = fs::read_dir(&root)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "target")
        .collect();
    let mut faults = Vec::new();
    for path in files(&root, &[".md"]) {
        for (number, line) in read(&path).lines().enumerate() {
            for quoted in line.split('`').skip(1).step_by(2) {
                let first = quoted.split('/').next().unwrap_or("");
                let is_path = quoted.contains('/')
                    && tops.contains(first)
                    && quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
                if is_path && !root.join(quoted).exists() {
                    faults.push(format!(
                        "{}:{}: `{quoted}` does not exist: mend the name or drop the line",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    report("paths in documents", faults);
}

#[test]
fn documents_name_every_crate() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let faults = FLOORS
        .iter()
        .filter(|(name, _)| !text.contains(&format!("`{name}`")))
        .map(|(name, _)| format!("ARCHITECTURE.md does not name `{name}`: say in its floor what lives there"))
        .collect();
    report("ARCHITECTURE.md", faults);
}

/// The table of defects in the manual of the tests: every row there, every test named there.
#[test]
fn defects_have_their_tests() {
    let root = root();
    let sources: String = files(&root.join("crates"), &[".rs"]).iter().map(|path| read(path)).collect();
    let manual = read(&root.join("docs/testing.md"));
    let rows: Vec<&str> = manual.lines().skip_while(|line| !line.contains("Defects that must")).collect();
    let mut faults = Vec::new();
    for number in (2..=10).chain(12..=20) {
        match rows.iter().find(|row| row.starts_with(&format!("| {number} |"))) {
            Some(row) if row.contains(&format!("`defect_{number}_")) => {}
            Some(_) => faults.push(format!("row {number} names no test `defect_{number}_...`: name one")),
            None => faults.push(format!("row {number} is missing: say what it is and which test catches it")),
        }
    }
    for row in rows.iter().filter(|row| row.starts_with("| ")) {
        let tests = row.rsplit(" | ").next().unwrap_or("").split('`').skip(1).step_by(2);
        let missing = tests.filter(|test| !sources.contains(&format!("fn {test}(")));
        faults
            .extend(missing.map(|test| format!("docs/testing.md: there is no test `{test}`: mend the name")));
    }
    report("defects", faults);
}
