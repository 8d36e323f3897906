//! What a tool may be, and what a caller may make of it.

use super::*;
use serde_json::json;

fn resolve(yaml: &str) -> (Tools, Vec<String>) {
    let raw: Vec<ToolConfig> = serde_saphyr::from_str(yaml).unwrap_or_else(|e| panic!("{e}: {yaml}"));
    let mut problems = Vec::new();
    let tools = Tools::resolve(&raw, &mut problems);
    (tools, problems.iter().map(ToString::to_string).collect())
}

fn refused(yaml: &str, expected: &str) {
    let (_, problems) = resolve(yaml);
    assert!(problems.iter().any(|p| p.contains(expected)), "{problems:?} lacks {expected:?} for {yaml}");
}

fn check(yaml: &str, args: Value, expected: Result<Value, &str>) {
    let (tools, problems) = resolve(yaml);
    assert!(problems.is_empty(), "{problems:?} for {yaml}");
    let Way::Uses(uses) = &tools.0[0].way else { panic!("{yaml} uses no action") };
    match (uses.arguments(&args), expected) {
        (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{yaml} {args}"),
        (Err(Trouble::Final(error)), Err(text)) => assert!(error.message.contains(text), "{}", error.message),
        (got, wanted) => panic!("got {got:?}, wanted {wanted:?} for {yaml} {args}"),
    }
}

#[test]
fn declarations_that_are_refused() {
    let argv =
        |argv: &str| format!("[{{name: t, uses: command, with: {{argv: {argv}}}, args: {{a: {{}}}}}}]");
    refused(&argv("['${args.a}']"), "a caller may not choose the program");
    refused(&argv("[ls, '--x=${args.a}']"), "must be a whole element of argv");
    refused(&argv("[ls, '${args.b}']"), "${args.b} is not declared under args");
    let with =
        |uses: &str, with: &str| format!("[{{name: t, uses: {uses}, with: {with}, args: {{a: {{}}}}}}]");
    refused(&with("sql", "{dsn: x, query: 'SELECT ${args.a}'}"), "a caller may not write SQL");
    refused(&with("redis", "{target: '${args.a}:6379'}"), "a caller may not choose the target");
    refused(&with("redis", "{target: 'h', args: 'GET ${args.a}'}"), "args must be a list");
    refused(&with("redis", "{target: 'h', args: ['${args.a}']}"), "a caller may not choose the command");
    refused(&with("http", "{url: 'https://${args.a}/x'}"), "a caller may not choose the host");
    refused(&with("http", "{url: 'https://h${args.a}'}"), "a caller may not choose the host");
    refused(&with("file", "{path: '${args.a}'}"), "a caller may not choose the directory");
    refused(&with("promql", "{query: 'up{a=\"${args.a}\"}'}"), "a caller may not write the expression");
    refused("[{name: Http, uses: noop, with: {}}]", "1:9: error: \"Http\" cannot be a tool's name");
    refused("[{name: http, uses: noop, with: {}}]", "is a built-in action");
    refused("[{name: a, uses: shell, with: {}}]", "there is no action \"shell\"; known: command, file");
    refused(
        "[{name: a, uses: noop, with: {}}, {name: a, uses: noop, with: {}}]",
        "two tools are called \"a\"",
    );
    refused("[{name: a, uses: noop, with: {}, timeout: soon}]", "\"soon\" is not a duration");
    refused(
        "[{name: a, uses: noop, with: {}, args: {n: {type: integer, default: x}}}]",
        "the default of n must be a integer",
    );
}

#[test]
fn arguments() {
    let tool = "[{name: t, uses: command, with: {argv: [du, '${args.dir}', '${args.n}']}, \
                args: {dir: {enum: [/tmp, /var]}, n: {type: integer, min: 1, max: 9, default: 3}}}]";
    check(tool, json!({ "dir": "/tmp" }), Ok(json!({ "argv": ["du", "/tmp", 3] })));
    check(tool, json!({ "dir": "/var", "n": 9 }), Ok(json!({ "argv": ["du", "/var", 9] })));
    check(tool, json!({}), Err("dir is missing"));
    check(tool, json!({ "dir": "/etc" }), Err("dir must be one of \"/tmp\", \"/var\""));
    check(tool, json!({ "dir": "/tmp", "n": 10 }), Err("n is out of its range"));
    check(tool, json!({ "dir": "/tmp", "n": "3" }), Err("n must be a integer"));
    check(tool, json!({ "dir": "/tmp", "x": 1 }), Err("t takes no argument \"x\""));
    check(tool, json!([]), Err("the arguments must be an object"));

    let text = |more: &str| {
        format!("[{{name: t, uses: command, with: {{argv: [ls, '${{args.a}}']}}, args: {{a: {{{more}}}}}}}]")
    };
    check(&text(""), json!({ "a": "; rm -rf /" }), Ok(json!({ "argv": ["ls", "; rm -rf /"] })));
    check(&text(""), json!({ "a": "-R" }), Err("a may not start with -"));
    check(&text("allow_dash: true"), json!({ "a": "-R" }), Ok(json!({ "argv": ["ls", "-R"] })));
    check(&text("max_length: 2"), json!({ "a": "abc" }), Err("a is longer than 2 bytes"));
    check(&text(""), json!({ "a": "x\0y" }), Err("a may not hold a zero byte"));
    check(&text(""), json!({ "a": true }), Err("a must be a string"));
}

#[test]
fn placeholders_inside_texts() {
    let http = "[{name: t, uses: http, with: {url: 'https://h/${args.id}?q=${args.id}'}, args: {id: {}}}]";
    check(
        http,
        json!({ "id": "../a b?c#d@e" }),
        Ok(json!({ "url": "https://h/%2E%2E%2Fa%20b%3Fc%23d%40e?q=%2E%2E%2Fa%20b%3Fc%23d%40e" })),
    );
    let file = "[{name: t, uses: file, with: {path: '/var/log/${args.app}.log'}, args: {app: {}}}]";
    check(file, json!({ "app": "web" }), Ok(json!({ "path": "/var/log/web.log" })));
    check(file, json!({ "app": "../secret" }), Err("app may not lead to another directory"));
    let sql = "[{name: t, uses: sql, with: {dsn: d, query: 'SELECT $1', params: ['${args.n}', 'a-${args.n}']}, args: {n: {type: number}}}]";
    check(
        sql,
        json!({ "n": 1.5 }),
        Ok(json!({ "dsn": "d", "query": "SELECT $1", "params": [1.5, "a-1.5"] })),
    );
}

#[tokio::test]
async fn tools_come_and_go_with_a_reload() {
    let client = reach::http::Client::new(reach::Policy::PUBLIC, Arc::default());
    let parts = crate::Parts { operator: client.clone(), public: client, evaluate: None };
    let actions = Actions::built_in(&parts);
    let before = actions.api_kinds();
    assert_eq!(before, ["http", "noop", "wait"]);
    let (tools, _) =
        resolve("[{name: hello, uses: noop, with: {greeting: '${args.who}'}, args: {who: {}}, timeout: 5s}]");
    actions.set_tools(&tools);
    assert_eq!(actions.api_kinds(), ["hello", "http", "noop", "wait"]);
    let attempt = Attempt {
        run_id: "r".to_owned(),
        token: tasks::AttemptToken::parse("000102030405060708090a0b0c0d0e0f").unwrap(),
        number: 1,
        args: json!({ "who": "you" }).into(),
        deadline: Duration::from_secs(9),
        checkpoint: None,
    };
    let outcome = actions.get("hello").unwrap().run(attempt).await;
    assert_eq!(outcome, tasks::Outcome::Done(json!({ "greeting": "you" })));
    actions.set_tools(&Tools::default());
    assert_eq!(actions.api_kinds(), before);
}

/// Answers every request with the next of `answers`; `hits` counts them.
fn server(answers: Vec<String>) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let hits = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = hits.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut asked) = (stream.unwrap(), vec![0; 65_536]);
            let n = stream.read(&mut asked).unwrap();
            let asked = String::from_utf8_lossy(&asked[..n]).into_owned();
            let at = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let answer = answers[at.min(answers.len() - 1)].clone();
            let body = asked.split("\r\n\r\n").nth(1).unwrap_or_default();
            let (status, text) = answer.split_once(' ').unwrap();
            let text = text.replace("ARGS", body);
            let length = text.len();
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
        }
    });
    (address, hits)
}

