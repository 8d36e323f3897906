//! Generated schedules, answered by us and by python-dateutil and croniter.
//!
//! Each difference is of a kind that `explained` names, or the test fails. A short run answers some 10,000
//! cases (others with `TOCSIN_SEED`), a long one (`TOCSIN_DEPTH=long`) more than a million. The libraries are installed into a virtual
//! environment of this test when it lacks them; where that cannot be done the test says that it is skipped.

use model::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tasks::schedule::{Anchor, CronSchedule, Dialect, Policy, RruleSchedule};

/// What is asked, in the versions that the differences were looked at in.
const LIBRARIES: [&str; 2] = ["python-dateutil==4.0.0", "croniter==7.0.0"];
/// Occurrences compared of each case.
const OCCURRENCES: usize = 5;
/// Cases that one life of the oracle answers.
const CHUNK: usize = 50_000;

fn cases(short: usize, long: usize) -> usize {
    if std::env::var("TOCSIN_DEPTH").is_ok_and(|depth| depth == "long") { long } else { short }
}

/// The interpreter of the environment, if there is one. Both tests want it, one of them makes it.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(environment).as_deref()
}

fn environment() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schedules-venv");
    let python = home.join("bin/python");
    let works = |python: &Path| {
        let script = "import dateutil.rrule, croniter, sys; from importlib.metadata import version; \
            sys.exit(any(version(name) != wanted for name, wanted in (one.split('==') for one in sys.argv[1:])))";
        let found = Command::new(python).args(["-c", script]).args(LIBRARIES).output();
        found.is_ok_and(|done| done.status.success())
    };
    if works(&python) {
        return Some(python);
    }
    Command::new("python3")
        .args(["-m", "venv"])
        .arg(&home)
        .output()
        .ok()
        .filter(|done| done.status.success())?;
    let install = Command::new(&python).args(["-m", "pip", "install", "-q"]).args(LIBRARIES).output().ok()?;
    (install.status.success() && works(&python)).then_some(python)
}

/// The oracle's answers, in order.
fn ask(python: &Path, questions: &[String]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/oracle.py");
    let mut oracle = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter that has just worked starts");
    let mut into = oracle.stdin.take().expect("its input is a pipe");
    let text = questions.join("\n") + "\n";
    let writer = std::thread::spawn(move || into.write_all(text.as_bytes()));
    let out = BufReader::new(oracle.stdout.take().expect("its output is a pipe"));
    let answers: Vec<String> = out.lines().map(|line| line.expect("text")).collect();
    writer.join().expect("no panic").expect("the oracle reads all");
    oracle.wait().expect("the oracle ends");
    assert_eq!(answers.len(), questions.len(), "the oracle answered fewer questions than it was asked");
    answers
}

/// Compares in two processes at once; each answer of ours is made beside the question.
fn compare(
    seed: u64,
    n: usize,
    generate: fn(&mut StdRng) -> (String, String),
    explained: fn(&str, &str, &str) -> Option<&'static str>,
) {
    let Some(python) = python() else {
        println!("skipped: python-dateutil and croniter cannot be installed here");
        return;
    };
    let given = std::env::var("TOCSIN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or(seed);
    let half = |part: u64| {
        let mut rng = StdRng::seed_from_u64(seed + part);
        let (mut same, mut kinds) = (0, BTreeMap::<&str, (usize, String)>::new());
        for chunk in 0..(n / 2).div_ceil(CHUNK) {
            let size = (n / 2 - chunk * CHUNK).min(CHUNK);
            let (questions, ours): (Vec<String>, Vec<String>) = (0..size).map(|_| generate(&mut rng)).unzip();
            for ((question, theirs), ours) in questions.iter().zip(ask(python, &questions)).zip(ours) {
                if ours == theirs || ours.starts_with("refused") && theirs.starts_with("refused") {
                    same += 1;
                    continue;
                }
                let kind = explained(question, &ours, &theirs).unwrap_or("UNEXPLAINED");
                let kind = kinds.entry(kind).or_insert((0, String::new()));
                kind.0 += 1;
                if kind.0 <= 3 {
                    kind.1 += &format!("\n  {question}\n    ours   {ours}\n    theirs {theirs}");
                }
            }
        }
        (same, kinds)
    };
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        (half(0), other.join().expect("no panic"))
    });
    let mut kinds = one.1;
    for (kind, (count, text)) in two.1 {
        let known = kinds.entry(kind).or_default();
        (known.0, known.1) = (known.0 + count, format!("{}{text}", known.1));
    }
    println!("seed {seed}: {} of {n} cases are the same", one.0 + two.0);
    for (kind, (count, text)) in &kinds {
        println!("{count} differ: {kind}{text}");
    }
    assert!(!kinds.contains_key("UNEXPLAINED"), "seed {seed}");
}

