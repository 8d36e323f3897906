//! Runs a program that an operator's file names: arguments as they are, never a shell.

use super::millis;
use crate::args::{Args, Trouble, outcome};
use reach::command::{Program, run};
use serde_json::{Value, json};
use tasks::{Action, Attempt, Running};

pub(super) struct Command(pub String);

/// The most kept of each output.
const OUTPUT_MAX: usize = 64 << 10;

impl Action for Command {
    fn kind(&self) -> &str {
        &self.0
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { outcome(execute(&attempt).await) })
    }
}

async fn execute(attempt: &Attempt) -> Result<Value, Trouble> {
    let given = attempt.args.value();
    let args = Args(&given).only(&["argv", "env", "dir", "stdin"])?;
    let argv = match args.get("argv") {
        Some(Value::Array(_)) => args.words("argv")?,
        _ => return Err(Trouble::args("argv must be a list: the program and its arguments")),
    };
    if argv.first().is_none_or(String::is_empty) {
        return Err(Trouble::args("argv is empty"));
    }
    let program = Program {
        argv,
        env: args.pairs("env")?.into_iter().collect(),
        dir: args.text("dir")?.map(Into::into),
        stdin: args.text("stdin")?.unwrap_or_default().into_bytes(),
        timeout: attempt.deadline,
        output_max: OUTPUT_MAX,
    };
    let ended = run(&program).await?;
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    if ended.code != Some(0) {
        let how = match (ended.code, ended.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "an unknown end".to_owned(),
        };
        let said = if stderr.trim().is_empty() { stdout.trim() } else { stderr.trim() };
        let from = said.char_indices().rev().nth(499).map_or(0, |(at, _)| at);
        return Err(Trouble::again(
            "exit_code",
            format!("{} ended with {how}: {}", program.argv[0], &said[from..]),
        ));
    }
    Ok(json!({
        "code": 0,
        "stdout": stdout,
        "stderr": stderr,
        "cut": ended.cut,
        "took_ms": millis(ended.took),
        "text": stdout.trim_end(),
    }))
}
