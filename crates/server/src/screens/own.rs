//! The forms of screens where people act on no one thing that has a link of its own: silences, who is on call.
//!
//! Each carries a signed link of the screen's own, made for who looks at it: a form of another site can do nothing.

use super::layout::{Frame, page};
use crate::api::{Params, Refused};
use crate::auth::{Principal, Role};
use crate::links::{Act, Link};
use crate::seam::Failure;
use crate::state::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use model::Timestamp;
use std::time::Duration;

/// How long a form works.
const FORM_LIFE: Duration = Duration::from_secs(3600);
/// For how long things may be asked for.
const SPANS: [&str; 6] = ["30m", "1h", "4h", "12h", "1d", "1w"];

/// A screen whose forms act.
pub(super) struct Screen {
    pub(super) here: &'static str,
    pub(super) title: &'static str,
    pub(super) act: Act,
    /// What its links are about.
    pub(super) subject: &'static str,
}

/// What the forms of a screen carry for who looks at it.
pub(super) struct Own {
    here: &'static str,
    fields: Vec<(&'static str, String)>,
}

impl Screen {
    /// What the forms carry; nothing for those who only read.
    pub(super) fn own(&self, state: &State, principal: &Principal, now: Timestamp) -> Option<Own> {
        let links = state.links.as_ref().filter(|_| principal.role >= Role::Operator)?;
        let link = Link {
            act: self.act,
            subject: self.subject.to_owned(),
            revision: "1".to_owned(),
            recipient: principal.person().to_owned(),
            expires_at: now.plus(FORM_LIFE),
            number: "screen".to_owned(),
        };
        Some(Own { here: self.here, fields: links.fields(&link) })
    }

    /// Who sent a form of the screen, if it is one and still works.
    pub(super) fn sent_by(&self, state: &State, params: &Params, now: Timestamp) -> Option<String> {
        let link = state.links.as_ref()?.read(self.subject, |name| params.get(name), now).ok()?;
        (link.act == self.act).then_some(link.recipient)
    }

    /// What is said to who sent another.
    pub(super) fn too_old(&self, state: &State) -> Response {
        let why = "This form is too old, or not one of ours: open the screen anew.";
        self.refusal(state, StatusCode::BAD_REQUEST, why)
    }

    /// The screen again, or why nothing was done.
    pub(super) fn after(&self, state: &State, done: Result<(), Failure>) -> Result<Response, Refused> {
        let (status, why) = match done {
            Ok(()) => return Ok(Redirect::to(self.here).into_response()),
            Err(Failure::Conflict(why)) => (StatusCode::CONFLICT, why),
            Err(Failure::NotFound(why)) => (StatusCode::NOT_FOUND, why),
            Err(Failure::Full(why)) => (StatusCode::TOO_MANY_REQUESTS, why),
            Err(why @ Failure::Value { .. }) => (StatusCode::BAD_REQUEST, why.to_string()),
            Err(other) => return Err(other.into()),
        };
        Ok(self.refusal(state, status, &why))
    }

    pub(super) fn refusal(&self, state: &State, status: StatusCode, why: &str) -> Response {
        let content = html! {
            div.notice role="alert" { b { "Nothing was done. " } (why) }
            p.soft { a href=(self.here) { (self.title) } }
        };
        let frame = Frame { title: "Nothing was done", here: self.here, renew_secs: None };
        let mut response = page(state, &frame, &content);
        *response.status_mut() = status;
        response
    }
}

impl Own {
    /// A form with this in it; `class` for how it stands in its row.
    pub(super) fn form(&self, class: &str, content: &Markup) -> Markup {
        html! {
            form class=[Some(class).filter(|class| !class.is_empty())] method="post" action=(self.here) {
                @for (name, value) in &self.fields { input type="hidden" name=(name) value=(value); }
                (content)
            }
        }
    }
}

/// A choice of spans, named `for`.
pub(super) fn spans() -> Markup {
    html! {
        select name="for" aria-label="for how long" { @for span in SPANS { option selected[span == "1h"] { (span) } } }
    }
}
