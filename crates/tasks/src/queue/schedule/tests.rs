//! Cases of tasks that fire: what is asked for, how time goes by, and which fires make runs.

use super::*;
use crate::queue::Settings;
use crate::schedule::{Firing, KEYS};
use crate::{
    Claim, Completion, Loaded, NewScheduled, NewTask, Options, Outcome, Record, RecordKind, Refusal,
    WorkRequest, WorkerCard,
};
use serde_json::Value;
use std::time::Duration;

struct Bench {
    queue: Queue,
    now: Timestamp,
    out: Vec<Change>,
    events: Vec<Event>,
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect(text)
}

fn new(kind: &str, expr: &str) -> NewScheduled {
    NewScheduled {
        title: "t".to_owned(),
        description: "d".to_owned(),
        schedule_kind: kind.to_owned(),
        schedule_expr: Some(expr.to_owned()),
        payload: json!({"params": {"p": 1}, "pipeline": [
            {"id": "a", "uses": "noop", "with": {"x": "${event.payload.x}", "p": "${params.p}"}}]}),
        ..NewScheduled::default()
    }
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Settings::default())
    }

    fn with(settings: Settings) -> Bench {
        let now = at("2026-11-22T00:00:00Z");
        Bench {
            queue: Queue::new(settings, Loaded::default(), now),
            now,
            out: Vec::new(),
            events: Vec::new(),
        }
    }

    fn submit(&mut self, kind: &str, expr: &str, firing: Value) -> Result<TaskId, Refusal> {
        let firing = Firing::read(firing.as_object().expect("an object")).expect("wishes");
        let options = Options { firing: Some(Box::new(firing)), ..Options::default() };
        let new = NewTask::Scheduled(new(kind, expr));
        self.queue.submit_with(new, options, "ann", self.now, &mut self.out).map(|done| done.task_id)
    }

    fn to(&mut self, when: &str) {
        self.now = at(when);
        let events = self.queue.tick(self.now, &mut self.out);
        self.events.extend(events);
    }

    fn publish(&mut self, event: Value) -> Vec<TaskId> {
        let done = self.queue.publish(event, self.now, &mut self.out);
        self.events.extend(done.events);
        done.triggered
    }

    fn work(&mut self, want: u32, complete: Vec<Completion>) -> Vec<Claim> {
        let worker = WorkerCard {
            id: "w".to_owned(),
            boot_nonce: "1".to_owned(),
            labels: Default::default(),
            kinds: vec!["*".to_owned()],
            slots_free: 100,
            draining: false,
        };
        let request = WorkRequest { worker, complete, extend: Vec::new(), want, wait: Duration::ZERO };
        let (reply, events) = self.queue.work(&request, self.now, &mut self.out);
        self.events.extend(events);
        reply.runs
    }

    fn finish(&mut self, claims: &[Claim]) {
        let done = |claim: &Claim| Completion { token: claim.token, outcome: Outcome::Done(json!(1)) };
        self.work(0, claims.iter().map(done).collect());
    }

    /// The fires since the last time: when they were due, whether a run came of it, how many were part of it.
    fn fires(&mut self) -> Vec<(String, &'static str, u64)> {
        let told = |event| match event {
            Event::ScheduleFired { at, run_id, missed, skipped, .. } => {
                let what = match (run_id, skipped) {
                    (Some(_), None) => "run",
                    (None, Some(Skip::Overlap)) => "overlap",
                    (None, Some(Skip::Misfire)) => "misfire",
                    (None, Some(Skip::Full)) => "full",
                    _ => "neither",
                };
                Some((at.rfc3339()[11..19].to_owned(), what, missed))
            }
            _ => None,
        };
        std::mem::take(&mut self.events).into_iter().filter_map(told).collect()
    }

    fn skips(&mut self) -> Vec<String> {
        let told = |change| match change {
            Change::Audit(audit) if audit.action == "schedule.skipped" => Some(audit.details.to_string()),
            _ => None,
        };
        std::mem::take(&mut self.out).into_iter().filter_map(told).collect()
    }
}

fn fire(at: &str, what: &'static str, missed: u64) -> (String, &'static str, u64) {
    (at.to_owned(), what, missed)
}

