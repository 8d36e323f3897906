//! Cases of `sqlite`: input and expectation side by side.

mod migration;
mod router;

use super::*;
use crate::{Reader, RunFilter, TaskFilter};
use model::{Class, Json, Labels, TaskSpec, Timestamp};
use serde_json::json;
use std::time::Duration;
use tasks::{
    Change, Completion, Extension, Form, NewScheduled, NewTask, NewTyped, Outcome, Queue, RunError, RunState,
    Settings, Sla, TaskId, TokenResult, Urgency, WorkRequest, WorkerCard,
};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + secs * 1000)
}

/// All classes cut at the same instant.
fn cut(secs: i64) -> CutOffs {
    CutOffs { runs: at(secs), tasks: at(secs), alerts: at(secs), audit: at(secs) }
}

fn worker(id: &str, want: u32) -> WorkRequest {
    WorkRequest {
        worker: WorkerCard {
            id: id.to_owned(),
            boot_nonce: "n1".to_owned(),
            labels: [("agent".to_owned(), "dev_agent".to_owned())].into(),
            kinds: vec!["*".to_owned()],
            slots_free: 100,
            draining: false,
        },
        complete: Vec::new(),
        extend: Vec::new(),
        want,
        wait: Duration::ZERO,
    }
}

/// A queue with something of everything, its store, and the changes that were committed.
struct Fixture {
    dir: tempfile::TempDir,
    store: Sqlite,
    queue: Queue,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Sqlite::open(&dir.path().join("tocsin.db")).expect("a new store");
        Fixture { queue: Queue::new(Settings::default(), tasks::Loaded::default(), at(0)), store, dir }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("tocsin.db")
    }

    fn commit(&mut self, tasks: Vec<Change>) {
        self.store.commit(&Changes { tasks, ..Changes::default() }).expect("a commit");
    }

    fn submit(&mut self, new: NewTask) -> TaskId {
        let mut out = Vec::new();
        let id = self.queue.submit(new, "ann", at(0), &mut out).expect("a task").task_id;
        self.commit(out);
        id
    }

    fn work(&mut self, request: WorkRequest, secs: i64) -> tasks::WorkReply {
        let mut out = Vec::new();
        let (reply, _) = self.queue.work(&request, at(secs), &mut out);
        self.commit(out);
        reply
    }
}

fn plain(kind: &str) -> NewTask {
    let spec = TaskSpec { dedupe_key: Some(format!("key-{kind}")), ..TaskSpec::new(kind, json!({"n": 1})) };
    NewTask::Plain(spec, Duration::from_secs(60))
}

fn scheduled() -> NewTask {
    NewTask::Scheduled(NewScheduled {
        title: "report".to_owned(),
        description: "each morning".to_owned(),
        schedule_kind: "cron".to_owned(),
        schedule_expr: Some("0 * * * *".to_owned()),
        timezone: Some("Europe/Chisinau".to_owned()),
        payload: json!({"params": {"a": 1}, "pipeline": [
            {"id": "one", "uses": "noop", "save_as": "one", "timeout_seconds": 1.5},
            {"id": "two", "uses": "http", "with": {"x": "${steps.one}"}, "if": "params.a == 1"}]}),
        ..NewScheduled::default()
    })
}

fn typed() -> NewTask {
    NewTask::Typed(NewTyped {
        type_: "bugfix".to_owned(),
        payload: json!({"é": [1, 2.5, null]}).into(),
        urgency: Urgency::P2,
        source: "user".to_owned(),
        sla: Some(Sla { target: json!(3600), deadline: at(3600) }),
        metadata: json!({"trace": "x"}),
    })
}

