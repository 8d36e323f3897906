//! When an approval is needed: because a typed task is of a kind that always needs one, or because whoever asks
//! for the work wishes it.

use crate::{Refusal, Urgency};
use model::{ApprovalWish, OnExpiry};
use serde_json::{Map, Value};
use std::time::Duration;

/// The most approvers that can be named.
const APPROVERS_MAX: usize = 50;
/// The longest an approval may wait.
const EXPIRES_MAX: f64 = 366.0 * 86_400.0;
/// Types that need an approval unless they are for another place than production.
const PRODUCTION_TYPES: [&str; 3] = ["deploy", "feature", "refactor"];

/// Why a typed task needs an approval; `None` if it needs none. `type_` is the canonical name.
pub fn gate_reason(type_: &str, urgency: Urgency, payload: &Value, metadata: &Value) -> Option<String> {
    let mut reasons = Vec::new();
    if urgency <= Urgency::P1 {
        reasons.push(format!("priority {}", urgency.as_str()));
    }
    if PRODUCTION_TYPES.contains(&type_) && is_production(&payload["environment"]) {
        reasons.push(format!("{type_} in production"));
    }
    if is_true(&metadata["feature_flag_change"]) {
        reasons.push("a feature flag changes".to_owned());
    }
    (!reasons.is_empty()).then(|| reasons.join(", "))
}

/// Only a text that names another place is another place.
fn is_production(environment: &Value) -> bool {
    environment.as_str().is_none_or(|name| name.trim().eq_ignore_ascii_case("production"))
}

/// As the languages that clients write see it.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Reads `{approvers?, quorum?, expires_seconds?, on_expiry?, reason?}`, or `true` for all defaults. `field` is
/// where it stands.
pub fn read_wish(value: &Value, field: &str) -> Result<Option<ApprovalWish>, Refusal> {
    let map = match value {
        Value::Null | Value::Bool(false) => return Ok(None),
        Value::Bool(true) => return Ok(Some(ApprovalWish::default())),
        Value::Object(map) => map,
        _ => return Err(Refusal::invalid(field, "must be an object, or true")),
    };
    const KEYS: [&str; 5] = ["approvers", "quorum", "expires_seconds", "on_expiry", "reason"];
    if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let what = format!("is not a key of an approval; known: {}", KEYS.join(", "));
        return Err(Refusal::invalid(format!("{field}.{key}"), what));
    }
    let approvers = read_approvers(map, field)?;
    let quorum = read_quorum(map, &approvers, field)?;
    let expires = match given(map, "expires_seconds") {
        None => None,
        Some(value) => match value.as_f64().filter(|secs| *secs > 0.0 && *secs <= EXPIRES_MAX) {
            Some(secs) => Some(Duration::from_secs_f64(secs)),
            None => {
                let what = format!("must be above 0 and at most {EXPIRES_MAX}");
                return Err(Refusal::invalid(format!("{field}.expires_seconds"), what));
            }
        },
    };
    let on_expiry =
        match given(map, "on_expiry") {
            None => None,
            Some(value) => Some(value.as_str().and_then(OnExpiry::parse).ok_or_else(|| {
                Refusal::invalid(format!("{field}.on_expiry"), "must be approve or reject")
            })?),
        };
    let reason = match given(map, "reason") {
        None => None,
        Some(Value::String(text)) if text.len() <= super::REASON_BYTES_MAX => Some(text.clone()),
        Some(_) => {
            let what = format!("must be a text of at most {} bytes", super::REASON_BYTES_MAX);
            return Err(Refusal::invalid(format!("{field}.reason"), what));
        }
    };
    Ok(Some(ApprovalWish { approvers, quorum, expires, on_expiry, reason }))
}

