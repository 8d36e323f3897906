//! What is taken and what is refused, with its place.

use super::*;
use serde_json::Value;
use std::path::Path;

#[derive(serde::Deserialize)]
struct File {
    #[serde(default)]
    global: GlobalConfig,
    #[serde(default)]
    receivers: Vec<ReceiverConfig>,
}

fn resolve(yaml: &str) -> (Receivers, Vec<Problem>) {
    let file: File = serde_saphyr::from_str(yaml).unwrap_or_else(|e| panic!("{e}: {yaml}"));
    let mut problems = Vec::new();
    let receivers = Receivers::resolve(&file.global, &file.receivers, Path::new("/etc/am"), &mut problems);
    (receivers, problems)
}

fn check(receivers: &str, expected: &[&str]) {
    let got: Vec<String> =
        resolve(&format!("receivers:\n{receivers}")).1.iter().map(ToString::to_string).collect();
    assert_eq!(got, expected, "{receivers}");
}

#[test]
fn shapes_and_files() {
    let (receivers, problems) = resolve(
        "receivers:
- name: b
  webhook_configs: [{url: 'http://h/'}, {url_file: u, send_resolved: false, http_config: {bearer_token_file: t}}]
  slack_configs: [{api_url: 'http://s/'}]
- name: a
  console_configs: [{}]
",
    );
    assert_eq!(problems, []);
    let shown: Vec<String> = receivers
        .shapes()
        .iter()
        .flat_map(|r| {
            r.integrations.iter().map(move |i| format!("{} {} {}", r.name, i.name, i.send_resolved))
        })
        .collect();
    assert_eq!(shown, ["b webhook[0] true", "b webhook[1] false", "b slack[0] false", "a console[0] true"]);
    assert_eq!(receivers.files(), [Path::new("/etc/am/u"), Path::new("/etc/am/t")]);
    assert_eq!(Receivers::console().shapes()[0].integrations[0].name, "console[0]");
}

#[test]
fn what_is_refused() {
    check(
        "- name: a\n  webhook_configs: [{}]",
        &["3:21: error: webhook_configs needs url or url_file; add one of them"],
    );
    check(
        "- name: a\n  webhook_configs: [{url: 'ftp://h/secret'}]",
        &["3:27: error: \"ftp://h\" is no URL: it must start with http:// or https://"],
    );
    check(
        "- name: a\n  webhook_configs: [{url: 'http://h/', url_file: x, timeout: 5}]",
        &[
            "3:50: error: url and url_file cannot both be set; keep one of them",
            "3:62: error: \"5\" is not a duration: a unit is missing; try a whole number with a unit, such as 30s, 5m or 1h30m",
        ],
    );
    check(
        "- name: a\n- name: a",
        &["3:9: error: two receivers are called \"a\"; give one of them another name"],
    );
    check(
        "- name: a\n  slack_configs: [{channel: '#x'}]",
        &[
            "3:19: error: slack_configs needs api_url, api_url_file, app_token or app_token_file; add one, or slack_api_url or slack_app_token under global",
        ],
    );
    check(
        "- name: a\n  opsgenie_configs: [{message: x}]",
        &["3:22: error: opsgenie_configs needs api_key or api_key_file; add one of them"],
    );
    assert!(serde_saphyr::from_str::<File>("receivers: [{name: a, webhok_configs: []}]").is_err());
}

/// Verdicts of Alertmanager's own loader, as far as they rest on `global` and `receivers` alone.
#[test]
fn conformance() {
    let Some(root) = std::env::var_os("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let dir = Path::new(&root).join("alertmanager/config");
    let index = std::fs::read_to_string(dir.join("index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let mut wrong = Vec::new();
    for case in index["files"].as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let text = std::fs::read_to_string(dir.join(file)).unwrap();
        let valid = case["valid"].as_bool().unwrap();
        let errors = match serde_saphyr::from_str::<File>(&text) {
            Ok(raw) => {
                let mut problems = Vec::new();
                Receivers::resolve(&raw.global, &raw.receivers, &dir, &mut problems);
                problems.retain(|p| p.level == model::Level::Error);
                problems.iter().map(ToString::to_string).collect()
            }
            Err(e) => vec![e.to_string()],
        };
        // The router's own mistakes are not seen here.
        let of_the_router = file.contains("inhibition");
        if errors.is_empty() != valid && !of_the_router {
            wrong.push(format!("{file}: {errors:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