#[test]
fn missed_fires() {
    // Away from 00:00 to 01:05: fires at 00:10, 00:20, ... 01:00 were missed.
    for (wishes, wanted, on_record) in [
        (json!({}), vec![fire("00:10:00", "run", 5)], vec![("coalesced", 5)]),
        (json!({"misfire": "last"}), vec![fire("00:10:00", "run", 5)], vec![("coalesced", 5)]),
        (
            json!({"misfire": "last", "misfire_window_seconds": 60}),
            vec![fire("00:10:00", "misfire", 5)],
            vec![("misfire", 6)],
        ),
        (json!({"misfire": "skip"}), vec![fire("00:10:00", "misfire", 5)], vec![("misfire", 6)]),
        (
            json!({"misfire": "skip", "misfire_window_seconds": 600}),
            vec![fire("00:10:00", "run", 5)],
            vec![("coalesced", 5)],
        ),
        (
            json!({"misfire": "all", "misfire_window_seconds": 1800}),
            vec![
                fire("00:10:00", "misfire", 2),
                fire("00:40:00", "run", 0),
                fire("00:50:00", "run", 0),
                fire("01:00:00", "run", 0),
            ],
            vec![("misfire", 3)],
        ),
        (
            json!({"misfire": "all", "overlap": "skip", "misfire_window_seconds": 1000}),
            vec![fire("00:10:00", "misfire", 3), fire("00:50:00", "run", 0), fire("01:00:00", "overlap", 0)],
            vec![("misfire", 4), ("overlap", 1)],
        ),
    ] {
        let mut bench = Bench::new();
        let id = bench.submit("cron", "*/10 * * * *", wishes.clone()).expect("taken");
        bench.out.clear();
        bench.to("2026-11-22T01:05:00Z");
        assert_eq!(bench.fires(), wanted, "{wishes}");
        let skips: Vec<Value> =
            bench.skips().iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
        let skips: Vec<(&str, u64)> = skips
            .iter()
            .map(|skip| (skip["why"].as_str().expect("a word"), skip["fires"].as_u64().expect("a number")))
            .collect();
        assert_eq!(skips, on_record, "{wishes}");
        let next = bench.queue.schedules[&id].task.next_fire.map(Timestamp::rfc3339);
        assert_eq!(next.as_deref(), Some("2026-11-22T01:10:00.000Z"), "{wishes}");
    }
}

#[test]
fn runs_that_overlap() {
    for (overlap, wanted, claimed) in [
        ("skip", ["run", "overlap", "overlap"], 1),
        ("queue", ["run", "run", "overlap"], 1),
        ("allow", ["run", "run", "run"], 3),
    ] {
        let mut bench = Bench::new();
        bench.submit("cron", "*/10 * * * *", json!({"overlap": overlap})).expect("taken");
        for when in ["00:10", "00:20", "00:30"] {
            bench.to(&format!("2026-11-22T{when}:00Z"));
        }
        let fires: Vec<&str> = bench.fires().into_iter().map(|(_, what, _)| what).collect();
        assert_eq!(fires, wanted, "{overlap}");
        let claims = bench.work(10, Vec::new());
        assert_eq!(claims.len(), claimed, "{overlap}");
        bench.finish(&claims);
        assert_eq!(bench.work(10, Vec::new()).len(), usize::from(overlap == "queue"), "{overlap}");
    }
}

/// Only the oldest run was put off; the others went on at once.
#[test]
fn a_snooze_puts_off_every_run_that_waits() {
    let mut bench = Bench::new();
    let id = bench.submit("cron", "*/10 * * * *", json!({"overlap": "allow"})).expect("taken");
    for when in ["00:10", "00:20", "00:30"] {
        bench.to(&format!("2026-11-22T{when}:00Z"));
    }
    let begun = bench.work(1, Vec::new());
    let hour = Duration::from_secs(3600);
    let moved = bench.queue.snooze(id, hour, "", "ann", bench.now, &mut bench.out);
    assert_eq!((begun.len(), moved), (1, Ok(3)), "two runs that wait, and the next fire");
    assert_eq!(bench.work(10, Vec::new()), vec![], "none of them is handed out");
    bench.finish(&begun);
    bench.to("2026-11-22T01:30:00Z");
    assert_eq!(bench.work(10, Vec::new()).len(), 2);
}

