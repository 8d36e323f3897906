//! A made-up `/proc`, and the real one.

use super::*;

fn read_all(host: &Host) -> Vec<String> {
    let mut lines = Vec::new();
    let mut sink = |name: &str, labels: &[(&str, &str)], value: f64| {
        let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
        lines.push(format!("{name}{{{}}} {value}", labels.join(",")));
    };
    host.read(&mut sink);
    host.read_process(&mut sink);
    lines
}

#[test]
fn reads_a_made_up_machine() {
    let dir = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("stat", "cpu  9 9 9 9\ncpu0 100 2 300 4 5 6 7 8 9 0\nctxt 77\nbtime 1000\nprocesses 5\n");
    put("loadavg", "0.5 0.25 0.125 1/200 300\n");
    put("meminfo", "MemTotal:  8 kB\nActive(anon):  2 kB\nHugePages_Total:  3\n");
    put("diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n");
    put("net/dev", "head\nhead\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    put("self/stat", "42 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 4 0 300 8192 2 0\n");
    put("pressure/io", "some avg10=0.00 total=2000000\nfull avg10=0.00 total=500000\n");
    let lines = read_all(&Host::at(dir.path(), dir.path()));
    for want in [
        "node_cpu_seconds_total{cpu=0,mode=system} 3",
        "node_cpu_guest_seconds_total{cpu=0,mode=user} 0.09",
        "node_context_switches_total{} 77",
        "node_boot_time_seconds{} 1000",
        "node_load15{} 0.125",
        "node_memory_MemTotal_bytes{} 8192",
        "node_memory_Active_anon_bytes{} 2048",
        "node_memory_HugePages_Total{} 3",
        "node_disk_read_bytes_total{device=sda} 1536",
        "node_disk_io_time_weighted_seconds_total{device=sda} 0.011",
        "node_network_transmit_carrier_total{device=eth0} 15",
        "node_pressure_io_stalled_seconds_total{} 0.5",
        "node_scrape_collector_success{collector=cpu} 1",
        "node_scrape_collector_success{collector=vmstat} 0",
        "process_cpu_seconds_total{} 3",
        "process_start_time_seconds{} 1003",
        "process_virtual_memory_bytes{} 8192",
        "process_threads{} 4",
    ] {
        assert!(lines.iter().any(|line| line == want), "{want} is missing in:\n{}", lines.join("\n"));
    }
    assert!(!lines.iter().any(|line| line.contains("sda1")));
}

#[test]
fn reads_this_machine() {
    let lines = read_all(&Host::default());
    for want in
        ["node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_load1{", "process_open_fds"]
    {
        assert!(lines.iter().any(|line| line.starts_with(want)), "{want}");
    }
}
