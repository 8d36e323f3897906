//! An answer to "why?" in one sentence, for somebody who has just been woken.

use crate::views::{ReceiverWhy, WhyView};
use model::Timestamp;

/// What was made of the alert, and by what.
pub(crate) fn sentence(why: &WhyView) -> String {
    let at = |when: Timestamp| clock(when, why.at);
    let by = why.by.iter().find(|by| !by.says.is_empty()).or(why.by.first());
    let by = by.map_or("", |by| if by.says.is_empty() { &by.what } else { &by.says });
    let by = |usual: &str| if by.is_empty() { usual.to_owned() } else { by.to_owned() };
    let then = |words: &str| why.next_send.map_or(String::new(), |next| format!("; {words} {}", at(next)));
    match why.reason {
        "silenced" => format!("Held: {}{}.", by("a silence matches it"), then("it speaks again")),
        "inhibited" => format!("Held: {}, which fires.", by("inhibited by another alert")),
        "muted" => {
            format!("Held: its route is {}{}.", by("muted by a time interval"), then("it speaks again"))
        }
        "acknowledged" => format!("Held: {}{}.", by("somebody has it"), then("looked at again")),
        "grouped" => format!("Held: it waits for its group{}.", then("it speaks")),
        "damped" => format!("Held: it came back soon after its end{}.", then("its group speaks")),
        "repeat" => format!("Already told{}{}.", told(why, at), then("said again")),
        "receiver_down" => {
            let attempts = why.receivers.iter().flat_map(|one| &one.attempts);
            let tries: u32 = attempts.filter(|one| !one.error.is_empty()).map(|one| one.tries).sum();
            let (tries, again) = match tries {
                0 => (String::new(), "It is tried"),
                1 => (" (1 try)".to_owned(), "It is tried again"),
                tries => (format!(" ({tries} tries)"), "It is tried again"),
            };
            let next = why.next_try.map_or("by itself".to_owned(), at);
            let taken = why.taken_by.as_ref().map_or(String::new(), |who| format!(" Taken on by {who}."));
            let by = by(&format!("{} fails", names(&why.receivers)));
            format!("Not delivered yet{tries}: {by}. {again} {next}.{taken}")
        }
        _ if why.verdict == "deliver" && why.on_its_way && why.over => {
            format!("That it is over is on its way to {}.", names(&why.receivers))
        }
        _ if why.verdict == "deliver" && why.on_its_way => {
            format!("On its way to {}.", names(&why.receivers))
        }
        _ if why.verdict == "deliver" => match told(why, at).as_str() {
            "" => format!("On its way to {}.", names(&why.receivers)),
            told if why.over => format!("Told{told} that it is over."),
            told => format!("Told{told}{}.", then("said again")),
        },
        _ => not_told(why, at),
    }
}

fn not_told(why: &WhyView, at: impl Fn(Timestamp) -> String) -> String {
    let rule = why.rule.as_ref();
    match rule {
        _ if why.over && !why.by.is_empty() => format!("It is told of elsewhere: {}.", why.by[0].what),
        _ if why.over => "It has ended, and nobody had to be told of that.".to_owned(),
        Some(rule) if rule.pending => {
            let since = rule.since.map_or(String::new(), |since| format!(" {}", since_clock(&at(since))));
            format!("It does not fire yet: its rule is true{since}, and not for long enough.")
        }
        Some(rule) if rule.value.is_none() => {
            format!("It does not fire: the expression of rule {} is not true.", rule.name)
        }
        Some(_) => "It fires, and nobody was told: its receiver may have nothing to send by.".to_owned(),
        None => "It did not fire: nothing is on record of it.".to_owned(),
    }
}

/// ` on-call at 03:12:02 UTC`: the last message that arrived at each.
fn told(why: &WhyView, at: impl Fn(Timestamp) -> String) -> String {
    let arrived = why.receivers.iter().filter_map(|receiver| {
        let last = receiver.attempts.iter().rev().find(|attempt| attempt.error.is_empty())?;
        Some(format!("{} {}", receiver.name, at(last.at)))
    });
    let arrived: Vec<String> = arrived.collect();
    if arrived.is_empty() { String::new() } else { format!(" {}", arrived.join(", ")) }
}

fn names(receivers: &[ReceiverWhy]) -> String {
    let names: Vec<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
    if names.is_empty() { "its receiver".to_owned() } else { names.join(", ") }
}

/// `since 03:12:02 UTC`.
fn since_clock(at: &str) -> String {
    format!("since {}", at.trim_start_matches("at ").trim_start_matches("on "))
}

