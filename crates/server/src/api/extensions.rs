//! `/extensions`: what stands beside the core, as readers of one of the older APIs look for it. A view only: the parts
//! that are built in and, for who may list them, the agents. Nothing is loaded over the API.

use super::Refused;
use super::workers::shown_tool;
use crate::auth::{Principal, Role};
use crate::seam::{Failure, ToolView};
use crate::state::State;
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tasks::EventId;
use tasks::agents::Agent;
use tasks::events::{Event, Subscription, What, matches};

type Answer = Result<Response, Refused>;

/// A part that is built in.
struct Part {
    id: &'static str,
    name: &'static str,
    /// Where its routes begin.
    root: &'static str,
    /// What it may do, in the words that such readers know.
    grants: &'static [&'static str],
}

/// The part whose events are all that were published.
const EVENTS: &str = "events";
/// The part whose tools are all of the catalogue.
const TOOLS: &str = "tools";

const PARTS: [Part; 4] = [
    Part { id: "observability", name: "Figures and rules", root: "/metrics", grants: &["ROUTES"] },
    Part { id: "webui", name: "Screens", root: "/ui/", grants: &["ROUTES", "STATIC"] },
    Part {
        id: EVENTS,
        name: "Events and who is called for them",
        root: "/events",
        grants: &["ROUTES", "EVENTS_PUB", "EVENTS_SUB"],
    },
    Part { id: TOOLS, name: "Tools that steps may use", root: "/tools", grants: &["ROUTES", "TOOLS"] },
];

/// What an id stands for.
enum Found {
    Part(&'static Part),
    Agent(Agent),
}

impl Found {
    /// Whether it told an event that was published.
    fn told(&self, event: &Event) -> bool {
        let What::Other(event) = &event.what else { return false };
        match self {
            Found::Part(part) => part.id == EVENTS || event.source == part.id,
            Found::Agent(agent) => event.source == agent.name || event.source == agent.id,
        }
    }

    /// Whether it may use a tool.
    fn may_use(&self, tool: &ToolView) -> bool {
        match self {
            Found::Part(part) => part.id == TOOLS,
            Found::Agent(agent) => tool.scopes.iter().all(|scope| agent.scopes.contains(scope)),
        }
    }
}

/// `GET /extensions`.
pub(crate) async fn extensions(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
) -> Answer {
    let mut all: Vec<Value> = PARTS.iter().map(shown_part).collect();
    if sees_agents(&by) {
        all.extend(state.reads.agents.agents(String::new(), None).await?.iter().map(shown_agent));
    }
    Ok(axum::Json(all).into_response())
}

/// `GET /extensions/{id}/events/health`: the events that it published and that are kept, by type, and who is called for
/// them.
pub(crate) async fn events_health(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Path(id): Path<String>,
) -> Answer {
    let found = find(&state, &by, &id).await?;
    let mut streams: BTreeMap<String, (Event, u64)> = BTreeMap::new();
    // Newest first: the first of a type is its last.
    for event in state.reads.events.kept(EventId::MIN, usize::MAX).await? {
        if found.told(&event) {
            streams.entry(event.type_().to_owned()).or_insert_with(|| (event, 0)).1 += 1;
        }
    }
    let called = state.reads.events.subscriptions().await?;
    let streams: Map<String, Value> = streams
        .into_iter()
        .map(|(type_, (last, count))| {
            let groups: Vec<Value> =
                called.iter().filter(|one| matches(&one.types, &type_)).map(shown_group).collect();
            let last_at = last.id.at().rfc3339();
            let health = json!({
                "length": count,
                "last_event_id": last.id.to_string(),
                "last_published_at": last_at,
                "groups": groups,
            });
            (type_, health)
        })
        .collect();
    Ok(axum::Json(json!({"id": id, "namespace": "events", "streams": streams})).into_response())
}

/// `GET /extensions/{id}/tools`: those of the catalogue that it may use.
pub(crate) async fn tools(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Path(id): Path<String>,
) -> Answer {
    let found = find(&state, &by, &id).await?;
    let all = state.reads.workers.tools();
    let items: Vec<Value> = all.iter().filter(|tool| found.may_use(tool)).map(shown_tool).collect();
    Ok(axum::Json(json!({"total": items.len(), "items": items})).into_response())
}

async fn find(state: &State, by: &Principal, id: &str) -> Result<Found, Refused> {
    if let Some(part) = PARTS.iter().find(|part| part.id == id) {
        return Ok(Found::Part(part));
    }
    let agent = match sees_agents(by) {
        true => state.reads.agents.agent(id.to_owned()).await?,
        false => None,
    };
    let missing = || Failure::NotFound(format!("Extension {id} not found")).into();
    agent.map(Found::Agent).ok_or_else(missing)
}

/// As `/agents` has it.
fn sees_agents(by: &Principal) -> bool {
    by.role >= Role::Admin
}

fn shown_part(part: &Part) -> Value {
    json!({
        "id": part.id,
        "name": part.name,
        "root": part.root,
        "module": "tocsin",
        "enabled": true,
        "eager": true,
        "grants": part.grants,
        "status": {"state": "loaded"},
    })
}

/// An agent is there once it has a secret to come with.
fn shown_agent(agent: &Agent) -> Value {
    let state = if agent.has_secret() { "loaded" } else { "discovered" };
    json!({
        "id": agent.id,
        "name": agent.name,
        "root": format!("/agents/{}", agent.id),
        "module": "agent",
        "enabled": true,
        "eager": false,
        "grants": agent.scopes,
        "status": {"state": state},
    })
}

fn shown_group(one: &Subscription) -> Value {
    json!({
        "name": one.id,
        "pending": one.waiting,
        "delivered": one.delivered.done,
        "failed": one.delivered.failed,
        "dropped": one.delivered.dropped,
    })
}

#[cfg(test)]
mod tests {
    use crate::auth::Role;
    use crate::fixture::{Answer, World, get, key, post, remote, send};
    use crate::state::State;
    use axum::body::Body;
    use serde_json::json;
    use std::sync::Arc;
    use tasks::agents::SYSTEM_ID;

