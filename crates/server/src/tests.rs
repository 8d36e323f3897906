//! The whole application against a process filled by hand: who may what, every dialect's envelopes and codes,
//! every bound.

mod incidents;
mod process;
mod queue;
mod screens;
mod watch;
mod who;

use crate::api::routes;
use crate::auth::{LocalRule, Need, Reading, Role};
use crate::fixture::{Answer, NOW, SECRET, World, at, get, key, labels, local, post, remote, send};
use crate::views::{AlertState, HealthStatus, NewTask};
use crate::{Failure, State};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use std::sync::Arc;

/// Every kind of credential, and what it is worth: `Err` for one that must be a 401 wherever it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Local,
    Key(Role),
    KeyAsBearer(Role),
    Token(Role),
    BadKey,
    ForgedToken,
    ExpiredToken,
    StrangeRole,
    AlgorithmNone,
    BasicScheme,
    GoodKeyAndBadToken,
}

const EVERY: [Shown; 18] = [
    Shown::Nothing,
    Shown::Local,
    Shown::Key(Role::User),
    Shown::Key(Role::Agent),
    Shown::Key(Role::Operator),
    Shown::Key(Role::Admin),
    Shown::KeyAsBearer(Role::User),
    Shown::KeyAsBearer(Role::Admin),
    Shown::Token(Role::User),
    Shown::Token(Role::Agent),
    Shown::Token(Role::Operator),
    Shown::BadKey,
    Shown::ForgedToken,
    Shown::ExpiredToken,
    Shown::StrangeRole,
    Shown::AlgorithmNone,
    Shown::BasicScheme,
    Shown::GoodKeyAndBadToken,
];

impl Shown {
    fn headers(self) -> Vec<(&'static str, String)> {
        let token = |role: &str, exp: i64, secret: &str| {
            let claims = json!({"sub": "ann", "role": role, "exp": NOW / 1000 + exp, "iat": NOW / 1000});
            let token = jsonwebtoken::encode(
                &Header::default(),
                &claims,
                &EncodingKey::from_secret(secret.as_bytes()),
            );
            ("authorization", format!("Bearer {}", token.unwrap()))
        };
        match self {
            Shown::Nothing | Shown::Local => vec![],
            Shown::Key(role) => vec![("x-api-key", key(role))],
            Shown::KeyAsBearer(role) => vec![("authorization", format!("Bearer {}", key(role)))],
            Shown::Token(role) => vec![token(role.as_str(), 60, SECRET)],
            Shown::BadKey => vec![("x-api-key", "no key of ours".to_owned())],
            Shown::ForgedToken => vec![token("admin", 60, "another secret")],
            Shown::ExpiredToken => vec![token("admin", -1, SECRET)],
            Shown::StrangeRole => vec![token("king", 60, SECRET)],
            Shown::AlgorithmNone => {
                // {"alg":"none","typ":"JWT"} . {"sub":"ann","role":"admin","exp":9999999999}
                let parts = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbm4iLCJyb2xlIjoiYWRtaW4iLCJleHAiOjk5OTk5OTk5OTl9.";
                vec![("authorization", format!("Bearer {parts}"))]
            }
            Shown::BasicScheme => vec![("authorization", "Basic YWRtaW46YWRtaW4=".to_owned())],
            Shown::GoodKeyAndBadToken => {
                vec![("x-api-key", key(Role::Admin)), token("admin", 60, "another secret")]
            }
        }
    }

    /// The role it is worth; `None`: a 401 even on open routes.
    fn worth(self) -> Option<Option<Role>> {
        match self {
            Shown::Nothing => Some(None),
            Shown::Local => Some(Some(Role::Operator)),
            Shown::Key(role) | Shown::KeyAsBearer(role) | Shown::Token(role) => Some(Some(role)),
            _ => None,
        }
    }
}

async fn try_route(state: &Arc<State>, method: &Method, path: &str, shown: Shown) -> Answer {
    let uri = path.replace("{id}", "x").replace("{name}", "job");
    let mut request =
        if shown == Shown::Local { local(method.as_str(), &uri) } else { remote(method.as_str(), &uri) };
    for (name, value) in shown.headers() {
        request = request.header(name, value);
    }
    send(state, request.body(Body::empty()).unwrap()).await
}
