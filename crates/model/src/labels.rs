//! Label sets: sorted, unique, immutable. Equal labels are the same series.

mod object;

use hashbrown::DefaultHashBuilder;
use std::cell::RefCell;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};
use std::{cmp::Ordering, fmt};

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";
/// The label that holds an alert's name.
pub const ALERTNAME: &str = "alertname";
/// The label of a scrape job.
pub const JOB: &str = "job";
/// The label of a scraped address.
pub const INSTANCE: &str = "instance";
/// The label of a classic histogram's bucket bound.
pub const BUCKET_LE: &str = "le";

/// A set of labels, sorted by name, no name twice, no value empty (an empty value means the label is absent).
///
/// One shared buffer: a hash of the rest, then for each label the lengths (u32, little endian) and bytes of its name and
/// value. Cloning is a counter, equality one `memcmp`, hashing reads what was hashed once.
#[derive(Clone, PartialEq, Eq)]
pub struct Labels(Arc<[u8]>);

/// How long the hash is.
const HASH_BYTES: usize = size_of::<u64>();

/// How long the length of a text is.
const LEN_BYTES: usize = size_of::<u32>();

/// Other in each process, so that nobody outside can make labels collide.
static HASHES: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);
static EMPTY: LazyLock<Labels> = LazyLock::new(|| encode(std::iter::empty()));

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0[..HASH_BYTES]);
    }
}

impl Labels {
    /// No labels.
    pub fn empty() -> Labels {
        EMPTY.clone()
    }

    /// From pairs in any order; a later pair replaces an earlier one of the same name.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Labels {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// The pairs, by name.
    pub fn iter(&self) -> Iter<'_> {
        Iter(RawIter(self.as_bytes()))
    }

    /// The value of `name`; `None` if there is no such label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.raw().find(|(n, _)| *n == name.as_bytes()).map(|(_, value)| as_text(value))
    }

    /// The metric's name, empty if there is none.
    pub fn name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or("")
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The lengths and texts, for disk formats that keep this very form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[HASH_BYTES..]
    }

    /// From [`Labels::as_bytes`]; `None` unless the bytes are whole, UTF-8, sorted and unique.
    pub fn from_bytes(bytes: &[u8]) -> Option<Labels> {
        let (mut rest, mut last) = (bytes, None);
        while !rest.is_empty() {
            let (name, after) = split_text(rest)?;
            let (value, after) = split_text(after)?;
            if last.is_some_and(|last| last >= name) || value.is_empty() {
                return None;
            }
            (rest, last) = (after, Some(name));
        }
        Some(whole(|buffer| buffer.extend_from_slice(bytes)))
    }

    /// A builder that starts from these.
    pub fn builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() }
    }

    /// These without `name`.
    pub fn without(&self, name: &str) -> Labels {
        if self.get(name).is_none() {
            return self.clone();
        }
        encode(self.iter().filter(|(n, _)| *n != name))
    }

    /// Only those that `keep` accepts.
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Labels {
        encode(self.iter().filter(|(n, _)| keep(n)))
    }

    /// Only those of these names.
    pub fn only(&self, names: &[String]) -> Labels {
        let kept = self.raw().filter(|(name, _)| names.iter().any(|wanted| wanted.as_bytes() == *name));
        whole(|buffer| {
            kept.for_each(|(name, value)| [name, value].into_iter().for_each(|text| add(buffer, text)))
        })
    }

    /// These with `name` set to `value`.
    pub fn with(&self, name: &str, value: &str) -> Labels {
        let mut builder = self.builder();
        builder.set(name, value);
        builder.build()
    }

    /// Alertmanager's fingerprint: FNV-1a, 64 bit, over name 0xff value 0xff of each pair in order.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut add = |bytes: &[u8]| {
            for byte in bytes.iter().chain(&[0xff]) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        for (name, value) in self.raw() {
            add(name);
            add(value);
        }
        hash
    }

    /// The pairs as bytes, by name: for those who compare and look up, and need not know that they are texts.
    pub fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        RawIter(self.as_bytes())
    }
}

