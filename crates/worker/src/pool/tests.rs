//! The pool against a desk of the test's own, on tokio's paused clock.

use super::*;
use crate::BoxFuture;
use serde_json::json;
use std::sync::Mutex;
use tasks::Running;
use tokio::sync::{Notify, mpsc, oneshot};

type Ask = (WorkRequest, oneshot::Sender<Result<WorkReply, DeskError>>);

/// Hands each call to the test, which answers it.
struct TestDesk(mpsc::UnboundedSender<Ask>);

impl Desk for TestDesk {
    fn work(&self, request: WorkRequest) -> BoxFuture<Result<WorkReply, DeskError>> {
        let (reply, answer) = oneshot::channel();
        self.0.send((request, reply)).unwrap();
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(DeskError("gone".to_owned()))) })
    }
}

/// Waits until the test lets it go on, or does what its arguments say.
struct TestAction {
    gate: Arc<Notify>,
    dropped: Arc<Mutex<u32>>,
}

struct OnDrop(Arc<Mutex<u32>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        *self.0.lock().unwrap() += 1;
    }
}

impl Action for TestAction {
    fn kind(&self) -> &str {
        "test"
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move {
            let args = attempt.args.value();
            match args.as_str() {
                Some("panic") => panic!("on purpose"),
                Some("big") => Outcome::Done(json!("x".repeat(RESULT_MAX + 1))),
                Some("hang") => {
                    let _dropped = OnDrop(self.dropped.clone());
                    std::future::pending().await
                }
                Some("gate") => {
                    self.gate.notified().await;
                    Outcome::Done(args)
                }
                _ => Outcome::Done(args),
            }
        })
    }
}

struct Bench {
    asks: mpsc::UnboundedReceiver<Ask>,
    gate: Arc<Notify>,
    dropped: Arc<Mutex<u32>>,
    stop: Option<oneshot::Sender<()>>,
    counters: Arc<Counters>,
    pool: tokio::task::JoinHandle<()>,
}

fn start(slots: u32) -> Bench {
    let (send, asks) = mpsc::unbounded_channel();
    let (gate, dropped) = (Arc::new(Notify::new()), Arc::default());
    let actions = Arc::new(Actions::none());
    actions.add(Arc::new(TestAction { gate: gate.clone(), dropped: Arc::clone(&dropped) }));
    let settings = Settings {
        id: "w".to_owned(),
        boot_nonce: "n".to_owned(),
        labels: BTreeMap::new(),
        slots,
        drain: Duration::from_secs(30),
    };
    let pool = Pool::new(settings, actions);
    let counters = pool.counters();
    let (stop, stopped) = oneshot::channel::<()>();
    let pool = tokio::spawn(pool.run(Arc::new(TestDesk(send)), async {
        let _ = stopped.await;
    }));
    Bench { asks, gate, dropped, stop: Some(stop), counters, pool }
}

fn token(n: u32) -> AttemptToken {
    AttemptToken::parse(&format!("{n:032x}")).unwrap()
}

fn claim(n: u32, args: &str) -> Claim {
    Claim {
        run_id: format!("run-{n}"),
        task_id: format!("task-{n}"),
        kind: "test".to_owned(),
        token: token(n),
        attempt: 1,
        args: json!(args).into(),
        lease: Duration::from_secs(60),
        deadline: Duration::from_secs(300),
        traceparent: String::new(),
        checkpoint: None,
    }
}

fn runs(runs: Vec<Claim>) -> Result<WorkReply, DeskError> {
    Ok(WorkReply { runs, ..WorkReply::default() })
}

fn results(request: &WorkRequest, result: TokenResult) -> Result<WorkReply, DeskError> {
    let tokens = request.complete.iter().map(|c| c.token).chain(request.extend.iter().map(|e| e.token));
    Ok(WorkReply { results: tokens.map(|t| (t, result)).collect(), ..WorkReply::default() })
}

impl Bench {
    async fn next(&mut self) -> Ask {
        let asked = tokio::time::timeout(Duration::from_secs(3600), self.asks.recv()).await;
        asked.expect("a call within the hour").expect("the pool asks on")
    }

    /// The next call that reports; parked ones before it are answered with nothing.
    async fn next_report(&mut self) -> Ask {
        loop {
            let (request, reply) = self.next().await;
            if request.wait.is_zero() {
                return (request, reply);
            }
            std::mem::forget(reply); // it stays parked
        }
    }
}

