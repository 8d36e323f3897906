//! What the storm's receiver heard, and whether any of it was said twice.

use super::listener::{Message, Said};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What was sent before the kill may be read this much after it.
const LAG: SignedDuration = SignedDuration::from_millis(250);

/// What the receiver heard so far.
#[derive(Default)]
pub struct Heard {
    pub read: usize,
    /// By group and instance: what was said last.
    pub said: BTreeMap<(String, String), Said>,
    pub last: BTreeMap<String, Message>,
    pub keys: BTreeMap<String, Message>,
    pub pages: usize,
    pub again: usize,
    /// What came twice and should not have.
    pub twice: Vec<String>,
}

impl Heard {
    /// Takes what came since. `naps`: what was put off, and until when; `sure`: whether that is all that was.
    pub fn take(
        &mut self,
        messages: Vec<Message>,
        kills: &[Timestamp],
        naps: &mut Vec<(String, Timestamp, Timestamp)>,
        sure: bool,
    ) {
        for message in messages {
            self.read += 1;
            let Message { group, said, .. } = &message;
            if let Some(first) = self.keys.get(&message.key).filter(|_| !message.key.is_empty()) {
                let killed = kills.iter().any(|kill| first.at - LAG <= *kill && *kill <= message.at);
                if !killed || first.said != *said {
                    self.twice.push(format!("{first:?} and {message:?}"));
                }
                self.again += 1;
                continue;
            }
            // The end of a nap is told even if nothing else is.
            let napping = naps.len();
            naps.retain(|(name, _, until)| name != group || message.at < *until);
            let fires = |message: &Message| -> BTreeSet<(String, Said)> {
                message.said.iter().filter(|(_, said)| said.firing).cloned().collect()
            };
            let heard = |(instance, one): &(String, Said)| {
                self.said.get(&(group.clone(), instance.clone())) == Some(one)
            };
            let last = self.last.get(group);
            let stale = last.is_some_and(|last| fires(last) == fires(&message)) && said.iter().all(heard);
            if stale && napping == naps.len() && sure {
                self.twice.push(format!("another key, nothing new: {message:?}"));
            }
            self.pages += 1;
            for (instance, one) in said {
                self.said.insert((group.clone(), instance.clone()), *one);
            }
            self.keys.insert(message.key.clone(), message.clone());
            self.last.insert(group.clone(), message);
        }
    }
}