#[test]
fn a_full_queue_skips_and_says_so() {
    let mut bench = Bench::with(Settings { queue_max: 1, ..Settings::default() });
    bench.submit("cron", "*/10 * * * *", json!({"overlap": "allow"})).expect("taken");
    bench.to("2026-11-22T00:10:00Z");
    bench.to("2026-11-22T00:20:00Z");
    assert_eq!(bench.fires(), [fire("00:10:00", "run", 0), fire("00:20:00", "full", 0)]);
}

#[test]
fn jitter_is_a_schedules_own_and_loses_no_fire() {
    let mut bench = Bench::new();
    let ids: Vec<TaskId> = (0..20)
        .map(|_| bench.submit("cron", "* * * * *", json!({"jitter_seconds": 40})).expect("taken"))
        .collect();
    let part = |bench: &Bench, id: &TaskId| {
        bench.queue.schedules[id].task.next_fire.expect("a fire").as_millis().rem_euclid(60_000)
    };
    let parts: Vec<i64> = ids.iter().map(|id| part(&bench, id)).collect();
    assert!(parts.iter().all(|part| (0..=40_000).contains(part)), "{parts:?}");
    assert!(parts.iter().max().expect("20") - parts.iter().min().expect("20") > 10_000, "{parts:?}");
    bench.to("2026-11-22T00:01:59Z");
    assert_eq!(ids.iter().map(|id| part(&bench, id)).collect::<Vec<_>>(), parts);
    assert!(bench.fires().iter().all(|(_, what, missed)| (*what, *missed) == ("run", 0)));
}

#[test]
fn nothing_fires_on_holidays() {
    let mut bench = Bench::new();
    match bench.submit("cron", "0 8 * * *", json!({"calendar": "holidays"})) {
        Err(Refusal::Invalid { field, what }) => {
            assert_eq!((field.as_str(), what.contains("is not known")), ("calendar", true));
        }
        other => panic!("{other:?}"),
    }
    let dates = json!({"dates": ["2026-11-22", "11-23"]});
    bench.queue.put_calendar("holidays", &dates, "ann", bench.now, &mut bench.out).expect("dates");
    let id = bench.submit("cron", "0 8 * * *", json!({"calendar": "holidays"})).expect("taken");
    let next =
        |bench: &Bench| bench.queue.schedules[&id].task.next_fire.map(|at| at.rfc3339()[..10].to_owned());
    assert_eq!(next(&bench).as_deref(), Some("2026-11-24"));
    // Another calendar under the same name moves the fires.
    let dates = json!({"dates": ["11-23"]});
    bench.queue.put_calendar("holidays", &dates, "ann", bench.now, &mut bench.out).expect("dates");
    assert_eq!(next(&bench).as_deref(), Some("2026-11-22"));
    assert!(bench.queue.delete_calendar("holidays", &mut bench.out).is_err(), "it is in use");
    let restored = Queue::new(
        Settings::default(),
        Loaded {
            tasks: vec![bench.queue.schedules[&id].task.clone()],
            records: vec![Record { kind: RecordKind::Calendar, key: "holidays".to_owned(), row: dates }],
            ..Loaded::default()
        },
        bench.now,
    );
    assert_eq!(restored.next_wake(), Some(at("2026-11-22T08:00:00Z")));
}

#[test]
fn events_reach_the_pipeline() {
    let mut bench = Bench::new();
    let all = bench.submit("event", "build.done", json!({})).expect("taken");
    let some = bench.submit("event", "build.done", json!({"filter": "payload.x > 5"})).expect("taken");
    let any =
        bench.submit("condition", "payload.x == 'blue'", json!({"dialect": "jmespath"})).expect("taken");
    assert_eq!(bench.queue.next_wake(), None, "nothing to wait for");
    for (topic, x, wanted) in [
        ("build.done", json!(3), vec![all]),
        ("build.done", json!(7), vec![all, some]),
        ("build", json!(7), vec![]),
        ("paint", json!("blue"), vec![any]),
        ("paint", json!("red"), vec![]),
    ] {
        let mut triggered = bench.publish(json!({"topic": topic, "payload": {"x": x}, "id": "e"}));
        triggered.sort_unstable();
        assert_eq!(triggered, wanted, "{topic} {x}");
        let claims = bench.work(10, Vec::new());
        assert_eq!(claims.len(), wanted.len(), "{topic} {x}");
        for claim in &claims {
            assert_eq!(claim.args.value(), json!({"x": x, "p": 1}));
        }
        bench.finish(&claims);
    }
    // Two events at once are two runs; the task that is paused hears nothing, and neither of them begins.
    assert_eq!(bench.publish(json!({"topic": "build.done", "payload": {"x": 1}})), [all]);
    assert_eq!(bench.publish(json!({"topic": "build.done", "payload": {"x": 2}})), [all]);
    bench.queue.pause(all, "ann", bench.now, &mut bench.out).expect("active");
    assert!(bench.publish(json!({"topic": "build.done", "payload": {"x": 3}})).is_empty());
    assert_eq!(bench.work(10, Vec::new()), []);
    bench.queue.resume(all, "ann", bench.now, &mut bench.out).expect("paused");
    let runs = bench.queue.schedules[&all].live.clone();
    assert_eq!(runs.len(), 2);
    bench.queue.cancel(all, "ann", bench.now, &mut bench.out).expect("active");
    assert!(
        bench.publish(json!({"topic": "build.done", "payload": {"x": 9}})).len() == 1,
        "only the other one"
    );
    assert!(runs.iter().all(|run| !bench.queue.runs.contains_key(run)));
}