fn actions(yaml: &str) -> Actions {
    let client = reach::http::Client::new(reach::Policy::OPERATOR, Arc::default());
    let parts = crate::Parts { operator: client.clone(), public: client, evaluate: None };
    let actions = Actions::built_in(&parts);
    let (tools, problems) = resolve(yaml);
    assert!(problems.is_empty(), "{problems:?}");
    actions.set_tools(&tools);
    actions
}

async fn call(actions: &Actions, kind: &str, args: Value) -> Outcome {
    let attempt = Attempt {
        run_id: "r".to_owned(),
        token: tasks::AttemptToken::parse("000102030405060708090a0b0c0d0e0f").unwrap(),
        number: 1,
        args: args.into(),
        deadline: Duration::from_secs(9),
        checkpoint: None,
    };
    actions.get(kind).expect("the tool is declared").run(attempt).await
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(value) => format!("done {value}"),
        Outcome::Retry { error, .. } => format!("retry {}: {}", error.kind, error.message),
        Outcome::Snooze(wait) => format!("snooze {}", wait.as_secs_f64().ceil()),
        Outcome::Failed(error) => format!("failed {}: {}", error.kind, error.message),
    }
}

/// SEEDS.md 10 row 5: a pipeline's tools gave simulated results only. Ours are asked.
#[tokio::test]
async fn defect_5_tools_are_asked_not_simulated() {
    let (address, hits) = server(vec!["200 {\"got\": ARGS}".to_owned(), "200 plain".to_owned()]);
    let yaml = format!(
        "[{{address: weather-mcp.forecast, transport: http, endpoint: '{address}', headers: {{X-Key: k}}, \
          input_schema: {{type: object, required: [city]}}, output_schema: {{type: object}}}}]"
    );
    let actions = actions(&yaml);
    let kind = "weather-mcp.forecast";
    assert_eq!(
        words(&call(&actions, kind, json!({"city": "Iasi"})).await),
        "done {\"got\":{\"city\":\"Iasi\"}}"
    );
    let outcome = words(&call(&actions, kind, json!({})).await);
    assert_eq!(outcome, "failed bad_args: args: \"city\" is a required property");
    assert_eq!(hits.load(std::sync::atomic::Ordering::SeqCst), 1, "it is not asked with wrong arguments");
    let outcome = words(&call(&actions, kind, json!({"city": "Iasi"})).await);
    assert!(outcome.starts_with("failed bad_output: result: \"plain\" is not of type"), "{outcome}");
    let info = actions.catalogue().into_iter().find(|info| info.address == kind).unwrap();
    assert_eq!((info.transport, info.endpoint), ("http", format!("http://{address}/")));
    let mut figures = String::new();
    actions
        .circuits()
        .metrics(&mut |name, labels, value| figures.push_str(&format!("{name}{labels:?} {value}\n")));
    assert!(figures.contains("circuit_breaker_state[(\"name\", \"weather-mcp.forecast\")] 0\n"), "{figures}");
    assert!(figures.contains("(\"status_code\", \"200\")] 1\n"), "{figures}");
}

