//! `targets`.

use super::json::{instant_or_never, label_object, seconds};
use super::{Error, success};
use crate::api::{Params, Refused};
use crate::state::State;
use crate::views::TargetView;
use axum::extract::State as Given;
use axum::response::Response;
use model::format_duration;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn targets(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let params = params?;
    let (active, dropped) = match params.get("state").unwrap_or("any").to_lowercase().as_str() {
        "active" => (true, false),
        "dropped" => (false, true),
        "any" => (true, true),
        other => return Err(Error::parameter("state", format!("{other:?} is not active, dropped or any"))),
    };
    let pool = params.get("scrapePool");
    let mut shown = Vec::new();
    if active {
        let targets = state.reads.monitoring.targets().await;
        shown =
            targets.iter().filter(|t| pool.is_none_or(|pool| t.scrape_pool == pool)).map(target).collect();
    }
    let mut gone: Vec<Value> = Vec::new();
    if dropped {
        let labels = state.reads.monitoring.targets_dropped().await;
        let wanted = labels.iter().filter(|l| pool.is_none_or(|pool| l.get("job") == Some(pool)));
        gone = wanted
            .map(|l| json!({"discoveredLabels": label_object(l), "scrapePool": l.get("job").unwrap_or("")}))
            .collect();
    }
    let counts = state.reads.monitoring.targets_dropped_counts().await;
    Ok(success(&json!({"activeTargets": shown, "droppedTargets": gone, "droppedTargetCounts": counts})))
}

fn target(target: &TargetView) -> Value {
    json!({
        "discoveredLabels": label_object(&target.discovered),
        "labels": label_object(&target.labels),
        "scrapePool": target.scrape_pool,
        "scrapeUrl": target.scrape_url,
        "globalUrl": target.global_url,
        "lastError": target.last_error,
        "lastScrape": instant_or_never(target.last_scrape),
        "lastScrapeDuration": seconds(target.last_duration),
        "health": target.health.as_str(),
        "scrapeInterval": format_duration(target.interval),
        "scrapeTimeout": format_duration(target.timeout),
    })
}