#[test]
fn everything_comes_back() {
    let mut fixture = Fixture::new();
    let noop = fixture.submit(plain("noop"));
    fixture.submit(scheduled());
    fixture.submit(typed());
    let mut out = Vec::new();
    fixture.queue.submit_page(
        TaskSpec::new("page", json!({"key": "k"})),
        vec![("ping".to_owned(), TaskSpec::new("redis", json!({})))],
        Duration::from_secs(5),
        at(0),
        &mut out,
    );
    out.extend({
        let mut ticked = Vec::new();
        fixture.queue.tick(at(3600), &mut ticked);
        ticked
    });
    fixture.commit(out);
    let claims = fixture.work(worker("w", 10), 3601).runs;
    assert_eq!(claims.len(), 3, "noop, bugfix, the pipeline's first step");
    let step = claims.iter().find(|claim| claim.task_id != noop.to_string() && claim.kind == "noop").unwrap();
    let mut done = worker("w", 0);
    done.complete = vec![Completion { token: step.token, outcome: Outcome::Done(json!([1])) }];
    assert_eq!(fixture.work(done.clone(), 3602).results, vec![(step.token, TokenResult::Accepted)]);

    let Fixture { store, queue, dir } = fixture;
    drop(store);
    let path = dir.path().join("tocsin.db");
    let loaded = Sqlite::open(&path).unwrap().load().unwrap().tasks;
    assert_eq!(loaded.tasks.len(), 5);
    assert_eq!(loaded.dedupe.len(), 1);
    assert_eq!(loaded.workers.len(), 1);
    assert_eq!(loaded.totals.accepted, 3);
    let run = loaded.runs.iter().find(|run| !run.steps.is_empty()).unwrap();
    assert_eq!(run.steps[0].result, Some(json!([1]).into()));
    assert_eq!(run.at.step, 1);
    let typed = loaded.tasks.iter().find_map(|task| match &task.form {
        Form::Typed(typed) => Some((typed, task)),
        _ => None,
    });
    let (typed, task) = typed.unwrap();
    assert_eq!((typed.urgency, typed.sla.as_ref().unwrap().target.clone()), (Urgency::P2, json!(3600)));
    assert_eq!(task.args, json!({"é": [1, 2.5, null]}));

    let mut restored = Queue::new(Settings::default(), loaded, at(3603));
    assert_eq!(restored.counts(at(3603)), queue.counts(at(3603)));
    let mut out = Vec::new();
    let (reply, _) = restored.work(&worker("w", 10), at(3603), &mut out);
    assert_eq!(reply.runs[0].args, json!({"x": [1]}), "the pipeline goes on at its second step");
    let (reply, _) = restored.work(&done, at(3604), &mut out);
    assert_eq!(reply.results[0].1, TokenResult::Accepted, "who ended a step may say so again");
}

#[test]
fn a_completion_is_known_after_a_restart() {
    let mut fixture = Fixture::new();
    let id = fixture.submit(plain("noop"));
    let claim = fixture.work(worker("w", 1), 1).runs.remove(0);
    let mut done = worker("w", 0);
    done.complete = vec![Completion { token: claim.token, outcome: Outcome::Done(json!(1)) }];
    fixture.work(done.clone(), 2);
    let loaded = fixture.store.load().unwrap().tasks;
    let mut restored = Queue::new(Settings::default(), loaded, at(3));
    let mut out = Vec::new();
    assert_eq!(restored.work(&done, at(3), &mut out).0.results[0].1, TokenResult::Accepted);
    done.complete[0].outcome = Outcome::Done(json!(2));
    assert_eq!(restored.work(&done, at(3), &mut out).0.results[0].1, TokenResult::Stale);
    let again = restored.submit(plain("noop"), "ann", at(4), &mut out).unwrap();
    assert_eq!((again.task_id, again.duplicate), (id, true), "the window goes on");
}

