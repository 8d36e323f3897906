//! The data of notification templates: from a page, from JSON, and back to JSON.
//!
//! JSON carries the field names of Alertmanager's template data (`Status`, `Alerts`, `GroupLabels`, ...); what
//! is missing has Go's zero value. `toJson` writes the names of its JSON form.

use crate::time;
use crate::value::{ListKind, MapKind, Value};
use model::{Alert, Labels, Page, Timestamp};
use serde_json::{Map, Value as Json, json};

/// A page as template data.
pub fn page_data(page: &Page) -> Json {
    json!({
        "Receiver": quote_meta(&page.receiver),
        "Status": page.status.as_str(),
        "Alerts": page.alerts.iter().map(|alert| alert_data(alert, page.at)).collect::<Vec<_>>(),
        "GroupLabels": labels_data(&page.group_labels),
        "CommonLabels": labels_data(&page.common_labels()),
        "CommonAnnotations": labels_data(&page.common_annotations()),
        "RouteLabels": labels_data(&page.route_labels),
        "NotificationReason": page.reason.as_str(),
        "ExternalURL": page.external_url,
    })
}

fn alert_data(alert: &Alert, at: Timestamp) -> Json {
    json!({
        "Status": if alert.is_resolved(at) { "resolved" } else { "firing" },
        "Labels": labels_data(&alert.labels),
        "Annotations": labels_data(&alert.annotations),
        "StartsAt": alert.starts_at.rfc3339(),
        "EndsAt": alert.ends_at.filter(|end| *end <= at).map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Timestamp::rfc3339),
        "GeneratorURL": &*alert.generator_url,
        "Fingerprint": format!("{:016x}", alert.labels.fingerprint()),
    })
}

fn labels_data(labels: &Labels) -> Json {
    labels.iter().map(|(name, value)| (name.to_owned(), Json::from(value))).collect()
}

/// Upstream hands the receiver to templates as a regular expression that matches it.
fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

const DATA_TEXTS: [(&str, &str); 4] = [
    ("Receiver", "receiver"),
    ("Status", "status"),
    ("ExternalURL", "externalURL"),
    ("NotificationReason", "notificationReason"),
];
const DATA_LABELS: [(&str, &str); 4] = [
    ("GroupLabels", "groupLabels"),
    ("CommonLabels", "commonLabels"),
    ("CommonAnnotations", "commonAnnotations"),
    ("RouteLabels", "routeLabels"),
];

/// The data of a notification template. An object is the page, anything else as it is.
pub(crate) fn from_page_json(json: &Json) -> Value {
    let Some(object) = json.as_object() else { return from_json(json) };
    let mut fields: Vec<(String, Value)> = Vec::new();
    for (name, _) in DATA_TEXTS {
        fields.push((name.to_owned(), text_field(object, name)));
    }
    for (name, _) in DATA_LABELS {
        fields.push((name.to_owned(), labels_field(object, name)));
    }
    let alerts = object.get("Alerts").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    fields.push(("Alerts".to_owned(), Value::list(ListKind::Alerts, alerts.iter().map(alert).collect())));
    for (name, json) in object {
        if !fields.iter().any(|(known, _)| known == name) {
            fields.push((name.clone(), from_json(json)));
        }
    }
    Value::map(MapKind::Struct("*template.Data"), fields)
}

fn alert(json: &Json) -> Value {
    let empty = Map::new();
    let object = json.as_object().unwrap_or(&empty);
    let instant = |name: &str| {
        let text = object.get(name).and_then(Json::as_str).unwrap_or_default();
        let read = time::parse("2006-01-02T15:04:05Z07:00", text).unwrap_or_else(|_| time::zero());
        (name.to_owned(), Value::Time(Box::new(read)))
    };
    let mut fields = vec![instant("StartsAt"), instant("EndsAt")];
    for name in ["Status", "GeneratorURL", "Fingerprint"] {
        fields.push((name.to_owned(), text_field(object, name)));
    }
    for name in ["Labels", "Annotations"] {
        fields.push((name.to_owned(), labels_field(object, name)));
    }
    Value::map(MapKind::Struct("template.Alert"), fields)
}

fn text_field(object: &Map<String, Json>, name: &str) -> Value {
    Value::text(object.get(name).and_then(Json::as_str).unwrap_or_default())
}

fn labels_field(object: &Map<String, Json>, name: &str) -> Value {
    let Some(labels) = object.get(name).and_then(Json::as_object) else {
        return Value::labels(MapKind::NilKv, []);
    };
    Value::labels(
        MapKind::Kv,
        labels.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())),
    )
}

/// Any JSON as a template value.
pub(crate) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => Value::Int(n),
            (None, Some(n)) => Value::Uint(n),
            (None, None) => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::text(text),
        Json::Array(items) if items.iter().all(Json::is_string) && !items.is_empty() => {
            Value::strings(items.iter().filter_map(Json::as_str))
        }
        Json::Array(items) => Value::list(ListKind::Any, items.iter().map(from_json).collect()),
        Json::Object(pairs) => {
            Value::map(MapKind::Any, pairs.iter().map(|(name, value)| (name.clone(), from_json(value))))
        }
    }
}

/// A value as `toJson` writes it.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(b) => Json::from(*b),
        Value::Int(n) | Value::Duration(n) => Json::from(*n),
        Value::Uint(n) => Json::from(*n),
        Value::Float(n) if n.fract() == 0.0 && n.abs() < 1e15 => Json::from(*n as i64),
        Value::Float(n) => Json::from(*n),
        Value::Text(text) | Value::Safe(_, text) => Json::from(&**text),
        Value::Time(at) => Json::from(time::rfc3339(at)),
        Value::List(_, items) => items.iter().map(to_json).collect(),
        Value::Map(MapKind::NilKv, _) => Json::Null,
        Value::Map(MapKind::Struct("template.Alert"), fields) => {
            let part = |name: &str| fields.get(name).map_or(Json::Null, to_json);
            json!({
                "status": part("Status"), "labels": part("Labels"), "annotations": part("Annotations"),
                "startsAt": part("StartsAt"), "endsAt": part("EndsAt"),
                "generatorURL": part("GeneratorURL"), "fingerprint": part("Fingerprint"),
            })
        }
        Value::Map(MapKind::Struct("*template.Data"), fields) => {
            let part = |name: &str| fields.get(name).map_or(Json::Null, to_json);
            let mut object =
                json!({"receiver": part("Receiver"), "status": part("Status"), "alerts": part("Alerts")});
            for (name, written) in DATA_LABELS {
                object[written] = part(name);
            }
            object["externalURL"] = part("ExternalURL");
            object
        }
        Value::Map(_, pairs) => pairs.iter().map(|(name, value)| (name.clone(), to_json(value))).collect(),
    }
}
