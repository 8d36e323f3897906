//! `tocsin serve`: everything in one process, wired together, started and stopped in order.
//!
//! Start: configuration, log, data directory, sockets, stores, deciders, threads, listeners. Stop, the other way:
//! take no more requests, let workers finish or hand back, stop collecting, commit the last batch.

mod checklist;
mod engine;
mod evaluate;
mod house;
mod listen;
mod loops;
mod reload;
mod sentry;
mod settings;

use crate::{
    cli,
    config::{self, Sources},
    data_dir::DataDir,
    discover, log,
    variables::Variables,
};
use anyhow::{Context, Result};
use house::House;
use std::{net::SocketAddr, process::ExitCode};

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &cli::Serve) -> Result<ExitCode> {
    let variables = Variables::of_process()?;
    let sources = Sources {
        config: args.config.clone(),
        prometheus: args.prometheus_config.clone(),
        alertmanager: args.alertmanager_config.clone(),
    };
    let loaded = match config::load(&sources) {
        Ok(loaded) => loaded,
        Err(report) => {
            println!("{report}");
            eprintln!("tocsin: the configuration has errors; nothing was started");
            return Ok(ExitCode::FAILURE);
        }
    };
    let (reports, reported) = sentry::channel(&variables);
    let _flush = log::install(&log::Settings {
        level: loaded.log.level.clone().unwrap_or_default(),
        format: loaded.log.format.clone().unwrap_or_default(),
        file: loaded.log.file.clone(),
        reports,
    })
    .context("cannot open the log")?;
    sentry::tell_of_panics();
    tracing::info!(event = "logging_configured", "Logging configured");
    tracing::info!(event = "app_starting", version = env!("CARGO_PKG_VERSION"), "Starting");
    for (file, problem) in &loaded.findings.problems {
        tracing::warn!(event = "config_finding", "{file}:{problem}");
    }
    let addresses = listen::addresses(args, &loaded)?;
    let dir = args.data_dir.clone().or(loaded.data_dir.clone()).unwrap_or_else(|| "tocsin-data".into());
    let data = DataDir::open(&dir)?;
    let greets = sources.config.is_none() && sources.prometheus.is_none() && sources.alertmanager.is_none();
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 16));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let telling = sentry::start(reported, &variables, &runtime);
    let code = runtime.block_on(async {
        let house = House::open(args, sources, loaded, &data, &addresses, &variables).await?;
        if greets {
            let addresses = house.addresses()?;
            tokio::task::spawn_blocking(move || greet(&addresses, &dir));
        }
        house.live().await
    });
    sentry::settle(telling, &runtime);
    let code = code?;
    // A thread that still evaluates an expression must not hold the end up.
    runtime.shutdown_background();
    Ok(code)
}

/// What to open next, in at most ten lines, written at once: log lines must not come between.
fn greet(addresses: &[SocketAddr], dir: &std::path::Path) {
    let Some(address) = addresses.first() else { return };
    let shown = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
    // Away from loopback nobody is known without a credential.
    let (key, of_key) = match address.ip().is_loopback() {
        true => ("", ""),
        false => (" -H 'X-API-Key: KEY'", ": KEY is what stands there as agent"),
    };
    let address = format!("{shown}:{}", address.port());
    let found: Vec<String> = discover::services().iter().map(discover::Found::words).collect();
    let (program, credentials) = (cli::program(), dir.join("credentials.json"));
    let (also, watches) = match found.as_slice() {
        [] => (String::new(), "to start from"),
        some => (format!("  also found    {}: not watched yet\n", some.join(", ")), "that watches them"),
    };
    println!(
        "Tocsin runs.\n  \
           overview      http://{address}/\n  \
           first task    curl http://{address}/tasks{key} -H 'Content-Type: application/json' -d '{{\"kind\": \"noop\"}}'\n  \
           credentials   {}{of_key}\n  \
           watched now   this process and this host; pages go to this console\n\
         {also}  \
           next          {program} init   writes a tocsin.yml {watches}",
        credentials.display()
    );
}
