//! Tools that are programs of their own.
//!
//! Over http: a POST of the arguments to the endpoint; 2xx with the result as JSON (or as text). 408, 429 and 5xx
//! are worth another try. Over stdio: the program is started for each call, without a shell; it reads one line,
//! `{"jsonrpc": "2.0", "id", "method", "params"}`, and writes one, `{"id", "result"}` or
//! `{"id", "error": {"code", "message"}}`.

use super::ToolConfig;
use super::answer::{Answer, told};
use crate::args::Trouble;
use reach::command::{Program, run};
use reach::http::{Client, Request, Url};
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, path::PathBuf};
use tasks::Attempt;

#[derive(Debug)]
pub(super) enum Remote {
    Http { endpoint: String, headers: BTreeMap<String, String> },
    Stdio { argv: Vec<String>, env: BTreeMap<String, String>, dir: Option<PathBuf> },
}

/// The longest answer that is taken.
const ANSWER_BYTES_MAX: usize = 1 << 20;

impl Remote {
    pub(super) fn resolve(
        tool: &ToolConfig,
        transport: &Spanned<String>,
        fail: &mut dyn FnMut(Location, String, &str),
    ) -> Option<Remote> {
        let here = tool.name.referenced;
        if tool.with.is_some() || !tool.args.is_empty() {
            fail(here, "with and args belong to uses".to_owned(), "declare the arguments by input_schema");
        }
        match transport.value.as_str() {
            "http" => {
                let Some(endpoint) = &tool.endpoint else {
                    fail(
                        here,
                        "a tool over http needs an endpoint".to_owned(),
                        "write endpoint: http://HOST/",
                    );
                    return None;
                };
                let text = &endpoint.value;
                let url = if text.contains("://") { text.clone() } else { format!("http://{text}") };
                if let Err(why) = Request::post_json(&url, "") {
                    fail(endpoint.referenced, why.to_string(), "write one such as http://127.0.0.1:8085/");
                }
                if let Some(why) = tool.headers.iter().find_map(|(name, value)| {
                    Request::get("http://localhost/").and_then(|mut get| get.set_header(name, value)).err()
                }) {
                    fail(here, why.to_string(), "");
                }
                Some(Remote::Http { endpoint: url, headers: tool.headers.clone() })
            }
            "stdio" => {
                if tool.argv.first().is_none_or(String::is_empty) {
                    fail(
                        here,
                        "a tool over stdio needs argv".to_owned(),
                        "write argv: [PROGRAM, ARGUMENT...]",
                    );
                    return None;
                }
                let (argv, env, dir) = (tool.argv.clone(), tool.env.clone(), tool.dir.clone());
                Some(Remote::Stdio { argv, env, dir })
            }
            other => {
                fail(transport.referenced, format!("unknown transport {other:?}"), "known: http, stdio");
                None
            }
        }
    }

    pub(super) fn transport(&self) -> &'static str {
        match self {
            Remote::Http { .. } => "http",
            Remote::Stdio { .. } => "stdio",
        }
    }

    /// Where it is, without what must not be shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Remote::Http { endpoint, .. } => Url::parse(endpoint).map_or_else(
                |_| String::new(),
                |url| {
                    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
                    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
                },
            ),
            Remote::Stdio { argv, .. } => argv.first().cloned().unwrap_or_default(),
        }
    }

    pub(super) async fn ask(&self, tool: &str, client: &Client, attempt: &Attempt) -> Answer {
        let answer = match self {
            Remote::Http { endpoint, headers } => post(tool, endpoint, headers, client, attempt).await,
            Remote::Stdio { argv, env, dir } => talk(tool, argv, env, dir.as_ref(), attempt).await,
        };
        answer.unwrap_or_else(Answer::from)
    }
}

async fn post(
    tool: &str,
    endpoint: &str,
    headers: &BTreeMap<String, String>,
    client: &Client,
    attempt: &Attempt,
) -> Result<Answer, reach::Error> {
    let mut request = Request::post_json(endpoint, attempt.args.to_string())?;
    (request.timeout, request.body_max, request.redirects_max) = (attempt.deadline, ANSWER_BYTES_MAX, 0);
    request.set_header("Accept", "application/json")?;
    request.set_header("X-Tocsin-Tool", tool)?;
    // The run, not the attempt: another try must look the same to the other side.
    request.set_header("Idempotency-Key", &attempt.run_id)?;
    for (name, value) in headers {
        request.set_header(name, value)?;
    }
    let response = client.send(request).await?;
    let (status, code) = (response.status, response.status.to_string());
    if response.is_success() {
        let value = match response.body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&response.body)
                .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&response.body))),
        };
        return Ok(Answer::done(value, code));
    }
    let said = String::from_utf8_lossy(&response.body);
    let error = told(format!("http_{status}"), format!("{tool} answered {status}: {said}"));
    Ok(match status {
        408 | 429 | 500.. => Answer::failed(Trouble::Again(error, response.retry_after()), code),
        _ => Answer::refused(Trouble::Final(error), code),
    })
}

async fn talk(
    tool: &str,
    argv: &[String],
    env: &BTreeMap<String, String>,
    dir: Option<&PathBuf>,
    attempt: &Attempt,
) -> Result<Answer, reach::Error> {
    let asked = json!({"jsonrpc": "2.0", "id": attempt.run_id, "method": tool, "params": attempt.args});
    let ended = run(&Program {
        argv: argv.to_vec(),
        env: env.clone(),
        dir: dir.cloned(),
        stdin: format!("{asked}\n").into_bytes(),
        timeout: attempt.deadline,
        output_max: ANSWER_BYTES_MAX,
    })
    .await?;
    let line = ended.stdout.split(|byte| *byte == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(line) else {
        let how = ended.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        let said = String::from_utf8_lossy(&ended.stderr);
        let error = told("bad_answer", format!("{tool} ended with {how} and no answer on its line: {said}"));
        return Ok(Answer::failed(Trouble::Again(error, None), "no_answer"));
    };
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let code = error["code"].as_i64();
        let message = error["message"].as_str().map_or_else(|| error.to_string(), str::to_owned);
        let error = told("tool_error", format!("{tool}: {message}"));
        return Ok(match code {
            // The request as such is wrong: another try would be too.
            Some(-32_602..=-32_600) => Answer::refused(Trouble::Final(error), "refused"),
            _ => Answer::failed(Trouble::Again(error, None), "error"),
        });
    }
    Ok(Answer::done(answer.remove("result").unwrap_or(Value::Null), "ok"))
}
