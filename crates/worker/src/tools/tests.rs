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
    match (tools.0[0].arguments(&args), expected) {
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
        args: json!({ "who": "you" }),
        deadline: Duration::from_secs(9),
        checkpoint: None,
    };
    let outcome = actions.get("hello").unwrap().run(attempt).await;
    assert_eq!(outcome, tasks::Outcome::Done(json!({ "greeting": "you" })));
    actions.set_tools(&Tools::default());
    assert_eq!(actions.api_kinds(), before);
}