#[tokio::test(start_paused = true)]
async fn claims_no_more_than_it_has_slots_and_reports_what_ended() {
    let mut bench = start(3);
    let (first, reply) = bench.next().await;
    assert_eq!((first.want, first.wait, first.worker.slots_free), (3, WAIT_IDLE, 3));
    assert_eq!(first.worker.kinds, ["test"]);
    reply.send(runs(vec![claim(1, "gate"), claim(2, "now")])).unwrap();

    let (report, reply) = bench.next_report().await;
    assert_eq!(report.complete, [Completion { token: token(2), outcome: Outcome::Done(json!("now")) }]);
    assert!(report.want <= 2 && report.worker.slots_free == 2, "{report:?}");
    reply.send(results(&report, TokenResult::Accepted)).unwrap();

    bench.gate.notify_one();
    let (report, reply) = bench.next_report().await;
    assert_eq!(report.complete[0].token, token(1));
    reply.send(results(&report, TokenResult::Accepted)).unwrap();
    assert_eq!(bench.counters.done.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn quiet_ends_the_claims_and_not_the_reports() {
    let mut bench = start(2);
    let begun = Instant::now();
    let (_, reply) = bench.next().await;
    let quiet = WorkReply { directive: Directive::Quiet, ..WorkReply::default() };
    reply.send(Ok(WorkReply { runs: vec![claim(1, "now")], ..quiet })).unwrap();
    let (report, reply) = bench.next().await;
    assert_eq!((report.complete.len(), report.want), (1, 0), "{report:?}");
    assert!(begun.elapsed() < Duration::from_secs(1), "what ended is told at once");
    reply.send(results(&report, TokenResult::Accepted)).unwrap();
    let (again, _reply) = bench.next().await;
    assert_eq!((again.want, begun.elapsed().as_secs()), (2, QUIET.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn every_slot_is_asked_for_only_once() {
    let mut bench = start(4);
    let (first, reply) = bench.next().await;
    reply.send(runs(vec![claim(1, "gate")])).unwrap();
    let (second, _parked) = bench.next().await;
    assert_eq!((first.want, second.want, second.wait), (4, 3, WAIT_BUSY));
    // All free slots are asked for: the next call is the heartbeat.
    let (beat, reply) = bench.next().await;
    assert_eq!((beat.extend.len(), beat.want, beat.wait), (1, 0, Duration::ZERO));
    reply.send(results(&beat, TokenResult::Accepted)).unwrap();
    bench.gate.notify_one();
    let (report, _reply) = bench.next().await;
    assert_eq!((report.complete.len(), report.want), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_attempt() {
    for result in [Some(TokenResult::Stale), None] {
        let mut bench = start(1);
        let begun = Instant::now();
        let (_, reply) = bench.next().await;
        reply.send(runs(vec![claim(1, "hang")])).unwrap();
        let (beat, reply) = bench.next().await;
        assert_eq!(beat.extend[0].token, token(1));
        assert_eq!(begun.elapsed().as_secs(), 20, "a third of the lease");
        let failed = || Err(DeskError("no".to_owned()));
        reply.send(result.map_or_else(failed, |result| results(&beat, result))).unwrap();
        // While the desk fails the heartbeat is tried again, until nobody can say that the lease is still ours.
        let again = loop {
            let (again, reply) = bench.next().await;
            if again.extend.is_empty() {
                break again;
            }
            reply.send(failed()).unwrap();
        };
        assert!(again.complete.is_empty() && again.want == 1, "{again:?}");
        // The next call after a failure keeps its distance.
        let (least, most) = if result.is_some() { (20, 20) } else { (60, 60 + BACKOFF_MAX.as_secs()) };
        let elapsed = begun.elapsed().as_secs();
        assert!((least..=most).contains(&elapsed), "{elapsed} s, {result:?}");
        assert_eq!(bench.counters.lost.load(Ordering::Relaxed), 1);
        tokio::task::yield_now().await;
        assert_eq!(*bench.dropped.lock().unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn ends_that_are_no_success() {
    let mut bench = start(4);
    let (_, reply) = bench.next().await;
    let unknown = Claim { kind: "other".to_owned(), ..claim(4, "") };
    let slow = Claim { deadline: Duration::from_secs(5), ..claim(3, "hang") };
    reply.send(runs(vec![claim(1, "panic"), claim(2, "big"), slow, unknown])).unwrap();
    let mut got = Vec::new();
    while got.len() < 4 {
        let (report, reply) = bench.next_report().await;
        for completion in &report.complete {
            got.push(match &completion.outcome {
                Outcome::Failed(error) => format!("failed {} {}", error.kind, error.message),
                Outcome::Retry { error, .. } => format!("retry {} {}", error.kind, error.message),
                other => format!("{other:?}"),
            });
        }
        reply.send(results(&report, TokenResult::Accepted)).unwrap();
    }
    got.sort();
    assert_eq!(
        got,
        [
            "failed result_too_large the result is longer than 1048576 bytes",
            "failed unknown_kind this worker does not know the kind \"other\"",
            "retry crash the action crashed: on purpose",
            "retry timeout timed out after 5s",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_report_is_sent_again() {
    let mut bench = start(1);
    let (_, reply) = bench.next().await;
    reply.send(runs(vec![claim(1, "now")])).unwrap();
    let begun = Instant::now();
    for wait_ms in [0, 100, 300] {
        let (report, reply) = bench.next_report().await;
        assert_eq!((report.complete.len(), begun.elapsed().as_millis()), (1, wait_ms));
        reply.send(Err(DeskError("no".to_owned()))).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn three_reports_may_be_under_way_and_what_one_loses_is_in_the_next() {
    let mut bench = start(5);
    let (_, reply) = bench.next().await;
    reply.send(runs((1..=5).map(|n| claim(n, "gate")).collect())).unwrap();
    let mut under_way = Vec::new();
    for _ in 0..REPORTS_MAX {
        bench.gate.notify_one();
        let (report, reply) = bench.next_report().await;
        assert_eq!(report.complete.len(), 1);
        under_way.push((report, reply));
    }
    bench.gate.notify_one();
    bench.gate.notify_one();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(bench.asks.try_recv().is_err(), "what ends meanwhile waits for one to come back");
    let (lost, reply) = under_way.remove(1);
    reply.send(Err(DeskError("no".to_owned()))).unwrap();
    let (report, reply) = bench.next_report().await;
    let told = |report: &WorkRequest| report.complete.iter().map(|c| c.token).collect::<Vec<_>>();
    assert_eq!(told(&report), [told(&lost), vec![token(4), token(5)]].concat());
    under_way.push((report, reply));
    for (report, reply) in under_way {
        reply.send(results(&report, TokenResult::Accepted)).unwrap();
    }
    let (idle, _reply) = bench.next().await;
    assert_eq!((idle.complete.len(), idle.want, idle.wait), (0, 5, WAIT_IDLE));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_is_stopped() {
    let mut bench = start(1);
    let (_, reply) = bench.next().await;
    reply.send(runs(vec![claim(1, "hang")])).unwrap();
    let (_, reply) = bench.next().await;
    reply.send(Ok(WorkReply { cancel: vec![token(1)], ..WorkReply::default() })).unwrap();
    let (next, _reply) = bench.next().await;
    assert!(next.complete.is_empty() && next.want == 1, "{next:?}");
    assert_eq!(bench.counters.cancelled.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn the_drain_finishes_what_it_can_and_hands_back_the_rest() {
    let mut bench = start(3);
    let (_, reply) = bench.next().await;
    reply.send(runs(vec![claim(1, "hang"), claim(2, "gate")])).unwrap();
    let (_, parked) = bench.next().await;
    let begun = Instant::now();
    bench.stop.take().unwrap().send(()).unwrap();
    let (told, reply) = bench.next().await;
    assert!(told.worker.draining && told.want == 0, "{told:?}");
    reply.send(results(&told, TokenResult::Accepted)).unwrap();
    // A claim that was on its way is handed back at once.
    parked.send(runs(vec![claim(3, "now")])).unwrap();
    let (report, reply) = bench.next().await;
    assert_eq!(report.complete, [Completion { token: token(3), outcome: Outcome::Snooze(Duration::ZERO) }]);
    reply.send(results(&report, TokenResult::Accepted)).unwrap();
    bench.gate.notify_one();
    let (report, reply) = bench.next().await;
    assert_eq!(report.complete[0].token, token(2));
    reply.send(results(&report, TokenResult::Accepted)).unwrap();
    let (beat, reply) = bench.next().await;
    assert_eq!(beat.extend.len(), 1);
    reply.send(results(&beat, TokenResult::Accepted)).unwrap();
    let (report, reply) = bench.next().await;
    assert_eq!(report.complete, [Completion { token: token(1), outcome: Outcome::Snooze(Duration::ZERO) }]);
    assert_eq!(begun.elapsed().as_secs(), 30);
    reply.send(results(&report, TokenResult::Accepted)).unwrap();
    bench.pool.await.unwrap();
    assert_eq!(bench.counters.handed_back.load(Ordering::Relaxed), 2);
}
