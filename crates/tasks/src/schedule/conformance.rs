//! The vectors of the conformance collection, each under the dialect and the policy that it states.

use super::*;
use serde_json::Value;

/// What the cron vectors say of clock changes: a skipped time does not fire, one that occurs twice fires twice.
const CRON: Policy = Policy { gap: Gap::Skip, fold: Fold::Both };

#[test]
fn conformance() {
    let Ok(root) = std::env::var("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let (mut failures, mut passed) = (Vec::new(), 0);
    let files = [
        ("cron-cronexpr-dst", cron_case as fn(&Value) -> Result<(), String>),
        ("cron-cronexpr", cron_case),
        ("cron-croniter-tz", cron_case),
        ("cron-croniter", cron_case),
        ("cron-robfig", cron_case),
        ("rrule-dateutil", rrule_case),
        ("rrule-rfc5545-tz", rrule_case),
    ];
    for (file, run) in files {
        let path = format!("{root}/schedules/{file}.json");
        let text = std::fs::read_to_string(&path).expect(&path);
        let cases: Value = serde_json::from_str(&text).expect(&path);
        let mut failed = Vec::new();
        let mut here = 0;
        for case in cases["cases"].as_array().expect("a list of cases") {
            let (result, scored) = match case["advisory"] == true {
                true => (advisory_case(case), 0),
                false => (run(case), 1),
            };
            match result {
                Ok(()) => here += scored,
                Err(why) => failed.push(format!("{}: {why}", case["id"])),
            }
        }
        println!("{file}.json: {here} passed, {} failed, 0 skipped", failed.len());
        passed += here;
        failures.append(&mut failed);
    }
    println!("TOTAL: {passed} passed, {} failed, 0 skipped", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// An advisory vector is not scored, because it leaves out a time that exists; the times that it has, we have.
fn advisory_case(case: &Value) -> Result<(), String> {
    let (schedule, after, wanted) = cron_vector(case)?;
    let got: Vec<Timestamp> = schedule.fires_after(after).take(wanted.len() + 1).collect();
    let missing: Vec<_> = wanted.iter().filter(|at| !got.contains(at)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("got {got:?} without {missing:?}")) }
}

fn cron_case(case: &Value) -> Result<(), String> {
    if case["valid"] == false {
        return cron_schedule(case).map_or(Ok(()), |_| Err("was taken".to_owned()));
    }
    if let Some(at) = case["at"].as_str() {
        let at = instant_of(at)?;
        let fires = cron_schedule(case)?.next(Timestamp::from_millis(at.as_millis() - 1)) == Some(at);
        return if case["fires"] == fires { Ok(()) } else { Err(format!("fires: {fires}")) };
    }
    if case["never"] == true {
        let after = instant_of(text(case, "after"))?;
        let found = cron_schedule(case)?.next(after);
        return found.map_or(Ok(()), |at| Err(format!("fires at {}", at.rfc3339())));
    }
    let (schedule, after, wanted) = cron_vector(case)?;
    same(&wanted, &schedule.fires_after(after).take(wanted.len()).collect::<Vec<_>>())
}

fn cron_vector(case: &Value) -> Result<(CronSchedule, Timestamp, Vec<Timestamp>), String> {
    let wanted = case["next"].as_array().ok_or("no `next`")?;
    let wanted = wanted.iter().map(|at| instant_of(at.as_str().unwrap_or_default()));
    Ok((cron_schedule(case)?, instant_of(text(case, "after"))?, wanted.collect::<Result<_, _>>()?))
}

fn cron_schedule(case: &Value) -> Result<CronSchedule, String> {
    let dialect = match text(case, "dialect") {
        name if name.contains("with seconds") => Dialect::Seconds,
        name if name.starts_with("cronexpr") => Dialect::Year,
        _ => Dialect::Standard,
    };
    let zone = case["timezone"].as_str().unwrap_or("UTC");
    CronSchedule::new(text(case, "expr"), dialect, zone, CRON).map_err(|why| why.to_string())
}

fn rrule_case(case: &Value) -> Result<(), String> {
    let zone = case["timezone"].as_str().unwrap_or("UTC");
    let anchor = Anchor(Timestamp::default());
    let schedule = RruleSchedule::new(text(case, "rrule"), zone, Policy::RFC5545, anchor)
        .map_err(|why| why.to_string())?;
    let wanted = case["all"].as_array().ok_or("no `all`")?;
    let wanted: Vec<Timestamp> = wanted
        .iter()
        .map(|at| at.as_str().unwrap_or_default())
        .map(|at| if case["timezone"].is_null() { instant_of(&format!("{at}Z")) } else { instant_of(at) })
        .collect::<Result<_, _>>()?;
    let more = usize::from(case["complete"] == true);
    let before_all = Timestamp::from_millis(-4_000_000_000_000);
    let got: Vec<Timestamp> = schedule.fires_after(before_all).take(wanted.len() + more).collect();
    same(&wanted, &got)
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_default()
}

fn instant_of(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|why| why.to_string())
}

fn same(wanted: &[Timestamp], got: &[Timestamp]) -> Result<(), String> {
    let words = |all: &[Timestamp]| all.iter().map(|at| at.rfc3339()).collect::<Vec<_>>().join(" ");
    if wanted == got { Ok(()) } else { Err(format!("wanted {}\n  got {}", words(wanted), words(got))) }
}
