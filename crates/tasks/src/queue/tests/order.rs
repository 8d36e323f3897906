//! Who is handed what, and what comes first.

use super::*;

#[test]
fn order_is_class_then_priority_then_time() {
    let mut bench = Bench::new();
    let low = bench.plain(TaskSpec { priority: 9, ..noop() });
    let first = bench.plain(noop());
    let second = bench.plain(TaskSpec { kind: "http".to_owned(), ..noop() });
    let high = bench.plain(TaskSpec { priority: 1, ..noop() });
    let later =
        bench.plain(TaskSpec { run_at: Some(bench.now.plus(Duration::from_secs(1))), priority: 1, ..noop() });
    let order: Vec<_> = bench.work(ask("w", 10)).runs.into_iter().map(|claim| claim.task_id).collect();
    assert_eq!(order, [high, first, second, low].map(|id| id.to_string()));
    assert_eq!(bench.after(1_000).claim("w").unwrap().task_id, later.to_string());
}

#[test]
fn nobody_waits_for_ever_behind_those_who_come_first() {
    let mut bench = Bench::new();
    let low = bench.plain(TaskSpec { priority: 9, ..noop() });
    for minute in 0.. {
        let high = bench.plain(TaskSpec { priority: 1, ..noop() });
        let taken = bench.claim("w").unwrap();
        bench.end("w", &taken, Outcome::Done(json!(null)));
        if taken.task_id == low.to_string() {
            // Eight priorities lower is eight minutes older; of the same age, the one that comes first is first.
            assert_eq!(minute, 9, "{high} waits");
            break;
        }
        assert!(minute < 10, "it waits for ever");
        bench.after(60_000);
    }
    let strict = Settings { ageing: None, ..Settings::default() };
    let mut bench = Bench::with(strict);
    bench.plain(TaskSpec { priority: 2, ..noop() });
    bench.after(86_400_000 * 365);
    let high = bench.plain(TaskSpec { priority: 1, ..noop() });
    assert_eq!(bench.claim("w").unwrap().task_id, high.to_string());
}

#[test]
fn kinds_and_agents_find_their_workers() {
    let mut bench = Bench::new();
    bench.plain(noop());
    let typed = NewTyped {
        type_: "deployment".to_owned(),
        payload: json!({"environment": "staging"}).into(),
        urgency: Urgency::P2,
        source: "user".to_owned(),
        sla: None,
        metadata: json!({}),
    };
    let task = bench.submit(NewTask::Typed(typed.clone())).unwrap().task.unwrap();
    assert_eq!((&*task.kind, task.agent.as_deref()), ("deploy", Some("ops_agent")));
    let mut http_only = ask("h", 10);
    http_only.worker.kinds = vec!["http".to_owned()];
    assert_eq!(bench.work(http_only).runs.len(), 0);
    assert_eq!(bench.work(ask(BUILTIN_WORKER, 10)).runs[0].kind, "noop");
    let mut agent = ask("a", 10);
    agent.worker.labels.insert("agent".to_owned(), "ops_agent".to_owned());
    agent.worker.kinds.clear();
    let runs = bench.work(agent).runs;
    assert_eq!(runs.iter().map(|claim| claim.kind.as_str()).collect::<Vec<_>>(), ["deploy"]);

    let mut wrong = |field: &str, typed| match bench.submit(NewTask::Typed(typed)) {
        Err(Refusal::Invalid { field: got, .. }) => assert_eq!(got, field),
        other => panic!("{other:?}"),
    };
    wrong("type", NewTyped { type_: "cook".to_owned(), ..typed.clone() });
    wrong("source", NewTyped { source: "moon".to_owned(), ..typed });
}

#[test]
fn one_run_of_a_concurrency_key_at_a_time() {
    let mut bench = Bench::new();
    let keyed = |n| TaskSpec { concurrency_key: Some("k".to_owned()), args: json!(n).into(), ..noop() };
    for n in 0..3 {
        bench.plain(keyed(n));
    }
    let free = bench.plain(noop());
    let runs = bench.work(ask("w", 10)).runs;
    assert_eq!(runs.iter().map(|claim| claim.args.clone()).collect::<Vec<_>>(), [json!(0), json!({"a": 1})]);
    assert_eq!(runs[1].task_id, free.to_string());
    assert_eq!(bench.claim("v"), None);
    bench.end("w", &runs[0], Outcome::Done(json!(1)));
    assert!(bench.events.contains(&Event::Available { runs: 1 }), "the next of the key is announced");
    let next = bench.claim("v").unwrap();
    assert_eq!(next.args, json!(1));
    bench.end("v", &next, retry());
    assert_eq!(bench.claim("v").unwrap().args, json!(2), "waiting for a retry does not hold the key");
}
