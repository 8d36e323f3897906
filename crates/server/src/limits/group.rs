//! Which limit a route falls under.
//!
//! Reading a task falls under the general limit: a client that submits within its limit may also look how it goes.

use axum::http::Method;

/// Routes that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// What submits and changes tasks.
    Tasks,
    /// What publishes events.
    Events,
    /// Approvals.
    Approvals,
    /// The queue's figures.
    Stats,
    /// Everything else that is limited.
    Others,
}

impl Group {
    /// Every group, in the order of [`Group::index`].
    pub const ALL: [Group; 5] = [Group::Tasks, Group::Events, Group::Approvals, Group::Stats, Group::Others];

    /// Its place among all.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Requests a minute where nothing is set.
    pub fn usual(self) -> u32 {
        match self {
            Group::Tasks => 10,
            Group::Events => 20,
            Group::Approvals => 5,
            Group::Stats => 30,
            Group::Others => 60,
        }
    }

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Tasks => "tasks",
            Group::Events => "events",
            Group::Approvals => "approvals",
            Group::Stats => "stats",
            Group::Others => "others",
        }
    }
}

/// How a route is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited {
    pub group: Group,
    /// A person's decision: one that may decide is not limited.
    pub free_to_people: bool,
}

/// What is never limited: health and figures, workers, other products' APIs, and signed links (each has but one use).
const FREE: [&str; 6] = ["/health", "/-/", "/v1/work", "/api/v1/", "/api/v2/", "/ui/links/"];

impl Limited {
    /// The limit of a route by its method and its path in axum's form; `None`: it has none.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Limited> {
        if path == "/metrics" || FREE.iter().any(|free| path.starts_with(free)) {
            return None;
        }
        let reads = [Method::GET, Method::HEAD].contains(method);
        let group = match path.split('/').nth(1).unwrap_or("") {
            "tasks" if !reads => Group::Tasks,
            "events" if !reads => Group::Events,
            "approvals" => Group::Approvals,
            "stats" => Group::Stats,
            _ => Group::Others,
        };
        let decides = path.ends_with("/approve") || path.ends_with("/reject");
        Some(Limited { group, free_to_people: group == Group::Approvals && decides })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_route() {
        let cases = [
            ("POST /tasks", Some(Group::Tasks)),
            ("POST /tasks/", Some(Group::Tasks)),
            ("PATCH /tasks/{id}/status", Some(Group::Tasks)),
            ("GET /tasks/{id}", Some(Group::Others)),
            ("POST /events/publish", Some(Group::Events)),
            ("GET /events/topics", Some(Group::Others)),
            ("GET /approvals/pending", Some(Group::Approvals)),
            ("GET /stats", Some(Group::Stats)),
            ("GET /", Some(Group::Others)),
            ("POST /auth/token", Some(Group::Others)),
            ("GET /health", None),
            ("GET /health/ready", None),
            ("GET /metrics", None),
            ("POST /-/reload", None),
            ("POST /v1/work", None),
            ("GET /api/v1/query", None),
            ("POST /api/v2/alerts", None),
            ("POST /ui/links/approvals/{id}", None),
        ];
        for (route, want) in cases {
            let (method, path) = route.split_once(' ').unwrap();
            let got = Limited::of(&method.parse().unwrap(), path);
            assert_eq!(got.map(|limited| limited.group), want, "{route}");
        }
        let of = |path| Limited::of(&Method::POST, path).unwrap().free_to_people;
        assert!(
            of("/approvals/{id}/approve") && of("/approvals/{id}/reject") && !of("/approvals/{id}/delegate")
        );
    }

    #[test]
    fn each_has_its_place() {
        assert!(Group::ALL.iter().enumerate().all(|(n, group)| group.index() == n));
    }
}
