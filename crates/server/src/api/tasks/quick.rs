//! The common request, read without a tree of values: a plain task with the fields that most have. Whatever is not
//! exactly that is left to `create::parse`, which also says what is wrong with it.

use crate::views::PlainTask;
use model::Json;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quick<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    priority: Option<u8>,
    delay_seconds: Option<f64>,
    #[serde(borrow)]
    dedupe_key: Option<Cow<'a, str>>,
    dedupe_window_seconds: Option<f64>,
    #[serde(borrow)]
    concurrency_key: Option<Cow<'a, str>>,
    max_retries: Option<u32>,
    timeout_seconds: Option<f64>,
}

/// The longest delay, window and attempt, and the most tries, that need no second look.
const DELAY_MAX: f64 = 86_400.0;
const TIMEOUT_MAX: f64 = 86_400.0;
const RETRIES_MAX: u32 = 10;

/// A plain task of common fields, each within its bounds; `None`: look closer.
pub(super) fn parse(body: &[u8]) -> Option<PlainTask> {
    let quick: Quick<'_> = serde_json::from_slice(body).ok()?;
    let text = |text: &str| (1..=100).contains(&text.len());
    let fits = text(&quick.kind)
        && quick.dedupe_key.as_deref().is_none_or(text)
        && quick.concurrency_key.as_deref().is_none_or(text)
        && quick.priority.is_none_or(|n| (1..=9).contains(&n))
        && quick.max_retries.is_none_or(|n| n <= RETRIES_MAX)
        && quick.delay_seconds.is_none_or(|secs| (0.0..=DELAY_MAX).contains(&secs))
        && quick.dedupe_window_seconds.is_none_or(|secs| (0.0..=DELAY_MAX).contains(&secs))
        && quick.timeout_seconds.is_none_or(|secs| secs > 0.0 && secs <= TIMEOUT_MAX);
    if !fits {
        return None;
    }
    let args = match quick.args {
        Some(raw) => Json::parse_object(raw.get()).ok()?,
        None => Json::empty_object(),
    };
    let span = |secs: f64| Duration::try_from_secs_f64(secs).ok();
    Some(PlainTask {
        kind: quick.kind.into_owned(),
        args,
        priority: quick.priority,
        delay: quick.delay_seconds.and_then(span),
        dedupe_key: quick.dedupe_key.map(Cow::into_owned),
        dedupe_window: quick.dedupe_window_seconds.and_then(span),
        concurrency_key: quick.concurrency_key.map(Cow::into_owned),
        max_retries: quick.max_retries,
        timeout: quick.timeout_seconds.and_then(span),
        ..PlainTask::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::create;
    use super::*;
    use crate::views::NewTask;

    /// What is taken here is what the whole parser takes; what it refuses is not taken here.
    #[test]
    fn agrees_with_the_whole_parser() {
        for (body, quick) in [
            (r#"{"kind": "noop"}"#, true),
            (r#"{"kind":"noop","args":{"n":1,"s":"é\n","a":[1.5,null]}}"#, true),
            (
                r#"{"kind": "wait", "args": {}, "priority": 1, "delay_seconds": 0.5, "dedupe_key": "k", "concurrency_key": "c", "max_retries": 0, "timeout_seconds": 1}"#,
                true,
            ),
            (r#"{"kind": "noop", "args": null, "priority": null, "dedupe_key": null}"#, true),
            (r#"{"kind": "noop", "queue": "mail"}"#, false),
            (r#"{"kind": "noop", "args": []}"#, false),
            (r#"{"kind": "noop", "args": {"n": 1e999}}"#, false),
            (r#"{"kind": "noop", "priority": 0}"#, false),
            (r#"{"kind": "noop", "priority": 1.5}"#, false),
            (r#"{"kind": "noop", "timeout_seconds": 0}"#, false),
            (r#"{"kind": "noop", "delay_seconds": -1}"#, false),
            (r#"{"kind": ""}"#, false),
            (r#"{"kind": "noop", "kind": "wait"}"#, false),
            (r#"{"type": "bugfix", "payload": {}}"#, false),
            (r#"{"kind": "noop"} x"#, false),
            ("", false),
        ] {
            let found = parse(body.as_bytes());
            assert_eq!(found.is_some(), quick, "{body}");
            if let Some(found) = found {
                let Ok(NewTask::Plain(whole)) = create::parse_whole(body.as_bytes()) else {
                    panic!("{body} is refused")
                };
                assert_eq!(found.args.value(), whole.args.value(), "{body}");
                assert_eq!(
                    PlainTask { args: Json::null(), ..found },
                    PlainTask { args: Json::null(), ..whole }
                );
            }
        }
    }
}