#[test]
fn conditions_fire_when_they_begin_to_hold() {
    let mut bench = Bench::new();
    let id = bench
        .submit("condition", "up == 0", json!({"dialect": "promql", "check_seconds": 10}))
        .expect("taken");
    let look = |bench: &mut Bench, seconds: u64, holds: Result<bool, &str>| {
        bench.now = bench.now.plus(Duration::from_secs(seconds));
        let due = bench.queue.conditions_due(bench.now);
        if due.is_empty() {
            return None;
        }
        assert_eq!(due, [(id, "up == 0".to_owned())]);
        assert_eq!(bench.queue.conditions_due(bench.now), [], "one look at a time");
        let result = holds.map(|holds| holds.then(|| json!({"x": 1}))).map_err(str::to_owned);
        let events = bench.queue.condition(id, result, bench.now, &mut bench.out);
        bench.events.extend(events);
        let claims = bench.work(10, Vec::new());
        bench.finish(&claims);
        Some(claims.len())
    };
    for (seconds, holds, wanted) in [
        (0, Ok(false), Some(0)),
        (5, Ok(true), None),
        (5, Ok(true), Some(1)),
        (10, Ok(true), Some(0)),
        (10, Err("timeout"), Some(0)),
        (10, Ok(false), Some(0)),
        (10, Ok(true), Some(1)),
    ] {
        assert_eq!(look(&mut bench, seconds, holds), wanted, "{seconds} {holds:?}");
    }
    // After a restart it still held, so it does not fire again.
    let held: Vec<Record> = bench
        .out
        .iter()
        .filter_map(|change| match change {
            Change::Record { kind: RecordKind::Condition, key, row: Some(row) } => {
                Some(Record { kind: RecordKind::Condition, key: key.clone(), row: row.clone() })
            }
            _ => None,
        })
        .collect();
    let tasks = vec![bench.queue.schedules[&id].task.clone()];
    let loaded = Loaded { tasks, records: held, ..Loaded::default() };
    bench.queue = Queue::new(Settings::default(), loaded, bench.now);
    assert_eq!(look(&mut bench, 0, Ok(true)), Some(0));
    assert_eq!(look(&mut bench, 10, Ok(false)), Some(0));
    assert_eq!(look(&mut bench, 10, Ok(true)), Some(1));
}

