//! What names a group towards services that fold messages about one thing into one incident.

use data_encoding::HEXLOWER;
use model::Page;
use sha2::{Digest, Sha256};

/// The same for every page of a group, and the same that Alertmanager would use: SHA-256 of the group key, in hex. An
/// incident that Alertmanager opened is closed by ours.
pub(crate) fn hash(page: &Page) -> String {
    HEXLOWER.encode(&Sha256::digest(page.group_key.as_bytes()))
}

/// Where the page points to, as words and addresses: the incident, why, a silence, what the receiver can do about it,
/// and what waits for an approval; the most wanted first, since some media take few.
pub(crate) fn links(page: &Page) -> Vec<(String, &str)> {
    let links = &page.links;
    let own = [
        ("Incident", &links.incident),
        ("Acknowledge", &links.acknowledge),
        ("Why", &links.why),
        ("Silence", &links.silence),
        ("Snooze", &links.snooze),
        ("Resolve", &links.resolve),
    ];
    let own = own.into_iter().map(|(words, url)| (words.to_owned(), url.as_str()));
    let remedies =
        page.remedy.iter().map(|remedy| (format!("Approve {}", remedy.id), remedy.approve_url.as_str()));
    own.chain(remedies).filter(|(_, url)| !crate::medium::link(url).is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_links() {
        let page = crate::page_json::example();
        // printf '{}:{alertname="RedisDown"}' | sha256sum
        assert_eq!(hash(&page), "64f1a68bb97b72a8894b394ebfb6c2ce64a3791c111133ffb71573748d57286f");
        let words: Vec<String> = links(&page).into_iter().map(|(words, _)| words).collect();
        assert_eq!(words, ["Incident", "Why", "Silence"]);
    }
}
