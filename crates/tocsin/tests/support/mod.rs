//! Real programs for the black-box tests: each on a free loopback port, in a directory of its own, ended by its
//! process id when the value is dropped.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of this module")]

mod channels;
mod crew;
mod http;
mod pages;
mod programs;
mod stack;

pub use channels::Channels;
pub use crew::{Crew, Line, now};
pub use http::{Reply, get, post, post_json, request, text_of};
pub use pages::{Got, Pages};
pub use programs::{NodeExporter, Postgres, Program, Redis, Tocsin, encode, free_port};
pub use stack::Stack;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace exists")
}

/// The full figure with `./test --long`, the short one otherwise.
pub fn depth(short: usize, long: usize) -> usize {
    if std::env::var("TOCSIN_DEPTH").as_deref() == Ok("long") { long } else { short }
}

/// Asks until `probe` has an answer, at most `limit`; a black-box test has nothing else to wait on.
pub fn eventually<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A number that is printed and can be given back with `TOCSIN_SEED`.
pub fn seed() -> u64 {
    let seed =
        std::env::var("TOCSIN_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("seed: TOCSIN_SEED={seed}");
    seed
}
