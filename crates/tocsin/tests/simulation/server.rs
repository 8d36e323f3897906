//! The process, as its core thread and its writer are: it takes what arrived as one batch, decides, hands the batch to
//! the writer, may decide on while that commits, and lets nothing out before. The deciders, the batch and the order of
//! commit and release are the real ones; threads, sockets and the clock are not.

use crate::batch::Batch;
use crate::checker::{Decision, What};
use crate::disk::Tables;
use crate::guard;
use crate::network::{Act, Answer, Ask, Asker, Request, Told};
use model::{Class, TaskSpec, Timestamp};
use serde_json::json;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tasks::{
    Acted, Change, Directive, Event, Line, Loaded, Queue, Refusal, RunId, Settings, TaskId, WorkReply,
    WorkRequest,
};

/// What the writer let out.
pub type Outbox = Arc<Mutex<Vec<Answer>>>;

/// A batch and what it decided, for the checker.
#[derive(Default)]
pub struct Turn {
    pub batch: Batch,
    pub decisions: Vec<Decision>,
}

impl Turn {
    /// One transaction for both.
    fn join(&mut self, later: Turn) {
        let shift = self.batch.changes.tasks.len();
        self.batch.join(later.batch);
        self.decisions.extend(later.decisions.into_iter().map(|mut decision| {
            decision.changes = decision.changes.start + shift..decision.changes.end + shift;
            decision
        }));
    }
}

/// A worker's round trip that has nothing to say yet.
struct Parked {
    no: u64,
    from: Asker,
    request: WorkRequest,
    so_far: WorkReply,
    until: Timestamp,
}

/// The process.
pub struct Server {
    queue: Queue,
    inbox: VecDeque<Request>,
    parked: Vec<Parked>,
    /// Decided while another commit runs.
    waiting: Option<Turn>,
    /// With the writer.
    pub writing: Option<Turn>,
    outbox: Outbox,
    /// Requests whose askers have gone.
    gone: HashSet<u64>,
    /// Something became available since somebody looked who waits for it.
    available: bool,
    /// Up to where everything is stored; moved by what the commit lets out.
    stored: Arc<AtomicU64>,
}

impl Server {
    pub fn start(settings: Settings, loaded: Loaded, now: Timestamp, outbox: Outbox) -> Server {
        Server {
            queue: Queue::new(settings, loaded, now),
            inbox: VecDeque::new(),
            parked: Vec::new(),
            waiting: None,
            writing: None,
            outbox,
            gone: HashSet::new(),
            available: true,
            stored: Arc::default(),
        }
    }

    pub fn arrive(&mut self, request: Request) {
        self.inbox.push_back(request);
    }

    pub fn hang_up(&mut self, no: u64) {
        self.gone.insert(no);
    }

