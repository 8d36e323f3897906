//! Where a page points to: its incident, why it was sent, a silence for it, and what its receiver can do by signed links.

use super::Core;
use model::{MatchOp, Matcher, Page, PageStatus};
use server::Told;
use std::{fmt::Write, time::Duration};

/// How long a link in a message may be used.
const LINK_LIFE: Duration = Duration::from_secs(7 * 86_400);

impl Core {
    /// Makes links by this secret from now on.
    pub fn set_links(&mut self, links: server::Links) {
        self.links = Some(links);
    }

    /// Fills in where a page points to. Nowhere, if nobody says where users reach us.
    pub(super) fn link_page(&self, page: &mut Page) {
        let Some(links) = self.links.as_ref().filter(|_| !page.external_url.is_empty()) else { return };
        let (url, id) = (&page.external_url, &page.incident_id);
        page.links.incident = format!("{url}/ui/incidents/{id}");
        page.links.why = format!("{url}/ui/incidents/{id}#why");
        page.links.silence = format!("{url}/ui/silences?filter={}", escaped(&filter(page)));
        let Some(incident) = self.alerts.incident(id).filter(|_| page.status == PageStatus::Firing) else {
            return;
        };
        let acts = links.of_incident(Told {
            incident: id,
            reopened: incident.reopened,
            recipient: &page.receiver,
            key: &page.key,
            until: page.at.plus(LINK_LIFE),
        });
        page.links.acknowledge = acts.acknowledge;
        page.links.snooze = acts.snooze;
        page.links.resolve = acts.resolve;
    }
}

/// Matchers for the labels that the page's alerts share.
fn filter(page: &Page) -> String {
    let labels = page.common_labels();
    let matchers = labels.iter().filter_map(|(name, value)| Matcher::new(MatchOp::Equal, name, value).ok());
    let texts: Vec<String> = matchers.map(|matcher| matcher.to_string()).collect();
    format!("{{{}}}", texts.join(","))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(2 * text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
