//! The worker protocol's vectors (`tests/protocol`), against a real server.

mod support;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Reply, Tocsin, request, root};

/// Vectors that run side by side: most of the time they wait.
const THREADS: usize = 8;

/// Where requests go, and as whom.
struct Server {
    url: String,
    keys: Value,
    _own: Option<Tocsin>,
}

impl Server {
    fn start() -> Server {
        if let (Ok(url), Ok(keys)) = (std::env::var("TOCSIN_SERVER"), std::env::var("TOCSIN_KEYS")) {
            let keys = std::fs::read_to_string(keys).expect("the file of keys");
            return Server { url, keys: serde_json::from_str(&keys).expect("keys as JSON"), _own: None };
        }
        let mut tocsin = Tocsin::prepare(&[], &[("WORKER_LEASE_SECONDS", "2".to_owned())]);
        let config = tocsin.dir.path().join("tocsin.yml");
        std::fs::write(&config, "workers: {slots: 0}\n").expect("our own directory");
        tocsin.add_args(&["--config", config.to_str().expect("a plain path")]);
        tocsin.start_again();
        let key = |role: &str| tocsin.key(role);
        let keys = json!({"agent": key("agent"), "user": key("user"), "operator": key("operator")});
        Server { url: tocsin.url.clone(), keys, _own: Some(tocsin) }
    }

    fn ask(&self, step: &Value) -> Reply {
        let text = |key: &str| step[key].as_str().unwrap_or_default();
        let forged = "0".repeat(64);
        let key = self.keys[text("as")].as_str().unwrap_or(&forged);
        let body = match (&step["raw"], &step["body"]) {
            (Value::String(raw), _) => raw.clone(),
            (_, Value::Null) => String::new(),
            (_, body) => body.to_string(),
        };
        let headers = [("content-type", "application/json"), ("x-api-key", key)];
        request(text("method"), &format!("{}{}", self.url, text("path")), &headers, &body).expect("an answer")
    }
}

/// `$NAME` in every text, keys too, as what it stands for.
fn filled(value: &Value, names: &BTreeMap<String, String>) -> Value {
    let text = |text: &str| {
        // The longest name first: $T2 is not $T and a 2.
        names.iter().rev().fold(text.to_owned(), |text, (name, with)| text.replace(&format!("${name}"), with))
    };
    match value {
        Value::String(one) => Value::String(text(one)),
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, item)| (text(key), filled(item, names))).collect())
        }
        other => other.clone(),
    }
}

fn pass(server: &Server, vector: &Value, at: usize) -> Result<(), String> {
    let unique = format!("v{}-{at}", std::process::id());
    let mut names = BTreeMap::from([("U".to_owned(), unique)]);
    for (i, step) in vector["steps"].as_array().expect("steps").iter().enumerate() {
        let step = filled(step, &names);
        let reply = server.ask(&step);
        let fail =
            |what: String| Err(format!("step {i}: {what}\n    {step}\n    {} {}", reply.status, reply.body));
        let expect = &step["expect"];
        if expect["status"] != reply.status {
            return fail(format!("wanted status {}", expect["status"]));
        }
        if !reply.body.contains(expect["says"].as_str().unwrap_or_default()) {
            return fail(format!("wanted {} in the body", expect["says"]));
        }
        let body: Value = serde_json::from_str(&reply.body).unwrap_or(Value::Null);
        let found = |pointer: &str| body.pointer(pointer).cloned().unwrap_or(Value::Null);
        for (pointer, wanted) in expect["at"].as_object().into_iter().flatten() {
            let found = found(pointer);
            let fits = match wanted["type"].as_str() {
                Some("string") => found.is_string(),
                Some("number") => found.is_number(),
                _ => found == *wanted,
            };
            if !fits {
                return fail(format!("{pointer} is {found}, wanted {wanted}"));
            }
        }
        for (pointer, wanted) in expect["length"].as_object().into_iter().flatten() {
            let length = found(pointer).as_array().map(Vec::len);
            if length.map(Value::from).as_ref() != Some(wanted) {
                return fail(format!("{pointer} has {length:?} items, wanted {wanted}"));
            }
        }
        for (name, pointer) in expect["capture"].as_object().into_iter().flatten() {
            let Some(Value::String(text)) = pointer.as_str().map(found) else {
                return fail(format!("nothing to call {name} at {pointer}"));
            };
            names.insert(name.clone(), text);
        }
    }
    Ok(())
}

#[test]
fn every_vector_of_the_worker_protocol_passes() {
    let mut vectors: Vec<(String, Value)> = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/protocol")).expect("the vectors") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let text = std::fs::read_to_string(&path).expect("a file of vectors");
            let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let list: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{file}: {why}"));
            vectors.extend(list.into_iter().map(|vector| (file.clone(), vector)));
        }
    }
    assert!(vectors.len() >= 80, "{} vectors", vectors.len());
    let (server, next) = (Server::start(), AtomicUsize::new(0));
    let work = || {
        let mut failed = Vec::new();
        while let Some((file, vector)) = {
            let at = next.fetch_add(1, Ordering::SeqCst);
            vectors.get(at)
        } {
            let at = vectors.iter().position(|(_, other)| std::ptr::eq(other, vector)).unwrap_or_default();
            if let Err(why) = pass(&server, vector, at) {
                failed.push(format!("{file}: {}: {why}", vector["name"]));
            }
        }
        failed
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread of vectors")).collect()
    });
    println!("TOTAL: {} passed, {} failed, 0 skipped", vectors.len() - failed.len(), failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
