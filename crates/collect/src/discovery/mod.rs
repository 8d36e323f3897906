//! Which targets there are: groups of addresses with labels, written down or read from files.
//!
//! Not here: what relabelling makes of them ([`crate::scrape`]) and other kinds of discovery, which the
//! configuration names and nothing does yet.

mod files;
#[cfg(test)]
mod tests;

pub(crate) use files::Files;
