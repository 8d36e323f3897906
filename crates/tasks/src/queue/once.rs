//! Answers that are given again: a request with an idempotency key is done once, and whoever sends it again gets
//! what the first one got.
//!
//! An answer is kept with the commit of what it answers, so a crash loses both or neither. Kept for a day, and
//! bounded in number and bytes: at a bound the oldest is let go, and its key is as good as new.

use crate::{Change, Record, RecordKind};
use model::Timestamp;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(86_400);
/// The most answers kept.
const ANSWERS_MAX: usize = 100_000;
/// The most bytes of answers kept.
const BYTES_MAX: usize = 64 << 20;

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was asked, as a digest of it.
    pub digest: String,
    /// The status of the reply.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// Nothing: do what is asked, and keep the answer.
    Fresh,
    /// The same was asked before; this was the answer.
    Same(Answer),
    /// Something else was asked under this key.
    Other,
}

/// The answers that are kept.
#[derive(Debug, Default)]
pub(super) struct Once {
    answers: HashMap<String, (Answer, Timestamp)>,
    /// Oldest first; an answer's place holds its time, so that one that was replaced is known.
    order: VecDeque<(Timestamp, String)>,
    bytes: usize,
}

impl Once {
    /// From what the store kept.
    pub(super) fn restored(records: Vec<Record>) -> Once {
        let mut read: Vec<_> = records.into_iter().filter_map(read).collect();
        read.sort_by_key(|(_, _, at)| *at);
        let mut once = Once::default();
        for (key, answer, at) in read {
            once.insert(key, answer, at);
        }
        once
    }

    /// What is known of `key` of `by`.
    pub(super) fn recall(&self, by: &str, key: &str, digest: &str, now: Timestamp) -> Recall {
        match self.answers.get(&name(by, key)) {
            Some((_, at)) if at.plus(KEPT) <= now => Recall::Fresh,
            Some((answer, _)) if answer.digest == digest => Recall::Same(answer.clone()),
            Some(_) => Recall::Other,
            None => Recall::Fresh,
        }
    }

    /// Keeps an answer.
    pub(super) fn keep(
        &mut self,
        by: &str,
        key: &str,
        answer: Answer,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let name = name(by, key);
        let row = json!({"digest": answer.digest, "status": answer.status, "body": answer.body,
            "at": now.as_millis()});
        out.push(Change::Record { kind: RecordKind::Idempotency, key: name.clone(), row: Some(row) });
        self.insert(name, answer, now);
        while self.answers.len() > ANSWERS_MAX || self.bytes > BYTES_MAX {
            if !self.drop_oldest(out) {
                break;
            }
        }
    }

    /// Lets go of what is over.
    pub(super) fn expire(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        while self.order.front().is_some_and(|(at, _)| at.plus(KEPT) <= now) {
            self.drop_oldest(out);
        }
    }

    /// When [`Once::expire`] has something to do.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.order.front().map(|(at, _)| at.plus(KEPT))
    }

    fn insert(&mut self, name: String, answer: Answer, at: Timestamp) {
        self.bytes += weight(&name, &answer);
        self.order.push_back((at, name.clone()));
        if let Some((before, _)) = self.answers.insert(name.clone(), (answer, at)) {
            self.bytes -= weight(&name, &before);
        }
    }

    fn drop_oldest(&mut self, out: &mut Vec<Change>) -> bool {
        let Some((at, name)) = self.order.pop_front() else { return false };
        if self.answers.get(&name).is_some_and(|(_, kept)| *kept == at)
            && let Some((answer, _)) = self.answers.remove(&name)
        {
            self.bytes -= weight(&name, &answer);
            out.push(Change::Record { kind: RecordKind::Idempotency, key: name, row: None });
        }
        true
    }
}

/// One principal's keys are not another's. A name holds no line break, so the two never run into each other.
fn name(by: &str, key: &str) -> String {
    format!("{by}\n{key}")
}

fn weight(name: &str, answer: &Answer) -> usize {
    2 * name.len() + answer.digest.len() + answer.body.len() + 200
}

fn read(record: Record) -> Option<(String, Answer, Timestamp)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let row = &record.row;
    let status = u16::try_from(row["status"].as_u64()?).ok()?;
    let answer = Answer { digest: text(&row["digest"])?, status, body: text(&row["body"])? };
    Some((record.key, answer, Timestamp::from_millis(row["at"].as_i64()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(digest: &str) -> Answer {
        Answer { digest: digest.to_owned(), status: 201, body: "{\"id\": 1}".to_owned() }
    }

    #[test]
    fn an_answer_is_given_again_to_its_own_asker_for_a_day() {
        let (mut once, mut out) = (Once::default(), Vec::new());
        let now = Timestamp::from_millis(1_000_000);
        assert_eq!(once.recall("ann", "k", "a", now), Recall::Fresh);
        once.keep("ann", "k", answer("a"), now, &mut out);
        let later = now.plus(KEPT - Duration::from_millis(1));
        for (by, key, digest, at, want) in [
            ("ann", "k", "a", now, Recall::Same(answer("a"))),
            ("ann", "k", "a", later, Recall::Same(answer("a"))),
            ("ann", "k", "b", now, Recall::Other),
            ("ann", "l", "a", now, Recall::Fresh),
            ("bob", "k", "a", now, Recall::Fresh),
            ("ann", "k", "b", now.plus(KEPT), Recall::Fresh),
        ] {
            assert_eq!(once.recall(by, key, digest, at), want, "{by} {key} {digest}");
        }
        let kept = out.drain(..).filter_map(|change| match change {
            Change::Record { kind, key, row: Some(row) } => Some(Record { kind, key, row }),
            _ => None,
        });
        let mut again = Once::restored(kept.collect());
        assert_eq!(again.recall("ann", "k", "a", now), Recall::Same(answer("a")));
        assert_eq!(again.next(), Some(now.plus(KEPT)));
        again.expire(now.plus(KEPT), &mut out);
        assert!(matches!(&out[..], [Change::Record { row: None, .. }]), "{out:?}");
        assert_eq!((again.next(), again.bytes), (None, 0));
    }

    #[test]
    fn at_the_bound_the_oldest_is_let_go() {
        let (mut once, mut out) = (Once::default(), Vec::new());
        for n in 0..70 {
            let large = Answer { body: "x".repeat(1 << 20), ..answer("a") };
            once.keep("ann", &n.to_string(), large, Timestamp::from_millis(n), &mut out);
        }
        let now = Timestamp::from_millis(70);
        assert_eq!(once.recall("ann", "0", "a", now), Recall::Fresh);
        assert!(matches!(once.recall("ann", "69", "a", now), Recall::Same(_)));
        assert!(once.bytes <= BYTES_MAX);
    }
}