/// As the oracle writes them; it looks no further than to the end of a year.
fn text(found: impl Iterator<Item = Timestamp>, last_year: i32) -> String {
    let horizon =
        Timestamp::parse_rfc3339(&format!("{}-01-01T00:00:00Z", last_year + 1)).expect("an instant");
    let found = found.take_while(|at| *at < horizon).map(|at| at.as_millis() / 1000);
    found.take(OCCURRENCES).map(|at| at.to_string()).collect::<Vec<_>>().join(",")
}

fn pick<'a>(rng: &mut StdRng, words: &[&'a str]) -> &'a str {
    words[rng.random_range(0..words.len())]
}

/// A sorted list of some numbers, with a minus now and then.
fn list(rng: &mut StdRng, low: i32, high: i32, most: usize, minus: bool) -> String {
    let n = rng.random_range(1..=most);
    let mut numbers: Vec<i32> = (0..n)
        .map(|_| {
            let n = rng.random_range(low..=high);
            if minus && rng.random_ratio(1, 3) { -n } else { n }
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

fn rule(rng: &mut StdRng) -> (String, String) {
    let freqs = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"];
    let freq = pick(rng, &freqs);
    let large = freqs.iter().position(|one| *one == freq) < Some(2);
    let mut parts = vec![format!("FREQ={freq}")];
    if rng.random_ratio(1, 2) {
        let most = if freq.ends_with("NUTELY") || freq == "SECONDLY" { 5_000 } else { 30 };
        parts.push(format!("INTERVAL={}", rng.random_range(1..=most)));
    }
    if rng.random_ratio(1, 4) {
        parts.push(format!("WKST={}", pick(rng, &DAYS)));
    }
    if rng.random_ratio(1, 4) {
        parts.push(format!("BYMONTH={}", list(rng, 1, 12, 4, false)));
    }
    if rng.random_ratio(1, 6) {
        parts.push(format!("BYMONTHDAY={}", list(rng, 1, 31, 4, true)));
    }
    if rng.random_ratio(1, 12) {
        parts.push(format!("BYYEARDAY={}", list(rng, 1, 366, 6, true)));
    }
    let weeks = rng.random_ratio(1, 12);
    if weeks {
        parts.push(format!("BYWEEKNO={}", list(rng, 1, 53, 4, true)));
    }
    if rng.random_ratio(1, 3) {
        let ordinals = large && !weeks && rng.random_ratio(1, 2);
        let (mixed, most) = (rng.random_ratio(1, 20), if freq == "MONTHLY" { 5 } else { 53 });
        let days: Vec<String> = (0..rng.random_range(1..4))
            .map(|_| {
                let day = pick(rng, &DAYS);
                let n = rng.random_range(1..=most) * if rng.random_ratio(1, 2) { 1 } else { -1 };
                let with = ordinals && !(mixed && rng.random_ratio(1, 2));
                if with { format!("{n}{day}") } else { day.to_owned() }
            })
            .collect();
        parts.push(format!("BYDAY={}", days.join(",")));
    }
    // dateutil goes through such days second by second.
    let days = parts.iter().any(|part| part.starts_with("BY"));
    let many = days && matches!(freq, "MINUTELY" | "SECONDLY");
    for (name, high) in [("BYHOUR", 23), ("BYMINUTE", 59), ("BYSECOND", 59)] {
        if !many && rng.random_ratio(1, 5) {
            parts.push(format!("{name}={}", list(rng, 0, high, 4, false)));
        }
    }
    if rng.random_ratio(1, 5) {
        // A day has few places, an hour or less may have a single one: the next would be looked for in vain, for years.
        let places = match freq {
            "YEARLY" | "MONTHLY" | "WEEKLY" => 12,
            "DAILY" => 2,
            _ => 1,
        };
        parts.push(format!("BYSETPOS={}", list(rng, 1, places, 3, true)));
    }
    // Without an end, a rule that never fires would be searched until the year 9999.
    let free = parts.iter().all(|part| !part.starts_with("BY"));
    let year = rng.random_range(1998..2032);
    // By days and hours dateutil goes through all the years of a rule that never fires: most have to do with one
    // leap year instead of three.
    let years = if large || freq == "WEEKLY" || rng.random_ratio(1, 10) { 13 } else { 4 };
    let until = (year + rng.random_range(0..years), rng.random_range(1..=12));
    parts.push(match rng.random_range(0..4) {
        0 if large || free => format!("COUNT={}", rng.random_range(1..8)),
        1 => format!("UNTIL={}{:02}15T093000", until.0, until.1),
        _ => format!("UNTIL={}0101T000000", year + years),
    });
    let (month, day) = (rng.random_range(1..=12), rng.random_range(1..=28));
    let (hour, minute, second) = (rng.random_range(0..24), rng.random_range(0..60), rng.random_range(0..60));
    let start = format!("DTSTART:{year}{month:02}{day:02}T{hour:02}{minute:02}{second:02}");
    let rule = format!("{start}\\nRRULE:{}", parts.join(";"));
    let anchor = Anchor(Timestamp::from_millis(0));
    let ours = match RruleSchedule::new(&rule, "UTC", Policy::RFC5545, anchor) {
        Ok(schedule) => text(schedule.fires_after(Timestamp::from_millis(0)), year + 13),
        Err(why) => format!("refused: {why}"),
    };
    (format!("R\t{OCCURRENCES}\t{rule}"), ours)
}

/// The kinds of difference to python-dateutil; each is told of in docs/tasks/schedules.md.
fn rule_explained(question: &str, ours: &str, theirs: &str) -> Option<&'static str> {
    let part = |name: &str| {
        question.split([';', ':', '\t']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let days = part("BYDAY").unwrap_or_default();
    let numbered = |day: &str| day.len() > 2;
    if days.split(',').any(numbered) && !days.split(',').all(numbered) {
        return Some("BYDAY with and without numbers: dateutil wants both at once, RFC 5545 either");
    }
    if part("FREQ") == Some("WEEKLY") && part("BYSETPOS").is_some() {
        return Some("BYSETPOS in the first week: dateutil begins it at DTSTART, RFC 5545 with the week");
    }
    if let Some(weeks) = part("BYWEEKNO") {
        let numbers = || weeks.split(',').filter_map(|week| week.parse::<i32>().ok());
        if numbers().any(|week| week.abs() >= 52) {
            return Some(
                "BYWEEKNO 52 and 53 of either sign: dateutil guesses at the days of a neighbouring year",
            );
        }
        if numbers().any(|week| week < 0) {
            return Some(
                "BYWEEKNO below 0: dateutil does not see the days of the first week before 1 January",
            );
        }
    }
    if theirs == "refused: list index out of range" {
        return Some("a BYDAY number that no month has, with BYMONTH: dateutil breaks off");
    }
    if theirs == "refused: too long" {
        return Some("dateutil has no answer within five seconds");
    }
    if ours.starts_with("refused: INTERVAL") && theirs.is_empty() {
        return Some(
            "an interval that never meets BYHOUR, BYMINUTE or BYSECOND: refused at once, not after 28 years",
        );
    }
    if theirs.starts_with("refused: Invalid combination") && ours.is_empty() {
        return Some("an interval that meets its times only on days that are left out: dateutil gives up");
    }
    None
}

#[test]
fn rules_as_python_dateutil() {
    compare(5545, cases(10_000, 700_000), rule, rule_explained);
}

fn cron_field(rng: &mut StdRng, low: u32, high: u32, names: &[&str]) -> String {
    let one = |rng: &mut StdRng| {
        let n = rng.random_range(low..=high);
        match names.get((n - low) as usize) {
            Some(name) if rng.random_ratio(1, 3) => (*name).to_owned(),
            _ => n.to_string(),
        }
    };
    match rng.random_range(0..6) {
        0 | 1 => "*".to_owned(),
        2 => format!("*/{}", rng.random_range(2..=(high / 2).max(2))),
        3 => one(rng),
        4 => {
            let (a, b) = (rng.random_range(low..=high), rng.random_range(low..=high));
            // croniter takes `7-7` for the whole of a field.
            let (a, b) = if a == b { (low, high - 1) } else { (a.min(b), a.max(b)) };
            let step = if rng.random_ratio(1, 3) && b > a {
                format!("/{}", rng.random_range(1..=b - a))
            } else {
                String::new()
            };
            format!("{a}-{b}{step}")
        }
        _ => format!("{},{}", one(rng), one(rng)),
    }
}

const MONTH_NAMES: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY_NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn cron(rng: &mut StdRng) -> (String, String) {
    let seconds = rng.random_ratio(1, 3);
    let mut fields = Vec::new();
    if seconds {
        fields.push(cron_field(rng, 0, 59, &[]));
    }
    fields.push(cron_field(rng, 0, 59, &[]));
    fields.push(cron_field(rng, 0, 23, &[]));
    // What stands beside such a weekday croniter reads otherwise, and takes its time.
    let nth = rng.random_range(0..10);
    fields.push(match rng.random_range(0..20) {
        1.. if nth < 2 => "*".to_owned(),
        0 | 1 => "L".to_owned(),
        _ => cron_field(rng, 1, 31, &[]),
    });
    fields.push(cron_field(rng, 1, 12, &MONTH_NAMES));
    let weekday = match nth {
        0 => format!("{}#{}", rng.random_range(0..7), rng.random_range(1..=5)),
        1 => format!("{}L", rng.random_range(0..7)),
        _ => cron_field(rng, 0, 6, &DAY_NAMES),
    };
    let theirs = match weekday.strip_suffix('L') {
        Some(day) => format!("L{day}"),
        None => weekday.clone(),
    };
    let after = rng.random_range(946_684_800..1_893_456_000);
    let expr = format!("{} {weekday}", fields.join(" "));
    let dialect = if seconds { Dialect::Seconds } else { Dialect::Standard };
    // A fifth Monday of February may be 40 years off.
    let ours = match CronSchedule::new(&expr, dialect, "UTC", Policy::default()) {
        Ok(schedule) => text(schedule.fires_after(Timestamp::from_millis(after * 1000)).take(3), 2199),
        Err(why) => format!("refused: {why}"),
    };
    (format!("C\t3\t{after}\t{} {theirs}", fields.join(" ")), ours)
}

/// The kinds of difference to croniter.
fn cron_explained(question: &str, ours: &str, theirs: &str) -> Option<&'static str> {
    let expr: Vec<&str> = question.rsplit('\t').next().unwrap_or_default().split(' ').collect();
    let [.., day, _, weekday] = expr[..] else { return None };
    if (weekday.contains('#') || weekday.contains('L')) && day != "*" {
        return Some("MON#1 and 1L beside a day of the month: croniter has two other meanings of it");
    }
    let whole = |field: &str, range: &str| field.split('/').next() == Some(range) && !field.contains("/0");
    if day != "*" && weekday != "*" && (whole(day, "1-31") || whole(weekday, "0-6")) {
        return Some("a day field that is the range of every day: croniter takes it for *");
    }
    // It looks thirty years ahead, counted from 1 January.
    let fires: Vec<i64> = ours.split(',').filter_map(|at| at.parse().ok()).collect();
    let after = question.split('\t').nth(2).and_then(|at| at.parse().ok()).into_iter();
    let gap = after.chain(fires.iter().copied()).zip(&fires).map(|(from, to)| to - from).max().unwrap_or(0);
    if theirs.starts_with("refused: failed to find") && (fires.len() < 3 || gap > 29 * 365 * 86_400) {
        return Some("never, or in thirty years: croniter raises, here there is no next fire or that one");
    }
    None
}

#[test]
fn cron_as_croniter() {
    compare(1970, cases(10_000, 400_000), cron, cron_explained);
}
