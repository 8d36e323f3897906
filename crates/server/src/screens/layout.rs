//! The frame of every screen.

use crate::state::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
/// Our own mark, for the browser's tab.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath fill='%23c1902f' d='M12 2.5a1.6 1.6 0 0 0-1.6 1.6v.5C7.3 5.3 5 8 5 11.2c0 4-1.2 5.2-2 6.3h18c-.8-1.1-2-2.3-2-6.3 0-3.2-2.300-5.900-5.400-6.600v-.5A1.600 1.600 0 0 0 12 2.500zM9.500 19a2.500 2.500 0 0 0 5 0z'/%3E%3C/svg%3E";

/// How a screen is framed.
pub(super) struct Frame<'a> {
    /// What the browser's tab says.
    pub title: &'a str,
    /// Which entry of the navigation is here.
    pub here: &'a str,
    /// The screen asks for itself again after this many seconds.
    pub renew_secs: Option<u32>,
}

pub(super) fn page(state: &State, frame: &Frame<'_>, content: &Markup) -> Response {
    let entries = [
        ("/", "Overview"),
        ("/ui/incidents", "Incidents"),
        ("/ui/silences", "Silences"),
        ("/ui/on-call", "On call"),
        ("/ui/approvals", "Approvals"),
        ("/ui/graph", "Graph"),
        ("/docs", "API"),
    ];
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(secs) = frame.renew_secs { meta http-equiv="refresh" content=(secs); }
                title { (frame.title) }
                link rel="icon" href=(ICON);
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.top {
                    a.brand href="/" aria-label="Tocsin" { (bell()) span { "Tocsin" } }
                    nav {
                        @for (href, name) in entries {
                            a href=(href) aria-current=[(frame.here == href).then_some("page")] { (name) }
                        }
                    }
                }
                main { (content) }
                footer {
                    span { "Tocsin " (state.build.version) }
                    a href="/health" { "health" }
                    a href="/metrics" { "metrics" }
                    @if let Some(secs) = frame.renew_secs { span.faint { "renews itself every " (secs) " s" } }
                }
            }
        }
    };
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string()).into_response()
}

fn bell() -> Markup {
    html! {
        svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
            path fill="currentColor" d="M12 2.5a1.6 1.6 0 0 0-1.6 1.6v.5C7.3 5.3 5 8 5 11.2c0 4-1.2 5.2-2 6.3h18c-.8-1.1-2-2.3-2-6.3 0-3.2-2.3-5.9-5.4-6.6v-.5A1.6 1.6 0 0 0 12 2.5zM9.500 19a2.500 2.500 0 0 0 5 0z" {}
        }
    }
}