    /// When it has something to do by itself.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let parked = self.parked.iter().map(|parked| parked.until);
        self.queue.next_wake().into_iter().chain(parked).min()
    }

    /// Whether everything decided is durable and let out.
    pub fn is_settled(&self) -> bool {
        self.writing.is_none() && self.waiting.is_none()
    }

    /// Those who wait for work and are still there.
    pub fn waiting_for_work(&self) -> impl Iterator<Item = &WorkRequest> {
        self.parked.iter().filter(|one| !self.gone.contains(&one.no)).map(|one| &one.request)
    }

    /// Takes at most `most` of what arrived and does what is due; `rows` is what a reader of the store finds. True if
    /// the writer got its first batch.
    pub fn turn(&mut self, most: usize, rows: &Tables, now: Timestamp) -> bool {
        let mut turn = Turn::default();
        self.queue.stored(self.stored.load(Ordering::SeqCst));
        for _ in 0..most {
            let Some(request) = self.inbox.pop_front() else { break };
            self.take(request, &mut turn, rows, now);
        }
        self.queue.wake(self.queue.due_asleep(now, 3).into_iter().map(|id| rows.rows(id)).collect());
        self.decide(&mut turn, now, |queue, out| {
            let events = queue.tick(now, out);
            amend(queue, &events, out);
            What::Tick(events)
        });
        self.serve_parked(&mut turn, rows, now);
        let (mark, stored) = (self.queue.mark(), self.stored.clone());
        turn.batch.after(move || stored.store(mark, Ordering::SeqCst));
        match &mut self.waiting {
            Some(waiting) => waiting.join(turn),
            None => self.waiting = Some(turn),
        }
        self.write_next()
    }

    /// Gives the writer what was decided, if it is free. True if it got something.
    pub fn write_next(&mut self) -> bool {
        let free = self.writing.is_none();
        if free {
            self.writing = self.waiting.take();
        }
        free && self.writing.is_some()
    }

    pub fn has_arrivals(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// One decision and the changes that it makes.
    fn decide(
        &mut self,
        turn: &mut Turn,
        now: Timestamp,
        decide: impl FnOnce(&mut Queue, &mut Vec<Change>) -> What,
    ) {
        let out = &mut turn.batch.changes.tasks;
        let from = out.len();
        let what = decide(&mut self.queue, out);
        let changes = from..out.len();
        self.available |= what.events().iter().any(|event| matches!(event, Event::Available { .. }));
        turn.decisions.push(Decision { now, what, changes });
    }

    /// Who does something to a task by its name wakes it first.
    fn rouse(&mut self, id: TaskId, rows: &Tables) {
        let run = RunId::parse(&id.to_string()).expect("a task's id is that of its only run");
        if !self.queue.is_awake(id) && rows.runs.contains_key(&run) {
            let (task, run) = rows.rows(run);
            self.queue.rouse(task, run);
        }
    }

    fn wake_for(&mut self, request: &WorkRequest, rows: &Tables) {
        let wanted = self.queue.wanted(&request.worker, request.want);
        self.queue.wake(wanted.into_iter().map(|id| rows.rows(id)).collect());
    }

    fn take(&mut self, request: Request, turn: &mut Turn, rows: &Tables, now: Timestamp) {
        let Request { no, from, body } = request;
        let mut told = None;
        match body {
            Ask::Work(request) => return self.work(no, from, request, turn, rows, now),
            Ask::Submit { new, options, by } => self.decide(turn, now, |queue, out| {
                let result = Box::new(queue.submit_with((*new).clone(), options, &by, now, out));
                told = Some(Told::Submitted(result.clone()));
                What::Submit { new, by, result }
            }),
            Ask::Act { task, act, by } => {
                self.rouse(task, rows);
                self.decide(turn, now, |queue, out| {
                    let (result, events) = match self::act(queue, task, act, &by, now, out) {
                        Ok((acted, events)) => (Ok(acted), events),
                        Err(why) => (Err(why), Vec::new()),
                    };
                    amend(queue, &events, out);
                    told = Some(Told::Acted(task, act, result.clone().map(drop)));
                    What::Act { task, act, by, result, events }
                });
            }
            Ask::Line { paused, max, by } => self.decide(turn, now, |queue, out| {
                let set = |line: &mut Line| {
                    line.paused = paused.then(|| line.paused.clone().unwrap_or((by.clone(), now)));
                    line.running_max = Some(max);
                };
                let events = queue.set_line(guard::NARROW, set, &by, now, out).expect("room for one queue");
                told = Some(Told::LineSet);
                What::Line { events }
            }),
            Ask::Vote { approval, yes, voter, say } => self.decide(turn, now, |queue, out| {
                let result = match yes {
                    true => queue.approve(&approval, &voter, say, now, out),
                    false => queue.reject(&approval, &voter, say, now, out),
                };
                let (result, events) = match result {
                    Ok((approval, events)) => (Ok(approval.asked.task_id), events),
                    Err(why) => (Err(why), Vec::new()),
                };
                amend(queue, &events, out);
                told = Some(Told::Voted);
                What::Vote { by: voter.name, result, events }
            }),
            Ask::Publish { topic, each } => {
                for n in each {
                    self.decide(turn, now, |queue, out| {
                        let event = json!({"topic": topic, "event_type": topic, "payload": {"n": n}});
                        let published = queue.publish(event, now, out);
                        amend(queue, &published.events, out);
                        let topic = topic.to_owned();
                        What::Publish { topic, n, triggered: published.triggered, events: published.events }
                    });
                }
                told = Some(Told::Published);
            }
            Ask::Page { steps } => self.decide(turn, now, |queue, out| {
                let step = |i| {
                    let spec = TaskSpec { max_retries: 0, ..TaskSpec::new("noop", json!({})) };
                    (format!("step{i}"), TaskSpec { class: Class::Runbook, ..spec })
                };
                let page = TaskSpec { max_retries: 1000, ..TaskSpec::new("page", json!({})) };
                queue.submit_page(page, (0..steps).map(step).collect(), Duration::from_secs(5), now, out);
                What::Page
            }),
        }
        if let Some(body) = told {
            self.answer(turn, Answer { no, to: from, body });
        }
    }

    /// As `core::parked` does: answers with work, or keeps the request until there is some.
    fn work(
        &mut self,
        no: u64,
        from: Asker,
        mut request: WorkRequest,
        turn: &mut Turn,
        rows: &Tables,
        now: Timestamp,
    ) {
        let so_far = self.ask(&mut request, turn, rows, now);
        if !is_idle(&so_far) || request.wait.is_zero() || request.want == 0 {
            return self.answer(turn, Answer { no, to: from, body: Told::Work(Box::new(so_far)) });
        }
        let until = now.plus(request.wait);
        self.parked.push(Parked { no, from, request, so_far, until });
    }

    /// As `core::parked` does: asks again when those who slept behind held ones are woken.
    fn ask(
        &mut self,
        request: &mut WorkRequest,
        turn: &mut Turn,
        rows: &Tables,
        now: Timestamp,
    ) -> WorkReply {
        let mut results = Vec::new();
        loop {
            let mut so_far = WorkReply::default();
            self.wake_for(request, rows);
            self.decide(turn, now, |queue, out| {
                let (reply, events) = queue.work(request, now, out);
                amend(queue, &events, out);
                so_far = reply.clone();
                What::Work { request: request.clone(), reply, events }
            });
            request.complete.clear();
            request.extend.clear();
            results.append(&mut so_far.results);
            if !is_idle(&so_far) || request.want == 0 || !self.queue.has_work_for(&request.worker) {
                return WorkReply { results, ..so_far };
            }
        }
    }

    /// Looks only when it was said that something became available, or at those who are to be told something: the
    /// core looks each second besides, but should not need to.
    fn serve_parked(&mut self, turn: &mut Turn, rows: &Tables, now: Timestamp) {
        let (look, poked) = (std::mem::take(&mut self.available), self.queue.take_poked());
        for mut parked in std::mem::take(&mut self.parked) {
            if self.gone.contains(&parked.no) {
                continue;
            }
            let card = &parked.request.worker;
            let due = look && self.queue.has_work_for(card) || poked.iter().any(|id| **id == *card.id);
            if !due && parked.until > now {
                self.parked.push(parked);
                continue;
            }
            let found = self.ask(&mut parked.request, turn, rows, now);
            if is_idle(&found) && parked.until > now {
                self.parked.push(parked);
                continue;
            }
            let results = std::mem::take(&mut parked.so_far.results);
            let body = Told::Work(Box::new(WorkReply { results, ..found }));
            self.answer(turn, Answer { no: parked.no, to: parked.from, body });
        }
    }

    /// Leaves after the commit.
    fn answer(&self, turn: &mut Turn, answer: Answer) {
        let outbox = self.outbox.clone();
        turn.batch.after(move || outbox.lock().expect("no holder panics").push(answer));
    }
}

