//! The limiter by itself; then limits, origins and tokens through the whole application.

use super::*;
use crate::auth::{Peer, Role};
use crate::fixture::{Answer, World, key, send};
use crate::{Cors, Gate, State};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::sync::Arc;

fn asking<'a>(principal: &'a str, address: &str, on_loopback: bool) -> Asking<'a> {
    Asking { principal, address: address.parse().unwrap(), on_loopback }
}

#[test]
fn the_defaults_hold_where_others_can_reach_us() {
    let limiter = Limiter::new(Rates::ON);
    for (group, limit) in [
        (Group::Tasks, 10),
        (Group::Events, 20),
        (Group::Approvals, 5),
        (Group::Stats, 30),
        (Group::Others, 60),
    ] {
        let outside = asking("ann", "192.0.2.1", false);
        for n in 0..limit {
            let quota = limiter.count_at(group, outside, 1000 + u64::from(n)).unwrap();
            assert_eq!(
                (quota.allowed, quota.limit, quota.remaining),
                (true, limit, limit - n - 1),
                "{group:?}"
            );
        }
        let over = limiter.count_at(group, outside, 2000).unwrap();
        assert_eq!((over.allowed, over.remaining, over.left_secs()), (false, 0, 59), "{group:?}");
        assert!(limiter.count_at(group, outside, 61_000).unwrap().allowed, "the first has left the window");
        let inside = limiter.count_at(group, asking("ann", "127.0.0.1", true), 2000).unwrap();
        assert_eq!((inside.limit, inside.remaining), (ON_LOOPBACK, ON_LOOPBACK - 1));
    }
}

#[test]
fn one_client_is_a_principal_at_an_address() {
    let mut rates = Rates::ON;
    rates.per_minute[Group::Tasks.index()] = Some(1);
    let limiter = Limiter::new(rates);
    let allowed = |principal, address| {
        limiter.count_at(Group::Tasks, asking(principal, address, true), 5).unwrap().allowed
    };
    assert!(allowed("ann", "10.0.0.1"), "a limit that is set holds on loopback listeners too");
    assert!(!allowed("ann", "10.0.0.1"));
    assert!(allowed("bob", "10.0.0.1"));
    assert!(allowed("ann", "10.0.0.2"));
    assert!(allowed("ann", "2001:db8::1"));
    assert!(!allowed("ann", "2001:db8::2"), "one network of IPv6 is one client");
    assert!(!allowed("ann", "::ffff:10.0.0.1"));
}

#[test]
fn an_hour_over_all_groups() {
    let limiter = Limiter::new(Rates { per_hour: Some(3), ..Rates::ON });
    let ann = asking("ann", "10.0.0.1", true);
    for (n, group) in [Group::Tasks, Group::Stats, Group::Others].into_iter().enumerate() {
        let quota = limiter.count_at(group, ann, n as u64).unwrap();
        assert_eq!((quota.allowed, quota.limit, quota.remaining), (true, 3, 2 - n as u32));
    }
    let over = limiter.count_at(Group::Events, ann, 10).unwrap();
    assert_eq!((over.allowed, over.left_secs()), (false, 3600));
}

#[test]
fn clients_are_bounded_and_off_is_off() {
    let limiter = Limiter::new(Rates::ON);
    let mut forgot = 0;
    for n in 0..2 * CLIENTS_MAX as u32 {
        let address = std::net::Ipv4Addr::from_bits(n).to_string();
        forgot += u32::from(limiter.count_at(Group::Others, asking("", &address, false), 7).unwrap().forgot);
    }
    let kept: usize = limiter.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
    assert_eq!((kept, forgot as usize), (CLIENTS_MAX, CLIENTS_MAX));
    assert_eq!(Limiter::new(Rates::OFF).count_at(Group::Tasks, asking("", "10.0.0.1", false), 0), None);
}

