//! Loads a server that speaks `POST /tasks`, `POST /tasks/bulk` and `POST /v1/work`, or `POST /api/v2/alerts`, and prints
//! one line of JSON per measurement. Speaks HTTP by hand over blocking sockets, so that its own share of the two cores stays small;
//! checks that every task ran exactly once. `floor` is the same protocol with nothing behind it but one SQLite
//! writer with group commit: what a queue could reach here at best.

mod alerts;
mod drain;
mod floor;
mod hook;
mod http;
mod pickup;
mod process;
mod requests;
mod stats;
mod work;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Loads a task queue over HTTP and prints one line of JSON per measurement")]
struct Args {
    /// Where the server listens, as `127.0.0.1:8080`.
    #[arg(long, default_value = "127.0.0.1:8080", global = true)]
    to: String,
    /// The server's process, to read its CPU time and memory.
    #[arg(long, global = true)]
    pid: Option<u32>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Enqueue, claim and complete in batches: 100 a request enqueueing, 50 working.
    Batch {
        #[arg(long, default_value_t = 200_000)]
        tasks: u32,
        /// Connections that enqueue.
        #[arg(long, default_value_t = 2)]
        producers: u32,
        /// Connections that work.
        #[arg(long, default_value_t = 4)]
        workers: u32,
    },
    /// One `POST /tasks` and one `/v1/work` per task.
    Single {
        #[arg(long, default_value_t = 40_000)]
        tasks: u32,
        #[arg(long, default_value_t = 8)]
        producers: u32,
        #[arg(long, default_value_t = 8)]
        workers: u32,
    },
    /// Only enqueue: `per_request` 1 is `POST /tasks`, more is `POST /tasks/bulk`.
    Enqueue {
        #[arg(long, default_value_t = 200_000)]
        tasks: u32,
        #[arg(long, default_value_t = 4)]
        producers: u32,
        #[arg(long, default_value_t = 100)]
        per_request: u32,
    },
    /// Only claim and complete what is queued, until nothing is left.
    Drain {
        #[arg(long, default_value_t = 4)]
        workers: u32,
        #[arg(long, default_value_t = 50)]
        per_request: u32,
    },
    /// Open loop: tasks at a steady rate, taken by parked workers; from the planned send to the claim.
    Pickup {
        /// Tasks a second.
        #[arg(long, default_value_t = 1_000)]
        rate: u32,
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        #[arg(long, default_value_t = 8)]
        workers: u32,
    },
    /// CPU that the server takes while workers are parked.
    Idle {
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        #[arg(long, default_value_t = 8)]
        workers: u32,
    },
    /// One request over and over: `GET /health`, or `POST /tasks`.
    Requests {
        /// `health` or `tasks`.
        #[arg(value_parser = ["health", "tasks"])]
        what: String,
        #[arg(long, default_value_t = 16)]
        connections: u32,
        #[arg(long, default_value_t = 5)]
        seconds: u32,
    },
    /// `POST /api/v2/alerts`, 64 a request.
    Alerts {
        #[arg(long, default_value_t = 100_000)]
        count: u32,
        #[arg(long, default_value_t = 2)]
        connections: u32,
    },
    /// Reads a path over and over.
    Read {
        path: String,
        #[arg(long, default_value_t = 100)]
        times: u32,
    },
    /// From one alert sent to its page read by the webhook that listens on `hook`.
    Pages {
        #[arg(long)]
        hook: String,
        #[arg(long, default_value_t = 40)]
        count: u32,
    },
    /// Alerts of as many groups, until the webhook has a page of each.
    FanOut {
        #[arg(long)]
        hook: String,
        #[arg(long, default_value_t = 10_000)]
        groups: u32,
    },
    /// Serves the floor on `--to`, its rows in this file.
    Floor { file: PathBuf },
    /// Appends and syncs 4 KiB at the rate of `pickup`, to compare stalls of the disk itself.
    Disk {
        file: PathBuf,
        #[arg(long, default_value_t = 5)]
        seconds: u32,
    },
}

fn main() -> Result<(), String> {
    let Args { to, pid, what } = Args::parse();
    let server = http::Server { address: to.clone() };
    match what {
        What::Batch { tasks, producers, workers } => {
            drain::run(&server, pid, &drain::Plan::new("batch", tasks, (producers, 100), (workers, 50)))
        }
        What::Single { tasks, producers, workers } => {
            drain::run(&server, pid, &drain::Plan::new("single", tasks, (producers, 1), (workers, 1)))
        }
        What::Enqueue { tasks, producers, per_request } => {
            drain::run(&server, pid, &drain::Plan::new("enqueue", tasks, (producers, per_request), (0, 0)))
        }
        What::Drain { workers, per_request } => {
            drain::run(&server, pid, &drain::Plan::new("drain", 0, (0, 0), (workers, per_request)))
        }
        What::Pickup { rate, seconds, workers } => pickup::run(&server, pid, rate, seconds, workers),
        What::Idle { seconds, workers } => pickup::idle(&server, pid, seconds, workers),
        What::Requests { what, connections, seconds } => {
            requests::run(&server, pid, &what, connections, Duration::from_secs(seconds.into()))
        }
        What::Alerts { count, connections } => alerts::accept(&server, pid, count, connections),
        What::Read { path, times } => alerts::read(&server, pid, &path, times),
        What::Pages { hook, count } => alerts::pages(&server, &hook, count),
        What::FanOut { hook, groups } => alerts::fan_out(&server, pid, &hook, groups),
        What::Floor { file } => floor::serve(&to, &file),
        What::Disk { file, seconds } => requests::disk(&file, Duration::from_secs(seconds.into())),
    }
}
