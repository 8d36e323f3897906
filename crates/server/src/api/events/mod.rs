//! `/events`: tell, list, stream, and who is called.

mod list;
mod publish;
mod stream;
mod subscriptions;

pub(in crate::api) use list::{cleanup, list, recent, topics};
pub(in crate::api) use publish::{post_topic, publish};
pub(in crate::api) use stream::stream;
pub(in crate::api) use subscriptions::{subscribe, subscriptions, unsubscribe};

use super::body::Params;
use tasks::events::Event;

/// The beginnings of types that a reader names with `type` or `types`, several apart by commas; none: all.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted(Vec<String>);

impl Wanted {
    fn of(params: &Params) -> Wanted {
        let given = params.all("type").chain(params.all("types")).flat_map(|text| text.split(','));
        let given = given.map(|one| one.trim().trim_end_matches('*')).filter(|one| !one.is_empty());
        Wanted(given.take(64).map(str::to_owned).collect())
    }

    fn holds(&self, event: &Event) -> bool {
        self.0.is_empty() || self.0.iter().any(|one| event.type_().starts_with(one.as_str()))
    }
}
