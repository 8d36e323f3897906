//! Scraping: from a discovered address to a committed batch.
//!
//! `target` makes targets of discovered labels, `run` is one target's loop, `cache` reads a body, `shape`
//! decides what its lines become, `report` adds `up` and its kin.

mod cache;
mod fetch;
mod metadata;
mod report;
mod run;
mod shape;
mod tally;
mod target;
#[cfg(test)]
mod tests;

pub use metadata::Metadata;
pub use shape::Limits;
pub use tally::{Tally, refusal_code};

pub(crate) use run::{Order, Settings, scrape_loop};
pub(crate) use shape::Shape;
pub(crate) use target::{Key, Made, Target, discovered, make};