/// Does what an operator asks; whether that changed anything, and what happened.
fn act(
    queue: &mut Queue,
    task: TaskId,
    act: Act,
    by: &str,
    now: Timestamp,
    out: &mut Vec<Change>,
) -> Result<(bool, Vec<Event>), Refusal> {
    let (acted, events) = match act {
        Act::Cancel => (Acted::Now, queue.cancel(task, by, now, out)?.1),
        Act::Patch(status) => (Acted::Now, queue.patch_status(task, status, None, by, now, out)?),
        Act::Pause => (queue.pause(task, by, now, out)?, Vec::new()),
        Act::Resume => queue.resume(task, by, now, out)?,
        Act::RunNow => (Acted::Now, queue.run_now(task, by, now, out)?.1),
        Act::Snooze(delay) => {
            queue.snooze(task, delay, "", by, now, out)?;
            (Acted::Now, Vec::new())
        }
    };
    Ok((acted == Acted::Now, events))
}

fn is_idle(reply: &WorkReply) -> bool {
    reply.runs.is_empty() && reply.cancel.is_empty() && reply.directive == Directive::None
}

/// A page is told what its steps found, before anybody can claim it.
fn amend(queue: &mut Queue, events: &[Event], out: &mut Vec<Change>) {
    for event in events {
        if let Event::PageReady { run_id, children } = event {
            queue.amend_args(*run_id, json!({"found": children.len()}), out);
        }
    }
}
