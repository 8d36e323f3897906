//! A failure as an answer. Every dialect carries the same facts: `detail`, `error` and `message` at once.

use super::once;
use crate::auth::Role;
use crate::seam::Failure;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What people look for in answers of this kind.
const TOO_OFTEN: &str = "Rate limit exceeded. Please try again later.";

/// Where a request has what is wrong with it, if not in its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Query,
    Path,
    Header,
}

impl Place {
    fn as_str(self) -> &'static str {
        match self {
            Place::Query => "query",
            Place::Path => "path",
            Place::Header => "header",
        }
    }
}

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refused {
    /// No credential, or a bad one.
    Unauthorized(&'static str),
    /// A good credential whose role is too low.
    RoleTooLow { has: Role, needs: Role },
    /// The client asks too often.
    TooOften { left_secs: u64 },
    /// The body is too large.
    TooLarge { max: usize },
    /// The body did not arrive in time.
    TooSlow,
    /// The request as a whole is garbled.
    BadRequest(String),
    /// All fields that have the wrong shape: name (empty: the body), what is wrong.
    Shape(Vec<(String, String)>),
    /// The same of a parameter outside the body.
    Parameter { place: Place, name: String, what: String },
    /// What the desk or a reader said.
    Failure(Failure),
    /// The route exists, not for this method.
    NoMethod,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        match failure {
            Failure::Shape { field, what } if field == once::HEADER => Refused::header(&field, what),
            Failure::Shape { field, what } => Refused::Shape(vec![(field, what)]),
            failure => Refused::Failure(failure),
        }
    }
}

impl Refused {
    /// A field of known shape with a value we do not take.
    pub(crate) fn value(field: &str, what: impl Into<String>) -> Refused {
        Refused::Failure(Failure::Value { field: field.to_owned(), what: what.into() })
    }

    /// A parameter of the query that has the wrong shape.
    pub(crate) fn query(name: &str, what: impl Into<String>) -> Refused {
        Refused::Parameter { place: Place::Query, name: name.to_owned(), what: what.into() }
    }

    /// A part of the path that has the wrong shape.
    pub(crate) fn path(name: &str, what: impl Into<String>) -> Refused {
        Refused::Parameter { place: Place::Path, name: name.to_owned(), what: what.into() }
    }

    /// A header that has the wrong shape.
    pub(crate) fn header(name: &str, what: impl Into<String>) -> Refused {
        Refused::Parameter { place: Place::Header, name: name.to_owned(), what: what.into() }
    }