#[tokio::test]
async fn stdio_tools_read_a_line_and_write_a_line() {
    let script = r#"read line; case "$line" in
        *fine*) echo '{"id": 1, "result": {"ok": true}}' ;;
        *wrong*) echo '{"id": 1, "error": {"code": -32602, "message": "no such city"}}' ;;
        *busy*) echo '{"id": 1, "error": {"code": 5, "message": "busy"}}' ;;
        *) echo oops >&2; exit 3 ;; esac"#;
    let yaml = serde_json::to_string(
        &json!([{"name": "echo.test", "transport": "stdio", "argv": ["sh", "-c", script]}]),
    );
    let actions = actions(&yaml.unwrap());
    for (word, wanted) in [
        ("fine", "done {\"ok\":true}"),
        ("wrong", "failed tool_error: echo.test: no such city"),
        ("busy", "retry tool_error: echo.test: busy"),
        ("else", "retry bad_answer: echo.test ended with exit code 3 and no answer on its line: oops"),
    ] {
        assert_eq!(words(&call(&actions, "echo.test", json!({"word": word})).await), wanted, "{word}");
    }
}

#[tokio::test]
async fn an_open_breaker_snoozes_and_asks_nobody() {
    let (address, hits) = server(vec!["503 down".to_owned()]);
    let yaml = format!(
        "[{{name: mail, transport: http, endpoint: 'http://{address}/', breaker: {{failure_threshold: 2, recovery_timeout: 90s}}}}]"
    );
    let actions = actions(&yaml);
    for wanted in [
        "retry http_503: mail answered 503: down",
        "retry http_503: mail answered 503: down",
        "snooze 90",
        "snooze 90",
    ] {
        assert_eq!(words(&call(&actions, "mail", json!({})).await), wanted);
    }
    assert_eq!(hits.load(std::sync::atomic::Ordering::SeqCst), 2);
    // A reload does not make the other side well.
    let (tools, _) = resolve(&yaml);
    actions.set_tools(&tools);
    assert_eq!(words(&call(&actions, "mail", json!({})).await), "snooze 90");
}

#[test]
fn tools_elsewhere_that_are_refused() {
    refused("[{name: a, transport: smoke, endpoint: x}]", "unknown transport \"smoke\"; known: http, stdio");
    refused("[{name: a, transport: http}]", "needs an endpoint");
    refused("[{name: a, transport: stdio, argv: []}]", "needs argv");
    refused("[{name: a}]", "must have one of uses and transport");
    refused("[{name: a, uses: noop, transport: http, endpoint: x}]", "must have one of uses and transport");
    refused("[{name: a, transport: http, endpoint: 'ftp://x'}]", "ftp");
    refused("[{name: a, transport: http, endpoint: x, input_schema: {type: text}}]", "no JSON Schema");
    refused("[{name: operator.sql, transport: http, endpoint: x}]", "cannot be a tool's name");
    refused("[{name: a, transport: http, endpoint: x, timeout_seconds: 0}]", "timeout_seconds is 0");
    refused(
        "[{name: a, transport: http, endpoint: x, breaker: {failure_threshold: 0}}]",
        "failure_threshold is 0",
    );
}
