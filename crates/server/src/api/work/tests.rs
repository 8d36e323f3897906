//! What the protocol's JSON form takes, and how it answers.

use super::*;

fn check(body: &str, want: &str) {
    match parse(body.as_bytes()) {
        Ok(_) => assert_eq!(want, "", "{body} was taken"),
        Err(what) => {
            assert!(!want.is_empty() && what.contains(want), "{body}: got {what:?}, wanted {want:?}")
        }
    }
}

#[test]
fn taken_and_refused() {
    check(r#"{"worker": {"id": "w", "boot_nonce": "n"}}"#, "");
    check(
        r#"{"worker": {"id": "w", "boot_nonce": "n", "kinds": ["*"], "slots_free": 2}, "want": 1000, "wait_ms": 30000, "complete": [{"attempt_token": "x", "outcome": "done"}]}"#,
        "",
    );
    check("{}", "missing field `worker`");
    check(r#"{"worker": {"id": "", "boot_nonce": "n"}}"#, "worker.id has 0 characters");
    check(r#"{"worker": {"id": "w", "boot_nonce": "n"}, "want": 1001}"#, "at most 1000");
    check(r#"{"worker": {"id": "w", "boot_nonce": "n"}, "wait_ms": 30001}"#, "at most 30000");
    check(
        r#"{"worker": {"id": "w", "boot_nonce": "n"}, "complete": [{"attempt_token": "x", "outcome": "maybe"}]}"#,
        "unknown variant",
    );
    check(
        r#"{"worker": {"id": "w", "boot_nonce": "n"}, "extend": [{"attempt_token": "x", "progress": 2}]}"#,
        "not from 0 to 1",
    );
}

fn one(rest: &str) -> String {
    format!(r#"{{"worker": {{"id": "w", "boot_nonce": "n"}}, {rest}}}"#)
}

#[test]
fn a_checkpoint_that_is_too_large_is_refused_with_its_place() {
    let of = |bytes: usize| {
        let text = "x".repeat(bytes - 2);
        let token = "0".repeat(32);
        one(&format!(r#""extend": [{{"attempt_token": "{token}", "checkpoint": "{text}"}}]"#))
    };
    check(&of(CHECKPOINT_BYTES_MAX), "");
    check(&of(CHECKPOINT_BYTES_MAX + 1), "extend[0].checkpoint has 262145 bytes, at most 262144");
}

#[test]
fn a_snooze_that_says_no_time_is_one_second() {
    let token = AttemptToken::from_bytes([7; 16]);
    let body = one(&format!(r#""complete": [{{"attempt_token": "{token}", "outcome": "snooze"}}]"#));
    let (request, _, _) = parse(body.as_bytes()).unwrap();
    assert_eq!(request.complete[0].outcome, Outcome::Snooze(Duration::from_secs(1)));
}

#[test]
fn a_number_that_would_be_changed_is_refused_with_its_place() {
    let result = |n: &str| {
        one(&format!(
            r#""complete": [{{"attempt_token": "x", "outcome": "done", "result": {{"n": [{n}]}}}}]"#
        ))
    };
    check(&result("18446744073709551615"), "");
    check(
        &result("18446744073709551616"),
        "complete[0].result.n[0]: 18446744073709551616 has more than 64 bits",
    );
}

#[test]
fn of_a_token_that_is_named_twice_the_first_result_counts() {
    let token = AttemptToken::from_bytes([7; 16]);
    let results = vec![(token, TokenResult::Accepted), (token, TokenResult::Stale)];
    let reply = WorkReply { results, ..WorkReply::default() };
    let shown: Value = serde_json::from_slice(&shown(&reply, &[])).unwrap();
    assert_eq!(shown["results"], serde_json::json!({token.to_string(): "accepted"}));
}

#[test]
fn a_token_that_is_none_is_unknown() {
    let body = r#"{"worker": {"id": "w", "boot_nonce": "n"}, "extend": [{"attempt_token": "nonsense"}]}"#;
    let (request, garbled, _) = parse(body.as_bytes()).unwrap();
    assert!(request.extend.is_empty());
    let shown: Value = serde_json::from_slice(&shown(&WorkReply::default(), &garbled)).unwrap();
    assert_eq!(shown["results"]["nonsense"], "unknown");
}
