//! The command line: flags for what needs a restart, the file for what reloads.

mod incidents;
mod on_call;

pub use incidents::{Alerts, Incidents, IncidentsVerb, NewSilence, Silence, SilenceVerb, Why};
pub use on_call::{OnCall, OnCallVerb};

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

/// `tocsin approve`
#[derive(Debug, Args)]
pub struct Approve {
    /// The approval, or its task
    pub id: Option<String>,
    /// Say no: the task is cancelled
    #[arg(long)]
    pub reject: bool,
    /// Why
    #[arg(long)]
    pub reason: Option<String>,
    /// What waits for an approval
    #[arg(long, conflicts_with_all = ["id", "reject", "reason"])]
    pub list: bool,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// `tocsin tasks`
#[derive(Debug, Args)]
pub struct Tasks {
    /// What to do [default: list]
    #[command(subcommand)]
    pub verb: Option<TasksVerb>,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// What to do about tasks.
#[derive(Debug, Clone, Subcommand)]
pub enum TasksVerb {
    /// The newest ones
    List {
        /// Of this status or state
        #[arg(long)]
        status: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
        limit: u64,
    },
    /// One of them, as JSON
    Show {
        /// Its id
        id: String,
    },
    /// All that keeps one from running
    Why {
        /// Its id
        id: String,
    },
    /// Run one now, besides its schedule
    Run {
        /// Its id
        id: String,
    },
    /// Stop one for good
    Cancel {
        /// Its id
        id: String,
    },
    /// Hold one until it is resumed
    Pause {
        /// Its id
        id: String,
    },
    /// Let a held one go on
    Resume {
        /// Its id
        id: String,
    },
    /// Put off what waits of one
    Snooze {
        /// Its id
        id: String,
        /// By how many seconds
        seconds: u64,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// The queues
    Queues,
    /// Let nothing of a queue begin
    PauseQueue {
        /// Its name
        name: String,
    },
    /// Let a queue go on
    ResumeQueue {
        /// Its name
        name: String,
    },
    /// Runs that were given up
    Dead {
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
        limit: u64,
    },
    /// Do a run again that was given up
    Replay {
        /// Its id
        run: String,
    },
}

/// `tocsin promqltest`
#[derive(Debug, Args)]
pub struct Promqltest {
    /// Files or folders of .test scripts
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
}

/// `tocsin routes`
#[derive(Debug, Subcommand)]
pub enum Routes {
    /// The receivers of a label set, on one line
    Test {
        /// alertmanager.yml
        #[arg(long, value_name = "FILE")]
        alertmanager_config: PathBuf,
        /// NAME=VALUE
        labels: Vec<String>,
    },
}

/// `tocsin receivers`
#[derive(Debug, Subcommand)]
pub enum Receivers {
    /// All of them, with their integrations
    List {
        /// Where they are written.
        #[command(flatten)]
        files: ReceiverFiles,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Send a test page by all integrations of one, and print what each answers; exits 1 if one fails
    Test(ReceiverTest),
    /// Print what would be sent, message by message, without sending it and without secrets
    Preview(ReceiverPreview),
}

/// Where receivers are written.
#[derive(Debug, Args)]
pub struct ReceiverFiles {
    /// A tocsin.yml [default: ./tocsin.yml, if there is one and nothing else is given]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// An alertmanager.yml
    #[arg(long, value_name = "FILE")]
    pub alertmanager_config: Option<PathBuf>,
}

/// The alert that a test or a preview is about.
#[derive(Debug, Args)]
pub struct MadeUp {
    /// Its labels, NAME=VALUE; may be given several times, or several at once [default: alertname=TestPage
    /// severity=info]
    #[arg(long = "labels", visible_alias = "label", value_name = "NAME=VALUE", num_args = 1..)]
    pub labels: Vec<String>,
    /// Its annotations, NAME=VALUE
    #[arg(long = "annotations", visible_alias = "annotation", value_name = "NAME=VALUE", num_args = 1..)]
    pub annotations: Vec<String>,
    /// Only this integration of the receiver, such as slack[0]
    #[arg(long, value_name = "NAME")]
    pub integration: Option<String>,
}

/// `tocsin receivers test`
#[derive(Debug, Args)]
pub struct ReceiverTest {
    /// The receiver's name
    pub name: String,
    /// Where it is written.
    #[command(flatten)]
    pub files: ReceiverFiles,
    /// What about.
    #[command(flatten)]
    pub about: MadeUp,
    /// Send the end of it as well, to those that want ends
    #[arg(long)]
    pub resolve: bool,
    /// As JSON, a line for each message
    #[arg(long)]
    pub json: bool,
}

/// `tocsin receivers preview`
#[derive(Debug, Args)]
pub struct ReceiverPreview {
    /// The receiver's name
    pub name: String,
    /// Where it is written.
    #[command(flatten)]
    pub files: ReceiverFiles,
    /// What about.
    #[command(flatten)]
    pub about: MadeUp,
    /// Of the alerts that fire at a server now, the first group of those that match instead: alertname=DiskFull
    #[arg(long, value_name = "MATCHER", num_args = 1.., conflicts_with_all = ["labels", "annotations"])]
    pub live: Vec<String>,
    /// The message about its end
    #[arg(long)]
    pub resolved: bool,
    /// Just this template, filled in: '{{ template \"slack.default.title\" . }}'
    #[arg(long, value_name = "TEXT")]
    pub template: Option<String>,
    /// Whose alerts; JSON has a line for each message.
    #[command(flatten)]
    pub remote: Remote,
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

/// `tocsin schedule`
#[derive(Debug, Subcommand)]
pub enum Schedule {
    /// The next fires of an expression, one instant a line
    Next(ScheduleNext),
}

/// `tocsin schedule next`
#[derive(Debug, Args)]
pub struct ScheduleNext {
    /// A cron expression, a macro such as @daily, RRULE lines with their DTSTART, or an instant
    pub expr: String,
    /// Which fields a cron expression has
    #[arg(long, default_value = "standard")]
    pub dialect: Dialect,
    /// A time of day that clocks skip: leave it out, or shift it by as much as they jump
    #[arg(long, default_value = "shift")]
    pub gap: Gap,
    /// A time of day that occurs twice: fire the first time, the second, or both [default: second; of an RRULE
    /// first]
    #[arg(long)]
    pub fold: Option<Fold>,
    /// An IANA time zone
    #[arg(long, default_value = "UTC")]
    pub tz: String,
    /// The fires after this instant, exclusive [default: now]
    #[arg(long)]
    pub after: Option<String>,
    /// How many
    #[arg(long, default_value_t = 5)]
    pub count: usize,
}

/// Which fields a cron expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// Five: minute hour day month weekday.
    Standard,
    /// Six: second first.
    Seconds,
    /// Six with the year last, or seven with the second first as well.
    Year,
}

/// A time of day that clocks skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gap {
    /// Left out.
    Skip,
    /// Shifted by as much as clocks jump.
    Shift,
}

/// A time of day that occurs twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fold {
    /// Fires the first time.
    First,
    /// Fires the second time.
    Second,
    /// Fires both times.
    Both,
}