impl Default for Labels {
    fn default() -> Labels {
        Labels::empty()
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Labels) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As Prometheus sorts: pair by pair, a prefix before what continues it.
impl Ord for Labels {
    fn cmp(&self, other: &Labels) -> Ordering {
        // Texts are ordered as their bytes are.
        self.raw().cmp(other.raw())
    }
}

/// As PromQL writes a series: `up{job="api"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain_name = is_classic_metric_name(self.name());
        let name = if plain_name { self.name() } else { "" };
        let mut pairs = self.iter().filter(|(n, _)| !(plain_name && *n == METRIC_NAME)).peekable();
        f.write_str(name)?;
        if pairs.peek().is_none() {
            return if name.is_empty() { f.write_str("{}") } else { Ok(()) };
        }
        for (i, (name, value)) in pairs.enumerate() {
            f.write_str(if i == 0 { "{" } else { ", " })?;
            if is_classic_label_name(name) {
                write!(f, "{name}={value:?}")?;
            } else {
                write!(f, "{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The pairs of a label set, by name.
#[derive(Clone)]
pub struct Iter<'a>(RawIter<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        self.0.next().map(|(name, value)| (as_text(name), as_text(value)))
    }
}

#[derive(Clone)]
struct RawIter<'a>(&'a [u8]);

impl<'a> Iterator for RawIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        if self.0.is_empty() {
            return None;
        }
        let (name, rest) = split(self.0).expect("labels are only built whole");
        let (value, rest) = split(rest).expect("labels are only built whole");
        self.0 = rest;
        Some((name, value))
    }
}

fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("labels are only built of texts")
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<LEN_BYTES>()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = split(bytes)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn encode<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
    whole(|bytes| {
        for text in pairs.flat_map(|(name, value)| [name, value]) {
            add(bytes, text.as_bytes());
        }
    })
}

fn add(buffer: &mut Vec<u8>, text: &[u8]) {
    let len = u32::try_from(text.len()).expect("label texts are bounded far below 4 GiB");
    buffer.extend_from_slice(&len.to_le_bytes());
    buffer.extend_from_slice(text);
}

/// A buffer that grew longer is not kept.
const BUFFER_MAX: usize = 64 << 10;

thread_local! {
    /// Where labels are put together, so that each set is one allocation of its own size.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The lengths and texts that `write` adds, with their hash before them.
fn whole(write: impl FnOnce(&mut Vec<u8>)) -> Labels {
    let Ok(labels) = try_whole(|buffer| {
        write(buffer);
        Ok::<_, Infallible>(())
    });
    labels
}

/// As [`whole`], if `write` succeeds.
fn try_whole<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Labels, E> {
    // Taken out, because `write` may make labels of its own.
    let mut buffer = BUFFER.take();
    buffer.clear();
    buffer.extend_from_slice(&[0; HASH_BYTES]);
    write(&mut buffer)?;
    let hash = HASHES.hash_one(&buffer[HASH_BYTES..]);
    buffer[..HASH_BYTES].copy_from_slice(&hash.to_le_bytes());
    let labels = Labels(Arc::from(&buffer[..]));
    if buffer.capacity() <= BUFFER_MAX {
        BUFFER.set(buffer);
    }
    Ok(labels)
}

/// Collects pairs; [`LabelsBuilder::build`] sorts them.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Sets `name`; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut LabelsBuilder {
        let (name, value) = (name.into(), value.into());
        match self.pairs.iter_mut().find(|(n, _)| *n == name) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((name, value)),
        }
        self
    }

    /// Removes `name`.
    pub fn del(&mut self, name: &str) -> &mut LabelsBuilder {
        self.pairs.retain(|(n, _)| n != name);
        self
    }

    /// The value of `name`, `""` if absent.
    pub fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The pairs as they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The set.
    pub fn build(mut self) -> Labels {
        self.pairs.sort_unstable();
        encode(self.pairs.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.as_str(), v.as_str())))
    }
}

/// Whether `name` is a label name that needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_classic_label_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether `name` is a metric name that needs no quotes: as a label name, colons too.
pub fn is_classic_metric_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_unique_and_without_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(labels.without("a").to_string(), "{b=\"3\"}");
        assert_eq!(labels.with(METRIC_NAME, "up").to_string(), "up{a=\"1\", b=\"3\"}");
        assert!(labels < labels.with("c", "x"));
        assert_eq!(labels.only(&["c".to_owned(), "b".to_owned()]), labels.without("a"));
    }

    #[test]
    fn bytes_both_ways_and_damaged_ones_refused() {
        let labels = Labels::from_pairs([("a", "1"), ("é", "ü")]);
        assert_eq!(Labels::from_bytes(labels.as_bytes()), Some(labels.clone()));
        for cut in 1..labels.as_bytes().len() {
            let whole_first_pair = cut == 10;
            assert_eq!(Labels::from_bytes(&labels.as_bytes()[..cut]).is_some(), whole_first_pair, "{cut}");
        }
    }

    #[test]
    fn fingerprint_is_upstreams() {
        assert_eq!(Labels::empty().fingerprint(), 0xcbf2_9ce4_8422_2325);
        let one = Labels::from_pairs([("alertname", "a")]);
        assert_ne!(one.fingerprint(), Labels::from_pairs([("alertname", "b")]).fingerprint());
    }
}
