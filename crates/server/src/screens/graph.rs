//! `/ui/graph`: one expression over a stretch of time. The links in alerts lead here (`g0.expr`, `g0.range_input`).

use super::chart::{chart, legend};
use super::layout::{Frame, page};
use crate::api::{Params, Refused, ask};
use crate::state::State;
use crate::views::{QueryValue, Range, RangeSeries};
use axum::extract::State as Given;
use axum::response::Response;
use maud::{Markup, html};
use model::{Timestamp, parse_duration};
use std::sync::Arc;
use std::time::Duration;

/// The stretches offered.
const SPANS: [&str; 7] = ["15m", "1h", "3h", "12h", "1d", "1w", "4w"];
const SPAN: &str = "1h";
const POINTS: u32 = 240;

pub(crate) async fn graph(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let expr = params.get("expr").or(params.get("g0.expr")).unwrap_or("").trim().to_owned();
    let asked_span = params.get("range").or(params.get("g0.range_input")).unwrap_or(SPAN);
    let span = parse_duration(asked_span).ok().filter(|span| !span.is_zero());
    let (asked_span, span) = span.map_or((SPAN, Duration::from_secs(3600)), |span| (asked_span, span));
    let now = state.clock.now();
    let content = html! {
        form.ask method="get" action="/ui/graph" {
            textarea name="expr" rows="2" aria-label="PromQL expression" placeholder="up" spellcheck="false" { (expr) }
            span {}
            select name="range" aria-label="stretch of time" {
                @if !SPANS.contains(&asked_span) { option selected { (asked_span) } }
                @for offered in SPANS { option selected[offered == asked_span] { (offered) } }
            }
            button { "Draw" }
        }
        @if !expr.is_empty() { (answer(&state, expr.clone(), now.minus(span), now).await) }
    };
    Ok(page(&state, &Frame { title: "Tocsin graph", here: "/ui/graph", renew_secs: None }, &content))
}

async fn answer(state: &State, query: String, from: Timestamp, to: Timestamp) -> Markup {
    let step = (to.since(from) / POINTS).max(Duration::from_secs(1));
    let timeout = state.limits.query_timeout;
    let asked = ask(state, timeout, move |series, timeout| {
        series.range(&Range { query, from, to, step, timeout, lookback: None })
    });
    match asked.await {
        Ok(answer) => {
            let series: Vec<RangeSeries> = match answer.value {
                QueryValue::Matrix(series) => series,
                _ => Vec::new(),
            };
            html! {
                @for warning in answer.warnings.iter().chain(&answer.infos) { div.notice { (warning) } }
                @if series.is_empty() { div.panel { p.none { "No series in this stretch of time." } } }
                @else {
                    figure.chart.panel { (chart(&series, from, to, step)) }
                    (legend(&series))
                }
            }
        }
        Err(failure) => html! { div.notice role="alert" { (failure) } },
    }
}