#[test]
fn each_run_has_what_its_task_asks_for() {
    let mut bench = Bench::new();
    let mut submit = |options: Options| {
        let new = NewTask::Scheduled(new("cron", "10 * * * *"));
        bench.queue.submit_with(new, options, "ann", bench.now, &mut bench.out).expect("taken").task_id
    };
    let seconds = |n: u64| Some(Duration::from_secs(n));
    let rate = Options { rate_key: Some("api".into()), rate_per_minute: Some(1), ..Options::default() };
    let (first, second) = (submit(rate.clone()), submit(rate));
    let labels = [("gpu".to_owned(), "yes".to_owned())].into();
    let waits = submit(Options { labels, queued_timeout: seconds(60), ..Options::default() });
    let long = submit(Options {
        total_timeout: seconds(120),
        heartbeat_timeout: seconds(240),
        ..Options::default()
    });
    for hour in ["00", "01"] {
        bench.to(&format!("2026-11-22T{hour}:10:00Z"));
        let claims = bench.work(10, Vec::new());
        let ids = |claims: &[Claim]| claims.iter().map(|claim| claim.task_id.clone()).collect::<Vec<_>>();
        assert_eq!(
            ids(&claims),
            [first.to_string(), long.to_string()],
            "one of the key, none without labels"
        );
        assert_eq!(Some(claims[1].lease), seconds(240));
        bench.finish(&claims[..1]);
        // Still there: what it has is not lost with it.
        bench.to(&format!("2026-11-22T{hour}:10:20Z"));
        bench.work(0, Vec::new());
        bench.to(&format!("2026-11-22T{hour}:11:05Z"));
        let later = bench.work(10, Vec::new());
        assert_eq!(ids(&later), [second.to_string()], "the key's minute is over");
        bench.finish(&later);
        bench.to(&format!("2026-11-22T{hour}:12:05Z"));
        let ended = bench.events.drain(..).filter_map(|event| match event {
            Event::Finished(done) => Some((done.task_id, done.error.map(|error| error.kind))),
            _ => None,
        });
        let ended: Vec<_> = ended.collect();
        let why = |kind: &str| Some(kind.to_owned());
        let wanted =
            [(first, None), (waits, why("queued_timeout")), (second, None), (long, why("total_timeout"))];
        assert_eq!(ended, wanted, "at {hour}:10");
    }
}

#[test]
fn wishes_become_others_and_the_next_fire_with_them() {
    let mut bench = Bench::new();
    let days = json!({"dates": ["2026-11-22"]});
    bench.queue.put_calendar("holidays", &days, "ann", bench.now, &mut bench.out).expect("dates");
    let id = bench.submit("cron", "0 3 * * *", json!({"misfire": "last"})).expect("taken");
    let serial = format!("schedule:{id}");
    for (expr, firing, wanted) in [
        (
            None,
            json!({"gap": "skip"}),
            Ok(("2026-11-22T03:00:00Z", json!({"misfire": "last", "gap": "skip"}))),
        ),
        (None, json!({"calendar": "nobody"}), Err("calendar")),
        (None, json!({"filter": "x"}), Err("filter")),
        (None, json!({"fold": "often"}), Err("fold")),
        (
            None,
            json!({"calendar": "holidays", "misfire": null}),
            Ok(("2026-11-23T03:00:00Z", json!({"gap": "skip", "calendar": "holidays"}))),
        ),
        (
            None,
            json!({"calendar": null, "overlap": "queue"}),
            Ok(("2026-11-22T03:00:00Z", json!({"gap": "skip", "overlap": "queue"}))),
        ),
        (
            Some(("rrule", "FREQ=DAILY;BYHOUR=5;BYMINUTE=0")),
            json!({"overlap": null, "dialect": null}),
            Ok(("2026-11-22T05:00:00Z", json!({"gap": "skip"}))),
        ),
        (Some(("once", "2026-12-01T00:00:00Z")), json!({"gap": "skip"}), Err("gap")),
        (Some(("once", "2026-12-01T00:00:00Z")), json!({}), Ok(("2026-12-01T00:00:00Z", json!({})))),
    ] {
        let before = bench.queue.scheduled(id).cloned();
        bench.out.clear();
        let (schedule_kind, schedule_expr) =
            expr.map(|(kind, expr)| (kind.to_owned(), expr.to_owned())).unzip();
        let map = firing.as_object().expect("an object").clone();
        let update = crate::TaskUpdate { schedule_kind, schedule_expr, firing: map, ..Default::default() };
        let done = bench.queue.update(id, update, "ann", bench.now, &mut bench.out);
        let task = bench.queue.scheduled(id);
        match (done, wanted) {
            (Ok(_), Ok((next, firing))) => {
                let task = task.expect("it fires");
                assert_eq!(task.next_fire, Some(at(next)), "{firing}");
                let shown = task.firing().map(Firing::to_json).unwrap_or_default();
                assert_eq!(Value::Object(shown), firing);
                let queues = firing["overlap"] == "queue";
                assert_eq!(task.concurrency_key.as_deref(), queues.then_some(&*serial));
                assert_eq!(bench.queue.next_wake(), Some(at(next)));
            }
            (Err(Refusal::Invalid { field, .. }), Err(wanted)) => {
                assert_eq!(field, wanted);
                assert_eq!((task, bench.out.len()), (before.as_ref(), 0), "nothing is stored");
            }
            (done, wanted) => panic!("{expr:?} {firing}: {done:?}, wanted {wanted:?}"),
        }
    }
}

