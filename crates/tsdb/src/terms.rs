//! From matchers to a set of series numbers, over any index of terms: the head's in memory, a segment's on disk.

use crate::error::Error;
use model::{MatchOp, Matcher};
use roaring::RoaringBitmap;

/// An index from (label name, label value) to the series that carry it.
pub(crate) trait Terms {
    /// All series.
    fn all(&self) -> RoaringBitmap;

    /// Adds the series with this very pair to `into`.
    fn equal(&self, name: &str, value: &str, into: &mut RoaringBitmap) -> Result<(), Error>;

    /// Adds the series whose value of `name` is one that `want` accepts to `into`. Series without the label
    /// are never among them.
    fn union(&self, name: &str, want: &dyn Fn(&str) -> bool, into: &mut RoaringBitmap) -> Result<(), Error>;
}

/// The series that pass all of `matchers`.
pub(crate) fn matching(terms: &impl Terms, matchers: &[Matcher]) -> Result<RoaringBitmap, Error> {
    let (absent_passes, demanding): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| m.matches(""));
    let mut found: Option<RoaringBitmap> = None;
    for matcher in demanding {
        let mut these = RoaringBitmap::new();
        match matcher.op() {
            MatchOp::Equal => terms.equal(matcher.name(), matcher.value(), &mut these)?,
            _ => terms.union(matcher.name(), &|value| matcher.matches(value), &mut these)?,
        }
        let narrowed = match found {
            Some(found) => found & these,
            None => these,
        };
        if narrowed.is_empty() {
            return Ok(narrowed);
        }
        found = Some(narrowed);
    }
    let mut found = found.unwrap_or_else(|| terms.all());
    for matcher in absent_passes {
        let mut refused = RoaringBitmap::new();
        terms.union(matcher.name(), &|value| !matcher.matches(value), &mut refused)?;
        found -= refused;
    }
    Ok(found)
}