/// `at 03:12:02 UTC`; of another day with its date.
fn clock(when: Timestamp, beside: Timestamp) -> String {
    let (text, beside) = (when.rfc3339(), beside.rfc3339());
    let (Some(day), Some(time)) = (text.get(..10), text.get(11..19)) else { return format!("at {text}") };
    if beside.starts_with(day) { format!("at {time} UTC") } else { format!("on {day} at {time} UTC") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{AttemptWhy, ByView, RuleWhy};
    use model::Labels;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(1_795_317_160_000 + secs * 1000)
    }

    fn why(verdict: &'static str, reason: &'static str) -> WhyView {
        WhyView {
            alert: Labels::from_pairs([("alertname", "A")]),
            at: at(0),
            since: Some(at(-60)),
            rule: None,
            route: Vec::new(),
            group_key: String::new(),
            next_send: Some(at(3600)),
            verdict,
            reason,
            by: Vec::new(),
            over: false,
            incident_id: None,
            taken_by: None,
            on_its_way: false,
            next_try: None,
            receivers: vec![ReceiverWhy { name: "team".to_owned(), attempts: Vec::new() }],
        }
    }

    fn tried(mut why: WhyView, error: &str) -> WhyView {
        why.receivers[0].attempts.push(AttemptWhy {
            at: at(-30),
            key: "k".to_owned(),
            integration: "team/webhook[0]".to_owned(),
            code: if error.is_empty() { "ok".to_owned() } else { "503".to_owned() },
            error: error.to_owned(),
            tries: 2,
        });
        why
    }

    fn by(mut why: WhyView, what: &str, says: &str) -> WhyView {
        why.by.push(ByView { what: what.to_owned(), says: says.to_owned() });
        why
    }

    #[test]
    fn one_sentence_for_each_answer() {
        let rule = |pending, value| {
            let (name, query) = ("A".to_owned(), "up == 0".to_owned());
            WhyView {
                rule: Some(RuleWhy { name, query, value, since: Some(at(-60)), pending }),
                ..why("hold", "none")
            }
        };
        for (why, want) in [
            (tried(why("deliver", "none"), ""), "Told team at 03:12:10 UTC; said again at 04:12:40 UTC."),
            (why("deliver", "none"), "On its way to team."),
            (
                WhyView { on_its_way: true, next_try: Some(at(60)), ..why("hold", "receiver_down") },
                "Not delivered yet: team fails. It is tried at 03:13:40 UTC.",
            ),
            (
                WhyView { over: true, ..tried(why("deliver", "none"), "") },
                "Told team at 03:12:10 UTC that it is over.",
            ),
            (
                tried(why("hold", "repeat"), ""),
                "Already told team at 03:12:10 UTC; said again at 04:12:40 UTC.",
            ),
            (
                by(why("hold", "silenced"), "s1", "silenced by kim until X: disk"),
                "Held: silenced by kim until X: disk; it speaks again at 04:12:40 UTC.",
            ),
            (
                by(why("hold", "inhibited"), "00", "inhibited by {a=\"b\"}"),
                "Held: inhibited by {a=\"b\"}, which fires.",
            ),
            (
                by(why("hold", "muted"), "night", "muted by time interval night"),
                "Held: its route is muted by time interval night; it speaks again at 04:12:40 UTC.",
            ),
            (why("hold", "grouped"), "Held: it waits for its group; it speaks at 04:12:40 UTC."),
            (
                WhyView {
                    next_try: Some(at(3600)),
                    ..tried(by(why("hold", "receiver_down"), "503", ""), "503")
                },
                "Not delivered yet (2 tries): 503. It is tried again at 04:12:40 UTC.",
            ),
            (
                by(why("hold", "receiver_down"), "refused", ""),
                "Not delivered yet: refused. It is tried by itself.",
            ),
            (
                WhyView { next_send: None, ..by(why("hold", "acknowledged"), "kim", "taken on by kim") },
                "Held: taken on by kim.",
            ),
            (
                rule(true, Some(1.0)),
                "It does not fire yet: its rule is true since 03:11:40 UTC, and not for long enough.",
            ),
            (rule(false, None), "It does not fire: the expression of rule A is not true."),
            (
                rule(false, Some(1.0)),
                "It fires, and nobody was told: its receiver may have nothing to send by.",
            ),
            (why("hold", "none"), "It did not fire: nothing is on record of it."),
            (
                by(WhyView { over: true, ..why("hold", "none") }, "a reload moved it to another group", ""),
                "It is told of elsewhere: a reload moved it to another group.",
            ),
            (
                WhyView { taken_by: Some("kim".to_owned()), ..tried(why("hold", "receiver_down"), "503") },
                "Not delivered yet (2 tries): team fails. It is tried again by itself. Taken on by kim.",
            ),
            (
                WhyView { over: true, on_its_way: true, ..tried(why("deliver", "none"), "") },
                "That it is over is on its way to team.",
            ),
            (
                WhyView { over: true, ..why("hold", "none") },
                "It has ended, and nobody had to be told of that.",
            ),
        ] {
            assert_eq!(sentence(&why), want);
        }
        assert_eq!(clock(at(86_400), at(0)), "on 2026-11-23 at 03:12:40 UTC");
    }
}
