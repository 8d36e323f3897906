//! What exactly is approved, as one name: SHA-256 over everything that a worker would be handed.

use crate::{RunId, TaskId};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The name of what would be done; any other work, run, step, agent or argument has another. The order of an
/// object's keys does not count. The number of edits does: back to the first words is another subject, whose votes
/// are yet to come.
pub fn subject_hash(
    task_id: TaskId,
    run_id: RunId,
    kind: &str,
    agent: Option<&str>,
    step: Option<&str>,
    edits: u32,
    payload: &Value,
) -> String {
    let mut hash = Sha256::new();
    for part in [&*task_id.text(), &*run_id.text(), kind] {
        text(&mut hash, b's', part);
    }
    for part in [agent, step] {
        match part {
            Some(part) => text(&mut hash, b's', part),
            None => hash.update(b"-"),
        }
    }
    hash.update(edits.to_le_bytes());
    value(&mut hash, payload);
    HEXLOWER.encode(&hash.finalize())
}

/// Tagged and with its length before it, so that no two lists of parts look the same.
fn text(hash: &mut Sha256, tag: u8, text: &str) {
    hash.update([tag]);
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

fn value(hash: &mut Sha256, of: &Value) {
    match of {
        Value::Null => hash.update(b"n"),
        Value::Bool(on) => hash.update(if *on { b"t" } else { b"f" }),
        Value::Number(number) => text(hash, b'#', &number.to_string()),
        Value::String(one) => text(hash, b's', one),
        Value::Array(items) => {
            hash.update(b"[");
            hash.update((items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| value(hash, item));
        }
        Value::Object(map) => {
            hash.update(b"{");
            hash.update((map.len() as u64).to_le_bytes());
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, item) in entries {
                text(hash, b's', key);
                value(hash, item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_subject_has_another_name() {
        let id = |text| TaskId::parse(text).unwrap();
        let run = |text| RunId::parse(text).unwrap();
        let (one, two) = ("00000000000000000000000000000001", "00000000000000000000000000000002");
        let of = |task, of_run, kind, agent, step, payload| {
            subject_hash(id(task), run(of_run), kind, agent, step, 0, &payload)
        };
        let first = of(one, one, "deploy", Some("ops"), None, json!({"a": 1, "b": [null]}));
        assert_eq!(first, of(one, one, "deploy", Some("ops"), None, json!({"b": [null], "a": 1})));
        for other in [
            of(two, one, "deploy", Some("ops"), None, json!({"a": 1, "b": [null]})),
            of(one, two, "deploy", Some("ops"), None, json!({"a": 1, "b": [null]})),
            of(one, one, "deplo", Some("yops"), None, json!({"a": 1, "b": [null]})),
            of(one, one, "deploy", None, Some("ops"), json!({"a": 1, "b": [null]})),
            of(one, one, "deploy", Some("ops"), None, json!({"a": "1", "b": [null]})),
            of(one, one, "deploy", Some("ops"), None, json!({"a": 1, "b": []})),
        ] {
            assert_ne!(first, other);
        }
    }
}
