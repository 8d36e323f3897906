//! Relabelling: rules that rewrite a label set, or drop it.
//!
//! Not here: which labels go in (a discovered target's, a scraped series', an alert's) and what becomes of them.
//! All eleven actions of Prometheus, with its defaults, checks and corner cases.

mod config;
#[cfg(test)]
mod tests;

pub use config::{RawRule, resolve};

use md5::{Digest, Md5};
use model::{Labels, LabelsBuilder};
use regex::Regex;

/// One checked rule.
#[derive(Debug, Clone)]
pub struct Rule {
    action: Action,
    source: Vec<String>,
    separator: String,
    regex: Regex,
    target: String,
    replacement: String,
    modulus: u64,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words are Prometheus's own")]
pub enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

/// Whether a label set goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It does.
    Kept,
    /// A rule dropped it.
    Dropped,
}

/// Equal rules do the same: lets a reload keep what did not change.
impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        let parts =
            |r: &Rule| (r.action, r.modulus, r.separator.clone(), r.target.clone(), r.replacement.clone());
        parts(self) == parts(other)
            && self.source == other.source
            && self.regex.as_str() == other.regex.as_str()
    }
}

/// Applies `rules` in order; the first that drops ends it.
pub fn apply(rules: &[Rule], labels: &mut LabelsBuilder) -> Fate {
    for rule in rules {
        if rule.apply(labels) == Fate::Dropped {
            return Fate::Dropped;
        }
    }
    Fate::Kept
}

/// Applies `rules` to a finished set; `None` if they drop it or nothing is left.
pub fn process(rules: &[Rule], labels: &Labels) -> Option<Labels> {
    let mut builder = labels.builder();
    match apply(rules, &mut builder) {
        Fate::Kept => Some(builder.build()).filter(|labels| !labels.is_empty()),
        Fate::Dropped => None,
    }
}

impl Rule {
    fn apply(&self, labels: &mut LabelsBuilder) -> Fate {
        let drop_if = |so| if so { Fate::Dropped } else { Fate::Kept };
        match self.action {
            Action::Drop => return drop_if(self.regex.is_match(&self.source(labels))),
            Action::Keep => return drop_if(!self.regex.is_match(&self.source(labels))),
            Action::DropEqual => return drop_if(labels.get(&self.target) == self.source(labels)),
            Action::KeepEqual => return drop_if(labels.get(&self.target) != self.source(labels)),
            Action::Replace => self.replace(labels),
            Action::Lowercase => {
                let value = self.source(labels).to_lowercase();
                labels.set(&self.target, value);
            }
            Action::Uppercase => {
                let value = self.source(labels).to_uppercase();
                labels.set(&self.target, value);
            }
            Action::HashMod => {
                let hash = (hash(&self.source(labels)) % self.modulus).to_string();
                labels.set(&self.target, hash);
            }
            Action::LabelMap => {
                for (name, value) in owned(labels) {
                    if self.regex.is_match(&name) {
                        labels.set(self.regex.replace(&name, &self.replacement).into_owned(), value);
                    }
                }
            }
            Action::LabelDrop => self.retain(labels, |matches| !matches),
            Action::LabelKeep => self.retain(labels, |matches| matches),
        }
        Fate::Kept
    }

    fn replace(&self, labels: &mut LabelsBuilder) {
        let source = self.source(labels);
        let Some(found) = self.regex.captures(&source) else { return };
        let (mut target, mut value) = (String::new(), String::new());
        found.expand(&self.target, &mut target);
        found.expand(&self.replacement, &mut value);
        // A target that expands to nothing names no label; an empty value removes it.
        if !target.is_empty() {
            labels.set(target, value);
        }
    }

    fn retain(&self, labels: &mut LabelsBuilder, keep: impl Fn(bool) -> bool) {
        for (name, _) in owned(labels) {
            if !keep(self.regex.is_match(&name)) {
                labels.del(&name);
            }
        }
    }

    fn source(&self, labels: &LabelsBuilder) -> String {
        match self.source.as_slice() {
            [one] => labels.get(one).to_owned(),
            many => many.iter().map(|name| labels.get(name)).collect::<Vec<_>>().join(&self.separator),
        }
    }
}

fn owned(labels: &LabelsBuilder) -> Vec<(String, String)> {
    labels.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// Prometheus's: the last eight bytes of the MD5, big endian.
fn hash(text: &str) -> u64 {
    let digest = Md5::digest(text.as_bytes());
    digest[8..].iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}
