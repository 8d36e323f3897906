//! The public conformance vectors, if `TOCSIN_CONFORMANCE` names their folder: test scripts, parser vectors,
//! printed forms, series lines, query templates.

#![allow(clippy::unwrap_used, reason = "a test may stop at damaged vectors")]

use model::Timestamp;
use promql::{
    Options, parse, series_notation,
    testscript::{MemoryStore, run},
};
use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

fn folder(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return None;
    };
    Some(PathBuf::from(root).join(name))
}

/// What came of the cases of one file.
#[derive(Default)]
struct Score {
    passed: usize,
    failed: Vec<String>,
    skipped: BTreeMap<String, usize>,
}

impl Score {
    fn case(&mut self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(what) => self.failed.push(what),
        }
    }

    fn print(&self, name: &str) {
        let skipped: usize = self.skipped.values().sum();
        println!("{name}: {} passed, {} failed, {skipped} skipped", self.passed, self.failed.len());
        self.failed.iter().for_each(|what| println!("  {what}"));
    }

    fn add(&mut self, other: Score) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        for (why, count) in other.skipped {
            *self.skipped.entry(why).or_default() += count;
        }
    }

    fn finish(&self) {
        for (why, count) in &self.skipped {
            println!("skipped {count}: {why}");
        }
        let skipped: usize = self.skipped.values().sum();
        println!("TOTAL: {} passed, {} failed, {skipped} skipped", self.passed, self.failed.len());
        assert!(self.failed.is_empty(), "{} cases failed", self.failed.len());
        assert!(self.passed > 0, "no case was found");
    }
}

#[test]
fn scripts() {
    let Some(folder) = folder("promqltest") else { return };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    paths.sort();
    let mut total = Score::default();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let report = run(&fs::read_to_string(&path).unwrap(), &mut || Box::new(MemoryStore::new()));
        let mut score = Score { passed: report.passed, ..Score::default() };
        score.failed.extend(report.failed.iter().map(|(line, what)| format!("{name}:{line}: {what}")));
        for (_, why) in report.skipped {
            *score.skipped.entry(why).or_default() += 1;
        }
        score.print(&name);
        total.add(score);
    }
    total.finish();
}

fn cases(path: &PathBuf) -> Vec<serde_json::Value> {
    // One case holds half a surrogate pair, which stands for a broken byte.
    let text = fs::read_to_string(path).unwrap();
    let halves = regex::Regex::new(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}").unwrap();
    let text = halves.replace_all(&text, r"\ufffd");
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn judge(id: &str, text: &str, valid: bool, got: Result<(), String>) -> Result<(), String> {
    match (valid, got) {
        (true, Err(error)) => Err(format!("{id}: {text:?}: expected valid, got {error}")),
        (false, Ok(())) => Err(format!("{id}: {text:?}: expected an error, got none")),
        _ => Ok(()),
    }
}

#[test]
fn parser_vectors() {
    let Some(folder) = folder("promql-parse") else { return };
    let mut total = Score::default();
    let mut file = |name: &str, check: &dyn Fn(&str, &serde_json::Value) -> Result<(), String>| {
        let mut score = Score::default();
        for case in cases(&folder.join(name)) {
            score.case(check(case["id"].as_str().unwrap(), &case));
        }
        score.print(name);
        total.add(score);
    };
    file("parse.json", &|id, case| {
        let query = case["query"].as_str().unwrap();
        let got = parse(query).map(|_| ()).map_err(|error| error.to_string());
        judge(id, query, case["valid"].as_bool().unwrap(), got)
    });
    file("print.json", &|id, case| {
        let query = case["query"].as_str().unwrap();
        match parse(query).map(|expr| expr.to_string()) {
            Ok(text) if text == case["canonical"].as_str().unwrap() => Ok(()),
            got => Err(format!("{id}: {query:?}: expected {}, got {got:?}", case["canonical"])),
        }
    });
    file("series.json", &|id, case| {
        let line = case["series"].as_str().unwrap();
        let got = series_notation::parse_line(line).map(|_| ()).map_err(|error| error.to_string());
        judge(id, line, case["valid"].as_bool().unwrap(), got)
    });
    file("durations.json", &|id, case| {
        let text = case["text"].as_str().unwrap().trim_matches('"');
        let got = model::parse_duration(text).map(|_| ()).map_err(|error| error.to_string());
        judge(id, text, case["valid"].as_bool().unwrap(), got)
    });
    total.finish();
}

/// The values each placeholder takes.
fn placeholder(name: &str) -> Vec<&'static str> {
    let text = match name {
        "range" => "1s 15s 1m 5m 15m 1h",
        "offset" => "1m 5m 10m",
        "simpleAggrOp" => "sum avg max min count stddev stdvar",
        "simpleTimeAggrOp" => "sum avg max min count stddev stdvar absent last",
        "topBottomOp" => "topk bottomk",
        "quantile" => "-0.5 0.1 0.5 0.75 0.95 0.90 0.99 1 1.5",
        "arithBinOp" => "+ - * / % ^",
        "compBinOp" => "== != < > <= >=",
        "binOp" => "+ - * / % ^ == != < > <= >=",
        "simpleMathFunc" => "abs ceil floor exp sqrt ln log2 log10 round",
        "extrapolatedRateFunc" => "delta rate increase",
        "clampFunc" => "clamp_min clamp_max",
        "instantRateFunc" => "idelta irate",
        "dateFunc" => "day_of_month day_of_week days_in_month hour minute month year",
        _ => "0.1 0.5 0.8",
    };
    text.split(' ').collect()
}

fn variants(template: &str) -> Vec<String> {
    let Some((_, rest)) = template.split_once("{{.") else { return vec![template.to_owned()] };
    let (name, _) = rest.split_once("}}").unwrap();
    let whole = format!("{{{{.{name}}}}}");
    placeholder(name).iter().flat_map(|value| variants(&template.replace(&whole, value))).collect()
}

/// There are no expected values: each template must parse and evaluate over an empty store, or be refused.
#[test]
fn query_templates() {
    let Some(folder) = folder("promql-compliance") else { return };
    let file = fs::read_to_string(folder.join("promql-test-queries.yml")).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    let mut score = Score::default();
    let store = MemoryStore::new();
    let now = Timestamp::from_millis(1_700_000_000_000);
    for (i, line) in lines.iter().enumerate() {
        let Some(query) = line.strip_prefix("- query: ") else { continue };
        let query = query.strip_prefix('\'').and_then(|q| q.strip_suffix('\'')).unwrap_or(query);
        let rest = lines[i + 1..].iter().take_while(|line| !line.starts_with('-'));
        if rest.clone().any(|line| line.contains("should_fail: true")) {
            // Some are refused only over the data of the tester.
            *score.skipped.entry("must be refused, perhaps by its data only".to_owned()).or_default() += 1;
            continue;
        }
        for query in variants(query) {
            let outcome = parse(&query).map_err(|error| error.to_string()).and_then(|expr| {
                let from = now.minus(Duration::from_secs(600));
                let step = Duration::from_secs(10);
                promql::range(&expr, &store, from, now, step, &Options::default())
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            });
            score.case(outcome.map_err(|what| format!("{query}: {what}")));
        }
    }
    score.print("promql-test-queries.yml");
    score.finish();
}
