//! This machine and this process, under node_exporter's and the client libraries' names, from `/proc` and
//! `statvfs`.
//!
//! Not here: which labels say which machine it is ([`crate::HostConfig`]).
//! Each part fails for itself: `node_scrape_collector_success{collector}` says which did.

mod disk;
mod filesystem;
mod kernel;
mod memory;
mod network;
mod process;
mod run;
#[cfg(test)]
mod tests;

pub use crate::context::Sink;
pub use process::PROCESS_METRICS;

pub(crate) use run::host_loop;

use std::path::{Path, PathBuf};

/// Reads one part; `None` if it failed.
type Part = fn(&Host, &mut Sink<'_>) -> Option<()>;

/// Where the kernel speaks.
#[derive(Debug, Clone)]
pub struct Host {
    proc: PathBuf,
    sys: PathBuf,
}

impl Default for Host {
    fn default() -> Host {
        Host::at("/proc", "/sys")
    }
}

impl Host {
    /// A machine whose `/proc` and `/sys` are mounted there.
    pub fn at(proc: impl Into<PathBuf>, sys: impl Into<PathBuf>) -> Host {
        Host { proc: proc.into(), sys: sys.into() }
    }

    /// The machine. Blocks for some milliseconds.
    pub fn read(&self, sink: &mut Sink<'_>) {
        let parts: [(&str, Part); 12] = [
            ("cpu", kernel::stat),
            ("loadavg", kernel::load),
            ("vmstat", kernel::vmstat),
            ("filefd", kernel::filefd),
            ("pressure", kernel::pressure),
            ("uname", kernel::uname),
            ("time", kernel::time),
            ("meminfo", memory::meminfo),
            ("diskstats", disk::diskstats),
            ("filesystem", filesystem::filesystems),
            ("netdev", network::netdev),
            ("netclass", network::operstate),
        ];
        for (name, part) in parts {
            let worked = part(self, sink).is_some();
            sink("node_scrape_collector_success", &[("collector", name)], f64::from(u8::from(worked)));
        }
    }

    /// This process: `process_cpu_seconds_total` and its kin.
    pub fn read_process(&self, sink: &mut Sink<'_>) {
        // Where there is no /proc there are no such metrics.
        let _ = process::process(self, sink);
    }

    fn proc_text(&self, file: &str) -> Option<String> {
        read(&self.proc.join(file))
    }
}

/// The machine's name, for the `instance` label.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The kernel counts time in hundredths of a second for user space.
const TICKS_PER_SECOND: f64 = 100.0;
