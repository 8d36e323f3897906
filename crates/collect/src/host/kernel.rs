//! Processors, load, memory events, open files, pressure, the kernel's name, the time.

use super::{Host, Sink, TICKS_PER_SECOND};

const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

pub(super) fn stat(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    for line in host.proc_text("stat")?.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { continue };
        let numbers: Vec<f64> = words.map_while(|word| word.parse().ok()).collect();
        let first = numbers.first().copied();
        match (key, first) {
            ("ctxt", Some(n)) => sink("node_context_switches_total", &[], n),
            ("btime", Some(n)) => sink("node_boot_time_seconds", &[], n),
            ("processes", Some(n)) => sink("node_forks_total", &[], n),
            ("procs_running", Some(n)) => sink("node_procs_running", &[], n),
            ("procs_blocked", Some(n)) => sink("node_procs_blocked", &[], n),
            ("intr", Some(n)) => sink("node_intr_total", &[], n),
            _ => {
                if let Some(cpu) = key.strip_prefix("cpu").filter(|cpu| !cpu.is_empty()) {
                    processor(cpu, &numbers, sink);
                }
            }
        }
    }
    Some(())
}

fn processor(cpu: &str, ticks: &[f64], sink: &mut Sink<'_>) {
    for (mode, ticks) in MODES.iter().zip(ticks) {
        sink("node_cpu_seconds_total", &[("cpu", cpu), ("mode", mode)], ticks / TICKS_PER_SECOND);
    }
    for (mode, ticks) in ["user", "nice"].iter().zip(ticks.iter().skip(MODES.len())) {
        sink("node_cpu_guest_seconds_total", &[("cpu", cpu), ("mode", mode)], ticks / TICKS_PER_SECOND);
    }
}

pub(super) fn load(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    let text = host.proc_text("loadavg")?;
    for (name, word) in ["node_load1", "node_load5", "node_load15"].iter().zip(text.split_ascii_whitespace())
    {
        sink(name, &[], word.parse().ok()?);
    }
    Some(())
}

pub(super) fn vmstat(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    const KEPT: [&str; 7] = ["oom_kill", "pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault"];
    for line in host.proc_text("vmstat")?.lines() {
        if let Some((key, value)) = line.split_once(' ')
            && KEPT.contains(&key)
        {
            sink(&format!("node_vmstat_{key}"), &[], value.trim().parse().ok()?);
        }
    }
    Some(())
}

pub(super) fn filefd(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    let text = host.proc_text("sys/fs/file-nr")?;
    let mut words = text.split_ascii_whitespace();
    sink("node_filefd_allocated", &[], words.next()?.parse().ok()?);
    sink("node_filefd_maximum", &[], words.nth(1)?.parse().ok()?);
    Some(())
}

/// `/proc/pressure`: absent on kernels without it, which is no failure.
pub(super) fn pressure(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    for (file, some, full) in [
        ("cpu", "node_pressure_cpu_waiting_seconds_total", None),
        ("io", "node_pressure_io_waiting_seconds_total", Some("node_pressure_io_stalled_seconds_total")),
        (
            "memory",
            "node_pressure_memory_waiting_seconds_total",
            Some("node_pressure_memory_stalled_seconds_total"),
        ),
    ] {
        let Some(text) = host.proc_text(&format!("pressure/{file}")) else { continue };
        for line in text.lines() {
            let name = if line.starts_with("some ") { Some(some) } else { full };
            let micros = line.rsplit_once("total=").and_then(|(_, total)| total.trim().parse::<f64>().ok());
            if let (Some(name), Some(micros)) = (name, micros) {
                sink(name, &[], micros / 1e6);
            }
        }
    }
    Some(())
}

pub(super) fn uname(_: &Host, sink: &mut Sink<'_>) -> Option<()> {
    let uname = rustix::system::uname();
    let [sysname, nodename, release, version, machine, domain] = [
        uname.sysname(),
        uname.nodename(),
        uname.release(),
        uname.version(),
        uname.machine(),
        uname.domainname(),
    ]
    .map(|text| text.to_string_lossy());
    let labels = [
        ("sysname", &*sysname),
        ("nodename", &*nodename),
        ("release", &*release),
        ("version", &*version),
        ("machine", &*machine),
        ("domainname", &*domain),
    ];
    sink("node_uname_info", &labels, 1.0);
    Some(())
}

/// The one sample that says what time the machine thinks it is.
pub(super) fn time(_: &Host, sink: &mut Sink<'_>) -> Option<()> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    sink("node_time_seconds", &[], since.as_secs_f64());
    Some(())
}
