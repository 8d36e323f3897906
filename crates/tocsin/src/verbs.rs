//! The verbs that need no server: they read files and arguments, and print.

use crate::{check, cli, config};
use anyhow::{Context, Result};
use model::{Clock, Labels, SystemClock};
use promql::testscript;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tasks::schedule::{
    Anchor, Dialect, Firing, Fold, Gap, Recurrence, ScheduleError, instant, text_in, zone,
};

/// `tocsin check`
pub fn check(args: &cli::Check) -> ExitCode {
    let (kind, files) = check::arguments(&args.kind_and_files);
    let result = check::check(kind, &files, &check::Options { files: args.files, strict: args.strict });
    for line in &result.lines {
        println!("{line}");
    }
    eprintln!("{}", result.summary());
    ExitCode::from(result.code())
}

/// `tocsin routes test`
pub fn routes_test(file: &Path, labels: &[String]) -> ExitCode {
    let routing = match config::routing_of(file) {
        Ok(routing) => routing,
        Err(report) => {
            eprintln!("{report}");
            return ExitCode::FAILURE;
        }
    };
    let mut pairs = Vec::new();
    for text in labels {
        let Some((name, value)) = text.split_once('=') else {
            eprintln!("tocsin: {text:?} is not NAME=VALUE");
            return ExitCode::FAILURE;
        };
        pairs.push((name.to_owned(), value.trim_matches('"').to_owned()));
    }
    let router = alerts::Alerts::new(routing.alerts, Vec::new(), SystemClock.now());
    println!("{}", router.routes_for(&Labels::from_pairs(pairs)).join(","));
    ExitCode::SUCCESS
}

/// `tocsin schedule next`
pub fn schedule_next(args: &cli::ScheduleNext) -> ExitCode {
    match fires(args) {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("tocsin: {why}");
            ExitCode::FAILURE
        }
    }
}

fn fires(args: &cli::ScheduleNext) -> Result<Vec<String>, ScheduleError> {
    let in_zone = zone(&args.tz)?;
    let after = match &args.after {
        Some(text) => instant(text, &in_zone)?,
        None => SystemClock.now(),
    };
    let firing = Firing {
        dialect: Some(match args.dialect {
            cli::Dialect::Standard => Dialect::Standard,
            cli::Dialect::Seconds => Dialect::Seconds,
            cli::Dialect::Year => Dialect::Year,
        }),
        gap: Some(match args.gap {
            cli::Gap::Skip => Gap::Skip,
            cli::Gap::Shift => Gap::Shift,
        }),
        fold: args.fold.map(|fold| match fold {
            cli::Fold::First => Fold::First,
            cli::Fold::Second => Fold::Second,
            cli::Fold::Both => Fold::Both,
        }),
        ..Firing::default()
    };
    let recurrence = Recurrence::of_any_kind(&args.expr, &args.tz, &firing, Anchor(after))?;
    let (mut lines, mut after) = (Vec::new(), after);
    while lines.len() < args.count
        && let Some(at) = recurrence.next(after)?
    {
        lines.push(text_in(at, recurrence.zone()));
        after = at;
    }
    Ok(lines)
}

/// `tocsin promqltest`
pub fn promqltest(args: &cli::Promqltest) -> Result<ExitCode> {
    let mut scripts = Vec::new();
    for path in &args.paths {
        collect_scripts(path, &mut scripts).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for path in scripts {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let report = testscript::run(&text, &mut new_store);
        println!(
            "{}: {} passed, {} failed, {} skipped",
            path.display(),
            report.passed,
            report.failed.len(),
            report.skipped.len()
        );
        for (line, what) in &report.failed {
            println!("  {}:{line}: {what}", path.display());
        }
        for (_, reason) in &report.skipped {
            *reasons.entry(reason.clone()).or_default() += 1;
        }
        passed += report.passed;
        failed += report.failed.len();
        skipped += report.skipped.len();
    }
    for (reason, count) in reasons {
        println!("skipped {count}: {reason}");
    }
    println!("TOTAL: {passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn collect_scripts(path: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let mut inside: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    inside.sort();
    for path in inside {
        if path.is_dir() || path.extension().is_some_and(|ending| ending == "test") {
            collect_scripts(&path, into)?;
        }
    }
    Ok(())
}

/// The real engine in a directory that goes with it.
struct ScriptStore {
    db: tsdb::Db,
    _dir: tempfile::TempDir,
}

impl testscript::TestStore for ScriptStore {
    fn ingest(&self) -> &dyn model::Ingest {
        &self.db
    }

    fn querier(&self) -> &dyn model::Querier {
        &self.db
    }
}

fn new_store() -> Box<dyn testscript::TestStore> {
    let dir = tempfile::tempdir().expect("a script needs a temporary directory");
    let options = tsdb::Options { hot_window: std::time::Duration::MAX, ..tsdb::Options::new(dir.path()) };
    Box::new(ScriptStore { db: tsdb::Db::open(options).expect("an empty directory opens"), _dir: dir })
}