#[test]
fn wishes_that_mean_nothing_are_refused() {
    let mut bench = Bench::new();
    for (kind, expr, wishes, field) in [
        ("once", "2026-12-01T00:00:00Z", json!({"gap": "skip"}), "gap"),
        ("rrule", "FREQ=DAILY", json!({"dialect": "seconds"}), "dialect"),
        ("rrule", "FREQ=DAILY", json!({"filter": "x"}), "filter"),
        ("event", "topic", json!({"jitter_seconds": 5}), "jitter_seconds"),
        ("event", "topic", json!({"filter": "a b"}), "filter"),
        ("condition", "a b", json!({}), "schedule_expr"),
        ("cron", "* * * * *", json!({"dialect": "year"}), ""),
        ("cron", "* * * * * *", json!({"dialect": "promql"}), "dialect"),
    ] {
        let got = match bench.submit(kind, expr, wishes.clone()) {
            Ok(_) => String::new(),
            Err(Refusal::Invalid { field, .. }) => field,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(got, field, "{kind} {expr} {wishes}");
    }
    assert_eq!(KEYS.len(), 10, "another wish needs a line in the table of which kinds it is for");
}

/// SEEDS 10, row 2: a schedule could not be kept at all as soon as one task existed. Here it is data: what was
/// stored makes the same plan again.
#[test]
fn defect_2_schedules_survive_a_restart() {
    let mut bench = Bench::new();
    let rule = "RRULE:FREQ=DAILY;COUNT=3";
    let id = bench.submit("rrule", rule, json!({"misfire": "last"})).expect("taken");
    bench.to("2026-11-23T00:00:00Z");
    assert_eq!(bench.fires(), [fire("00:00:00", "run", 0)]);
    let claims = bench.work(1, Vec::new());
    bench.finish(&claims);
    let task = bench.queue.schedules[&id].task.clone();
    bench.queue = Queue::new(
        Settings::default(),
        Loaded { tasks: vec![task], ..Loaded::default() },
        at("2026-11-23T12:00:00Z"),
    );
    for day in ["24", "25"] {
        bench.to(&format!("2026-11-{day}T00:00:00Z"));
        assert_eq!(bench.fires(), [fire("00:00:00", "run", 0)]);
        let claims = bench.work(1, Vec::new());
        bench.finish(&claims);
    }
    assert!(bench.queue.schedules.is_empty(), "COUNT=3 fires three times, whatever happens between");
}

/// SEEDS 10, row 3: tasks made while the process runs never fired until it was started anew.
#[test]
fn defect_3_tasks_fire_without_a_restart() {
    let mut bench = Bench::new();
    bench.to("2026-11-22T00:00:30Z");
    bench.submit("cron", "* * * * *", json!({})).expect("taken");
    assert_eq!(bench.queue.next_wake(), Some(at("2026-11-22T00:01:00Z")));
    bench.to("2026-11-22T00:01:00Z");
    assert_eq!(bench.fires(), [fire("00:01:00", "run", 0)]);
}

/// How fast the queue fires; run it with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures; meant for a release build"]
fn speed_of_firing() {
    let mut bench = Bench::new();
    let begun = std::time::Instant::now();
    for i in 0..100_000 {
        let expr = format!("{} {} * * *", i % 60, 1 + i / 60 % 23);
        bench.submit("cron", &expr, json!({})).expect("taken");
        bench.out.clear();
    }
    println!("100000 schedules made in {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    for second in 0..600 {
        bench.now = at("2026-11-22T00:00:00Z").plus(Duration::from_secs(second));
        assert!(bench.queue.next_wake().is_some());
        bench.queue.tick(bench.now, &mut bench.out);
    }
    let share = begun.elapsed().as_secs_f64() / 600.0 * 100.0;
    println!("100000 schedules, idle: {share:.5} % of a core at a tick a second");
    let mut bench = Bench::new();
    for _ in 0..10_000 {
        bench.submit("cron", "0 1 * * *", json!({})).expect("taken");
    }
    bench.out.clear();
    let begun = std::time::Instant::now();
    bench.to("2026-11-22T01:00:00Z");
    println!("10000 fires due at once, decided in {:?}", begun.elapsed());
    assert_eq!(bench.fires().len(), 10_000);
}