#[test]
fn what_an_answer_says() {
    let quota =
        Quota { limit: 10, remaining: 9, left: Duration::from_millis(59_001), allowed: true, forgot: false };
    let mut headers = HeaderMap::new();
    quota.tell(&mut headers, Timestamp::from_millis(1_000_500));
    let got: Vec<_> = [LIMIT, REMAINING, RESET].map(|name| headers[name].to_str().unwrap().to_owned()).into();
    assert_eq!((got.join(","), quota.left_secs()), ("10,9,1060".to_owned(), 60));
}

fn state(gate: Gate) -> Arc<State> {
    let (_, state) = World::calm().state();
    let state = Arc::into_inner(state).expect("nobody else has it yet");
    Arc::new(state.behind(gate))
}

/// A request to a listener that others reach.
fn outside(method: &str, uri: &str, from: &str) -> axum::http::request::Builder {
    let peer = Peer { remote: from.parse().unwrap(), listener: "0.0.0.0:8080".parse().unwrap() };
    let request = Request::builder().method(method).uri(uri).header("host", "tocsin.example").extension(peer);
    request.header("content-type", "application/json")
}

async fn ask(state: &Arc<State>, method: &str, uri: &str, role: Option<Role>) -> Answer {
    let mut request = outside(method, uri, "192.0.2.7:40000");
    if let Some(role) = role {
        request = request.header("x-api-key", key(role));
    }
    send(state, request.body(Body::from(r#"{"kind": "noop"}"#)).unwrap()).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_eleventh_task_in_a_minute_is_a_429_with_its_headers() {
    let state = state(Gate { rates: Rates::ON, ..Gate::default() });
    for left in (0..10).rev() {
        let answer = ask(&state, "POST", "/tasks", Some(Role::Agent)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(header(&answer, "x-ratelimit-limit"), Some("10"));
        assert_eq!(header(&answer, "x-ratelimit-remaining"), Some(left.to_string().as_str()));
        assert!(header(&answer, "x-ratelimit-reset").is_some() && header(&answer, "retry-after").is_none());
    }
    let over = ask(&state, "POST", "/tasks/", Some(Role::Agent)).await;
    assert_eq!(over.status, 429);
    assert_eq!(header(&over, "x-ratelimit-remaining"), Some("0"));
    let wait: u64 = header(&over, "retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    let body = over.json();
    assert_eq!(body["detail"], "Rate limit exceeded. Please try again later.");
    assert_eq!((&body["error"], &body["retry_after"]), (&json!("rate_limit_exceeded"), &json!(wait)));
    assert!(body["message"].as_str().unwrap().contains(&wait.to_string()));
    assert_eq!(ask(&state, "POST", "/tasks", Some(Role::Operator)).await.status, 201, "another principal");
    assert_eq!(ask(&state, "GET", "/tasks/x", Some(Role::Agent)).await.status, 404, "looking goes on");
    let mut counted = 0.0;
    state.metrics.metrics(&mut |name, labels, value| {
        if name == "orchestrator_rate_limit_violations_total" {
            assert_eq!(labels, [("endpoint", "/tasks/")]);
            counted += value;
        }
    });
    assert_eq!(counted, 1.0);
}

#[tokio::test]
async fn what_is_never_limited() {
    let mut rates = Rates::ON;
    rates.per_minute = [Some(1); Group::ALL.len()];
    let state = state(Gate { rates, ..Gate::default() });
    for (method, path) in [
        ("GET", "/health"),
        ("GET", "/health/live"),
        ("GET", "/-/healthy"),
        ("GET", "/metrics"),
        ("POST", "/v1/work"),
        ("GET", "/api/v1/labels"),
        ("GET", "/api/v2/status"),
    ] {
        for _ in 0..3 {
            let answer = ask(&state, method, path, Some(Role::Agent)).await;
            assert_ne!(answer.status, 429, "{path}");
            assert_eq!(header(&answer, "x-ratelimit-limit"), None, "{path}");
        }
    }
    for path in ["/stats", "/nowhere"] {
        ask(&state, "GET", path, None).await;
        assert_eq!(ask(&state, "GET", path, None).await.status, 429, "{path}");
    }
}

#[tokio::test]
async fn a_refused_credential_is_401_however_often_and_a_role_too_low_counts() {
    let mut rates = Rates::ON;
    rates.per_minute[Group::Tasks.index()] = Some(2);
    let state = state(Gate { rates, ..Gate::default() });
    for _ in 0..4 {
        let request = outside("POST", "/tasks", "192.0.2.7:1").header("x-api-key", "no key of ours");
        assert_eq!(send(&state, request.body(Body::empty()).unwrap()).await.status, 401);
    }
    let got = [0; 3].map(|_| Role::User);
    let mut codes = Vec::new();
    for role in got {
        codes.push(ask(&state, "POST", "/tasks", Some(role)).await.status.as_u16());
    }
    assert_eq!(codes, [403, 403, 429]);
}

#[tokio::test]
async fn a_proxy_that_is_trusted_speaks_for_its_clients() {
    let rates = Rates { per_minute: [Some(1); Group::ALL.len()], ..Rates::ON };
    let trusted_proxies = Networks::new(vec![Network::parse("10.0.0.0/8").unwrap()]);
    let state = state(Gate { rates, trusted_proxies, ..Gate::default() });
    let ask = async |peer: &str, forwarded: &str| {
        let request = outside("GET", "/stats", peer).header("x-forwarded-for", forwarded);
        send(&state, request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    assert_eq!(ask("10.0.0.1:1", "198.51.100.1").await, 200);
    assert_eq!(ask("10.0.0.2:1", "6.6.6.6, 198.51.100.1").await, 429, "the same client, whatever it claims");
    assert_eq!(ask("10.0.0.1:1", "198.51.100.2").await, 200);
    assert_eq!(ask("192.0.2.1:1", "198.51.100.3").await, 200);
    assert_eq!(ask("192.0.2.1:1", "198.51.100.4").await, 429, "a stranger speaks for itself only");
}

#[tokio::test]
async fn pages_of_other_origins() {
    let cors = Cors::parse("http://localhost:3000,https://*.vercel.app").0;
    let state = state(Gate { rates: Rates::ON, cors, ..Gate::default() });
    let ask = async |method: &str, origin: &str, preflight: bool| {
        let mut request = outside(method, "/stats", "192.0.2.7:1").header("origin", origin);
        if preflight {
            request = request.header("access-control-request-method", "POST");
        }
        send(&state, request.body(Body::empty()).unwrap()).await
    };
    let allowed = ask("GET", "https://app.vercel.app", false).await;
    assert_eq!(header(&allowed, "access-control-allow-origin"), Some("https://app.vercel.app"));
    assert_eq!(header(&allowed, "access-control-allow-credentials"), Some("true"));
    let shown = header(&allowed, "access-control-expose-headers").unwrap();
    assert!(shown.contains("X-Request-ID") && shown.contains("X-RateLimit-Remaining"));
    assert_eq!(header(&allowed, "vary"), Some("Origin"));

    let preflight = ask("OPTIONS", "http://localhost:3000", true).await;
    assert_eq!(preflight.status, 200);
    assert!(header(&preflight, "access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(header(&preflight, "access-control-allow-headers").unwrap().contains("X-API-Key"));

    let foreign = ask("GET", "https://vercel.app.evil.example", false).await;
    assert_eq!((foreign.status.as_u16(), header(&foreign, "access-control-allow-origin")), (200, None));
    let foreign = ask("OPTIONS", "https://evil.example", true).await;
    assert_eq!((foreign.status.as_u16(), header(&foreign, "access-control-allow-origin")), (400, None));
    assert_eq!(
        header(&ask("GET", "http://tocsin.example", false).await, "access-control-allow-origin"),
        None
    );
    let mut violations = 0.0;
    state.metrics.metrics(&mut |name, _, value| {
        violations += if name == "orchestrator_cors_violations_total" { value } else { 0.0 };
    });
    assert_eq!(violations, 2.0, "our own pages are none");
    assert_eq!(ask("OPTIONS", "http://localhost:3000", false).await.status, 405, "it is no preflight");
}

async fn tell(state: &Arc<State>, uri: &str, by: Option<Role>, body: Value) -> Answer {
    let mut request = outside("POST", uri, "192.0.2.7:1");
    if let Some(role) = by {
        request = request.header("x-api-key", key(role));
    }
    send(state, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn by_token(state: &Arc<State>, token: &Value) -> u16 {
    let bearer = format!("Bearer {}", token.as_str().expect("a token"));
    let request = outside("GET", "/tasks", "192.0.2.7:1").header("authorization", bearer);
    send(state, request.body(Body::empty()).unwrap()).await.status.as_u16()
}

#[tokio::test]
async fn a_token_of_at_most_ones_own_role() {
    let state = state(Gate::default());
    let roles = [Role::User, Role::Agent, Role::Operator, Role::Admin];
    for by in roles {
        for role in roles {
            let body = json!({"user_id": "ann", "role": role.as_str(), "ttl": 60});
            let answer = tell(&state, "/auth/token", Some(by), body).await;
            let want = if role <= by { 200 } else { 403 };
            assert_eq!(answer.status.as_u16(), want, "{by:?} issues {role:?}: {}", answer.body);
            if want == 200 {
                let pair = answer.json();
                assert_eq!((&pair["token_type"], &pair["expires_in"]), (&json!("bearer"), &json!(60)));
                assert_eq!(by_token(&state, &pair["access_token"]).await, 200);
                assert_eq!(by_token(&state, &pair["refresh_token"]).await, 401);
            }
        }
    }
    let day = tell(&state, "/auth/token", Some(Role::User), json!({"user_id": "ann"})).await.json();
    assert_eq!((&day["expires_in"], &day["scope"]), (&json!(86_400), &json!("user")));
    assert_eq!(tell(&state, "/auth/token", None, json!({"user_id": "ann"})).await.status, 401);
    for (body, code) in [
        (json!({"user_id": "ann", "role": "king"}), 400),
        (json!({"user_id": "local"}), 400),
        (json!({"user_id": ""}), 422),
        (json!({"user_id": "ann", "ttl": 0}), 422),
        (json!({"user_id": "ann", "ttl": 9_999_999}), 422),
        (json!({"user_id": "ann", "scopes": ["a b"]}), 422),
        (json!({"role": "user"}), 422),
        (json!("ann"), 422),
    ] {
        assert_eq!(tell(&state, "/auth/token", Some(Role::Admin), body.clone()).await.status, code, "{body}");
    }
}

#[tokio::test]
async fn refreshed_and_revoked() {
    let state = state(Gate::default());
    let issue = async || {
        let body = json!({"user_id": "ann", "role": "user"});
        tell(&state, "/auth/token", Some(Role::Admin), body).await.json()
    };
    let first = issue().await;
    let second = tell(&state, "/auth/refresh", None, json!({"refresh_token": first["refresh_token"]})).await;
    assert_eq!(second.status, 200);
    let second = second.json();
    assert_eq!(by_token(&state, &second["access_token"]).await, 200);
    let again = tell(&state, "/auth/refresh", None, json!({"refresh_token": first["refresh_token"]})).await;
    assert_eq!(again.status, 401, "a refresh token is good once");
    assert_eq!(by_token(&state, &second["access_token"]).await, 401, "and its second use ends the session");

    let pair = issue().await;
    let done = tell(&state, "/auth/revoke", None, json!({"refresh_token": pair["refresh_token"]})).await;
    assert_eq!((done.status.as_u16(), &done.json()["revoked"]), (200, &json!(true)));
    assert_eq!(by_token(&state, &pair["access_token"]).await, 401);

    let pair = issue().await;
    let all = json!({"user_id": "ann"});
    assert_eq!(tell(&state, "/auth/revoke", None, all.clone()).await.status, 401);
    assert_eq!(tell(&state, "/auth/revoke", Some(Role::Operator), all.clone()).await.status, 403);
    assert_eq!(tell(&state, "/auth/revoke", Some(Role::Admin), all).await.status, 200);
    assert_eq!(by_token(&state, &pair["access_token"]).await, 401);

    for body in [json!({"token": "a.b.c"}), json!({}), json!([])] {
        assert_eq!(tell(&state, "/auth/revoke", None, body.clone()).await.status, 401, "{body}");
    }
    assert_eq!(tell(&state, "/auth/revoke", Some(Role::User), json!({})).await.status, 422);
}

#[tokio::test]
async fn what_is_done_with_tokens_is_on_record() {
    let (world, state) = World::calm().state();
    let ask = async |uri: &str, by: Option<Role>, body: Value| tell(&state, uri, by, body).await.json();
    let refreshing = |pair: &Value| json!({"refresh_token": pair["refresh_token"]});
    let first =
        ask("/auth/token", Some(Role::Operator), json!({"user_id": "ann", "role": "user", "ttl": 60})).await;
    let second = ask("/auth/refresh", None, refreshing(&first)).await;
    ask("/auth/refresh", None, refreshing(&first)).await;
    let own = ask("/auth/token", Some(Role::Admin), json!({"user_id": "ann", "scopes": ["mail"]})).await;
    ask("/auth/revoke", None, json!({"token": own["access_token"]})).await;
    ask("/auth/revoke", Some(Role::Operator), json!({"token": own["access_token"]})).await;
    ask("/auth/revoke", Some(Role::Admin), json!({"user_id": "ann"})).await;
    ask("/agents/auth/token", None, json!({"agent_id": "agent-1", "agent_secret": "its secret"})).await;
    ask("/auth/token", Some(Role::User), json!({"user_id": "ann", "role": "admin"})).await;
    let acts = std::mem::take(&mut *world.token_acts.lock().unwrap());
    let told: Vec<_> = acts.iter().map(|act| json!([act.by, act.action, act.subject, act.details])).collect();
    let day = 86_400;
    let wanted = json!([
        ["operator", "token.issued", "ann",
            {"role": "user", "scopes": null, "counts_as": "operator", "expires_in": 60}],
        ["ann", "token.refreshed", "ann", {"role": "user", "expires_in": 60}],
        ["ann", "token.reused", "ann", {"what": "session"}],
        ["admin", "token.issued", "ann", {"role": "user", "scopes": ["mail"], "expires_in": day}],
        ["ann", "token.revoked", "ann", {"what": "token", "reason": "manual"}],
        ["admin", "token.revoked", "ann", {"what": "all", "reason": "manual"}],
        ["agent-1", "token.issued", "agent-1", {"role": "agent", "scopes": null, "expires_in": 3600}],
    ]);
    assert_eq!(json!(told), wanted);
    let text = json!(told).to_string();
    for token in [&first["access_token"], &second["refresh_token"], &own["access_token"]] {
        assert!(!text.contains(token.as_str().expect("a token")) && !text.contains("its secret"));
    }
}

/// Defect 8 of the systems this replaces: an agent's id alone was its password.
#[tokio::test]
async fn an_agent_needs_its_secret() {
    let state = state(Gate::default());
    let ask = async |body: Value| tell(&state, "/agents/auth/token", None, body).await;
    for body in [
        json!({"agent_id": "agent-1"}),
        json!({"agent_id": "agent-1", "agent_secret": ""}),
        json!({"agent_id": "agent-1", "agent_secret": "wrong"}),
        json!({"agent_id": "nobody", "agent_secret": "its secret"}),
    ] {
        assert_eq!(ask(body.clone()).await.status, 401, "{body}");
    }
    let pair = ask(json!({"agent_id": "agent-1", "agent_secret": "its secret"})).await.json();
    assert_eq!((&pair["expires_in"], &pair["role"]), (&json!(3600), &json!("agent")));
    assert_eq!(by_token(&state, &pair["access_token"]).await, 200);
    let next =
        tell(&state, "/agents/auth/refresh", None, json!({"refresh_token": pair["refresh_token"]})).await;
    assert_eq!(next.status, 200);
    let gone =
        tell(&state, "/agents/auth/revoke", None, json!({"refresh_token": next.json()["refresh_token"]}));
    assert_eq!(gone.await.status, 200);
    assert_eq!(by_token(&state, &pair["access_token"]).await, 401);
}