#[test]
fn delivered_pages_come_back_oldest_first() {
    let mut fixture = Fixture::new();
    for (secs, key, amended) in
        [(0, "a", None), (10, "b", Some(json!({"key": "b", "cause": "found"}))), (20, "c", None)]
    {
        let mut out = Vec::new();
        let page = TaskSpec { class: Class::Page, ..TaskSpec::new("page", json!({"key": key})) };
        let id = fixture.queue.submit_page(page, Vec::new(), Duration::from_secs(5), at(secs), &mut out);
        if let Some(args) = amended {
            fixture.queue.amend_args(id, args, &mut out);
        }
        fixture.commit(out);
        let claims = fixture.work(worker("builtin", 1), secs + 1).runs;
        let outcome = Outcome::Done(json!(null));
        let mut done = worker("builtin", 0);
        done.complete =
            claims.iter().map(|c| Completion { token: c.token, outcome: outcome.clone() }).collect();
        // The last one is still on its way.
        if key != "c" {
            fixture.work(done, secs + 2);
        }
    }
    fixture.submit(plain("noop"));
    let reader = Reader::open(&fixture.path()).unwrap();
    let read = |limit| {
        let pages = reader.pages_delivered(limit).unwrap();
        pages.into_iter().map(|page| (page.args, page.at)).collect::<Vec<_>>()
    };
    let b: (Json, Timestamp) = (json!({"key": "b", "cause": "found"}).into(), at(12));
    assert_eq!(read(10), [(json!({"key": "a"}).into(), at(2)), b.clone()]);
    assert_eq!(read(1), [b]);
}

#[test]
fn the_reader_sees_what_was_committed() {
    let mut fixture = Fixture::new();
    let (a, b) = (fixture.submit(plain("noop")), fixture.submit(typed()));
    let nightly = fixture.submit(scheduled());
    let claims = fixture.work(worker("w", 10), 1).runs;
    let mut done = worker("w", 0);
    let fail = Outcome::Failed(RunError { kind: "bad".to_owned(), message: "no".to_owned() });
    done.complete = claims
        .iter()
        .map(|claim| {
            let outcome =
                if claim.kind == "noop" { Outcome::Done(json!({"ok": true})) } else { fail.clone() };
            Completion { token: claim.token, outcome }
        })
        .collect();
    fixture.work(done, 3);

    let reader = Reader::open(&fixture.path()).unwrap();
    let row = reader.task(a).unwrap().unwrap();
    let latest = row.latest.unwrap();
    assert_eq!(latest.at.state, RunState::Completed);
    assert_eq!(latest.at.output, Some(json!({"ok": true}).into()));
    assert_eq!(reader.task(TaskId::parse(&"0".repeat(32)).unwrap()).unwrap(), None);

    let ids = |filter: TaskFilter| {
        let page = reader.tasks(&TaskFilter { limit: 10, ..filter }).unwrap();
        assert_eq!(page.total as usize, page.items.len());
        page.items.into_iter().map(|row| row.task.id).collect::<Vec<_>>()
    };
    let status = |word: &str| TaskFilter { status: Some(word.to_owned()), ..TaskFilter::default() };
    assert_eq!(ids(TaskFilter::default()), [nightly, b, a]);
    assert_eq!(ids(status("active")), [nightly]);
    assert_eq!(ids(status("failed")), [b]);
    assert_eq!(ids(status("completed")), [a]);
    assert_eq!(
        ids(TaskFilter { schedule_kind: Some("cron".to_owned()), ..TaskFilter::default() }),
        [nightly]
    );
    assert_eq!(ids(TaskFilter { created_by: Some("bob".to_owned()), ..TaskFilter::default() }), []);

    let runs = |filter: RunFilter| reader.runs(&RunFilter { limit: 10, ..filter }).unwrap();
    assert_eq!(runs(RunFilter::default()).total, 2);
    let failed = runs(RunFilter { success: Some(false), ..RunFilter::default() });
    assert_eq!((failed.items[0].kind.as_str(), failed.total), ("bugfix", 1));
    assert_eq!(runs(RunFilter { task_id: Some(a), ..RunFilter::default() }).items[0].run.task_id, a);
    assert_eq!(runs(RunFilter { task_id: Some(nightly), ..RunFilter::default() }).total, 0);
    let stats = reader.run_stats(None, at(-10)).unwrap();
    assert_eq!((stats.total, stats.successful, stats.failed, stats.seconds_avg), (2, 1, 1, Some(2.0)));
    assert_eq!(reader.totals().unwrap().completed, 1);
    let run = reader.run(latest.id).unwrap().unwrap();
    assert_eq!((run.run, run.kind.as_str()), (latest, "noop"));
}

