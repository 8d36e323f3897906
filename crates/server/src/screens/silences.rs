//! `/ui/silences`: what is silenced, by whom and why; and a form for another, which first shows what it would mute.

use super::layout::{Frame, page};
use super::own::{Own, Screen, spans};
use super::words::{age, plural};
use crate::api::{Params, Refused};
use crate::auth::Principal;
use crate::links::Act;
use crate::seam::Asked;
use crate::state::State;
use crate::views::{ReachView, SilenceTerms, SilenceView};
use axum::Extension;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use model::{Labels, Matcher, Timestamp, parse_duration};
use std::sync::Arc;

/// Silences that are shown; further ones are only counted.
const ROWS: usize = 200;
/// Alerts that the preview names.
const NAMED_MAX: usize = 20;
const TEXT_MAX: usize = 2_000;
const HERE: &str = "/ui/silences";
const SCREEN: Screen = Screen { here: HERE, title: "Silences", act: Act::Silence, subject: "silences" };

pub(crate) async fn silences(
    Given(state): Given<Arc<State>>,
    Extension(principal): Extension<Principal>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let now = state.clock.now();
    let mut kept = state.reads.monitoring.silences().await;
    kept.retain(|silence| silence.ends_at > now);
    kept.sort_by_key(|silence| (silence.starts_at > now, silence.ends_at));
    let own = SCREEN.own(&state, &principal, now);
    let filter = params.get("filter").map(str::to_owned);
    let preview = match &filter {
        Some(filter) => Some(preview(&state, filter).await?),
        None => None,
    };
    let content = html! {
        div.wide {
            section {
                h2 { "Silence" }
                div.panel {
                    form.ask method="get" action=(HERE) {
                        textarea name="filter" rows="2" required aria-label="matchers" placeholder="alertname=\"DiskAlmostFull\", instance=~\"db-.*\"" spellcheck="false" { (filter.as_deref().unwrap_or("")) }
                        span {} span {}
                        button { "What would it mute?" }
                    }
                    @if let (Some(filter), Some(preview)) = (&filter, &preview) { (asked(filter, preview, own.as_ref())) }
                }
            }
            section {
                h2 { "Silences" @if !kept.is_empty() { span.count { (kept.len()) } } }
                div.panel {
                    @if kept.is_empty() { p.none { "Nothing is silenced." } }
                    ul.rows { @for silence in kept.iter().take(ROWS) { (row(silence, own.as_ref(), now)) } }
                    @if kept.len() > ROWS { p.none { "and " (kept.len() - ROWS) " more" } }
                }
            }
        }
    };
    Ok(page(&state, &Frame { title: "Silences", here: HERE, renew_secs: None }, &content))
}

/// Makes a silence, or ends one.
pub(crate) async fn act(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let now = state.clock.now();
    let Some(by) = SCREEN.sent_by(&state, &params, now) else { return Ok(SCREEN.too_old(&state)) };
    let done = match params.get("expire") {
        Some(id) => state.desk.expire_silence(id.to_owned(), by).await,
        None => match new(&state, &params, by.clone(), now) {
            Ok(silence) => {
                let silent = Asked { once: None, answer: Box::new(|_: &String| (200, String::new())) };
                state.desk.put_silence(silence, by, silent).await.map(drop)
            }
            Err(why) => return Ok(SCREEN.refusal(&state, StatusCode::BAD_REQUEST, &why)),
        },
    };
    SCREEN.after(&state, done)
}

fn new(state: &State, params: &Params, by: String, now: Timestamp) -> Result<SilenceView, String> {
    let matchers = (state.reads.grammar.matchers)(params.get("filter").unwrap_or(""))?;
    let span = params.get("for").and_then(|text| parse_duration(text).ok()).filter(|span| !span.is_zero());
    let span = span.ok_or("Say for how long.")?;
    let comment = params.get("comment").map(str::trim).filter(|text| !text.is_empty());
    let comment = comment.ok_or("Say why: whoever finds it at night must know.")?;
    Ok(SilenceView {
        id: String::new(),
        matchers,
        starts_at: now,
        ends_at: now.plus(span),
        updated_at: now,
        created_by: by,
        comment: comment.chars().take(TEXT_MAX).collect(),
        annotations: Labels::empty(),
        terms: Some(SilenceTerms {
            until_resolved: params.get("until_resolved").is_some(),
            confirmed: params.get("confirm").is_some(),
            ..SilenceTerms::default()
        }),
        acts: false,
    })
}

/// What matchers would mute, or what is wrong with them.
async fn preview(state: &State, filter: &str) -> Result<Result<ReachView, String>, Refused> {
    match (state.reads.grammar.matchers)(filter) {
        Ok(matchers) if matchers.is_empty() => Ok(Err("at least one matcher is needed".to_owned())),
        Ok(matchers) => Ok(Ok(state.reads.incidents.reach(matchers).await?)),
        Err(why) => Ok(Err(why)),
    }
}

fn asked(filter: &str, preview: &Result<ReachView, String>, own: Option<&Own>) -> Markup {
    let reach = match preview {
        Ok(reach) => reach,
        Err(why) => return html! { div.notice role="alert" { (why) } },
    };
    html! {
        p.none {
            @if reach.alerts.is_empty() { "It would mute nothing now; " (plural(reach.firing, "alert")) " fire." }
            @else { "It would mute " b { (reach.alerts.len()) " of " (reach.firing) } " firing alerts now:" }
        }
        ul.rows {
            @for labels in reach.alerts.iter().take(NAMED_MAX) { li { span.dot.down {} span.what.mono { (labels) } } }
        }
        @if reach.alerts.len() > NAMED_MAX { p.none { "and " (reach.alerts.len() - NAMED_MAX) " more" } }
        @if let Some(own) = own {
            div.acts {
                (own.form("", &html! {
                    input type="hidden" name="filter" value=(filter);
                    (spans())
                    input type="text" name="comment" required maxlength=(TEXT_MAX) aria-label="why" placeholder="why";
                    label { input type="checkbox" name="until_resolved" value="1"; " ends when they have ended" }
                    @if reach.broad {
                        label { input type="checkbox" name="confirm" value="1" required; " this is very broad, and I mean it" }
                    }
                    button { "Silence" }
                }))
            }
        }
    }
}

fn row(silence: &SilenceView, own: Option<&Own>, now: Timestamp) -> Markup {
    let begins = silence.starts_at > now;
    let matchers: Vec<String> = silence.matchers.iter().map(Matcher::to_string).collect();
    let terms = silence.terms.clone().unwrap_or_default();
    html! {
        li {
            span class={ "dot " (if silence.acts { "due" } else { "" }) } {}
            span.what.mono { (matchers.join(", ")) }
            span.fig {
                @if begins { "in " (age(silence.starts_at.since(now))) }
                @else { (age(silence.ends_at.since(now))) " left" }
            }
            span.more {
                (silence.created_by) ": " (silence.comment)
                @if terms.until_resolved { " · ends when they have ended" }
                @if terms.maintenance { " · maintenance" }
                @for window in &terms.windows {
                    " · " (if window.weekdays.is_empty() { "daily".to_owned() } else { window.weekdays.join(", ") })
                    " " (window.start) "–" (window.end) " " (if window.zone.is_empty() { "UTC" } else { &window.zone })
                }
            }
            @if let Some(own) = own {
                span.more {
                    (own.form("inline", &html! {
                        input type="hidden" name="expire" value=(silence.id);
                        button.plain { "Expire" }
                    }))
                }
            }
        }
    }
}
