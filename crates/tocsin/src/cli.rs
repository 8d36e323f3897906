//! The command line: flags for what needs a restart, the file for what reloads.

mod incidents;
mod on_call;
mod receivers;
mod schedule;
mod tasks;

pub use incidents::{Alerts, Incidents, IncidentsVerb, NewSilence, Silence, SilenceVerb, Why};
pub use on_call::{OnCall, OnCallVerb};
pub use receivers::{MadeUp, ReceiverFiles, ReceiverPreview, ReceiverTest, Receivers, Routes};
pub use schedule::{Dialect, Fold, Gap, Schedule, ScheduleNext};
pub use tasks::{Approve, Tasks, TasksVerb};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The name by which this program was called, so that what it proposes to type works.
pub fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "tocsin".to_owned())
}

/// Work, watch, wake, mend: background work, monitoring, alerting and runbooks in one process.
#[derive(Debug, Parser)]
#[command(name = "tocsin", version, after_help = "First: tocsin serve, and open http://127.0.0.1:8080/")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run everything in one process, until SIGTERM
    Serve(Serve),
    /// Do work for a Tocsin elsewhere, over HTTP, until SIGTERM
    Worker(Worker),
    /// Write a commented tocsin.yml for what is found on this machine
    Init(Init),
    /// Say what is wrong in a file, where, and what would be right
    Check(Check),
    /// Have a running Tocsin read its files again, or say which alerts that would move
    Reload(Reload),
    /// Ask a running Tocsin how it is; exits 0 or 1
    Health(Health),
    /// Copy the store to a file, while the server runs or not
    Backup(Backup),
    /// Decide on what waits for an approval, or list it
    Approve(Approve),
    /// List tasks, ask why one does not run, stop it, do a dead one again
    Tasks(Tasks),
    /// List incidents, take one on, put it off, end it
    Incidents(Incidents),
    /// Say who is on call, have somebody stand in
    OnCall(OnCall),
    /// Say why somebody was told of an alert, or not
    Why(Why),
    /// List silences, make one after a look at what it mutes, end one
    Silence(Silence),
    /// List what fires
    Alerts(Alerts),
    /// Run PromQL .test scripts against the real engine and store
    Promqltest(Promqltest),
    /// Show who would be told
    #[command(subcommand)]
    Routes(Routes),
    /// Try out who is told: list receivers, send a test page, show what a page would look like
    #[command(subcommand)]
    Receivers(Receivers),
    /// Preview schedules
    #[command(subcommand)]
    Schedule(Schedule),
    /// Make secrets
    #[command(subcommand)]
    Secrets(Secrets),
}

const SERVE_HELP: &str = "\
Without a configuration it watches itself and this host, and pages go to the console.

Variables:
  PORT, ORCHESTRATOR_PORT   without --listen: listen on this port of every address
  ORCHESTRATOR_JWT_SECRET   signs tokens; required to listen on other addresses than loopback
  REDIS_URL                 a Redis whose PING /health shows
  TZ                        the time zone of schedules that name none [UTC]
  WORKER_LEASE_SECONDS      how long a silent worker keeps its work [60]
  WORKER_SHUTDOWN_TIMEOUT   seconds that work may take to finish after SIGTERM [30]
  LOG_LEVEL, LOG_FORMAT     debug, info, warning or error [info]; json or text [json]
  TOCSIN_DISCOVER=off       look for no services on this machine";

/// `tocsin serve`
#[derive(Debug, Args, Default)]
#[command(after_help = SERVE_HELP)]
pub struct Serve {
    /// A tocsin.yml; `tocsin init` writes one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// An existing prometheus.yml, as it is
    #[arg(long, value_name = "FILE")]
    pub prometheus_config: Option<PathBuf>,
    /// An existing alertmanager.yml, as it is
    #[arg(long, value_name = "FILE")]
    pub alertmanager_config: Option<PathBuf>,
    /// Where state is kept [default: ./tocsin-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to listen on; may be given several times [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// The address under which users reach this server
    #[arg(long, value_name = "URL")]
    pub external_url: Option<String>,
    /// Who needs a credential [default: local]
    #[arg(long, value_name = "WHO")]
    pub auth: Option<Auth>,
}

/// Who needs a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Everybody but callers on this machine, who act as operator.
    Local,
    /// Everybody.
    Required,
}

/// `tocsin worker`
#[derive(Debug, Args)]
pub struct Worker {
    /// A file whose `tools:` this worker can do, in the form of tocsin.yml
    #[arg(long, value_name = "FILE")]
    pub actions: Option<PathBuf>,
    /// Its name; one name, one worker [default: a random one]
    #[arg(long)]
    pub id: Option<String>,
    /// What it is, NAME=VALUE; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
    /// How many runs at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub slots: u32,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// `tocsin init`
#[derive(Debug, Args)]
pub struct Init {
    /// The file to write; an existing one is left alone
    #[arg(default_value = "tocsin.yml")]
    pub file: PathBuf,
}

/// `tocsin check`
#[derive(Debug, Args)]
#[command(after_help = "Prints FILE:LINE:COL: error|finding: WHAT; TRY. Exits 1 if anything is an error.")]
pub struct Check {
    /// The files, and before them what they are: config, prometheus, rules, alertmanager or pack; told by their
    /// content if left out
    #[arg(required = true, num_args = 1.., value_name = "[KIND] FILE")]
    pub kind_and_files: Vec<String>,
    /// Open the files that prometheus.yml and alertmanager.yml refer to as well
    #[arg(long)]
    pub files: bool,
    /// Findings count as errors
    #[arg(long)]
    pub strict: bool,
}

const RELOAD_HELP: &str = "\
A file with an error changes nothing: it is printed as FILE:LINE:COL: error: WHAT; TRY, and the exit code is 1.";

/// `tocsin reload`
#[derive(Debug, Args)]
#[command(after_help = RELOAD_HELP)]
pub struct Reload {
    /// Change nothing: say whether the files are good, and which alerts that fire now would go to somebody else
    #[arg(long)]
    pub dry_run: bool,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// `tocsin health`
#[derive(Debug, Args)]
pub struct Health {
    /// Whether the process answers
    #[arg(long, group = "what")]
    pub live: bool,
    /// Whether it takes work
    #[arg(long, group = "what")]
    pub ready: bool,
    /// Whether it has started
    #[arg(long, group = "what")]
    pub startup: bool,
    /// The five checks: database, disk_space, memory, query_performance, agents
    #[arg(long, group = "what")]
    pub all: bool,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// What every verb that asks a server takes.
#[derive(Debug, Args)]
pub struct Remote {
    /// As JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Which server [default: http://127.0.0.1 with the port of PORT or ORCHESTRATOR_PORT, else 8080]
    #[arg(long, global = true, value_name = "URL", env = "TOCSIN_SERVER")]
    pub server: Option<String>,
    /// An API key; without one, on this machine, the key in ./tocsin-data is tried if the server asks for one
    #[arg(long, global = true, value_name = "KEY", env = "TOCSIN_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

/// `tocsin backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to make; refused if it is there already
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Where state is kept [default: ./tocsin-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// `tocsin promqltest`
#[derive(Debug, Args)]
pub struct Promqltest {
    /// Files or folders of .test scripts
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
}

/// `tocsin secrets`
#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Print a fresh secret and one API key a role, as variables for an .env file
    Generate {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
}