#[test]
fn old_history_goes_and_the_rest_stays() {
    let mut fixture = Fixture::new();
    let done = fixture.submit(plain("noop"));
    let claim = fixture.work(worker("w", 1), 1).runs.remove(0);
    let mut end = worker("w", 0);
    end.complete = vec![Completion { token: claim.token, outcome: Outcome::Done(json!(1)) }];
    fixture.work(end, 2);
    let waits = fixture.submit(plain("wait"));
    let nightly = fixture.submit(scheduled());
    assert_eq!(fixture.store.prune(&cut(1), 100).unwrap(), 0, "it ended after that");
    assert_eq!(fixture.store.prune(&cut(86_400), 100).unwrap(), 1);
    let reader = Reader::open(&fixture.path()).unwrap();
    assert_eq!(reader.task(done).unwrap(), None);
    assert!(reader.task(waits).unwrap().is_some());
    assert!(reader.task(nightly).unwrap().is_some());
}

/// An alert that is new in its group.
fn wait(secs: i64) -> alerts::Wait {
    let group = alerts::WaitingGroup {
        receiver: "r".into(),
        group_key: "g".into(),
        hold: model::Hold::Grouped,
        by: Vec::new(),
        next_send: Some(at(secs + 30)),
        alerts: vec![Labels::from_pairs([("alertname", "Down")]).fingerprint()],
    };
    alerts::Wait { at: at(secs), nth: 3, groups: vec![group] }
}

#[test]
fn each_class_is_cut_by_its_own_age() {
    /// How many rows of each class there are: tasks that run once, other runs, decisions, audit lines.
    fn rows(fixture: &Fixture) -> [i64; 4] {
        let asked = rusqlite::Connection::open(fixture.path()).unwrap();
        let count = |sql: &str| asked.query_row(sql, [], |row| row.get(0)).unwrap();
        [
            count("SELECT count(*) FROM job WHERE form < 2 AND class = 2"),
            count("SELECT count(*) FROM job WHERE form = 2 OR class < 2"),
            count("SELECT (SELECT count(*) FROM decision) + (SELECT count(*) FROM wait)"),
            count("SELECT count(*) FROM audit_log"),
        ]
    }
    let never = CutOffs { runs: at(0), tasks: at(0), alerts: at(0), audit: at(0) };
    let late = at(100_000);
    for (cuts, is_cut) in [
        (never, [false; 4]),
        (CutOffs { tasks: late, ..never }, [true, false, false, false]),
        (CutOffs { runs: late, ..never }, [false, true, false, false]),
        (CutOffs { alerts: late, ..never }, [false, false, true, false]),
        (CutOffs { audit: late, ..never }, [false, false, false, true]),
        (cut(100_000), [true; 4]),
    ] {
        let mut fixture = Fixture::new();
        fixture.submit(plain("noop"));
        let nightly = fixture.submit(scheduled());
        let mut out = Vec::new();
        let page = TaskSpec { class: Class::Page, ..TaskSpec::new("page", json!({})) };
        fixture.queue.submit_page(page, Vec::new(), Duration::ZERO, at(0), &mut out);
        fixture.queue.tick(at(3600), &mut out);
        fixture.commit(out);
        let fail = Outcome::Failed(RunError { kind: "bad".to_owned(), message: "no".to_owned() });
        for id in ["w", "builtin"] {
            let runs = fixture.work(worker(id, 10), 3601).runs.into_iter();
            let complete = runs.map(|run| Completion { token: run.token, outcome: fail.clone() }).collect();
            fixture.work(WorkRequest { complete, ..worker(id, 0) }, 3602);
        }
        let waits = fixture.submit(plain("waits"));
        let decision = model::Decision {
            at: at(5),
            alert: Labels::from_pairs([("alertname", "Down")]),
            verdict: model::Verdict::Hold(model::Hold::Grouped),
            receiver: "r".into(),
            group_key: "g".into(),
            by: Vec::new(),
            page_key: None,
            over: false,
            next_send: None,
            nth: 0,
        };
        let alerts = vec![alerts::Change::Decision(decision), alerts::Change::Wait(wait(5))];
        fixture.store.commit(&Changes { alerts, ..Changes::default() }).unwrap();
        let (before, old) = (rows(&fixture), |nth: usize, of: i64| if is_cut[nth] { of } else { 0 });
        assert_eq!(before[..3], [2, 2, 2]);
        let runs = fixture.store.prune(&cuts, 100).unwrap() as i64;
        let left = [2 - old(0, 1), 2 - old(1, 2), 2 - old(2, 2), before[3] - old(3, before[3])];
        assert_eq!((rows(&fixture), runs), (left, old(0, 1) + old(1, 2)), "{cuts:?}");
        let reader = Reader::open(&fixture.path()).unwrap();
        assert!(reader.task(waits).unwrap().is_some() && reader.task(nightly).unwrap().is_some(), "{cuts:?}");
    }
}