fn read_approvers(map: &Map<String, Value>, field: &str) -> Result<Vec<String>, Refusal> {
    let bad = || {
        let what = format!("must be a list of at most {APPROVERS_MAX} different names of 1 to 100 bytes");
        Refusal::invalid(format!("{field}.approvers"), what)
    };
    let Some(value) = given(map, "approvers") else { return Ok(Vec::new()) };
    let items = value.as_array().filter(|items| items.len() <= APPROVERS_MAX).ok_or_else(bad)?;
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let name = item.as_str().filter(|name| (1..=100).contains(&name.len())).ok_or_else(bad)?;
        if names.iter().any(|known| known == name) {
            return Err(bad());
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn read_quorum(map: &Map<String, Value>, approvers: &[String], field: &str) -> Result<Option<u32>, Refusal> {
    let Some(value) = given(map, "quorum") else { return Ok(None) };
    let most = if approvers.is_empty() { APPROVERS_MAX } else { approvers.len() };
    match value.as_u64().filter(|n| (1..=most as u64).contains(n)) {
        Some(n) => Ok(Some(n as u32)),
        None => {
            let what = format!("must be a whole number from 1 to {most}, the number of approvers");
            Err(Refusal::invalid(format!("{field}.quorum"), what))
        }
    }
}

fn given<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

/// As [`read_wish`] reads it.
pub fn wish_to_json(wish: &ApprovalWish) -> Value {
    let mut row = Map::new();
    if !wish.approvers.is_empty() {
        row.insert("approvers".to_owned(), wish.approvers.clone().into());
    }
    if let Some(quorum) = wish.quorum {
        row.insert("quorum".to_owned(), quorum.into());
    }
    if let Some(expires) = wish.expires {
        row.insert("expires_seconds".to_owned(), expires.as_secs_f64().into());
    }
    if let Some(on_expiry) = wish.on_expiry {
        row.insert("on_expiry".to_owned(), on_expiry.as_str().into());
    }
    if let Some(reason) = &wish.reason {
        row.insert("reason".to_owned(), reason.as_str().into());
    }
    Value::Object(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn which_typed_tasks_need_one() {
        let check = |type_: &str, urgency, payload: Value, metadata: Value, wanted: Option<&str>| {
            let found = gate_reason(type_, urgency, &payload, &metadata);
            assert_eq!(found.as_deref(), wanted, "{type_} {urgency:?} {payload} {metadata}");
        };
        use Urgency::*;
        check("bugfix", P0, json!({}), json!({}), Some("priority P0"));
        check("faq", P1, json!({}), json!({}), Some("priority P1"));
        check("bugfix", P2, json!({}), json!({}), None);
        check("deploy", P2, json!({}), json!({}), Some("deploy in production"));
        check("feature", P3, json!({"environment": "production"}), json!({}), Some("feature in production"));
        check(
            "refactor",
            P3,
            json!({"environment": " Production"}),
            json!({}),
            Some("refactor in production"),
        );
        check("deploy", P2, json!({"environment": null}), json!({}), Some("deploy in production"));
        check("deploy", P2, json!({"environment": ["staging"]}), json!({}), Some("deploy in production"));
        check("deploy", P2, json!({"environment": "staging"}), json!({}), None);
        check("deploy", P1, json!({"environment": "staging"}), json!({}), Some("priority P1"));
        check("faq", P3, json!({}), json!({"feature_flag_change": true}), Some("a feature flag changes"));
        check("faq", P3, json!({}), json!({"feature_flag_change": 1}), Some("a feature flag changes"));
        for no in [json!(false), json!(0), json!(""), json!(null), json!([]), json!({})] {
            check("faq", P3, json!({}), json!({"feature_flag_change": no}), None);
        }
    }

    #[test]
    fn a_wish_is_checked_and_survives_the_store() {
        let whole = json!({"approvers": ["ann", "bob"], "quorum": 2, "expires_seconds": 60.0,
            "on_expiry": "approve", "reason": "it costs money"});
        let wish = read_wish(&whole, "approval").unwrap().unwrap();
        assert_eq!(wish_to_json(&wish), whole);
        assert_eq!(read_wish(&json!(true), "approval"), Ok(Some(ApprovalWish::default())));
        for none in [json!(null), json!(false)] {
            assert_eq!(read_wish(&none, "approval"), Ok(None));
        }
        for (bad, field) in [
            (json!(1), "approval"),
            (json!({"who": "ann"}), "approval.who"),
            (json!({"approvers": "ann"}), "approval.approvers"),
            (json!({"approvers": ["ann", "ann"]}), "approval.approvers"),
            (json!({"approvers": [""]}), "approval.approvers"),
            (json!({"approvers": ["ann"], "quorum": 2}), "approval.quorum"),
            (json!({"quorum": 0}), "approval.quorum"),
            (json!({"quorum": 51}), "approval.quorum"),
            (json!({"expires_seconds": 0}), "approval.expires_seconds"),
            (json!({"on_expiry": "maybe"}), "approval.on_expiry"),
            (json!({"reason": 7}), "approval.reason"),
        ] {
            match read_wish(&bad, "approval") {
                Err(Refusal::Invalid { field: found, .. }) => assert_eq!(found, field, "{bad}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }
}
