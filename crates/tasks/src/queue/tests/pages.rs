//! Pages: their slots, their diagnosis, their time.

use super::*;

#[test]
fn pages_have_slots_and_only_ours_takes_them() {
    let mut bench = Bench::with(Settings { page_slots: 4, ..Settings::default() });
    for _ in 0..20 {
        bench.plain(noop());
    }
    let mut pages_only = ask(BUILTIN_WORKER, 10);
    pages_only.worker.slots_free = 4;
    bench.work(pages_only);
    assert!(!bench.queue.workers(bench.now)[0].for_users, "it has slots for pages only");
    assert_eq!(bench.work(ask(BUILTIN_WORKER, 10)).runs.len(), 6, "four slots stay free for pages");
    assert!(bench.queue.workers(bench.now)[0].for_users);
    let page = TaskSpec::new("page", json!({"key": "k"}));
    bench.queue.submit_page(page, Vec::new(), Duration::from_secs(5), bench.now, &mut bench.out);
    assert!(bench.work(ask("w", 10)).runs.iter().all(|claim| claim.kind == "noop"));
    let mut full = ask(BUILTIN_WORKER, 10);
    full.worker.slots_free = 4;
    assert!(bench.queue.has_work_for(&full.worker));
    let runs = bench.work(full.clone()).runs;
    assert_eq!(runs.iter().map(|claim| claim.kind.as_str()).collect::<Vec<_>>(), ["page"]);
    full.worker.slots_free = 3;
    assert!(!bench.queue.has_work_for(&full.worker), "three left, one page under way: none for users");
}

fn steps(names: &[&str]) -> Vec<(String, TaskSpec)> {
    let spec = |name: &str| TaskSpec { max_retries: 0, ..TaskSpec::new(name, json!({})) };
    names.iter().map(|name| ((*name).to_owned(), spec(name))).collect()
}

#[test]
fn a_page_leaves_when_its_steps_have_ended() {
    let mut bench = Bench::new();
    let page = TaskSpec::new("page", json!({"key": "k"}));
    let id = bench.queue.submit_page(
        page,
        steps(&["redis", "file"]),
        Duration::from_secs(5),
        bench.now,
        &mut bench.out,
    );
    let runs = bench.work(ask(BUILTIN_WORKER, 10)).runs;
    assert_eq!(runs.iter().map(|claim| claim.kind.as_str()).collect::<Vec<_>>(), ["redis", "file"]);
    bench.now = bench.now.plus(Duration::from_millis(40));
    bench.end(BUILTIN_WORKER, &runs[1], Outcome::Done(json!("last lines")));
    assert!(!bench.events.iter().any(|event| matches!(event, Event::PageReady { .. })));
    let both = WorkRequest { want: 10, ..complete(BUILTIN_WORKER, &runs[0], Outcome::Failed(error())) };
    assert_eq!(bench.work(both).runs, vec![], "the page cannot be claimed before its arguments are amended");
    let Some(Event::PageReady { run_id, children }) =
        bench.events.iter().find(|event| matches!(event, Event::PageReady { .. })).cloned()
    else {
        panic!("no page: {:?}", bench.events)
    };
    assert_eq!(run_id, id);
    let found: Vec<_> =
        children.iter().map(|child| (child.step.as_str(), child.state, child.took_ms)).collect();
    assert_eq!(found, [("redis", RunState::Dead, 40), ("file", RunState::Completed, 40)]);
    assert!(bench.queue.amend_args(id, json!({"key": "k", "diagnosis": 2}), &mut bench.out));
    assert_eq!(bench.claim(BUILTIN_WORKER).unwrap().args, json!({"key": "k", "diagnosis": 2}));
}

#[test]
fn a_page_is_never_late() {
    let mut bench = Bench::new();
    let page = TaskSpec::new("page", json!({"key": "k"}));
    let id = bench.queue.submit_page(
        page,
        steps(&["redis", "file"]),
        Duration::from_secs(5),
        bench.now,
        &mut bench.out,
    );
    let runs = bench.work(ask(BUILTIN_WORKER, 10)).runs;
    bench.end(BUILTIN_WORKER, &runs[0], Outcome::Done(json!("pong")));
    assert_eq!(bench.queue.next_wake(), Some(bench.now.plus(Duration::from_secs(5))));
    bench.after(5_000);
    let states = bench.events.iter().find_map(|event| match event {
        Event::PageReady { children, .. } => {
            Some(children.iter().map(|child| child.state).collect::<Vec<_>>())
        }
        _ => None,
    });
    assert_eq!(states, Some(vec![RunState::Completed, RunState::Running]));
    let page = bench.claim(BUILTIN_WORKER).unwrap();
    assert!(!bench.queue.amend_args(id, json!({"late": 1}), &mut bench.out), "it is under way");
    bench.end(BUILTIN_WORKER, &runs[1], Outcome::Done(json!("lines")));
    let late = bench.events.iter().any(
        |event| matches!(event, Event::ChildLate { page, child } if *page == id && child.step == "file"),
    );
    assert!(late, "{:?}", bench.events);
    bench.end(BUILTIN_WORKER, &page, Outcome::Done(Value::Null));
    assert!(bench.queue.pages.is_empty() && bench.queue.runs.is_empty());
}

#[test]
fn a_class_of_its_own_is_no_user() {
    let mut bench = Bench::new();
    bench.queue.submit_page(
        TaskSpec::new("page", json!({})),
        steps(&["a"]),
        Duration::ZERO,
        bench.now,
        &mut bench.out,
    );
    let counts = bench.queue.counts(bench.now);
    assert_eq!((counts.pending, counts.totals.accepted), (0, 0));
    assert_eq!(counts.ours.iter().map(|(_, n)| n).sum::<usize>(), 2);
    assert_eq!(Class::Page, bench.queue.runs.values().map(|live| live.run.class).min().unwrap());
}
