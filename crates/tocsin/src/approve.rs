//! `tocsin approve`: what waits for an approval, and a decision on one.

use crate::{
    cli,
    client::{Client, LocalKey, block_on},
    terminal::text,
};
use anyhow::{Result, bail};
use serde_json::json;
use std::process::ExitCode;

/// Lists, approves or rejects.
pub fn run(args: &cli::Approve) -> Result<ExitCode> {
    block_on(async {
        let client = Client::new(&args.remote, LocalKey::Operator);
        match (&args.id, args.list) {
            (_, true) => list(&client, args.remote.json).await,
            (Some(id), false) => decide(&client, id, args).await,
            (None, false) => bail!("say which: tocsin approve ID, or tocsin approve --list"),
        }
    })
}

async fn list(client: &Client, as_json: bool) -> Result<ExitCode> {
    let found = client.get("/approvals/pending").await?.done()?;
    if as_json {
        println!("{found}");
        return Ok(ExitCode::SUCCESS);
    }
    let approvals = found["approvals"].as_array().map(Vec::as_slice).unwrap_or_default();
    if approvals.is_empty() {
        println!("nothing waits for an approval");
    }
    for approval in approvals {
        println!(
            "{}  {} {}  asked by {}  {} of {} votes, until {}\n    {}\n    {}",
            text(&approval["approval_id"]),
            text(&approval["priority"]),
            text(&approval["task_type"]),
            text(&approval["requested_by"]),
            approval["approvals"],
            approval["quorum"],
            text(&approval["expires_at"]),
            text(&approval["reason"]),
            approval["payload"],
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn decide(client: &Client, id: &str, args: &cli::Approve) -> Result<ExitCode> {
    let id = if id.starts_with("approval_") { id.to_owned() } else { format!("approval_{id}") };
    let verb = if args.reject { "reject" } else { "approve" };
    let body = json!({"reason": args.reason});
    let said = client.post(&format!("/approvals/{id}/{verb}"), &body).await?.done()?;
    match args.remote.json {
        true => println!("{said}"),
        false => println!("{}", text(&said["message"])),
    }
    Ok(ExitCode::SUCCESS)
}