    async fn by(state: &Arc<State>, role: Role, uri: &str) -> Answer {
        let request = remote("GET", uri).header("x-api-key", key(role)).body(Body::empty()).unwrap();
        send(state, request).await
    }

    #[tokio::test]
    async fn agents_are_among_them_for_admins_only() {
        let (_, state) = World::calm().state();
        let parts = ["observability", "webui", "events", "tools"];
        for (role, want) in [
            (Role::User, parts.to_vec()),
            (Role::Operator, parts.to_vec()),
            (Role::Admin, [&parts[..], &[SYSTEM_ID]].concat()),
        ] {
            let all = by(&state, role, "/extensions").await.json();
            let ids: Vec<&str> =
                all.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
            assert_eq!(ids, want, "{role:?}");
        }
        let of_agent = format!("/extensions/{SYSTEM_ID}/tools");
        assert_eq!(by(&state, Role::Operator, &of_agent).await.status, 404);
        assert_eq!(by(&state, Role::Admin, &of_agent).await.json()["items"][0]["address"], "noop");
    }

    #[tokio::test]
    async fn each_has_its_events_and_tools() {
        let (_, state) = World::calm().state();
        for source in ["webui", "ci"] {
            let event = json!({"event_type": "pr.merged", "source_agent": source, "payload": {}});
            assert_eq!(post(&state, "/events/publish", event.to_string()).await.status, 200);
        }
        for (id, length) in [("events", json!(2)), ("webui", json!(1)), ("tools", json!(null))] {
            let health = get(&state, &format!("/extensions/{id}/events/health")).await.json();
            assert_eq!(health["streams"]["pr.merged"]["length"], length, "{id}: {health}");
        }
        for (id, total) in [("tools", 1), ("webui", 0)] {
            assert_eq!(get(&state, &format!("/extensions/{id}/tools")).await.json()["total"], total, "{id}");
        }
        let unknown = get(&state, "/extensions/mcp_http/tools").await;
        assert_eq!(
            (unknown.status.as_u16(), &unknown.json()["detail"]),
            (404, &json!("Extension mcp_http not found"))
        );
    }
}
