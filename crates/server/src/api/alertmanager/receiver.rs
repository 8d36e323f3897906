//! Which receivers a reader asks for: by name, and by labels, of which ours have none.

use super::{Error, matchers};
use crate::api::{Params, Refused};
use crate::state::State;
use model::{MatchOp, Matcher};

/// Which receivers.
pub(super) struct Receivers {
    name: Option<Matcher>,
    /// Whether one without labels is asked for.
    bare: bool,
}

impl Receivers {
    pub(super) fn read(state: &State, params: &Params) -> Result<Receivers, Error> {
        let name = params.get("receiver").map(|text| Matcher::new(MatchOp::Regex, "receiver", text));
        let name = name.transpose().map_err(|why| Refused::value("receiver", why.to_string()))?;
        let labels = matchers(state, params.all("receiver_matchers"), "receiver_matchers")?;
        Ok(Receivers { name, bare: labels.iter().all(|matcher| matcher.matches("")) })
    }

    /// Whether any will do.
    pub(super) fn any(&self) -> bool {
        self.name.is_none() && self.bare
    }

    /// Whether this one is asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.bare && self.name.as_ref().is_none_or(|matcher| matcher.matches(name))
    }
}