#[test]
fn a_key_whose_task_is_gone_comes_back_as_one_that_is_over() {
    let mut fixture = Fixture::new();
    let gone = fixture.submit(plain("gone"));
    fixture.submit(plain("there"));
    fixture
        .store
        .commit(&Changes { tasks: vec![tasks::Change::TaskGone(gone)], ..Changes::default() })
        .unwrap();
    let loaded = fixture.store.load().unwrap().tasks;
    let ends = |key: &str| loaded.dedupe.iter().find(|held| held.key == key).map(|held| held.until);
    assert_eq!((ends("key-gone"), ends("key-there")), (Some(Timestamp::MIN), Some(at(60))));
}

#[test]
fn a_task_that_waits_to_be_told_is_no_history() {
    let mut fixture = Fixture::new();
    let NewTask::Scheduled(new) = scheduled() else { unreachable!("it is one") };
    let (kind, expr) = ("event".to_owned(), Some("stock.low".to_owned()));
    let waits =
        fixture.submit(NewTask::Scheduled(NewScheduled { schedule_kind: kind, schedule_expr: expr, ..new }));
    fixture.store.prune(&cut(86_400), 100).unwrap();
    assert!(Reader::open(&fixture.path()).unwrap().task(waits).unwrap().is_some());
}

#[test]
fn pruning_goes_on_where_it_stopped_and_looks_at_a_bounded_part() {
    let mut fixture = Fixture::new();
    let ids: Vec<TaskId> = (0..60).map(|n| fixture.submit(plain(&format!("k{n}")))).collect();
    // The first half stays live and stands between.
    let done: Vec<_> = fixture.work(worker("w", 60), 1).runs.split_off(30);
    let complete = done.iter().map(|run| Completion { token: run.token, outcome: Outcome::Done(json!(1)) });
    fixture.work(WorkRequest { complete: complete.collect(), ..worker("w", 0) }, 2);
    let gone: Vec<usize> = (0..20).map(|_| fixture.store.prune(&cut(86_400), 2).unwrap()).collect();
    assert_eq!(gone[..3], [0, 2, 2], "twenty rows at a look, two of them removed");
    assert_eq!(gone.iter().sum::<usize>(), 30);
    let reader = Reader::open(&fixture.path()).unwrap();
    let left: Vec<bool> = ids.iter().map(|id| reader.task(*id).unwrap().is_some()).collect();
    assert_eq!(left.iter().filter(|there| **there).count(), 30);
}

