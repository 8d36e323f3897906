//! `/docs` and `/redoc` in a real browser, without a network: the programs within ours draw the routes, and nothing
//! is asked of anybody else.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use support::Tocsin;

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--window-size=1280,2400",
];

/// Where every request that leaves this machine ends up: the first line of each.
fn trap() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let caught = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&caught);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap_or(0);
            let text = String::from_utf8_lossy(&head[..read]);
            into.lock().expect("no panic").push(text.lines().next().unwrap_or("").to_owned());
            let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        }
    });
    (address, caught)
}

/// What a browser does on its own account.
fn is_its_own(line: &str) -> bool {
    ["google.com", "googleapis.com", "gvt1.com", "gstatic.com"].iter().any(|host| line.contains(host))
}

#[test]
fn the_description_is_drawn_from_within() {
    let tocsin = Tocsin::start(&[], &[]);
    for (page, drawn, program) in [
        ("/docs", "opblock-summary-path", "/docs/assets/swagger-ui-bundle.js"),
        ("/redoc", "data-section-id", "/docs/assets/redoc.standalone.js"),
    ] {
        let (proxy, caught) = trap();
        let profile = tempfile::tempdir().expect("a directory");
        let shown = Command::new("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--proxy-server=http://{proxy}"))
            .args(["--virtual-time-budget=60000", "--timeout=60000", "--dump-dom"])
            .arg(format!("{}{page}", tocsin.url))
            .output()
            .expect("chromium; ./test installs it");
        let dom = String::from_utf8_lossy(&shown.stdout);
        let text: String = dom.chars().take(2_000).collect();
        assert!(dom.contains(drawn), "{page} draws nothing: {text}");
        for part in ["/v1/work", "Submit a task by kind", "Approvals"] {
            let after = dom.split(drawn).skip(1).any(|rest| rest.contains(part));
            assert!(after, "{page} does not show {part}: {text}");
        }
        let outside: Vec<String> =
            caught.lock().expect("no panic").iter().filter(|line| !is_its_own(line)).cloned().collect();
        assert_eq!(outside, Vec::<String>::new(), "{page} asked others");
        let reply = tocsin.get(program);
        assert_eq!(
            (reply.status, reply.body.len() > 500_000),
            (200, true),
            "{program} for who takes no gzip"
        );
    }
}

#[test]
fn these_pages_alone_allow_scripts() {
    let tocsin = Tocsin::start(&[], &[]);
    for (path, allows) in
        [("/docs", true), ("/redoc", true), ("/", false), ("/ui/approvals", false), ("/stats", false)]
    {
        let reply = tocsin.get(path);
        let policy = reply.headers["content-security-policy"].to_str().expect("a text").to_owned();
        assert_eq!(policy.contains("script-src 'self'"), allows, "{path}: {policy}");
        assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-eval"), "{path}: {policy}");
    }
    let page = tocsin.get("/docs").body;
    let plain = page.split("<noscript>").nth(1).expect("a part for who has no script");
    assert!(plain.contains("/v1/work") && plain.contains("Submit a task by kind"));
    let outside = ["src=\"http", "href=\"http", "url(http", "@import"];
    assert!(outside.iter().all(|fetch| !page.contains(fetch)), "nothing is fetched from elsewhere");
    assert_eq!(tocsin.get("/docs/assets/none.js").status, 404);
}
