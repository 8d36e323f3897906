//! The last lines of a file that an operator's file names.

use crate::args::{Args, Trouble, outcome};
use serde_json::{Value, json};
use std::path::PathBuf;
use tasks::{Action, Attempt, Running};

pub(super) struct File(pub String);

/// Unless `tail` is said.
const LINES: u64 = 10;
const LINES_MAX: u64 = 1000;
/// The most bytes read, whatever the lines.
const BYTES_MAX: usize = 64 << 10;

impl Action for File {
    fn kind(&self) -> &str {
        &self.0
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { outcome(read(&attempt.args.value()).await) })
    }
}

async fn read(args: &Value) -> Result<Value, Trouble> {
    let args = Args(args).only(&["path", "tail"])?;
    let path = PathBuf::from(args.need("path")?);
    let lines = args.number("tail", LINES, LINES_MAX)? as usize;
    let tail = reach::file::tail(&path, lines, BYTES_MAX).await?;
    let text = if tail.size == 0 { format!("{} is empty", path.display()) } else { tail.lines.join("\n") };
    let modified = tail.modified_secs.and_then(|secs| i64::try_from(secs).ok());
    Ok(json!({
        "path": path,
        "lines": tail.lines,
        "cut": tail.cut,
        "size": tail.size,
        "modified_at": modified.map(|secs| model::Timestamp::from_millis(secs.saturating_mul(1000)).rfc3339()),
        "text": text,
    }))
}
