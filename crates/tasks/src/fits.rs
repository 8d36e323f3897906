//! Whether arguments are what a kind of work takes. Declared by operators, compiled by `worker`, asked here.

use serde_json::Value;

/// Where something does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Below the arguments: `.items[3].name`; empty if it is the whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub what: String,
}

/// The schemas of kinds. Pure: the same answer for the same arguments until they are declared anew.
pub trait Fits: std::fmt::Debug + Send + Sync {
    /// Whether anything is declared of this kind; if not, no arguments need be read.
    fn has_schema(&self, kind: &str) -> bool;

    /// Whether a kind takes these arguments.
    fn check(&self, kind: &str, args: &Value) -> Result<(), Misfit>;
}
