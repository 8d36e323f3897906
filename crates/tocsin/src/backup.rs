//! `tocsin backup`: a copy of the store (tasks, runs, alerts, silences, decisions), while the server runs or not.
//! Series are not in it.

use crate::cli;
use anyhow::{Context, Result, bail};
use std::process::ExitCode;
use store::Reader;

/// Copies what is committed by now into a new file that only its owner can read.
pub fn run(args: &cli::Backup) -> Result<ExitCode> {
    let dir = args.data_dir.clone().unwrap_or_else(|| "tocsin-data".into());
    let from = dir.join("tocsin.db");
    if !from.exists() {
        bail!("there is no store {}; name its directory with --data-dir", from.display());
    }
    Reader::open(&from).context("cannot open the store")?.backup(&args.out)?;
    println!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
