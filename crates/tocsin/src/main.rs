//! The binary: reads the command line and hands over to the verb.

mod approve;
mod backup;
mod check;
mod cli;
mod client;
mod config;
mod core;
mod data_dir;
mod discover;
mod elsewhere;
mod health;
mod incidents_verb;
mod init;
mod log;
mod metrics;
mod monitoring;
mod on_call_verb;
mod own_metrics;
mod receivers_verb;
mod reload_verb;
mod seams;
mod secrets;
mod serve;
mod silence_verb;
mod tasks_verb;
mod terminal;
mod variables;
mod verbs;
mod why_verb;

use clap::Parser;
use cli::{Cli, Verb};
use std::process::ExitCode;

/// Requests are made of many small texts that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the shell reports of a program whose reader went away.
const NOBODY_READS: i32 = 128 + 13;

fn main() -> ExitCode {
    end_when_nobody_reads();
    let done = match Cli::parse().verb {
        Verb::Serve(args) => serve::run(&args),
        Verb::Worker(args) => elsewhere::run(&args),
        Verb::Init(args) => init::run(&args).map(|()| ExitCode::SUCCESS),
        Verb::Check(args) => Ok(verbs::check(&args)),
        Verb::Secrets(cli::Secrets::Generate { json }) => Ok(secrets::generate(json)),
        Verb::Reload(args) => reload_verb::run(&args),
        Verb::Health(args) => health::run(&args),
        Verb::Backup(args) => backup::run(&args),
        Verb::Approve(args) => approve::run(&args),
        Verb::Tasks(args) => tasks_verb::run(&args),
        Verb::Incidents(args) => incidents_verb::run(&args),
        Verb::OnCall(args) => on_call_verb::run(&args),
        Verb::Why(args) => why_verb::run(&args),
        Verb::Silence(args) => silence_verb::run(&args),
        Verb::Alerts(args) => silence_verb::alerts(&args),
        Verb::Promqltest(args) => verbs::promqltest(&args),
        Verb::Routes(cli::Routes::Test { alertmanager_config, labels }) => {
            Ok(verbs::routes_test(&alertmanager_config, &labels))
        }
        Verb::Receivers(args) => receivers_verb::run(&args),
        Verb::Schedule(cli::Schedule::Next(args)) => Ok(verbs::schedule_next(&args)),
    };
    done.unwrap_or_else(|why| {
        eprintln!("tocsin: {why:#}");
        ExitCode::FAILURE
    })
}

/// Whoever reads our output may close it early, as `head` does: then there is nobody to tell, and nothing is wrong.
fn end_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload().downcast_ref::<String>().map_or("", String::as_str);
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(NOBODY_READS);
        }
        usual(info);
    }));
}
