//! What held an alert in its group: what was decided last, and what became of the messages about it.

use super::{Attempt, Beside, Receiver};
use crate::group::{is_page_of, ledger_of};
use model::{Decision, Hold, Timestamp, Verdict};
use std::collections::BTreeMap;

/// What is said of an integration to which nothing was tried.
const UNTRIED: &str = "not tried while it fails";

/// A verdict, and by what it was held or told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) verdict: Verdict,
    pub(super) by: Vec<String>,
}

impl Standing {
    fn of(verdict: Verdict) -> Standing {
        Standing { verdict, by: Vec::new() }
    }

    fn is_down(&self) -> bool {
        self.verdict == Verdict::Hold(Hold::ReceiverDown)
    }

    fn is_told(&self) -> bool {
        matches!(self.verdict, Verdict::Deliver | Verdict::Hold(Hold::Repeat | Hold::Acknowledged))
    }
}

/// An alert in its group since it last began to fire.
#[derive(Debug)]
pub(super) struct Life<'a> {
    /// What was decided, oldest first.
    pub(super) decisions: &'a [&'a Decision],
    /// Who was to be told, with the tries.
    pub(super) receivers: &'a [Receiver],
    pub(super) beside: &'a Beside<'a>,
}

impl Life<'_> {
    /// Where that leaves it; `None` where nothing was decided.
    pub(super) fn standing(&self) -> Option<Standing> {
        let last = self.decisions.last()?;
        let (failing, gone) = self.failing(last.over);
        let gone = gone || self.is_for_nobody(last);
        let mut standing = self.of_last_message(last);
        // One whose place another has taken got through after all; or what failed is there no more.
        let ledger = last.page_key.as_deref().map(ledger_of);
        let is_its = |attempt: &Attempt| ledger.is_none_or(|ledger| ledger == ledger_of(&attempt.key));
        let counts =
            |attempt: &Attempt| attempt.arrived && (gone || last.at <= attempt.at && is_its(attempt));
        if standing.is_down() && failing.is_empty() && self.attempts().any(counts) {
            standing = Standing::of(Verdict::Deliver);
        }
        // Told is what has reached every integration that was to tell of it.
        let tells_end = last.over && last.page_key.is_some();
        if (standing.is_told() || tells_end) && !failing.is_empty() {
            standing.verdict = Verdict::Hold(Hold::ReceiverDown);
        }
        if standing.is_down() && !failing.is_empty() {
            standing.by =
                failing.iter().map(|(integration, error)| format!("{integration}: {error}")).collect();
        }
        Some(standing)
    }

    /// Whether no try of the last message has come to anything yet.
    pub(super) fn is_on_its_way(&self) -> bool {
        let key = self.decisions.last().and_then(|last| last.page_key.as_deref());
        key.is_some_and(|key| self.last_try(key).is_none())
    }

    /// What is on its way is told once it has arrived, and held back once it has not.
    fn of_last_message(&self, last: &Decision) -> Standing {
        let decided = Standing { verdict: last.verdict, by: last.by.clone() };
        match last.page_key.as_deref().and_then(|key| self.last_try(key)) {
            None if last.over && decided.is_down() && self.is_for_nobody(last) => {
                let arrived = self.end_arrived();
                Standing::of(if arrived { Verdict::Deliver } else { Verdict::Hold(Hold::Over) })
            }
            None => decided,
            Some(attempt) if attempt.arrived && last.verdict == Verdict::Deliver => decided,
            Some(attempt) if attempt.arrived => Standing::of(Verdict::Deliver),
            Some(attempt) if last.over && !self.beside.is_tried(&attempt.integration) => {
                if self.end_arrived() { decided } else { Standing::of(Verdict::Hold(Hold::Over)) }
            }
            Some(_) => Standing { verdict: Verdict::Hold(Hold::ReceiverDown), ..decided },
        }
    }

    /// Whether a message that it had ended arrived.
    fn end_arrived(&self) -> bool {
        self.attempts().any(|attempt| attempt.arrived && self.tells_end(&attempt.key))
    }

    /// Whether the message of this key tells that it has ended.
    fn tells_end(&self, key: &str) -> bool {
        self.decisions.iter().any(|decision| decision.over && decision.page_key.as_deref() == Some(key))
    }

    fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.receivers.iter().flat_map(|receiver| &receiver.attempts)
    }

    fn last_try(&self, key: &str) -> Option<&Attempt> {
        self.attempts().filter(|attempt| attempt.key == key).last()
    }

    /// What each integration said whose last try failed, of those to tell the end if it is `over`; with those that were not
    /// even tried, because they fail for others. And whether one failed that is there no more.
    fn failing(&self, over: bool) -> (BTreeMap<String, String>, bool) {
        let tries = self.attempts().filter(|attempt| !over || self.tells_end(&attempt.key));
        let last: BTreeMap<&str, &Attempt> =
            tries.map(|attempt| (attempt.integration.as_str(), attempt)).collect();
        let failed = last.into_values().filter(|attempt| !attempt.arrived);
        let (tried, gone): (Vec<_>, Vec<_>) =
            failed.partition(|attempt| self.beside.is_tried(&attempt.integration));
        let untried = self.untried(over).map(|integration| (integration, UNTRIED.to_owned()));
        let said = tried.iter().map(|attempt| (attempt.integration.clone(), attempt.error.clone()));
        (untried.chain(said).collect(), !gone.is_empty())
    }

    /// The integrations whose last page about it waits without a try.
    fn untried(&self, over: bool) -> impl Iterator<Item = String> {
        let pages = self.decisions.iter().filter_map(|one| Some((ledger_of(one.page_key.as_deref()?), *one)));
        let last: BTreeMap<&str, &Decision> = pages.collect();
        let waits = last.into_iter().filter(move |(ledger, decision)| {
            let is_its = |attempt: &Attempt| ledger_of(&attempt.key) == *ledger && decision.at <= attempt.at;
            decision.over == over
                && decision.verdict == Verdict::Hold(Hold::ReceiverDown)
                && !self.attempts().any(is_its)
                && !self.is_said_to_all_after(decision.at)
        });
        let then = |decision: &Decision| (!self.beside.is_now).then(|| decision.receiver.to_string());
        waits.filter_map(move |(_, decision)| self.integration_of(decision).or_else(|| then(decision)))
    }

    /// Whether it was on record later that all was said: not while a page that does not arrive says it.
    fn is_said_to_all_after(&self, at: Timestamp) -> bool {
        let mut later = self.decisions.iter().filter(|decision| at < decision.at);
        later.any(|decision| decision.verdict == Verdict::Hold(Hold::Repeat))
    }

    /// Whether a decision's message is to an integration that is there no more.
    fn is_for_nobody(&self, decision: &Decision) -> bool {
        self.beside.is_now && decision.page_key.is_some() && self.integration_of(decision).is_none()
    }

    /// Which integration, `RECEIVER/webhook[0]`, a decision's message is to, if it is there.
    fn integration_of(&self, decision: &Decision) -> Option<String> {
        let (receiver, key) =
            (self.beside.config.receiver(&decision.receiver)?, decision.page_key.as_deref()?);
        let mut names = receiver.integrations.iter().map(|one| format!("{}/{}", receiver.name, one.name));
        names.find(|name| is_page_of(key, &decision.group_key, name))
    }
}