    /// Its code.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refused::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Refused::RoleTooLow { .. } => StatusCode::FORBIDDEN,
            Refused::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refused::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refused::BadRequest(_) => StatusCode::BAD_REQUEST,
            Refused::Shape(_) | Refused::Parameter { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Refused::Failure(failure) => match failure {
                Failure::Shape { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                Failure::Value { .. } => StatusCode::BAD_REQUEST,
                Failure::Forbidden(_) => StatusCode::FORBIDDEN,
                Failure::NotFound(_) => StatusCode::NOT_FOUND,
                Failure::Conflict(_) => StatusCode::CONFLICT,
                Failure::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                Failure::Full(_) => StatusCode::TOO_MANY_REQUESTS,
                Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                Failure::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Refused::Unauthorized(_) => "unauthorized",
            Refused::RoleTooLow { .. } => "forbidden",
            Refused::TooOften { .. } => "rate_limit_exceeded",
            Refused::TooLarge { .. } => "payload_too_large",
            Refused::TooSlow => "body_timeout",
            Refused::BadRequest(_) => "bad_request",
            Refused::Shape(_) | Refused::Parameter { .. } => "validation_error",
            Refused::NoMethod => "method_not_allowed",
            Refused::Failure(failure) => match failure {
                Failure::Shape { .. } => "validation_error",
                Failure::Value { .. } => "invalid_value",
                Failure::Forbidden(_) => "forbidden",
                Failure::NotFound(_) => "not_found",
                Failure::Conflict(_) => "conflict",
                Failure::TooLarge(_) => "payload_too_large",
                Failure::Full(_) => "queue_full",
                Failure::Unavailable(_) => "unavailable",
                Failure::Internal(_) => "internal_error",
            },
        }
    }

    /// What the client is told. Of our own faults it is told only that there is one.
    pub(crate) fn message(&self) -> String {
        match self {
            Refused::Unauthorized(what) => (*what).to_owned(),
            Refused::RoleTooLow { has, needs } => {
                format!("role {} is needed, this credential has role {}", needs.as_str(), has.as_str())
            }
            Refused::TooOften { left_secs } => format!("{TOO_OFTEN} There is room in {left_secs} seconds."),
            Refused::TooLarge { max } => format!("the body is larger than {max} bytes"),
            Refused::TooSlow => "the body did not arrive in time".to_owned(),
            Refused::BadRequest(what) => what.clone(),
            Refused::Shape(problems) => problems
                .iter()
                .map(|(field, what)| if field.is_empty() { what.clone() } else { format!("{field}: {what}") })
                .collect::<Vec<_>>()
                .join("; "),
            Refused::Parameter { name, what, .. } => format!("{name}: {what}"),
            Refused::NoMethod => "method not allowed".to_owned(),
            Refused::Failure(Failure::Internal(_)) => "internal error; the log says more".to_owned(),
            Refused::Failure(Failure::Value { field, what }) if field.is_empty() => what.clone(),
            Refused::Failure(failure) => failure.to_string(),
        }
    }
}

/// What the edge needs to write the body of an error: it alone knows the request's id and the time.
#[derive(Debug, Clone)]
pub(crate) struct ErrorBody {
    pub kind: &'static str,
    pub message: String,
    pub detail: Value,
    pub max_size_bytes: Option<usize>,
    /// In how many seconds the client may ask again.
    pub retry_after: Option<u64>,
    /// The body is written already, in the dialect of the route.
    pub written: bool,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self.error_body());
        match &self {
            Refused::Unauthorized(_) => {
                set(&mut response, header::WWW_AUTHENTICATE, "Bearer");
            }
            Refused::TooOften { left_secs } => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*left_secs));
            }
            Refused::Failure(Failure::Full(_)) => set(&mut response, header::RETRY_AFTER, "1"),
            Refused::Failure(Failure::Unavailable(_)) => set(&mut response, header::RETRY_AFTER, "5"),
            _ => {}
        }
        response
    }
}

impl Refused {
    fn error_body(&self) -> ErrorBody {
        if let Refused::Failure(Failure::Internal(why)) = self {
            tracing::error!(event = "request_failed", "Request failed: {why}");
        }
        let message = self.message();
        let detail = match self {
            Refused::Shape(problems) => {
                problems.iter().map(|(field, what)| problem("body", field, what)).collect()
            }
            Refused::Parameter { place, name, what } => json!([problem(place.as_str(), name, what)]),
            Refused::TooOften { .. } => Value::from(TOO_OFTEN),
            _ => Value::from(message.clone()),
        };
        let max_size_bytes = match self {
            Refused::TooLarge { max } => Some(*max),
            _ => None,
        };
        let retry_after = match self {
            Refused::TooOften { left_secs } => Some(*left_secs),
            _ => None,
        };
        ErrorBody { kind: self.kind(), message, detail, max_size_bytes, retry_after, written: false }
    }

    /// An answer in Prometheus's envelope.
    pub(crate) fn into_prometheus(self) -> Response {
        let error_type = match self.status() {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            StatusCode::INTERNAL_SERVER_ERROR => "internal",
            _ => "bad_data",
        };
        let body = json!({"status": "error", "errorType": error_type, "error": self.message()});
        self.into_written(&body)
    }

    /// An answer as Alertmanager gives it: the message as one JSON string.
    pub(crate) fn into_alertmanager(self) -> Response {
        let body = Value::from(self.message());
        let mut response = self.into_written(&body);
        if response.status() == StatusCode::UNPROCESSABLE_ENTITY {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response
    }

    fn into_written(self, body: &Value) -> Response {
        let mut error = self.error_body();
        error.written = true;
        let mut response = (self.into_response().into_parts().0.status, axum::Json(body)).into_response();
        response.extensions_mut().insert(error);
        response
    }
}

/// What is wrong with a field; one without a name is the whole of its place.
fn problem(place: &str, field: &str, what: &str) -> Value {
    let place: Vec<&str> = [place].into_iter().chain((!field.is_empty()).then_some(field)).collect();
    json!({"loc": place, "msg": what, "type": "value_error"})
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
