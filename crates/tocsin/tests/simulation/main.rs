//! The simulator: the real deciders and the store's contract over a virtual clock, disk and network, everything from
//! one seed. See `docs/testing.md`.
//!
//!     TOCSIN_SEED=17 cargo test -p tocsin --test simulation      repeats one seed and tells its history

#[allow(dead_code, reason = "the core's own batch; the simulator prunes nothing")]
#[path = "../../src/core/batch.rs"]
mod batch;
mod checker;
mod clients;
mod dice;
mod disk;
mod guard;
mod network;
mod puppets;
mod runner;
mod server;
mod twin;
mod weather;
mod world;

use disk::Fate;
use runner::{Failure, depth, seeds};
use world::{Plan, World};

/// The first seed of a run without `TOCSIN_SEED`: the same ones each time, so that a red test stays red.
const FIRST: u64 = 1;

#[test]
fn every_seed_keeps_every_promise() {
    let given = std::env::var("TOCSIN_SEED").ok().and_then(|seed| seed.parse().ok());
    let (first, many) = given.map_or((FIRST, depth(2_000, 100_000)), |seed| (seed, 1));
    let report = seeds(first, many, |_| Plan::default(), |_| {});
    println!("{report}");
    if let Some(failure) = report.failure {
        panic!("{}", failure.tell());
    }
    let seen = report.seen;
    let rich = seen.claims.min(seen.rescues).min(seen.stale).min(seen.repeated).min(seen.fires);
    let rich =
        rich.min(seen.late_starts).min(seen.skips).min(seen.cancels).min(seen.steps).min(seen.restarts);
    let rich = rich.min(seen.elements).min(seen.helps).min(seen.steps_agreed).min(seen.events);
    assert!(given.is_some() || rich > 0, "something never came about: {seen:?}");
}

#[test]
fn the_real_store_keeps_what_the_virtual_disk_keeps() {
    let report = seeds(FIRST, depth(20, 500), |_| Plan { twin: true, ..Plan::default() }, |_| {});
    println!("{report}");
    if let Some(failure) = report.failure {
        panic!("{}", failure.tell());
    }
}

#[test]
fn a_crash_at_every_write_loses_nothing() {
    for seed in FIRST..FIRST + depth(3, 100) {
        let (_, writes) = World::run(seed, Plan { whole: true, ..Plan::default() });
        for fate in [Fate::Torn, Fate::Unheard] {
            let plan = |at| Plan { crash_at: Some((at, fate)), ..Plan::default() };
            let report = seeds(1, writes, plan, |_| {});
            if let Some(Failure { seed: at, why, .. }) = report.failure {
                panic!("seed {seed}, a crash at write {at} ({fate:?}): {why}");
            }
        }
        println!("seed {seed}: {writes} writes, a crash before and after each");
    }
}

/// Throws one fault; within 1,000 seeds somebody must notice.
fn is_caught(fault: &str, throw: fn(bool)) {
    let report = seeds(FIRST, 1_000, |_| Plan::default(), throw);
    let failure =
        report.failure.unwrap_or_else(|| panic!("{fault}: nobody noticed in {} seeds", report.seeds));
    println!("{fault}: caught at seed {}: {}", failure.seed, failure.why.replace('\n', " "));
}

#[test]
fn a_lease_that_nobody_checks_is_caught() {
    is_caught("broken-lease", tasks::broken::leases);
}

#[test]
fn a_token_that_nobody_checks_is_caught() {
    is_caught("broken-token", tasks::broken::tokens);
}

#[test]
fn a_reply_let_out_before_its_commit_is_caught() {
    is_caught("broken-commit", store::broken::commits);
}

#[test]
fn the_same_seed_is_the_same_world() {
    let told = |seed| {
        let _ = World::run(seed, Plan { tell: true, ..Plan::default() });
        world::take_history()
    };
    for seed in FIRST..FIRST + 3 {
        let (once, again) = (told(seed), told(seed));
        let differs = once.iter().zip(&again).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(once.len(), again.len(), "seed {seed}");
    }
}