#[test]
fn what_a_step_left_is_not_the_next_ones() {
    let element = json!([{"id": "a", "uses": "noop", "foreach": "params.list"}]);
    let order = json!([{"id": "last", "uses": "noop", "needs": ["b"]}, {"id": "b", "uses": "noop"}]);
    // Short checkpoints are in the row, long ones beside it.
    for (pipeline, long) in [(&element, 10), (&element, 50_000), (&order, 10), (&order, 50_000)] {
        let mut fixture = Fixture::new();
        let NewTask::Scheduled(new) = scheduled() else { unreachable!("it is one") };
        let payload = json!({"params": {"list": [1, 2]}, "pipeline": pipeline});
        fixture.submit(NewTask::Scheduled(NewScheduled { payload, ..new }));
        let mut out = Vec::new();
        fixture.queue.tick(at(7200), &mut out);
        fixture.commit(out);
        let token = fixture.work(worker("w", 1), 7200).runs.remove(0).token;
        let mut beat = worker("w", 0);
        let checkpoint = Some(json!("x".repeat(long)));
        beat.extend = vec![Extension { token, progress: Some(0.5), checkpoint }];
        fixture.work(beat, 7201);
        // The end of one and the claim of the next are one transaction.
        let mut done = worker("w", 1);
        done.complete = vec![Completion { token, outcome: Outcome::Done(json!(1)) }];
        let claim = fixture.work(done, 7202).runs.remove(0);
        let run = fixture.store.load().unwrap().tasks.runs.remove(0);
        assert_eq!((run.at.token, run.at.step, run.steps.len()), (Some(claim.token), 0, 1), "{pipeline}");
        let left = (run.at.progress, run.at.checkpoint, run.at.outcome);
        assert_eq!(left, (None, None, None), "{pipeline}");
    }
}

#[test]
fn a_schedule_is_fired_once() {
    // The second to come fires later, or at the same time and so towards the same next fire.
    for second in [10_800, 7200] {
        let mut fixture = Fixture::new();
        fixture.submit(scheduled());
        let loaded = fixture.store.load().unwrap().tasks;
        let mut other = Queue::new(Settings { seed: [9; 32], ..Settings::default() }, loaded, at(0));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        fixture.queue.tick(at(7200), &mut ours);
        other.tick(at(second), &mut theirs);
        fixture.commit(ours);
        let changes = Changes { tasks: theirs, ..Changes::default() };
        assert!(matches!(fixture.store.commit(&changes), Err(Error::FiredElsewhere { .. })), "{second}");
        assert!(matches!(fixture.store.commit(&changes), Err(Error::Refusing)), "a failed commit is final");
        let runs = fixture.store.load().unwrap().tasks.runs;
        assert_eq!(runs.len(), 1, "the refused transaction left nothing");
    }
}

