//! Workers as they are: some die, some stand still past their lease and go on as if nothing had been, some answer
//! late, twice, or with what they were never given.

use crate::dice::Dice;
use crate::weather::Weather;
use model::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tasks::{
    AttemptToken, Claim, Completion, Extension, Outcome, RunError, TokenResult, WorkReply, WorkRequest,
    WorkerCard,
};

/// A worker.
pub struct Puppet {
    pub card: WorkerCard,
    slots: u32,
    /// Its life: answers to an earlier one reach nobody.
    pub life: u32,
    pub dead: bool,
    pub stands_until: Timestamp,
    /// When it has its next turn.
    pub turn_at: Option<Timestamp>,
    held: Vec<Held>,
    /// To be said, or said and not yet answered.
    unsaid: Vec<Completion>,
    under_way: Vec<UnderWay>,
    /// Said and answered, whatever the answer.
    past: Vec<Completion>,
}

/// An attempt that it believes to have.
struct Held {
    claim: Claim,
    done_at: Timestamp,
    beat_at: Timestamp,
}

struct UnderWay {
    no: u64,
    complete: Vec<Completion>,
    want: u32,
}

impl Puppet {
    pub fn new(id: &str, agent: Option<&str>, slots: u32, nonce: u64) -> Puppet {
        let labels: BTreeMap<String, String> =
            agent.iter().map(|agent| ("agent".to_owned(), (*agent).to_owned())).collect();
        let card = WorkerCard {
            id: id.to_owned(),
            boot_nonce: nonce.to_string(),
            labels,
            kinds: vec!["*".to_owned()],
            slots_free: slots,
            draining: false,
        };
        Puppet {
            card,
            slots,
            life: 0,
            dead: false,
            stands_until: Timestamp::MIN,
            turn_at: None,
            held: Vec::new(),
            unsaid: Vec::new(),
            under_way: Vec::new(),
            past: Vec::new(),
        }
    }

    /// It starts anew and remembers nothing, but for what somebody kept who wants to do harm.
    pub fn reborn(&mut self, nonce: u64) {
        self.card.boot_nonce = nonce.to_string();
        self.life += 1;
        (self.dead, self.turn_at) = (false, None);
        self.held.clear();
        self.unsaid.clear();
        self.under_way.clear();
    }

    /// What it says next; `None` if it has nothing to say now.
    pub fn speak(
        &mut self,
        no: u64,
        now: Timestamp,
        dice: &mut Dice,
        weather: &Weather,
    ) -> Option<WorkRequest> {
        if self.under_way.len() >= 2 {
            return None;
        }
        let done: Vec<Held> = self.held.extract_if(.., |held| held.done_at <= now).collect();
        for held in done {
            let outcome = outcome(&held.claim, dice);
            self.unsaid.push(Completion { token: held.claim.token, outcome });
        }
        let polls = self.under_way.iter().any(|one| one.want > 0);
        let mut complete = std::mem::take(&mut self.unsaid);
        if dice.often(weather.repeat) {
            complete.extend(self.past.iter().cloned());
        }
        if dice.often(weather.contradict) {
            complete.extend(self.past.iter().map(contradict));
        }
        if dice.often(weather.forge) {
            let token = AttemptToken::from_bytes(dice.bytes()[..16].try_into().expect("16 bytes"));
            complete.push(Completion { token, outcome: Outcome::Done(json!("forged")) });
        }
        let mut named = Vec::new();
        complete.retain(|one| {
            let first = !named.contains(&one.token);
            named.push(one.token);
            first
        });
        let extend = self.beat(now, dice, weather);
        let free = self.slots.saturating_sub(self.held.len() as u32);
        let want = if polls { 0 } else { free };
        if want == 0 && complete.is_empty() && extend.is_empty() {
            return None;
        }
        let wait = if self.held.is_empty() { dice.ms(0, 30_000) } else { Duration::ZERO };
        self.under_way.push(UnderWay { no, complete: complete.clone(), want });
        let worker = WorkerCard { slots_free: free, ..self.card.clone() };
        Some(WorkRequest { worker, complete, extend, want, wait })
    }

    fn beat(&mut self, now: Timestamp, dice: &mut Dice, weather: &Weather) -> Vec<Extension> {
        let mut beats = Vec::new();
        for held in &mut self.held {
            if now.since(held.beat_at) < held.claim.lease / 3 {
                continue;
            }
            held.beat_at = now;
            if !dice.often(weather.no_heartbeat) {
                let checkpoint = dice.often(200).then(|| json!({"at": dice.below(100)}));
                beats.push(Extension { token: held.claim.token, progress: Some(0.5), checkpoint });
            }
        }
        beats
    }

    /// When it next has something to do.
    pub fn next_turn(&self, now: Timestamp, dice: &mut Dice) -> Timestamp {
        let done = self.held.iter().map(|held| held.done_at);
        let beats = self.held.iter().map(|held| held.beat_at.plus(held.claim.lease / 3));
        let rest = now.plus(dice.ms(50, 5_000));
        done.chain(beats).chain([rest]).min().unwrap_or(rest).max(now.plus(Duration::from_millis(1)))
    }

    /// Requests without an answer.
    pub fn open(&self) -> Vec<u64> {
        self.under_way.iter().map(|one| one.no).collect()
    }

    /// What it said in a request, if it still waits for the answer.
    pub fn said(&mut self, no: u64) -> Option<Vec<Completion>> {
        let place = self.under_way.iter().position(|one| one.no == no)?;
        Some(self.under_way.swap_remove(place).complete)
    }

    /// An answer came.
    pub fn hear(&mut self, said: Vec<Completion>, reply: &WorkReply, now: Timestamp, dice: &mut Dice) {
        self.past.extend(said);
        let surplus = self.past.len().saturating_sub(12);
        self.past.drain(..surplus);
        let lost = |held: &Held| {
            let token = held.claim.token;
            reply.cancel.contains(&token)
                || reply.results.iter().any(|(one, result)| *one == token && *result != TokenResult::Accepted)
        };
        self.held.retain(|held| !lost(held));
        for claim in &reply.runs {
            let takes = dice.ms(0, dice_scale(claim.lease));
            self.held.push(Held { claim: claim.clone(), done_at: now.plus(takes), beat_at: now });
        }
    }

    /// No answer came: what it finished will be said again.
    pub fn unheard(&mut self, said: Vec<Completion>) {
        let past = &self.past;
        self.unsaid.extend(said.into_iter().filter(|one| !past.iter().any(|old| old.token == one.token)));
    }
}

/// Some work takes longer than a lease.
fn dice_scale(lease: Duration) -> u64 {
    lease.as_millis() as u64 * 3 / 2
}

fn outcome(claim: &Claim, dice: &mut Dice) -> Outcome {
    let error = || RunError { kind: "bad".to_owned(), message: "no luck".to_owned() };
    match dice.below(14) {
        0 => Outcome::Retry { error: error(), after: None },
        1 => Outcome::Retry { error: error(), after: Some(dice.ms(0, 5_000)) },
        2 => Outcome::Snooze(dice.ms(0, 10_000)),
        3 if claim.kind != "page" => Outcome::Failed(error()),
        _ => Outcome::Done(json!({"n": dice.below(6)})),
    }
}

/// The same attempt with another outcome.
fn contradict(said: &Completion) -> Completion {
    let outcome = match &said.outcome {
        Outcome::Done(_) => Outcome::Snooze(Duration::from_secs(1)),
        _ => Outcome::Done(json!("after all")),
    };
    Completion { token: said.token, outcome }
}
