//! This process, under the names that every client library uses.

use super::{Host, Sink, TICKS_PER_SECOND};

/// Name, type and help of each.
pub const PROCESS_METRICS: [(&str, &str, &str); 7] = [
    ("process_cpu_seconds_total", "counter", "CPU time used, user and system."),
    ("process_threads", "gauge", "Threads."),
    ("process_virtual_memory_bytes", "gauge", "Virtual memory."),
    ("process_resident_memory_bytes", "gauge", "Memory held in RAM."),
    ("process_start_time_seconds", "gauge", "When the process started, since 1970."),
    ("process_open_fds", "gauge", "Open file descriptors."),
    ("process_max_fds", "gauge", "File descriptors that may be open at once."),
];

pub(super) fn process(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    let stat = host.proc_text("self/stat")?;
    // The name may hold blanks and brackets; what follows its last bracket does not.
    let numbers: Vec<f64> = stat
        .rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .skip(1)
        .map_while(|word| word.parse().ok())
        .collect();
    let field = |number: usize| numbers.get(number - 4).copied();
    let page = rustix::param::page_size() as f64;
    sink("process_cpu_seconds_total", &[], (field(14)? + field(15)?) / TICKS_PER_SECOND);
    sink("process_threads", &[], field(20)?);
    sink("process_virtual_memory_bytes", &[], field(23)?);
    sink("process_resident_memory_bytes", &[], field(24)? * page);
    if let Some(boot) = boot_time(host) {
        sink("process_start_time_seconds", &[], boot + field(22)? / TICKS_PER_SECOND);
    }
    if let Ok(open) = std::fs::read_dir(host.proc.join("self/fd")) {
        // The listing itself holds one open.
        sink("process_open_fds", &[], open.count().saturating_sub(1) as f64);
    }
    if let Some(limits) = host.proc_text("self/limits") {
        let line = limits.lines().find(|line| line.starts_with("Max open files"));
        if let Some(soft) = line.and_then(|line| line.split_ascii_whitespace().nth(3)?.parse().ok()) {
            sink("process_max_fds", &[], soft);
        }
    }
    Some(())
}

fn boot_time(host: &Host) -> Option<f64> {
    host.proc_text("stat")?.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
