//! Where a page points to: its incident, why it was sent, a silence for it, and what its receiver can do by signed links.
//! Made when it is sent, so that no link that acts lies on disk.

use crate::terminal::escape;
use model::{Links, MatchOp, Matcher, Page};
use server::Told;
use std::{sync::Arc, time::Duration};

/// How long a link in a message may be used.
const LINK_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// Makes the links of pages, signed by `links`. The same page has the same links.
pub fn page_links(links: server::Links) -> notify::Linker {
    Arc::new(move |page| of_page(&links, page))
}

/// Nowhere, if nobody says where users reach us.
fn of_page(links: &server::Links, page: &Page) -> Links {
    let (url, id) = (&page.external_url, &page.incident_id);
    if url.is_empty() {
        return Links::default();
    }
    let places = Links {
        incident: format!("{url}/ui/incidents/{id}"),
        why: format!("{url}/ui/incidents/{id}#why"),
        silence: format!("{url}/ui/silences?filter={}", escape(&filter(page))),
        ..Links::default()
    };
    let Some(reopened) = page.reopened else { return places };
    let acts = links.of_incident(Told {
        incident: id,
        reopened,
        recipient: &page.receiver,
        key: &page.key,
        until: page.at.plus(LINK_LIFE),
    });
    Links { acknowledge: acts.acknowledge, snooze: acts.snooze, resolve: acts.resolve, ..places }
}

/// Matchers for the labels that the page's alerts share.
fn filter(page: &Page) -> String {
    let labels = page.common_labels();
    let matchers = labels.iter().filter_map(|(name, value)| Matcher::new(MatchOp::Equal, name, value).ok());
    let texts: Vec<String> = matchers.map(|matcher| matcher.to_string()).collect();
    format!("{{{}}}", texts.join(","))
}
