//! A page about an alert that nobody has: what a receiver is tried out with.

use model::{Alert, Labels, Links, News, Page, PageReason, PageStatus, Timestamp};

/// What the alert holds, and whom its page is for.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The receiver's name.
    pub receiver: &'a str,
    /// Its integration: `webhook[0]`.
    pub integration: &'a str,
    /// The alert's labels.
    pub labels: &'a Labels,
    /// Its annotations.
    pub annotations: &'a Labels,
    /// Those by which its route groups it.
    pub group_labels: &'a Labels,
    /// Those that its route gives to templates.
    pub route_labels: &'a Labels,
    /// Our own address as users see it.
    pub external_url: &'a str,
}

impl Sample<'_> {
    /// The page at `at`, or the one about its end. Both are of one group, which is another at another instant.
    pub fn page(&self, status: PageStatus, at: Timestamp) -> Page {
        let begun = at.minus(std::time::Duration::from_secs(60));
        let ended = status == PageStatus::Resolved;
        let alert = Alert {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            starts_at: begun,
            ends_at: ended.then_some(at),
            generator_url: format!("{}/graph", self.external_url).into(),
            updated_at: at,
        };
        let fingerprint = self.labels.fingerprint();
        let (fired, over) = if ended { (vec![], vec![fingerprint]) } else { (vec![fingerprint], vec![]) };
        Page {
            key: format!("test-{:x}-{}", at.as_millis(), if ended { 2 } else { 1 }),
            revision: if ended { 2 } else { 1 },
            status,
            reason: if ended { PageReason::AllEnded } else { PageReason::First },
            news: News { fired, ended: over },
            receiver: self.receiver.to_owned(),
            integration: self.integration.to_owned(),
            group_key: format!("{{}}:{}:test:{}", self.labels, at.as_millis()),
            group_labels: self.group_labels.clone(),
            route_labels: self.route_labels.clone(),
            alerts: vec![alert],
            at,
            external_url: self.external_url.to_owned(),
            incident_id: String::new(),
            cause: String::new(),
            diagnosis: Vec::new(),
            remedy: Vec::new(),
            reopened: None,
            links: Links::default(),
        }
    }
}
