//! `/` in a real browser: what is wrong stands there without any script, and nothing is fetched from elsewhere.

mod support;

use serde_json::json;
use std::{process::Command, time::Duration};
use support::{Tocsin, eventually};

const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

#[test]
fn the_overview_shows_what_is_wrong_at_any_width() {
    let tocsin = Tocsin::start(&[], &[]);
    let alert = json!([{
        "labels": {"alertname": "DiskAlmostFull", "severity": "critical", "note": "<script>alert(1)</script>"},
        "annotations": {"summary": "three minutes left on /var"}
    }]);
    assert_eq!(tocsin.post("/api/v2/alerts", &alert).status, 200);
    eventually("the alert is there", Duration::from_secs(10), || {
        tocsin.get("/").body.contains("DiskAlmostFull").then_some(())
    });
    let page = tocsin.get("/").body;
    assert!(!page.contains("<script"), "no script, ours or anybody's");
    let outside = ["src=\"http", "href=\"http", "url(http", "@import"];
    assert!(outside.iter().all(|fetch| !page.contains(fetch)), "nothing is fetched from elsewhere");

    for size in ["390,844", "1280,900"] {
        let profile = tempfile::tempdir().expect("a directory");
        let shown = Command::new("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={size}"))
            .arg("--dump-dom")
            .arg(format!("{}/", tocsin.url))
            .output()
            .expect("chromium; ./test installs it");
        let dom = String::from_utf8_lossy(&shown.stdout);
        assert!(dom.contains("DiskAlmostFull") && dom.contains("three minutes left"), "{size}: {dom}");
    }
}
