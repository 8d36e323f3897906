//! The verbs that people and probes type, with and without a server: `init`, `health`, and `serve` with limits.

mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::Tocsin;

/// Exit code and standard output of a verb, typed in `dir`.
fn tocsin(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
    command.args(args).current_dir(dir).env("TOCSIN_DISCOVER", "off");
    command.env_remove("TOCSIN_SERVER").env_remove("TOCSIN_KEY");
    let done = command.output().expect("the program starts");
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn init_writes_a_file_that_check_passes_and_leaves_an_existing_one_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (code, said) = tocsin(dir.path(), &["init"]);
    assert_eq!(code, Some(0), "{said}");
    let written = std::fs::read_to_string(dir.path().join("tocsin.yml")).expect("the file");
    assert_eq!(tocsin(dir.path(), &["check", "--strict", "config", "tocsin.yml"]), (Some(0), String::new()));
    assert_eq!(tocsin(dir.path(), &["init"]).0, Some(1));
    assert_eq!(std::fs::read_to_string(dir.path().join("tocsin.yml")).expect("the file"), written);
}

#[test]
fn health_answers_with_and_without_a_server() {
    let server = Tocsin::start(&["--auth", "required"], &[]);
    let dir = server.dir.path();
    let health = |args: &[&str]| tocsin(dir, &[&["health", "--server", &server.url], args].concat());
    assert_eq!(health(&[]).0, Some(0));
    for (args, said) in [(&["--live"][..], "alive\n"), (&["--ready"], "ready\n")] {
        assert_eq!(health(args), (Some(0), said.to_owned()), "{args:?}");
    }
    let well = |args: &[&str], check: &str| {
        let (code, said) = health(&[args, &["--all", "--json"]].concat());
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(code, Some(i32::from(said["healthy"] != true)));
        assert_eq!(said["checks"].as_object().expect("checks").len(), 5);
        said["checks"][check]["healthy"] == true
    };
    assert!(!well(&[], "query_performance"), "the query asks for a key");
    assert!(well(&["--key", &server.key("user")], "query_performance"));
    std::os::unix::fs::symlink(dir.join("data"), dir.join("tocsin-data")).expect("a link");
    assert!(well(&[], "query_performance"), "the key of this machine is found");
    assert!(!well(&["--key", "forged"], "query_performance"), "a key that was given is the only one");

    let nobody = format!("http://127.0.0.1:{}", support::free_port());
    for args in [&["--json"][..], &["--all", "--json"]] {
        let (code, said) = tocsin(dir, &[&["health", "--server", &nobody], args].concat());
        assert_eq!(code, Some(1));
        assert!(serde_json::from_str::<Value>(&said).is_ok() && said.contains("refused"), "{said}");
    }
    assert_eq!(tocsin(dir, &["health", "--live", "--ready"]).0, Some(2), "one question at a time");
}

#[test]
fn a_limit_in_the_file_holds() {
    let mut server = Tocsin::prepare(&[], &[]);
    let file = server.dir.path().join("tocsin.yml");
    std::fs::write(&file, "limits: {query_samples_max: 2}\n").expect("our own directory");
    server.add_args(&["--config", file.to_str().expect("a plain path")]);
    server.start_again();
    let own = || server.query("count(tocsin_build_info)");
    support::eventually("our own series", std::time::Duration::from_secs(30), own);
    let reply = server.get("/api/v1/query?query=%7B__name__%3D~%22.%2B%22%7D");
    assert_eq!(reply.status, 422, "{}", reply.body);
    assert!(reply.body.contains("too many samples"), "{}", reply.body);
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
    command.args(["schedule", "next", "* * * * *", "--count", "100000"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    let done = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!((done.status.code(), said.as_ref()), (Some(141), ""));
}

#[test]
fn serve_says_where_it_listens_and_what_to_type() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
    command.args(["serve", "--listen", "0.0.0.0:0"]).current_dir(dir.path()).env("TOCSIN_DISCOVER", "off");
    command.env("ORCHESTRATOR_JWT_SECRET", "0123456789abcdef0123456789abcdef");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let said = BufReader::new(child.stdout.take().expect("piped"));
    let said: Vec<String> = said.lines().take(4).map(|line| line.expect("text")).collect();
    let port = said[1].rsplit(':').next().and_then(|rest| rest.trim_end_matches('/').parse::<u16>().ok());
    assert!(port.is_some_and(|port| port > 0), "{said:?}");
    assert!(said[2].contains("X-API-Key: KEY") && said[3].contains("KEY is what"), "{said:?}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn a_stop_does_not_wait_for_those_who_wait() {
    let mut server = Tocsin::start(&[], &[]);
    let task = server.post("/tasks", &json!({"kind": "noop", "delay_seconds": 600})).json();
    let url = format!("{}/tasks/{}?wait=60", server.url, task["id"].as_str().expect("an id"));
    let (begins, begun) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        begins.send(()).expect("the test listens");
        support::get(&url).map(|reply| reply.status)
    });
    begun.recv().expect("it begins");
    // By the time that a hundred others have their answers it is waiting.
    (0..100).for_each(|_| assert_eq!(server.get("/health").status, 200));
    let begun = Instant::now();
    assert_eq!(server.terminate(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(waiting.join().expect("no panic"), Some(200));
}