#[test]
fn the_file_is_private_and_a_newer_one_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let mode = std::fs::metadata(fixture.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    rusqlite::Connection::open(fixture.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let err = Sqlite::open(&fixture.path()).unwrap_err();
    assert!(matches!(err, Error::Newer { found: 99, .. }), "{err}");
}

#[test]
fn classes_share_a_transaction_with_what_caused_them() {
    let mut fixture = Fixture::new();
    let mut out = Vec::new();
    let run = fixture.queue.submit_page(
        TaskSpec::new("page", json!({})),
        Vec::new(),
        Duration::ZERO,
        at(0),
        &mut out,
    );
    fixture.queue.amend_args(run, json!({"diagnosis": []}), &mut out);
    fixture.commit(out);
    let runs = fixture.store.load().unwrap().tasks.runs;
    assert_eq!((runs[0].class, runs[0].args.clone()), (Class::Page, Some(json!({"diagnosis": []}).into())));
}

/// 10,000 tasks from submit to done in batches of 100 and 50; prints what each part costs. Debug builds are
/// slow: only the shape is asserted, one transaction a batch.
#[test]
fn a_batch_is_one_transaction() {
    let mut fixture = Fixture::new();
    let (mut decide, mut write) = (Duration::ZERO, Duration::ZERO);
    let mut step = |fixture: &mut Fixture, act: &mut dyn FnMut(&mut Queue, &mut Vec<Change>)| {
        let (start, mut out) = (std::time::Instant::now(), Vec::new());
        act(&mut fixture.queue, &mut out);
        decide += start.elapsed();
        let start = std::time::Instant::now();
        fixture.commit(out);
        write += start.elapsed();
    };
    for _ in 0..100 {
        step(&mut fixture, &mut |queue, out| {
            for n in 0..100 {
                let spec = TaskSpec::new("noop", json!({"n": n, "pad": "x".repeat(180)}));
                queue.submit(NewTask::Plain(spec, Duration::ZERO), "ann", at(0), out).unwrap();
            }
        });
    }
    let mut complete = Vec::new();
    for _ in 0..201 {
        let request = WorkRequest { complete: std::mem::take(&mut complete), ..worker("w", 50) };
        step(&mut fixture, &mut |queue, out| {
            let (reply, _) = queue.work(&request, at(1), out);
            complete = reply
                .runs
                .into_iter()
                .map(|claim| Completion { token: claim.token, outcome: Outcome::Done(json!(null)) })
                .collect();
        });
    }
    println!("10,000 tasks: deciding {:?}, writing {:?}", decide, write);
    let counts = fixture.queue.counts(at(2));
    assert_eq!((counts.pending, counts.processing, counts.totals.completed), (0, 0, 10_000));
    assert_eq!(fixture.store.commit(&Changes::default()).unwrap().number, 302);
}

#[test]
fn large_texts_are_kept_beside_their_rows() {
    let mut fixture = Fixture::new();
    let long = |n: usize| json!({"x": "y".repeat(n)});
    let id = fixture.submit(NewTask::Plain(TaskSpec::new("noop", long(100_000)), Duration::ZERO));
    let claim = fixture.work(worker("w", 1), 1).runs.remove(0);
    assert_eq!(claim.args, long(100_000));
    let mut done = worker("w", 0);
    done.complete = vec![Completion { token: claim.token, outcome: Outcome::Done(long(50_000)) }];
    fixture.work(done, 2);
    let row = Reader::open(&fixture.path()).unwrap().task(id).unwrap().unwrap();
    assert_eq!(
        (row.task.args, row.latest.unwrap().at.output),
        (long(100_000).into(), Some(long(50_000).into()))
    );
    let asked = rusqlite::Connection::open(fixture.path()).unwrap();
    let count = |sql: &str| -> i64 { asked.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM big"), 2);
    assert_eq!(count("SELECT count(*) FROM job WHERE payload IS NOT NULL OR output IS NOT NULL"), 0);
    assert_eq!(fixture.store.prune(&cut(86_400), 100).unwrap(), 1);
    assert_eq!(count("SELECT count(*) FROM big"), 0, "they go with their row");
}

#[test]
fn a_backup_is_whole_private_and_never_over_another_file() {
    use std::os::unix::fs::PermissionsExt;
    let mut fixture = Fixture::new();
    let id = fixture.submit(plain("noop"));
    let copy = fixture.dir.path().join("copy.db");
    let reader = Reader::open(&fixture.path()).unwrap();
    reader.backup(&copy).unwrap();
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    fixture.submit(plain("wait"));
    Sqlite::open(&copy).unwrap();
    let read = Reader::open(&copy).unwrap();
    assert!(read.task(id).unwrap().is_some());
    assert_eq!(read.tasks(&TaskFilter { limit: 9, ..TaskFilter::default() }).unwrap().total, 1);
    assert!(matches!(reader.backup(&copy), Err(Error::Backup { .. })));
}
