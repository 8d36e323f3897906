//! The story: real programs, a real fault, one page with its diagnosis, one resolve, and nothing else.

mod support;

use std::time::{Duration, Instant};
use support::Stack;

const INTERVAL: Duration = Duration::from_secs(5);
/// What the story may take from fault to page.
const PAGE_LIMIT: Duration = Duration::from_secs(2 * 5 + 1);

struct Story(Stack);

fn story() -> Story {
    let mut stack = Stack::prepare(&format!("{}s", INTERVAL.as_secs()));
    stack.tocsin.start_again();
    for series in ["redis_up", "pg_up", "up{job=\"node\"}"] {
        support::eventually(series, Duration::from_secs(30), || {
            stack.tocsin.query(series).filter(|up| *up == 1.0)
        });
    }
    Story(stack)
}

impl Story {
    fn expect_page(&self, alert: &str, fault: Instant, findings: &[(&str, &[&str])]) {
        let page = self
            .0
            .pages
            .wait(alert, 0, 3 * PAGE_LIMIT, |got| got.alertname() == alert && got.status() == "firing");
        let took = page.at - fault;
        println!("{alert}: paged {:.2} s after the fault", took.as_secs_f64());
        assert!(took <= PAGE_LIMIT, "{alert}: {took:?}, more than {PAGE_LIMIT:?}");
        for (step, words) in findings {
            let finding = page.finding(step);
            for word in *words {
                assert!(
                    finding.to_lowercase().contains(&word.to_lowercase()),
                    "{alert}/{step}: no {word:?} in {finding:?}"
                );
            }
        }
        assert!(!page.key.is_empty(), "a page carries its Idempotency-Key");
        println!("{:#}", page.body["tocsin"]);
    }

    fn expect_resolve(&self, alert: &str) {
        self.0.pages.wait("a resolve", 0, Duration::from_secs(40), |got| {
            got.alertname() == alert && got.status() == "resolved"
        });
    }
}

#[test]
fn a_dead_redis_and_a_dead_postgres_page_once_each_with_the_cause() {
    let mut story = story();

    let fault = Instant::now();
    story.0.redis.kill();
    let address = format!("127.0.0.1:{}", story.0.redis.port);
    story.expect_page(
        "RedisDown",
        fault,
        &[
            ("ping", &["refused", &address]),
            ("process", &["no process"]),
            ("log", &["Ready to accept connections"]),
        ],
    );
    story.0.redis.start_again();
    story.expect_resolve("RedisDown");

    let fault = Instant::now();
    story.0.postgres.kill();
    let address = format!("127.0.0.1:{}", story.0.postgres.port);
    story.expect_page(
        "PostgresDown",
        fault,
        &[
            ("connect", &["refused", &address]),
            ("process", &["no process"]),
            ("log", &["database system is ready to accept connections"]),
        ],
    );
    story.0.postgres.start_again();
    story.expect_resolve("PostgresDown");

    // Long enough for a repeated, a late or a second message of any group to have shown itself.
    story.0.pages.expect_quiet(Duration::from_secs(12));
    let seen: Vec<_> =
        story.0.pages.all().iter().map(|g| format!("{} {}", g.alertname(), g.status())).collect();
    assert_eq!(
        seen,
        ["RedisDown firing", "RedisDown resolved", "PostgresDown firing", "PostgresDown resolved"]
    );
}
