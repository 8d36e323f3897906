//! Runs many seeds on all cores and makes a failure readable.

use crate::checker::Seen;
use crate::world::{self, Plan, World};
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

/// Lines of a failing history that are printed.
const TOLD_MAX: usize = 60;

/// The full figure with `./test --long`, the short one otherwise.
pub fn depth(short: u64, long: u64) -> u64 {
    if std::env::var("TOCSIN_DEPTH").as_deref() == Ok("long") { long } else { short }
}

/// What came of a range of seeds.
pub struct Report {
    pub seeds: u64,
    pub took: Duration,
    pub seen: Seen,
    /// That of the lowest seed.
    pub failure: Option<Failure>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seeds, secs) = (self.seeds, self.took.as_secs_f64());
        write!(f, "{seeds} seeds in {secs:.1} s ({:.0}/s): {:?}", seeds as f64 / secs, self.seen)
    }
}

/// A seed that broke a promise.
pub struct Failure {
    pub seed: u64,
    pub why: String,
    plan: Plan,
}

impl Failure {
    /// Runs it again and tells what happened last, and before that whatever names the same things.
    pub fn tell(&self) -> String {
        let again = one(self.seed, Plan { tell: true, ..self.plan }).err();
        let history = world::take_history();
        let named: Vec<&str> = words(&self.why).collect();
        let last = history.len().saturating_sub(TOLD_MAX / 2);
        let matters = |line: &str| words(line).any(|word| named.contains(&word));
        let mut told: Vec<&String> = history[..last].iter().filter(|line| matters(line)).collect();
        told.drain(..told.len().saturating_sub(TOLD_MAX));
        let mut text = format!(
            "seed {}: {}\nTOCSIN_SEED={} repeats it (here: {})\n",
            self.seed,
            self.why,
            self.seed,
            if again.as_ref() == Some(&self.why) { "the same again" } else { "not the same again" }
        );
        for line in told.into_iter().chain(&history[last..]) {
            let cut = (0..=line.len().min(1_000)).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
            text.push_str(&line[..cut]);
            text.push('\n');
        }
        text
    }
}

/// The ids in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| word.len() == 36)
}

thread_local! {
    /// What the last panic of a simulated world said; `None`: panics are as always.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let simulated =
                SAID.with_borrow_mut(|said| said.as_mut().map(|said| *said = format!("{info}")).is_some());
            if !simulated {
                usual(info);
            }
        }));
    });
}

/// One world; what is wrong with it, if anything.
fn one(seed: u64, plan: Plan) -> Result<(Seen, u64), String> {
    listen();
    SAID.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(|| World::run(seed, plan)));
    let said = SAID.take().unwrap_or_default();
    result.map_err(|_| said)
}

/// Runs `many` seeds from `first` on; `plan` says how, `prepare` is called in each thread before its first. Stops at a
/// failure, when all lower seeds are through.
pub fn seeds(
    first: u64,
    many: u64,
    plan: impl Fn(u64) -> Plan + Sync,
    prepare: impl Fn(bool) + Sync,
) -> Report {
    let start = Instant::now();
    let (next, stop) = (AtomicU64::new(first), AtomicBool::new(false));
    let (seen, failure) = (Mutex::new(Seen::default()), Mutex::new(None::<Failure>));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                prepare(true);
                while !stop.load(Ordering::SeqCst) {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + many {
                        break;
                    }
                    let plan = plan(seed);
                    match one(seed, plan) {
                        Ok((saw, _)) => seen.lock().expect("no holder panics").add(saw),
                        Err(why) => {
                            stop.store(true, Ordering::SeqCst);
                            let mut known = failure.lock().expect("no holder panics");
                            if known.as_ref().is_none_or(|known| known.seed > seed) {
                                *known = Some(Failure { seed, why, plan });
                            }
                        }
                    }
                }
            });
        }
    });
    let seeds = next.load(Ordering::SeqCst).min(first + many) - first;
    let (seen, failure) = (seen.into_inner().expect("joined"), failure.into_inner().expect("joined"));
    Report { seeds, took: start.elapsed(), seen, failure }
}
